"""Targets: what a log is made of, up to what its events mean."""

from __future__ import annotations

from contextlib import suppress

import cbor2

from git_session.core.fold.replay import Replay
from git_session.core.fold.rows import all_session_rows, all_task_rows
from git_session.core.wire import block, git_object
from git_session.core.wire.cbor import end_of_item
from git_session.core.wire.chunk import decode_chunk, encode_chunk, split_chunk
from git_session.core.wire.commit import LogCommit, Meta, format_meta, parse_meta
from git_session.core.wire.event import (
    Event,
    build_event,
    decode_event,
    decode_sound_event,
    hash_body,
)
from git_session.core.wire.lock import GLOBAL_RESOURCE, conflicts, parse_lock
from git_session.errors import WireError
from git_session.git.program import _read_commit, _Stream
from git_session.git.repository.commits import read_log_commit
from tests.guarantees.fuzz.made import PARENTS, Bytes, add_commit, make_events


def fuzz_chunk(data: bytes) -> None:
    """A chunk is read or refused; what is read was there, and can be written again."""
    try:
        slices = split_chunk(data)
    except WireError:
        assert not _is_chunk(data)
        return
    assert split_chunk(encode_chunk(slices)) == slices
    events, faults = decode_chunk(data)
    assert len(events) + len(faults) == len(slices)
    assert {event.raw for event in events} <= set(slices)


def fuzz_event(data: bytes) -> None:
    """The quick reader takes nothing that the thorough one does not, and reads it the same."""
    for raw in (data, *_with_true_id(data)):
        quick = decode_sound_event(raw)
        try:
            slow = decode_event(raw)
        except WireError:
            assert quick is None, quick
            continue
        if quick is not None:
            assert quick == slow
        if not slow.fault:
            assert slow.payload is not None
            _require_rebuilt(slow)


def fuzz_cbor(data: bytes) -> None:
    """An item ends where cbor2, which reads it, says that it ends."""
    try:
        end = end_of_item(data, 0)
    except WireError:
        return
    assert 0 < end <= len(data)
    assert end_of_item(data[:end] + b"\xff\xff", 0) == end
    with suppress(cbor2.CBORDecodeError, ValueError, MemoryError):
        cbor2.loads(data[:end], max_depth=256)


def fuzz_block(data: bytes) -> None:
    """A block reads the same by both readers, and what was read can be written and read again."""
    text = data.decode(errors="replace")
    quick = block._read_laid_out(text, {})
    try:
        state = block._read_lines(text)
    except WireError:
        assert quick is None, quick
        return
    assert quick in (None, state)
    assert block.parse_block(text) == state
    assert block.parse_block(block.format_block(state)) == state


def fuzz_meta(data: bytes) -> None:
    """`meta.json` is read or refused; what was read can be written and read again."""
    with suppress(WireError):
        meta = parse_meta(data)
        _hash_all(meta)
        with suppress(UnicodeEncodeError):
            assert parse_meta(format_meta(meta)) == meta


def fuzz_lock(data: bytes) -> None:
    """`lock.json` is read or refused, and can be asked for conflicts."""
    with suppress(WireError):
        lock = parse_lock(data)
        for resource in (GLOBAL_RESOURCE, "path:src", "issue:" + "0" * 32, lock.resource):
            conflicts(lock, resource, actor_id="1" * 32, now=0)


def fuzz_commit(data: bytes) -> None:
    """A commit and a tree of git are read or refused."""
    head = git_object.parse_commit_head(data)
    if head is not None:
        assert len(head.tree) == 40
        assert head.time >= 0
    entries = git_object.parse_tree(data)
    for entry in entries or ():
        assert entry.name
        assert "\0" not in entry.name
        assert "/" not in entry.name


def fuzz_stream(data: bytes) -> None:
    """A commit that is read out of git's stream is what is read out of its objects by themselves.

    What git prints before each object is true; the objects hold anything.
    """
    chance = Bytes(data)
    objects: dict[str, tuple[int, bytes]] = {}
    heads = [add_commit(objects, chance) for _ in range(1 + chance.below(3))]
    names = {git_object.COMMIT: "commit", git_object.TREE: "tree", git_object.BLOB: "blob"}
    stream = _Stream.__new__(_Stream)
    stream.data = b"".join(
        f"{oid} {names[kind]} {len(content)}\n".encode() + content + b"\n"
        for oid, (kind, content) in objects.items()
    )
    stream.at, stream._fd, stream._is_open = 0, -1, False
    stream._pauses, stream._pause = iter(()), 0.0
    found = []
    while (commit := _read_commit(stream)) is not None:
        found.append(commit if isinstance(commit, str) else commit.oid)
        if not isinstance(commit, str):
            assert read_log_commit(objects.get, commit.oid, _refuse_fault) == commit
    assert found == list(dict.fromkeys(heads))


def fuzz_log(data: bytes) -> None:
    """Events fold to the same in whatever order they come, and no text in them is in the way."""
    events = make_events(data)
    assert _replay(events) == _replay(events[::-1])


def _refuse_fault(_commit: str, path: str, what: str) -> None:
    raise AssertionError(f"{path}: {what}")


def _is_chunk(data: bytes) -> bool:
    try:
        decode_chunk(data)
    except WireError:
        return False
    return True


def _with_true_id(raw: bytes) -> list[bytes]:
    """Gives an event's bytes with an id that is right, which chance would never find."""
    if len(raw) < 102 or raw[:3] != b"\x88\x58\x20":
        return []
    ends = (len(raw) - 1, len(raw) - 66)
    return [raw[:3] + hash_body(raw[35:end]) + raw[35:] for end in ends]


def _require_rebuilt(event: Event) -> None:
    assert event.payload is not None
    with suppress(WireError):
        again = build_event(
            event.issue_id, event.actor, event.ts, event.kind, event.payload, event.parent
        )
        decoded = decode_event(again.raw)
        assert decoded.payload == event.payload
        assert not decoded.fault


def _hash_all(meta: Meta) -> None:
    assert hash(meta) == hash(meta)


def _replay(events: list[Event]) -> object:
    replay = Replay()
    chunk = encode_chunk(event.raw for event in events)
    replay.add([LogCommit(PARENTS[0], (), 0, None, [("events/0.bin", chunk)])])
    rows = [*all_session_rows(replay), *all_task_rows(replay)]
    return sorted(rows, key=lambda row: (row["grite_issue_id"], row.get("session_id", "")))
