"""Lengths of time as people write them: `90`, `0.5`, `90s`, `10m`, `2h`, `1d`."""

from __future__ import annotations

import re
from typing import Final

from git_session.errors import UsageError

_FORM: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([smhd]?)", re.IGNORECASE)
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> int:
    """Read a length of time in ms; a bare number is seconds. Raises UsageError."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"not a duration: {text!r}", "examples: 90, 90s, 10m, 2h, 1d")
    return round(float(found[1]) * _SECONDS[found[2].lower()] * 1000)
