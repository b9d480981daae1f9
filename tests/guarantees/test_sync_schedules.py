"""Random schedules of clones and remotes: everybody's log comes to rest, and nothing is lost.

The clones are in memory, so that thousands of syncs fit into a test; what they run is the Sync that
everybody runs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.events import comment, created
from tests.support.fleet import WAL, MemoryClone, MemoryStore, Objects


@dataclass
class Schedule:
    """Holds clones on remotes: some past, some news everywhere, and who syncs with whom when."""

    seed: int
    remote_count: int
    clone_count: int = 3

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.objects = Objects()
        names = [f"remote{number}" for number in range(self.remote_count)]
        self.remotes = {name: MemoryStore(self.objects) for name in names}
        self.clones = [MemoryClone(self.objects, self.remotes) for _ in range(self.clone_count)]
        self.told: set[bytes] = set()
        for _ in range(self.random.randrange(1, 12)):
            clone = self.random.choice(self.clones)
            if self.random.random() < 0.6:
                self.record(clone)
            else:
                clone.sync(self.random.choice(names))
        for clone in self.clones:
            for _ in range(self.random.randrange(3)):
                self.record(clone)
        self.order = self.random.sample(self.clones, self.clone_count)
        self.start = [self.random.randrange(self.remote_count) for _ in self.clones]

    def record(self, clone: MemoryClone) -> None:
        event = comment(f"event {len(self.told)} of {self.seed}", self.random.randrange(1000))
        self.told.add(event.raw)
        clone.append(event)

    def play_pass(self, number: int) -> int:
        """Lets each clone sync once, with its next remote; gives how many merges were kept."""
        names = list(self.remotes)
        return sum(
            clone.sync(names[(start + number) % len(names)])["merges"]
            for clone, start in zip(self.order, self.start, strict=True)
        )

    def heads(self) -> list[str | None]:
        """Lists the heads of all clones and remotes."""
        stores = [*(clone.store for clone in self.clones), *self.remotes.values()]
        return [store.read_ref(WAL) for store in stores]

    def past_heads(self) -> Iterator[str]:
        """Gives every head that any clone or remote ever had."""
        for store in (*(clone.store for clone in self.clones), *self.remotes.values()):
            yield from store.heads

    def assert_is_together(self) -> None:
        """Asserts that all have one head, which tells all and descends from all there was."""
        (head,) = set(self.heads())
        if head is not None:
            assert self.objects.events(head) == self.told
            assert self.objects.ancestors(head) >= set(self.past_heads())


def assert_one_remote_settles(seed: int) -> None:
    schedule = Schedule(seed, remote_count=1)
    schedule.play_pass(1)
    schedule.play_pass(2)
    schedule.assert_is_together()
    before = schedule.heads()
    assert schedule.play_pass(3) == 0
    assert schedule.heads() == before


def assert_two_remotes_settle(seed: int) -> None:
    schedule = Schedule(seed, remote_count=2)
    for number in range(1, 4):
        schedule.play_pass(number)
    # Everybody knows everything, though under ids that differ.
    assert {frozenset(schedule.objects.events(head)) for head in schedule.heads() if head} == (
        {frozenset(schedule.told)} if schedule.told else set()
    )
    for number in range(4, 6):
        schedule.play_pass(number)
    # Nobody merges any more; what is left is that the last merge gets around.
    assert sum(schedule.play_pass(number) for number in (6, 7)) == 0
    schedule.assert_is_together()


@pytest.mark.parametrize("seed", range(50))
def test_one_remote_settles_within_two_passes(seed: int) -> None:
    assert_one_remote_settles(seed)


@pytest.mark.parametrize("seed", range(50))
def test_two_remotes_stop_merging_within_five_passes(seed: int) -> None:
    assert_two_remotes_settle(seed)


@pytest.mark.heavy
@pytest.mark.parametrize("block", range(10))
def test_a_thousand_schedules_settle(block: int) -> None:
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        assert_one_remote_settles(seed)
        assert_two_remotes_settle(seed)


@pytest.mark.parametrize("seed", range(20))
def test_syncing_with_all_remotes_at_once_settles_within_two_passes(seed: int) -> None:
    schedule = Schedule(seed, remote_count=3, clone_count=4)
    for _ in range(2):
        for clone in schedule.order:
            clone.sync(*schedule.remotes)
    schedule.assert_is_together()


def test_a_remote_that_reads_like_mine_gets_what_another_one_brings() -> None:
    objects = Objects()
    remotes = {name: MemoryStore(objects) for name in ("alike", "ahead")}
    clone = MemoryClone(objects, remotes)
    root = clone.append(created())
    # Three heads of the same log: two read alike under other ids, one has news.
    alike, mine = sorted(objects.append(root, [], time) for time in (1, 2))
    ahead = next(
        head
        for time in range(100)
        if (head := objects.append(root, [comment("news", 1)], time)) > alike
    )
    clone.store.set_ref(WAL, mine)
    remotes["alike"].set_ref(WAL, alike)
    remotes["ahead"].set_ref(WAL, ahead)
    clone.sync("alike", "ahead")
    assert clone.head == remotes["alike"].read_ref(WAL) == remotes["ahead"].read_ref(WAL)


@pytest.mark.parametrize("seed", range(30))
def test_syncs_that_cross_lose_nothing_and_keep_no_more_merges_than_landed(seed: int) -> None:
    schedule = Schedule(seed, remote_count=1, clone_count=4)
    draw = schedule.random

    def meddle() -> None:
        # Somebody else records and syncs between this clone's fetch and its push.
        if draw.random() < 0.5:
            other = draw.choice(schedule.clones)
            schedule.record(other)
            other.sync("remote0")

    for clone in schedule.clones:
        clone.git.before_push = meddle
    for _ in range(6):
        clone = draw.choice(schedule.clones)
        schedule.record(clone)
        clone.sync("remote0")
    for clone in schedule.clones:
        clone.git.before_push = lambda: None
    for number in (1, 2):
        schedule.play_pass(number)
    schedule.assert_is_together()
    (head,) = set(schedule.heads())
    kept = [schedule.objects.read_commit(oid) for oid in schedule.objects.ancestors(head or "")]
    merges = sum(len(commit.parents) > 1 for commit in kept if commit is not None)
    assert merges <= sum(clone.git.pushed for clone in schedule.clones)
