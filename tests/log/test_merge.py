"""Merging two heads: what it must never lose, and the bytes that every clone must make alike.

The histories here are git objects in memory, written by the code under test and by what other
programs do to a log: grite's rebase and backfill, a plain `git merge`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations, permutations
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_session.core.fold.merge import Head, gather_head, plan_merge
from git_session.core.fold.replay import Replay
from git_session.core.wire import git_object, names
from git_session.core.wire.chunk import encode_chunk, hash_chunk, split_chunk
from git_session.core.wire.commit import Meta, format_meta
from git_session.core.wire.event import build_event, decode_event
from git_session.errors import DamagedLogError
from git_session.git.repository.objects import ObjectStore
from git_session.log.merge import Comparison, compare_heads, count_transitions, write_merge
from tests.support.events import ACTOR_A, ACTOR_B, T0, block, comment, created
from tests.support.fleet import ACTOR, MemoryStore, Objects

NEWER = b"GRITECNK\x02\x00\x07cbor-v2 what only next year's version reads"


@dataclass
class Past:
    """Holds a history that grows: who holds which head, and what may happen next."""

    objects: Objects = field(default_factory=Objects)
    heads: list[str | None] = field(default_factory=lambda: [None] * 4)
    told: int = 0

    @property
    def store(self) -> ObjectStore:
        return cast("ObjectStore", MemoryStore(self.objects))

    def append(self, clone: int, ts: int, count: int) -> None:
        """Appends new events, as everybody does."""
        events = []
        for number in range(count):
            self.told += 1
            actor = ACTOR_A if (clone + number) % 2 else ACTOR_B
            events.append(comment(f"event {self.told}", ts, actor=actor))
        self.heads[clone] = self.objects.append(self.heads[clone], events, T0 // 1000 + ts)

    def pull(self, clone: int, other: int) -> None:
        """Brings in another clone's head: forwards, or by a merge; both may land at the other."""
        mine, theirs = self.heads[clone], self.heads[other]
        comparison = compare_heads(self.store, mine, theirs)
        if comparison.relation in ("missing", "behind"):
            self.heads[clone] = theirs
        elif comparison.relation == "diverged":
            self.heads[clone] = write_merge(self.store, comparison)

    def rebase(self, clone: int, other: int) -> None:
        """Appends to the other's head what it lacks of mine, as grite's push does."""
        mine, theirs = self.heads[clone], self.heads[other]
        if mine is not None and theirs is not None:
            lacking = sorted(self.objects.events(mine) - self.objects.events(theirs))
            if lacking:
                theirs = self.objects.append(theirs, lacking)
            self.heads[clone] = theirs

    def backfill(self, clone: int) -> None:
        """Begins the log anew with all events in one commit, as grite does from its cache."""
        mine = self.heads[clone]
        if mine is not None:
            self.heads[clone] = self.objects.append(None, sorted(self.objects.events(mine)))

    def pairs(self) -> list[tuple[str, str]]:
        """Lists the pairs of different heads."""
        return list(combinations(sorted({head for head in self.heads if head}), 2))


CLONES = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("append"), CLONES, st.integers(0, 50), st.integers(1, 3)),
    st.tuples(st.just("pull"), CLONES, CLONES),
    st.tuples(st.just("pull"), CLONES, CLONES),
    st.tuples(st.just("rebase"), CLONES, CLONES),
    st.tuples(st.just("backfill"), CLONES),
)
PASTS = st.lists(STEPS, min_size=4, max_size=30)


def live(steps: list[tuple[str, int]]) -> Past:
    past = Past()
    past.append(0, 0, 1)
    past.heads = [past.heads[0]] * 3 + [None]
    for name, *arguments in steps:
        getattr(past, name)(*arguments)
    return past


def read_whole(past: Past, head: str) -> Head:
    commits = list(past.store.read_commits(head))
    return gather_head(commits[0], commits)


