"""Finds the processes that a test started: those that run, and those it left behind."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from typing import Final

import psutil
import pytest

_NAME: Final = "GIT_SESSION_TESTS_MARK"
_PATIENCE_S: Final = 10.0
"""A killed process takes a moment to go, and longer on a busy machine."""


def read_terminal(ours: int, process: subprocess.Popen[bytes], timeout: float) -> str:
    """Reads what a process shows on a terminal until it ends, which it has to do well.

    `ours` is our end of the terminal; it is closed.
    """
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # how Linux says that the other end of a terminal is closed
        pass
    os.close(ours)
    assert process.wait(timeout) == 0, shown
    return shown.decode()


class Marked:
    """Knows the processes that were started since, by a variable in their environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._value = uuid.uuid4().hex
        monkeypatch.setenv(_NAME, self._value)

    def leftovers(self, *expected: str) -> list[str]:
        """Lists the commands that still run when all had the time to end, but for `expected`.

        Each of these is a part of a command line.
        """
        end = time.monotonic() + _PATIENCE_S
        while True:
            running = self._list()
            found = [line for line in running if not any(word in line for word in expected)]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.02)

    def wait_for(self, word: str) -> None:
        """Waits until a command with `word` in it runs; fails the test when none does."""
        end = time.monotonic() + _PATIENCE_S
        while not any(word in line for line in self._list()):
            assert time.monotonic() < end, f"no {word} was started"
            time.sleep(0.02)

    def _list(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                is_ours = process.environ().get(_NAME) == self._value
                if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found
