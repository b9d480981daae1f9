"""Progress on stderr: how far a long read is, for people, and taken away again."""

from __future__ import annotations

import sys
import time
from typing import Final

from git_session.cli.ui.streams import is_terminal

PATIENCE_S: Final = 1.0
"""Seconds for which nothing is said: most reads are over by then."""

_EVERY: Final = 500
_CLEAR_LINE: Final = "\r\x1b[K"


class Progress:
    """Shows how many things a command has seen; nothing where stderr is no terminal."""

    def __init__(self, word: str, patience: float = PATIENCE_S, *, noun: str = "commits") -> None:
        self._words = f"{noun} {word}"
        self._start = time.monotonic() + patience
        self._is_wanted = is_terminal(sys.stderr)
        self._is_shown = False

    def show(self, number: int) -> None:
        """Say the number of things seen so far, now and then."""
        if number % _EVERY or not self._is_wanted or time.monotonic() < self._start:
            return
        sys.stderr.write(f"{_CLEAR_LINE}{number:,} {self._words}")
        sys.stderr.flush()
        self._is_shown = True

    def clear(self) -> None:
        """Take away what was shown."""
        if self._is_shown:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()
            self._is_shown = False
