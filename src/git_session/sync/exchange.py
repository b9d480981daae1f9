"""Talks to the remotes of one sync: what they hold, what they took, what they refused.

Tracking refs under `refs/git-session/remotes/` remember what each remote held when it was
last asked; they are not under `refs/remotes` (git prunes those) nor `refs/grite` (grite
pushes those).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Final

from git_session.core.wire import names
from git_session.core.wire.chunk import split_chunk
from git_session.core.wire.plain_text import quote_word
from git_session.errors import (
    DamagedLogError,
    GitSessionError,
    RemoteError,
    RemoteTimeoutError,
    UsageError,
    WireError,
)
from git_session.git.remote import Git, PushOutcome
from git_session.git.remote import PushState as _State
from git_session.git.repository.commits import ignore_fault, read_log_commit
from git_session.git.repository.objects import ObjectStore
from git_session.log.absence import find_promisors, has_gaps, has_shallow_log
from git_session.log.merge import leads_to
from git_session.log.secrets.policy import Scan
from git_session.log.secrets.refused import forget_refused, write_refused
from git_session.sync.remotes import Remote

_SHORTEST_CALL_S: Final = 1.0


def find_deadline(timeout: float) -> float:
    """Gives the monotonic time that `timeout` seconds from now will be. Raises UsageError."""
    if not timeout > 0:
        raise UsageError(f"{timeout:g} s is no time limit", "give it more than 0 seconds")
    return time.monotonic() + timeout


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
                self._store.put_back()
                self._store.clear_dead_locks()  # git cannot tell them from its own
                refspecs = [names.tracking_refspec(remote.tracking)]
                self._git.fetch(remote.name, refspecs, prune=True)
                if remote.attempts == 1:
                    self._complete(remote, refspecs)
                remote.head = self._store.read_ref(ref)
                if remote.head != before:
                    self._store.wait_for_disk()
                if remote.head is None and before is not None:
                    # git has pruned it; that there was one must not be forgotten.
                    self._store.advance_ref(ref, None, before, "git session sync")
                    remote.note_gone()
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

    def _complete(self, remote: Remote, refspecs: Sequence[str]) -> None:
        """Fetch what git alone has left out of the log: with a depth limit, or in a partial clone.

        Branches stay as shallow as they are.
        """
        is_shallow = has_shallow_log(self._store)
        is_partial = bool(find_promisors(self._git)) and self._has_gaps()
        if is_shallow or is_partial:
            self._git.fetch(
                remote.name, refspecs, prune=True, is_deep=is_shallow, is_anew=is_partial
            )

    def _has_gaps(self) -> bool:
        from git_session.log.index.log_index import IndexLostError, LogIndex  # sqlite3

        # What the index knows was read whole.
        path = self._store.common_dir / names.SESSION_DIR / "index.db"
        with closing(LogIndex.open(path, trust=None)) as index:
            try:
                return has_gaps(self._store, index)
            except IndexLostError:
                return has_gaps(self._store, frozenset())

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
                if not isinstance(error, RemoteTimeoutError):
                    self._remember_refusal(remote)
                continue
            is_first = remote.head is None
            if not self._note_log(remote, target, outcomes[names.WAL_REF]):
                refused.append(remote)
            elif is_first and remote.error is None:
                self._look_if_shown(remote)
        return refused

    def _look_if_shown(self, remote: Remote) -> None:
        """Check that a remote which showed no log shows the one it has just taken."""
        try:
            shown = self._git.ls_remote(remote.name, [names.WAL_REF])
        except GitSessionError:
            return  # it has the log; the next sync meets what is wrong
        if not shown:
            remote.note_hidden()
            self._remember_refusal(remote)

    @contextmanager
    def sending_snapshots(self, remotes: Sequence[Remote], scan: Scan) -> Iterator[None]:
        """Push the snapshots that remotes lack, after the log and apart from it.

        They leave where the log cannot, too, as a part of it is lost here.
        """
        try:
            yield
        except DamagedLogError:
            self._push_snapshots(remote for remote in remotes if self._may_send(remote, scan))
            raise
        self._push_snapshots(
            remote
            for remote in remotes
            if remote.error is None or (_is_there(remote) and self._may_send(remote, scan))
        )

    def _push_snapshots(self, remotes: Iterable[Remote]) -> None:
        """Push the snapshots that remotes lack.

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
            forget_refused(self._store.common_dir, remote.tracking)
            return True
        if outcome.state in (_State.REFUSED, _State.UNKNOWN):
            remote.unanswered = target
            remote.refusal = outcome
            return False
        remote.error = _explain_refusal(
            f"{remote.name} did not take the log: {outcome.reason}", outcome
        )
        self._remember_refusal(remote)
        return True

    def _look_for_unanswered(self, remote: Remote, before: str | None) -> None:
        """Finds out whether a push landed whose answer was lost, under what came after it."""
        pushed, refusal = remote.unanswered, remote.refusal
        remote.unanswered = None
        if pushed and leads_to(self._store, remote.head, pushed):
            remote.note_sent()
            forget_refused(self._store.common_dir, remote.tracking)
        elif refusal and refusal.is_overtaken and remote.head is None:
            remote.note_hidden()
        elif refusal and refusal.state is _State.UNKNOWN and remote.head == before:
            # Nobody was quicker: the server fell over, and would again.
            remote.error = _explain_refusal(f"{remote.name} broke off", refusal)
        if remote.error is not None:
            self._remember_refusal(remote)

    def _remember_refusal(self, remote: Remote) -> None:
        """Store why a remote does not take the log, for doctor."""
        assert remote.error is not None
        write_refused(self._store.common_dir, remote.tracking, remote.error)

    def _may_send(self, remote: Remote, scan: Scan) -> bool:
        """Tell whether the scan lets the snapshots that a remote lacks leave."""
        events = []
        for commit in self._missing_there(remote).values():
            read = read_log_commit(self._store.files.read, commit, ignore_fault)
            for _, data in read.chunks if read else ():
                with suppress(WireError):
                    events += split_chunk(data or b"")
        scan.look_at(events)
        return scan.refusal(remote.name, events, None) is None

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


def _is_there(remote: Remote) -> bool:
    """Tell whether a remote answered, whatever is wrong with its log or the one here."""
    return remote.is_known or isinstance(remote.error, DamagedLogError)


def _explain_refusal(message: str, outcome: PushOutcome) -> RemoteError:
    return RemoteError(message, outcome.hint, outcome.words)