# -- that reading down to where two lines meet is enough


@settings(max_examples=300)
@given(PASTS)
def test_comparing_tells_exactly_what_reading_both_heads_whole_tells(
    steps: list[tuple[str, int]],
) -> None:
    past = live(steps)
    for one, other in past.pairs():
        found = compare_heads(past.store, one, other)
        assert found.mine is not None
        assert found.theirs is not None
        mine, theirs = past.objects.events(one), past.objects.events(other)
        assert found.mine.events - found.theirs.events == mine - theirs
        assert found.theirs.events - found.mine.events == theirs - mine
        assert found.reads_the_same == (mine == theirs)
        assert found.lost == ()
        whole = plan_merge(read_whole(past, one), read_whole(past, other))
        assert plan_merge(found.mine, found.theirs) == whole


@settings(max_examples=100)
@given(PASTS)
def test_no_event_stands_on_one_line_twice_whoever_merged_and_rebased(
    steps: list[tuple[str, int]],
) -> None:
    past = live(steps)
    for head in {head for head in past.heads if head}:
        told = [
            raw
            for commit in past.store.read_commits(head)
            for _, data in commit.chunks
            for raw in split_chunk(data or b"")
        ]
        assert len(told) == len(set(told))


@settings(max_examples=100)
@given(PASTS)
def test_parents_and_events_agree_about_who_is_ahead(steps: list[tuple[str, int]]) -> None:
    past = live(steps)
    for one, other in past.pairs():
        above, below = past.objects.ancestors(one), past.objects.ancestors(other)
        expected = "ahead" if other in above else "behind" if one in below else "diverged"
        assert compare_heads(past.store, one, other).relation == expected


@pytest.mark.parametrize("length", [100, 1000])
def test_comparing_reads_no_more_than_what_is_new(length: int) -> None:
    past = Past()
    for number in range(length):
        past.append(0, number, 1)
    past.heads = [past.heads[0]] * 4
    past.append(1, length, 1)
    past.append(2, length, 2)
    past.objects.reads = 0
    ours, others = compare_lines(past, past.heads[1], past.heads[2])
    assert (ours, others) == (1, 2)
    assert past.objects.reads < 10


def compare_lines(past: Past, one: str | None, other: str | None) -> tuple[int, int]:
    """Compares two heads by what was read alone, and counts what is new in each."""
    store = MemoryStore(past.objects)
    store.is_ancestor = lambda *_: False  # type: ignore[method-assign]
    found = compare_heads(cast("ObjectStore", store), one, other)
    return found.outgoing, found.incoming


# -- what a merge is


@settings(max_examples=100)
@given(PASTS)
def test_a_merge_reads_as_all_that_either_head_tells(steps: list[tuple[str, int]]) -> None:
    past = live(steps)
    for one, other in past.pairs():
        found = compare_heads(past.store, one, other)
        if found.relation == "diverged":
            merge = write_merge(past.store, found)
            union = past.objects.events(one) | past.objects.events(other)
            assert past.objects.events(merge) == union
            assert past.objects.ancestors(merge) >= {one, other}


@settings(max_examples=100)
@given(PASTS)
def test_two_clones_that_merge_the_same_pair_make_the_same_commit(
    steps: list[tuple[str, int]],
) -> None:
    past = live(steps)
    for one, other in past.pairs():
        found = compare_heads(past.store, one, other)
        if found.relation == "diverged":
            backwards = compare_heads(past.store, other, one)
            assert write_merge(past.store, found) == write_merge(past.store, backwards)


@settings(max_examples=100)
@given(PASTS)
def test_what_was_merged_needs_no_merge_again(steps: list[tuple[str, int]]) -> None:
    past = live(steps)
    for one, other in past.pairs():
        found = compare_heads(past.store, one, other)
        if found.relation == "diverged":
            merge = write_merge(past.store, found)
            for head in (one, other):
                again = compare_heads(past.store, merge, head)
                assert (again.relation, again.incoming) == ("ahead", 0)


