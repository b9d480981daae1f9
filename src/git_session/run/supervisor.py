"""Stand beside a running command: pass signals on, stop when it stops, report how it ended.

Nothing here knows of sessions or logs. Times are monotonic seconds.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from git_session.host.processes import (
    Descendant,
    find_git_parent,
    is_descendant,
    list_descendants,
)
from git_session.run.command import Running, group_of
from git_session.run.signals import KERNEL, Arrival, SignalInbox
from git_session.run.terminal import Terminal

TIMED_OUT: Final = 124
GRACE_S: Final = 10.0
"""What a command whose time is up has for ending by itself."""

_HANGUP_S: Final = 0.5
"""After so long a command that lives on has not heard that the terminal is gone."""

_RECENT_S: Final = 10.0
"""Who ends within this time of being told to has ended for it."""

_TICK_S: Final = 0.05
_BY_PEOPLE: Final = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
_ENDING: Final = _BY_PEOPLE | {signal.SIGTERM}
_TO_THE_JOB: Final = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH})
"""What the terminal sends to all processes of a job, the command among them."""


class Outcome(NamedTuple):
    """Tells how a command ended: the exit code a shell would give, and brat's word for it.

    `killer` is the signal that killed it.
    """

    code: int
    reason: str
    killer: int | None = None


class Supervisor:
    """Waits for one command to end; `tick` is called every `every_s` meanwhile."""

    def __init__(
        self,
        command: Running,
        inbox: SignalInbox,
        terminal: Terminal | None,
        *,
        timeout_s: float | None,
        tick: Callable[[], None],
        every_s: float,
    ) -> None:
        now = time.monotonic()
        self._command = command
        self._inbox = inbox
        self._terminal = terminal
        self._tick = tick
        self._every_s = every_s
        self._tick_at = now + every_s
        self._end_at = None if timeout_s is None else now + timeout_s
        self._kill_at: float | None = None
        self._hangup_at: float | None = None
        self._told: dict[int, float] = {}
        self._is_stopped = False
        self._tree: list[Descendant] = []

    def run(self) -> Outcome:
        """Stay until the command has ended."""
        while True:
            status = self._command.poll()
            if status is None:
                arrival = self._inbox.wait(self._next_time())
                if arrival is None:
                    self._act_on_time()
                else:
                    self._take(arrival)
            elif os.WIFSTOPPED(status):
                self._is_stopped = True
                if self._is_our_job(os.WSTOPSIG(status)):
                    self._stop_too()
            elif os.WIFCONTINUED(status):
                self._is_stopped = False
                self._command.enter_terminal()
            else:
                return self._conclude(os.waitstatus_to_exitcode(status))

    # -- time

    def _next_time(self) -> float:
        times = (self._tick_at, self._end_at, self._kill_at, self._hangup_at)
        return min(moment for moment in times if moment is not None)

    def _act_on_time(self) -> None:
        now = time.monotonic()
        if self._hangup_at is not None and now >= self._hangup_at:
            self._hangup_at = None
            self._command.send(signal.SIGHUP)
        if self._end_at is not None and now >= self._end_at:
            self._end_at, self._kill_at = None, now + GRACE_S
            self._end_tree(signal.SIGTERM)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = now + GRACE_S
            self._end_tree(signal.SIGKILL)
        if now >= self._tick_at:
            self._tick_at = now + self._every_s
            self._tick()

    def _end_tree(self, number: signal.Signals) -> None:
        """Report the command to end, and all that it started: a shell would leave that behind."""
        # Those of before stay listed: who outlives its parent is no descendant any more.
        self._tree += list_descendants(self._command.pid)
        for stop in (number, signal.SIGCONT):
            self._command.send(stop)
            for descendant in self._tree:
                descendant.send(stop)

    # -- signals

    def _take(self, arrival: Arrival) -> None:
        number = arrival.number
        if number == signal.SIGCHLD:
            return
        if number in _ENDING:
            self._told[number] = time.monotonic()
        if number == signal.SIGCONT:
            self._take_continued()
        elif self._has_reached_the_command(arrival):
            return
        elif number == signal.SIGHUP and not self._command.has_own_terminal:
            # Programs like vim take two at once as a reason not to save anything.
            self._hangup_at = self._hangup_at or time.monotonic() + _HANGUP_S
        else:
            self._command.send(number)

    def _take_continued(self) -> None:
        self._command.enter_terminal()
        if self._is_stopped:
            self._command.send(signal.SIGCONT)

    def _has_reached_the_command(self, arrival: Arrival) -> bool:
        """Return whether the command got a signal as well, or sent it itself, to all of its group.

        `git` between the shell and us passes on what it gets from the terminal.
        """
        number, sender = arrival
        if self._is_from_command(sender):
            return True
        if self._command.has_own_terminal or number not in _TO_THE_JOB:
            return False
        is_git = sender == os.getppid() and group_of(sender) == os.getpgrp()
        is_front = self._terminal is not None and self._terminal.is_ours
        return sender == KERNEL or (is_front and (is_git or sender is None))

    def _is_from_command(self, sender: int | None) -> bool:
        if sender is None or sender <= 0:
            return False
        return sender == self._command.pid or is_descendant(sender, self._command.pid)

    # -- stopping

    def _is_our_job(self, number: int) -> bool:
        """Return whether somebody sits before a command that was stopped, and wants the shell.

        What is stopped from elsewhere is no matter of the shell's.
        """
        front = None if self._terminal is None else self._terminal.foreground
        if front is None:
            return False
        if front == os.getpgrp():
            return number != signal.SIGSTOP or os.isatty(0)
        return front == group_of(self._command.pid)

    def _stop_too(self) -> None:
        """Stop this process as its command was, so that the shell takes the terminal back."""
        self._command.leave_terminal()
        # A `git` between the shell and us would wait on, and the shell with it.
        git = find_git_parent()
        if git is not None:
            git.send(signal.SIGTSTP)
        if self._inbox.stop_self():
            self._command.enter_terminal()
            self._command.go_on()
        if git is not None:
            git.send(signal.SIGCONT)

    # -- the end

    def _conclude(self, code: int) -> Outcome:
        if code < 0 and self._terminal is not None:
            # It had no time to leave the terminal as it found it.
            self._terminal.reclaim()
            self._terminal.restore()
        if self._kill_at is not None:
            self._end_rest()
            return Outcome(TIMED_OUT, "timeout", -code if code < 0 else None)
        now = time.monotonic()
        if self._command.interrupted_at is not None:
            self._told[signal.SIGINT] = self._command.interrupted_at
        told = {number for number, moment in self._told.items() if now - moment < _RECENT_S}
        reason = name_reason(code, told)
        return Outcome(code, reason) if code >= 0 else Outcome(128 - code, reason, -code)

    def _end_rest(self) -> None:
        """Return what the command started the rest of the time, and end what is left then."""
        assert self._kill_at is not None
        while any(descendant.is_running() for descendant in self._tree):
            if time.monotonic() >= self._kill_at:
                for descendant in self._tree:
                    descendant.send(signal.SIGKILL)
                return
            time.sleep(_TICK_S)


def name_reason(code: int, told: set[int]) -> str:
    """Name why a command ended: `code` is negative for a signal, `told` what it was sent lately.

    Ctrl-C, a quit key and a closed terminal are how people stop a program.
    """
    if code == 0:
        return "completed"
    killer = -code if code < 0 else None
    caught = code - 128 if code - 128 in told or code == 128 + signal.SIGINT else None
    if (killer or caught) in _BY_PEOPLE:
        return "user-stop"
    if killer or caught:
        return "signal"
    if told & _BY_PEOPLE:
        return "user-stop"
    return "signal" if told else "crash"
