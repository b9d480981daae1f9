"""Times, lengths and widths as people read them. Everything here is pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_CUT_MARK: Final = ".."
_ID_END: Final = 4
"""Characters of an id that brat draws, after the day."""

LEAST_ID: Final = len("s-") + len(_CUT_MARK) + _ID_END
"""Columns that an id takes when all is left out that can be."""

_LONG: Final = 4096
"""Characters; of more than fit on any terminal nobody need know the columns. Each takes 1 us."""

_SECOND: Final = 1000
_UNITS: Final = (
    (365 * 86400 * _SECOND, "y", "year"),
    (86400 * _SECOND, "d", "day"),
    (3600 * _SECOND, "h", "hour"),
    (60 * _SECOND, "m", "minute"),
    (_SECOND, "s", "second"),
)


def format_age(ms: int) -> str:
    """Form a length of time in its largest unit: `12s`, `5m`, `3h`, `2d`; `in 5m` if negative."""
    number, short, _ = _largest_unit(abs(ms))
    return f"in {number}{short}" if ms <= -_SECOND else f"{number}{short}"


def format_ago(ms: int) -> str:
    """Form how long ago something was: `2 hours ago`; `in 2 hours` if it is still to come."""
    number, _, name = _largest_unit(abs(ms))
    if number == 0:
        return "just now"
    length = f"{number} {name}" if number == 1 else f"{number} {name}s"
    return f"in {length}" if ms < 0 else f"{length} ago"


def format_time(ts: int, now: int) -> str:
    """Form a time in UTC with how long ago it was; both arguments are in ms since the epoch."""
    date = format_date(ts)
    return f"{date} ({format_ago(now - ts)})" if date.endswith("UTC") else date


def format_date(ts: int) -> str:
    """Form a time (ms since the epoch) in UTC; as it is where no calendar has it."""
    try:
        date = datetime.fromtimestamp(ts // _SECOND, UTC)
    except (ValueError, OverflowError, OSError):
        return str(ts)
    return f"{date:%Y-%m-%d %H:%M:%S} UTC"


def count(number: int, word: str) -> str:
    """Form a number with its word, which gets an s unless the number is 1."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def cell_width(text: str) -> int:
    """Measure how many columns of a terminal `text` takes; of a very long one about how many."""
    if text.isascii() or len(text) > _LONG:
        return len(text)
    from rich.cells import cell_len  # only text beyond ASCII pays for it

    return cell_len(text)


def cut_cell(text: str, width: int) -> str:
    """Cut `text` down to `width` columns, with `..` at the end where something is missing."""
    if cell_width(text) <= width:
        return text
    kept = max(width - len(_CUT_MARK), 0)
    if text.isascii():
        return (text[:kept] + _CUT_MARK)[:width]
    from rich.cells import set_cell_size

    return (set_cell_size(text[:_LONG], kept) + _CUT_MARK)[:width]


def cut_id(text: str, width: int) -> str:
    """Cut an id down to `width` columns with `..` in it: the ids of a day differ at their end."""
    if len(text) <= width or not text.isascii():
        return cut_cell(text, width)
    kept = width - len(_CUT_MARK)
    end = max(min(kept, _ID_END), 0)
    return (text[: max(kept - end, 0)] + _CUT_MARK + text[len(text) - end :])[:width]


def _largest_unit(ms: int) -> tuple[int, str, str]:
    for length, short, name in _UNITS:
        if ms >= length:
            return ms // length, short, name
    return 0, "s", "second"
