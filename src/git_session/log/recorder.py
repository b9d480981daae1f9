"""What can be recorded in a log: each method appends one commit and answers in plain rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_session.core.fold import plan
from git_session.core.fold.find import find_session, find_task, has_exited, session_refs, task_refs
from git_session.core.fold.lifecycle import TASK_STATUSES, is_final_status
from git_session.core.fold.replay import FoldedIssue, Replay
from git_session.core.fold.rows import Row, session_row, task_row
from git_session.core.fold.sessions import Life
from git_session.core.wire import names
from git_session.core.wire.block import (
    I32_MAX,
    I32_MIN,
    U32_MAX,
    Extra,
    SessionState,
)
from git_session.core.wire.evidence import PARENT_KEY
from git_session.core.wire.plain_text import quote_word
from git_session.core.wire.words import (
    NO_SESSION,
    ROLES,
    SESSION_TYPES,
    SESSION_VARIABLE,
    STATES,
    require_words,
)
from git_session.errors import AmbiguousError, ConflictError, NotFoundError, UsageError
from git_session.host.beats import Beat
from git_session.host.processes import read_host, read_process
from git_session.log.heartbeats import (
    SWEPT_AFTER_MS,
    BeatKeeper,
    is_presumption,
    make_extras,
    move_here,
    read_news,
)
from git_session.log.reader import LogReader
from git_session.log.row_liveness import Vitals
from git_session.log.writer import Appended, LogWriter, Plan

_MOST_NAMED: Final = 3
"""Sessions that a warning names."""


class Recorder(NamedTuple):
    """Records sessions and tasks, with the parts of one log.

    `top` is what stored worktree paths are relative to; `clock` gives ms since the epoch.
    """

    reader: LogReader
    writer: LogWriter
    keeper: BeatKeeper
    top: Path | None
    clock: Callable[[], int]
    environ: Mapping[str, str]

    def start_row(self, task: str, **details: Any) -> Row:
        """Record a new session as spawned; the details are those of plan_start.

        Raises ConflictError when the task has a session of this id already.
        """
        start = self.plan_start(task, **details)
        warnings = warn_of_start(find_task(self.reader.require(), task))
        return self.started_row(self.writer.append(start), warnings)

    def plan_start(
        self,
        task: str,
        *,
        engine: str = "unknown",
        role: str = "user",
        session_type: str | None = None,
        worktree: str | None = None,
        pid: int | None = None,
        session_id: str | None = None,
        note: str | None = None,
        attributes: Mapping[str, Extra] | None = None,
        extras: Mapping[str, Extra] | None = None,
    ) -> Plan[str]:
        """Plan a new session: a `polecat` when it has a worktree, else `crew`, unless told.

        The plan's value is the session's id. The session that `$GIT_SESSION_ID` names is the
        parent, unless it has exited. Raises UsageError for a role, type, pid, id or attribute's
        name that cannot be.
        """
        kind = session_type or ("polecat" if worktree else "crew")
        require_words([role], ROLES, "role")
        require_words([kind], SESSION_TYPES, "type")
        require_id(session_id)
        if pid is not None and not 0 <= pid <= U32_MAX:
            raise UsageError(f"not a process id: {pid}", f"use 0 to {U32_MAX}")
        stored = self._stored_worktree(worktree)
        process = None if pid is None else read_process(pid)
        given = make_extras(process or read_host(), attributes, extras)

        def start(replay: Replay, now: int) -> tuple[bytes, Sequence[plan.Draft], str]:
            folded = find_task(replay, task)
            chosen = session_id or new_id(names.format_session_id, now, _session_ids(replay))
            if chosen in folded.sessions.lives:
                raise ConflictError(
                    f"task {folded.issue.task_id} already has a session {chosen}",
                    f"git session show {quote_word(chosen)}",
                )
            found = {**self._find_parent(replay, chosen), **given}
            state = SessionState(
                "spawned", chosen, role, kind, engine, stored, now, pid, extras=found
            )
            drafts = plan.plan_block(folded.issue, None, state, note)
            return folded.issue.issue_id, drafts, chosen

        return start

    def advance_row(
        self,
        session: str,
        state: str,
        *,
        is_forced: bool = False,
        note: str | None = None,
        changes: Mapping[str, Any] | None = None,
        pid: int | None = None,
        attributes: Mapping[str, Extra] | None = None,
        extras: Mapping[str, Extra] | None = None,
    ) -> Row:
        """Record that a session is now in `state`; the same state again is a beat.

        A `pid` is recorded with the evidence of its process. Raises TransitionError, naming what
        is allowed, unless forced.
        """
        require_words([state], STATES, "state")
        known = {**(changes or {}), **({} if pid is None else {"pid": pid})}
        own = make_extras(None if pid is None else read_process(pid), attributes, extras)

        def choose(life: Life, seen: Row, news: Mapping[str, Extra]) -> SessionState:
            return plan.plan_state(
                life,
                state,
                is_forced=is_forced,
                changes={**seen, **known},
                extras={**news, **own},
            )

        return self.record(session, choose, note, is_life=not is_presumption(state, known))

    def beat_row(self, session: str) -> Row:
        """Record a sign of life: the same state again, with what the beat file tells.

        An exit that was presumed is revoked by it. Raises TransitionError for any other exit.
        """

        def choose(life: Life, seen: Row, news: Mapping[str, Extra]) -> SessionState:
            return plan.plan_beat(life, changes=seen, extras=news)

        return self.record(session, choose, None, is_work=False)

    def exit_row(
        self,
        session: str,
        *,
        code: int | None = 0,
        reason: str | None = None,
        output_ref: str | None = None,
        is_forced: bool = False,
        note: str | None = None,
        attributes: Mapping[str, Extra] | None = None,
    ) -> Row:
        """Record a session's end; without a reason code 0 is `completed`, any other `crash`."""
        if code is not None and not I32_MIN <= code <= I32_MAX:
            raise UsageError(f"not an exit code: {code}", f"use {I32_MIN} to {I32_MAX}")
        changes: dict[str, Any] = {
            "exit_code": code,
            "exit_reason": reason
            if reason is not None
            else ("completed" if code == 0 else "crash"),
        }
        if output_ref is not None:
            changes["last_output_ref"] = output_ref
        return self.advance_row(
            session, "exit", is_forced=is_forced, note=note, changes=changes, attributes=attributes
        )

    def started_row(self, appended: Appended[str], warnings: Sequence[str]) -> Row:
        """Make the row of a Recorded from a start that was appended, and the session's beat."""
        folded = self._fold(appended)
        state, issue = folded.sessions.lives[appended.value].state, folded.issue
        held, failed = self.keeper.try_begin(issue.hex, issue.task_id, state, appended.commit)
        self.keeper.sweep(partial(has_exited, self.reader.known), older_than_ms=SWEPT_AFTER_MS)
        return self._recorded_row(appended, appended.value, held, [*warnings, *failed])

    def _recorded_row(
        self, appended: Appended[Any], session_id: str, held: Beat | None, warnings: Sequence[str]
    ) -> Row:
        folded = self._fold(appended)
        row = session_row(self.reader.known, folded, folded.sessions.lives[session_id])
        vitals = Vitals(self.reader.store.common_dir)
        return {
            "session": vitals.complete_with(row, held, self.clock()),
            "commit": appended.commit,
            "events": appended.events,
            "warnings": [*warnings, *appended.warnings],
        }

    def find_missing(self, session: Row) -> list[str]:
        """Say in sentences what a session names and is not here: its process, its checkout.

        Both may be all the same: in another container, or made later.
        """
        missing = []
        pid, path = session["pid"], session["worktree"]
        if pid and read_process(pid) is None:
            missing.append(
                f"there is no process {pid} here, so it cannot show whether the session is alive"
            )
        if path and not Path(self.top or "", path).is_dir():
            missing.append(f"no such directory: {path}")
        return missing

    def draw_session_id(self) -> str:
        """Draw an id that no session of the log has."""
        return new_id(names.format_session_id, self.clock(), _session_ids(self.reader.require()))

    def record(
        self,
        session: str,
        choose: Callable[[Life, Row, Mapping[str, Extra]], SessionState],
        note: str | None,
        *,
        is_life: bool = True,
        is_work: bool = True,
    ) -> Row:
        """Append the state that `choose` makes of what changed by itself, and of new extra keys.

        Both come from the clock and the beat file. `is_life` says that the session is seen alive
        now, `is_work` that it does something.
        """

        def advance(
            replay: Replay, now: int
        ) -> tuple[bytes, Sequence[plan.Draft], tuple[Beat | None, SessionState]]:
            folded, life = find_session(replay, session)
            held = self.keeper.beats.read(folded.issue.hex, life.session_id)
            seen = [now] if is_life else [held.ts if held else 0, life.state.last_heartbeat_ts or 0]
            after = choose(life, {"last_heartbeat_ts": max(seen) or None}, read_news(held))
            if is_life:
                after = move_here(after)
            drafts = plan.plan_block(folded.issue, life, after, note)
            return folded.issue.issue_id, drafts, (held, after)

        if not self.reader.has_log:
            self.reader.require()
        appended = self.writer.append(advance)
        held, after = appended.value
        held, warnings = self.keeper.follow(
            held, after, appended.commit, is_work=is_life and is_work
        )
        return self._recorded_row(appended, after.session_id, held, warnings)

    def _find_parent(self, replay: Replay, session_id: str) -> dict[str, Extra]:
        """Find the session that a new one is started in, as an extra key."""
        parent = self.environ.get(SESSION_VARIABLE, "")
        if not names.is_safe_id(parent) or parent in (session_id, NO_SESSION):
            return {}
        with suppress(NotFoundError, AmbiguousError):
            life = find_session(replay, parent)[1]
            # One that has exited is a variable that was left set.
            return {} if life.state.is_exit else {PARENT_KEY: life.session_id}
        return {PARENT_KEY: parent}

    def _stored_worktree(self, worktree: str | None) -> str:
        """Return a worktree's path as it is stored: relative to the main checkout inside it."""
        if not worktree:
            return ""
        path = Path(os.path.normpath(Path.cwd() / worktree))
        if self.top is not None:
            # The way to it may lead over links; the worktree itself stays what it is called.
            for spelt in (path, path.parent.resolve() / path.name):
                for top in (self.top, self.top.resolve()):
                    if spelt.is_relative_to(top):
                        return spelt.relative_to(top).as_posix()
        return str(path)

    # -- tasks

    def add_task_row(self, title: str, *, body: str = "", convoy: str | None = None) -> Row:
        """Record a new queued task, with the labels that brat gives one."""
        if not title.strip():
            raise UsageError("a task needs a title", 'git session task add "Fix the flaky test"')
        require_id(convoy)
        issue_id = os.urandom(16)

        def add(replay: Replay, now: int) -> tuple[bytes, Sequence[plan.Draft], None]:
            taken = {task_id for _, task_id, _ in task_refs(replay)}
            task_id = new_id(names.format_task_id, now, taken)
            return issue_id, [plan.plan_task(title, body, task_id, convoy)], None

        return self._task_recorded_row(self.writer.append(add))

    def set_task_status_row(self, task: str, status: str, *, is_forced: bool = False) -> Row:
        """Record a task's new status.

        Raises TransitionError, naming what is allowed, and ConflictError when the task would keep
        another status all the same, because of an event of a clock that is more than a day ahead.
        """
        require_words([status], TASK_STATUSES, "status")

        def move(replay: Replay, now: int) -> tuple[bytes, Sequence[plan.Draft], None]:
            issue = find_task(replay, task).issue
            drafts = plan.plan_status(issue, status, is_forced=is_forced)
            events = replay.events_of(issue.issue_id)
            return issue.issue_id, plan.keep_effective(issue, status, drafts, events, now), None

        self.reader.require()
        return self._task_recorded_row(self.writer.append(move))

    def comment_row(self, task: str, text: str) -> Row:
        """Record a comment on a task; a text that holds a session block's marks is refused."""
        draft = plan.plan_comment(text)

        def comment(replay: Replay, _: int) -> tuple[bytes, Sequence[plan.Draft], None]:
            return find_task(replay, task).issue.issue_id, [draft], None

        self.reader.require()
        return self._task_recorded_row(self.writer.append(comment))

    def _fold(self, appended: Appended[Any]) -> FoldedIssue:
        """Return the issue that was appended to, as it is since."""
        replay = self.reader.known
        if appended.commit is not None and appended.commit not in replay:
            replay = self.reader.read()[1]  # a claim is moved in by a push
        folded = replay.issue(appended.issue_id)
        assert folded is not None
        return folded

    def _task_recorded_row(self, appended: Appended[None]) -> Row:
        return {
            "task": task_row(self._fold(appended)),
            "commit": appended.commit,
            "events": appended.events,
            "warnings": list(appended.warnings),
        }


