"""Read the log of one repository and keep what it read, so that the next read is short."""

from __future__ import annotations

import gc
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from typing import Final, Protocol

from git_session.core.fold.faults import Problem
from git_session.core.fold.replay import Replay
from git_session.core.fold.rows import Row, session_row, task_row
from git_session.core.wire import names
from git_session.core.wire.commit import LogCommit, is_of_log
from git_session.core.wire.event import Event
from git_session.git.repository.objects import ObjectStore
from git_session.log.actors.config import GriteConfig, read_config
from git_session.log.actors.trust import Trust, read_trust
from git_session.log.index.log_index import IndexLostError, LogIndex
from git_session.log.index.update import Change, IndexedIssue

_LOOKS: Final = 2
"""How often a log is read again of which something that was missing has come back."""

_WATCHED: Final = 500
"""Commits between two looks at the progress."""


class Progress(Protocol):
    """Is told how far a read is."""

    def show(self, commits: int) -> None:
        """Take the number of commits read so far."""

    def clear(self) -> None:
        """Hear that the read is over."""


class LogReader:
    """Holds a repository's log as last read; `read` brings it up to the ref's head.

    The first read starts from the index, which `save` brings up to date. `config` is grite's
    settings as they stand in the repository, unless told.
    """

    def __init__(self, store: ObjectStore, config: GriteConfig | None = None) -> None:
        self.store = store
        self.config: GriteConfig = read_config(store.common_dir) if config is None else config
        self.progress: Progress | None = None
        self._head: str | None = None
        self._base: str | None = None
        self._index: LogIndex | None = None
        self._replay = self._new_replay()
        self._sound: str | None = None

    def read(self) -> tuple[str | None, Replay]:
        """Read what came since the last read; return the head (None without a log) and the log.

        Raises DamagedLogError when the head itself cannot be read.
        """
        self.store.put_back()
        for _ in range(_LOOKS):
            before = self._head
            head, replay = self._read_once()
            is_lacking = head != before and any(map(_is_passing, replay.problems))
            if not is_lacking or not self.store.look_again():
                return head, replay
            self._replay, self._head, self._base = self._new_replay(), None, None
        return self._read_once()

    def _read_once(self) -> tuple[str | None, Replay]:
        head = self.store.read_ref(names.WAL_REF)
        if head == self._head:
            return head, self._replay
        if self._head is None and head is not None:
            head, self._replay = self._remember(head)
        elif head is None or not self.store.is_ancestor(self._head or "", head):
            # Somebody moved the ref back or aside: nothing that was read still counts.
            self._replay, self._head = self._new_replay(), None
        if head is not None and head not in self._replay:
            with _no_collection():
                base = self._head or self._base
                self._replay.add(self._read_commits(head, self._replay), base)
        self._head = head
        return head, self._replay

    @cached_property
    def trust(self) -> Trust:
        """Return what decides which events count: the policy, and the keys it goes by."""
        return read_trust(self.store, self.config.verify_signatures)

    def follow(self, commit: LogCommit, events: Iterable[Event]) -> None:
        """Take in the commit that was just appended, and its events, as if it had been read."""
        parent = commit.parents[0] if commit.parents else None
        if parent == self._head:
            self._replay.add_built(commit, events)
            self._head = self._sound = commit.oid

    def require_sound(self, head: str | None) -> None:
        """Make sure that `head`, which was just read, can be followed by a commit.

        One that only the index knows is read for it, once. Raises DamagedLogError.
        """
        if head is None or head == self._sound:
            return
        if head in self._replay.commits:
            self.store.require_log_commit(head)
        else:
            self.store.commit_time(head)
        self._sound = head

    @property
    def has_log(self) -> bool:
        """Return whether a log was there when it was read last."""
        return self._head is not None

    @property
    def known(self) -> Replay:
        """Return the log as it was read or appended to last, whatever came since."""
        return self._replay

    def require(self) -> Replay:
        """Read the log. Raises NotFoundError when there is none yet."""
        head, replay = self.read()
        if head is None:
            from git_session.log.absence import explain_absence

            raise explain_absence(self.store)
        return replay

    def read_at(self, head: str | None) -> Replay:
        """Read the log as it is from another head, such as a merge that no ref holds yet."""
        current, replay = self.read()
        if head == current:
            return replay
        other = self._new_replay()
        if head is not None:
            with _no_collection():
                other.add(self.store.read_commits(head))
        return other

    def watch(self, commits: Iterator[LogCommit]) -> Iterator[LogCommit]:
        """Return the commits on as they come, and report the progress of them."""
        return commits if self.progress is None else _watch(commits, self.progress)

    @property
    def unsaved(self) -> int:
        """Count the commits that were read and that no index knows."""
        return len(self._replay.commits)

    def save(self) -> None:
        """Write what was read to the index, so that the next program starts from there.

        Another program may be quicker, or the index not be writable: then nothing happens. A log
        of which something was missing is not remembered, for it may come, nor what is no log.
        """
        replay, head = self._replay, self._head
        if head is None or not replay.commits or any(map(_is_passing, replay.problems)):
            return
        if head != self._sound:
            return
        index = self._index or self._open_index()
        base = index.head
        if replay.source is None and base is not None:
            index.reset()
            base = None
        with _no_collection():
            index.apply(_describe_change(replay, base, head))
        self._index = index
        self.close()

    def close(self) -> None:
        """Let go of the index and of what was read; the next read begins anew."""
        if self._index is not None:
            self._index.close()
        self._index = self._base = self._head = None
        self._replay = self._new_replay()

    def _remember(self, head: str) -> tuple[str, Replay]:
        """Start a replay from the index, if that tells of this head or of one before it.

        Gives the head anew: another program may have moved the ref and the index meanwhile.
        """
        index = self._open_index()
        replay = self._new_replay()
        known = index.head
        if known is not None and known != head and not self.store.is_ancestor(known, head):
            head = self.store.read_ref(names.WAL_REF) or head
        if known is None or not (known == head or self.store.is_ancestor(known, head)):
            return head, replay
        self._base = known
        replay.source = index
        replay.lost = IndexLostError
        replay.recall = lambda: self._read_commits(head, frozenset())
        problems: list[Row] = replay.ask(lambda source: source.problems(), [])
        for row in problems:
            replay.report(Problem(**row))
        return head, replay

    def _open_index(self) -> LogIndex:
        path = self.store.common_dir / names.SESSION_DIR / "index.db"
        self._index = LogIndex.open(path, trust=self.trust.digest)
        return self._index

    def _read_commits(self, head: str, known: Container[str]) -> Iterator[LogCommit]:
        return self.watch(self._read_unwatched(head, known))

    def _read_unwatched(self, head: str, known: Container[str]) -> Iterator[LogCommit]:
        commits = self.store.read_commits(
            head,
            known=known,
            on_fault=self._note_fault,
            is_whole=self._head is None and self._replay.source is None,
        )
        for first in commits:
            if is_of_log(first):
                self._sound = first.oid
            yield first
            break
        yield from commits

    def _new_replay(self) -> Replay:
        trust = self.trust
        judge = None if trust.policy == "off" else trust.judge
        return Replay(judge=judge, policy=trust.policy)

    def _note_fault(self, commit: str, path: str, what: str) -> None:
        self._replay.report(Problem("missing_object", what, commit, path))


