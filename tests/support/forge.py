"""Writes logs by hand, wrong in any way that is asked for, from bytes the program never wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from git_session.core.wire.chunk import hash_chunk
from git_session.git.repository.objects import ObjectStore
from git_session.log.actors.actors import create_actor, read_signing_seed
from tests.conftest import git
from tests.support.stores import (
    COMMENT_ADDED,
    EPOCH,
    ISSUE_CREATED,
    WAL,
    Event,
    encode_chunk,
    format_block,
)

ACTOR: Final = b"\xaa" * 16
OTHER: Final = b"\xbb" * 16
ISSUES: Final = [bytes([number]) * 16 for number in range(1, 6)]
NOW: Final = EPOCH + 60_000
"""What the reader's clock says, in ms."""

SESSION: Final = "s-20261122-000"


def created(number: int = 0, ts: int = 0, *labels: str) -> Event:
    """Makes the creation of one of the issues."""
    title = f"Issue {number}"
    return Event(ISSUES[number], ACTOR, EPOCH + ts, ISSUE_CREATED, [title, "", sorted(labels)])


def comment(text: str, ts: int = 10, number: int = 0, parent: Event | None = None) -> Event:
    """Makes a comment on one of the issues."""
    parent_id = parent.id() if parent else None
    return Event(ISSUES[number], ACTOR, EPOCH + ts, COMMENT_ADDED, [text], parent_id)


def block(state: str, ts: int = 10, number: int = 0, parent: Event | None = None) -> Event:
    """Makes a session's comment on one of the issues; the session's id ends in that number."""
    return comment(format_block(state, f"{SESSION}{number}"), ts, number, parent)


class Forge:
    """Writes log commits by hand, wrong in any way that is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = ObjectStore.open(path)
        self.head: str | None = None

    def commit(
        self,
        *events: Event | bytes,
        chunk: bytes | None = None,
        parents: Sequence[str] | None = None,
        name: str | None = None,
        has_chunk: bool = True,
        meta: bytes | None = None,
        **fields: Any,
    ) -> str:
        """Writes a commit on top of the head, or of `parents`, and moves the ref to it.

        `fields` change meta.json, and `meta` is all of it: nothing, where it is empty.
        """
        raws = [event if isinstance(event, bytes) else event.encode() for event in events]
        chunk = encode_chunk(raws) if chunk is None else chunk
        parents = ([self.head] if self.head else []) if parents is None else parents
        digest = hash_chunk(chunk)
        says = {"schema_version": 1, "actor_id": ACTOR.hex(), "chunk_hash": digest}
        says |= {"prev_wal": parents[0] if parents else None, **fields}
        files = {f"events/2026/11/22/{name or digest}.bin": chunk} if has_chunk else {}
        if meta != b"":
            files["meta.json"] = meta or json.dumps(says, indent=2).encode()
        message = f"WAL: {len(events)} events from {ACTOR.hex()[:8]}"
        self.head = self.store.write_commit(
            files=files, parents=parents, message=message, time=EPOCH // 1000
        )
        git(self.path, "update-ref", WAL, self.head)
        return self.head

    def lose(self, revision: str) -> str:
        """Deletes the loose object that a revision names, as damage or a shallow clone does."""
        oid = git(self.path, "rev-parse", revision)
        (self.path / "objects" / oid[:2] / oid[2:]).unlink()
        forget_kept(self.path)
        return oid


def forget_kept(git_dir: Path) -> None:
    """Delete the second copies of recent objects, as an hour of other work does."""
    shutil.rmtree(git_dir / "git-session" / "kept", ignore_errors=True)


def make_signer(forge: Forge) -> bytes:
    """Gives ACTOR a key that the repository knows, and its seed."""
    actor = create_actor(forge.path, now=0, actor_id=ACTOR.hex(), make_default=False, with_key=True)
    seed = read_signing_seed(actor, forge.path)
    assert seed is not None
    return seed
