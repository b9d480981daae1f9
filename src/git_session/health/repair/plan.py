"""Recover what is damaged or missing in the log here from wherever else it is.

Objects are put back as they were, byte for byte, where their ids prove it, and events that were
found are appended in one commit. Where an object is lost for good, one commit with the sound events
takes the place of the head (rebuild.py). No ref is forced otherwise: one that is not there is made,
and for one that is broken there is the command that a person can type.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from git_session.core.fold.faults import Problem
from git_session.core.fold.findings import finding_row
from git_session.core.fold.merge import Head
from git_session.core.fold.rows import Row
from git_session.core.wire import names
from git_session.core.wire.chunk import decode_chunk
from git_session.core.wire.commit import LogCommit
from git_session.core.wire.git_object import BLOB
from git_session.errors import ConflictError, ContendedError, DamagedLogError, TooLargeError
from git_session.git.remote import Git
from git_session.git.repository.commits import OnFault, ignore_fault
from git_session.health.repair.events import (
    Found,
    Survey,
    choose_events,
    rebuild_chunks,
    sort_events,
    sound_events,
)
from git_session.health.repair.places import (
    Kind,
    Place,
    borrow_log,
    find_lost_commits,
    find_old_heads,
    find_reflog,
    find_refs,
    format_ref_command,
    read_head,
    read_line,
)
from git_session.health.repair.rebuild import (
    MESSAGE,
    Rebuild,
    choose_base,
    find_helper,
    replace_head,
    write_addition,
)

if TYPE_CHECKING:
    from git_session.git.repository.objects import ObjectStore

_RANKS: Final[tuple[Kind, ...]] = ("reflog", "remote", "tracking", "ref", "lost", "snapshot")
_MOST_CANDIDATES: Final = 50
_TRIES: Final = 20


@dataclass(slots=True)
class RepairPlan:
    """Holds what a repair would do.

    `head` is what the log's ref holds and `fault` why it cannot be read; `candidates` are commits
    that could be the head, the best first, with the events that each tells; `objects` can be put
    back under their ids, and `events` be appended; `lost` are the ids of events found nowhere.
    """

    head: str | None
    fault: DamagedLogError | None
    candidates: list[tuple[Place, int]] = field(default_factory=list)
    objects: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    events: dict[bytes, Found] = field(default_factory=dict)
    damage: list[Problem] = field(default_factory=list)
    lost: set[bytes] = field(default_factory=set)
    rebuild: Rebuild | None = None
    ask: str | None = None

    @property
    def is_sound(self) -> bool:
        """Return whether there is a head that can be read."""
        return self.head is not None and self.fault is None

    @property
    def base(self) -> str | None:
        """Return the head that is there, else the one that is to be there."""
        return self.head if self.is_sound else self._first_candidate()

    def _first_candidate(self) -> str | None:
        return self.candidates[0][0].commit if self.candidates else None


def plan_repair(
    store: ObjectStore,
    *,
    remote: str | None = None,
    open_git: Callable[[Path, Path], Git] = Git,
    on_progress: Callable[[int], None] | None = None,
) -> RepairPlan:
    """Find what is damaged, and what makes up for it; changes nothing.

    `remote` is asked for all that it has; `on_progress` gets the number of commits read so far.
    Raises what fetching from the remote does.
    """
    with ExitStack() as stack:
        donor = None
        if remote is not None:
            donor = stack.enter_context(borrow_log(store, remote, open_git))
        return _Planner(store, donor, remote or "", on_progress).make()


def apply_repair(store: ObjectStore, plan: RepairPlan) -> str | None:
    """Carry a plan out and return the commit that was appended, if events had to be.

    A broken ref stays as it is. Raises ConflictError when the ref came to be meanwhile,
    ContendedError when others kept moving it, and ReadOnlyError.
    """
    for kind, content in plan.objects.values():
        store.files.put(kind, content)
    if plan.fault is not None:
        return None
    head = plan.head
    if head is None and plan.base is not None:
        head = plan.base
        if not store.advance_ref(names.WAL_REF, None, head, MESSAGE):
            problem = f"{names.WAL_REF} was created meanwhile"
            raise ConflictError(problem, "run git session repair again")
    if plan.rebuild is not None and head is not None:
        return replace_head(store, plan.rebuild, head)
    return _append(store, plan) if plan.events else None


def report_row(store: ObjectStore, plan: RepairPlan, applied: str | None, *, done: bool) -> Row:
    """Make the row of a RepairReport; `done` tells whether the plan was carried out."""
    state = "sound" if plan.is_sound else "missing" if plan.fault is None else "unreadable"
    needs_hand = plan.fault is not None and plan.base is not None
    return {
        "head": plan.head,
        "head_state": "none" if state == "missing" and not plan.base and not plan.events else state,
        "head_command": format_ref_command(store, plan.head, plan.base or "")
        if needs_hand
        else None,
        "candidates": [
            {"commit": place.commit, "source": place.name, "events": count}
            for place, count in plan.candidates
        ],
        "objects": len(plan.objects),
        "events": [plan.events[event_id].row() for event_id in sorted(plan.events)],
        "damage": [finding_row(problem) for problem in plan.damage],
        "lost_events": sorted(event_id.hex() for event_id in plan.lost),
        "rebuild": plan.rebuild and plan.rebuild.row(),
        "ask": plan.ask,
        "is_applied": done,
        "commit": applied,
    }


class _Planner:
    """Looks at what there is, here and at the donor."""

    def __init__(
        self,
        store: ObjectStore,
        donor: ObjectStore | None,
        origin: str,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._store = store
        self._donor = donor
        self._origin = origin
        self._on_progress = on_progress
        self._count = 0
        self._borrowed: dict[str, tuple[int, bytes]] = {}
        self._unreadable: set[str] = set()

    def make(self) -> RepairPlan:
        plan = RepairPlan(*read_head(self._store))
        head = plan.head
        if plan.fault and head and not self._store.files.read(head) and self._read(head):
            plan.fault = None  # the donor has that commit, and it will be put back
        places = self._find_places()
        if not plan.is_sound:
            plan.candidates = self._weigh([*places, *find_lost_commits(self._store)])
        survey = self._survey(plan.base)
        plan.objects = dict(self._borrowed)
        certain, possible = self._gather(plan, survey, places)
        self._rebuild_chunks(plan, survey, [*certain, *possible])
        plan.events = choose_events(survey, certain, possible)
        plan.lost = survey.list_lost(plan.events)
        made_up_for = {event_id.hex() for event_id in (*survey.here, *plan.events)}
        plan.damage = [found for found in survey.damage if found.event_id not in made_up_for]
        self._plan_rebuild(plan, survey, places)
        return plan

    def _rebuild_chunks(self, plan: RepairPlan, survey: Survey, found: Sequence[Found]) -> None:
        """Rebuild chunks from the events that they held, which proves that no other was in them.

        What is not there at all is put back so; what was changed has all of its events elsewhere.
        """
        if not survey.lost_chunks:
            return
        events = {f.event.event_id: f.event for f in found} | survey.here
        rebuilt = rebuild_chunks(survey.lost_chunks, events.values())
        for name, chunk in rebuilt.items():
            if survey.lost_chunks[name]:
                plan.objects[name] = BLOB, chunk
                survey.add(decode_chunk(chunk)[0])
        survey.damage = [p for p in survey.damage if names.named_hash(p.path) not in rebuilt]

    def _read(self, oid: str) -> tuple[int, bytes] | None:
        """Read an object here, else at the donor, and remember what only that one has."""
        found = self._store.files.read(oid)
        if found is None and self._donor is not None:
            with suppress(TooLargeError):  # it stays as good as lost
                if found := self._donor.files.read(oid):
                    self._borrowed[oid] = found
        if found is None:
            self._unreadable.add(oid)
        return found

    def _read_line(
        self, head: str, on_fault: OnFault = ignore_fault, known: Container[str] = ()
    ) -> Iterator[LogCommit]:
        for commit in read_line(self._read, head, on_fault, known):
            self._count += 1
            if self._on_progress is not None:
                self._on_progress(self._count)
            yield commit

    def _find_places(self) -> list[Place]:
        donated = find_refs(self._donor, self._origin) if self._donor is not None else ()
        noted = (*find_reflog(self._store), *find_old_heads(self._store))
        return [*donated, *noted, *find_refs(self._store)]

    def _weigh(self, places: Sequence[Place]) -> list[tuple[Place, int]]:
        """Count what each place's line tells, and sorts the places by it, the best first."""
        best: dict[str, Place] = {}
        for place in sorted(places, key=lambda place: _RANKS.index(place.kind)):
            if place.kind != "snapshot":
                best.setdefault(place.commit, place)
        weighed = []
        for place in list(best.values())[:_MOST_CANDIDATES]:
            line = list(self._read_line(place.commit))
            events = {found.event.event_id for found in sound_events(line, "")}
            if events and line[0].meta is not None:  # else it is a snapshot
                weighed.append((place, len(events)))
        return sorted(weighed, key=lambda x: (-x[1], _RANKS.index(x[0].kind), x[0].commit))

    def _survey(self, head: str | None) -> Survey:
        """Take in the line, and read what lies beside it, so that it can be put back too."""
        survey = Survey()
        self._borrowed.clear()
        waiting = [head] if head is not None else []
        is_line = True
        while waiting:
            note = survey.note_fault if is_line else survey.note_fault_beside
            for commit in self._read_line(waiting.pop(), note, survey.parents_of):
                waiting.extend(commit.parents[1:])
                if is_line:
                    survey.take(commit)
                else:
                    survey.take_beside(commit)
            is_line = False
        return survey

    def _plan_rebuild(self, plan: RepairPlan, survey: Survey, places: Sequence[Place]) -> None:
        """Plan a new head where git cannot go through the log from the one that is there."""
        broken = survey.list_broken()
        if plan.base not in broken or plan.fault is not None:
            return
        holding = [place for place in places if self._leads_to(place, broken, survey)]
        plan.ask = find_helper(self._store, holding) if self._donor is None else None
        if plan.ask is not None:
            return
        survey.told.events |= {found.event.raw for found in plan.events.values()}
        lost = partial(find_lost_commits, self._store)
        base, source = choose_base(survey, places, lost, self._survey)
        self._survey(base.oid or None)
        plan.objects |= self._borrowed
        held_by = tuple(place.name for place in holding if place.kind == "ref")
        unread = frozenset(self._unreadable)
        plan.rebuild = Rebuild(base, survey.told, source, held_by, unread)
        for event_id in [*plan.events]:
            if plan.events[event_id].event.raw in base.events:
                del plan.events[event_id]

    def _leads_to(self, place: Place, broken: set[str], survey: Survey) -> bool:
        """Tell whether a place leads to one of the broken commits that a survey came to."""
        beyond = self._read_line(place.commit, known=survey.parents_of)
        return not broken.isdisjoint((place.commit, *(p for c in beyond for p in c.parents)))

    def _gather(
        self, plan: RepairPlan, survey: Survey, places: Sequence[Place]
    ) -> tuple[list[Found], list[Found]]:
        """Gather the events of all places: those that belong here, and those that may.

        What a remote has beyond this log is for a sync to bring, unless this log has holes.
        """
        certain, possible = list(survey.beside), list[Found]()
        is_whole = plan.is_sound and not survey.has_holes
        for place in places:
            commits = self._read_line(place.commit, known=survey.parents_of)
            is_for_sync = is_whole and place.is_theirs
            (possible if is_for_sync else certain).extend(sound_events(commits, place.name))
        known = {f.event.event_id for f in [*certain, *possible]}
        if survey.has_holes or survey.wanted - known:
            for place in find_lost_commits(self._store):
                commits = self._read_line(place.commit, known=survey.parents_of)
                possible.extend(sound_events(commits, place.name))
        return certain, possible


def _append(store: ObjectStore, plan: RepairPlan) -> str:
    """Append the events that were found in one commit, on whatever the head is by then."""
    events = sort_events(found.event for found in plan.events.values())
    actor = events[0].actor.hex()
    told = Head("", int(time.time()), actor, {event.raw for event in events})
    for _ in range(_TRIES):
        head = store.read_ref(names.WAL_REF)
        commit = write_addition(store, Head(head or "", actor_id=actor), told)
        if store.advance_ref(names.WAL_REF, head, commit, MESSAGE):
            return commit
    raise ContendedError(f"other programs kept moving {names.WAL_REF}", "try again")
