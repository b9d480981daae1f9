"""Take the signals that come to this process one after the other, and report who sent them.

They are blocked and asked for, so that none comes in the middle of anything and waiting costs
nothing. Source: sigaction(2) for who sent what, signal(7) for what a fork and an exec keep.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

KERNEL: Final = -1
"""Stands for the kernel as a sender: a key on the terminal, or its end. 0 is a process that cannot
be seen from here, outside of a container."""

PASSED_ON: Final = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1),
    *(signal.SIGUSR2, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH),
)
"""What a process may be sent that stands for another one."""

_HAS_SENDERS: Final = hasattr(signal, "sigtimedwait")


class Arrival(NamedTuple):
    """Holds one signal, and the pid of who sent it: KERNEL, or None where it cannot be told."""

    number: int
    sender: int | None


class SignalInbox:
    """Collects signals from its beginning as a context to its end.

    What was ignored before stays ignored, for this process and for those that it starts: nohup,
    or a script's `&`, mean it so.
    """

    def __init__(self) -> None:
        wanted = (number for number in PASSED_ON if signal.getsignal(number) != signal.SIG_IGN)
        self._numbers = {*wanted, signal.SIGCHLD}
        self._noted: deque[Arrival] = deque()
        self._before: dict[int, Any] = {}
        self._mask: set[int] = set()
        if not _HAS_SENDERS:
            self._numbers.add(signal.SIGALRM)

    def __enter__(self) -> SignalInbox:
        # Who ignores SIGCHLD is not told how a child ended, and that may have been inherited.
        self._before = {number: signal.signal(number, self._note) for number in self._numbers}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        return self

    def __exit__(self, *_: object) -> None:
        # What is still waiting is noted, and with that forgotten.
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        self._restore_handlers()

    def wait(self, until: float | None) -> Arrival | None:
        """Wait for the next signal; None when the time `until` (monotonic) has come."""
        if self._noted:
            return self._noted.popleft()
        left = None if until is None else max(until - time.monotonic(), 0.0)
        if sys.platform != "darwin" and _HAS_SENDERS:
            if left is None:
                info: signal.struct_siginfo | None = signal.sigwaitinfo(self._numbers)
            else:
                info = signal.sigtimedwait(self._numbers, left)
            if info is None:
                return None
            return Arrival(info.si_signo, info.si_pid if info.si_code <= 0 else KERNEL)
        return self._wait_by_alarm(left)

    def has_waiting(self, number: int) -> bool:
        """Return whether a signal has come that nobody has asked for yet."""
        return number in signal.sigpending() or any(a.number == number for a in self._noted)

    @contextmanager
    def unblocked(self) -> Iterator[None]:
        """Let signals come by themselves, and note them, while the block runs.

        What is started meanwhile inherits no blocked signals.
        """
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)

    def restore_in_child(self) -> None:
        """Return a process that was just forked the signals as they were before the inbox.

        What came since the fork acts on it now.
        """
        for number in self._numbers:
            is_ignored = self._before[number] == signal.SIG_IGN
            signal.signal(number, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def stop_self(self) -> bool:
        """Stop this process as Ctrl-Z does, until it is continued; return whether it was stopped.

        The kernel stops no process that no shell could continue.
        """
        self._forget(signal.SIGCONT)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            os.kill(os.getpid(), signal.SIGTSTP)
            with _let_through(signal.SIGTSTP):
                pass
        finally:
            signal.signal(signal.SIGTSTP, self._note)
        return self.has_waiting(signal.SIGCONT)

    def _forget(self, number: int) -> None:
        self._noted = deque(a for a in self._noted if a.number != number)
        if number in signal.sigpending():
            signal.sigwait({number})

    def _note(self, number: int, _frame: object) -> None:
        self._noted.append(Arrival(number, None))

    def _restore_handlers(self) -> None:
        for number, handler in self._before.items():
            # None stands for a handler that is not Python's and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _wait_by_alarm(self, left: float | None) -> Arrival | None:
        """Wait on systems that tell neither who sent a signal nor that the time is over."""
        if left is not None:
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.000_001))
        try:
            number = signal.sigwait(self._numbers)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return None if number == signal.SIGALRM else Arrival(number, None)


def die_of(number: int) -> None:
    """End this process by a signal, so that whoever waits for it sees that."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@contextmanager
def _let_through(number: int) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
