"""The index: what was read from the log, kept so that the next answer needs no reading.

It is an accelerator and nothing more: `<common git dir>/git-session/index-N.db` can be deleted at
any time, and nothing that is wrong with it shows as anything but a slower answer. What it holds is
a function of a head and of the trust in signatures. Commit ids are hashes, so the index of a copied
or moved repository, and even another repository's, tells the truth about every head it names.

How it is used:

    index.refresh()
    if index.head != head:      # of the ref, as it is now
        ...                     # read what came since index.head, and fold what it touches
        index.apply(change)     # then look again
    rows = index.session_rows()
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from git_session.log.index.file import FailureError, Identity, IndexFile, discard, identify
from git_session.log.index.format import ID_SIZE, SCHEMA, DamageError, Order, Row
from git_session.log.index.view import View, wanted_states

if TYPE_CHECKING:
    from git_session.log.index.update import Change

T = TypeVar("T")


class IndexLostError(Exception):
    """Reports content that turned out to be damaged; the index is empty now, and to be filled."""


class LogIndex:
    """Answers questions about the log as of `head`.

    Opening, applying, resetting and closing never raise for the state of the file. The answers
    raise IndexLostError when the content is found damaged. All answers are of one moment, until
    `refresh` or `apply`. `in_memory` tells that what is applied goes with this process.
    """

    def __init__(self, path: str, trust: str | None) -> None:
        self._path = path
        self._trust = trust
        self._file: IndexFile | None = None
        self._identity: Identity | None = None
        self._view: View | None = None
        self._has_begun = False
        self._is_as_is = False
        self._was_discarded = False
        self.in_memory = False

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, trust: str | None) -> LogIndex:
        """Open the index beside `path`, whose name gets the schema number; it may be missing.

        `trust` is a digest of the settings by which signatures were judged; with None the content
        is taken whatever they were, for whoever only needs hints, and nothing can be applied.
        """
        stem, ending = os.path.splitext(path)
        index = cls(f"{stem}-{SCHEMA}{ending}", trust)
        index._begin()
        return index

    @property
    def head(self) -> str | None:
        """Return the commit whose log this is, None when there is no content."""
        self._begin()
        return self._view.seal.head if self._view else None

    def refresh(self) -> None:
        """Let go of the moment: the next answer is of the content as it then is."""
        if self._is_as_is:
            self._use(None)  # SQLite would not notice that the file has changed
        elif self._file is not None:
            self._file.end()
        self._view = None
        self._has_begun = False

    # -- answers

    def __contains__(self, oid: object) -> bool:
        if not isinstance(oid, str) or len(oid) != 2 * ID_SIZE:
            return False
        commit = bytes.fromhex(oid)
        return self._ask(lambda view: view.knows(commit), nothing=False)

    def issue_ids(self) -> list[bytes]:
        """List all issues, in the order of their ids."""
        return self._ask(lambda view: sorted(view.issue_values()), [])

    def events_of(self, issue_id: bytes) -> list[tuple[bytes, str]]:
        """Read an issue's events: raw bytes and commit."""
        return self._ask(lambda view: view.events_of(issue_id), [])

    def session_refs(self) -> list[tuple[bytes, str]]:
        """List issue and id of all sessions, in the order of both."""
        return self._ask(
            lambda view: [
                (entry.issue_id, session_id)
                for entry in view.entries()
                for session_id in sorted(session[0] for session in entry.sessions)
            ],
            [],
        )

    def session_briefs(self) -> list[Row]:
        """List all sessions by what their issues' entries tell of them, which is quick to read."""
        return self._ask(lambda view: view.session_briefs(), [])

    def task_refs(self) -> list[tuple[bytes, str, str]]:
        """List issue, task id and title of all issues that have a task row, by issue."""
        return self._ask(
            lambda view: [
                (entry.issue_id, entry.task[0], entry.task[1])
                for entry in view.entries()
                if entry.task is not None
            ],
            [],
        )

    def session_rows(
        self,
        *,
        issue_id: bytes | None = None,
        states: Collection[str] = (),
        without_exited: bool = False,
        engine: str | None = None,
        role: str | None = None,
    ) -> list[Row]:
        """List sessions, oldest first; `heartbeat_age_ms` is None in all of them."""
        wanted, kinds = wanted_states(states, engine, role, without_exited=without_exited)
        return self._ask(lambda view: view.session_rows(issue_id, wanted, kinds), [])

    def ended_sessions(
        self, *, engine: str | None = None, role: str | None = None
    ) -> list[tuple[Order, bytes]]:
        """Return the sessions that exited as they are printed, each with what it is listed by.

        Nothing in the row of such a session depends on when it is read.
        """
        wanted, _ = wanted_states((), engine, role, without_exited=False)
        is_open = engine is None and role is None
        return self._ask(lambda view: view.ended_sessions(None if is_open else wanted), [])

    def count_sessions(
        self,
        *,
        issue_id: bytes | None = None,
        states: Collection[str] = (),
        without_exited: bool = False,
        engine: str | None = None,
        role: str | None = None,
    ) -> int:
        """Count sessions."""
        wanted, _ = wanted_states(states, engine, role, without_exited=without_exited)
        if issue_id is not None or engine is not None or role is not None:
            return self._ask(lambda view: view.count_sessions(issue_id, wanted), 0)
        return self._ask(
            lambda view: sum(
                count for state, count in view.seal.states.items() if wanted(state, "", "")
            ),
            0,
        )

    def task_rows(self) -> list[Row]:
        """List tasks, oldest first."""
        return self._ask(lambda view: view.task_rows(), [])

    def unread_blocks(self) -> dict[bytes, int]:
        """Return the issues with session blocks of unknown words, and how many each has."""
        return self._ask(lambda view: view.unread_blocks(), {})

    def leaves_out(self) -> bool:
        """Tell whether reading left anything out."""
        return bool(self.unread_blocks() or self.problems())

    def problems(self) -> list[Row]:
        """List what reading left out, that of the newest change first."""
        return self._ask(lambda view: view.problems(), [])

    def event_count(self) -> int:
        """Count the events."""
        return self._ask(lambda view: view.seal.events, 0)

    def commit_count(self) -> int:
        """Count the commits."""
        return self._ask(lambda view: view.seal.commits, 0)

    # -- changes

    def apply(self, change: Change) -> bool:
        """Write a change, wholly or not at all; return whether it did.

        False when the content is no longer of `change.base`: another process was quicker, or it
        was found damaged. Where the file cannot be written, the content goes on in memory.
        """
        from git_session.log.index.update import write_change  # only for those who write

        trust = self._trust
        assert trust is not None

        def write(file: IndexFile, view: View | None) -> None:
            write_change(file, view, change, trust)

        return self._write(change.base, write)

    def reset(self) -> None:
        """Empty the content, unless another process changed it since it was looked at."""
        head = self.head
        if head is not None:
            self._write(head, lambda file, _: file.clear())

    def close(self) -> None:
        """Let go of the file."""
        self._use(None)
        self.in_memory = False

    def _write(self, base: str | None, write: Callable[[IndexFile, View | None], None]) -> bool:
        self.refresh()
        if self._is_as_is:
            self._use_memory(self._copy())
        try:
            if self._file is None:
                self._file = IndexFile.create(self._path)
                self._identity = identify(self._path)
            with self._file.writing():
                view = View.read(self._file, self._trust)
                if (view.seal.head if view else None) != base:
                    return False
                write(self._file, view)
            return True
        except DamageError:
            self._discard()
            return False
        except FailureError:
            if self.in_memory:
                self._use_memory(IndexFile.in_memory())
                return False
            self._use_memory(self._copy())
            return self._write(base, write)

    # -- the file

    def _begin(self) -> None:
        """Open the file if it is there, and begin a moment."""
        if self._has_begun:
            return
        self._has_begun = True
        if self._is_as_is:
            self._begin_as_is()
            return
        try:
            if self._file is None:
                self._identity = identify(self._path)
                self._file = IndexFile.find(self._path)
            else:
                self._file.begin()
            self._view = View.read(self._file, self._trust) if self._file else None
        except DamageError:
            self._discard()
        except FailureError:
            self._begin_as_is()

    def _begin_as_is(self) -> None:
        """Make do with what can be read of a file that cannot be shared or locked."""
        self._is_as_is = True
        try:
            file = IndexFile.open_as_is(self._path)
            self._use(file)
            self._has_begun = True
            file.begin()
            self._view = View.read(file, self._trust)
        except (DamageError, FailureError):
            self._use_memory(IndexFile.in_memory())

    def _ask(self, question: Callable[[View], T], nothing: T) -> T:
        self._begin()
        if self._view is None:
            return nothing
        try:
            return question(self._view)
        except DamageError as error:
            self._discard()
            raise IndexLostError from error
        except FailureError as error:
            self._use_memory(IndexFile.in_memory())
            raise IndexLostError from error

    def _discard(self) -> None:
        """Make place for new content; once only, then memory has to do."""
        may_discard = not (self.in_memory or self._is_as_is or self._was_discarded)
        self._was_discarded = True
        self._use(None)
        self._has_begun = True
        if not may_discard or not self._free_place():
            self._use_memory(IndexFile.in_memory())

    def _free_place(self) -> bool:
        with suppress(DamageError, FailureError):
            if identify(self._path) != self._identity:
                return True  # somebody else was quicker, and theirs stays
        return discard(self._path)

    def _copy(self) -> IndexFile:
        """Copy what can be read into memory."""
        try:
            if self._file is None:
                self._file = IndexFile.open_as_is(self._path)
            return self._file.copy_to_memory()
        except (DamageError, FailureError):
            return IndexFile.in_memory()

    def _use_memory(self, file: IndexFile) -> None:
        self._use(file)
        self._is_as_is = False
        self.in_memory = True

    def _use(self, file: IndexFile | None) -> None:
        if self._file is not None:
            self._file.close()
        self._file = file
        self._view = None
        self._has_begun = False
