"""Run one command as one session: its whole life is in the log, from spawned to exit.

The command waits for no network, and goes on when this process is killed: before it begins, its
beat file names it, so that it is found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from git_session.core.fold.rows import Row
from git_session.core.wire import names
from git_session.core.wire.words import SESSION_VARIABLE, TASK_VARIABLE
from git_session.errors import GitSessionError, TransitionError
from git_session.host.processes import read_process
from git_session.host.spool import SeenExit, SpoolSlot
from git_session.log.beat import write_beat
from git_session.log.session_log import SessionLog
from git_session.log.spool import record_or_spool
from git_session.run.checkout import Workplace
from git_session.run.command import Command, Running, StartError, Wish
from git_session.run.signals import SignalInbox
from git_session.run.supervisor import Outcome, Supervisor
from git_session.run.terminal import Terminal, can_relay
from git_session.sync.follow_up import follow_up

BEAT_EVERY_S: Final = 30.0

_INTERRUPTED: Final = Outcome(130, "user-stop")
_FAILED: Final = Outcome(1, "crash")


@dataclass(frozen=True, slots=True)
class Orders:
    """Holds what is to be run, and how.

    `details` are those of plan_start, but for id, worktree and pid. The command's output shows on
    the descriptor `shown`.
    """

    task: str
    words: Sequence[str]
    details: Mapping[str, Any] = field(default_factory=dict)
    worktree: str | None = None
    has_new_worktree: bool = False
    timeout_s: float | None = None
    is_synced: bool = False
    is_exclusive: bool = False
    keeps_output: bool = False
    shown: int = 1


def run_session(
    log: SessionLog,
    orders: Orders,
    *,
    on_warning: Callable[[str], None],
    on_worktree: Callable[[str, Path], None] = lambda _session_id, _path: None,
    environ: Mapping[str, str] = os.environ,
) -> Row:
    """Run a command and return the row of a RunReport; its exit code is the command's.

    `on_warning` hears what there is to say before the command begins; what comes up later stands
    in the row. `on_worktree` hears the session's id, which its branch has for a name, and the path
    of the worktree that was made for it. Raises what a start raises, and GitSessionError when a
    worktree or a file for the output cannot be made: then the command was not started.
    """
    return _Run(log, orders, environ).play(on_warning, on_worktree)


class _Run:
    """Plays one session from its start to its exit."""

    def __init__(self, log: SessionLog, orders: Orders, environ: Mapping[str, str]) -> None:
        self._log = log
        self._orders = orders
        self._environ = environ
        self._session_id = log.recorder.draw_session_id()
        self._session: Row = {}
        self._place = Workplace(
            log,
            self._session_id,
            worktree=orders.worktree,
            has_new_worktree=orders.has_new_worktree,
            keeps_output=orders.keeps_output,
        )
        self._slot: SpoolSlot | None = None
        self._inbox: SignalInbox | None = None
        self._command: Running | None = None
        self._unrecorded = ["ready", "running"]
        self._is_saved = False
        self._warnings: list[str] = []

    @property
    def _ref(self) -> str:
        return f"{self._session['grite_issue_id']}/{self._session_id}"

    def play(
        self, on_warning: Callable[[str], None], on_worktree: Callable[[str, Path], None]
    ) -> Row:
        """Start the session, run the command, and record how it ended."""
        self._begin(on_warning)
        if self._orders.has_new_worktree and self._place.worktree is not None:
            on_worktree(self._session_id, self._place.worktree)
        terminal = Terminal.find()
        failure: str | None = None
        with SignalInbox() as inbox:
            self._inbox = inbox
            try:
                self._command = self._launch(inbox, terminal)
            except StartError as error:
                failure, outcome = str(error), Outcome(error.code, "crash")
            else:
                self._try_to_record_running()
                outcome = self._supervise(self._command, inbox, terminal)
            return {**self._end(outcome), "error": failure}

    # -- before the command

    def _begin(self, on_warning: Callable[[str], None]) -> None:
        """Record the session as spawned, and make what the command needs."""
        self._place.make_output()
        try:
            recorded = self._start()
        except BaseException:
            self._place.remove_output()
            raise
        self._session = recorded["session"]
        for warning in recorded["warnings"]:
            on_warning(warning)
        with suppress(OSError):
            issue_id = self._session["grite_issue_id"]
            self._slot = SpoolSlot(self._log.keeper.beats, issue_id, self._session_id)
        self._make_worktree()

    def _start(self) -> Row:
        details = {
            **self._orders.details,
            "session_id": self._session_id,
            "worktree": None if self._place.worktree is None else str(self._place.worktree),
            # Until the command has a process, this one stands for the session.
            "pid": os.getpid(),
        }
        if self._orders.is_exclusive:
            from git_session.sync.exclusive import (
                claim_row,  # and with it all that talks to remotes
            )

            return claim_row(self._log, self._orders.task, **details)
        return self._log.start_row(self._orders.task, **details)

    def _make_worktree(self) -> None:
        try:
            self._place.make_worktree()
        except BaseException as error:
            self._end(_INTERRUPTED if isinstance(error, KeyboardInterrupt) else _FAILED)
            raise

    # -- the command

    def _launch(self, inbox: SignalInbox, terminal: Terminal | None) -> Running:
        """Start the command. Raises StartError."""

        def prepare() -> None:
            # In the command's own process, which becomes the command.
            with suppress(GitSessionError, OSError):
                self._note_process()
            inbox.restore_in_child()

        env = {
            **self._environ,
            SESSION_VARIABLE: self._session_id,
            TASK_VARIABLE: _name_task(self._session),
        }
        wish = Wish(self._orders.words, self._place.worktree, env, prepare)
        shown = self._orders.shown
        if self._place.output is None:
            return Command(wish, terminal, None if shown == 1 else shown)
        from git_session.run.relayed import RelayedCommand

        try:
            is_copied = shown == 1 and can_relay(terminal)
            return RelayedCommand(
                wish, terminal, self._place.output_fd, has_own_terminal=is_copied, shown=shown
            )
        except OSError as error:
            raise StartError(f"cannot keep the output: {error.strerror}") from error

    def _note_process(self) -> None:
        """Write into the beat file that this process is the session's."""
        beats = self._log.keeper.beats
        with beats.lock():
            beat = beats.read(self._session["grite_issue_id"], self._session_id)
            evidence = read_process(os.getpid())
            if beat is not None and evidence is not None:
                beats.write(beat._replace(evidence=evidence))

    def _supervise(
        self, command: Running, inbox: SignalInbox, terminal: Terminal | None
    ) -> Outcome:
        return Supervisor(
            command,
            inbox,
            terminal,
            timeout_s=self._orders.timeout_s,
            tick=self._tick,
            every_s=BEAT_EVERY_S,
        ).run()

    def _tick(self) -> None:
        """Write a beat; and whatever the log did not take before."""
        if not self._is_saved:
            self._is_saved = True
            self._log.save()
        if self._unrecorded:
            self._try_to_record_running()
        try:
            with self._unblocked():
                beaten = write_beat(
                    self._log.common_dir, self._ref, is_work=False, environ=self._environ
                )
                if beaten.commit is not None:
                    self._follow_up()
        except TransitionError:
            pass  # it told its end itself, and goes on for a while
        except (GitSessionError, OSError) as error:
            self._warn(str(error))

    def _try_to_record_running(self) -> None:
        try:
            with self._unblocked():
                self._record_running()
                self._follow_up()
        except (GitSessionError, OSError) as error:
            self._warn(f"not in the log yet: {' and '.join(self._unrecorded)}: {error}")

    def _record_running(self) -> None:
        assert self._command is not None
        for state in list(self._unrecorded):
            # The command may have told that, and more, by itself.
            with suppress(TransitionError):
                row = self._log.advance_row(self._ref, state, pid=self._command.pid)
                for warning in row["warnings"]:
                    self._warn(warning)
            self._unrecorded.remove(state)

    # -- the end

    def _end(self, outcome: Outcome) -> Row:
        """Record how the command ended, or leave that to the next one that writes."""
        kept = None if self._command is None else self._command.kept
        if kept is not None and kept.fault is not None:
            self._warn(kept.fault)
        output_ref = f"sha256:{kept.sha256}" if kept is not None and kept.sha256 else None
        issue_id = self._session["grite_issue_id"]
        seen = SeenExit(
            issue_id,
            self._session_id,
            outcome.code,
            outcome.reason,
            output_ref,
            ended_ts=self._log.clock(),
        )
        with self._unblocked():
            commit, warning = record_or_spool(self._log, seen, self._slot)
            self._follow_up(is_recorded=warning is None)
        if warning is not None:
            self._warn(warning)
        return {
            "session_id": self._session_id,
            "task_id": self._session["task_id"],
            "grite_issue_id": issue_id,
            "exit_code": outcome.code,
            "exit_reason": outcome.reason,
            "signal": outcome.killer,
            "commit": commit,
            "worktree": None if self._place.worktree is None else str(self._place.worktree),
            "log_file": None if self._place.output is None else str(self._place.output),
            "last_output_ref": output_ref,
            "warnings": self._warnings,
        }

    def _follow_up(self, *, is_recorded: bool = True) -> None:
        is_synced = self._orders.is_synced
        for warning in follow_up(self._log, is_recorded=is_recorded, is_synced=is_synced):
            self._warn(warning)

    def _unblocked(self) -> AbstractContextManager[None]:
        """Let no program that is started meanwhile inherit what signals are blocked here."""
        return nullcontext() if self._inbox is None else self._inbox.unblocked()

    def _warn(self, warning: str) -> None:
        # While the command has the terminal, nothing is said.
        if warning not in self._warnings:
            self._warnings.append(warning)


def _name_task(session: Row) -> str:
    """Return a name of a session's task that any variable and any shell can hold."""
    task_id: str = session["task_id"]
    return task_id if names.is_safe_id(task_id) else session["grite_issue_id"]
