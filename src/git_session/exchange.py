"""Talks to the remotes of one sync: what they hold, what they took, what they refused.

Tracking refs under `refs/git-session/remotes/` remember what each remote held when it was
last asked; they are not under `refs/remotes` (git prunes those) nor `refs/grite` (grite
pushes those).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from git_session.errors import (
    ConflictError,
    DamagedLogError,
    GitSessionError,
    RemoteError,
    UsageError,
)
from git_session.fold.source import Row
from git_session.merging import leads_to
from git_session.store.git.remote import Git, PushOutcome
from git_session.store.git.remote import PushState as _State
from git_session.store.repository.objects import ObjectStore
from git_session.wire import names
from git_session.wire.plain_text import quote_word

_SHORTEST_CALL_S: Final = 1.0


def find_deadline(timeout: float) -> float:
    """Gives the monotonic time that `timeout` seconds from now will be. Raises UsageError."""
    if not timeout > 0:
        raise UsageError(f"{timeout:g} s is no time limit", "give it more than 0 seconds")
    return time.monotonic() + timeout


@dataclass(slots=True)
class Due:
    """Holds what one round of a sync has to do at one remote; `leaving` are events it lacks.

    `is_incoming`: the log here moves, also for the sake of what this remote holds.
    """

    relation: str = "none"
    reads_the_same: bool = False
    is_incoming: bool = False
    events_in: int = 0
    leaving: Set[bytes] = frozenset()


@dataclass(slots=True)
class Remote:
    """Holds one remote while a sync runs: `name` as git takes it, `tracking` as its refs are named.

    `head` is what its log was when last seen, `head_before` what it was known to be before this
    sync. `due` is the last round's; the counts are of what was done in all of them. `error` says
    why the remote was given up, if it was; what is known of its log is taken in all the same.
    """

    name: str
    tracking: str
    head: str | None = None
    head_before: str | None = None
    due: Due = field(default_factory=Due)
    events_in: int = 0
    events_out: int = 0
    snapshots_in: int = 0
    snapshots_out: int = 0
    attempts: int = 0
    is_known: bool = False
    was_sent: bool = False
    was_received: bool = False
    unanswered: str | None = None
    """What was pushed last, while it is not known to be there."""
    refusal: PushOutcome | None = None
    error: GitSessionError | None = None
    warnings: list[str] = field(default_factory=list)

    def ref(self, name: str) -> str:
        """Names the tracking ref of one of the remote's refs."""
        return names.tracking_ref(self.tracking, name)

    def note_sent(self) -> None:
        """Notes that the remote's log took what was due to it."""
        self.was_sent = True
        self.events_out += len(self.due.leaving)
        self.unanswered = self.refusal = None

    def note_received(self) -> None:
        """Notes that the log here took in what was due from the remote."""
        self.was_received = True
        self.events_in += self.due.events_in

    def leave_out(self, error: DamagedLogError) -> None:
        """Notes that the remote's log cannot be used."""
        sentence = f"the log of {self.name} cannot be used: {error.sentence}"
        self.error = DamagedLogError(sentence, error.hint, error.lines)
        self.is_known = False

    def give_up(self, unsent: int) -> None:
        """Notes that the time was up before the remote had `unsent` transitions, and more."""
        what = f"{unsent} transition{'s' * (unsent != 1)}" if unsent else "news"
        message = f"{self.name} kept moving until the time was up: {what} from here not yet there"
        hint = "git session sync tries again; --timeout gives it longer"
        said: list[str] = []
        if self.refusal is not None and self.refusal.words:
            said = self.refusal.words.split("\n")
            hint = self.refusal.hint or hint
        self.error = ConflictError(message, hint, said)

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
        if self.was_sent and self.was_received:
            return "merged"
        if self.was_sent or self.was_received:
            # A merge that one side made alone is one all the same.
            is_merge = self.due.relation == "diverged"
            return "merged" if is_merge else "sent" if self.was_sent else "received"
        if self.due.relation == "diverged" and self.due.reads_the_same:
            return "together"
        return "empty" if self.due.relation == "none" else "same"