@settings(max_examples=40)
@given(PASTS)
def test_the_order_of_merging_several_heads_changes_nothing_in_what_is_read(
    steps: list[tuple[str, int]],
) -> None:
    past = live(steps)
    for clone in range(3):
        past.append(clone, 60 + clone, 1)
    heads = sorted({head for head in past.heads if head})
    told = {frozenset(past.objects.events(_merge_all(past, order))) for order in _orders(heads)}
    assert len(told) == 1


def _orders(heads: list[str]) -> list[tuple[str, ...]]:
    return list(permutations(heads))[::5]


def _merge_all(past: Past, heads: tuple[str, ...]) -> str:
    def join(one: str, other: str) -> str:
        found = compare_heads(past.store, one, other)
        if found.relation == "diverged":
            return write_merge(past.store, found)
        return other if found.relation == "behind" else one

    return reduce(join, heads)


def test_sessions_read_alike_however_their_logs_were_merged() -> None:
    past = Past()
    start = block("spawned", 0)
    past.heads[0] = past.objects.append(None, [created(), start])
    past.heads = [past.heads[0]] * 4
    beats = [block("running", 10 + n, start, actor=bytes([n]) * 16) for n in range(4)]
    for clone, beat in enumerate(beats):
        past.heads[clone] = past.objects.append(past.heads[clone], [beat])
    heads = [head for head in past.heads if head]
    readings = set()
    for order in permutations(heads):
        replay = Replay()
        replay.add(past.store.read_commits(_merge_all(past, order)))
        (folded,) = replay.issues()
        (life,) = folded.sessions.lives.values()
        steps = tuple((step.event.event_id, step.is_late, step.is_fork) for step in life.steps)
        readings.add((life.current and life.current.event.event_id, steps))
    assert len(readings) == 1


@settings(max_examples=100)
@given(PASTS)
def test_the_first_parent_is_the_head_with_more_that_the_other_lacks(
    steps: list[tuple[str, int]],
) -> None:
    past = live(steps)
    for one, other in past.pairs():
        mine, theirs = past.objects.events(one), past.objects.events(other)
        plan = plan_merge(read_whole(past, one), read_whole(past, other))
        mine_only, theirs_only = len(mine - theirs), len(theirs - mine)
        if mine_only == theirs_only:
            assert plan.parents == (min(one, other), max(one, other))
        else:
            assert plan.parents[0] == (one if mine_only > theirs_only else other)
        assert sorted(plan.parents) == sorted((one, other))


@settings(max_examples=100)
@given(PASTS)
def test_the_chunk_holds_what_the_first_parent_lacks_in_the_order_of_the_fold(
    steps: list[tuple[str, int]],
) -> None:
    past = live(steps)
    for one, other in past.pairs():
        plan = plan_merge(read_whole(past, one), read_whole(past, other))
        first, second = (past.objects.events(parent) for parent in plan.parents)
        (chunk,) = (data for path, data in plan.files.items() if path != names.META_PATH)
        assert isinstance(chunk, bytes)
        raws = split_chunk(chunk)
        assert set(raws) == second - first
        assert plan.carried == len(raws)
        events = [decode_event(raw) for raw in raws]
        assert [(*event.order, event.raw) for event in events] == sorted(
            (*event.order, event.raw) for event in events
        )


# -- its bytes


def make_pair(past: Past) -> tuple[str, str]:
    root = past.objects.append(None, [created()], 1_795_000_000)
    one = past.objects.append(root, [comment("one", 5), comment("two", 6)], 1_795_000_200)
    other = past.objects.append(root, [comment("late", 9), comment("early", 3)], 1_795_000_400)
    return past.objects.append(one, [comment("three", 7)], 1_795_000_300), other


