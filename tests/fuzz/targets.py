"""What is fuzzed: each reader of bytes that somebody else may have made, and what must hold.

A target takes any bytes. It may raise nothing, so whatever gets out of it is a finding: an error
of the wrong kind as well as two readers, or a reader and a writer, that do not agree.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import cbor2
import pygit2

from git_session.errors import ConfigError, UsageError, WireError
from git_session.fold.replay import Replay
from git_session.fold.rows import all_session_rows, all_task_rows
from git_session.store import config_file, place, ref_files, signing
from git_session.store.actors import read_actor
from git_session.store.commits import read_log_commit
from git_session.store.config import read_config
from git_session.store.git import _read_commit, _Stream
from git_session.store.git_words import clean_words
from git_session.store.place import UnclearError
from git_session.store.push_report import parse_push_report
from git_session.wire import block, git_object
from git_session.wire import event as kinds
from git_session.wire.cbor import end_of_item
from git_session.wire.chunk import decode_chunk, encode_chunk, split_chunk
from git_session.wire.commit import LogCommit, Meta, format_meta, parse_meta
from git_session.wire.event import (
    Event,
    build_event,
    decode_event,
    decode_sound_event,
    hash_body,
)
from git_session.wire.lock import GLOBAL_RESOURCE, conflicts, parse_lock
from git_session.wire.names import NEWEST_TS

Target = Callable[[bytes], None]

_REF: Final = "refs/grite/wal"
_OIDS: Final = ("1" * 40, "2" * 40)


# -- the log's own formats


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
    chance = _Bytes(data)
    objects: dict[str, tuple[int, bytes]] = {}
    heads = [_add_commit(objects, chance) for _ in range(1 + chance.below(3))]
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
    events = _make_events(data)
    assert _replay(events) == _replay(events[::-1])


# -- git's files, read without libgit2


def fuzz_ref(data: bytes) -> None:
    """A ref that is read from its file is what libgit2 reads there."""
    folder = _folder()
    (folder / _REF).write_bytes(data)
    _require_same_ref(folder)


def fuzz_packed_refs(data: bytes) -> None:
    """A packed ref that is read is what libgit2 reads there."""
    folder = _folder()
    (folder / _REF).unlink(missing_ok=True)
    (folder / "packed-refs").write_bytes(data)
    try:
        _require_same_ref(folder)
        with suppress(UnclearError):
            ref_files.read_ref_files(folder, "refs/grite/")
    finally:
        (folder / "packed-refs").unlink()


def fuzz_git_config(data: bytes) -> None:
    """A setting of git that is read is what libgit2 reads."""
    path = _folder() / "config.fuzzed"
    path.write_bytes(data)
    try:
        settings = place._read_settings(str(path))
    except UnclearError:
        return
    try:
        theirs = pygit2.Config(str(path))
    except pygit2.GitError:
        # What libgit2 refuses is opened by nobody, and where it matters not read by us either.
        return
    for key in ("core.bare", "core.repositoryformatversion"):
        try:
            value = theirs[key]
        except UnicodeError:
            continue
        except (KeyError, ValueError, pygit2.GitError):
            assert key not in settings, settings
            continue
        if b'"' not in settings[key] and b"\\" not in settings[key]:
            assert settings[key] == ("true" if value is None else value).strip().lower().encode(), (
                value
            )


def fuzz_gitlink(data: bytes) -> None:
    """A `.git` that is a file leads somewhere or nowhere, and raises nothing else."""
    folder = _folder()
    (folder / "checkout").mkdir(exist_ok=True)
    (folder / "checkout" / ".git").write_bytes(data)
    place.find_place(folder / "checkout", {})


# -- grite's files


def fuzz_config(data: bytes) -> None:
    """Settings of grite are read or refused, and an edit changes the one value and nothing else."""
    common_dir = _folder()
    path = common_dir / "grite" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    with suppress(ConfigError):
        read_config(common_dir)
    with suppress(ConfigError):
        table = config_file.parse_table(data, path)
        edited = config_file.format_with_text(table, "default_actor", "3" * 32)
        after = config_file.parse_table(edited.encode(), path)
        assert after.values == table.values | {"default_actor": "3" * 32}


def fuzz_actor(data: bytes) -> None:
    """An actor and its key are read or refused."""
    folder = _folder() / "actor"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_bytes(data)
    with suppress(ConfigError):
        actor = read_actor(folder)
        signing.parse_public_key(actor.public_key, actor.key_scheme)
    with suppress(ConfigError, UsageError):
        signing._parse_seed(folder, data)


# -- what git says


def fuzz_push_report(data: bytes) -> None:
    """What git says of a push is read, and its other words can be shown."""
    parse_push_report(data)
    words = clean_words(data)
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in words)


TARGETS: Final[dict[str, Target]] = {
    name.removeprefix("fuzz_"): value
    for name, value in list(globals().items())
    if name.startswith("fuzz_")
}


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


def _require_same_ref(folder: Path) -> None:
    try:
        ours = ref_files.read_ref_file(folder, _REF)
    except UnclearError:
        return
    repository = _repository()
    try:
        theirs = str(repository.lookup_reference(_REF).target)
    except KeyError:
        assert ours is None, ours
        return
    except (ValueError, pygit2.GitError):
        # Nobody may take a damaged file for one that does not hold the ref.
        assert ours is not None
        return
    assert ours == theirs


@cache
def _folder() -> Path:
    """Makes a bare repository to write the bytes into, which goes with the process."""
    path = Path(
        tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    )
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    pygit2.init_repository(str(path), bare=True)
    (path / "refs" / "grite").mkdir()
    return path


@cache
def _repository() -> pygit2.Repository:
    return pygit2.Repository(str(_folder()))


class _Bytes:
    """Hands out decisions, as long as the bytes last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def below(self, limit: int) -> int:
        byte = self._data[self._at] if self else 0
        self._at += 1
        return byte % limit

    def text(self) -> str:
        length = self.below(64)
        piece = self._data[self._at : self._at + length]
        self._at += length
        return piece.decode(errors="replace")


