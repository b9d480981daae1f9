"""Ask git what the words for a moment mean: which commit, or which time.

git takes any nonsense for the present, without a word. So a text counts as a time only when every
word of it is one that git knows, and when git's answer is not the present itself.
Source: `date.c` of git 2.39, which `git rev-parse --since` leads to.
"""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from typing import Final

from git_session.core.wire.duration import parse_duration
from git_session.errors import UsageError
from git_session.git.program import git_environment
from git_session.git.settings import GitSettings

_NOW: Final = "now"
_LAST_YEAR: Final = 2099
"""git reads a later year as something else."""

_LENGTH: Final = re.compile(r"[0-9]{1,9}[smhd]")
"""That long ago; git itself knows no such word."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_ISO_DAY: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_NAMES: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december", "monday", "tuesday", "wednesday", "thursday", "friday"),
    *("saturday", "sunday"),
)
"""Months and days of the week; as in git, three letters of one are enough."""

_OTHER_WORDS: Final = re.compile(
    r"now|yesterday|noon|midnight|tea"
    r"|(second|minute|hour|day|week|month|year)s?"
    r"|one|two|three|four|five|six|seven|eight|nine|ten|last"
    r"|ago|at|on|of|the|and|am|pm|st|nd|rd|th|t|z"
    # the zones of git's table
    r"|utc|gmt|wet|bst|me?w?[sd]?t|mest|cet|mesz|mez|cest|fwt|fst|eet|eest|wast|msk|cct|jst|east"
    r"|eadt|gst|nz?[sd]?t|idl[ew]|nt|cat|h[sd]t|a?h[sd]t|a[sd]t|e[sd]t|c[sd]t|m[sd]t|p[sd]t|y[sd]t"
)


class Moments(GitSettings):
    """Asks git what words mean in one repository."""

    def find_commit(self, words: str) -> str | None:
        """Find the commit (40 hex digits) that git takes `words` for; None when it is none."""
        if not words or "\0" in words:
            return None
        args = ["--verify", "--quiet", "--end-of-options", f"{words}^{{commit}}"]
        return self._parse(*args)

    def find_time(self, words: str) -> int:
        """Find the time (s since the epoch) that git takes `words` for; `2h` is so long ago.

        Raises UsageError for what git would take for the present without understanding it.
        """
        text = words.strip().lower()
        if text == _NOW:
            return int(time.time())
        if _LENGTH.fullmatch(text):
            return int(time.time()) - parse_duration(text) // 1000
        _require_known(words, text)
        before = int(time.time())
        answer = self._parse(f"--since={words.strip()}")
        prefix, _, number = (answer or "").partition("=")
        if prefix != "--max-age" or not number.isdecimal():
            raise _not_a_time(words)
        if before <= int(number) <= int(time.time()):
            raise _not_a_time(words)
        return int(number)

    def _parse(self, *args: str) -> str | None:
        ended = self._run(["rev-parse", *args], git_environment())
        return os.fsdecode(ended.stdout).strip() if ended.code == 0 else None


def _require_known(words: str, text: str) -> None:
    if not text.isprintable() or not all(map(_is_known, _WORD.findall(text))):
        raise _not_a_time(words)
    day = _ISO_DAY.match(text)
    if day is not None:
        year, month, number = (int(part) for part in day.groups())
        try:
            datetime(year, month, number)  # noqa: DTZ001 - a day of the calendar has no zone
        except ValueError as error:
            raise _not_a_time(words, "there is no such day") from error
        if year > _LAST_YEAR:
            raise _not_a_time(words, f"git knows no year beyond {_LAST_YEAR}")


def _is_known(word: str) -> bool:
    is_name = len(word) >= 3 and any(name.startswith(word) for name in _NAMES)
    return is_name or _OTHER_WORDS.fullmatch(word) is not None


def _not_a_time(words: str, why: str | None = None) -> UsageError:
    return UsageError(
        f"{words!r} is neither a commit or ref nor a time" + (f": {why}" if why else ""),
        "a time is as for git log --since: 'yesterday', '2026-11-22 03:00'; or 2h for so long ago",
    )
