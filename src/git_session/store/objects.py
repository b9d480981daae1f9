"""Objects and refs of one repository: apart from repository.py the only module that imports pygit2.

Objects are written first and a ref is moved last, by compare-and-swap. One attempt is here; the
loop that meets a lost race is with the writer. Source: the grite store format, sections "A WAL
commit" and "Locks".
"""

from __future__ import annotations

import os
import time as clock
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from git_session.errors import DamagedLogError, GitSessionError
from git_session.store import commits
from git_session.store.ancestry import is_ancestor
from git_session.store.commits import OnFault, ignore_fault
from git_session.store.discovery import find_common_dir
from git_session.store.git import has_few_loose, has_packed, read_object, stream_commits
from git_session.store.object_files import ObjectFiles
from git_session.store.place import Place, UnclearError, find_place
from git_session.store.queue import wait_in_queue
from git_session.store.ref_files import read_ref_file, read_ref_files
from git_session.store.walk import WINDOW, Walk
from git_session.store.writability import require_writable
from git_session.wire import git_object, names
from git_session.wire.commit import LogCommit

if TYPE_CHECKING:
    import pygit2

T = TypeVar("T")

_LOCK_PAUSES_S: Final = (0.002, 0.02, 0.1)


class ObjectStore:
    """Reads and writes the objects and refs of one repository; not to be shared by threads.

    `common_dir` is the main repository's git directory, also from a linked worktree; `worktree`
    is the top of the checkout that the opened path lies in, None in a bare repository; `git_dir`
    is that checkout's own git directory, which holds its HEAD. libgit2, which takes a while to
    load, opens a plain repository only when it is needed.
    """

    def __init__(self, place: Place, repository: pygit2.Repository | None = None) -> None:
        self.git_dir, self.common_dir, self.worktree = place
        self._opened = repository

    @classmethod
    def open(cls, path: Path) -> ObjectStore:
        """Finds the repository as git does: upward from `path`, or where GIT_DIR says.

        Raises NotARepositoryError, UnsupportedRepositoryError (SHA-256, reftable), and
        EnvironmentFaultError for one that belongs to somebody else or cannot be opened.
        """
        place = find_place(path, os.environ)
        if place is not None:
            return cls(place)
        from git_session.store.repository import open_repository

        return cls._wrap(open_repository(path), path)

    @classmethod
    def create(cls, path: Path, *, is_bare: bool = False) -> ObjectStore:
        """Makes a new repository at `path`, whose folders are made too. Raises ReadOnlyError."""
        from git_session.store.repository import create_repository

        return cls._wrap(create_repository(path, is_bare=is_bare), path)

    @classmethod
    def _wrap(cls, repository: pygit2.Repository, path: Path) -> ObjectStore:
        from git_session.store.repository import find_worktree

        git_dir = Path(repository.path)
        place = Place(git_dir, find_common_dir(git_dir), find_worktree(repository, path))
        return cls(place, repository)

    @cached_property
    def _repository(self) -> pygit2.Repository:
        if self._opened is not None:
            return self._opened
        from git_session.store.repository import reopen_repository

        return reopen_repository(self.git_dir)

    @property
    def _has_libgit2(self) -> bool:
        return self._opened is not None or "_repository" in self.__dict__

    @cached_property
    def _files(self) -> ObjectFiles:
        # A plain repository was found where no variable named another.
        return ObjectFiles(self.common_dir, os.environ if self._opened is not None else {})

    @property
    def is_bare(self) -> bool:
        """Tells whether the repository has no checkout of its own."""
        return self.worktree is None if self._opened is None else self._opened.is_bare

    def read_flag(self, key: str, *, default: bool) -> bool:
        """Reads a yes or no of git's configuration, from all of its files."""
        return self._read_setting(key, default, lambda config: config.get_bool(key))

    def read_number(self, key: str, *, default: int) -> int:
        """Reads a whole number of git's configuration, from all of its files."""
        return self._read_setting(key, default, lambda config: config.get_int(key))

    def read_text(self, key: str, *, default: str) -> str:
        """Reads a value of git's configuration, from all of its files."""
        return self._read_setting(key, default, lambda config: config[key] or default)

    def _read_setting(self, key: str, default: T, read: Callable[[pygit2.Config], T]) -> T:
        config = self._repository.config
        try:
            return read(config) if key in config else default
        except _failures():
            return default

    def add_remote(self, name: str, url: str) -> None:
        """Adds a remote to git's configuration of this repository."""
        self._repository.remotes.create(name, url)

    # -- refs

    def read_ref(self, name: str) -> str | None:
        """Reads the commit id that a ref holds on disk at this moment; None without the ref.

        Raises DamagedLogError when it holds something else.
        """
        if not self._has_libgit2:
            with suppress(UnclearError):
                return read_ref_file(self.common_dir, name)
        try:
            target = self._repository.lookup_reference(name).target
        except KeyError:
            return None
        except _failures(ValueError) as error:
            raise DamagedLogError(
                f"{name} cannot be read: {error}",
                f"remove {self.common_dir / name}, then: git fetch REMOTE {name}:{name}",
            ) from error
        if isinstance(target, str):
            raise DamagedLogError(
                f"{name} points at the ref {target}, not at a commit",
                f"git symbolic-ref --delete {name}, then: git fetch REMOTE {name}:{name}",
            )
        return str(target)

    def list_refs(self, prefix: str) -> dict[str, str]:
        """Reads the refs below `prefix`, which ends in a slash; no symbolic or unreadable ones."""
        if self._opened is None:
            with suppress(UnclearError):
                return dict(sorted(read_ref_files(self.common_dir, prefix).items()))
        found = {}
        for reference in self._repository.references.iterator():
            if reference.name.startswith(prefix) and not isinstance(reference.target, str):
                found[reference.name] = str(reference.target)
        return found

    def advance_ref(self, name: str, expected: str | None, new: str, message: str) -> bool:
        """Moves a ref from `expected` (None: there is none yet) to `new`.

        False when it is not at `expected`, or another process holds its lock. Raises
        ReadOnlyError, DamagedLogError for a ref that holds no commit id, and GitSessionError.
        """
        for pause in _LOCK_PAUSES_S:
            try:
                with self._repository.transaction() as transaction:
                    transaction.lock_ref(name)
                    if self.read_ref(name) != expected:
                        return False
                    transaction.set_target(name, new, message=message)
                return True
            except _failures() as error:
                failure = str(error)
            # A lost race has many texts; what tells it from a failure is the ref and its lock.
            tip = self.read_ref(name)
            if tip != expected:
                return tip == new
            if self.held_lock(name) is not None:
                return False
            require_writable(self._lock_path(name).parent)
            clock.sleep(pause)  # the lock may have been let go of in between
        raise GitSessionError(f"cannot move {name}: {failure}", "git for-each-ref shows the refs")

    def held_lock(self, name: str) -> Path | None:
        """Finds the lock file that keeps everybody from moving a ref; None when it is free."""
        path = self._lock_path(name)
        return path if os.path.lexists(path) else None

    def _lock_path(self, name: str) -> Path:
        return self.common_dir / f"{name}.lock"

    def queue(self, work: Literal["append", "sync"] = "append") -> AbstractContextManager[None]:
        """Waits until no other one of ours is at that work, for a while at most.

        Raises ReadOnlyError.
        """
        return wait_in_queue(self.common_dir / names.SESSION_DIR / f"{work}.lock")

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
        """Reads the log from `head` back to its beginning, or to commits in `known`.

        With `is_whole` all of it is wanted, and git may be started before it is sure to pay; with
        `is_proven` no object is believed that is not what its id says, and git reads none.
        Each commit once, newest first along each line; second parents are not followed. What is
        missing or damaged is told to `on_fault` and left out, except a chunk, which comes as None.
        Raises DamagedLogError when the head itself cannot be read.
        """

        def read(oid: str) -> LogCommit | None:
            commit = commits.read_log_commit(self._read_object, oid, on_fault)
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
        """Reads one file of a commit; None when any part of the way to it cannot be read."""
        return commits.read_file(self._read_object, commit, path)

    def read_locks(self, resources: Iterable[str]) -> Iterator[bytes]:
        """Reads `lock.json` of the lease locks on `resources`, those that can be read.

        These are the local ones, and those that remotes were seen to hold.
        """
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
        """Reads the committer's time, in s since the epoch. Raises DamagedLogError."""
        head = commits.read_commit_head(self._read_once, oid)
        if head is None:
            raise self._cannot_read(oid)
        return head.time

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Tells whether git's parents lead from one commit to the other, or they are the same.

        False as well where a missing commit hides it.
        """
        return is_ancestor(self._read_object, self.git_dir, ancestor, descendant)

    def _read_once(self, oid: str) -> tuple[int, bytes] | None:
        """Reads one object; for that alone git starts in less time than libgit2."""
        loose = self._files.read_loose(oid)
        found = loose or (None if self._has_libgit2 else read_object(self.common_dir, oid))
        return found or self._read_object(oid)

    def _read_object(self, oid: str) -> tuple[int, bytes] | None:
        # Not through libgit2's commits: grafts and shallow clones hide parents there.
        return self._files.read(oid)

    def _cannot_read(self, oid: str) -> DamagedLogError:
        shallow = self._repository.is_shallow
        hint = "git fetch --unshallow" if shallow else "git fsck names what is missing"
        return DamagedLogError(f"the log's commit {oid} cannot be read", hint)

    # -- writing

    def write_commit(
        self, *, files: Mapping[str, bytes], parents: Sequence[str], message: str, time: int | None
    ) -> str:
        """Writes a commit of `files` by grite at `time` (s since the epoch, None: now).

        No ref moves. Raises WireError for a path that no tree can hold, ReadOnlyError, and
        GitSessionError.
        """
        seconds = int(clock.time()) if time is None else time
        tree = commits.write_tree(self._write_object, files)
        return self._write_object(
            git_object.COMMIT, git_object.format_commit(tree, parents, seconds, message)
        )

    def _write_object(self, kind: int, data: bytes) -> str:
        try:
            return str(self._repository.odb.write(kind, data))
        except _failures() as error:
            require_writable(self.common_dir / "objects")
            raise GitSessionError(f"cannot write an object: {error}", "try again") from error


def _failures(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Gives what libgit2 raises, and `others`; asked for only when something was raised."""
    from pygit2 import GitError

    return (GitError, OSError, *others)
