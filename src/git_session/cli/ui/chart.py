"""A timeline drawn with characters: lines of pieces, each a text and the name of a style.

Pure: the width, the characters and the rows are arguments. Each state has a shape of its own, so
that nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from git_session.cli.ui.describe import short_task
from git_session.cli.ui.text import LEAST_ID, cell_width, cut_cell, cut_id
from git_session.core.liveness import QUIET_AFTER_MS
from git_session.core.wire.plain_text import strip_controls
from git_session.core.wire.words import STATES
from git_session.views.timeline import plan_ticks

Row = Mapping[str, Any]
Line = list[tuple[str, str]]

_NAMES: Final = (*STATES[:-1], "quiet", "live", "done", "failed", "tick")
UNICODE: Final = dict(zip(_NAMES, "╌─━═┈▶●✗╷", strict=True))
ASCII: Final = dict(zip(_NAMES, ":-=~.>ox|", strict=True))
_MEANINGS: Final = {"quiet": "nothing heard", "live": "now", "done": "exit 0", "failed": "failed"}
_MARKS: Final = ("live", "done", "failed")
_DAY: Final = 86_400_000
_MINUTE: Final = 60_000
_LABEL: Final = 12
"""Columns for one mark of the axis."""

_NARROW: Final = 60
_WIDE: Final = 76
_INDENT: Final = "  "


class Frame(NamedTuple):
    """Holds where bars are drawn: the first column, how many there are, the times at both ends."""

    left: int
    columns: int
    from_ts: int
    until_ts: int

    def column(self, ts: int) -> int:
        """Return the column that a time falls in; what is outside gets the first or the last."""
        length = max(self.until_ts - self.from_ts, 1)
        place = (ts - self.from_ts) * self.columns // length
        return max(0, min(self.columns - 1, place))


def draw_timeline(row: Row, width: int, shapes: Mapping[str, str]) -> list[Line]:
    """Draw a timeline, `width` columns wide: an axis, each lane with its bars, and the legend.

    Where no round time falls into it there is no axis.
    """
    texts = [_bar_texts(bar, width) for lane in row["lanes"] for bar in lane["bars"]]
    widths = [max(map(cell_width, column)) for column in zip(*texts, strict=True)]
    left = sum(widths) + len(widths) + len(_INDENT)
    frame = Frame(left, max(width - left, 10), row["from_ts"], row["until_ts"])
    axis = _draw_axis(frame, shapes["tick"])
    lines = [axis] if axis else []
    for lane in row["lanes"]:
        lines.append(_draw_title(lane, width))
        for bar in lane["bars"]:
            label = _pad(_bar_texts(bar, width), widths)
            lines.append([(f"{_INDENT}{label} ", "label"), *_draw_bar(bar, row, frame, shapes)])
    return [*lines, [], _draw_legend(shapes)]


def _bar_texts(bar: Row, width: int) -> list[str]:
    """Return what stands before a bar; a narrow terminal has room for less."""
    texts = [bar["session_id"], bar["engine"], _state_text(bar)]
    if width < _NARROW:
        texts = [cut_id(strip_controls(bar["session_id"]), LEAST_ID), _state_text(bar)]
    elif width < _WIDE:
        texts = [bar["session_id"], _state_text(bar)]
    return [cut_id(strip_controls(text), 16) for text in texts]


def _state_text(bar: Row) -> str:
    if bar["state"] != "exit":
        return str(bar["state"])
    return "exit" if bar["exit_code"] is None else f"exit {bar['exit_code']}"


def _pad(texts: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(texts, widths, strict=True)
    return " ".join(text + " " * (width - cell_width(text)) for text, width in pairs)


def _draw_title(lane: Row, width: int) -> Line:
    task = short_task(strip_controls(lane["task_id"]))
    status = f"  {strip_controls(lane['status'])}" if lane["status"] else ""
    room = max(width - cell_width(task) - cell_width(status) - 2, 8)
    title = cut_cell(strip_controls(lane["title"]), room)
    return [(task, "task"), (f"  {title}", "title"), (status, "status")]


def _draw_axis(frame: Frame, tick: str) -> Line:
    step, ticks = plan_ticks(frame.from_ts, frame.until_ts, frame.columns // _LABEL)
    line = " " * frame.left
    for ts in ticks:
        label = tick + _format_tick(ts, step)
        column = frame.left + frame.column(ts)
        if column >= len(line) and column + len(label) <= frame.left + frame.columns:
            line += " " * (column - len(line)) + label
    return [(line.rstrip(), "axis")] if line.strip() else []


def _format_tick(ts: int, step: int) -> str:
    date = datetime.fromtimestamp(ts // 1000, UTC)
    if step > 300 * _DAY:
        return f"{date:%Y}"
    if step >= _DAY or ts % _DAY == 0:
        return f"{date:%m-%d}"
    return f"{date:%H:%M:%S}" if step < _MINUTE else f"{date:%H:%M}"


def _draw_bar(
    bar: Row, row: Row, frame: Frame, shapes: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Draw one bar: a run of equal cells is one piece."""
    cells = [""] * frame.columns
    for span in bar["spans"]:
        if span["until_ts"] >= frame.from_ts and span["from_ts"] <= frame.until_ts:
            _fill(cells, frame, span["from_ts"], span["until_ts"], span["state"])
    if bar["end_ts"] is None:
        _draw_living(cells, bar, row["now"], frame)
    elif frame.from_ts <= bar["end_ts"] <= frame.until_ts:
        cells[frame.column(bar["end_ts"])] = "done" if bar["exit_code"] == 0 else "failed"
    begin = 0
    for end in range(1, len(cells) + 1):
        if end == len(cells) or cells[end] != cells[begin]:
            name = cells[begin]
            yield (shapes.get(name, " ") * (end - begin), name)
            begin = end


def _draw_living(cells: list[str], bar: Row, now: int, frame: Frame) -> None:
    """Mark what lives, and since when nothing was heard of it."""
    is_quiet = now - bar["seen_ts"] > QUIET_AFTER_MS and bar["verdict"] != "alive"
    if (is_quiet or bar["verdict"] == "dead") and bar["seen_ts"] <= frame.until_ts:
        _fill(cells, frame, bar["seen_ts"], now, "quiet")
    elif now <= frame.until_ts:
        cells[frame.column(now)] = "live"


def _fill(cells: list[str], frame: Frame, from_ts: int, until_ts: int, name: str) -> None:
    for column in range(frame.column(from_ts), frame.column(until_ts) + 1):
        cells[column] = name


def _draw_legend(shapes: Mapping[str, str]) -> Line:
    line: Line = []
    for name in _NAMES[:-1]:
        line += [(shapes[name] * (1 if name in _MARKS else 2), name)]
        line += [(f" {_MEANINGS.get(name, name)}  ", "legend")]
    return line