def test_the_bytes_of_a_merge_are_these() -> None:
    past = Past()
    one, other = make_pair(past)
    merge = write_merge(past.store, compare_heads(past.store, one, other))
    commit = past.objects.read_commit(merge)
    found = past.objects.read(merge)
    assert commit is not None
    assert found is not None
    chunk = encode_chunk([comment("early", 3).raw, comment("late", 9).raw])
    assert commit.chunks == [(f"events/2026/11/18/{hash_chunk(chunk)}.bin", chunk)]
    assert isinstance(chunk, bytes)
    assert chunk.startswith(b"GRITECNK\x01\x00\x07cbor-v1\x82\x88")
    assert (
        commit.meta
        == (
            "{\n"
            '  "schema_version": 1,\n'
            f'  "actor_id": "{ACTOR}",\n'
            f'  "chunk_hash": "{hash_chunk(chunk)}",\n'
            f'  "prev_wal": "{one}"\n'
            "}"
        ).encode()
    )
    tree = found[1].split(b"\n")[0]
    assert (
        found[1]
        == tree
        + (
            f"\nparent {one}\nparent {other}\n"
            "author grite <grit@local> 1795000400 +0000\n"
            "committer grite <grit@local> 1795000400 +0000\n"
            f"\nWAL: 2 events from {ACTOR[:8]}"
        ).encode()
    )
    assert merge == "7d153abd4139aac0ea7fedad9311984f506e4b0f"


def test_a_merge_with_nothing_to_carry_holds_an_empty_chunk_of_1970() -> None:
    past = Past()
    events = [created(), comment("both have it", 1)]
    one = past.objects.append(None, events)
    other = past.objects.append(past.objects.append(None, events[:1]), events[1:])
    plan = plan_merge(read_whole(past, one), read_whole(past, other))
    empty = b"GRITECNK\x01\x00\x07cbor-v1\x80"
    assert plan.files[f"events/1970/01/01/{hash_chunk(empty)}.bin"] == empty
    assert plan.message == f"WAL: 0 events from {ACTOR[:8]}"
    assert plan.parents == (min(one, other), max(one, other))


def test_a_merge_of_more_events_than_a_byte_counts_has_the_shortest_header() -> None:
    past = Past()
    past.append(0, 0, 1)
    past.append(1, 0, 1500)
    past.append(2, 1, 1501)
    one, other = past.heads[1], past.heads[2]
    plan = plan_merge(read_whole(past, one or ""), read_whole(past, other or ""))
    (chunk,) = (data for path, data in plan.files.items() if path != names.META_PATH)
    assert isinstance(chunk, bytes)
    assert chunk.startswith(b"GRITECNK\x01\x00\x07cbor-v1\x99\x05\xdc")
    assert plan.message == f"WAL: 1500 events from {ACTOR[:8]}"


def test_the_actor_is_that_of_the_first_parent_and_zeros_when_it_names_none() -> None:
    past = Past()
    root = past.objects.append(None, [created()])
    chunk = encode_chunk([comment(str(n), n).raw for n in range(3)])
    path = names.chunk_path(T0, hash_chunk(chunk))
    for meta, expected in (
        (format_meta(Meta(1, "cd" * 16, hash_chunk(chunk), root)), "cd" * 16),
        (format_meta(Meta(1, "../../etc", hash_chunk(chunk), root)), "0" * 32),
        (b"{", "0" * 32),
    ):
        one = past.objects.write_commit({"meta.json": meta, path: chunk}, [root], "x", 5)
        other = past.objects.append(root, [comment("other", 9)])
        plan = plan_merge(read_whole(past, one), read_whole(past, other))
        assert plan.parents[0] == one
        assert json.loads(plan.files["meta.json"])["actor_id"] == expected


# -- what is not understood