class Exchange:
    """Fetches from and pushes to remotes, and keeps what it learnt in their Remote."""

    def __init__(self, store: ObjectStore, git: Git, deadline: float) -> None:
        self._store = store
        self._git = git
        self._deadline = deadline

    def fetch(self, remotes: Sequence[Remote]) -> None:
        """Fetches everything under `refs/grite` into the tracking refs; an error is noted."""
        for number, remote in enumerate(remotes):
            remote.attempts += 1
            ref = remote.ref(names.WAL_REF)
            try:
                if remote.attempts == 1:
                    remote.head = remote.head_before = self._store.read_ref(ref)
                before = remote.head
                self._git.timeout_s = self._share_time(len(remotes) - number)
                self._store.clear_dead_locks()  # git cannot tell them from its own
                self._git.fetch(remote.name, [names.tracking_refspec(remote.tracking)], prune=True)
                remote.head = self._store.read_ref(ref)
                if remote.head != before:
                    self._store.wait_for_disk()
                remote.is_known = True
            except GitSessionError as error:
                remote.error = error
                if isinstance(error, DamagedLogError):
                    path = self._store.common_dir / ref
                    error.hint = (
                        f"rm {quote_word(str(path))}: it only remembers what {remote.name} held"
                    )
                continue
            self._look_for_unanswered(remote, before)

    def push(self, remotes: Sequence[Remote], target: str) -> list[Remote]:
        """Pushes a commit by its id to the logs that it descends from.

        Gives the remotes where somebody else was quicker; where the push was declined or failed
        the remote's error says so.
        """
        refused = []
        behind = [remote for remote in remotes if self.is_behind(remote, target)]
        for number, remote in enumerate(behind):
            self._git.timeout_s = self._share_time(len(behind) - number)
            try:
                outcomes = self._git.push(remote.name, {names.WAL_REF: target})
            except GitSessionError as error:
                remote.unanswered = target
                remote.error = error
                continue
            if not self._note_log(remote, target, outcomes[names.WAL_REF]):
                refused.append(remote)
        return refused

    def push_snapshots(self, remotes: Iterable[Remote]) -> None:
        """Pushes the snapshots that remotes lack, after the log and apart from it.

        Where that fails a warning says so: a snapshot can be made anew wherever the log is, and a
        server that wants none, or has no room for one, must get the log all the same.
        """
        for remote in remotes:
            snapshots = self._missing_there(remote)
            self._git.timeout_s = self._share_time(1)
            try:
                outcomes = self._git.push(remote.name, snapshots)
            except GitSessionError as error:
                remote.warnings.append(f"the snapshots were not sent: {error.message}")
                continue
            for ref, outcome in outcomes.items():
                if outcome.is_there:
                    remote.snapshots_out += 1
                else:
                    remote.warnings.append(f"{remote.name} did not take {ref}: {outcome.reason}")

    def is_behind(self, remote: Remote, target: str) -> bool:
        """Tells whether a remote lacks the target and its log could move there."""
        if remote.head == target:
            return False
        return remote.head is None or leads_to(self._store, target, remote.head)

    def take_snapshots(self, remotes: Iterable[Remote]) -> None:
        """Creates the snapshot refs that a remote has and this clone lacks."""
        for remote in remotes:
            try:
                for ref, commit in self._missing_here(remote).items():
                    self._store.commit_time(commit)  # whatever else it names is no snapshot
                    if self._store.advance_ref(ref, None, commit, "git session sync"):
                        remote.snapshots_in += 1
            except GitSessionError as error:
                remote.warnings.append(
                    f"snapshots of {remote.name} were not taken in: {error.message}"
                )

    def leave_out(self, remote: Remote, error: DamagedLogError, local: str | None) -> None:
        """Leaves a remote's log out. Raises DamagedLogError where the head here is no log's."""
        if local is not None:
            self._store.require_log_commit(local)
        remote.leave_out(error)

    def count_snapshots(self, remote: Remote, *, is_in: bool, is_out: bool) -> None:
        """Notes how many snapshots would come and go."""
        remote.snapshots_in = len(self._missing_here(remote)) if is_in else 0
        remote.snapshots_out = len(self._missing_there(remote)) if is_out else 0

    def _note_log(self, remote: Remote, target: str, outcome: PushOutcome) -> bool:
        """Notes what became of the pushed log; False when it is worth another try."""
        if outcome.is_there:
            tracking = remote.ref(names.WAL_REF)
            seen = self._store.read_ref(tracking)
            self._store.advance_ref(tracking, seen, target, "git session sync")
            remote.head = target
            remote.note_sent()
            return True
        if outcome.state in (_State.REFUSED, _State.UNKNOWN):
            remote.unanswered = target
            remote.refusal = outcome
            return False
        remote.error = _explain_refusal(
            f"{remote.name} did not take the log: {outcome.reason}", outcome
        )
        return True

    def _look_for_unanswered(self, remote: Remote, before: str | None) -> None:
        """Finds out whether a push landed whose answer was lost, under what came after it."""
        pushed, refusal = remote.unanswered, remote.refusal
        remote.unanswered = None
        if pushed and leads_to(self._store, remote.head, pushed):
            remote.note_sent()
        elif refusal and refusal.state is _State.UNKNOWN and remote.head == before:
            # Nobody was quicker: the server fell over, and would again.
            remote.error = _explain_refusal(f"{remote.name} broke off", refusal)

    def _missing_there(self, remote: Remote) -> dict[str, str]:
        theirs, mine = self._snapshots_of(remote), self._snapshots_here()
        return {ref: commit for ref, commit in mine.items() if ref not in theirs}

    def _missing_here(self, remote: Remote) -> dict[str, str]:
        theirs, mine = self._snapshots_of(remote), self._snapshots_here()
        return {ref: commit for ref, commit in theirs.items() if ref not in mine}

    def _snapshots_here(self) -> dict[str, str]:
        found = self._store.list_refs(names.SNAPSHOT_PREFIX)
        return {ref: commit for ref, commit in found.items() if names.is_snapshot_ref(ref)}

    def _snapshots_of(self, remote: Remote) -> dict[str, str]:
        prefix = remote.ref(names.SNAPSHOT_PREFIX)
        found = self._store.list_refs(prefix)
        named = {
            names.SNAPSHOT_PREFIX + ref.removeprefix(prefix): oid for ref, oid in found.items()
        }
        return {ref: commit for ref, commit in named.items() if names.is_snapshot_ref(ref)}

    def _share_time(self, sharers: int) -> float:
        # One remote that hangs has to leave something for the others.
        return max(_SHORTEST_CALL_S, (self._deadline - time.monotonic()) / sharers)


def _explain_refusal(message: str, outcome: PushOutcome) -> RemoteError:
    return RemoteError(message, outcome.hint, outcome.words)
