"""Writes a snapshot that `grite rebuild --from-snapshot` takes: how plain grite sees what arrived.

Source: the grite store format, section "Snapshots". grite's rebuild fails on an unknown kind,
on an issue without its creation and on a second one, so those events stay out and are said.
"""

from __future__ import annotations

import json
from typing import Final

from git_session.errors import NotFoundError
from git_session.fold.rows import Row
from git_session.log import SessionLog
from git_session.wire import names
from git_session.wire.chunk import encode_chunk, hash_chunk
from git_session.wire.event import ISSUE_CREATED, Event

CHUNK_EVENTS: Final = 1000


def write_snapshot_row(log: SessionLog) -> Row:
    """Writes a snapshot of the whole log and gives the row of a SnapshotReport.

    Raises NotFoundError when there is no log.
    """
    head, _ = log.reader.read()
    if head is None:
        raise NotFoundError(
            "there is no log to take a snapshot of", "git session task add TITLE begins one"
        )
    events, left_out = _choose(log)
    parts, chunks = _format_chunks(events)
    while True:
        created = _next_name(log)
        description = {
            "schema_version": 1,
            "created_ts": created,
            "wal_head": head,
            "event_count": len(events),
            "chunks": chunks,
        }
        files = {**parts, "snapshot.json": json.dumps(description, indent=2).encode()}
        message = names.snapshot_message(len(events), created)
        commit = log.store.write_commit(files=files, parents=[], message=message, time=None)
        if log.store.advance_ref(names.snapshot_ref(created), None, commit, message):
            return {
                "ref": names.snapshot_ref(created),
                "commit": commit,
                "events": len(events),
                "left_out": left_out,
                "chunks": len(chunks),
            }


def _next_name(log: SessionLog) -> int:
    """Gives the time to name a snapshot by: grite takes the newest name, whatever is in it."""
    taken = [
        ref for ref in log.store.list_refs(names.SNAPSHOT_PREFIX) if names.is_snapshot_ref(ref)
    ]
    newest = max((int(ref.rpartition("/")[2]) for ref in taken), default=0)
    return max(log.clock(), newest + 1)


def _choose(log: SessionLog) -> tuple[list[Event], int]:
    """Chooses what grite can rebuild from, each issue's creation before its other events."""
    replay = log.replay()
    creations: list[Event] = []
    others: list[Event] = []
    for folded in replay.issues():
        mine = replay.events_of(folded.issue.issue_id)
        if not folded.issue.is_created:
            continue
        first = min((e for e in mine if e.kind == ISSUE_CREATED), key=lambda e: e.order)
        creations.append(first)
        others.extend(event for event in mine if event.kind != ISSUE_CREATED)
    others.extend(replay.context_events())
    chosen = sorted(creations, key=lambda e: e.order) + sorted(others, key=lambda e: e.order)
    unknown = sum(problem.code.startswith("unknown") for problem in replay.problems)
    return chosen, replay.event_count + unknown - len(chosen)


def _format_chunks(events: list[Event]) -> tuple[dict[str, bytes], list[Row]]:
    files: dict[str, bytes] = {}
    chunks: list[Row] = []
    for start in range(0, len(events), CHUNK_EVENTS):
        part = events[start : start + CHUNK_EVENTS]
        path = f"{names.EVENTS_DIR}/{len(chunks):04d}.bin"
        data = encode_chunk(event.raw for event in part)
        files[path] = data
        chunks.append({"path": path, "chunk_hash": hash_chunk(data), "event_count": len(part)})
    return files, chunks