def test_events_are_carried_whatever_they_are() -> None:
    past = Past()
    sound = comment("sound", 3)
    signed = build_event(sound.issue_id, ACTOR_B, T0, 3, ["signed"], None, lambda _: b"s" * 64)
    unsigned = build_event(sound.issue_id, ACTOR_B, T0, 3, ["signed"], None)
    forged = sound.raw[:3] + b"\0" * 32 + sound.raw[35:]
    unknown = comment("x", 4).raw.replace(b"\x03\x81ax", b"\x18\x63\x81ax")
    strange = [forged, signed.raw, unsigned.raw, unknown, b"\x18\x2a", b"\x63abc", b"\x80"]
    root = past.objects.append(None, [created()])
    one = past.objects.append(root, [comment(str(n), n) for n in range(9)])
    other = past.objects.append(root, strange)
    plan = plan_merge(read_whole(past, one), read_whole(past, other))
    merge = past.objects.write_plan(plan)
    assert past.objects.events(merge) >= set(strange)
    # What is no event at all comes first, and dates the chunk.
    assert names.chunk_path(None, "").rpartition("/")[0] in "".join(plan.files)


def make_newer(past: Past, path: str | None = None) -> tuple[str, str]:
    root = past.objects.append(None, [created()])
    one = past.objects.append(root, [comment("one", 1), comment("two", 2)])
    return one, past.objects.append_chunk(root, NEWER, path=path)


def test_a_chunk_of_a_newer_format_is_carried_whole_under_its_path() -> None:
    past = Past()
    path = f"events/2031/07/09/{hash_chunk(NEWER)}.bin"
    one, other = make_newer(past, path)
    merge = past.objects.write_plan(plan_merge(read_whole(past, one), read_whole(past, other)))
    commit = past.objects.read_commit(merge)
    assert commit is not None
    assert commit.parents == (one, other)
    assert (path, NEWER) in commit.chunks
    assert read_whole(past, merge).newer == {hash_chunk(NEWER): (path, NEWER)}


def test_a_newer_chunk_that_both_have_is_not_carried_again() -> None:
    past = Past()
    one, other = make_newer(past)
    merge = past.objects.write_plan(plan_merge(read_whole(past, one), read_whole(past, other)))
    later = past.objects.append(merge, [comment(str(n), n) for n in range(3, 9)])
    plan = plan_merge(
        read_whole(past, later), read_whole(past, past.objects.append(other, [comment("x", 20)]))
    )
    assert NEWER not in plan.files.values()


@pytest.mark.parametrize(
    "path", ["meta.json/{}.bin", "events/x.bin/{}.bin", "{}.bin", ".git/{}.bin", "a/../b/{}.bin"]
)
def test_a_newer_chunk_at_a_path_that_was_made_up_cannot_stop_a_merge(path: str) -> None:
    past = Past()
    root = past.objects.append(None, [created()])
    one = past.objects.append(root, [comment("one", 1), comment("two", 2)])
    name = path.format(hash_chunk(NEWER))
    other = _append_file(past, root, name, NEWER)
    merge = write_merge(past.store, compare_heads(past.store, one, other))
    commit = past.objects.read_commit(merge)
    assert commit is not None
    assert (f"events/1970/01/01/{hash_chunk(NEWER)}.bin", NEWER) in commit.chunks


def _append_file(past: Past, root: str, path: str, data: bytes) -> str:
    """Appends a commit with one file at a path that no program of ours would write."""
    oid, kind = past.objects.write(git_object.BLOB, data), b"100644"
    for part in reversed(path.split("/")):
        oid = past.objects.write(
            git_object.TREE, b"%b %b\0" % (kind, part.encode()) + bytes.fromhex(oid)
        )
        kind = b"40000"
    return past.objects.write(git_object.COMMIT, git_object.format_commit(oid, [root], 9, "x"))


def test_a_damaged_chunk_is_not_carried() -> None:
    past = Past()
    root = past.objects.append(None, [created()])
    one = past.objects.append(root, [comment("one", 1)])
    path = names.chunk_path(T0, hash_chunk(NEWER))
    other = past.objects.append_chunk(root, NEWER + b"!", path=path)
    merge = write_merge(past.store, compare_heads(past.store, one, other))
    commit = past.objects.read_commit(merge)
    assert commit is not None
    assert [data for _, data in commit.chunks] == [encode_chunk([])]


