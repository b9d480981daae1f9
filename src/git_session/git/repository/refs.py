"""Refs of one repository, as they are on disk, and git's settings of it.

Refs are moved by compare-and-swap; one attempt is here.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from git_session.core.wire import names
from git_session.core.wire.plain_text import quote_word
from git_session.errors import ConfigError, ContendedError, DamagedLogError, GitSessionError
from git_session.git.place import Place, UnclearError
from git_session.git.repository.ref_files import read_ref_file, read_ref_files
from git_session.git.repository.ref_move import clear_dead_locks, move_ref
from git_session.host.files.permissions import require_writable
from git_session.host.files.regular_file import is_strange, require_regular_refs

if TYPE_CHECKING:
    import pygit2

    from git_session.git.settings import GitSettings
    from git_session.git.values import Settings


FSYNC_KEY: Final = "session.fsync"
PATIENCE_S: Final = 10.0
"""How long a ref is waited for that other programs hold."""

REPAIR_HINT: Final = "git session repair searches for the right commit"
_SETTINGS_TIMEOUT_S: Final = 5.0
"""What git may take to list its settings; it takes some ms."""

_LOCK_PAUSES_S: Final = (0.002, 0.02, 0.1)


class RefStore:
    """Reads the settings and refs of one repository and moves refs; not to be shared by threads.

    `common_dir` is the main repository's git directory, also from a linked worktree; `worktree`
    is the top of the checkout that the opened path lies in, None in a bare repository; `git_dir`
    is that checkout's own git directory, which holds its HEAD. libgit2, which takes a while to
    load, opens a plain repository only when it is needed.
    """

    def __init__(self, place: Place, repository: pygit2.Repository | None = None) -> None:
        self.git_dir, self.common_dir, self.worktree = place
        self._folder = os.fspath(self.common_dir)  # as text: it is joined again and again
        self._opened = repository

    @cached_property
    def _repository(self) -> pygit2.Repository:
        if self._opened is not None:
            return self._opened
        from git_session.git.repository.libgit2 import reopen_repository

        return reopen_repository(self.git_dir)

    @property
    def _has_libgit2(self) -> bool:
        return self._opened is not None or "_repository" in self.__dict__

    @cached_property
    def is_durable(self) -> bool:
        """Return whether what is written has to outlast a power failure before it is told.

        `session.fsync` says so, and where that is not set git's own `core.fsync`. Raises
        ConfigError where it says neither yes nor no: who asked for it must not believe it is on.
        """
        wanted = syncs_loose_objects(self.settings.read_text("core.fsync", default=""))
        return self.settings.require_flag(FSYNC_KEY, default=wanted)

    @cached_property
    def committer(self) -> str:
        """Read the author and committer of new commits, as `Name <address>`.

        `session.committer` sets it for servers with a rule about committers. Merges do not use
        it: every clone must make the same one from two heads. Raises ConfigError.
        """
        wanted = self.settings.read_text(names.COMMITTER_KEY, default=names.GRITE_IDENTITY)
        if not names.is_identity(wanted):
            raise ConfigError(
                f"{names.COMMITTER_KEY} is {wanted!a}, which is not a name and an address",
                f"git config {names.COMMITTER_KEY} 'NAME <ADDRESS>'",
            )
        return wanted

    @cached_property
    def settings(self) -> GitSettings:
        """Return git's settings that hold here, from all files and `git -c`."""
        from git_session.git.settings import GitSettings

        return GitSettings(
            self.git_dir,
            self.worktree,
            timeout_s=_SETTINGS_TIMEOUT_S,
            read_without_git=self._list_settings,
        )

    def _list_settings(self) -> Settings:
        config = self._repository.config
        try:
            return [(entry.name, _decode(entry.raw_value)) for entry in config]
        except failures(ValueError) as error:
            raise ConfigError(
                f"git's configuration cannot be read: {error}",
                "git config --list --show-origin shows which file sets what",
            ) from error

    def read_ref(self, name: str) -> str | None:
        """Read the commit id that a ref holds on disk at this moment; None without the ref.

        Raises DamagedLogError when it holds something else, and EnvironmentFaultError when it may
        not be read.
        """
        if not self._has_libgit2:
            with suppress(UnclearError):
                return read_ref_file(self._folder, name)
        if is_strange(self.common_dir / name):
            raise DamagedLogError(f"{name} is not a file", REPAIR_HINT)
        try:
            target = self._repository.lookup_reference(name).target
        except KeyError:
            return None
        except failures(ValueError) as error:
            from git_session.host.files.permissions import require_readable

            require_readable(self.common_dir / name)
            raise DamagedLogError(f"{name} cannot be read: {error}", REPAIR_HINT) from error
        if isinstance(target, str):
            raise DamagedLogError(
                f"{name} points at the ref {target}, not at a commit", REPAIR_HINT
            )
        return str(target)

    def list_refs(self, prefix: str) -> dict[str, str]:
        """Read the refs below `prefix`, which ends in a slash; no symbolic or unreadable ones.

        Raises GitSessionError where they cannot even be listed.
        """
        if self._opened is None:
            with suppress(UnclearError):
                return dict(sorted(read_ref_files(self.common_dir, prefix).items()))
        require_regular_refs(self.common_dir)
        try:
            listed = list(self._repository.references.iterator())
        except failures(KeyError) as error:
            raise GitSessionError(
                f"the refs cannot be listed: {error}", "git for-each-ref shows the refs"
            ) from error
        return {
            reference.name: str(reference.target)
            for reference in listed
            if reference.name.startswith(prefix) and not isinstance(reference.target, str)
        }

    def advance_ref(self, name: str, expected: str | None, new: str, message: str) -> bool:
        """Move a ref from `expected` (None: there is none yet) to `new`.

        False when it is not at `expected`, or another process holds its lock. Raises
        ReadOnlyError, DamagedLogError for a ref that holds no commit id, and GitSessionError.
        """
        for pause in _LOCK_PAUSES_S:
            try:
                return self._try_to_move(name, expected, new, message)
            except failures() as error:
                if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                    raise
                failure = str(error)
            # A lost race has many texts; what tells it from a failure is the ref and its lock.
            tip = self.read_ref(name)
            if tip != expected:
                return tip == new
            if self.held_lock(name) is not None and not clear_dead_locks(self._folder):
                return False
            require_writable(self._lock_path(name).parent)
            time.sleep(pause)  # the lock may have been let go of in between
        raise GitSessionError(f"cannot move {name}: {failure}", "git for-each-ref shows the refs")

    def _try_to_move(self, name: str, expected: str | None, new: str, message: str) -> bool:
        if not self._has_reflog(name):
            with suppress(UnclearError):
                return move_ref(
                    self._folder,
                    name,
                    expected,
                    new,
                    is_durable=self.is_durable,
                    before=lambda: self._secure(name, new),
                )
        repository = self._repository
        if self.is_durable:
            from git_session.git.repository.libgit2 import make_refs_durable

            make_refs_durable()
        with repository.transaction() as transaction:
            transaction.lock_ref(name)
            if self.read_ref(name) != expected:
                return False
            self._secure(name, new)
            transaction.set_target(name, new, message=message)
        return True

    def _secure(self, name: str, new: str) -> None:
        """Make sure, while a ref is locked, that what it is about to name exists."""

    def _has_reflog(self, name: str) -> bool:
        """Return whether git keeps a log of what the ref was, as it does of these only if told."""
        return self._logs_all_refs or os.path.exists(f"{self._folder}/logs/{name}")

    @cached_property
    def _logs_all_refs(self) -> bool:
        return self.settings.read_text("core.logAllRefUpdates", default="").lower() == "always"

    def held_lock(self, name: str) -> Path | None:
        """Find the lock file that keeps everybody from moving a ref; None when it is free."""
        path = self._lock_path(name)
        return path if os.path.lexists(path) else None

    def _lock_path(self, name: str) -> Path:
        return self.common_dir / f"{name}.lock"


