"""Looks at the processes of this host: the only module that imports psutil."""

from __future__ import annotations

import signal
from contextlib import suppress

import psutil


class Descendant:
    """Stands for one process that another one started, and for no later one with its number."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens when the process is gone or is not ours."""
        with suppress(psutil.Error):
            self._process.send_signal(number)


def list_descendants(pid: int) -> list[Descendant]:
    """Lists what a process started, and what that started; nothing when it is gone."""
    try:
        return [Descendant(child) for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
