"""Objects of one repository, and by refs.py its refs.

Objects are written first and a ref is moved last, by compare-and-swap. One attempt is here; the
loop that meets a lost race is with the writer. Source: the grite store format, sections "A WAL
commit" and "Locks".
"""

from __future__ import annotations

import os
import time as clock
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from git_session.core.wire import git_object, names
from git_session.core.wire.commit import MISSING, File, LogCommit, is_of_log
from git_session.errors import DamagedLogError, GitSessionError, TooLargeError
from git_session.git.child import run_program
from git_session.git.discovery import find_common_dir
from git_session.git.place import Place, find_place
from git_session.git.program import (
    git_environment,
    has_few_loose,
    has_packed,
    read_object,
    stream_commits,
)
from git_session.git.repository import commits
from git_session.git.repository.commits import OnFault, ignore_fault
from git_session.git.repository.kept import (
    Unmoved,
    has_kept,
    keep_objects,
    may_be_pruned,
    put_back,
    write_kept,
)
from git_session.git.repository.object_files import ObjectFiles
from git_session.git.repository.ref_files import may_have_refs
from git_session.git.repository.ref_move import clear_dead_locks, sync_folder
from git_session.git.repository.refs import REPAIR_HINT, RefStore
from git_session.git.repository.walk import WINDOW, Walk
from git_session.host.files.permissions import require_writable
from git_session.host.files.queue import wait_in_queue
from git_session.host.files.regular_file import require_regular

if TYPE_CHECKING:
    import pygit2

_NEAR: Final = 64
"""Commits looked at before git is asked for an ancestor; starting it costs about as much."""

_PATIENCE_S: Final = 600.0


