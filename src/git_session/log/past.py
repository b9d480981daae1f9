"""The log as it was at a moment: a time, or a commit of this log or of another one.

At a time it is told by the events of that time and before, by their own timestamps, of the log
as it is known now: what another clone recorded then and sent later is part of it. At a commit it
is what that commit and those before it hold, whatever clocks said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from git_session.core.fold.replay import Replay
from git_session.core.wire import names
from git_session.core.wire.commit import parse_meta
from git_session.errors import UsageError, WireError
from git_session.git.dates import Moments
from git_session.git.repository.objects import ObjectStore
from git_session.log.reader import LogReader

_MS: Final = re.compile(r"\d{13}")


@dataclass(frozen=True, slots=True)
class Moment:
    """Holds a moment: the words for it, its time (ms since the epoch), the commit if it is one."""

    words: str
    ts: int
    commit: str | None = None


def find_moment(store: ObjectStore, words: str) -> Moment:
    """Find the moment that `words` mean: a remote's name is its log as last seen there.

    Else a commit or ref as git takes it, else a time as git takes it, to the end of its second,
    or 13 digits: ms since the epoch. Raises UsageError.
    """
    moments = Moments(store.git_dir)
    commit = _find_tracked(store, words) or moments.find_commit(words)
    if commit is not None:
        _require_log_commit(store, commit, words)
        return Moment(words, store.commit_time(commit) * 1000 + 999, commit)
    if _MS.fullmatch(words):
        return Moment(words, int(words))
    return Moment(words, moments.find_time(words) * 1000 + 999)


class PastReader(LogReader):
    """Reads the log as it was at a moment, which nobody can append to and no index remembers."""

    def __init__(self, reader: LogReader, moment: Moment) -> None:
        super().__init__(reader.store)
        self._present = reader
        self._moment = moment
        self._past: tuple[str | None, Replay] | None = None

    def read(self) -> tuple[str | None, Replay]:
        """Return the head and the log at that moment, read once."""
        if self._past is None:
            if self._moment.commit is not None:
                self._past = self._moment.commit, self._present.read_at(self._moment.commit)
            else:
                head, replay = self._present.read()
                self._past = head, replay.until(self._moment.ts)
        return self._past

    def save(self) -> None:
        """Do nothing: what was is no beginning for what is."""


def _find_tracked(store: ObjectStore, words: str) -> str | None:
    refs = store.list_refs(names.TRACKING_PREFIX)
    return next((oid for ref, oid in refs.items() if names.tracked_remote(ref) == words), None)


def _require_log_commit(store: ObjectStore, commit: str, words: str) -> None:
    try:
        parse_meta(store.read_file_at(commit, names.META_PATH) or b"")
    except WireError as error:
        raise UsageError(
            f"{words} is commit {commit[:7]}, which is not a commit of a session log",
            f'for the sessions at that time: --at "$(git show -s --format=%cI {commit[:7]})"',
        ) from error