def _decode(value: bytes | None) -> str | None:
    return None if value is None else os.fsdecode(value)


def unlock_hint(lock: Path) -> str:
    """Form what to type about a lock that nobody seems to let go of."""
    return f"if no git program is running, remove that file: rm {quote_word(str(lock))}"


def syncs_loose_objects(setting: str) -> bool:
    """Return whether git, by a value of `core.fsync`, waits for the disk with each loose object.

    Source: git-config(1).
    """
    answer = False
    for word in setting.replace(" ", "").split(","):
        if word == "none":
            answer = False
        elif word.removeprefix("-") in {"all", "added", "committed", "objects", "loose-object"}:
            answer = not word.startswith("-")
    return answer


def failures(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what libgit2 raises, and `others`; asked for only when something was raised."""
    from pygit2 import GitError

    return (GitError, OSError, *others)


class Standstill:
    """Watches one lock on the log's ref, from one try to move it to the next."""

    def __init__(self, store: RefStore) -> None:
        self._store = store
        self._lock: tuple[int, int] | None = None
        self._since = 0.0
        self.is_hopeless = False
        """Whether one and the same lock has been in the way for 10 s: nobody lets go of it."""

    def note_failure(self) -> None:
        """Check the lock that kept the ref from being moved."""
        lock, now = self._identify_lock(), time.monotonic()
        if lock != self._lock:
            self._lock, self._since = lock, now
        self.is_hopeless = lock is not None and now - self._since > PATIENCE_S

    def explain(self) -> ContendedError:
        """Form the error of a log that could not be moved until the end."""
        held = self._store.held_lock(names.WAL_REF)
        end = f"for {PATIENCE_S:.0f} s" if self.is_hopeless else "until the time was up"
        if held is not None:
            return ContendedError(
                f"{names.WAL_REF} stayed locked by {held} {end}", unlock_hint(held)
            )
        return ContendedError(
            f"the log here kept moving {end}: other programs moved {names.WAL_REF} each time",
            "run git session sync again with a longer --timeout",
        )

    def _identify_lock(self) -> tuple[int, int] | None:
        held = self._store.held_lock(names.WAL_REF)
        if held is None:
            return None
        try:
            found = os.lstat(held)
        except OSError:  # let go of at this moment
            return None
        return found.st_ino, found.st_mtime_ns
