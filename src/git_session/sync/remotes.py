"""The remotes of one sync: which ones, what each holds, what it took and what it refused.

Tracking refs under `refs/git-session/remotes/` remember what each remote held when it was
last asked; they are not under `refs/remotes` (git prunes those) nor `refs/grite` (grite
pushes those).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from git_session.core.fold.source import Row
from git_session.core.wire import names
from git_session.core.wire.chunk import split_chunk
from git_session.core.wire.plain_text import quote_word
from git_session.errors import (
    ConflictError,
    DamagedLogError,
    GitSessionError,
    RemoteError,
    RemoteTimeoutError,
    UsageError,
    WireError,
)
from git_session.git.remote import Git, PushOutcome, tracking_name
from git_session.git.remote import PushState as _State
from git_session.git.repository.commits import ignore_fault, read_log_commit
from git_session.git.repository.objects import ObjectStore
from git_session.log.absence import find_promisors, has_gaps, has_shallow_log
from git_session.log.merge import leads_to
from git_session.log.secrets.policy import Scan
from git_session.log.secrets.refused import forget_refused, write_refused

DEFAULT_TIMEOUT_S: Final = 120.0
FIRST_PAUSE_S: Final = 0.03
LONGEST_PAUSE_S: Final = 2.0
"""Bounds of the random pause between two rounds: each is twice the one before, up to this."""

_SHORTEST_CALL_S: Final = 1.0


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
    is_gone: bool = False
    was_sent: bool = False
    was_received: bool = False
    unanswered: str | None = None
    """What was pushed last, while it is not known to be there."""
    refusal: PushOutcome | None = None
    error: GitSessionError | None = None
    warnings: list[str] = field(default_factory=list)

    def ref(self, name: str) -> str:
        """Name the tracking ref of one of the remote's refs."""
        return names.tracking_ref(self.tracking, name)

    def note_sent(self) -> None:
        """Note that the remote's log took what was due to it."""
        self.was_sent = True
        self.events_out += len(self.due.leaving)
        self.unanswered = self.refusal = None

    def note_received(self) -> None:
        """Note that the log here took in what was due from the remote."""
        self.was_received = True
        self.events_in += self.due.events_in

    def leave_out(self, error: DamagedLogError) -> None:
        """Note that the remote's log cannot be used."""
        sentence = f"the log of {self.name} cannot be used: {error.sentence}"
        hint = error.hint and error.hint.replace("--from REMOTE", f"--from {quote_word(self.name)}")
        self.error = DamagedLogError(sentence, hint, error.lines)
        self.is_known = False

    def note_gone(self) -> None:
        """Note that the remote no longer shows a log."""
        self.is_gone = True
        self.warnings.append(tell_gone(self.name))

    def refuse_gone(self) -> None:
        """Fail where the remote's log is gone and this sync sends none in its place."""
        if self.is_gone:
            command = f"git session sync {quote_word(self.name)}"
            hint = f"{command}, in a clone that has the log, sends it again"
            self._replace_warning(ConflictError(tell_gone(self.name), hint))

    def note_hidden(self) -> None:
        """Fail because the remote has a log and does not show it to a fetch."""
        self._replace_warning(
            ConflictError(
                f"{self.name} has a log and hides it: no clone can fetch {names.WAL_REF} there",
                "ask the server's owner to show refs/grite to everyone who fetches: see"
                " uploadpack.hideRefs and the rights to read there",
            )
        )

    def _replace_warning(self, error: ConflictError) -> None:
        """Set an error that says more than the warning of a log that is gone."""
        self.warnings = [one for one in self.warnings if one != tell_gone(self.name)]
        self.error = error

    def refuse_diverged(self) -> None:
        """Fail where a push alone cannot bring diverged logs together."""
        if self.due.relation == "diverged" and not self.due.reads_the_same:
            self.error = ConflictError(
                f"the logs here and at {self.name} have diverged",
                f"git session sync {quote_word(self.name)} brings both together",
            )

    def give_up(self, unsent: int) -> None:
        """Note that the time was up before the remote had `unsent` transitions, and more."""
        what = f"{unsent} transition{'s' * (unsent != 1)}" if unsent else "news"
        message = f"{self.name} kept moving until the time was up: {what} from here not yet there"
        hint = "run git session sync again with a longer --timeout"
        said: list[str] = []
        if self.refusal is not None and self.refusal.words:
            said = self.refusal.words.split("\n")
            hint = self.refusal.hint or hint
        self.error = ConflictError(message, hint, said)

    def row(self, unsent: int) -> Row:
        """Make the row of a RemoteReport."""
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
        """Fetch everything under `refs/grite` into the tracking refs; an error is noted."""
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
        """Push a commit by its id to the logs that it descends from.

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
        """Return whether a remote lacks the target and its log could move there."""
        if remote.head == target:
            return False
        return remote.head is None or leads_to(self._store, target, remote.head)

    def take_snapshots(self, remotes: Iterable[Remote]) -> None:
        """Create the snapshot refs that a remote has and this clone lacks."""
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
        """Leave a remote's log out. Raises DamagedLogError where the head here is no log's."""
        if local is not None:
            self._store.require_log_commit(local)
        remote.leave_out(error)

    def count_snapshots(self, remote: Remote, *, is_in: bool, is_out: bool) -> None:
        """Note how many snapshots would come and go."""
        remote.snapshots_in = len(self._missing_here(remote)) if is_in else 0
        remote.snapshots_out = len(self._missing_there(remote)) if is_out else 0

    def _note_log(self, remote: Remote, target: str, outcome: PushOutcome) -> bool:
        """Note what became of the pushed log; False when it is worth another try."""
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
        """Find out whether a push landed whose answer was lost, under what came after it."""
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


def tell_gone(remote: str) -> str:
    """Say that a remote had a log before and shows none now."""
    return f"{remote} shows no log any more, though it had one when it was last seen"


def open_git(
    store: ObjectStore, *, may_ask: bool = False, on_progress: Callable[[str], None] | None = None
) -> Git:
    """Return the git that talks to the remotes of a repository."""
    return Git(store.git_dir, store.worktree, may_ask=may_ask, on_progress=on_progress)


def choose_remotes(git: Git, given: Sequence[str]) -> list[Remote]:
    """Return the remotes to sync with: those given, else git's configuration decides.

    Raises NotFoundError when there is none.
    """
    wanted = dict.fromkeys(given) or git.default_remotes()
    return [Remote(name, tracking_name(name)) for name in wanted]


def find_deadline(timeout: float | None) -> float:
    """Return the monotonic time in `timeout` seconds, 120 by default. Raises UsageError."""
    if timeout is None:
        timeout = DEFAULT_TIMEOUT_S
    if not timeout > 0:
        raise UsageError(f"not a time limit: {timeout:g} s", "use more than 0 seconds")
    return time.monotonic() + timeout


def _is_there(remote: Remote) -> bool:
    """Tell whether a remote answered, whatever is wrong with its log or the one here."""
    return remote.is_known or isinstance(remote.error, DamagedLogError)


def _explain_refusal(message: str, outcome: PushOutcome) -> RemoteError:
    return RemoteError(message, outcome.hint, outcome.words)
