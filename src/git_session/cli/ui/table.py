"""Tables as lines of text: aligned, and on a terminal fitted to its width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from git_session.cli.ui.text import LEAST_ID, cell_width, cut_cell, cut_id
from git_session.core.wire.plain_text import strip_controls

_GAP: Final = 2
_WIDEST_PADDING: Final = 60
"""In a pipe a longer cell stands whole and pushes its own line, not all the others."""

_HARD_LEAST: Final = 4
"""On a terminal too narrow for what should not be cut, even that is, but not below this."""


class Column(NamedTuple):
    """Describes a column.

    On a terminal that is too narrow, columns go in the order of `drop` (0: never), and those
    with a `least` are cut, but not below it. `paint` colours a cell that is already padded. Of an
    id, `is_id`, the end stays.
    """

    title: str
    least: int = 0
    drop: int = 0
    paint: Callable[[str], str] | None = None
    is_id: bool = False


def format_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int | None,
    *,
    colored: bool = False,
) -> list[str]:
    """Form the lines of a table, the titles first where there are any.

    `width` is the terminal's in columns; None is a pipe, where nothing is left out or cut.
    Control characters are stripped from every cell.
    """
    cells = [[strip_controls(cell) for cell in row] for row in rows]
    shown = list(range(len(columns)))
    widths = [max((cell_width(row[n]) for row in cells), default=0) for n in shown]
    widths = [min(natural, _WIDEST_PADDING if width is None else width) for natural in widths]
    if width is not None:
        shown = [n for n in shown if widths[n] > 0]
    widths = [max(natural, len(columns[n].title)) for n, natural in enumerate(widths)]
    if width is not None:
        shown = _drop_columns(columns, shown, widths, width)
        _cut_columns(shown, widths, [column.least for column in columns], width)
        hard = [LEAST_ID if column.is_id else _HARD_LEAST for column in columns]
        _cut_columns(shown, widths, hard, width)
    kept = [widths[n] for n in shown]
    paints = [columns[n].paint if colored else None for n in shown]
    lines = []
    if any(column.title for column in columns):
        titles = [cut_cell(columns[n].title, widths[n]) for n in shown]
        lines.append(_format_line(titles, kept, [None] * len(shown)))
    for row in cells:
        fitted = [row[n] if width is None else _cut(row[n], columns[n], widths[n]) for n in shown]
        lines.append(_format_line(fitted, kept, paints))
    return lines


def format_pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Form `key: value` lines with the values aligned, and `-` where there is none."""
    widest = min(max((len(key) for key, _ in pairs), default=0), _WIDEST_PADDING)
    return [f"{key + ':':<{widest + 1}} {strip_controls(value) or '-'}" for key, value in pairs]


def _cut(cell: str, column: Column, width: int) -> str:
    return cut_id(cell, width) if column.is_id else cut_cell(cell, width)


def _line_width(shown: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[n] for n in shown) + _GAP * max(len(shown) - 1, 0)


def _drop_columns(
    columns: Sequence[Column], shown: list[int], widths: Sequence[int], width: int
) -> list[int]:
    def least_width() -> int:
        cut = [min(widths[n], columns[n].least or widths[n]) for n in shown]
        return sum(cut) + _GAP * max(len(shown) - 1, 0)

    for n in sorted((n for n in shown if columns[n].drop), key=lambda n: columns[n].drop):
        if least_width() <= width:
            break
        shown = [other for other in shown if other != n]
    return shown


def _cut_columns(
    shown: Sequence[int], widths: list[int], leasts: Sequence[int], width: int
) -> None:
    """Cut the widest columns first, none below its least (0: it is not cut)."""
    while (excess := _line_width(shown, widths) - width) > 0:
        soft = [n for n in shown if leasts[n] and widths[n] > leasts[n]]
        if not soft:
            return
        soft.sort(key=lambda n: widths[n], reverse=True)
        widest, floor = soft[0], widths[soft[1]] if len(soft) > 1 else 0
        room = max(widths[widest] - max(floor, leasts[widest]), 1)
        widths[widest] -= min(room, excess)


def _format_line(
    cells: Sequence[str],
    widths: Sequence[int],
    paints: Sequence[Callable[[str], str] | None],
) -> str:
    parts = []
    for n, cell in enumerate(cells):
        is_last = n == len(cells) - 1
        text = cell if is_last else cell + " " * max(widths[n] - cell_width(cell), 0)
        paint = paints[n] if cell else None
        parts.append(paint(text) if paint else text)
    return (" " * _GAP).join(parts).rstrip()
