"""Makes clones that share a log: in real repositories, and in memory.

Those in memory are for what needs thousands of syncs. They hold git's own objects, written and
read by the code under test; what is simple there is the network.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from git_session.core.fold.merge import MergePlan
from git_session.core.wire import git_object, names
from git_session.core.wire.chunk import encode_chunk, hash_chunk, split_chunk
from git_session.core.wire.commit import File, LogCommit, Meta, format_meta
from git_session.core.wire.event import Event
from git_session.errors import DamagedLogError, GitSessionError, WireError
from git_session.git.push_report import PushOutcome, PushState
from git_session.git.remote import Git
from git_session.git.repository import commits
from git_session.git.repository.commits import OnFault, ignore_fault
from git_session.git.repository.objects import ObjectStore
from git_session.git.repository.walk import Walk
from git_session.log.session_log import SessionLog
from git_session.sync.remotes import Remote
from git_session.sync.rounds import Sync, sync_log
from tests.conftest import git, run

WAL: Final = names.WAL_REF
ACTOR: Final = "ab" * 16

_KINDS: Final = {git_object.COMMIT: b"commit", git_object.TREE: b"tree", git_object.BLOB: b"blob"}

Synced = tuple[dict[str, Any], GitSessionError | None]


class MeddledGit(Git):
    """Is the real Git, that lets somebody else go first: before each push, or each look-up."""

    before_push: Callable[[], object] = staticmethod(lambda: None)
    before_look_up: Callable[[], object] = staticmethod(lambda: None)

    def push(self, remote: str, commits: Mapping[str, str]) -> dict[str, PushOutcome]:
        self.before_push()
        return super().push(remote, commits)

    def _look_up(self, *arguments: Any) -> dict[str, PushOutcome]:
        self.before_look_up()
        return super()._look_up(*arguments)


@dataclass
class Clone:
    """Holds a real repository with remotes, and every head that its log ever had."""

    path: Path
    heads: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, path: Path, **remotes: Path | str) -> Clone:
        """Makes a repository with these remotes."""
        git(path.parent, "init", "--quiet", "--initial-branch=main", str(path))
        for name, address in remotes.items():
            git(path, "remote", "add", name, str(address))
        return cls(path)

    @property
    def log(self) -> SessionLog:
        """Opens the log anew, as another process would."""
        return SessionLog.open(self.path)

    @property
    def git(self) -> MeddledGit:
        """Gives a git of its own, to be meddled with."""
        store = self.log.store
        return MeddledGit(store.git_dir, store.worktree)

    @property
    def head(self) -> str | None:
        """Gives the head of the log."""
        return read_head(self.path)

    @property
    def events(self) -> frozenset[bytes]:
        """Gives all events that the log tells; what is no chunk tells none."""
        found: set[bytes] = set()
        for commit in self.log.store.read_commits(self.head or ""):
            for _, data in commit.chunks:
                with suppress(WireError):
                    found.update(split_chunk(data or b""))
        return frozenset(found)

    def task(self, title: str = "Fix the flaky test") -> str:
        """Records a task and gives its id."""
        task: str = self.log.add_task_row(title)["task"]["task_id"]
        self._note_head()
        return task

    def start(self, task: str, **details: Any) -> str:
        """Records a session and gives its id."""
        session: str = self.log.start_row(task, **details)["session"]["session_id"]
        self._note_head()
        return session

    def beat(self, session: str) -> None:
        """Records a heartbeat: one comment, one commit."""
        self.log.advance_row(session, self.log.session_row(session)["state"])
        self._note_head()

    def sync(self, *remotes: str, **options: Any) -> Synced:
        """Syncs; gives the report's row and the error, if any."""
        try:
            return sync_log(self.log, remotes, **options)
        finally:
            self._note_head()

    def sync_well(self, *remotes: str, **options: Any) -> dict[str, Any]:
        """Syncs with one remote without an error, and gives the remote's report."""
        row, error = self.sync(*remotes, **options)
        assert error is None, error
        (report,) = row["remotes"]
        return dict(report)

    def _note_head(self) -> None:
        head = self.head
        if head is not None and head not in self.heads[-1:]:
            self.heads.append(head)


def make_diverged(folder: Path, origin: Path | str) -> tuple[Clone, Clone]:
    """Makes two clones that each have a session of their own; that of the first is at `origin`."""
    one, other = (Clone.make(folder / name, origin=origin) for name in ("one", "other"))
    task = one.task()
    one.sync_well()
    other.sync_well()
    one.start(task, engine="codex")
    other.start(task, engine="claude")
    one.sync_well()
    return one, other


def read_head(path: Path, ref: str = WAL) -> str | None:
    """Reads a ref by git; None without it."""
    ran = run(path, "git", "rev-parse", "--verify", "--quiet", ref)
    return ran.stdout.strip() or None


def set_head(path: Path, oid: str, ref: str = WAL) -> None:
    """Sets a ref by git, whatever it was."""
    git(path, "update-ref", ref, oid)


