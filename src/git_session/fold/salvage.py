"""What a damaged log lacks, and which of what lies elsewhere makes up for it. All of it is pure.

An event is what its id says, wherever it is found: so it can be taken from anywhere. What cannot
be told from anywhere is whether a part of the log that is not there held more than was found.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, permutations
from typing import Final

from git_session.errors import WireError
from git_session.fold.faults import Problem
from git_session.wire import names
from git_session.wire.chunk import decode_chunk, encode_chunk, hash_chunk
from git_session.wire.commit import LogCommit
from git_session.wire.event import BAD_EVENT_ID, Event

_MOST_SHUFFLED: Final = 5
"""Events of one commit that are tried out; a transition has three or four."""


@dataclass(frozen=True, slots=True)
class Found:
    """Holds an event, and where it was found: a source's name and a commit."""

    event: Event
    source: str
    commit: str


@dataclass(slots=True)
class Survey:
    """Accumulates what a log holds and what is damaged in it.

    `here` are the events whose ids are right, `bad` the ids that other content goes by, `parents`
    what events name as the ones before them; `damage` says where something is not as it was
    written; `lost_chunks` maps the hashes of chunks that cannot be read, as their names say them,
    to whether they are not there at all; `beside` are events of second parents.
    """

    here: dict[bytes, Event] = field(default_factory=dict)
    bad: set[bytes] = field(default_factory=set)
    parents: set[bytes] = field(default_factory=set)
    damage: list[Problem] = field(default_factory=list)
    lost_chunks: dict[str, bool] = field(default_factory=dict)
    beside: list[Found] = field(default_factory=list)
    has_holes: bool = False

    def note_fault(self, commit: str, path: str, what: str) -> None:
        """Notes what the store could not read of the line."""
        self.has_holes = True
        self.note_fault_beside(commit, path, what)

    def note_fault_beside(self, commit: str, path: str, what: str) -> None:
        """Notes what it could not read beside the line, where a merge has carried the events."""
        self.damage.append(Problem("missing_object", what, commit, path))

    def take(self, commit: LogCommit) -> None:
        """Takes in one commit."""
        for path, data in commit.chunks:
            name = names.named_hash(path)
            if data is None:
                self.note_fault(commit.oid, path, f"{path} is missing or damaged")
                self.lost_chunks[name] = True
                continue
            try:
                events, malformed = decode_chunk(data)
            except WireError as error:
                events, malformed = [], [error.message]
            for message in malformed:
                self.has_holes = True
                self.lost_chunks[name] = False
                self.damage.append(Problem("chunk", message, commit.oid, path))
            for event in events:
                self._take_event(event, commit.oid, path)

    def _take_event(self, event: Event, commit: str, path: str) -> None:
        if event.fault == BAD_EVENT_ID:
            self.bad.add(event.event_id)
            event_id = event.event_id.hex()
            message = f"event {event_id[:12]}: its id is not the hash of its content"
            self.damage.append(Problem("event_id", message, commit, path, event_id))
            return
        self.here.setdefault(event.event_id, event)
        if event.parent is not None:
            self.parents.add(event.parent)

    @property
    def wanted(self) -> set[bytes]:
        """Gives the ids of events that were here by all that is known, and are not."""
        return (self.bad | self.parents) - self.here.keys()


def sound_events(commits: Iterable[LogCommit], source: str) -> Iterator[Found]:
    """Gives the events of some commits whose ids are right, whatever else is wrong there."""
    for commit in commits:
        for _, data in commit.chunks:
            try:
                events = decode_chunk(data or b"")[0]
            except WireError:
                continue
            for event in events:
                if event.fault != BAD_EVENT_ID:
                    yield Found(event, source, commit.oid)


def choose_events(
    survey: Survey, certain: Iterable[Found], possible: Iterable[Found]
) -> dict[bytes, Found]:
    """Chooses the events that make up for what is damaged, the first copy of each.

    Those that are `certain` belong to the log, and each that it lacks is taken. Of the `possible`
    ones only those are taken that are known to be missing, and those before them in their chains.
    """
    chosen: dict[bytes, Found] = {}
    for found in certain:
        if found.event.event_id not in survey.here:
            chosen.setdefault(found.event.event_id, found)
    offered: dict[bytes, Found] = {}
    for found in possible:
        offered.setdefault(found.event.event_id, found)
    wanted = survey.wanted | {f.event.parent for f in chosen.values() if f.event.parent}
    while wanted:
        event_id = wanted.pop()
        if event_id in survey.here or event_id in chosen or event_id not in offered:
            continue
        chosen[event_id] = offered[event_id]
        if parent := offered[event_id].event.parent:
            wanted.add(parent)
    return chosen


def sort_events(events: Iterable[Event]) -> list[Event]:
    """Puts events into the order in which a merge carries them."""
    return sorted(events, key=lambda event: (*event.order, event.raw))


def rebuild_chunks(lost: Container[str], events: Collection[Event]) -> dict[str, bytes]:
    """Rebuilds lost chunks from their events; what has the hash is the chunk, to the byte.

    A commit of a transition holds what one actor wrote about one issue at one time, in an order of
    its own; others hold a few events that follow one another, and a merge all that one side lacked.
    """
    together: dict[tuple[int, bytes, bytes], list[bytes]] = {}
    for event in events:
        together.setdefault((event.ts, event.actor, event.issue_id), []).append(event.raw)
    groups = [raws for raws in together.values() if 1 < len(raws) <= _MOST_SHUFFLED]
    whole = [event.raw for event in sort_events(events)]
    orders = chain((order for raws in groups for order in _orders_of(raws)), _runs_of(whole))
    rebuilt: dict[str, bytes] = {}
    for order in orders:
        chunk = encode_chunk(order)
        name = hash_chunk(chunk)
        if name in lost:
            rebuilt[name] = chunk
    return rebuilt


def _orders_of(raws: list[bytes]) -> Iterator[list[bytes]]:
    for count in range(2, len(raws) + 1):
        for order in permutations(raws, count):
            yield list(order)


def _runs_of(raws: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(len(raws)):
        for count in range(1, _MOST_SHUFFLED + 1):
            yield raws[start : start + count]
    yield raws
