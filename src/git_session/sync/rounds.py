"""Bring a clone and its remotes to one log: fetch, merge, push, until both sides agree.

A merge is pushed by its id first and the local ref moves when it has landed, so that what was
refused can be thrown away. Nothing is ever forced, dropped or rewritten. Source: the design,
section "Two clones".
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Final, Literal

from git_session.core.fold.source import Row
from git_session.core.wire import names
from git_session.errors import DamagedLogError, GitSessionError
from git_session.git.remote import Git
from git_session.git.repository.objects import ObjectStore
from git_session.git.repository.refs import Standstill
from git_session.host.clock import Backoff, read_clock
from git_session.log.merge import Comparison, compare_heads, count_unsent, leads_to, write_merge
from git_session.log.secrets.policy import Scan
from git_session.log.spool import has_spooled, record_spooled
from git_session.sync.remotes import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Due,
    Exchange,
    Remote,
    choose_remotes,
    find_deadline,
    open_git,
)

if TYPE_CHECKING:
    from git_session.log.session_log import SessionLog

Direction = Literal["both", "fetch", "push"]

_LAST_TRIES: Final = 5
"""How often the local head is tried to be moved, even if the time is up."""


class Sync:
    """Plays the rounds of one sync over one or more remotes."""

    def __init__(
        self,
        store: ObjectStore,
        git: Git,
        remotes: Sequence[Remote],
        *,
        direction: Direction = "both",
        timeout: float | None = None,
        is_dry_run: bool = False,
    ) -> None:
        self.remotes = list(remotes)
        self.error: GitSessionError | None = None
        self._store = store
        self._direction = direction
        self._is_dry_run = is_dry_run
        self._deadline = find_deadline(timeout)
        self._exchange = Exchange(store, git, self._deadline)
        self._scan = Scan(store, git, self._deadline)
        self._compared: dict[tuple[str | None, str | None], Comparison] = {}
        self._merges: list[str] = []
        self._standstill = Standstill(store)
        self._target: str | None = None

    def run(self) -> Row:
        """Sync and return the row of a SyncReport.

        A remote's error stands in that Remote, what went wrong here in `error`. On giving up after
        the time limit the last merge is kept as the local head if that can be moved.
        """
        with self._store.queue("sync"):
            pending = list(self.remotes)
            backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
            is_sending = self._direction != "fetch" and not self._is_dry_run
            with self._exchange.sending_snapshots(self.remotes if is_sending else [], self._scan):
                while pending := self._play_round(pending):
                    if self.error is not None or time.monotonic() > self._deadline:
                        self._give_up(pending)
                        break
                    backoff.wait()
        return self._report()

    def _play_round(self, pending: list[Remote]) -> list[Remote]:
        """Play one round and return the remotes that moved meanwhile and need another."""
        self._exchange.fetch(pending)
        local = self._read_local()
        target = self._target = self._choose_target(local)
        self._note_due(local, target)
        if self._direction != "fetch":
            self._look_at_what_leaves(is_refusing=not self._is_dry_run)
        if self._is_dry_run:
            self._note_what_would_be(target)
            return []
        if self._direction != "push":
            self._exchange.take_snapshots(self._good())
        is_new = target is not None and target not in {local, *(r.head for r in self._known())}
        refused: list[Remote] = []
        if self._direction != "fetch" and target is not None:
            refused = self._exchange.push(self._good(), target)
            if is_new and refused and not any(r.head == target for r in self._good()):
                # Somebody was quicker: the merge is thrown away and made anew from their head.
                return refused
        if self._move(local, target):
            return refused
        return self._catch_up(refused)

    def _catch_up(self, refused: list[Remote]) -> list[Remote]:
        """Merge what was recorded here meanwhile on top of what was pushed, and push the result.

        Fetch nothing: beside writers that never pause, rounds with the network would never end.
        """
        if not self._move_in_queue(self._target) or self._direction == "fetch":
            return refused
        self._look_at_what_leaves(is_refusing=True)
        assert self._target is not None
        waiting = [remote for remote in self._good() if remote not in refused]
        return refused + self._exchange.push(waiting, self._target)

    def _move_in_queue(self, pushed: str | None = None) -> bool:
        """Move the local head to everything known by now, while our own writers wait.

        Merge `pushed`, which has landed, first. Return False and set the error on failure.
        """
        backoff = Backoff(FIRST_PAUSE_S, FIRST_PAUSE_S)
        for tries in count(1):
            with self._store.queue("append"):
                local = self._read_local()
                self._target = self._choose_target(local, pushed)
                self._note_due(local, self._target)
                if self._move(local, self._target):
                    return True
            is_late = tries >= _LAST_TRIES and time.monotonic() > self._deadline
            if is_late or self._standstill.is_hopeless:
                break
            backoff.wait()
        self.error = self._standstill.explain()
        return False

    def _read_local(self) -> str | None:
        """Read the local head. Raises DamagedLogError when it is no commit."""
        local = self._store.read_ref(names.WAL_REF)
        if local is not None:
            self._store.commit_time(local)
        return local

    def _choose_target(self, local: str | None, first: str | None = None) -> str | None:
        """Find or write the head that holds everything: mine, theirs, or a merge.

        The heads are merged in the order of their ids, after `first`.

        A head that reads like mine may be let be at first, and then lack what another one brings:
        such are gone through again.
        """
        target = local
        self._compared.clear()
        waiting = [] if self._direction == "push" else self._known()
        while waiting:
            before, let_be = target, []
            for remote in sorted(waiting, key=lambda r: (r.head != first, r.head or "")):
                try:
                    comparison = self._compare(target, remote.head)
                    if comparison.relation in ("missing", "behind"):
                        target = remote.head
                    elif comparison.relation == "diverged" and self._may_merge(comparison):
                        target = write_merge(self._store, comparison)
                        self._merges.append(target)
                    elif comparison.relation == "diverged":
                        let_be.append(remote)
                except DamagedLogError as error:
                    self._exchange.leave_out(remote, error, local)
            waiting = let_be if target != before else []
        return target

    def _may_merge(self, comparison: Comparison) -> bool:
        """Return whether it is this clone that merges heads which read the same.

        Without the rule three clones on two remotes merge for ever: only the clone with the
        smaller id does, or one whose remote stood still since its last sync.
        """
        if not comparison.reads_the_same:
            return True
        assert comparison.mine is not None
        assert comparison.theirs is not None
        head = comparison.theirs.oid
        return comparison.mine.oid < head or any(
            remote.head == head and remote.head_before == head for remote in self._known()
        )

    def _compare(self, mine: str | None, theirs: str | None) -> Comparison:
        """Compare two heads, once a round."""
        found = self._compared.get((mine, theirs))
        if found is None:
            found = self._compared[mine, theirs] = compare_heads(self._store, mine, theirs)
        return found

    def _note_due(self, local: str | None, target: str | None) -> None:
        """Note for each remote what the way to the target means to it."""
        is_alone = len({remote.head for remote in self._known()}) == 1
        for remote in self._known():
            try:
                mine = self._compare(local, remote.head)
                # With one remote, what the target has and it lacks is what I have and it lacks.
                sent = mine if is_alone else self._compare(target, remote.head)
            except DamagedLogError as error:
                self._exchange.leave_out(remote, error, local)
                continue
            is_news = mine.relation in ("missing", "behind", "diverged")
            is_incoming = is_news and local != target and leads_to(self._store, target, remote.head)
            remote.due = Due(
                mine.relation,
                reads_the_same=mine.reads_the_same,
                is_incoming=is_incoming,
                events_in=mine.incoming if is_incoming else 0,
                leaving=sent.leaving if self._is_due(remote, target) else frozenset(),
            )
            if self._direction == "push":
                remote.refuse_diverged()
            if not self._is_due(remote, target):
                remote.refuse_gone()

    def _is_due(self, remote: Remote, target: str | None) -> bool:
        """Return whether the target is to be pushed to a remote."""
        if target is None or self._direction == "fetch":
            return False
        return self._exchange.is_behind(remote, target)

    def _look_at_what_leaves(self, *, is_refusing: bool) -> None:
        """Scan the events that are due somewhere; a remote that must not have them failed."""
        due = self._good()
        self._scan.look_at(raw for remote in due for raw in remote.due.leaving)
        for remote in due if is_refusing else ():
            if remote.due.leaving:
                remote.error = self._scan.refusal(remote.name, remote.due.leaving, self._target)

    def _note_what_would_be(self, target: str | None) -> None:
        is_in, is_out = self._direction != "push", self._direction != "fetch"
        for remote in self._good():
            if self._is_due(remote, target):
                remote.note_sent()
            if remote.due.is_incoming:
                remote.note_received()
            self._exchange.count_snapshots(remote, is_in=is_in, is_out=is_out)

    def _move(self, local: str | None, target: str | None) -> bool:
        """Move the local head; False when it is not where it was."""
        if target is None or target == local:
            return True
        if not self._store.advance_ref(names.WAL_REF, local, target, "git session sync"):
            self._standstill.note_failure()
            return False
        for remote in self._known():
            if remote.due.is_incoming:
                remote.note_received()
        return True

    def _give_up(self, pending: Sequence[Remote]) -> None:
        """Keep what came in, if there was no way to bring out what is here."""
        if self.error is None:
            self._move_in_queue()
        target = self._target
        for remote in pending:
            if target is not None and remote.error is None and self._is_due(remote, target):
                remote.give_up(count_unsent(self._store, target, remote.head))

    def _known(self) -> list[Remote]:
        """List the remotes whose logs were seen in this sync, and can be read."""
        return [remote for remote in self.remotes if remote.is_known]

    def _good(self) -> list[Remote]:
        """List the remotes that have not failed."""
        return [remote for remote in self.remotes if remote.error is None]

    def _report(self) -> Row:
        head = self._store.read_ref(names.WAL_REF)
        kept = [head, *(remote.head for remote in self.remotes)]
        return {
            "head": head,
            "merges": sum(
                any(leads_to(self._store, one, merge) for one in kept)
                for merge in set(self._merges)
            ),
            "is_dry_run": self._is_dry_run,
            "remotes": [
                remote.row(count_unsent(self._store, head, remote.head)) for remote in self.remotes
            ],
            "scan": self._scan.row(self._target),
        }


def sync_log(
    log: SessionLog | ObjectStore,
    remotes: Sequence[str] = (),
    *,
    direction: Direction = "both",
    timeout: float | None = None,
    is_dry_run: bool = False,
    git: Git | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> tuple[Row, GitSessionError | None]:
    """Sync with the remotes; return the row of a SyncReport and the first failure, if any.

    The remotes that can be reached are synced whatever is wrong with the others, and further
    failures go to `on_warning`. `timeout` is in seconds, for all of it. A sync folds nothing, so
    the repository's ObjectStore does for the log. Raises NotFoundError when there is no remote.
    """
    store = log if isinstance(log, ObjectStore) else log.store
    waiting = _record_spooled(store) if direction != "fetch" and not is_dry_run else []
    git = git or open_git(store)
    chosen = choose_remotes(git, remotes)
    play = Sync(store, git, chosen, direction=direction, timeout=timeout, is_dry_run=is_dry_run)
    row = play.run()
    errors = [error for error in (*(r.error for r in chosen), play.error) if error is not None]
    if on_warning is not None:
        warnings = [warning for remote in chosen for warning in remote.warnings]
        for warning in [*waiting, *warnings, *(error.message for error in errors[1:])]:
            on_warning(warning)
    return row, errors[0] if errors else None


def _record_spooled(store: ObjectStore) -> list[str]:
    """Record the exits that wait beside the beats, and return warnings; mostly there are none."""
    if not has_spooled(store.common_dir):
        return []
    from git_session.log.session_log import SessionLog

    with SessionLog(store, actor_id=None, clock=read_clock, environ=os.environ) as log:
        return record_spooled(log).warnings
