"""Makes what has a shape out of bytes that have none: a fuzzer gets behind the first check."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import pygit2

from git_session.core.wire import event as kinds
from git_session.core.wire import git_object
from git_session.core.wire.event import Event, build_event
from git_session.core.wire.names import NEWEST_TS
from git_session.errors import WireError

PARENTS: Final = ("1" * 40, "2" * 40)
_MEMORY: Final = Path("/dev/shm")


@cache
def make_folder() -> Path:
    """Makes a bare repository to write the bytes into, which goes with the process."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    pygit2.init_repository(str(path), bare=True)
    (path / "refs" / "grite").mkdir()
    return path


class Bytes:
    """Hands out decisions, as long as the bytes last; after them all are the first choice."""

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


def add_commit(objects: dict[str, tuple[int, bytes]], chance: Bytes) -> str:
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
    parent = f"parent {PARENTS[chance.below(2)]}\n" * chance.below(3)
    who = ("grite <grit@local> 1790000000 +0000", chance.text().replace("\n", ""))[chance.below(2)]
    commit = f"tree {_oid(*tree)}\n{parent}author {who}\ncommitter {who}\n\n{chance.text()}"
    head = (git_object.COMMIT, commit.encode())
    for kind, content in (head, tree, *reversed(layers), meta):
        objects.setdefault(_oid(kind, content), (kind, content))
    return _oid(*head)


def _oid(kind: int, content: bytes) -> str:
    names = {git_object.COMMIT: b"commit", git_object.TREE: b"tree", git_object.BLOB: b"blob"}
    return hashlib.sha1(b"%b %d\0" % (names[kind], len(content)) + content).hexdigest()


def make_events(data: bytes) -> list[Event]:
    """Makes events out of bytes: few issues, few actors, few moments, so that much collides."""
    chance = Bytes(data)
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


def _make_payload(kind: int, chance: Bytes) -> list[Any]:
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


def _make_block(chance: Bytes) -> str:
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