class ObjectStore(RefStore):
    """Reads and writes the objects and refs of one repository; not to be shared by threads."""

    _is_cleared = False

    def __init__(self, place: Place, repository: pygit2.Repository | None = None) -> None:
        super().__init__(place, repository)
        self._unmoved = Unmoved()

    @classmethod
    def open(cls, path: Path) -> ObjectStore:
        """Find the repository as git does: upward from `path`, or where GIT_DIR says.

        Raises NotARepositoryError, UnsupportedRepositoryError (SHA-256, reftable), and
        EnvironmentFaultError for one that belongs to somebody else or cannot be opened.
        """
        place = find_place(path, os.environ)
        if place is not None:
            require_regular(place.git_dir, place.common_dir)
            return cls(place)
        from git_session.git.repository.libgit2 import open_repository

        return cls._wrap(open_repository(path), path)

    @classmethod
    def create(cls, path: Path, *, is_bare: bool = False) -> ObjectStore:
        """Make a new repository at `path`, whose folders are made too. Raises ReadOnlyError."""
        from git_session.git.repository.libgit2 import create_repository

        return cls._wrap(create_repository(path, is_bare=is_bare), path)

    @classmethod
    def _wrap(cls, repository: pygit2.Repository, path: Path) -> ObjectStore:
        from git_session.git.repository.libgit2 import find_worktree

        git_dir = Path(repository.path)
        place = Place(git_dir, find_common_dir(git_dir), find_worktree(repository, path))
        return cls(place, repository)

    @cached_property
    def files(self) -> ObjectFiles:
        """Return what reads single objects, whatever became of them."""
        # A plain repository was found where no variable named another.
        return ObjectFiles(self.common_dir, os.environ if self._opened is not None else {})

    @property
    def is_bare(self) -> bool:
        """Return whether the repository has no checkout of its own."""
        return self.worktree is None if self._opened is None else self._opened.is_bare

    def add_remote(self, name: str, url: str) -> None:
        """Add a remote to git's configuration of this repository."""
        self._repository.remotes.create(name, url)

    # -- waiting

    def queue(self, work: Literal["append", "sync"] = "append") -> AbstractContextManager[None]:
        """Wait until no other one of ours is at that work, for a while at most.

        Raises ReadOnlyError.
        """
        if not self._is_cleared:
            self.clear_dead_locks()
        return wait_in_queue(f"{self._folder}/{names.SESSION_DIR}/{work}.lock")

    def clear_dead_locks(self) -> None:
        """Remove the locks on refs that processes of ours left when they were killed.

        Done once before anything waits: whoever meets another one later does it again.
        """
        clear_dead_locks(self._folder)
        self._is_cleared = True

    # -- reading

    def read_commits(
        self,
        head: str,
        known: Container[str] = frozenset(),
        on_fault: OnFault = ignore_fault,
        *,
        is_whole: bool = False,
        is_proven: bool = False,
    ) -> Iterator[LogCommit]:
        """Read the log from `head` back to its beginning, or to commits in `known`.

        With `is_whole` all of it is wanted, and git may be started before it is sure to pay; with
        `is_proven` no object is believed that is not what its id says, and git reads none.
        Each commit once, newest first along each line; second parents are not followed. What is
        missing or damaged is told to `on_fault` and left out, except a chunk, which comes as None.
        Raises DamagedLogError when the head itself cannot be read.
        """
        # Not through libgit2's commits: grafts and shallow clones hide parents there.
        read_object = self.files.read

        def read(oid: str) -> LogCommit | None:
            if oid == head:
                self._look_for(oid)
            commit = commits.read_log_commit(read_object, oid, on_fault)
            if commit is None and oid == head:
                raise self._cannot_read(oid)
            return commit

        is_packed = partial(has_packed, self.common_dir)
        # git starts in less time than libgit2: where that is not loaded, a short log is read by it.
        is_at_once = is_whole and not is_proven and not self._has_libgit2
        is_at_once = is_at_once and (is_packed(head) or has_few_loose(self.common_dir))
        walk = Walk(
            known=known,
            read=read,
            stream=lambda start: stream_commits(self.common_dir, start),
            is_streamed=lambda start: not is_proven and (is_at_once or is_packed(start)),
            on_fault=on_fault,
            window=0 if is_at_once else WINDOW,
        )
        return walk.run(head)

    def read_file_at(self, commit: str, path: str) -> bytes | None:
        """Read one file of a commit; None when any part of the way to it cannot be read."""
        return commits.read_file(self.files.read, commit, path)

    def read_locks(self, resources: Iterable[str]) -> Iterator[bytes]:
        """Read `lock.json` of the lease locks on `resources`, those that can be read.

        These are the local ones, and those that remotes were seen to hold.
        """
        below = (names.LOCK_PREFIX, names.TRACKING_PREFIX)
        if self._opened is None and not may_have_refs(self._folder, *below):
            return
        wanted = [names.lock_ref(resource) for resource in resources]
        endings = tuple(ref.removeprefix("refs") for ref in wanted)
        seen = [ref for ref in self.list_refs(names.TRACKING_PREFIX) if ref.endswith(endings)]
        for ref in (*wanted, *seen):
            try:
                commit = self.read_ref(ref)
            except DamagedLogError:
                continue
            data = self.read_file_at(commit, "lock.json") if commit else None
            if data is not None:
                yield data

    def commit_time(self, oid: str) -> int:
        """Read the committer's time, in s since the epoch. Raises DamagedLogError."""
        head = commits.read_commit_head(self._read_once, oid)
        if head is None:
            self.look_again()
            head = commits.read_commit_head(self.files.read, oid)
        if head is None:
            raise self._cannot_read(oid)
        return head.time

    def require_log_commit(self, oid: str) -> None:
        """Raise DamagedLogError when the log's head cannot be read or is not a commit of a log.

        One of which a part is missing may well have been one.
        """
        faults: list[str] = []
        self._look_for(oid)
        commit = commits.read_log_commit(
            self.files.read, oid, lambda _commit, _path, what: faults.append(what)
        )
        if commit is None:
            raise self._cannot_read(oid)
        if not is_of_log(commit) and not any(what.endswith(MISSING) for what in faults):
            raise DamagedLogError(
                f"{names.WAL_REF} holds {oid}, which is not a commit of a log: it holds neither"
                " meta.json nor events",
                REPAIR_HINT,
            )

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Return whether git's parents lead from one commit to the other, or they are the same.

        False as well where a missing or damaged commit hides it. git is asked about what is not
        near, and not libgit2, which can wait for ever for the end of a damaged commit.
        """
        waiting, seen = deque([descendant]), {descendant}
        for _ in range(_NEAR):
            if ancestor in seen:
                return True
            if not waiting:
                return False
            head = commits.read_commit_head(self.files.read, waiting.popleft())
            parents = head.parents if head else ()
            waiting.extend(oid for oid in parents if oid not in seen)
            seen.update(parents)
        return self._ask_git(ancestor, descendant)

    def _ask_git(self, ancestor: str, descendant: str) -> bool:
        options = [f"--git-dir={self.git_dir}", "--no-replace-objects"]
        question = ["merge-base", "--is-ancestor", ancestor, descendant]
        try:
            ended = run_program(
                ["git", *options, *question],
                cwd=self.git_dir,
                env=git_environment() | {"GIT_NO_LAZY_FETCH": "1"},
                timeout_s=_PATIENCE_S,
            )
        except OSError:
            return False
        return ended.code == 0

    def _read_once(self, oid: str) -> tuple[int, bytes] | None:
        """Read one object; for that alone git starts in less time than libgit2."""
        loose = self.files.read_loose(oid)
        found = loose or (None if self._has_libgit2 else read_object(self.common_dir, oid))
        return found or self.files.read(oid)

    def _look_for(self, oid: str) -> None:
        """Look again for a head that is missing: a prune may have taken it a moment ago."""
        with suppress(TooLargeError):
            if self.files.read(oid) is None:
                self.look_again()

    def _cannot_read(self, oid: str) -> DamagedLogError:
        """Form the error. Raises EnvironmentFaultError where a permission is all that lacks."""
        from git_session.host.files.permissions import require_readable

        for path in self.files.list_paths(oid):
            require_readable(path)
        shallow = self._repository.is_shallow
        hint = "git session sync fetches the rest of a shallow log" if shallow else REPAIR_HINT
        return DamagedLogError(f"the log's commit {oid} cannot be read", hint)

    # -- writing

    def write_commit(
        self,
        *,
        files: Mapping[str, File],
        parents: Sequence[str],
        message: str,
        time: int | None,
        committer: str = names.GRITE_IDENTITY,
    ) -> str:
        """Write a commit of `files` at `time` (s since the epoch, None: now).

        A file is its bytes, or the id of a blob that is there; `committer` is `Name <address>`.
        No ref moves. Raises WireError for a path that no tree can hold, ReadOnlyError, and
        GitSessionError.
        """
        seconds = int(clock.time()) if time is None else time
        objects: list[tuple[str, bytes]] = []

        def write(kind: int, data: bytes) -> str:
            oid = self._write_object(kind, data)
            objects.append((oid, git_object.format_object(kind, data)))
            return oid

        tree = commits.write_tree(write, files)
        commit = git_object.format_commit(tree, parents, seconds, message, committer)
        oid = write(git_object.COMMIT, commit)
        if self.is_durable:
            sync_folder(self.common_dir / "objects")
        self._unmoved.add(oid, parents, objects)
        return oid

    def advance_ref(self, name: str, expected: str | None, new: str, message: str) -> bool:
        """Move a ref as RefStore does, to objects that exist; those of the log are kept."""
        moved = super().advance_ref(name, expected, new, message)
        if moved and name == names.WAL_REF:
            self._unmoved.clear()
        return moved

    def put_back(self) -> None:
        """Put back what a prune took of the last transitions, if one has ended since."""
        if may_be_pruned(self.files.folder, self._folder):
            put_back(self.files, self._folder)

    def look_again(self) -> bool:
        """Put back what a prune that may still run has taken; return whether to read again.

        Call it where something is missing: git may also have packed it anew in the meantime.
        """
        is_repacked = self.files.forget_packs()
        is_back = has_kept(self._folder) and put_back(self.files, self._folder, is_forced=True)
        return is_back or is_repacked

    def _secure(self, name: str, new: str) -> None:
        objects = self._unmoved.gather(new)
        # In this order: what is pruned after the check is in the file already.
        if name == names.WAL_REF:
            keep_objects(self._folder, objects)
        for oid, whole in objects:
            if not self.files.has_loose(oid):
                try:
                    write_kept(self.files, oid, whole, is_durable=self.is_durable)
                except OSError as error:
                    raise self._cannot_write(error) from error

    def wait_for_disk(self) -> None:
        """Wait until the disk has what git has written here, where that is asked for."""
        if self.is_durable:
            os.sync()

    def _write_object(self, kind: int, data: bytes) -> str:
        try:
            return self.files.write(kind, data, is_durable=self.is_durable)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> GitSessionError:
        """Form the error. Raises ReadOnlyError where a permission is all that lacks."""
        named = error.filename2 or error.filename or ""
        require_writable(Path(os.path.dirname(named) or self.common_dir / "objects"))
        return GitSessionError(f"cannot write an object: {error}", "try again")
