"""SessionLog: the sessions recorded in a repository.

Reading folds the log in `refs/grite/wal`; every write is one commit appended to it. Nothing
here prints, and the time comes from `clock` (ms since the epoch). Each answer is to be had
as a model, or, by the methods whose names end in `_row` and `_rows`, as the plain rows that
the quick commands print. Models, and all that records, are loaded when they are first used.

    >>> from git_session import SessionLog
    >>> with SessionLog.open("path/to/repository") as log:
    ...     [session.session_id for session in log.sessions()]
    ...     [session.state for session in log.at("2 hours ago").sessions()]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from git_session.core.fold.faults import Problem
from git_session.core.fold.find import Found, find_session, find_task, has_exited
from git_session.core.fold.lifecycle import TASK_STATUSES
from git_session.core.fold.replay import Replay, count_unread_blocks
from git_session.core.fold.rows import (
    Row,
    all_session_rows,
    all_task_rows,
    choose_states,
    session_row,
    task_detail_row,
    transition_row,
)
from git_session.core.wire import names
from git_session.core.wire.words import ROLES, STATES, require_words
from git_session.errors import UsageError
from git_session.git.repository.objects import ObjectStore
from git_session.host.clock import read_clock
from git_session.log.reader import LogReader
from git_session.log.row_liveness import Vitals, complete_past

if TYPE_CHECKING:
    from git_session.core.answers.sessions import Recorded, Session, Transition
    from git_session.core.answers.tasks import Task, TaskDetail, TaskRecorded
    from git_session.log.heartbeats import BeatKeeper
    from git_session.log.past import Moment
    from git_session.log.recorder import Recorder
    from git_session.log.writer import LogWriter


class SessionLog:
    """Reads and records the sessions of one repository.

    It holds the parts that do so: the reader, the writer, the keeper of beat files and the
    recorder. `moment` is set where it is the log as it was at one, which takes nothing new.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        actor_id: str | None,
        clock: Callable[[], int],
        environ: Mapping[str, str],
        reader: LogReader | None = None,
        moment: Moment | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.reader = reader or LogReader(store)
        self.moment = moment
        self._actor_id = actor_id
        self._environ = environ

    @classmethod
    def open(
        cls,
        path: str | Path = ".",
        *,
        actor_id: str | None = None,
        clock: Callable[[], int] = read_clock,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Open the repository that `path` lies in: a checkout, a linked worktree or a bare one.

        Raises NotARepositoryError, UnsupportedRepositoryError or ConfigError.
        """
        return cls(ObjectStore.open(Path(path)), actor_id=actor_id, clock=clock, environ=environ)

    def at(self, words: str) -> SessionLog:
        """Return the log as it was at a moment, to ask the same of; see find_moment for the words.

        Ages count from that moment. Raises UsageError for words that mean none.
        """
        return self.at_moment(self.find_moment(words))

    def at_moment(self, moment: Moment) -> SessionLog:
        """Return the log as it was at a moment that was found already."""
        from git_session.log.past import PastReader

        return SessionLog(
            self.store,
            actor_id=None,
            clock=lambda: moment.ts,
            environ={},
            reader=PastReader(self.reader, moment),
            moment=moment,
        )

    def find_moment(self, words: str) -> Moment:
        """Find the moment that words mean. Raises UsageError."""
        from git_session.log.past import find_moment

        return find_moment(self.store, words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Save what was read, and close the index; asked again, the log opens it again."""
        try:
            self.save()
        finally:
            self.reader.close()

    def save(self) -> None:
        """Remember in the index what was read, so that the next program need not read it again.

        The index is an accelerator: nothing is lost without it.
        """
        self.reader.save()

    @property
    def common_dir(self) -> Path:
        """Return the git directory that all worktrees of the repository share."""
        return self.store.common_dir

    @property
    def top(self) -> Path | None:
        """Return the top of the main checkout, which stored worktree paths are relative to."""
        return self.common_dir.parent if self.common_dir.name == ".git" else self.store.worktree

    @property
    def problems(self) -> list[Problem]:
        """List what reading the log left out."""
        return self.reader.read()[1].problems

    def unread_blocks(self) -> int:
        """Count the session blocks with a state, role or type that this version does not know."""
        return count_unread_blocks(self.replay())

    def head(self) -> str | None:
        """Read the log's head commit (40 hex digits), None when there is no log yet."""
        if self.moment is not None and self.moment.commit is not None:
            return self.moment.commit
        self.store.put_back()
        return self.store.read_ref(names.WAL_REF)

    def replay(self) -> Replay:
        """Read the whole log, for callers that need more than sessions and tasks."""
        return self.reader.read()[1]

    # -- questions, answered in rows

    def session_rows(
        self,
        *,
        task: str | None = None,
        states: Collection[str] = (),
        engine: str | None = None,
        role: str | None = None,
        include_exited: bool = False,
    ) -> list[Row]:
        """List sessions, oldest first; those that exited only when asked for."""
        require_words(states, STATES, "state")
        require_words([role] if role else [], ROLES, "role")
        if task is not None:
            issue_id = find_task(self.reader.require(), task).issue.hex
        rows = all_session_rows(self.replay())
        if task is not None:
            rows = [row for row in rows if row["grite_issue_id"] == issue_id]
        if engine is not None:
            rows = [row for row in rows if row["engine"] == engine]
        if role is not None:
            rows = [row for row in rows if row["role"] == role]
        rows = choose_states(rows, states, include_exited=include_exited)
        rows.sort(key=lambda row: (row["started_ts"], row["session_id"], row["grite_issue_id"]))
        return self.complete(rows)

    def complete(self, rows: list[Row]) -> list[Row]:
        """Fill in what is known here and now of sessions' lives; of the past, what was told."""
        now = self.clock()
        if self.moment is not None:
            return [complete_past(row, now) for row in rows]
        vitals = Vitals(self.common_dir)
        return [vitals.complete(row, now) for row in rows]

    def session_row(self, ref: str) -> Row:
        """Find one session. Raises NotFoundError or AmbiguousError."""
        folded, life = self.find_session(ref)
        return self.complete([session_row(self.replay(), folded, life)])[0]

    def find_session(self, ref: str) -> Found:
        """Find one session as it was folded. Raises NotFoundError or AmbiguousError."""
        return find_session(self.reader.require(), ref)

    def has_exited(self, issue_id: str, session_id: str) -> bool:
        """Return whether the log knows a session and its end."""
        return has_exited(self.replay(), issue_id, session_id)

    def transition_rows(
        self, ref: str | None = None, *, task: str | None = None, limit: int | None = None
    ) -> list[Row]:
        """List transitions, newest first: of one session, of one task's, or of all.

        One session's come in the order of its chain, whatever clocks said.
        """
        lives = self.find_lives(ref, task)
        replay = self.replay()
        rows = [
            transition_row(replay, folded.issue, life, step)
            for folded, life in lives
            for step in life.steps
        ]
        if ref is None:
            rows.sort(key=lambda row: (row["ts"], row["actor"], row["event_id"]))
        rows.reverse()
        return rows[:limit]

    def task_rows(self, *, status: str | None = None, include_all: bool = False) -> list[Row]:
        """List tasks, oldest first: issues that are open or carry sessions, convoys aside."""
        require_words([status] if status else [], TASK_STATUSES, "status")
        rows = [
            row for row in all_task_rows(self.replay()) if _is_listed(row, include_all=include_all)
        ]
        if status is not None:
            rows = [row for row in rows if row["status"] == status]
        return sorted(rows, key=lambda row: (row["created_ts"], row["grite_issue_id"]))

    def task_row(self, ref: str) -> Row:
        """Find one task, with its text, comments and sessions."""
        replay = self.reader.require()
        row = task_detail_row(replay, find_task(replay, ref))
        return {**row, "session_list": self.complete(row["session_list"])}

    def unsent(self) -> dict[str, int]:
        """Count, for each remote once synced with, the transitions that it was not seen to have.

        Remotes that have everything are left out.
        """
        from git_session.log.merge import count_unsent

        head = self.head()
        found: dict[str, int] = {}
        for ref, tracked in self.store.list_refs(names.TRACKING_PREFIX).items():
            remote = names.tracked_remote(ref)
            if remote is not None and tracked != head:
                count = count_unsent(self.store, head, tracked)
                if count:
                    found[remote] = count
        return found

    def exited_count(self, **filters: Any) -> int:
        """Count the exited sessions; the filters are those of session_rows."""
        return len(self.session_rows(**{**filters, "states": ("exit",)}))

    def log_file(self, session_id: str) -> Path | None:
        """Find a session's output log in the main checkout; None when it is not there.

        A link is none of ours: one that came with the repository could lead to anything.
        """
        if self.top is None or not names.is_safe_id(session_id):
            return None
        path = self.top / names.LOGS_DIR / f"{session_id}.log"
        return path if path.is_file() and not path.is_symlink() else None

    def find_lives(self, ref: str | None = None, task: str | None = None) -> list[Found]:
        """Find the lives of one session, of one task's, or of all, as they were folded."""
        if ref is not None:
            return [self.find_session(ref)]
        issues = [find_task(self.reader.require(), task)] if task else self.replay().issues()
        return [(folded, life) for folded in issues for life in folded.sessions.lives.values()]

    # -- questions, answered in models

    def sessions(self, **filters: Any) -> list[Session]:
        """List sessions; the filters are those of session_rows."""
        from git_session.core.answers.sessions import Session

        return [Session.model_validate(row) for row in self.session_rows(**filters)]

    def session(self, ref: str) -> Session:
        """Find one session by id, unique prefix, or TASK/SESSION."""
        from git_session.core.answers.sessions import Session

        return Session.model_validate(self.session_row(ref))

    def history(
        self, ref: str | None = None, *, task: str | None = None, limit: int | None = None
    ) -> list[Transition]:
        """List transitions, newest first."""
        from git_session.core.answers.sessions import Transition

        return [
            Transition.model_validate(row)
            for row in self.transition_rows(ref, task=task, limit=limit)
        ]

    def tasks(self, *, status: str | None = None, include_all: bool = False) -> list[Task]:
        """List tasks."""
        from git_session.core.answers.tasks import Task

        return [
            Task.model_validate(row)
            for row in self.task_rows(status=status, include_all=include_all)
        ]

    def task(self, ref: str) -> TaskDetail:
        """Find one task by task id, issue id, or a unique prefix of either."""
        from git_session.core.answers.tasks import TaskDetail

        return TaskDetail.model_validate(self.task_row(ref))

    # -- recording

    @cached_property
    def writer(self) -> LogWriter:
        """Return the one that appends to the log. Raises UsageError for the log as it was."""
        if self.moment is not None:
            raise UsageError(
                f"an earlier state of the log is read-only: {self.moment.words}",
                "use the SessionLog that at() was called on",
            )
        from git_session.log.writer import LogWriter

        return LogWriter(
            self.reader, clock=self.clock, actor_id=self._actor_id, environ=self._environ
        )

    @cached_property
    def keeper(self) -> BeatKeeper:
        """Return the keeper of this host's beat files."""
        from git_session.log.heartbeats import BeatKeeper

        return BeatKeeper(self.store, self.top, self.clock)

    @cached_property
    def recorder(self) -> Recorder:
        """Return what plans a transition and carries it out. Raises UsageError as the writer."""
        from git_session.log.recorder import Recorder

        return Recorder(self.reader, self.writer, self.keeper, self.top, self.clock, self._environ)

    def start_row(self, task: str, **details: Any) -> Row:
        """Record a new session; the details are those of Recorder.plan_start."""
        return self.recorder.start_row(task, **details)

    def advance_row(self, session: str, state: str, **details: Any) -> Row:
        """Record that a session is now in `state`; see Recorder.advance_row."""
        return self.recorder.advance_row(session, state, **details)

    def beat_row(self, session: str) -> Row:
        """Record a sign of life; see Recorder.beat_row."""
        return self.recorder.beat_row(session)

    def exit_row(self, session: str, **details: Any) -> Row:
        """Record a session's end; see Recorder.exit_row."""
        return self.recorder.exit_row(session, **details)

    def add_task_row(self, title: str, *, body: str = "", convoy: str | None = None) -> Row:
        """Record a new queued task; see Recorder.add_task_row."""
        return self.recorder.add_task_row(title, body=body, convoy=convoy)

    def set_task_status_row(self, task: str, status: str, *, is_forced: bool = False) -> Row:
        """Record a task's new status; see Recorder.set_task_status_row."""
        return self.recorder.set_task_status_row(task, status, is_forced=is_forced)

    def comment_row(self, task: str, text: str) -> Row:
        """Record a comment on a task; see Recorder.comment_row."""
        return self.recorder.comment_row(task, text)

    def start(self, task: str, **details: Any) -> Recorded:
        """Record a new session; the details are those of start_row."""
        from git_session.core.answers.sessions import Recorded

        return Recorded.model_validate(self.start_row(task, **details))

    def advance(self, session: str, state: str, **details: Any) -> Recorded:
        """Record that a session is now in `state`; the details are those of advance_row."""
        from git_session.core.answers.sessions import Recorded

        return Recorded.model_validate(self.advance_row(session, state, **details))

    def exit(self, session: str, **details: Any) -> Recorded:
        """Record a session's end; the details are those of exit_row."""
        from git_session.core.answers.sessions import Recorded

        return Recorded.model_validate(self.exit_row(session, **details))

    def add_task(self, title: str, *, body: str = "", convoy: str | None = None) -> TaskRecorded:
        """Record a new queued task."""
        from git_session.core.answers.tasks import TaskRecorded

        return TaskRecorded.model_validate(self.add_task_row(title, body=body, convoy=convoy))


def _is_listed(row: Row, *, include_all: bool) -> bool:
    labels = row["labels"]
    if names.TYPE_CONVOY_LABEL in labels:
        return False
    is_task = names.TYPE_TASK_LABEL in labels or row["task_id"] != row["grite_issue_id"]
    return include_all or is_task or row["state"] == "open" or bool(row["sessions"])