def is_ancestor(path: Path, ancestor: str, descendant: str) -> bool:
    """Asks git whether parents lead from one commit to another."""
    return run(path, "git", "merge-base", "--is-ancestor", ancestor, descendant).code == 0


def read_blob(path: Path, name: str) -> bytes:
    """Reads a file of a commit by git, byte for byte."""
    command = ["git", "-C", str(path), "cat-file", "blob", name]
    return subprocess.run(command, capture_output=True, check=True).stdout


def write_blob(path: Path, data: bytes) -> str:
    """Writes any bytes as a blob and gives its id."""
    command = ["git", "-C", str(path), "hash-object", "-w", "--stdin"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()[:-1]


def write_commit(path: Path, files: Mapping[str, bytes], *parents: str) -> str:
    """Writes a commit of any files by git and gives its id."""
    index = {"GIT_INDEX_FILE": str(path / f"index-{len(files)}-{len(parents)}")}
    for name, data in files.items():
        entry = f"100644,{write_blob(path, data)},{name}"
        run(path, "git", "update-index", "--add", "--cacheinfo", entry, env=index)
    tree = run(path, "git", "write-tree", env=index).stdout.strip()
    Path(index["GIT_INDEX_FILE"]).unlink()
    return git(path, "commit-tree", tree, "-m", "x", *(w for p in parents for w in ("-p", p)))


class Objects:
    """Holds git objects in memory, for any number of repositories."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[int, bytes]] = {}
        self._commits: dict[str, LogCommit] = {}
        self._above: dict[str, frozenset[str]] = {}
        self.reads = 0

    def read(self, oid: str) -> tuple[int, bytes] | None:
        """Reads an object: its kind and its bytes."""
        return self._objects.get(oid)

    def write(self, kind: int, data: bytes) -> str:
        """Writes an object and gives its id."""
        head = _KINDS[kind] + b" %d\0" % len(data)
        oid = hashlib.sha1(head + data).hexdigest()
        self._objects[oid] = (kind, data)
        return oid

    def remove(self, oid: str) -> None:
        """Loses an object, as a damaged disk does."""
        del self._objects[oid]
        self._commits.clear()

    def write_commit(
        self, files: Mapping[str, File], parents: Sequence[str], message: str, time: int
    ) -> str:
        """Writes a commit of `files` and gives its id."""
        tree = commits.write_tree(self.write, files)
        raw = git_object.format_commit(tree, parents, time, message)
        return self.write(git_object.COMMIT, raw)

    def append(self, head: str | None, events: Sequence[Event | bytes], time: int = 0) -> str:
        """Appends a commit as grite does and gives its id; `time` in s since the epoch."""
        chunk = encode_chunk(e if isinstance(e, bytes) else e.raw for e in events)
        return self.append_chunk(head, chunk, time)

    def append_chunk(
        self, head: str | None, chunk: bytes, time: int = 0, path: str | None = None
    ) -> str:
        """Appends a commit that holds any bytes for a chunk."""
        name = hash_chunk(chunk)
        files = {
            names.META_PATH: format_meta(Meta(1, ACTOR, name, head)),
            path or names.chunk_path(None, name): chunk,
        }
        return self.write_commit(files, [head] if head else [], "WAL", time)

    def write_plan(self, plan: MergePlan) -> str:
        """Writes the merge that was planned."""
        return self.write_commit(plan.files, plan.parents, plan.message, plan.time)

    def read_commit(self, oid: str, on_fault: OnFault = ignore_fault) -> LogCommit | None:
        """Reads one commit of a log."""
        self.reads += 1
        found = self._commits.get(oid)
        if found is None:
            found = commits.read_log_commit(self.read, oid, on_fault)
            if found is not None:
                self._commits[oid] = found
        return found

    def ancestors(self, oid: str) -> frozenset[str]:
        """Gives a commit and all that git's parents lead to."""
        waiting = [oid]
        while waiting:
            commit = self.read_commit(waiting[-1])
            parents = commit.parents if commit else ()
            missing = [parent for parent in parents if parent not in self._above]
            if missing:
                waiting += missing
                continue
            done = waiting.pop()
            above = frozenset[str]().union(*(self._above[parent] for parent in parents))
            self._above[done] = above | {done}
        return self._above[oid]

    def events(self, head: str) -> set[bytes]:
        """Reads all events of a head along first parents, in a way of its own."""
        found: set[bytes] = set()
        at: str | None = head
        while at is not None:
            commit = self.read_commit(at)
            assert commit is not None
            for _, data in commit.chunks:
                assert data is not None
                found.update(split_chunk(data))
            at = commit.parents[0] if commit.parents else None
        return found


def _stream_nothing(_start: str) -> Generator[LogCommit | str]:
    yield from ()


class MemoryStore:
    """Stands in for ObjectStore: the same objects, refs in a dict."""

    common_dir = Path("no-such-folder")

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.common_dir = Path(os.devnull)  # what is kept in files is lost
        self.refs: dict[str, str] = {}
        self.heads: list[str] = []

    def put_back(self) -> None:
        """Do nothing: nobody prunes here."""

    def look_again(self) -> bool:
        """Find nothing that was not there before."""
        return False

    def clear_dead_locks(self) -> None:
        pass

    def read_ref(self, name: str) -> str | None:
        return self.refs.get(name)

    def list_refs(self, prefix: str) -> dict[str, str]:
        return {name: oid for name, oid in self.refs.items() if name.startswith(prefix)}

    def advance_ref(self, name: str, expected: str | None, new: str, _message: str) -> bool:
        if self.refs.get(name) != expected:
            return False
        self.set_ref(name, new)
        return True

    def set_ref(self, name: str, new: str) -> None:
        self.refs[name] = new
        if name == WAL:
            self.heads.append(new)

    def held_lock(self, _name: str) -> Path | None:
        return None

    def wait_for_disk(self) -> None:
        pass

    def queue(self, _work: str) -> AbstractContextManager[None]:
        return nullcontext()

    def read_commits(
        self, head: str, known: Container[str] = frozenset(), on_fault: OnFault = ignore_fault
    ) -> Iterator[LogCommit]:
        def read(oid: str) -> LogCommit | None:
            commit = self.objects.read_commit(oid, on_fault)
            if commit is None and oid == head:
                raise DamagedLogError(f"the log's commit {oid} cannot be read")
            return commit

        walk = Walk(
            known=known,
            read=read,
            stream=_stream_nothing,
            is_streamed=lambda _: False,
            on_fault=on_fault,
        )
        return walk.run(head)

    def commit_time(self, oid: str) -> int:
        commit = self.objects.read_commit(oid)
        if commit is None:
            raise DamagedLogError(f"the log's commit {oid} cannot be read")
        return commit.time

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        return ancestor in self.objects.ancestors(descendant)

    def write_commit(
        self, *, files: Mapping[str, bytes], parents: Sequence[str], message: str, time: int | None
    ) -> str:
        return self.objects.write_commit(files, parents, message, time or 0)


class MemoryGit:
    """Stands in for Git: moves refs between stores. `before_push` may let others go first.

    Whoever goes first is not interrupted in turn, or a schedule could go on for ever.
    """

    def __init__(self, store: MemoryStore, remotes: Mapping[str, MemoryStore]) -> None:
        self.timeout_s = 0.0
        self.pushed = 0
        self.before_push: Callable[[], object] = lambda: None
        self._store = store
        self._remotes = remotes

    def config_matching(self, pattern: str) -> list[tuple[str, str]]:
        return [("session.secrets", "off")]

    def fetch(self, remote: str, _refspecs: Sequence[str], *, prune: bool) -> None:
        assert prune
        mine, theirs = self._store.refs, self._remotes[remote].refs
        prefix = f"{names.TRACKING_PREFIX}{remote}/"
        for name in [name for name in mine if name.startswith(prefix)]:
            del mine[name]
        mine.update({names.tracking_ref(remote, name): oid for name, oid in theirs.items()})

    def ls_remote(self, remote: str, patterns: Sequence[str]) -> dict[str, str]:
        found = {name: self._remotes[remote].read_ref(name) for name in patterns}
        return {name: oid for name, oid in found.items() if oid is not None}

    def push(self, remote: str, wanted: Mapping[str, str]) -> dict[str, PushOutcome]:
        if not wanted:
            return {}
        self._let_others_go_first()
        store = self._remotes[remote]
        return {ref: self._push(store, ref, oid) for ref, oid in wanted.items()}

    def _let_others_go_first(self) -> None:
        meddle, self.before_push = self.before_push, lambda: None
        try:
            meddle()
        finally:
            self.before_push = meddle

    def _push(self, store: MemoryStore, ref: str, oid: str) -> PushOutcome:
        there = store.read_ref(ref)
        if there == oid:
            return PushOutcome(ref, PushState.UP_TO_DATE)
        if there is not None and not store.is_ancestor(there, oid):
            return PushOutcome(ref, PushState.REFUSED, "[rejected] (fetch first)")
        store.set_ref(ref, oid)
        self.pushed += 1
        return PushOutcome(ref, PushState.LANDED)


class MemoryClone:
    """Holds one clone in memory, and syncs it with the code under test."""

    def __init__(self, objects: Objects, remotes: Mapping[str, MemoryStore]) -> None:
        self.store = MemoryStore(objects)
        self.git = MemoryGit(self.store, remotes)

    @property
    def head(self) -> str | None:
        """Gives the head of the clone's log."""
        return self.store.read_ref(WAL)

    def append(self, *events: Event) -> str:
        """Appends events to the clone's log and gives the new head."""
        head = self.store.objects.append(self.head, events)
        self.store.set_ref(WAL, head)
        return head

    def sync(self, *remotes: str, **options: Any) -> dict[str, Any]:
        """Syncs with remotes and gives the report's row."""
        store, git = cast("ObjectStore", self.store), cast("Git", self.git)
        play = Sync(store, git, [Remote(name, name) for name in remotes], **options)
        return play.run()