# -- logs that are not as they should be


def test_a_part_that_is_missing_here_is_not_merged_away() -> None:
    past = Past()
    root = past.objects.append(None, [created()])
    lost = past.objects.append(root, [comment("lost here", 1)])
    one = past.objects.append(lost, [comment("one", 2)])
    other = past.objects.append(root, [comment(str(n), n) for n in range(5)])
    commit = past.objects.read_commit(lost)
    assert commit is not None
    head = git_object.parse_commit_head((past.objects.read(lost) or (0, b""))[1])
    assert head is not None
    blob = past.objects.write(git_object.BLOB, commit.chunks[0][1] or b"")
    for oid, what in ((blob, ".bin of commit"), (head.tree, "tree of commit"), (lost, lost)):
        past.objects.remove(oid)
        found = compare_heads(past.store, one, other)
        with pytest.raises(DamagedLogError, match="missing here") as caught:
            write_merge(past.store, found)
        assert what in caught.value.message
        assert "session repair" in (caught.value.hint or "")


def test_a_part_that_is_missing_below_the_meeting_changes_nothing() -> None:
    past = Past()
    root = past.objects.append(None, [created()])
    meeting = past.objects.append(root, [comment("shared", 1)])
    one = past.objects.append(meeting, [comment("one", 2)])
    # Longer than what lies below the meeting, so that reading in step comes by there.
    other = meeting
    for number in range(4):
        other = past.objects.append(other, [comment(f"other {number}", 2)])
    past.objects.remove(root)
    assert write_merge(past.store, compare_heads(past.store, one, other))


def test_where_prev_wal_leaves_the_first_parent_both_lines_are_read() -> None:
    past = Past()
    root = past.objects.append(None, [created()])
    aside = past.objects.append(root, [comment("only prev_wal leads here", 1)])
    chunk = encode_chunk([comment("odd", 2).raw])
    meta = format_meta(Meta(1, ACTOR, hash_chunk(chunk), aside))
    files = {"meta.json": meta, names.chunk_path(T0, hash_chunk(chunk)): chunk}
    odd = past.objects.write_commit(files, [root], "x", 5)
    one = past.objects.append(odd, [comment("one", 3)])
    other = past.objects.append(root, [comment(str(n), n) for n in range(9)])
    found = compare_heads(past.store, one, other)
    assert found.mine is not None
    assert comment("only prev_wal leads here", 1).raw in found.mine.events
    merge = write_merge(past.store, found)
    assert comment("only prev_wal leads here", 1).raw in past.objects.events(merge)
    assert compare_heads(past.store, one, root).relation == "ahead"
    assert compare_heads(past.store, root, one).relation == "behind"


@pytest.mark.parametrize("is_mine", [True, False])
def test_a_plain_git_merge_that_left_events_behind_is_not_taken_for_whole(*, is_mine: bool) -> None:
    past = Past()
    one, other = make_pair(past)
    chunk = encode_chunk([])
    meta = format_meta(Meta(1, ACTOR, hash_chunk(chunk), one))
    files = {"meta.json": meta, names.chunk_path(None, hash_chunk(chunk)): chunk}
    careless = past.objects.write_commit(files, [one, other], "Merge", 9)
    pair = (careless, other) if is_mine else (other, careless)
    found = compare_heads(past.store, *pair)
    assert found.relation == "diverged"
    merge = write_merge(past.store, found)
    assert past.objects.events(merge) == past.objects.events(one) | past.objects.events(other)
    assert compare_heads(past.store, merge, careless).relation == "ahead"
    assert compare_heads(past.store, merge, other).relation == "ahead"