def _watch(commits: Iterator[LogCommit], progress: Progress) -> Iterator[LogCommit]:
    try:
        for number, commit in enumerate(commits, 1):
            if not number % _WATCHED:
                progress.show(number)
            yield commit
    finally:
        progress.clear()


def _is_passing(problem: Problem) -> bool:
    """Return whether a problem may be gone tomorrow: what is missing can still be fetched."""
    return problem.code == "missing_object"


def _describe_change(replay: Replay, base: str | None, head: str) -> Change:
    """Describe to the index what was read since `base`."""
    issues = []
    for issue_id in replay.changed:
        folded = replay.issue(issue_id)
        if folded is not None:
            lives = folded.sessions.lives.values()
            sessions = [session_row(replay, folded, life) for life in lives]
            task = task_row(folded) if folded.issue.is_created else None
            issues.append(IndexedIssue(issue_id, task, sessions, folded.sessions.unread))
    events = [
        (event.issue_id, event.event_id, event.raw, replay.origin[event.event_id])
        for event in replay.new_events()
    ]
    known = 0 if replay.source is None else len(replay.source.problems())
    problems = [asdict(problem) for problem in replay.problems[known:]]
    return Change(base, head, replay.commits, events, issues, problems)


@contextmanager
def _no_collection() -> Iterator[None]:
    # Reading and folding make only objects that stay: the collector would take a third of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
