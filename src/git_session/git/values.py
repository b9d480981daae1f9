"""What git's settings mean: their keys, and values that are a yes, a no or a number.

Source: git-config(1), "--list", "--null" and "Values".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

Settings = Sequence[tuple[str, str | None]]
"""Keys, as git spells them, with their values; None where a key stands without one: it is on."""

_YES: Final = frozenset({"true", "yes", "on"})
_NO: Final = frozenset({"false", "no", "off", ""})
_NUMBER: Final = re.compile(
    r"[ \t\n\v\f\r]*([+-]?)(?:0x([0-9a-f]{1,15})|0([0-7]{0,20})|([1-9][0-9]{0,17}))([kmg]?)",
    re.IGNORECASE | re.ASCII,
)
_INT: Final = 1 << 31
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def parse_entries(entries: Iterable[str]) -> Settings:
    """Read what `git config --null --list` prints."""
    pairs = (entry.partition("\n") for entry in entries)
    return [(key, value if newline else None) for key, newline, value in pairs]


def normalise_key(key: str) -> str:
    """Spell a key as git prints it: in lower case but for what stands between two dots."""
    first, dot, rest = key.partition(".")
    middle, last_dot, last = rest.rpartition(".")
    return f"{first.lower()}{dot}{middle}{last_dot}{last.lower()}"


def parse_flag(value: str | None) -> bool | None:
    """Read a yes or no as git does; None for what is neither."""
    if value is None or value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    number = parse_number(value)
    return None if number is None or not -_INT < number < _INT else number != 0


def parse_number(value: str) -> int | None:
    """Read a whole number as git does, which is as C does; None for what is none."""
    found = _NUMBER.fullmatch(value)
    if found is None:
        return None
    sign, hexadecimal, octal, decimal, unit = found.groups()
    number = (
        int(hexadecimal, 16) if hexadecimal else int(decimal or octal or "0", 10 if decimal else 8)
    )
    return (-number if sign == "-" else number) * _UNITS[unit.lower()]
