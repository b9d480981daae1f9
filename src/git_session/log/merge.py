"""Bring two heads of the log together: which of them is ahead, or the merge of both.

Writes objects at most: no ref moves here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Final, Literal

from git_session.core.fold.merge import (
    Head,
    gather_head,
    holds_all_of,
    holds_the_same,
    is_transition,
    plan_merge,
)
from git_session.core.wire import names
from git_session.core.wire.commit import MISSING, TOO_LARGE, LogCommit, is_of_log, parse_meta
from git_session.errors import DamagedLogError, GitSessionError, TooLargeError, WireError
from git_session.git.repository.objects import ObjectStore

Relation = Literal["none", "new", "missing", "same", "ahead", "behind", "diverged"]

_NEAR: Final = 32
"""How many commits are looked at before git is asked, which may go through the whole log."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds what one head (mine) has that the other lacks, and the other way round.

    `new` is a log that only I have, `missing` one that only the other has. Counts are events.
    `lost` says what of either could not be read here, though it belongs to it.
    """

    relation: Relation
    mine: Head | None
    theirs: Head | None
    lost: tuple[str, ...] = ()

    @property
    def leaving(self) -> set[bytes]:
        """Return the events that only I have, as their bytes."""
        return _list_lacking(self.mine, self.theirs)

    @property
    def outgoing(self) -> int:
        """Count the events that only I have."""
        return len(self.leaving)

    @property
    def incoming(self) -> int:
        """Count the events that only the other has."""
        return len(_list_lacking(self.theirs, self.mine))

    @property
    def reads_the_same(self) -> bool:
        """Return whether both heads hold the same events, whatever their ids."""
        return (
            self.mine is not None
            and self.theirs is not None
            and holds_the_same(self.mine, self.theirs)
        )


def compare_heads(store: ObjectStore, mine: str | None, theirs: str | None) -> Comparison:
    """Compare two heads (40 hex digits, None for no log).

    A head that descends from the other and yet lacks some of what it tells counts as diverged: a
    plain git merge is such a one. Raises DamagedLogError when one cannot be read or is no log's.
    """
    found = _compare_once(store, mine, theirs)
    if found.lost and store.look_again():
        return _compare_once(store, mine, theirs)
    return found


def _compare_once(store: ObjectStore, mine: str | None, theirs: str | None) -> Comparison:
    if mine is None or theirs is None:
        relation: Relation = "none" if mine == theirs else "missing" if mine is None else "new"
        return Comparison(relation, _gather_whole(store, mine), _gather_whole(store, theirs))
    if mine == theirs:
        return Comparison("same", None, None)
    ours, others = _read_pair(store, mine, theirs)
    relation = _relate_commits(store, ours, others)
    if relation == "diverged" or _holds_what_it_should(relation, ours, others):
        return _make_comparison(relation, ours, others)
    # What looks lost may stand twice on one line, once below the meeting.
    for line in (ours, others):
        line.read_rest()
    is_sound = _holds_what_it_should(relation, ours, others)
    return _make_comparison(relation if is_sound else "diverged", ours, others)


def leads_to(store: ObjectStore, later: str | None, earlier: str | None) -> bool:
    """Return whether git's parents lead from one head back to another, which may be the same."""
    if later is None or earlier is None or later == earlier:
        return later is not None and later == earlier
    for commit in islice(store.read_commits(later), _NEAR):
        if earlier in commit.parents:
            return True
    return store.is_ancestor(earlier, later)


def write_merge(store: ObjectStore, comparison: Comparison) -> str:
    """Write the merge commit of two diverged heads and return its id; no ref moves.

    Raises DamagedLogError when something of them could not be read: everybody would miss it in
    the merge, also those who have it. Raises TooLargeError for more events than one commit holds.
    """
    assert comparison.mine is not None
    assert comparison.theirs is not None
    if comparison.lost:
        raise _lack(comparison.lost[0])
    try:
        plan = plan_merge(comparison.mine, comparison.theirs)
    except TooLargeError as error:
        raise TooLargeError(
            f"the two logs cannot be merged: {error.message}",
            "git session export --json keeps what only this clone has",
        ) from error
    return store.write_commit(
        files=plan.files, parents=plan.parents, message=plan.message, time=plan.time
    )


def count_transitions(comparison: Comparison) -> int:
    """Count the session blocks among the events that only my head has."""
    return sum(is_transition(raw) for raw in comparison.leaving)


def count_unsent(store: ObjectStore, head: str | None, tracked: str | None) -> int:
    """Count the transitions in a head that a remote's head lacks."""
    if head is None or head == tracked:
        return 0
    try:
        mine = compare_heads(store, head, tracked)
    except GitSessionError:
        return 0
    return count_transitions(mine)


def _lack(what: str) -> DamagedLogError:
    return DamagedLogError(
        f"a part of the log is missing here: {what}",
        "git session repair --from REMOTE restores what a remote has; with --apply the"
        " log continues without the rest",
    )


def _list_lacking(one: Head | None, other: Head | None) -> set[bytes]:
    if one is None:
        return set()
    return one.events - other.events if other else one.events


