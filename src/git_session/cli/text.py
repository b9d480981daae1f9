"""Text from the store made fit for a terminal, and times and lengths as people read them.

Everything here is pure. Text from the store is hostile: a title can hold escape sequences that
move the cursor, retitle the window or turn the reading direction around.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_ESCAPES: Final = re.compile(
    # CSI: parameters, intermediates, one final byte.
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    # OSC, DCS, SOS, PM, APC go with their text, but only when they end: an opener alone must
    # not be able to hide what follows it.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS: Final = re.compile("(?:\r\n|[\t-\r\x1c-\x1f\x85\u2028\u2029])")
_HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad"  # C0, DEL, C1, soft hyphen
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction
    "\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # no width, or annotation
    "\U000e0000-\U000e007f]"  # tags: text that nobody sees
)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_CUT_MARK: Final = ".."

_SECOND: Final = 1000
_UNITS: Final = (
    (365 * 86400 * _SECOND, "y", "year"),
    (86400 * _SECOND, "d", "day"),
    (3600 * _SECOND, "h", "hour"),
    (60 * _SECOND, "m", "minute"),
    (_SECOND, "s", "second"),
)


def strip_controls(text: str) -> str:
    """Gives `text` on one line, without anything that a terminal would obey or not show."""
    if text.isprintable():
        return text
    return _HIDDEN.sub("", _BREAKS.sub(" ", _strip_escapes(text)))


def strip_lines(text: str) -> list[str]:
    """Gives the lines of `text`, each without anything that a terminal would obey or not show."""
    lines = _strip_escapes(text).replace("\r\n", "\n").split("\n")
    return [strip_controls(line.expandtabs()) for line in lines]


def format_age(ms: int) -> str:
    """Forms a length of time in its largest unit: `12s`, `5m`, `3h`, `2d`; `in 5m` if negative."""
    number, short, _ = _largest_unit(abs(ms))
    return f"in {number}{short}" if ms <= -_SECOND else f"{number}{short}"


def format_ago(ms: int) -> str:
    """Forms how long ago something was: `2 hours ago`; `in 2 hours` if it is still to come."""
    number, _, name = _largest_unit(abs(ms))
    if number == 0:
        return "just now"
    length = f"{number} {name}" if number == 1 else f"{number} {name}s"
    return f"in {length}" if ms < 0 else f"{length} ago"


def format_time(ts: int, now: int) -> str:
    """Forms a time in UTC with how long ago it was; both arguments are in ms since the epoch."""
    date = format_date(ts)
    return f"{date} ({format_ago(now - ts)})" if date.endswith("UTC") else date


def format_date(ts: int) -> str:
    """Forms a time (ms since the epoch) in UTC; as it is where no calendar has it."""
    try:
        date = datetime.fromtimestamp(ts // _SECOND, UTC)
    except (ValueError, OverflowError, OSError):
        return str(ts)
    return f"{date:%Y-%m-%d %H:%M:%S} UTC"


def count(number: int, word: str) -> str:
    """Forms a number with its word, which gets an s unless the number is 1."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def cell_width(text: str) -> int:
    """Measures how many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # only text beyond ASCII pays for it

    return cell_len(text)


def cut_cell(text: str, width: int) -> str:
    """Cuts `text` down to `width` columns, with `..` at the end where something is missing."""
    if cell_width(text) <= width:
        return text
    kept = max(width - len(_CUT_MARK), 0)
    if text.isascii():
        return (text[:kept] + _CUT_MARK)[:width]
    from rich.cells import set_cell_size

    return (set_cell_size(text, kept) + _CUT_MARK)[:width]


def _strip_escapes(text: str) -> str:
    return _SURROGATES.sub("\ufffd", _ESCAPES.sub("", text))


def _largest_unit(ms: int) -> tuple[int, str, str]:
    for length, short, name in _UNITS:
        if ms >= length:
            return ms // length, short, name
    return 0, "s", "second"
