"""Follow the log from its head back: which commits, in which order, through which reader.

Source: the grite store format, section "A WAL commit": grite follows `prev_wal`, and git its
first parent. In a sound log the two are one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Generator, Iterator
from contextlib import closing
from typing import Final

from git_session.core.wire.commit import LogCommit, parse_meta
from git_session.errors import WireError
from git_session.git.repository.commits import OnFault

WINDOW: Final = 128
"""Commits read one by one before git is asked for the rest; starting it costs about as much."""

_ID: Final = re.compile(r"[0-9a-f]{40}")


class Walk:
    """Reads each commit of a log once, newest first along each line.

    `read` gives a commit, or None after it has told what is wrong with it; `stream` gives many
    from one on along first parents, or only the id of one that `read` has to get; `is_streamed`
    tells whether it is worth asking, and `window` after how many commits to ask for the first time.
    No commit in `known` is given or passed.
    """

    def __init__(
        self,
        *,
        known: Container[str],
        read: Callable[[str], LogCommit | None],
        stream: Callable[[str], Generator[LogCommit | str]],
        is_streamed: Callable[[str], bool],
        on_fault: OnFault,
        window: int = WINDOW,
    ) -> None:
        self._known = known
        self._read = read
        self._stream = stream
        self._is_streamed = is_streamed
        self._on_fault = on_fault
        self._window = window
        self._seen: set[str] = set()
        self._next: str | None = None
        self._waiting: list[str] = []
        self._streams = True

    def run(self, head: str) -> Iterator[LogCommit]:
        """Walk from `head` to the first commit, or to known ones."""
        self._waiting.append(head)
        while self._waiting:
            self._next = self._unread(self._waiting.pop())
            while self._next is not None:
                yield from self._read_some()
                yield from self._read_stream()

    def _read_some(self) -> Iterator[LogCommit]:
        count, self._window = self._window, WINDOW
        for _ in range(count):
            if self._next is None:
                return
            commit = self._take(self._read(self._next))
            if commit is not None:
                yield commit

    def _read_stream(self) -> Iterator[LogCommit]:
        start = self._next
        if start is None or not self._streams or not self._is_streamed(start):
            return
        streamed = single = 0
        with closing(self._stream(start)) as items:
            for item in items:
                oid, commit = (item, None) if isinstance(item, str) else (item.oid, item)
                if oid != self._next:
                    break
                streamed += 1
                if commit is None:
                    single += 1
                    commit = self._read(oid)
                commit = self._take(commit)
                if commit is not None:
                    yield commit
                # In a log of another make the stream is a second reading of everything.
                if single > WINDOW and single * 2 > streamed:
                    break
        # One that breaks off early may do so for ever, at a start for every few commits.
        is_cut_short = self._next is not None and streamed <= WINDOW
        self._streams = not is_cut_short and single * 2 <= streamed

    def _take(self, commit: LogCommit | None) -> LogCommit | None:
        """Note that the next commit is read, and which one follows it."""
        assert self._next is not None
        self._seen.add(self._next)
        self._next = None
        if commit is None:
            return None
        first = commit.parents[0] if commit.parents else None
        previous = self._read_previous(commit, first)
        if previous != first and previous is not None:
            self._waiting.append(previous)
        self._next = self._unread(first)
        return commit

    def _unread(self, oid: str | None) -> str | None:
        return None if oid is None or oid in self._seen or oid in self._known else oid

    def _read_previous(self, commit: LogCommit, first: str | None) -> str | None:
        """Read `prev_wal`; where it says nothing that can be followed, the first parent stands."""
        meta = commit.meta
        if meta is None:
            return first
        # As grite writes it, the field is the last one: no other can end the object so.
        ending = f'"{first}"' if first else "null"
        if meta.endswith(f'"prev_wal": {ending}\n}}'.encode()):
            return first
        try:
            previous = parse_meta(meta).prev_wal
        except WireError as error:
            self._on_fault(commit.oid, "meta.json", error.message)
            return first
        if previous is not None and _ID.fullmatch(previous) is None:
            self._on_fault(commit.oid, "meta.json", "prev_wal is no commit id")
            return first
        return previous
