"""Brings a clone and its remotes to one log: fetch, merge, push, until both sides agree.

A merge is pushed by its id first and the local ref moves when it has landed, so that what was
refused can be thrown away. Nothing is ever forced, dropped or rewritten. Source: the design,
section "Two clones".
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal

from git_session.errors import ConflictError, GitSessionError
from git_session.exchange import Exchange, Remote
from git_session.fold.rows import Row
from git_session.log import SessionLog
from git_session.merging import Comparison, compare_heads, count_unsent, write_merge
from git_session.store.objects import ObjectStore
from git_session.store.remote import Git, tracking_name
from git_session.wire import names

Direction = Literal["both", "fetch", "push"]

DEFAULT_TIMEOUT_S: Final = 120.0
_PAUSE_S: Final = 0.03
_LONGEST_PAUSE_S: Final = 2.0


class Sync:
    """Plays the rounds of one sync over one or more remotes."""

    def __init__(
        self,
        store: ObjectStore,
        git: Git,
        remotes: Sequence[Remote],
        *,
        direction: Direction = "both",
        timeout: float = DEFAULT_TIMEOUT_S,
        is_dry_run: bool = False,
    ) -> None:
        self.store = store
        self.remotes = list(remotes)
        self.direction = direction
        self.is_dry_run = is_dry_run
        self.deadline = time.monotonic() + timeout
        self.exchange = Exchange(store, git, self.deadline)
        self.merges = 0

    def run(self) -> Row:
        """Syncs and gives the row of a SyncReport; a remote's error stands in its report.

        On giving up after the time limit the last merge is kept as the local head.
        """
        with self.store.queue_for_sync():
            pending = list(self.remotes)
            pause = _PAUSE_S
            while pending := self._play_round(pending):
                if time.monotonic() > self.deadline:
                    self._give_up(pending)
                    break
                time.sleep(random.uniform(0, pause))
                pause = min(pause * 2, _LONGEST_PAUSE_S)
        return self._report()

    def _play_round(self, pending: list[Remote]) -> list[Remote]:
        """Plays one round and gives the remotes that need another."""
        self.exchange.fetch(pending)
        local = self.store.read_ref(names.WAL_REF)
        target = self._choose_target(local)
        self._describe(local, target)
        if self.is_dry_run:
            return []
        self.exchange.take_snapshots(self._good())
        if self.direction == "push":
            return self._push(local)
        is_unlanded = target is not None and target not in {local, *(r.head for r in self._good())}
        refused: list[Remote] = []
        if self.direction == "both" and target is not None:
            refused = self.exchange.push(self._behind(target), target)
            has_landed = any(remote.head == target for remote in self._good())
            if is_unlanded and not has_landed and refused:
                # Somebody was quicker: the merge is thrown away and made anew from their head.
                return refused
        if target != local:
            if not self._move(local, target):
                return self._good()
            self.merges += is_unlanded
        return refused

    def _choose_target(self, local: str | None) -> str | None:
        """Finds or writes the head that holds everything: mine, theirs, or a merge."""
        target = local
        if self.direction == "push":
            return target
        for head in sorted({remote.head for remote in self._good() if remote.head}):
            comparison = compare_heads(self.store, target, head)
            if comparison.relation in ("missing", "behind"):
                target = head
            elif comparison.relation == "diverged" and self._may_merge(comparison, head):
                target = write_merge(self.store, comparison)
        return target

    def _may_merge(self, comparison: Comparison, head: str) -> bool:
        """Tells whether it is this clone that merges heads which read the same.

        Without the rule three clones on two remotes merge for ever: only the clone with the
        smaller id does, or one whose remote stood still since its last fetch.
        """
        if not comparison.reads_the_same:
            return True
        assert comparison.mine is not None
        return comparison.mine.oid < head or any(
            remote.head == head and remote.head_before == head for remote in self._good()
        )

    def _describe(self, local: str | None, target: str | None) -> None:
        for remote in self._good():
            mine = compare_heads(self.store, local, remote.head)
            remote.relation = mine.relation
            remote.reads_the_same = mine.reads_the_same
            remote.events_in = 0 if self.direction == "push" else mine.incoming
            sent = mine if target == local else compare_heads(self.store, target, remote.head)
            remote.events_out = 0 if self.direction == "fetch" else sent.outgoing

    def _behind(self, target: str) -> list[Remote]:
        """Lists the remotes that lack the target; those that read the same are let be."""
        found = []
        for remote in self._good():
            is_left_alone = remote.relation == "diverged" and not self._holds(target, remote.head)
            if remote.head != target and not is_left_alone:
                found.append(remote)
        return found

    def _holds(self, target: str, head: str | None) -> bool:
        return head is None or self.store.is_ancestor(head, target)

    def _push(self, local: str | None) -> list[Remote]:
        if local is None:
            return []
        for remote in self._good():
            if remote.relation == "diverged" and not remote.reads_the_same:
                remote.error = ConflictError(
                    f"{remote.name} holds events that are not here",
                    f"git session sync {remote.name} brings both together",
                )
        ahead = [remote for remote in self._good() if remote.relation in ("new", "ahead")]
        return self.exchange.push(ahead, local)

    def _move(self, local: str | None, target: str | None) -> bool:
        if target is None:
            return True
        return self.store.advance_ref(names.WAL_REF, local, target, "git session sync")

    def _give_up(self, pending: Sequence[Remote]) -> None:
        local = self.store.read_ref(names.WAL_REF)
        target = self._choose_target(local)
        if target != local and self._move(local, target):
            self.merges += 1
        for remote in pending:
            if remote.error is None:
                remote.error = ConflictError(
                    f"{remote.name} kept moving until the time was up",
                    "the events are here and not there yet: git session sync",
                )

    def _good(self) -> list[Remote]:
        return [remote for remote in self.remotes if remote.error is None]

    def _report(self) -> Row:
        head = self.store.read_ref(names.WAL_REF)
        return {
            "head": head,
            "merges": self.merges,
            "is_dry_run": self.is_dry_run,
            "remotes": [
                remote.row(count_unsent(self.store, head, remote.head)) for remote in self.remotes
            ],
        }


def open_git(
    log: SessionLog, *, may_ask: bool = False, on_progress: Callable[[str], None] | None = None
) -> Git:
    """Gives the git that talks to the remotes of a log's repository."""
    store = log.store
    return Git(store.git_dir, store.worktree, may_ask=may_ask, on_progress=on_progress)


def choose_remotes(git: Git, given: Sequence[str]) -> list[Remote]:
    """Gives the remotes to sync with: those given, else git's configuration decides.

    Raises NotFoundError when there is none.
    """
    return [Remote(name, tracking_name(name)) for name in given or git.default_remotes()]


def sync_log(
    log: SessionLog,
    remotes: Sequence[str] = (),
    *,
    direction: Direction = "both",
    timeout: float = DEFAULT_TIMEOUT_S,
    is_dry_run: bool = False,
    git: Git | None = None,
) -> tuple[Row, GitSessionError | None]:
    """Syncs with the remotes; gives the row of a SyncReport and the first remote's failure, if any.

    The remotes that can be reached are synced whatever is wrong with the others. `timeout` is in
    seconds, for all of it. Raises NotFoundError when there is no remote.
    """
    git = git or open_git(log)
    chosen = choose_remotes(git, remotes)
    play = Sync(log.store, git, chosen, direction=direction, timeout=timeout, is_dry_run=is_dry_run)
    row = play.run()
    return row, next((remote.error for remote in chosen if remote.error is not None), None)
