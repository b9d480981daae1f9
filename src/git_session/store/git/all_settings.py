"""What `git config --list` says: all settings that hold in a repository, `git -c` among them.

To ask takes a tenth of the time that libgit2 takes to load. Source: git-config(1), "--list",
"--null" and "Values".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

Settings = Sequence[tuple[str, str | None]]
"""Keys, as git spells them, with their values; None where a key stands without one: it is on."""

KEPT_S: Final = 5.0
"""So long what was read stands: who runs for hours hears of what the user changes."""

_YES: Final = frozenset({"true", "yes", "on"})
_NO: Final = frozenset({"false", "no", "off", ""})
_NUMBER: Final = re.compile(
    r"[ \t]*([+-]?)(?:0x([0-9a-f]{1,15})|0([0-7]{0,20})|([1-9][0-9]{0,17}))([kmg]?)",
    re.IGNORECASE | re.ASCII,
)
_INT: Final = 1 << 31
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class SettingsReader:
    """Answers from what `read` gives; of a key that is set more than once the last value counts.

    What is not set, or not what git would take for such a value, is as `default` says.
    """

    def __init__(self, read: Callable[[], Settings]) -> None:
        self._read = read
        self._source: Settings = ()
        self._known: dict[str, str | None] = {}

    def read_flag(self, key: str, *, default: bool) -> bool:
        """Reads a yes or no."""
        known = self._look()
        found = parse_flag(known[normalise_key(key)]) if normalise_key(key) in known else None
        return default if found is None else found

    def read_number(self, key: str, *, default: int) -> int:
        """Reads a whole number, which may end in k, m or g."""
        found = parse_number(self._look().get(normalise_key(key)) or "")
        return default if found is None else found

    def read_text(self, key: str, *, default: str) -> str:
        """Reads a value as it stands there; an empty one counts as none."""
        return self._look().get(normalise_key(key)) or default

    def _look(self) -> Mapping[str, str | None]:
        source = self._read()
        if source is not self._source:
            self._source, self._known = source, dict(source)
        return self._known


def parse_entries(entries: Iterable[str]) -> Settings:
    """Reads what `git config --null --list` prints."""
    pairs = (entry.partition("\n") for entry in entries)
    return [(key, value if newline else None) for key, newline, value in pairs]


def normalise_key(key: str) -> str:
    """Spells a key as git prints it: in lower case but for what stands between two dots."""
    first, dot, rest = key.partition(".")
    middle, last_dot, last = rest.rpartition(".")
    return f"{first.lower()}{dot}{middle}{last_dot}{last.lower()}"


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
