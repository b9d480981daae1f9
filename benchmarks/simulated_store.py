"""A store and a hub in memory, with git's own ids: for fleet.py.

The commits are real: their bytes are made by the modules that make them on disk, and merges by
`compare_heads`, `write_merge` and the planner in core/fold/merge.py. Only disk and network are
missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from git_session.core.wire import git_object, names
from git_session.core.wire.block import SessionState, format_block
from git_session.core.wire.chunk import encode_chunk, hash_chunk, split_chunk
from git_session.core.wire.commit import LogCommit, Meta, format_meta
from git_session.core.wire.event import COMMENT_ADDED, build_event
from git_session.git.repository.commits import write_tree
from git_session.git.repository.objects import ObjectStore
from git_session.log.merge import compare_heads, write_merge

EPOCH_S: Final = 1_795_000_000
"""When the played time begins, in s since the Unix epoch."""

_KINDS: Final = {git_object.BLOB: b"blob", git_object.COMMIT: b"commit", git_object.TREE: b"tree"}


class MemoryStore:
    """Stands in for ObjectStore: the commits of all clones and of the hub, and no refs.

    tests/support/fleet.py has another one, with refs and damage, whose answers cost too much for a
    hundred thousand commits.
    """

    def __init__(self) -> None:
        self._commits: dict[str, LogCommit] = {}
        self._depths: dict[str, int] = {}

    def read_commits(
        self, head: str, known: Container[str] = frozenset(), **_on_disk_only: Any
    ) -> Iterator[LogCommit]:
        """Reads the log from `head` back along first parents, which `prev_wal` names too."""
        oid: str | None = head
        while oid is not None and oid not in known:
            commit = self._commits[oid]
            yield commit
            oid = commit.parents[0] if commit.parents else None

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Tells whether git's parents lead from one commit to the other, or they are the same."""
        depth = self._depths[ancestor]
        return any(oid == ancestor for oid in self._walk(descendant, depth))

    def write_commit(
        self, *, files: Mapping[str, bytes], parents: Sequence[str], message: str, time: int | None
    ) -> str:
        """Keeps a commit under the id that git would give it."""
        assert time is not None
        tree = write_tree(self._write_object, files)
        raw = git_object.format_commit(tree, parents, time, message)
        oid = self._write_object(git_object.COMMIT, raw)
        chunks: list[tuple[str, bytes | None]] = [
            (path, data) for path, data in files.items() if path != names.META_PATH
        ]
        self._commits[oid] = LogCommit(oid, tuple(parents), time, files[names.META_PATH], chunks)
        self._depths[oid] = 1 + max((self._depths[parent] for parent in parents), default=0)
        return oid

    def record(self, head: str | None, actor: bytes, task: bytes, now_ms: int) -> str:
        """Writes the commit of one transition, a beat, as log/writer.py lays it out."""
        state = SessionState(
            state="running",
            session_id=names.format_session_id(EPOCH_S * 1000, actor.hex()[:4]),
            role="user",
            session_type="crew",
            engine="codex",
            worktree="",
            started_ts=EPOCH_S * 1000,
            last_heartbeat_ts=now_ms,
        )
        event = build_event(task, actor, now_ms, COMMENT_ADDED, [format_block(state)])
        chunk = encode_chunk([event.raw])
        meta = Meta(1, actor.hex(), hash_chunk(chunk), head)
        files = {
            names.META_PATH: format_meta(meta),
            names.chunk_path(now_ms, meta.chunk_hash): chunk,
        }
        parents = [head] if head else []
        message = names.commit_message(1, meta.actor_id)
        return self.write_commit(files=files, parents=parents, message=message, time=now_ms // 1000)

    def read_events(self, head: str) -> list[bytes]:
        """Reads the events that a reader of `head` finds, as often as they stand there."""
        return [raw for commit in self.read_commits(head) for raw in _events_of(commit)]

    def list_merges(self, head: str) -> list[list[bytes]]:
        """Lists the merges that are part of a head's history: the events that each carries."""
        found = (self._commits[oid] for oid in self._walk(head, 0))
        return [_events_of(commit) for commit in found if len(commit.parents) > 1]

    def _walk(self, head: str, depth: int) -> Iterator[str]:
        waiting, seen = [head], {head}
        while waiting:
            oid = waiting.pop()
            if self._depths[oid] < depth:
                continue
            yield oid
            fresh = [parent for parent in self._commits[oid].parents if parent not in seen]
            seen.update(fresh)
            waiting += fresh

    def _write_object(self, kind: int, data: bytes) -> str:
        header = b"%b %d\0" % (_KINDS[kind], len(data))
        return hashlib.sha1(header + data, usedforsecurity=False).hexdigest()


class Hub:
    """Holds the log's ref on the server and what it was at each landing before."""

    def __init__(self, head: str) -> None:
        self.heads = [head]
        self.commits = [1]
        """How many commits each of the heads has behind it, each push with one merge."""

    @property
    def head(self) -> str:
        """Gives what the ref holds now."""
        return self.heads[-1]

    @property
    def landing(self) -> int:
        """Numbers the last landing."""
        return len(self.heads) - 1

    def land(self, head: str, transitions: int) -> int:
        """Moves the ref to a head with so many new transitions; gives the landing's number."""
        self.heads.append(head)
        self.commits.append(self.commits[-1] + transitions + 1)
        return self.landing


def choose_head(store: MemoryStore, local: str, theirs: str) -> str:
    """Find or write the head that holds a clone's log and the hub's, as sync/rounds.py does.

    Of its rules the one about heads that read the same is left out: with one hub no two clones
    ever have the same events in different commits.
    """
    comparison = compare_heads(cast("ObjectStore", store), local, theirs)
    assert not comparison.reads_the_same
    if comparison.relation == "behind":
        return theirs
    if comparison.relation == "diverged":
        return write_merge(cast("ObjectStore", store), comparison)
    return local


def _events_of(commit: LogCommit) -> list[bytes]:
    return [raw for _, data in commit.chunks if data is not None for raw in split_chunk(data)]
