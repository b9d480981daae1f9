"""Clones, a hub and the network between them, played in virtual time: for fleet.py.

A process is a generator that yields the seconds it waits for, so that a clone's sync reads here
as in sync/rounds.py: fetch, compare, merge, push by compare-and-swap, and the local ref last.
Nothing sleeps, nothing runs at once, and the same settings play the same game.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator
from itertools import count
from random import Random
from typing import Final

from benchmarks.fleet_figures import Figures, Settings
from benchmarks.simulated_store import EPOCH_S, Hub, MemoryStore, choose_head
from git_session.sync.background import _TIMEOUT_S as BACKGROUND_TIMEOUT_S
from git_session.sync.remotes import DEFAULT_TIMEOUT_S, FIRST_PAUSE_S, LONGEST_PAUSE_S

Waiting = Generator[float, None, None]
"""A process: what it yields is the time until it goes on, in s."""

_PATIENCE_S: Final = 6 * 3600.0
"""How long after the last write the clones may take to agree."""


class Clock:
    """Plays processes one step at a time, in the order of their times."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, Waiting]] = []
        self._numbers = count()

    def start(self, process: Waiting, after: float = 0.0) -> None:
        """Lets a process begin, `after` s from now."""
        heapq.heappush(self._waiting, (self.now + after, next(self._numbers), process))

    def step(self) -> None:
        """Goes on with the process whose time comes next."""
        self.now, _, process = heapq.heappop(self._waiting)
        pause = next(process, None)
        if pause is not None:
            self.start(process, pause)


