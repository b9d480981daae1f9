"""A command whose output is kept, as the supervisor sees it: through the process in between."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from typing import Any, Final

from git_session.run.command import Kept, OnOurTerminal, StartError, Wish, group_of, is_over
from git_session.run.relay import KEYS, NO_KEYS, start_relay, wire
from git_session.run.terminal import Terminal, copy_size

_PIECE: Final = 1 << 12
_LOST: Final = 1 << 8
"""The wait status of exit code 1, for an end that nobody saw."""


class RelayedCommand(OnOurTerminal):
    """Is a command that writes into pipes, or has a copy of our terminal for its own."""

    def __init__(
        self,
        wish: Wish,
        terminal: Terminal | None,
        log_fd: int,
        *,
        has_own_terminal: bool,
        shown: int = 1,
    ) -> None:
        """Start it. Raises StartError, or OSError where there is no room for what it needs."""
        super().__init__(terminal)
        self.has_own_terminal = has_own_terminal
        self._end: int | None = None
        self._statuses: list[int] = []
        self._text = b""
        self._is_raw = False
        wiring = wire(terminal if has_own_terminal else None, shown)
        self._copy = wiring.copy
        self._helper, self._channel = start_relay(wish, wiring, log_fd)
        wiring.close_ends()
        if self._copy is None:
            wiring.close_sources()
        self.pid = self._hear_of_start(wish)
        self._channel.setblocking(False)
        if has_own_terminal:
            self._take_keys()

    def poll(self) -> int | None:
        """Return the next change of its state as a wait status; None when there was none.

        The end is told when all that was said before it is kept.
        """
        is_open = self._hear()
        if self._statuses:
            return self._statuses.pop(0)
        if is_open and self.kept is None:
            return None
        if self.kept is None:
            self.kept = Kept(None, "the process that kept the output was killed")
        if self._end is None and group_of(self.pid) is not None:
            # Nobody will tell how it ends. Whoever asks now and then will see that it did.
            return None
        self._finish()
        return _LOST if self._end is None else self._end

    def send(self, number: int) -> None:
        """Send it a signal; nothing happens once it has ended."""
        if self.has_own_terminal and number == signal.SIGWINCH:
            self._resize()
        elif self._end is None:
            with suppress(OSError):
                os.kill(self.pid, number)

    def leave_terminal(self) -> None:
        """Make the terminal fit for the shell, which gets it when both are stopped."""
        if self.has_own_terminal:
            self._give_keys_back()
        else:
            super().leave_terminal()

    def enter_terminal(self) -> None:
        """Take the terminal as it was before, if this job is in the foreground."""
        if self.has_own_terminal:
            self._take_keys()
        else:
            super().enter_terminal()

    def go_on(self) -> None:
        """Continue the command, if it is in a group that the shell does not know of."""
        if self._end is None:
            super().go_on()

    def _take_keys(self) -> None:
        if self._terminal is None or self._is_raw or not self._terminal.is_ours:
            return
        self._terminal.make_raw()
        self._is_raw = True
        self._resize()
        self._say(KEYS)

    def _give_keys_back(self) -> None:
        if self._terminal is not None and self._is_raw:
            self._say(NO_KEYS)
            self._terminal.restore()
            self._is_raw = False

    def _say(self, word: bytes) -> None:
        with suppress(OSError):
            self._channel.send(word)

    def _resize(self) -> None:
        if self._terminal is not None and self._copy is not None:
            copy_size(self._terminal.fd, self._copy)

    def _hear_of_start(self, wish: Wish) -> int:
        """Wait until the command runs, and return its pid. Raises StartError."""
        while b"\n" not in self._text:
            heard = self._channel.recv(_PIECE)
            if not heard:
                self._finish()
                raise StartError(f"{wish.words[0]}: killed before it began")
            self._text += heard
        line, _, self._text = self._text.partition(b"\n")
        word, *values = json.loads(line)
        if word == "failed":
            self._finish()
            raise StartError(*values)
        return int(values[0])

    def _hear(self) -> bool:
        """Take in what was told since; False once nothing more can come."""
        is_open = True
        try:
            while heard := self._channel.recv(_PIECE):
                self._text += heard
            is_open = False
        except BlockingIOError:
            pass
        except OSError:
            is_open = False
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            word, *values = json.loads(line)
            self._take(word, values)
        return is_open

    def _take(self, word: str, values: list[Any]) -> None:
        if word == "interrupt":
            self.interrupted_at = time.monotonic() if values[0] else None
        elif word == "kept":
            self.kept = Kept(*values)
        elif word == "status" and is_over(values[0]):
            self._end = values[0]
        elif word == "status":
            self._statuses.append(values[0])

    def _finish(self) -> None:
        self._give_keys_back()
        self._channel.close()
        if self._copy is not None:
            os.close(self._copy)
            self._copy = None
        with suppress(OSError):
            os.waitpid(self._helper, 0)
