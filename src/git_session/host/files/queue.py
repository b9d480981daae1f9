"""Let the writers of one repository go one after the other.

Only a courtesy: what makes an append safe is the compare-and-swap of the ref. Without the queue
all writers but one would lose each race and do their work again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

from git_session.errors import ReadOnlyError
from git_session.host.clock import Backoff

PATIENCE_S: Final = 5.0

_FIRST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.02
_UNSUPPORTED: Final = frozenset(
    {errno.ENOSYS, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
)


@contextmanager
def wait_in_queue(path: str | os.PathLike[str], patience: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock file `path`, which is made, while the block runs.

    After `patience` seconds, or on a file system without such locks, the block runs all the
    same. The kernel frees the lock of a process that dies. Raises ReadOnlyError when the file
    cannot be made.
    """
    try:
        fd = _open_made(path)
    except OSError as error:
        raise ReadOnlyError(
            f"cannot write to {os.path.dirname(path)}: {error.strerror}",
            "check the permissions and the free space of the repository",
        ) from error
    try:
        _wait_for_flock(fd, patience)
        yield
    finally:
        os.close(fd)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Take the lock file `path`, which is made, if nobody holds it; return whether it did."""
    fd = _open_made(path)
    try:
        yield _try_flock(fd)
    finally:
        os.close(fd)


def _open_made(path: str | os.PathLike[str]) -> int:
    # Without O_NONBLOCK a FIFO of that name would hold the program for ever.
    flags = os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, flags, 0o666)


def _try_flock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    return True


def _wait_for_flock(fd: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
    while not _try_flock(fd) and time.monotonic() <= deadline:
        backoff.wait()
