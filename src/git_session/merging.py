"""Brings two heads of the log together: which of them is ahead, or the merge of both.

Writes objects at most: no ref moves here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, pairwise, takewhile
from typing import Literal

from git_session.errors import GitSessionError
from git_session.fold.merge import Head, gather_head, holds_the_same, is_transition, plan_merge
from git_session.store.objects import ObjectStore
from git_session.wire.commit import LogCommit

Relation = Literal["none", "new", "missing", "same", "ahead", "behind", "diverged"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds what one head (mine) has that the other lacks, and the other way round.

    `new` is a log that only I have, `missing` one that only the other has. Counts are events.
    """

    relation: Relation
    mine: Head | None
    theirs: Head | None

    @property
    def outgoing(self) -> int:
        """Counts the events that only I have."""
        return _lacking(self.mine, self.theirs)

    @property
    def incoming(self) -> int:
        """Counts the events that only the other has."""
        return _lacking(self.theirs, self.mine)

    @property
    def reads_the_same(self) -> bool:
        """Tells whether both heads hold the same events, whatever their ids."""
        return (
            self.mine is not None
            and self.theirs is not None
            and holds_the_same(self.mine, self.theirs)
        )


def compare_heads(store: ObjectStore, mine: str | None, theirs: str | None) -> Comparison:
    """Compares two heads (40 hex digits, None for no log).

    Raises DamagedLogError when one of them cannot be read.
    """
    if mine is None or theirs is None:
        relation: Relation = "none" if mine == theirs else "missing" if mine is None else "new"
        return Comparison(relation, _gather_whole(store, mine), _gather_whole(store, theirs))
    if mine == theirs:
        return Comparison("same", None, None)
    ours, others = _gather_pair(store, mine, theirs)
    if store.is_ancestor(theirs, mine):
        relation = "ahead"
    elif store.is_ancestor(mine, theirs):
        relation = "behind"
    else:
        relation = "diverged"
    return Comparison(relation, ours, others)


def write_merge(store: ObjectStore, comparison: Comparison) -> str:
    """Writes the merge commit of two diverged heads and gives its id; no ref moves."""
    assert comparison.mine is not None
    assert comparison.theirs is not None
    plan = plan_merge(comparison.mine, comparison.theirs)
    return store.write_commit(
        files=plan.files, parents=plan.parents, message=plan.message, time=plan.time
    )


def count_transitions(comparison: Comparison) -> int:
    """Counts the session blocks among the events that only my head has."""
    if comparison.mine is None:
        return 0
    theirs = comparison.theirs.events if comparison.theirs else set()
    return sum(is_transition(raw) for raw in comparison.mine.events - theirs)


def count_unsent(store: ObjectStore, head: str | None, tracked: str | None) -> int:
    """Counts the transitions in a head that a remote's head lacks."""
    if head is None or head == tracked:
        return 0
    try:
        mine = compare_heads(store, head, tracked)
    except GitSessionError:
        return 0
    return count_transitions(mine)


def _lacking(one: Head | None, other: Head | None) -> int:
    if one is None:
        return 0
    return len(one.events - other.events) if other else len(one.events)


def _gather_whole(store: ObjectStore, oid: str | None) -> Head | None:
    if oid is None:
        return None
    commits = store.read_commits(oid)
    tip = next(commits)
    return gather_head(tip, chain([tip], commits))


def _gather_pair(store: ObjectStore, one: str, other: str) -> tuple[Head, Head]:
    """Gathers each head's events down to the commit where their lines meet.

    Below it both read the same, and no event stands on one line twice: appends are new and a
    merge carries only what its first parent's line lacks. So this tells exactly what reading
    both to the end would, at the cost of what is new. Where `prev_wal` and the first parent
    differ there is no such line, and both are read to the end.
    """
    ours, others, meeting = _read_until_meeting(store, one, other)
    if not (_is_line(ours) and _is_line(others)):
        ours, others, meeting = list(store.read_commits(one)), list(store.read_commits(other)), None
    return (
        gather_head(ours[0], takewhile(lambda commit: commit.oid != meeting, ours)),
        gather_head(others[0], takewhile(lambda commit: commit.oid != meeting, others)),
    )


def _read_until_meeting(
    store: ObjectStore, one: str, other: str
) -> tuple[list[LogCommit], list[LogCommit], str | None]:
    """Reads both lines newest first, in step, until one comes to a commit the other has seen."""
    found: tuple[dict[str, LogCommit], dict[str, LogCommit]] = ({}, {})
    lines = (store.read_commits(one), store.read_commits(other))
    going = {0, 1}
    while going:
        for side in sorted(going):
            commit = next(lines[side], None)
            if commit is None:
                going.discard(side)
                continue
            found[side][commit.oid] = commit
            if commit.oid in found[1 - side]:
                return list(found[0].values()), list(found[1].values()), commit.oid
    return list(found[0].values()), list(found[1].values()), None


def _is_line(commits: list[LogCommit]) -> bool:
    return all(later.parents[:1] == (earlier.oid,) for later, earlier in pairwise(commits))
