"""A terminal to type into and to look at: the real tmux, on a server of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import TIMEOUT

_PAUSE_S: Final = 0.02


class Terminal:
    """Runs a program on a terminal; what is seen on the screen is what a person would see."""

    def __init__(self, socket: Path) -> None:
        self._command = ["tmux", "-u", "-S", str(socket), "-f", os.devnull]

    def start(
        self, cwd: Path, *command: str, env: Mapping[str, str], columns: int, lines: int
    ) -> None:
        """Starts `command` on a screen of that size."""
        self._run(
            *("new-session", "-d", "-s", "t", "-c", str(cwd), "-x", str(columns), "-y", str(lines)),
            *command,
            env=os.environ | {"TERM": "xterm-256color"} | dict(env),
        )

    def type(self, text: str) -> None:
        """Types text, as it is."""
        self._run("send-keys", "-t", "t", "-l", text)

    def press(self, *keys: str) -> None:
        """Presses keys by tmux's names for them, such as Tab, Enter, C-u."""
        self._run("send-keys", "-t", "t", *keys)

    def resize(self, columns: int, lines: int) -> None:
        """Gives the screen another size."""
        self._run("resize-window", "-t", "t", "-x", str(columns), "-y", str(lines))

    def screen(self, *options: str) -> str:
        """Reads what is on the screen; the option `-e` keeps the colours."""
        return self._run("capture-pane", "-p", "-t", "t", *options)

    def wait_for(self, text: str) -> str:
        """Waits until `text` is on the screen and gives the screen; fails when it never is."""
        end = time.monotonic() + TIMEOUT
        while text not in (screen := self.screen()):
            if time.monotonic() > end:
                pytest.fail(f"{text!r} never came on the screen:\n{screen}")
            time.sleep(_PAUSE_S)
        return screen

    def end(self) -> None:
        """Ends the terminal and all that runs on it."""
        subprocess.run([*self._command, "kill-server"], capture_output=True, check=False)

    def _run(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            [*self._command, *words], capture_output=True, text=True, env=env, check=False
        )
        if done.returncode != 0:
            pytest.fail(f"tmux failed: {done}")
        return done.stdout


@contextmanager
def open_terminal() -> Iterator[Terminal]:
    """Gives a terminal, which ends with the block; skips where there is no tmux."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not on PATH; .ci/run installs it")
    # A socket's path must be short, which pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="tmux-") as directory:
        terminal = Terminal(Path(directory) / "s")
        try:
            yield terminal
        finally:
            terminal.end()
