"""What can be asked of a log, answered in plain rows: sessions, transitions, tasks."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from git_session.core.fold.faults import Problem
from git_session.core.fold.find import Found, find_session, find_task
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
from git_session.core.wire.words import ROLES, STATES
from git_session.errors import UsageError
from git_session.git.repository.objects import ObjectStore
from git_session.host.clock import read_clock
from git_session.log.reader import LogReader
from git_session.log.row_liveness import Vitals, complete_past

if TYPE_CHECKING:
    from git_session.log.past import Moment

Clock = Callable[[], int]


class LogQueries:
    """Answers questions about the sessions of one repository."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        actor_id: str | None,
        clock: Clock,
        environ: Mapping[str, str],
        reader: LogReader | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.reader = reader or LogReader(store)
        self.moment: Moment | None = None
        self._actor_id = actor_id
        self._environ = environ

    @classmethod
    def open(
        cls,
        path: str | Path = ".",
        *,
        actor_id: str | None = None,
        clock: Clock = read_clock,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Opens the repository that `path` lies in: a checkout, a linked worktree or a bare one.

        Raises NotARepositoryError, UnsupportedRepositoryError or ConfigError.
        """
        return cls(ObjectStore.open(Path(path)), actor_id=actor_id, clock=clock, environ=environ)

    def at(self, words: str) -> LogQueries:
        """Gives the log as it was at a moment, to ask the same of; see find_moment for the words.

        Ages count from that moment. Raises UsageError for words that mean none.
        """
        return LogQueries.of_moment(self, self.find_moment(words))

    @classmethod
    def of_moment(cls, log: LogQueries, moment: Moment) -> Self:
        """Gives another log as it was at a moment."""
        from git_session.log.past import PastReader

        reader = PastReader(log.reader, moment)
        past = cls(log.store, actor_id=None, clock=lambda: moment.ts, environ={}, reader=reader)
        past.moment = moment
        return past

    def find_moment(self, words: str) -> Moment:
        """Finds the moment that words mean. Raises UsageError."""
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
        """Remembers in the index what was read, so that the next program need not read it again.

        The index is an accelerator: nothing is lost without it.
        """
        self.reader.save()

    @property
    def common_dir(self) -> Path:
        """Gives the git directory that all worktrees of the repository share."""
        return self.store.common_dir

    @property
    def top(self) -> Path | None:
        """Gives the top of the main checkout, which stored worktree paths are relative to."""
        return self.common_dir.parent if self.common_dir.name == ".git" else self.store.worktree

    @property
    def problems(self) -> list[Problem]:
        """Lists what reading the log left out."""
        return self.reader.read()[1].problems

    def unread_blocks(self) -> int:
        """Count the session blocks with a state, role or type that this version does not know."""
        return count_unread_blocks(self.replay())

    def head(self) -> str | None:
        """Reads the log's head commit (40 hex digits), None when there is no log yet."""
        if self.moment is not None and self.moment.commit is not None:
            return self.moment.commit
        self.store.put_back()
        return self.store.read_ref(names.WAL_REF)

    def replay(self) -> Replay:
        """Read the whole log, for callers that need more than sessions and tasks."""
        return self.reader.read()[1]

    def session_rows(
        self,
        *,
        task: str | None = None,
        states: Collection[str] = (),
        engine: str | None = None,
        role: str | None = None,
        include_exited: bool = False,
    ) -> list[Row]:
        """Lists sessions, oldest first; those that exited only when asked for."""
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
        """Fills in what is known here and now of sessions' lives; of the past, what was told."""
        now = self.clock()
        if self.moment is not None:
            return [complete_past(row, now) for row in rows]
        vitals = Vitals(self.common_dir)
        return [vitals.complete(row, now) for row in rows]

    def session_row(self, ref: str) -> Row:
        """Finds one session. Raises NotFoundError or AmbiguousError."""
        folded, life = self.find_session(ref)
        return self.complete([session_row(self.replay(), folded, life)])[0]

    def find_session(self, ref: str) -> Found:
        """Finds one session as it was folded. Raises NotFoundError or AmbiguousError."""
        return find_session(self.reader.require(), ref)

    def has_exited(self, issue_id: str, session_id: str) -> bool:
        """Tells whether the log knows a session and its end."""
        folded = self.replay().issue(bytes.fromhex(issue_id))
        life = None if folded is None else folded.sessions.lives.get(session_id)
        return life is not None and life.state.is_exit

    def transition_rows(
        self, ref: str | None = None, *, task: str | None = None, limit: int | None = None
    ) -> list[Row]:
        """Lists transitions, newest first: of one session, of one task's, or of all.

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
        """Lists tasks, oldest first: issues that are open or carry sessions, convoys aside."""
        require_words([status] if status else [], TASK_STATUSES, "status")
        rows = [
            row for row in all_task_rows(self.replay()) if _is_listed(row, include_all=include_all)
        ]
        if status is not None:
            rows = [row for row in rows if row["status"] == status]
        return sorted(rows, key=lambda row: (row["created_ts"], row["grite_issue_id"]))

    def task_row(self, ref: str) -> Row:
        """Finds one task, with its text, comments and sessions."""
        replay = self.reader.require()
        row = task_detail_row(replay, find_task(replay, ref))
        return {**row, "session_list": self.complete(row["session_list"])}

    def unsent(self) -> dict[str, int]:
        """Counts, for each remote once synced with, the transitions that it was not seen to have.

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
        """Counts the exited sessions; the filters are those of session_rows."""
        return len(self.session_rows(**{**filters, "states": ("exit",)}))

    def log_file(self, session_id: str) -> Path | None:
        """Finds a session's output log in the main checkout; None when it is not there.

        A link is none of ours: one that came with the repository could lead to anything.
        """
        if self.top is None or not names.is_safe_id(session_id):
            return None
        path = self.top / names.LOGS_DIR / f"{session_id}.log"
        return path if path.is_file() and not path.is_symlink() else None

    def find_lives(self, ref: str | None = None, task: str | None = None) -> list[Found]:
        """Finds the lives of one session, of one task's, or of all, as they were folded."""
        if ref is not None:
            return [self.find_session(ref)]
        issues = [find_task(self.reader.require(), task)] if task else self.replay().issues()
        return [(folded, life) for folded in issues for life in folded.sessions.lives.values()]


def require_words(given: Collection[str], known: tuple[str, ...], word: str) -> None:
    """Raises UsageError when a word is not one of those known."""
    for value in given:
        if value not in known:
            raise UsageError(f"no such {word}: {value}", f"known: {', '.join(known)}")


def _is_listed(row: Row, *, include_all: bool) -> bool:
    labels = row["labels"]
    if names.TYPE_CONVOY_LABEL in labels:
        return False
    is_task = names.TYPE_TASK_LABEL in labels or row["task_id"] != row["grite_issue_id"]
    return include_all or is_task or row["state"] == "open" or bool(row["sessions"])
