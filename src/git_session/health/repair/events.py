"""What a damaged log lacks, and which of what lies elsewhere makes up for it. All of it is pure.

An event is what its id says, wherever it is found: so it can be taken from anywhere. What cannot
be told from anywhere is whether a part of the log that is not there held more than was found.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, permutations
from typing import Final

from git_session.core.fold.faults import NEWER, Problem, describe_chunk
from git_session.core.fold.merge import Head, gather_head, gather_large, gather_newer
from git_session.core.fold.source import Row
from git_session.core.wire import names
from git_session.core.wire.chunk import decode_chunk, encode_chunk, hash_chunk
from git_session.core.wire.commit import MISSING, LogCommit
from git_session.core.wire.event import BAD_EVENT_ID, KIND_NAMES, Event
from git_session.errors import TooLargeError, WireError

_MOST_SHUFFLED: Final = 5
"""Events of one commit that are tried out; a transition has three or four."""


@dataclass(frozen=True, slots=True)
class Found:
    """Holds an event, and where it was found: a source's name and a commit."""

    event: Event
    source: str
    commit: str

    def row(self) -> Row:
        """Make the row of a RecoveredEvent."""
        event = self.event
        return {
            "event_id": event.event_id.hex(),
            "issue_id": event.issue_id.hex(),
            "actor": event.actor.hex(),
            "ts": event.ts,
            "kind": KIND_NAMES.get(event.kind, str(event.kind)),
            "source": self.source,
            "found_in": self.commit,
        }


@dataclass(slots=True)
class Survey:
    """Accumulates what a log holds and what is damaged in it.

    `here` are the events whose ids are right, `bad` the ids that other content goes by, `parents`
    what events name as the ones before them; `damage` says where something is not as it was
    written; `lost_chunks` maps the hashes of chunks that cannot be read, as their names say them,
    to whether they are not there at all; `beside` are events of second parents; `has_newer` tells
    of sound chunks that only a newer version reads. `parents_of` maps each commit that was read to
    its parents, and `told` is what its line tells of sound events.
    """

    here: dict[bytes, Event] = field(default_factory=dict)
    bad: set[bytes] = field(default_factory=set)
    parents: set[bytes] = field(default_factory=set)
    damage: list[Problem] = field(default_factory=list)
    lost_chunks: dict[str, bool] = field(default_factory=dict)
    beside: list[Found] = field(default_factory=list)
    has_holes: bool = False
    has_newer: bool = False
    parents_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    told: Head = field(default_factory=lambda: Head(""))

    def note_fault(self, commit: str, path: str, what: str) -> None:
        """Note what the store could not read of the line."""
        self.has_holes = True
        self.note_fault_beside(commit, path, what)

    def note_fault_beside(self, commit: str, path: str, what: str) -> None:
        """Note what it could not read beside the line, where a merge has carried the events."""
        self.damage.append(Problem("missing_object", what, commit, path))

    def take_beside(self, commit: LogCommit) -> None:
        """Take in one commit that only a second parent leads to."""
        self.parents_of[commit.oid] = commit.parents
        self.beside.extend(sound_events([commit], "the other side of a merge"))
        for path, data in commit.chunks:
            if data is None:
                self.note_fault_beside(commit.oid, path, _missing(path))
                self.lost_chunks[names.named_hash(path)] = True

    def take(self, commit: LogCommit) -> None:
        """Take in one commit."""
        if not self.parents_of:
            self.told = gather_head(commit, ())
        self.parents_of[commit.oid] = commit.parents
        gather_large(self.told, commit)
        for path, data in commit.chunks:
            name = names.named_hash(path)
            if data is None:
                self.note_fault(commit.oid, path, _missing(path))
                self.lost_chunks[name] = True
                continue
            try:
                events, malformed = decode_chunk(data)
            except WireError as error:
                gather_newer(self.told, path, data)
                if describe_chunk(error, path, data).code == NEWER:
                    self.has_newer = True
                    continue
                events, malformed = [], [error.message]
            for message in malformed:
                self.has_holes = True
                self.lost_chunks[name] = False
                self.damage.append(Problem("chunk", message, commit.oid, path))
            for event in events:
                self._take_event(event, commit.oid, path)

    def add(self, events: Iterable[Event]) -> None:
        """Add the events of a chunk that was rebuilt."""
        for event in events:
            self.here[event.event_id] = event
            self.told.events.add(event.raw)

    def _take_event(self, event: Event, commit: str, path: str) -> None:
        if event.fault == BAD_EVENT_ID:
            self.bad.add(event.event_id)
            event_id = event.event_id.hex()
            message = f"event {event_id[:12]}: its id is not the hash of its content"
            self.damage.append(Problem("event_id", message, commit, path, event_id))
            return
        self.here.setdefault(event.event_id, event)
        self.told.events.add(event.raw)
        if event.parent is not None:
            self.parents.add(event.parent)

    @property
    def wanted(self) -> set[bytes]:
        """Return the ids of events that were here by all that is known, and are not."""
        return (self.bad | self.parents) - self.here.keys()

    def list_lost(self, found: Container[bytes]) -> set[bytes]:
        """List what is wanted and not among `found`; a newer format may hold what events name."""
        wanted = self.bad - self.here.keys() if self.has_newer else self.wanted
        return {event_id for event_id in wanted if event_id not in found}

    def list_broken(self) -> set[str]:
        """List the commits of which git lacks an object, and those that lead to them."""
        lost = {problem.commit for problem in self.damage if problem.message.endswith(MISSING)}
        return _list_descendants(self.parents_of, lost)


def _list_descendants(parents_of: Mapping[str, tuple[str, ...]], oids: set[str]) -> set[str]:
    """List some commits and all that descend from them."""
    children: dict[str, list[str]] = {}
    for oid, parents in parents_of.items():
        for parent in parents:
            children.setdefault(parent, []).append(oid)
    found, waiting = set(oids), list(oids)
    while waiting:
        news = [oid for oid in children.get(waiting.pop(), ()) if oid not in found]
        found.update(news)
        waiting += news
    return found


def _missing(path: str) -> str:
    return f"{path} is {MISSING}"


def sound_events(commits: Iterable[LogCommit], source: str) -> Iterator[Found]:
    """Return the events of some commits whose ids are right, whatever else is wrong there."""
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
    """Choose the events that make up for what is damaged, the first copy of each.

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
    """Put events into the order in which a merge carries them."""
    return sorted(events, key=lambda event: (*event.order, event.raw))


def rebuild_chunks(lost: Container[str], events: Collection[Event]) -> dict[str, bytes]:
    """Rebuild lost chunks from their events; what has the hash is the chunk, to the byte.

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
        try:
            chunk = encode_chunk(order)
        except TooLargeError:
            continue
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
