"""Start the user's command, so that it finds itself as if the shell had started it.

It keeps the terminal, every open file, the process group and the signals that it would have had.
Source: environ(7), credentials(7); the exit codes are those of POSIX `env`.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from git_session.run.terminal import Terminal

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126


class StartError(Exception):
    """Reports a command that could not be started; `code` is what a shell would end with."""

    def __init__(self, message: str, code: int = NOT_EXECUTABLE) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Wish:
    """Holds what is to be started, where, and what runs in the new process before it."""

    words: Sequence[str]
    cwd: Path | None
    env: Mapping[str, str]
    prepare: Callable[[], None]

    def start(
        self,
        *,
        prepare: Callable[[], None] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start it as the shell would; a script that names no interpreter is one for sh.

        Raises StartError.
        """

        def start(words: Sequence[str]) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                words,
                cwd=self.cwd,
                env=self.env,
                preexec_fn=prepare or self.prepare,  # noqa: PLW1509 - there are no threads here
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                close_fds=False,
            )

        try:
            try:
                return start(self.words)
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                return start(["/bin/sh", self._find_script(), *self.words[1:]])
        except OSError as error:
            word = self.words[0]
            if error.errno == errno.ENOENT:
                raise StartError(f"{word}: command not found", NOT_FOUND) from error
            raise StartError(f"{word}: {error.strerror}") from error

    def _find_script(self) -> str:
        word = self.words[0]
        found = None if "/" in word else shutil.which(word, path=self.env.get("PATH"))
        return found or word


@dataclass(frozen=True, slots=True)
class Kept:
    """Tells what became of the output: its SHA-256 (64 hex digits), and what went wrong."""

    sha256: str | None
    fault: str | None


class Running(Protocol):
    """Is a command that runs, whoever its parent is."""

    pid: int
    has_own_terminal: bool
    interrupted_at: float | None
    kept: Kept | None

    def poll(self) -> int | None:
        """Return the next change of its state as a wait status; None when there was none."""

    def send(self, number: int) -> None:
        """Send it a signal; nothing happens once it has ended."""

    def leave_terminal(self) -> None:
        """Make the terminal fit for the shell, which gets it when both are stopped."""

    def enter_terminal(self) -> None:
        """Take the terminal as it was before, if this job is in the foreground."""

    def go_on(self) -> None:
        """Continue the command, if it is in a group that the shell does not know of."""


class OnOurTerminal:
    """Is a command that shares our terminal, if there is one."""

    pid: int
    has_own_terminal = False
    interrupted_at: float | None = None
    """When Ctrl-C was typed on a terminal of its own, in monotonic seconds."""

    kept: Kept | None = None
    """What became of its output, once it has ended."""

    def __init__(self, terminal: Terminal | None) -> None:
        self._terminal = terminal
        self._front: int | None = None

    def leave_terminal(self) -> None:
        """Remember who has the foreground: a shell gives itself a group of its own."""
        self._front = None if self._terminal is None else self._terminal.foreground

    def enter_terminal(self) -> None:
        """Return the foreground back to who had it."""
        if self._terminal is not None and self._front is not None and self._terminal.is_ours:
            self._terminal.give_to(self._front)
        self._front = None

    def go_on(self) -> None:
        """Continue the command, if it is in a group that the shell does not know of."""
        group = group_of(self.pid)
        if group is not None and group != os.getpgrp():
            with suppress(OSError):
                os.killpg(group, signal.SIGCONT)


class Command(OnOurTerminal):
    """Is a command that this process started, and that has the terminal itself."""

    def __init__(self, wish: Wish, terminal: Terminal | None, stdout: int | None = None) -> None:
        """Start it. Raises StartError."""
        super().__init__(terminal)
        self._process = wish.start(stdout=stdout)
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the next change of its state as a wait status; None when there was none."""
        if self._process.returncode is not None:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if not pid:
            return None
        if is_over(status):
            self._process.returncode = os.waitstatus_to_exitcode(status)
        return status

    def send(self, number: int) -> None:
        """Send it a signal; nothing happens once it has ended."""
        # Until it is waited for, nobody else can have its number.
        if self._process.returncode is None:
            with suppress(OSError):  # a command like sudo runs as somebody else
                os.kill(self.pid, number)


def is_over(status: int) -> bool:
    """Return whether a wait status is that of an end."""
    return not (os.WIFSTOPPED(status) or os.WIFCONTINUED(status))


def group_of(pid: int) -> int | None:
    """Read the process group of a process; None when it is gone."""
    try:
        return os.getpgid(pid)
    except OSError:
        return None
