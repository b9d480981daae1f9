"""Run one program to its end or to a time limit, and leave nothing of it running.

Without a terminal the program gets a session of its own: no terminal that it, or anything it
starts, could ask on, and one group to end it all with. With a terminal it stays in our group,
where Ctrl-C and Ctrl-Z reach it as they do everywhere, and where ssh and git may ask.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 10.0

_FATAL: Final = (signal.SIGTERM, signal.SIGHUP)
_PIECE: Final = 1 << 16
_TICK_S: Final = 0.1
"""After so long without a word it is looked whether the program is still there."""

_GRACE_S: Final = 1.0
"""What a program that was told to end has for removing its lock files."""

_KEPT: Final = 1 << 20
"""Bytes of stderr; of more than that the beginning is let go."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Holds what a program left behind; `code` is None when the time limit ended it."""

    code: int | None
    stdout: bytes
    stderr: bytes


def can_terminal_answer() -> bool:
    """Return whether somebody sits there to answer: a terminal that we have the foreground of."""
    try:
        return os.isatty(0) and os.isatty(2) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def run_program(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    has_terminal: bool = False,
    stdin: int = subprocess.DEVNULL,
    on_words: Callable[[bytes], None] | None = None,
) -> Ended:
    """Run `command`; `stdin` is a descriptor to read from, `on_words` gets stderr as it comes.

    An exception, Ctrl-C among them, ends the program first, and so does SIGTERM or SIGHUP where it
    would end this process, which it then does. Raises OSError when it cannot start.
    """
    with _Fatal() as fatal:
        process = subprocess.Popen(
            command,
            bufsize=0,
            cwd=cwd,
            env=env,
            stdin=None if has_terminal else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=not has_terminal,
        )
        with _Output(process, on_words) as output:
            is_over = False
            try:
                is_over = output.collect(time.monotonic() + timeout_s, fatal)
            finally:
                if not is_over:
                    _end(process, output, is_group=not has_terminal)
            return Ended(process.returncode if is_over else None, output.stdout, output.stderr)


class _Fatal:
    """Holds back, while the block runs, the signals that would end this process at once.

    The first one is in `number`, and ends the process after the block. Those that somebody else
    handles or ignores stay as they are, and so do all of them outside the main thread.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._held: list[signal.Signals] = []

    def __enter__(self) -> _Fatal:
        if threading.current_thread() is threading.main_thread():
            self._held = [one for one in _FATAL if signal.getsignal(one) is signal.SIG_DFL]
        for one in self._held:
            signal.signal(one, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._held:
            signal.signal(one, signal.SIG_DFL)
        if self.number is not None:
            os.kill(os.getpid(), self.number)

    def _note(self, number: int, _frame: object) -> None:
        self.number = self.number or number


class _Output:
    """Collects what a process writes, both streams at once."""

    def __init__(
        self, process: subprocess.Popen[bytes], on_words: Callable[[bytes], None] | None
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._on_words = on_words
        self._streams = (process.stdout, process.stderr)
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(process.stdout, selectors.EVENT_READ, self._add_output)
        self._selector.register(process.stderr, selectors.EVENT_READ, self._add_words)

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for stream in self._streams:
            stream.close()

    @property
    def stdout(self) -> bytes:
        return bytes(self._stdout)

    @property
    def stderr(self) -> bytes:
        return bytes(self._stderr)

    def collect(self, deadline: float, fatal: _Fatal) -> bool:
        """Read until the process has ended; False when `deadline` (monotonic) came first.

        False as well when this process is to end.
        """
        while (left := deadline - time.monotonic()) > 0 and fatal.number is None:
            # A shared ssh connection or a credential cache may live on and keep the pipes open,
            # so their end is not waited for once the process itself has ended.
            has_ended = self._process.poll() is not None
            if self._selector.get_map():
                if not self._read(0 if has_ended else min(left, _TICK_S)) and has_ended:
                    return True
            elif has_ended:
                return True
            else:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(min(left, _TICK_S))
        return False

    def drain(self, deadline: float) -> None:
        """Read until nobody can write any more, or until `deadline` (monotonic)."""
        self._on_words = None
        while self._selector.get_map() and (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def _read(self, timeout_s: float) -> bool:
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            if piece := os.read(key.fd, _PIECE):
                key.data(piece)
            else:
                self._selector.unregister(key.fileobj)
        return bool(ready)

    def _add_output(self, piece: bytes) -> None:
        self._stdout += piece

    def _add_words(self, piece: bytes) -> None:
        self._stderr += piece
        del self._stderr[:-_KEPT]
        if self._on_words is not None:
            self._on_words(piece)


def _end(process: subprocess.Popen[bytes], output: _Output, *, is_group: bool) -> None:
    """End a process and all it started: politely, so that lock files go, then for sure."""
    send = _group_signaller(process.pid) if is_group else _tree_signaller(process)
    try:
        send(signal.SIGTERM)
        # Closed pipes tell that all have gone. The leader is not reaped before the last signal:
        # until then nobody else can have its number.
        output.drain(time.monotonic() + _GRACE_S)
    finally:
        send(signal.SIGKILL)
        process.wait()


def _group_signaller(group: int) -> Callable[[signal.Signals], None]:
    def send(number: signal.Signals) -> None:
        # macOS refuses a group in which only zombies are left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)

    return send


def _tree_signaller(process: subprocess.Popen[bytes]) -> Callable[[signal.Signals], None]:
    from git_session.host.processes import list_descendants

    # Listed once: who outlives its parent is no descendant any more.
    descendants = list_descendants(process.pid)

    def send(number: signal.Signals) -> None:
        process.send_signal(number)
        for descendant in descendants:
            descendant.send(number)

    return send


def start_detached(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
    """Start a program that goes on by itself: no terminal, no streams, nobody waits for it.

    Raises OSError when it cannot start.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # It outlives us: Python need not complain that nobody waited for it.
    process.returncode = 0


def go_on_alone() -> bool:
    """Part from whoever waits for this process: True in the one that goes on, without streams.

    The caller's copy returns False and may end at once. Raises OSError when there is no room.
    """
    if os.fork():
        return False
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    return True


def read_pager_here() -> str | None:
    """Read what git pages with: $GIT_PAGER, core.pager, $PAGER, or what it was built with.

    `cat` is none. None when git does not tell. Raises OSError when git cannot be started.
    """
    command = ["git", "var", "GIT_PAGER"]
    ended = run_program(command, cwd=Path.cwd(), env=os.environ, timeout_s=_TIMEOUT_S)
    return os.fsdecode(ended.stdout).strip() or None if ended.code == 0 else None


def read_setting_here(pattern: str) -> bytes | None:
    """Read the last value of the keys of git's configuration that match `pattern`.

    None when nothing is set, or git does not tell. Raises OSError when git cannot be started.
    """
    command = ["git", "config", "--null", "--get-regexp", pattern]
    ended = run_program(command, cwd=Path.cwd(), env=os.environ, timeout_s=_TIMEOUT_S)
    *_, last = (b"", *ended.stdout.split(b"\0")[:-1])
    return last.partition(b"\n")[2] or None