def warn_of_start(folded: FoldedIssue) -> list[str]:
    """Say what speaks against a new session on a task: that it is over, or in somebody's hands."""
    issue, warnings = folded.issue, []
    if is_final_status(issue.status):
        warnings.append(f"the task is {issue.status} already")
    elif issue.state == "closed":
        warnings.append("the task's issue is closed")
    lives = [life for life in folded.sessions.lives.values() if not life.state.is_exit]
    lives.sort(key=lambda life: (life.state.started_ts, life.session_id))
    others = [life.session_id for life in lives[:_MOST_NAMED]]
    if len(lives) == 1:
        warnings.append(f"the task has a live session already: {others[0]}")
    elif lives:
        rest = f" and {len(lives) - len(others)} more" if len(lives) > len(others) else ""
        listed = f"{', '.join(others)}{rest}"
        warnings.append(f"the task has {len(lives)} live sessions already: {listed}")
    return warnings


def _session_ids(replay: Replay) -> set[str]:
    return {session_id for _, session_id in session_refs(replay)}


def new_id(form: Callable[[int, str], str], now: int, taken: Collection[str]) -> str:
    """Draw an id of brat's form that nobody has yet: 16 random bits a day are soon not unique."""
    for _ in range(1000):
        drawn = form(now, _draw_digits())
        if drawn not in taken:
            return drawn
    raise ConflictError("no free id is left for today", "choose one: --session-id ID")


def _draw_digits() -> str:
    return os.urandom(2).hex()


def require_id(given: str | None) -> None:
    """Raise UsageError for what cannot be an id."""
    if given is not None and not names.is_safe_id(given):
        raise UsageError(
            f"not an id: {given!r}", "use at most 128 letters, digits, '.', '_' and '-'"
        )