def _add_commit(objects: dict[str, tuple[int, bytes]], chance: _Bytes) -> str:
    """Adds a commit about as grite lays it out, in the order in which git lists its objects."""
    blobs = [chance.text().encode() for _ in range(2)]
    names = [b"events", b"2026", b"11", b"22", b"0" * 64 + b".bin", b"meta.json"]
    if chance.below(2):
        names[chance.below(6)] = chance.text().replace("/", "").replace("\0", "").encode() or b"x"
    modes = [b"40000", b"40000", b"40000", b"40000", b"100644", b"100644"]
    if chance.below(4) == 0:
        modes[chance.below(6)] = (b"100755", b"120000", b"160000", b"100644", b"040000")[
            chance.below(5)
        ]
    layers: list[tuple[int, bytes]] = [(git_object.BLOB, blobs[0])]
    for name, mode in zip(names[4::-1], modes[4::-1], strict=True):
        entry = mode + b" " + name + b"\0" + bytes.fromhex(_oid(*layers[-1]))
        layers.append((git_object.TREE, entry))
    meta = (git_object.BLOB, blobs[1])
    root = layers.pop()[1] + modes[5] + b" " + names[5] + b"\0" + bytes.fromhex(_oid(*meta))
    tree = (git_object.TREE, root)
    parent = f"parent {_OIDS[chance.below(2)]}\n" * chance.below(3)
    who = ("grite <grit@local> 1790000000 +0000", chance.text().replace("\n", ""))[chance.below(2)]
    commit = f"tree {_oid(*tree)}\n{parent}author {who}\ncommitter {who}\n\n{chance.text()}"
    head = (git_object.COMMIT, commit.encode())
    for kind, content in (head, tree, *reversed(layers), meta):
        objects.setdefault(_oid(kind, content), (kind, content))
    return _oid(*head)


def _oid(kind: int, content: bytes) -> str:
    names = {git_object.COMMIT: b"commit", git_object.TREE: b"tree", git_object.BLOB: b"blob"}
    return hashlib.sha1(b"%b %d\0" % (names[kind], len(content)) + content).hexdigest()


def _make_events(data: bytes) -> list[Event]:
    """Makes events out of bytes: few issues, few actors, few moments, so that much collides."""
    chance = _Bytes(data)
    events: list[Event] = []
    for _ in count():
        if not chance or len(events) > 40:
            return events
        kind = 1 + chance.below(15)
        issue, actor = bytes([chance.below(3)]) * 16, bytes([chance.below(3)]) * 16
        parent = events[chance.below(len(events))].event_id if events and chance.below(2) else None
        ts = (0, 1, 2, 1_790_000_000_000, NEWEST_TS)[chance.below(5)]
        with suppress(WireError):
            payload = _make_payload(kind, chance)
            events.append(build_event(issue, actor, ts, kind, payload, parent))
    return events


def _make_payload(kind: int, chance: _Bytes) -> list[Any]:
    if kind == kinds.ISSUE_CREATED:
        return [chance.text(), chance.text(), [chance.text() for _ in range(chance.below(4))]]
    if kind == kinds.COMMENT_ADDED and chance.below(4):
        return [_make_block(chance)]
    if kind in (kinds.LABEL_ADDED, kinds.LABEL_REMOVED):
        prefix = ("", "task:", "status:", "session:", "convoy:", "type:task")[chance.below(6)]
        return [prefix + chance.text()]
    if kind == kinds.STATE_CHANGED:
        return [kinds.ISSUE_STATES[chance.below(2)]]
    if kind in (kinds.ISSUE_UPDATED, kinds.LINK_ADDED, kinds.PROJECT_CONTEXT_UPDATED):
        return [chance.text(), chance.text()]
    if kind in (kinds.DEPENDENCY_ADDED, kinds.DEPENDENCY_REMOVED):
        return [bytes([chance.below(3)]) * 16, kinds.DEPENDENCY_KINDS[chance.below(3)]]
    if kind == kinds.ATTACHMENT_ADDED:
        return [chance.text(), bytes(32), chance.text()]
    if kind == kinds.CONTEXT_UPDATED:
        return [chance.text(), chance.text(), [], chance.text(), bytes(32)]
    return [chance.text()]


def _make_block(chance: _Bytes) -> str:
    states = ("spawned", "ready", "running", "handoff", "exit", "nothing")
    lines = [
        "[session]",
        f'state = "{states[chance.below(6)]}"',
        f'session_id = "s-{chance.below(3)}"',
        f'role = "{("user", "witness", "nobody")[chance.below(3)]}"',
        f'session_type = "{("crew", "polecat")[chance.below(2)]}"',
        f'engine = "{chance.text()}"',
        f'worktree = "{chance.text()}"',
        f"started_ts = {chance.below(4)}",
        f"last_heartbeat_ts = {chance.below(4)}",
        f"exit_code = {chance.below(4) - 1}",
        f'exit_reason = "{("crash", "completed", "null")[chance.below(3)]}"',
        f"{chance.text()} = {chance.text()}",
        "[/session]",
    ]
    return "\n".join(lines)


def _replay(events: list[Event]) -> object:
    replay = Replay()
    chunk = encode_chunk(event.raw for event in events)
    replay.add([LogCommit(_OIDS[0], (), 0, None, [("events/0.bin", chunk)])])
    rows = [*all_session_rows(replay), *all_task_rows(replay)]
    return sorted(rows, key=lambda row: (row["grite_issue_id"], row.get("session_id", "")))
