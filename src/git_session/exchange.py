"""Talks to the remotes of one sync: what they hold, what they took, what they refused.

Tracking refs under `refs/git-session/remotes/` remember what each remote held when it was
last asked; they are not under `refs/remotes` (git prunes those) nor `refs/grite` (grite
pushes those).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from git_session.errors import GitSessionError, RemoteError
from git_session.fold.rows import Row
from git_session.store.objects import ObjectStore
from git_session.store.remote import Git, PushOutcome, PushState
from git_session.wire import names

_SHORTEST_CALL_S: Final = 1.0


@dataclass(slots=True)
class Remote:
    """Holds one remote while a sync runs: `name` as git takes it, `tracking` as its refs are named.

    `head` is what its log was when last seen, `head_before` at the time before that; events are
    counted; `error` says why it was given up, if it was.
    """

    name: str
    tracking: str
    head: str | None = None
    head_before: str | None = None
    relation: str = "none"
    reads_the_same: bool = False
    events_in: int = 0
    events_out: int = 0
    attempts: int = 0
    was_pushed: bool = False
    snapshots_in: int = 0
    snapshots_out: int = 0
    error: GitSessionError | None = None

    def ref(self, name: str) -> str:
        """Names the tracking ref of one of the remote's refs."""
        return names.tracking_ref(self.tracking, name)

    def row(self, unsent: int) -> Row:
        """Makes the row of a RemoteReport."""
        return {
            "remote": self.name,
            "outcome": self._outcome(),
            "head": self.head,
            "events_in": self.events_in,
            "events_out": self.events_out,
            "snapshots_in": self.snapshots_in,
            "snapshots_out": self.snapshots_out,
            "attempts": self.attempts,
            "unsent": unsent,
            "error": None if self.error is None else self.error.message,
        }

    def _outcome(self) -> str:
        if self.error is not None:
            return "failed"
        if self.relation == "diverged":
            return "together" if self.reads_the_same and not self.was_pushed else "merged"
        words = {"none": "empty", "same": "same", "missing": "received", "behind": "received"}
        return words.get(self.relation, "sent")


class Exchange:
    """Fetches from and pushes to remotes, and keeps what it learnt in their Remote."""

    def __init__(self, store: ObjectStore, git: Git, deadline: float) -> None:
        self._store = store
        self._git = git
        self._deadline = deadline

    def fetch(self, remotes: Iterable[Remote]) -> None:
        """Fetches everything under `refs/grite` into the tracking refs; an error is noted."""
        for remote in remotes:
            remote.attempts += 1
            ref = remote.ref(names.WAL_REF)
            try:
                remote.head_before = self._store.read_ref(ref)
                self._git.timeout_s = self._left()
                self._git.fetch(remote.name, [names.tracking_refspec(remote.tracking)], prune=True)
                remote.head = self._store.read_ref(ref)
            except GitSessionError as error:
                remote.error = error

    def push(self, remotes: Sequence[Remote], target: str) -> list[Remote]:
        """Pushes a commit by its id to the remotes' logs, and the snapshots they lack.

        Gives the remotes where somebody else was quicker; where the push was declined or
        failed the remote's error says so.
        """
        refused = []
        for remote in remotes:
            wanted = {names.WAL_REF: target} if remote.head != target else {}
            snapshots = self._missing_there(remote)
            if not wanted and not snapshots:
                continue
            try:
                self._git.timeout_s = self._left()
                outcomes = self._git.push(remote.name, wanted | snapshots)
            except GitSessionError as error:
                remote.error = error
                continue
            self._note_snapshots(remote, snapshots, outcomes)
            if wanted and not self._note_log(remote, target, outcomes[names.WAL_REF]):
                refused.append(remote)
        return refused

    def take_snapshots(self, remotes: Iterable[Remote]) -> None:
        """Creates the snapshot refs that a remote has and this clone lacks."""
        for remote in remotes:
            mine = self._store.list_refs(names.SNAPSHOT_PREFIX)
            for ref, commit in self._snapshots_of(remote).items():
                if ref not in mine and self._store.advance_ref(
                    ref, None, commit, "git session sync"
                ):
                    remote.snapshots_in += 1

    def _note_log(self, remote: Remote, target: str, outcome: PushOutcome) -> bool:
        """Notes what became of the pushed log; False when it is worth another try."""
        if outcome.is_there:
            self._track(remote, names.WAL_REF, target)
            remote.head = target
            remote.was_pushed = True
            return True
        if outcome.state in (PushState.REFUSED, PushState.UNKNOWN):
            return False
        message = f"{remote.name} did not take the log: {outcome.reason}"
        said = f"\n{outcome.words}" if outcome.words else ""
        remote.error = RemoteError(message + said, outcome.hint, outcome.words)
        return True

    def _note_snapshots(
        self, remote: Remote, sent: dict[str, str], outcomes: dict[str, PushOutcome]
    ) -> None:
        for ref, commit in sent.items():
            if outcomes[ref].is_there:
                self._track(remote, ref, commit)
                remote.snapshots_out += 1

    def _track(self, remote: Remote, ref: str, commit: str) -> None:
        tracking = remote.ref(ref)
        self._store.advance_ref(
            tracking, self._store.read_ref(tracking), commit, "git session sync"
        )

    def _missing_there(self, remote: Remote) -> dict[str, str]:
        theirs = self._snapshots_of(remote)
        mine = self._store.list_refs(names.SNAPSHOT_PREFIX)
        return {
            ref: commit
            for ref, commit in mine.items()
            if ref not in theirs and names.is_snapshot_ref(ref)
        }

    def _snapshots_of(self, remote: Remote) -> dict[str, str]:
        prefix = remote.ref(names.SNAPSHOT_PREFIX)
        found = self._store.list_refs(prefix)
        named = {
            names.SNAPSHOT_PREFIX + ref.removeprefix(prefix): oid for ref, oid in found.items()
        }
        return {ref: commit for ref, commit in named.items() if names.is_snapshot_ref(ref)}

    def _left(self) -> float:
        return max(_SHORTEST_CALL_S, self._deadline - time.monotonic())
