"""Move a command's output to where it shows and to a file, and a person's keys to the command.

All of it waits in one place, so nothing is asked again and again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import selectors
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_PIECE: Final = 1 << 16
_KEYS: Final = 1 << 12
_QUIET_S: Final = 0.1
"""A command that has ended has no more to say when so long nothing comes."""

_REST: Final = 1 << 20
"""Bytes; more than any pipe holds. What comes after them was written by others."""


class Waiter:
    """Waits for files that can be read or written, and calls what was named for them."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, fd: int, act: Callable[[], None], *, for_room: bool = False) -> None:
        """Call `act` whenever `fd` can be read from, or written to, until it is forgotten."""
        self.forget(fd)
        event = selectors.EVENT_WRITE if for_room else selectors.EVENT_READ
        self._selector.register(fd, event, act)

    def forget(self, fd: int) -> None:
        """Look no more at `fd`."""
        with suppress(KeyError):
            self._selector.unregister(fd)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for something to do, and do it; False when the time was up."""
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            # What one does may be the end of the next.
            if key.fd in self._selector.get_map():
                key.data()
        return bool(ready)


class Output:
    """Shows what comes from a command and keeps it in the file `log_fd`."""

    def __init__(self, waiter: Waiter, log_fd: int) -> None:
        self.fault: str | None = None
        self._waiter = waiter
        self._log_fd = log_fd
        self._digest = hashlib.sha256()
        self._sources: set[int] = set()
        self._read = 0

    @property
    def sha256(self) -> str:
        """Return the hash of what is in the file (64 hex digits)."""
        return self._digest.hexdigest()

    def carry(self, source: int, target: int, *, is_pipe: bool) -> None:
        """Show what comes from `source` on `target` from now on."""
        os.set_blocking(source, False)
        self._sources.add(source)
        self._waiter.watch(source, lambda: self._carry(source, target, is_pipe=is_pipe))

    def drain(self) -> None:
        """Carry what an ended command has left, and waits for nobody who only holds its pipes."""
        end = self._read + _REST
        while self._sources and self._read < end and self._waiter.wait(_QUIET_S):
            pass

    def _carry(self, source: int, target: int, *, is_pipe: bool) -> None:
        try:
            piece = os.read(source, _PIECE)
        except BlockingIOError:
            return
        except OSError:  # how Linux says that nobody has the terminal open any more
            piece = b""
        if not piece:
            self._end(source)
            return
        self._read += len(piece)
        self._keep(piece)
        try:
            while piece:
                piece = piece[os.write(target, piece) :]
        except OSError as error:
            # Nobody reads any more. A command that writes to a pipe learns it as it would have.
            if error.errno == errno.EPIPE and is_pipe:
                self._end(source)

    def _end(self, source: int) -> None:
        self._waiter.forget(source)
        self._sources.discard(source)
        os.close(source)

    def _keep(self, piece: bytes) -> None:
        if self.fault is not None:
            return
        try:
            while piece:
                written = os.write(self._log_fd, piece)
                self._digest.update(piece[:written])
                piece = piece[written:]
        except OSError as error:
            self.fault = f"not all of the output could be kept: {error.strerror}"


class Keyboard:
    """Passes on what is typed at `source` to the copy of the terminal `target`."""

    def __init__(
        self, waiter: Waiter, source: int, target: int, on_keys: Callable[[bytes], None]
    ) -> None:
        self._waiter = waiter
        self._source = source
        # A descriptor of its own can be waited for by itself.
        self._target = os.dup(target)
        os.set_blocking(self._target, False)
        self._on_keys = on_keys
        self._typed = bytearray()
        self._is_on = False

    def turn(self, *, is_on: bool) -> None:
        """Read keys from now on, or leave them to others."""
        self._is_on = is_on
        if not is_on:
            self._waiter.forget(self._source)
        elif not self._typed:
            self._waiter.watch(self._source, self._take)

    def _take(self) -> None:
        try:
            keys = os.read(self._source, _KEYS)
        except OSError:
            keys = b""
        if not keys:
            self.turn(is_on=False)
            return
        self._on_keys(keys)
        self._typed += keys
        self._pass_on()

    def _pass_on(self) -> None:
        try:
            while self._typed:
                del self._typed[: os.write(self._target, self._typed)]
        except BlockingIOError:
            # A command that does not read its keys must not keep its output from being read.
            self._waiter.forget(self._source)
            self._waiter.watch(self._target, self._pass_on, for_room=True)
            return
        except OSError:
            self._typed.clear()
        self._waiter.forget(self._target)
        if self._is_on:
            self._waiter.watch(self._source, self._take)
