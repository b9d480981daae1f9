"""Write a snapshot that `grite rebuild --from-snapshot` takes: how plain grite sees what arrived.

Source: the grite store format, section "Snapshots". grite's rebuild sorts the events of an issue
and fails where the first is not its creation, or another one is, and on an unknown kind: so those
events stay out and are said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from git_session.core.fold.replay import Replay
from git_session.core.fold.rows import Row
from git_session.core.wire import names
from git_session.core.wire.chunk import encode_chunk, hash_chunk
from git_session.core.wire.event import ISSUE_CREATED, Event
from git_session.core.wire.git_object import LARGEST, LARGEST_OTHER
from git_session.errors import ConflictError, NotFoundError
from git_session.git.repository.objects import ObjectStore
from git_session.log.absence import explain_absence
from git_session.log.session_log import SessionLog

CHUNK_EVENTS: Final = 1000
_CHUNK_SIZE: Final = LARGEST - (1 << 10)
"""Bytes of events in one chunk, which is a little larger."""


def write_snapshot_row(log: SessionLog, *, is_forced: bool = False) -> Row:
    """Write a snapshot of the whole log and return the row of a SnapshotReport.

    Nothing is written where the newest one, which grite would take, holds just that, unless
    `is_forced`: each goes to all remotes, and none of them is ever removed by us. Raises
    NotFoundError when there is no log, or nothing in it for grite.
    """
    head, replay = log.reader.read()
    if head is None:
        raise explain_absence(log.store)
    events = _choose_events(replay)
    if not events:
        raise NotFoundError(
            "the log has nothing for grite to rebuild from", "git session fsck shows why"
        )
    parts, chunks = _format_chunks(events)
    report = {
        "events": len(events),
        "left_out": replay.event_count + _count_unread(replay) - len(events),
        "chunks": len(chunks),
    }
    held = None if is_forced else _find_held(log.store, head, parts)
    if held is not None:
        return {"ref": held[0], "commit": held[1], **report, "is_new": False}
    created = 0
    while True:
        # What is in the way of a name may be no ref that is listed; the next name is free of it.
        created = _choose_name(log, above=created)
        description = {
            "schema_version": 1,
            "created_ts": created,
            "wal_head": head,
            "event_count": len(events),
            "chunks": chunks,
        }
        files = {**parts, "snapshot.json": json.dumps(description, indent=2).encode()}
        message = names.snapshot_message(len(events), created)
        commit = log.store.write_commit(
            files=files, parents=[], message=message, time=None, committer=log.store.committer
        )
        if log.store.advance_ref(names.snapshot_ref(created), None, commit, message):
            return {
                "ref": names.snapshot_ref(created),
                "commit": commit,
                **report,
                "is_new": True,
            }


def count_for_grite(replay: Replay) -> int:
    """Count the events that grite has once it has rebuilt its cache from a snapshot."""
    return len(_choose_events(replay))


def _find_held(store: ObjectStore, head: str, parts: Mapping[str, bytes]) -> tuple[str, str] | None:
    """Find the newest snapshot, ref and commit, if it is one of this head with just these parts.

    What it holds is looked at itself: anybody who can sync can have written it.
    """
    found = store.list_refs(names.SNAPSHOT_PREFIX)
    newest = max(filter(names.is_snapshot_ref, found), key=_read_time, default=None)
    if newest is None:
        return None
    commit = found[newest]
    try:
        description = store.read_file_at(commit, "snapshot.json") or b""
        told = json.loads(description if len(description) <= LARGEST_OTHER else b"")
        named = [(part["path"], part["chunk_hash"]) for part in told["chunks"]]
        is_of_head = told["wal_head"] == head
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    wanted = [(path, hash_chunk(data)) for path, data in parts.items()]
    is_same = is_of_head and named == wanted
    is_held = is_same and all(store.read_file_at(commit, path) == parts[path] for path in parts)
    return (newest, commit) if is_held else None


def _read_time(ref: str) -> int:
    return int(ref.rpartition("/")[2])


def _choose_name(log: SessionLog, *, above: int) -> int:
    """Choose the time to name a snapshot by: grite takes the newest name, whatever is in it.

    It is `above` the last one that was tried. Raises ConflictError when a name is taken that
    nothing can come after.
    """
    found = log.store.list_refs(names.SNAPSHOT_PREFIX)
    taken = {int(name): ref for ref in found if (name := ref.rpartition("/")[2]).isdecimal()}
    newest = max(taken, default=0)
    chosen = max(log.clock(), newest + 1, above + 1)
    if not names.is_snapshot_ref(names.snapshot_ref(chosen)):
        raise ConflictError(
            f"{taken[newest]} has the latest possible date, so no snapshot can follow it",
            f"git update-ref -d {taken[newest]} removes it, here and where it came from",
        )
    return chosen


def _choose_events(replay: Replay) -> list[Event]:
    """Choose what grite can rebuild from, each issue's creation before its other events."""
    creations: list[Event] = []
    others: list[Event] = replay.context_events()
    for issue_id in replay.issue_ids():
        events = replay.events_of(issue_id)
        created = [event for event in events if event.kind == ISSUE_CREATED]
        if not created:
            continue
        first = min(created, key=lambda event: event.order)
        creations.append(first)
        others += [
            event for event in events if event.kind != ISSUE_CREATED and event.order > first.order
        ]
    return [event for part in (creations, others) for event in sorted(part, key=lambda e: e.order)]


def _count_unread(replay: Replay) -> int:
    """Count the events that reading the log has set aside."""
    named = {problem.event_id for problem in replay.problems if problem.event_id}
    return sum(replay.find_event(bytes.fromhex(event_id)) is None for event_id in named)


def _format_chunks(events: list[Event]) -> tuple[dict[str, bytes], list[Row]]:
    files: dict[str, bytes] = {}
    chunks: list[Row] = []
    for part in _divide(events):
        path = f"{names.EVENTS_DIR}/{len(chunks):04d}.bin"
        data = encode_chunk(event.raw for event in part)
        files[path] = data
        chunks.append({"path": path, "chunk_hash": hash_chunk(data), "event_count": len(part)})
    return files, chunks


def _divide(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Divide events into the parts that each chunk holds, by number and by size."""
    part: list[Event] = []
    size = 0
    for event in events:
        size += len(event.raw)
        if part and (len(part) == CHUNK_EVENTS or size > _CHUNK_SIZE):
            yield part
            part, size = [], len(event.raw)
        part.append(event)
    if part:
        yield part
