"""The process between a command and the terminal, which keeps the output while it still shows.

This process and not the supervisor holds the pipes, or the copy of the terminal, so that a
command loses nothing when the supervisor is killed. It leads the copy's session: a command that
leads one itself could not be stopped with Ctrl-Z. What happens it tells the supervisor in lines of
JSON. Source: pty(7), setsid(2), credentials(7).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from git_session.run.command import StartError, Wish, is_over
from git_session.run.pump import Keyboard, Output, Waiter
from git_session.run.terminal import Terminal, copy_terminal, is_interrupt

KEYS: Final = b"+"
NO_KEYS: Final = b"-"
"""What the supervisor says when what is typed is the command's, and when it is the shell's."""

_PIECE: Final = 1 << 12


@dataclass(frozen=True, slots=True)
class Wiring:
    """Tells how a command's streams lead through the relay.

    `ends` are the descriptors that the command gets as 0, 1 and 2; `sources` our ends of them, and
    where each one shows; `copy` is our end of a copied terminal.
    """

    ends: dict[int, int]
    sources: dict[int, int]
    copy: int | None = None

    @property
    def slave(self) -> int | None:
        """Return the command's end of a copied terminal."""
        return None if self.copy is None else self.ends[0]

    def close_ends(self) -> None:
        """Let go of the command's ends, so that it is seen when the command does."""
        for fd in set(self.ends.values()):
            os.close(fd)

    def close_sources(self) -> None:
        """Let go of our ends."""
        for fd in self.sources:
            os.close(fd)


def wire(terminal: Terminal | None, shown: int) -> Wiring:
    """Wire a command: to a copy of the terminal if there is one, else by pipes.

    Its output shows on the descriptor `shown`. Raises OSError.
    """
    wiring = Wiring({}, {})
    if terminal is not None:
        ours, theirs = copy_terminal(terminal)
        wiring = Wiring({0: theirs, 1: theirs}, {ours: shown}, ours)
    else:
        _add_pipe(wiring, 1, shown)
    if shown == 2 or _is_same(shown, 2):
        # One way for both, or what was said last would come first.
        wiring.ends[2] = wiring.ends[1]
    elif terminal is not None and os.isatty(2):
        wiring.ends[2] = wiring.ends[0]
    else:
        _add_pipe(wiring, 2, 2)
    return wiring


def _is_same(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def _add_pipe(wiring: Wiring, stream: int, shown: int) -> None:
    source, end = os.pipe()
    wiring.sources[source] = shown
    wiring.ends[stream] = end


def start_relay(wish: Wish, wiring: Wiring, log_fd: int) -> tuple[int, socket.socket]:
    """Start the process, which starts the command; return its pid and the channel to it.

    Raises OSError.
    """
    supervisor = os.getpid()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        ours.close()
        _play(_Relay(theirs, supervisor, wish, wiring, log_fd))
    theirs.close()
    return pid, ours


def _play(relay: _Relay) -> NoReturn:
    try:
        relay.run()
    finally:
        # Nothing of the process that this is a copy of is to be tidied up here.
        os._exit(0)


class _Relay:
    """Plays the process in between, to the command's end."""

    def __init__(
        self, channel: socket.socket, supervisor: int, wish: Wish, wiring: Wiring, log_fd: int
    ) -> None:
        self._channel = channel
        self._supervisor = supervisor
        self._wish = wish
        self._wiring = wiring
        self._waiter = Waiter()
        self._output = Output(self._waiter, log_fd)
        self._keyboard: Keyboard | None = None
        self._has_keys = False
        self._is_stopped = False
        self._is_interrupted = False
        self._is_ended = False

    def run(self) -> None:
        """Start the command, carries what it says, and report how it ended."""
        slave = self._wiring.slave
        if slave is not None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        # All other signals stay blocked here, as the supervisor has them.
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        bell = self._listen_for_children()
        try:
            process = self._wish.start(
                prepare=self._prepare,
                stdin=self._wiring.ends.get(0),
                stdout=self._wiring.ends[1],
                stderr=self._wiring.ends[2],
            )
        except StartError as error:
            self._tell("failed", str(error), error.code)
            return
        self._wiring.close_ends()
        self._tell("started", process.pid)
        self._connect()
        while not self._is_ended:
            self._look_at(process.pid)
            if not self._is_ended:
                self._waiter.wait()
                with suppress(OSError):
                    os.read(bell, _PIECE)
        self._output.drain()
        self._tell("kept", self._output.sha256, self._output.fault)

    def _prepare(self) -> None:
        """Make the new process what a shell would have made it. It still ignores SIGTTOU."""
        slave = self._wiring.slave
        if slave is not None:
            os.setpgid(0, 0)
            os.tcsetpgrp(slave, os.getpid())
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTTIN, signal.SIG_DFL)
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        self._wish.prepare()

    def _connect(self) -> None:
        copy = self._wiring.copy
        for source, target in self._wiring.sources.items():
            self._output.carry(source, target, is_pipe=source != copy)
        if copy is not None:
            self._keyboard = Keyboard(self._waiter, 0, copy, self._note_keys)
        self._channel.setblocking(False)
        self._waiter.watch(self._channel.fileno(), self._hear)

    def _listen_for_children(self) -> int:
        bell, rope = os.pipe()
        for fd in (bell, rope):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        self._waiter.watch(bell, lambda: None)
        return bell

    def _look_at(self, pid: int) -> None:
        while True:
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if not found:
                return
            self._is_stopped = os.WIFSTOPPED(status)
            self._turn_keyboard()
            self._tell("status", status)
            if is_over(status):
                self._is_ended = True
                return

    def _hear(self) -> None:
        try:
            heard = self._channel.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            # The supervisor was killed. The shell has the keys now; the command goes on.
            self._waiter.forget(self._channel.fileno())
        self._has_keys = heard.endswith(KEYS)
        self._turn_keyboard()

    def _turn_keyboard(self) -> None:
        if self._keyboard is not None:
            self._keyboard.turn(is_on=self._has_keys and not self._is_stopped)

    def _note_keys(self, keys: bytes) -> None:
        copy = self._wiring.copy
        is_interrupted = copy is not None and is_interrupt(copy, keys)
        # Who types on has not stopped the command.
        if is_interrupted or self._is_interrupted:
            self._tell("interrupt", is_interrupted)
        self._is_interrupted = is_interrupted

    def _tell(self, *words: Any) -> None:
        with suppress(OSError):
            self._channel.sendall(json.dumps(words).encode() + b"\n")
        # It waits for signals and for nothing else. Who took its place is not to get one.
        if os.getppid() == self._supervisor:
            with suppress(OSError):
                os.kill(self._supervisor, signal.SIGCHLD)
