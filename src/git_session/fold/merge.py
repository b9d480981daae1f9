"""Two heads of the log and the merge of them: a function of the two heads, nothing else.

Any clone that merges the same pair makes the same commit, so the bytes here are fixed by the
design (section "Two clones", step 3). Events are compared as raw bytes and judged by nobody:
a merge carries what it does not understand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from git_session.errors import WireError
from git_session.wire import names
from git_session.wire.block import split_comment
from git_session.wire.chunk import encode_chunk, hash_chunk, split_chunk
from git_session.wire.commit import LogCommit, Meta, format_meta, parse_meta
from git_session.wire.event import COMMENT_ADDED, decode_event, decode_sound_event

_NO_ACTOR = "0" * 32


@dataclass(slots=True)
class Head:
    """Holds everything that reading one head finds; `time` is in seconds since the epoch.

    `newer` maps the path of each chunk that does not decode, but is what its name says, to its
    bytes: a newer format, which a merge carries whole.
    """

    oid: str
    time: int = 0
    actor_id: str = _NO_ACTOR
    events: set[bytes] = field(default_factory=set)
    newer: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MergePlan:
    """Holds the commit to write: files, parents in order, message, time in seconds."""

    files: dict[str, bytes]
    parents: tuple[str, str]
    message: str
    time: int
    carried: int
    """How many events the merge's own chunk holds."""


def gather_head(tip: LogCommit, commits: Iterable[LogCommit]) -> Head:
    """Gathers the events that stand in `commits`, for the head whose own commit is `tip`.

    A chunk that neither decodes nor has the hash it is named for is damage: it stays where
    it is and fsck names it.
    """
    head = Head(tip.oid, tip.time, _actor_of(tip))
    for commit in commits:
        for path, data in commit.chunks:
            if data is None:
                continue
            try:
                head.events.update(split_chunk(data))
            except WireError:
                if path.rpartition("/")[2] == f"{hash_chunk(data)}.bin":
                    head.newer[path] = data
    return head


def holds_the_same(one: Head, other: Head) -> bool:
    """Tells whether two heads read as the same, whatever their ids."""
    return one.events == other.events and one.newer == other.newer


def plan_merge(one: Head, other: Head) -> MergePlan:
    """Plans the merge of two heads; the order in which they are given does not matter."""
    first, second = _order(one, other)
    carried = sorted(second.events - first.events, key=_merge_order)
    chunk = encode_chunk(carried)
    chunk_hash = hash_chunk(chunk)
    first_ts = _merge_order(carried[0])[0] if carried else None
    meta = Meta(1, first.actor_id, chunk_hash, first.oid)
    files = {
        names.META_PATH: format_meta(meta),
        names.chunk_path(first_ts, chunk_hash): chunk,
        **{path: data for path, data in second.newer.items() if path not in first.newer},
    }
    return MergePlan(
        files=files,
        parents=(first.oid, second.oid),
        message=names.commit_message(len(carried), first.actor_id),
        time=max(first.time, second.time),
        carried=len(carried),
    )


def is_transition(raw: bytes) -> bool:
    """Tells whether an event's bytes are a comment with a session block."""
    event = decode_sound_event(raw)
    if event is None or event.kind != COMMENT_ADDED or event.payload is None:
        return False
    return split_comment(event.payload[0]) is not None


def _order(one: Head, other: Head) -> tuple[Head, Head]:
    """Puts the head with more events that the other lacks first; of equals the smaller id."""
    mine, theirs = len(one.events - other.events), len(other.events - one.events)
    if (-mine, one.oid) <= (-theirs, other.oid):
        return one, other
    return other, one


def _merge_order(raw: bytes) -> tuple[int, bytes, bytes, bytes]:
    try:
        event = decode_sound_event(raw) or decode_event(raw)
    except WireError:
        # What is no event sorts before all that are; it is carried all the same.
        return (0, b"", b"", raw)
    return (event.ts, event.actor, event.event_id, raw)


def _actor_of(commit: LogCommit) -> str:
    try:
        actor_id = parse_meta(commit.meta or b"").actor_id
    except WireError:
        return _NO_ACTOR
    return actor_id if names.is_actor_id(actor_id) else _NO_ACTOR