def test_an_event_that_stands_twice_on_one_line_makes_nobody_lack_it() -> None:
    past = Past()
    again = comment("again", 1)
    root = past.objects.append(None, [created(), again])
    other = past.objects.append(root, [again])
    behind = past.objects.append(root, [comment("new", 2)])
    both = past.objects.write_plan(plan_merge(read_whole(past, other), read_whole(past, behind)))
    assert compare_heads(past.store, both, other).relation == "ahead"
    assert compare_heads(past.store, other, both).relation == "behind"


def test_what_is_no_log_is_not_merged_with_one() -> None:
    past = Past()
    log = past.objects.append(None, [created()])
    code = past.objects.write_commit({"main.c": b"int main;"}, [], "Initial commit", 5)
    for pair in ((log, code), (code, log), (None, code)):
        with pytest.raises(DamagedLogError, match=f"{code} is not a commit of a log"):
            compare_heads(past.store, *pair)
    blob = past.objects.write(git_object.BLOB, b"no commit")
    with pytest.raises(DamagedLogError, match=f"{blob} cannot be read"):
        compare_heads(past.store, log, blob)


# -- how heads are related


def test_the_relations_have_these_names_and_counts() -> None:
    past = Past()
    one, other = make_pair(past)
    base = past.objects.append(None, [created()], 1_795_000_000)

    def tell(mine: str | None, theirs: str | None) -> tuple[str, int, int]:
        found = compare_heads(past.store, mine, theirs)
        return found.relation, found.outgoing, found.incoming

    assert tell(None, None) == ("none", 0, 0)
    assert tell(one, None) == ("new", 4, 0)
    assert tell(None, one) == ("missing", 0, 4)
    assert tell(one, one) == ("same", 0, 0)
    assert tell(one, base) == ("ahead", 3, 0)
    assert tell(base, one) == ("behind", 0, 3)
    assert tell(one, other) == ("diverged", 3, 2)


def test_a_merge_is_ahead_of_both_its_parents() -> None:
    past = Past()
    one, other = make_pair(past)
    merge = write_merge(past.store, compare_heads(past.store, one, other))
    assert compare_heads(past.store, merge, other).relation == "ahead"
    assert compare_heads(past.store, other, merge).relation == "behind"
    assert compare_heads(past.store, one, merge).incoming == 2


def test_criss_cross_merges_carry_nothing_twice() -> None:
    past = Past()
    one, other = make_pair(past)
    left = past.objects.append(write_merge(past.store, compare_heads(past.store, one, other)), [])
    right = past.objects.append(other, [comment("more", 40)])
    across = write_merge(past.store, compare_heads(past.store, one, right))
    found = compare_heads(past.store, left, across)
    assert (found.relation, found.outgoing, found.incoming) == ("diverged", 0, 1)
    merge = write_merge(past.store, found)
    assert past.objects.events(merge) == past.objects.events(across)


def test_unrelated_logs_are_merged_like_others() -> None:
    past = Past()
    one = past.objects.append(None, [created(), comment("here", 1)])
    other = past.objects.append(None, [created(), comment("there", 1), comment("too", 2)])
    found = compare_heads(past.store, one, other)
    assert (found.relation, found.outgoing, found.incoming) == ("diverged", 1, 2)
    merge = past.objects.read_commit(write_merge(past.store, found))
    assert merge is not None
    assert merge.parents == (other, one)


def test_only_session_blocks_count_as_transitions() -> None:
    past = Past()
    start = block("spawned", 1)
    past.heads[0] = past.objects.append(None, [created(), start, comment("no block", 2)])
    past.append(0, 3, 1)
    head = past.objects.append(past.heads[0], [block("running", 9, start), comment("[session]", 9)])
    assert count_transitions(compare_heads(past.store, head, None)) == 2
    assert count_transitions(compare_heads(past.store, head, past.heads[0])) == 1
    assert count_transitions(compare_heads(past.store, None, head)) == 0
    assert count_transitions(Comparison("same", None, None)) == 0