class _Line:
    """Reads one head's commits, newest first, and knows where another head's line meets it."""

    def __init__(self, store: ObjectStore, head: str) -> None:
        self.commits: dict[str, LogCommit] = {}
        self.meeting: str | None = None
        self.is_plain = True
        self._faults: list[tuple[str, str]] = []
        self._gathered: Head | None = None
        self._source = store.read_commits(head, on_fault=self._note_fault)
        first = self.read_next()
        assert first is not None
        self.tip = first
        if not is_of_log(first) and self._faults:
            raise _lack(self._faults[0][1])
        if not is_of_log(first):
            raise DamagedLogError(
                f"commit {head} is not a commit of a log: it has neither meta.json nor events",
                f"git log {head} shows what it is",
            )

    def read_next(self) -> LogCommit | None:
        """Read one commit more; None when there is none."""
        commit = next(self._source, None)
        if commit is not None:
            self.commits[commit.oid] = commit
        return commit

    def read_rest(self) -> None:
        """Read all that is left, and forget the meeting."""
        self.meeting = self._gathered = None
        while self.read_next() is not None:
            pass

    @property
    def own(self) -> Iterator[LogCommit]:
        """Return the commits above the meeting."""
        return takewhile(lambda commit: commit.oid != self.meeting, self.commits.values())

    def gather(self) -> Head:
        """Gather the events above the meeting, once that is known."""
        if self._gathered is None:
            self._gathered = gather_head(self.tip, self.own)
        return self._gathered

    def list_lost(self) -> list[str]:
        """List what could not be read above the meeting."""
        own = {commit.oid for commit in self.own}
        # Without a meeting a commit that cannot be read is where the line breaks off.
        lost = [what for oid, what in self._faults if oid in own or self.meeting is None]
        for commit in self.own:
            lost += [
                f"{path} of commit {commit.oid}" for path, data in commit.chunks if data is None
            ]
        return lost

    def _note_fault(self, commit: str, path: str, what: str) -> None:
        is_lost = what.endswith(MISSING) or (what.endswith(TOO_LARGE) and not path)
        if is_lost and path != names.META_PATH:
            self._faults.append((commit, f"{path or 'the tree'} of commit {commit}"))


def _relate_commits(store: ObjectStore, ours: _Line, others: _Line) -> Relation:
    """Return how two commits are related by git's parents alone."""
    if _descends(store, ours, others.tip.oid):
        return "ahead"
    return "behind" if _descends(store, others, ours.tip.oid) else "diverged"


def _descends(store: ObjectStore, line: _Line, oid: str) -> bool:
    """Return whether a line's head descends from a commit whose own line meets it."""
    if line.meeting == oid:
        return True
    joined = {parent for commit in line.own for parent in commit.parents[1:]}
    # Without a merge above the meeting there is no other way there. Else git has to look, which
    # takes long in a long log when clocks were wrong.
    if line.is_plain and not joined:
        return False
    return oid in joined or store.is_ancestor(oid, line.tip.oid)


def _holds_what_it_should(relation: Relation, ours: _Line, others: _Line) -> bool:
    """Return whether whoever reads the descendant misses nothing of the ancestor."""
    later, earlier = (ours, others) if relation == "ahead" else (others, ours)
    return holds_all_of(later.gather(), earlier.gather())


def _make_comparison(relation: Relation, ours: _Line, others: _Line) -> Comparison:
    lost = (*ours.list_lost(), *others.list_lost())
    return Comparison(relation, ours.gather(), others.gather(), lost)


def _gather_whole(store: ObjectStore, oid: str | None) -> Head | None:
    if oid is None:
        return None
    line = _Line(store, oid)
    line.read_rest()
    return line.gather()


def _read_pair(store: ObjectStore, one: str, other: str) -> tuple[_Line, _Line]:
    """Read both lines newest first, in step, down to the commit where they meet.

    Below it both read the same, and no event stands on one line twice: appends are new, and a
    merge carries only what its first parent's line lacks. So this tells exactly what reading
    both to the end would, at the cost of what is new. Where `prev_wal` and the first parent
    differ there is no such line, and both are read to the end.
    """
    ours, others = _Line(store, one), _Line(store, other)
    meeting = _find_meeting(ours, others)
    ours.meeting = others.meeting = meeting
    if not all(_follows_first_parent(commit) for line in (ours, others) for commit in line.own):
        for line in (ours, others):
            line.is_plain = False
            line.read_rest()
    return ours, others


def _find_meeting(ours: _Line, others: _Line) -> str | None:
    """Read on in both lines until one comes to a commit that the other has come to."""
    going = [(ours, others), (others, ours)]
    while going:
        for pair in tuple(going):
            line, opposite = pair
            commit = line.read_next()
            if commit is None:
                going.remove(pair)
            elif commit.oid in opposite.commits:
                return commit.oid
    return None


def _follows_first_parent(commit: LogCommit) -> bool:
    """Return whether a commit's `prev_wal`, which grite follows, is its first parent or nothing."""
    first = commit.parents[0] if commit.parents else None
    # As grite writes it, the field is the last one: no other can end the object so.
    ending = f'"{first}"' if first else "null"
    if commit.meta is None or commit.meta.endswith(f'"prev_wal": {ending}\n}}'.encode()):
        return True
    try:
        return parse_meta(commit.meta).prev_wal in (first, None)
    except WireError:
        return True
