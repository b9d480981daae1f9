"""Replace the head of a log that git cannot go through any more, for an object in it is lost.

One commit with the sound events of the old head takes its place, on a commit that git can go
through. It is the one move of a ref that is no fast-forward: no ref may keep the old head, as
`git gc` and `git push` fail while one leads to what is lost. Nothing is deleted: a file keeps the
old head's id, and the file of a damaged object is moved aside, as `git gc` fails on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from git_session.core.fold.merge import Head, holds_all_of, plan_addition
from git_session.core.fold.source import Row
from git_session.core.wire import names
from git_session.errors import ConflictError, ContendedError
from git_session.git.repository.objects import ObjectStore
from git_session.health.repair.events import Found, Survey, sound_events
from git_session.health.repair.places import (
    AS_LAST_SEEN,
    Place,
    drop_broken_reflog,
    note_old_head,
    read_line,
)
from git_session.log.absence import find_source

_DAMAGED: Final = "damaged"
_TRIES: Final = 20
MESSAGE: Final = "git session repair"


@dataclass(slots=True)
class Rebuild:
    """Hold a new head for a log: what `told` has and `base` lacks, on top of `base`.

    An empty base stands for no log. `source` says where the base was found, and `holding` lists
    other refs that lead to what is lost. `unreadable` are ids of objects that could not be read.
    """

    base: Head
    told: Head
    source: str
    holding: tuple[str, ...] = ()
    unreadable: frozenset[str] = frozenset()

    @property
    def events(self) -> int:
        """Count the events that the new head adds to its base."""
        return len(self.told.events - self.base.events)

    def row(self) -> Row:
        """Make the row of a RebuiltHead."""
        return {
            "base": self.base.oid or None,
            "source": self.source,
            "events": self.events,
            "held_by": list(self.holding),
        }


def choose_base(
    survey: Survey,
    places: Iterable[Place],
    find_others: Callable[[], Iterable[Place]],
    look: Callable[[str], Survey],
) -> tuple[Head, str]:
    """Choose what a new head is built on, and say where it was found; an empty Head is no log.

    That is the whole log of a remote; without one, the newest commit below the loss; and where the
    way down is lost, the whole log of another place. `look` surveys a log.
    """
    known = list(places)
    found = _choose_whole(survey, (place for place in known if place.is_theirs), look)
    if found is not None:
        return found
    broken = survey.list_broken()
    below = next((oid for oid in survey.parents_of if oid not in broken), None)
    if below is not None:
        return look(below).told, "the newest commit below the loss"
    rest = (place for place in (*known, *find_others()) if not place.is_theirs)
    return _choose_whole(survey, rest, look) or (Head(""), "")


def _choose_whole(
    survey: Survey, places: Iterable[Place], look: Callable[[str], Survey]
) -> tuple[Head, str] | None:
    """Choose the place whose log git can go through and that shares most with a survey's log."""
    weighed = []
    for place in {place.commit: place for place in places if place.kind != "snapshot"}.values():
        found = look(place.commit)
        told = found.told
        if told.events and place.commit not in found.list_broken():
            shared = len(told.events & survey.told.events)
            weighed.append(((-shared, -len(told.events), told.oid), told, place.name))
    if not weighed:
        return None
    return min(weighed, key=lambda choice: choice[0])[1:]


def find_helper(store: ObjectStore, holding: Iterable[Place]) -> str | None:
    """Name a remote that may have what is missing here, without asking it.

    `holding` are the places that lead to what is missing.
    """
    for place in holding:
        if place.kind == "tracking" and place.name.endswith(AS_LAST_SEEN):
            return place.name.removesuffix(AS_LAST_SEEN)
    return find_source(store)


def replace_head(store: ObjectStore, rebuild: Rebuild, head: str) -> str:
    """Replace the log's head by a new one and give that one's id.

    What was appended to `head` meanwhile is taken along. Raises ConflictError when the ref is
    somewhere else, ContendedError when other programs kept moving it, and ReadOnlyError.
    """
    told = rebuild.told
    with store.queue():
        for _ in range(_TRIES):
            current = store.read_ref(names.WAL_REF)
            news = _read_news(store, current, head)
            raws = told.events.union(found.event.raw for found in news)
            grown = Head(head, told.time, told.actor_id, raws, told.newer, told.large)
            commit = write_addition(store, rebuild.base, grown)
            note_old_head(store, current or head, commit)
            if store.advance_ref(names.WAL_REF, current, commit, MESSAGE):
                drop_broken_reflog(store, names.WAL_REF)
                for oid in rebuild.unreadable:
                    store.files.set_aside(oid, store.common_dir / names.SESSION_DIR / _DAMAGED)
                return commit
    raise ContendedError(f"other programs kept moving {names.WAL_REF}", "try again")


def _read_news(store: ObjectStore, current: str | None, head: str) -> list[Found]:
    """Read the events that were appended to `head` since it was read."""
    if current == head:
        return []
    commits = list(read_line(store.files.read, current, known={head})) if current else []
    if not any(head in commit.parents for commit in commits):
        raise ConflictError(
            f"{names.WAL_REF} was moved by another program", "run git session repair again"
        )
    return list(sound_events(commits, ""))


def write_addition(store: ObjectStore, base: Head, told: Head) -> str:
    """Write the commit that adds to `base` what only `told` has, and give its id; no ref moves.

    Without anything to add that is the base itself.
    """
    if base.oid and holds_all_of(base, told):
        return base.oid
    plan = plan_addition(base, told)
    return store.write_commit(
        files=plan.files,
        parents=plan.parents,
        message=plan.message,
        time=plan.time,
        committer=store.committer,
    )
