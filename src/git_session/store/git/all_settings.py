"""Answers from git's settings that hold in one repository, all of them read in one call of git.

Such a call takes a tenth of the time that libgit2 takes to load, and what `git -c` sets counts.
Source: git-config(1), "--list", "--null" and "Values".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

Settings = Mapping[str, str | None]
"""Each key in lower case with its last value; None where a key stands without one: it is on."""

_KEPT_S: Final = 5.0
"""So long an answer stands: who runs for hours hears of what the user changes."""

_YES: Final = frozenset({"true", "yes", "on"})
_NO: Final = frozenset({"false", "no", "off", ""})
_NUMBER: Final = re.compile(
    r"[ \t]*([+-]?)(?:0x([0-9a-f]{1,15})|0([0-7]{0,20})|([1-9][0-9]{0,17}))([kmg]?)",
    re.IGNORECASE | re.ASCII,
)
_INT: Final = 1 << 31
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class SettingsReader:
    """Answers from what `read` gives, which is asked again after a while.

    What is not set, or not what git would take for such a value, is as `default` says.
    """

    def __init__(self, read: Callable[[], Settings]) -> None:
        self._read = read
        self._known: Settings = {}
        self._known_until = float("-inf")

    def read_flag(self, key: str, *, default: bool) -> bool:
        """Reads a yes or no."""
        known = self._look()
        found = parse_flag(known[key.lower()]) if key.lower() in known else None
        return default if found is None else found

    def read_number(self, key: str, *, default: int) -> int:
        """Reads a whole number, which may end in k, m or g."""
        found = parse_number(self._look().get(key.lower()) or "")
        return default if found is None else found

    def read_text(self, key: str, *, default: str) -> str:
        """Reads a value as it stands there; an empty one counts as none."""
        return self._look().get(key.lower()) or default

    def _look(self) -> Settings:
        now = time.monotonic()
        if now > self._known_until:
            self._known = self._read()
            self._known_until = now + _KEPT_S
        return self._known


def parse_entries(entries: Iterable[str]) -> dict[str, str | None]:
    """Reads what `git config --null --list` prints; of a key that is set twice the last counts."""
    found: dict[str, str | None] = {}
    for entry in entries:
        key, newline, value = entry.partition("\n")
        found[key.lower()] = value if newline else None
    return found


def parse_flag(value: str | None) -> bool | None:
    """Reads a yes or no as git does; None for what is neither."""
    if value is None or value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    number = parse_number(value)
    return None if number is None or not -_INT <= number < _INT else number != 0


def parse_number(value: str) -> int | None:
    """Reads a whole number as git does, which is as C does; None for what is none."""
    found = _NUMBER.fullmatch(value)
    if found is None:
        return None
    sign, hexadecimal, octal, decimal, unit = found.groups()
    number = (
        int(hexadecimal, 16) if hexadecimal else int(decimal or octal or "0", 10 if decimal else 8)
    )
    return (-number if sign == "-" else number) * _UNITS[unit.lower()]