class Clone:
    """Records, fetches, merges and pushes as one clone; `seen` is the last landing it holds."""

    def __init__(self, game: Game, number: int) -> None:
        self._game = game
        self._settings = game.settings
        self._hub = game.hub
        self._actor = game.random.randbytes(16)
        self._latency_s = game.settings.latency_s * (game.settings.slowness if not number else 1)
        self.number = number
        self.head = game.hub.head
        self.seen = 0
        self.unsent: list[float] = []
        """When the transitions that the hub lacks were recorded."""
        self._theirs = game.hub.head
        self._landing = 0
        self._is_syncing = self._is_in_background = False
        self._wanted = 0
        self._tries = 0
        self._trying_since: float | None = None

    # -- what a clone does all day

    def write(self) -> Waiting:
        """Records a transition now and then, until the writing is over."""
        game = self._game
        while True:
            yield game.random.expovariate(1 / self._settings.cadence_s)
            if game.clock.now > game.writes_end:
                return
            self.record()

    def record(self) -> None:
        """Records one transition; with autoSync that starts a background sync."""
        now = self._game.clock.now
        self.head = self._game.record(self.head, self._actor, now)
        self.unsent.append(now)
        self._wanted += 1
        if (self._settings.is_auto or self._settings.is_burst) and not self._is_in_background:
            self._game.clock.start(self._sync_in_background())

    def sync_by_the_clock(self) -> Waiting:
        """Syncs every now and then, unless a background sync is doing so."""
        random, every = self._game.random, self._settings.sync_every_s
        yield random.uniform(0, every)
        while not self._game.is_settled():
            if not self._is_syncing:
                yield from self._sync(DEFAULT_TIMEOUT_S)
            yield every * random.uniform(0.5, 1.5)

    def _sync_in_background(self) -> Waiting:
        """Do as play_background in sync/background.py: again while more is wanted, at its pace."""
        self._is_in_background = True
        done = -1
        while self._wanted != done:
            while self._is_syncing:
                yield FIRST_PAUSE_S
            done = self._wanted
            yield from self._sync(BACKGROUND_TIMEOUT_S)
            yield self._settings.pace_s
        self._is_in_background = False

    # -- one sync

    def _sync(self, timeout: float) -> Waiting:
        """Does as Sync.run: rounds until nothing is left to do or the time is up."""
        self._is_syncing = True
        deadline = self._game.clock.now + timeout
        pause = FIRST_PAUSE_S
        while not (yield from self._play_round()):
            if self._game.clock.now > deadline:
                self._give_up()
                break
            yield self._game.random.uniform(0, pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
        self._is_syncing = False

    def _play_round(self) -> Generator[float, None, bool]:
        """Does as Sync._play_round; True when the hub needs no other."""
        yield from self._fetch()
        local, theirs, sent = self.head, self._theirs, len(self.unsent)
        if local == theirs:
            return True
        if local == self._hub.heads[self.seen]:
            self._follow(theirs, self._landing)  # behind
            return True
        target = local if self._landing == self.seen else None  # ahead, or diverged
        if target is None and self._settings.is_eager:
            target = self._choose(local)
        if not (yield from self._reach_for_push()):
            return False
        # A merge is a function of the two heads. Planned only now that it lands, it is the same.
        target = target or self._choose(local)
        self._land(target, sent)
        yield self._trips(0.5)
        if target != local:
            if self.head != local:
                return False  # something was recorded meanwhile: merged in another round
            self.head = target
        self._follow(self.head, self._landing)
        return True

    def _fetch(self) -> Waiting:
        yield self._trips(self._settings.connect_trips + 1.5)
        known = self._hub.commits[self._landing]
        self._theirs, self._landing = self._hub.head, self._hub.landing
        news = self._hub.commits[self._landing] - known
        yield self._trips(1.5 if news else 0.5) + self._transfer_s(news)
        yield self._settings.client_s
        if self.unsent and self._trying_since is None:
            self._trying_since = self._game.clock.now

    def _reach_for_push(self) -> Generator[float, None, bool]:
        """Plays a push up to the moment at which the hub compares and swaps; False: refused."""
        self._tries += 1
        self._game.figures.tried += 1
        yield self._trips(self._settings.connect_trips + 0.5)
        if self._hub.head == self._theirs:  # else git itself sees that it is no fast-forward
            yield self._trips(1) + self._transfer_s(len(self.unsent) + 1)
            if self._hub.head == self._theirs:
                return True
        yield self._trips(0.5)
        return False

    def _land(self, target: str, sent: int) -> None:
        self._theirs, self._landing = target, self._hub.land(target, sent)
        births, self.unsent = self.unsent[:sent], self.unsent[sent:]
        self._game.note_landing(self.number, births, self._tries, self._trying_since)
        self._tries, self._trying_since = 0, None

    def _choose(self, local: str) -> str:
        return choose_head(self._game.store, local, self._theirs)

    def _follow(self, head: str, landing: int) -> None:
        self.head = head
        before, self.seen = self.seen, landing
        self._game.note_seen(before, landing)

    def _give_up(self) -> None:
        """Does as Sync._give_up: the last merge is kept, unsent."""
        self._game.figures.gave_up += 1
        if self._landing != self.seen:
            self._follow(self._choose(self.head), self._landing)

    def _trips(self, trips: float) -> float:
        spread = self._settings.jitter
        return trips * self._latency_s * self._game.random.uniform(1 - spread, 1 + spread)

    def _transfer_s(self, commits: int) -> float:
        return commits * self._settings.commit_bytes * 8 / self._settings.bandwidth


class Game:
    """Plays one fleet from its first transition until all clones hold the same head."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.random = Random(settings.seed)
        self.clock = Clock()
        self.store = MemoryStore()
        self.figures = Figures()
        self.writes_end = 0.0 if settings.is_burst else settings.minutes * 60
        self._task = self.random.randbytes(16)
        self._last_write = 0.0
        self._newest_ms = EPOCH_S * 1000
        self.hub = Hub(self.store.record(None, bytes(16), self._task, EPOCH_S * 1000))
        self.clones = [Clone(self, number) for number in range(settings.clones)]
        self._holders = [settings.clones]
        """How many clones hold which landing as their last."""
        self._spread = 0
        """The last landing that every clone holds."""
        self._births: list[list[float]] = [[]]

    def play(self) -> Figures:
        """Plays to the end and gives what was counted."""
        for clone in self.clones:
            if self.settings.is_burst:
                clone.record()
            else:
                self.clock.start(clone.write())
            self.clock.start(clone.sync_by_the_clock())
        while not self.is_settled() and self.clock.now < self.writes_end + _PATIENCE_S:
            self.clock.step()
        self._sum_up()
        return self.figures

    def is_settled(self) -> bool:
        """Tells whether the writing is over and every clone holds the hub's head."""
        return (
            self.clock.now > self.writes_end
            and self._spread == self.hub.landing
            and all(clone.head == self.hub.head for clone in self.clones)
        )

    def record(self, head: str, actor: bytes, now: float) -> str:
        """Writes a transition after `head` and gives the new head."""
        self.figures.transitions += 1
        self._last_write = now
        # As in core/fold/plan.py no two events of an issue are of the same time.
        self._newest_ms = max(EPOCH_S * 1000 + round(now * 1000), self._newest_ms + 1)
        return self.store.record(head, actor, self._task, self._newest_ms)

    def note_landing(
        self, number: int, births: list[float], tries: int, since: float | None
    ) -> None:
        """Counts a clone's push that landed, with the times of the transitions that it sent."""
        figures, now = self.figures, self.clock.now
        figures.landed += 1
        figures.landed_while_writing += now <= self.writes_end
        figures.attempts.append(tries)
        figures.to_hub += [now - birth for birth in births]
        self._births.append(births)
        self._holders.append(0)
        if since is not None:
            (figures.needed if number else figures.needed_by_slow).append(now - since)

    def note_seen(self, before: int, landing: int) -> None:
        """Notes that a clone went on to a landing, and what is now known to all."""
        self._holders[before] -= 1
        self._holders[landing] += 1
        while not self._holders[self._spread]:
            self._spread += 1
            births = self._births[self._spread]
            self.figures.to_all += [self.clock.now - birth for birth in births]

    def _sum_up(self) -> None:
        figures, head = self.figures, self.hub.head
        if self.is_settled():
            figures.converged_s = self.clock.now - self._last_write
        merges = self.store.list_merges(head)
        figures.merges = len(merges)
        figures.carried = sum(map(len, merges))
        figures.carried_bytes = sum(len(raw) for events in merges for raw in events)
        events = self.store.read_events(head)
        figures.unsent = sum(len(clone.unsent) for clone in self.clones)
        figures.repeated = len(events) - len(set(events))
        figures.missing = figures.transitions + 1 - len(set(events)) - figures.unsent
        figures.head = head
