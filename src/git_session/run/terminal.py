"""The terminal that a job runs on: who has its foreground, its modes, its size, a copy of it.

Source: termios(3), tcsetpgrp(3), pty(7).
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import termios
import tty
from contextlib import suppress
from typing import Final

Modes = list[int | list[bytes | int]]

_SIZE: Final = b"\0" * 8


class Terminal:
    """Holds on to the terminal that controls this process."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._modes = _read_modes(fd)

    @classmethod
    def find(cls) -> Terminal | None:
        """Find the terminal; None for a process that no terminal controls."""
        try:
            return cls(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        except OSError:
            return None

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)

    @property
    def foreground(self) -> int | None:
        """Return the process group that the terminal belongs to now; None once it is closed."""
        try:
            return os.tcgetpgrp(self.fd)
        except OSError:
            return None

    @property
    def is_ours(self) -> bool:
        """Return whether this process is in the foreground."""
        return self.foreground == os.getpgrp()

    def give_to(self, group: int) -> None:
        """Put a process group into the foreground, if it is still there."""
        # From the background this would stop us, which nobody would understand.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            with suppress(OSError):
                os.tcsetpgrp(self.fd, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def reclaim(self) -> None:
        """Take the foreground back from a group that is gone and cannot do so itself."""
        front = self.foreground
        if front is None:
            return
        try:
            os.killpg(front, 0)
        except ProcessLookupError:
            self.give_to(os.getpgrp())
        except OSError:
            pass

    def make_raw(self) -> None:
        """Let every key come through as it is: a copy of the terminal makes sense of it."""
        with suppress(OSError, termios.error):
            tty.setraw(self.fd, termios.TCSANOW)

    def restore(self) -> None:
        """Put the modes back that the terminal had at first, unless others have it now."""
        if self._modes is not None and self.is_ours:
            with suppress(OSError, termios.error):
                termios.tcsetattr(self.fd, termios.TCSADRAIN, self._modes)


def can_relay(terminal: Terminal | None) -> bool:
    """Return whether somebody sits at both ends of a command: its input and its output."""
    return terminal is not None and os.isatty(0) and os.isatty(1) and terminal.is_ours


def copy_terminal(terminal: Terminal) -> tuple[int, int]:
    """Make a terminal of the same modes and size: our end and the command's. Raises OSError."""
    ours, theirs = pty.openpty()
    modes = _read_modes(terminal.fd)
    if modes is not None:
        with suppress(termios.error):
            termios.tcsetattr(theirs, termios.TCSANOW, modes)
    copy_size(terminal.fd, ours)
    return ours, theirs


def copy_size(source: int, target: int) -> None:
    """Return one terminal the size of another; its programs are told when that is news."""
    with suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, _SIZE)
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)


def is_interrupt(fd: int, keys: bytes) -> bool:
    """Return whether there is a Ctrl-C among keys, for a terminal that makes a signal of it."""
    modes = _read_modes(fd)
    if modes is None:
        return False
    flags, characters = modes[3], modes[6]
    assert isinstance(flags, int)
    assert isinstance(characters, list)
    key = characters[termios.VINTR]
    return bool(flags & termios.ISIG) and isinstance(key, bytes) and key in keys


def _read_modes(fd: int) -> Modes | None:
    try:
        return termios.tcgetattr(fd)
    except (OSError, termios.error):
        return None
