"""Open only what is a regular file: a FIFO in its place would hold whoever opens it for ever.

The git directory is shared with other programs, and libgit2 and git open what lies there without
a look. So what they would open is looked at before they are asked.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from git_session.errors import EnvironmentFaultError

StrPath = str | os.PathLike[str]

_OPENED_AT_ONCE: Final = (
    *("HEAD", "config", "config.worktree", "commondir", "packed-refs", "shallow"),
    *("info/grafts", "info/attributes", "objects/info/alternates"),
)
"""What git and libgit2 open whatever they are asked. Source: gitrepository-layout(5)."""


def open_regular(path: StrPath, flags: int = os.O_RDONLY) -> int:
    """Open a regular file, through symlinks, and return its descriptor; fit for open()'s `opener`.

    Raises OSError, also for what is there and no regular file.
    """
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))


def read_regular(path: StrPath, limit: int = -1) -> bytes:
    """Read a regular file, or the first `limit` bytes of it. Raises OSError as open_regular."""
    with open(path, "rb", opener=open_regular) as file:
        return file.read(limit)


def is_strange(path: StrPath) -> bool:
    """Return whether something is there that is neither a file nor a folder, also behind a link."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def require_regular(git_dir: StrPath, common_dir: StrPath) -> None:
    """Raise EnvironmentFaultError for a repository that git could not open without waiting."""
    for folder in {os.fspath(git_dir), os.fspath(common_dir)}:
        for name in _OPENED_AT_ONCE:
            path = os.path.join(folder, name)
            if os.path.exists(path) and not os.path.isfile(path):
                raise _refusal(path)


def require_regular_refs(common_dir: StrPath) -> None:
    """Raise EnvironmentFaultError for a ref that git, which reads all of them, would wait for."""
    for path in _list_strange(common_dir, "refs"):
        raise _refusal(path)


def require_regular_objects(common_dir: StrPath) -> None:
    """Raise EnvironmentFaultError for an object that git, asked for all, would wait for."""
    for path in _list_strange(common_dir, "objects"):
        raise _refusal(path)


def refuse_to_wait(common_dir: StrPath) -> None:
    """Raise OSError for the same object, for those to whom git is but the quicker way."""
    if any(_list_strange(common_dir, "objects")):
        raise OSError(errno.EINVAL, "git would wait for an object that is no file")


def _list_strange(common_dir: StrPath, folder: str) -> Iterator[str]:
    return filter(is_strange, _list_others(os.path.join(common_dir, folder)))


def _list_others(folder: str) -> Iterator[str]:
    """List what is in a folder, and in those below it, and by itself no regular file."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _list_others(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    yield entry.path
    except OSError:
        return


def _refusal(path: StrPath) -> EnvironmentFaultError:
    from git_session.core.wire.plain_text import quote_word
    from git_session.errors import EnvironmentFaultError

    return EnvironmentFaultError(
        f"{path} is not a regular file: git would fail on it or hang",
        f"if it is not needed: rm {quote_word(os.fspath(path))}",
    )
