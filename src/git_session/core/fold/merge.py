"""Two heads of the log and the merge of them: a function of the two heads, nothing else.

Any clone that merges the same pair makes the same commit, so the bytes here are fixed by the
design (section "Two clones", step 3). Events are compared as raw bytes and judged by nobody:
a merge carries what it does not understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from git_session.core.wire import names
from git_session.core.wire.block import split_comment
from git_session.core.wire.chunk import hash_chunk, split_chunk
from git_session.core.wire.commit import File, LogCommit, form_files, parse_meta
from git_session.core.wire.event import COMMENT_ADDED, decode_event, decode_sound_event
from git_session.errors import WireError

_NO_ACTOR: Final = "0" * 32
_CHUNK_PATH: Final = re.compile(r"events/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9a-f]{64}\.bin")


@dataclass(slots=True)
class Head:
    """Holds everything that reading one head finds; `time` is in seconds since the epoch.

    `newer` holds the chunks that do not decode but are what their names say: a newer format, which
    a merge carries whole. It maps the hash of each to the path to carry it under and its bytes.
    `large` maps the ids of blobs that are too large to be read to the path to carry them under.
    """

    oid: str
    time: int = 0
    actor_id: str = _NO_ACTOR
    events: set[bytes] = field(default_factory=set)
    newer: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    large: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> set[str]:
        """Return what names the files that a merge carries whole."""
        return {*self.newer, *self.large}


@dataclass(frozen=True, slots=True)
class MergePlan:
    """Holds the commit to write: files, parents in order, message, time in seconds."""

    files: dict[str, File]
    parents: tuple[str, ...]
    message: str
    time: int
    carried: int
    """How many events the merge's own chunk holds."""


def gather_head(tip: LogCommit, commits: Iterable[LogCommit]) -> Head:
    """Gather the events that stand in `commits`, for the head whose own commit is `tip`.

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
                gather_newer(head, path, data)
        gather_large(head, commit)
    return head


def holds_all_of(one: Head, other: Head) -> bool:
    """Return whether whoever reads `one` misses nothing that reading `other` finds."""
    return other.events <= one.events and other.whole <= one.whole


def holds_the_same(one: Head, other: Head) -> bool:
    """Return whether two heads read as the same, whatever their ids."""
    return one.events == other.events and one.whole == other.whole


def plan_merge(one: Head, other: Head) -> MergePlan:
    """Plan the merge of two heads; the order in which they are given does not matter.

    Raises TooLargeError when the events to carry are more than one chunk holds.
    """
    first, second = _order(one, other)
    return _plan_carrying(first, second, (first.oid, second.oid))


def plan_addition(base: Head, other: Head) -> MergePlan:
    """Plan the commit that adds to `base` what only `other` has, with `base` as its one parent.

    An empty `base.oid` stands for no log. A function of the two heads, as a merge is.
    """
    return _plan_carrying(base, other, (base.oid,) if base.oid else ())


def _plan_carrying(first: Head, second: Head, parents: tuple[str, ...]) -> MergePlan:
    carried = sorted(second.events - first.events, key=_merge_order)
    first_ts = _merge_order(carried[0])[0] if carried else None
    head = parents[0] if parents else None
    files: dict[str, File] = {
        **form_files(carried, actor_id=first.actor_id, first_ts=first_ts, head=head),
        **dict(second.newer[name] for name in second.newer.keys() - first.newer.keys()),
    }
    for oid in sorted(second.large.keys() - first.large.keys()):
        path = second.large[oid]
        # Its name is not proven: it may be that of another file, and then its id makes one.
        files[_choose_path("", oid.rjust(64, "0")) if path in files else path] = oid
    return MergePlan(
        files=files,
        parents=parents,
        message=names.commit_message(len(carried), first.actor_id),
        time=max(first.time, second.time),
        carried=len(carried),
    )


def is_transition(raw: bytes) -> bool:
    """Return whether an event's bytes are a comment with a session block."""
    event = decode_sound_event(raw)
    if event is None or event.kind != COMMENT_ADDED or event.payload is None:
        return False
    return split_comment(event.payload[0]) is not None


def gather_newer(head: Head, path: str, data: bytes) -> None:
    """Add a chunk that does not decode to a head, if it is what its name says."""
    chunk_hash = hash_chunk(data)
    if path.rpartition("/")[2] != f"{chunk_hash}.bin":
        return
    carried = _choose_path(path, chunk_hash)
    known = head.newer.get(chunk_hash)
    if known is None or carried < known[0]:
        head.newer[chunk_hash] = (carried, data)


def gather_large(head: Head, commit: LogCommit) -> None:
    """Take in the files of a commit that are too large to be read."""
    for path, oid in commit.large:
        carried = _choose_path(path, oid.rjust(64, "0"))
        head.large[oid] = min(head.large.get(oid, carried), carried)


def _choose_path(path: str, name: str) -> str:
    """Choose where a merge carries a file: where it is, or by its `name` (64 hex digits)."""
    # Two paths that were made up could not stand in one tree: a file where a folder should be.
    return path if _CHUNK_PATH.fullmatch(path) else names.chunk_path(None, name)


def _order(one: Head, other: Head) -> tuple[Head, Head]:
    """Put the head with more events that the other lacks first; of equals the smaller id."""
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
