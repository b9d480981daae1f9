"""Move a ref in its file as git does, under a lock that tells whether its holder lives.

git's lock on a ref is a file beside it. One that a killed process leaves behind keeps everybody
out, for nobody can tell it from one that is in use. Ours is a second name of a file in our own
folder, on which the process that moves the ref holds an flock: the kernel lets go of that when the
process ends, however it ends, and whoever finds the lock then removes it.
What is not plain is left to libgit2: a symbolic ref, one with a reflog, a file system without hard
links. Inside, paths are text: each join by pathlib costs as much as a call of the system.
Source: gitrepository-layout; git's lockfile.h; flock(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

from git_session.core.wire import names
from git_session.errors import EnvironmentFaultError
from git_session.git.place import UnclearError
from git_session.git.repository.ref_files import read_packed_ref, read_ref_file, read_ref_files
from git_session.host.files.regular_file import StrPath

_LOCKS_DIR: Final = "locks"
_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_NO_LINKS: Final = frozenset(
    {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK}
)
_TRIES: Final = 5
_LONGEST_NAME: Final = 255


def move_ref(
    common_dir: StrPath,
    name: str,
    expected: str | None,
    new: str,
    *,
    is_durable: bool = False,
    before: Callable[[], None] | None = None,
) -> bool:
    """Move a ref from `expected` (None: there is none yet) to the commit `new`.

    False when it is not at `expected`, or somebody alive holds its lock. `is_durable`: what was
    moved outlasts a power failure. `before` is called while the ref is locked, once it is known to
    be at `expected`. Raises UnclearError for what only libgit2 can tell, OSError, and
    EnvironmentFaultError for a disk that does not confirm what was moved.
    """
    path = os.path.join(common_dir, name)
    with _holding(common_dir, name, new, is_durable=is_durable) as is_held:
        if not is_held or read_ref_file(common_dir, name) != expected:
            return False
        if expected is None:
            _require_room(common_dir, name)
        if before is not None:
            before()
        try:
            os.rename(f"{path}.lock", path)
        except (IsADirectoryError, NotADirectoryError) as error:
            raise UnclearError("a folder is in the place of the ref") from error
        if is_durable:
            _sync_folders(common_dir, path)
    return True


def clear_dead_locks(common_dir: StrPath) -> bool:
    """Remove the locks of processes that have ended; return whether there were any."""
    cleared = False
    locks = _locks_folder(common_dir)
    for machine in _list(locks):
        if not _is_of_this_machine(machine):
            continue
        folder = os.path.join(locks, machine)
        for mark in _list(folder):
            cleared |= _clear(common_dir, folder, mark)
        if machine != _name_machine():
            with suppress(OSError):
                os.rmdir(folder)
    return cleared


@contextmanager
def _holding(common_dir: StrPath, name: str, new: str, *, is_durable: bool) -> Iterator[bool]:
    """Hold a ref's lock, with `new` as its content; return whether it was to be had."""
    lock = os.path.join(common_dir, f"{name}.lock")
    mark, fd = _make_mark(common_dir, name)
    try:
        content = f"{new}\n".encode()
        if os.write(fd, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if is_durable:
            os.fsync(fd)
        yield _link(common_dir, mark, lock)
    finally:
        # The lock goes first: without its other name nobody could tell whose it is.
        with suppress(OSError):
            if os.path.samestat(os.lstat(lock), os.fstat(fd)):
                os.unlink(lock)
        with suppress(OSError):
            os.unlink(mark)
        os.close(fd)


def _make_mark(common_dir: StrPath, name: str) -> tuple[str, int]:
    """Make a file that is ours as long as we live."""
    folder = os.path.join(_locks_folder(common_dir), _name_machine())
    quoted = name.replace("%", "%25").replace("/", "%2F")
    for _ in range(_TRIES):
        mark = f"{quoted}~{os.urandom(8).hex()}"
        if max(len(mark), len(_name_machine())) > _LONGEST_NAME:
            raise UnclearError("too long a name")
        path = os.path.join(folder, mark)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            continue
        # Somebody who clears may be quicker than the flock; then the mark is gone.
        if _try_flock(fd) and os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)
        with suppress(OSError):
            os.unlink(path)
    raise UnclearError("no flock was to be had")


def _link(common_dir: StrPath, mark: str, lock: str) -> bool:
    for _ in range(_TRIES):
        try:
            os.link(mark, lock)
            return True
        except FileExistsError:
            if not clear_dead_locks(common_dir):
                return False
        except FileNotFoundError:  # git removes a folder of refs that it has packed
            os.makedirs(os.path.dirname(lock), exist_ok=True)
        except NotADirectoryError as error:
            raise UnclearError("a ref is in the place of the folder") from error
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise UnclearError(str(error)) from error
            raise
    return False


def _clear(common_dir: StrPath, folder: str, mark: str) -> bool:
    """Remove what a process has left behind, unless it lives."""
    name = mark.rpartition("~")[0].replace("%2F", "/").replace("%25", "%")
    if not name.startswith("refs/") or ".." in name:
        return False
    path, lock = os.path.join(folder, mark), os.path.join(common_dir, f"{name}.lock")
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not _try_flock(fd):
            return False
        # Nobody else can remove this lock while its flock is held here, nor can its inode be
        # another file's.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.lstat(lock), os.fstat(fd)):
                os.unlink(lock)
        os.unlink(path)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def _try_flock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or there are no such locks here
        return False
    return True


def _require_room(common_dir: StrPath, name: str) -> None:
    """Raise UnclearError when there are refs below a name, or one above it."""
    # A ref above it that is not packed has been in the way of the lock already.
    above = [name[:place] for place, letter in enumerate(name) if letter == "/"]
    is_taken = any(read_packed_ref(common_dir, one) for one in above)
    if is_taken or read_ref_files(common_dir, f"{name}/"):
        raise UnclearError("another ref is in the way")


def sync_folder(folder: StrPath) -> None:
    """Wait until the disk has the names in a folder. Raises EnvironmentFaultError."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise EnvironmentFaultError(
            f"the disk did not confirm a write to {folder}: {error.strerror}",
            "git session log shows what was recorded; a power failure may undo it",
        ) from error


def _sync_folders(common_dir: StrPath, path: str) -> None:
    """Make sure that the name of a ref's file is on the disk, and those of the folders above."""
    folder = os.path.dirname(path)
    while True:
        sync_folder(folder)
        if os.path.basename(folder) == "refs" or folder == os.fspath(common_dir):
            return
        folder = os.path.dirname(folder)


# -- whose locks can be judged: another host's flock may not be seen here


@cache  # a process does not outlive a boot
def _name_machine() -> str:
    return f"{os.uname().nodename.replace('/', '_')}~{_read_boot_id()}"


def _is_of_this_machine(name: str) -> bool:
    """Return whether a name is that of this host, now or before it was started again.

    A container has its own host's name, and its kernel's boot.
    """
    host, _, boot = name.rpartition("~")
    mine, _, now = _name_machine().rpartition("~")
    return host == mine or (boot == now != "")


def _read_boot_id() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeError):
        return ""


def _locks_folder(common_dir: StrPath) -> str:
    return os.path.join(common_dir, names.SESSION_DIR, _LOCKS_DIR)


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
