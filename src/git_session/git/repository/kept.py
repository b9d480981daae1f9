"""Keep the objects of recent transitions in a file, and put back those that `git prune` took.

`git prune`, and so `git gc --prune=now`, reads the refs first and deletes later. Objects written in
between are unreachable to it, although a ref has moved to them by the time they are deleted. So
each move of the log's ref appends its objects to a file here, while the ref is locked.

The tripwire is a file in the objects folder that every prune removes at its very end, as it does
every old file named `tmp_*`. While it is there, no prune has ended since the last check: a read
costs one stat. Source: git's builtin/prune.c (remove_temporary_files comes last).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from git_session.core.wire import names
from git_session.host.files.regular_file import StrPath, open_regular, read_regular

if TYPE_CHECKING:
    from git_session.git.repository.object_files import ObjectFiles

_FOLDER: Final = "kept"
_TRIPWIRE: Final = "tmp_git-session"
_SPAN_S: Final = 3600
_MARK: Final = b"\0kept\0"
_ID_SIZE: Final = 20
_HEAD_SIZE: Final = len(_MARK) + _ID_SIZE + 4
_LARGEST: Final = 1 << 25
"""Bytes: a file that is larger is replaced, and what is larger by itself is not kept."""

_LONG_AGO: Final = (1, 1)
"""The tripwire's times, in s since the epoch: old enough for every expiry time of prune."""


_MOST_UNMOVED: Final = 1 << 26
"""Bytes of objects that are remembered until the log's ref moves to them."""


class Unmoved:
    """Remembers the objects of commits that were written and that the log's ref is not yet at.

    Each object is its id and its bytes with git's header.
    """

    def __init__(self) -> None:
        self._commits: dict[str, tuple[Sequence[str], list[tuple[str, bytes]]]] = {}

    def add(self, commit: str, parents: Sequence[str], objects: list[tuple[str, bytes]]) -> None:
        """Remember the objects of a commit, and forget the oldest ones above 64 MiB."""
        self._commits[commit] = parents, objects
        while len(self._commits) > 1 and self._count_bytes() > _MOST_UNMOVED:
            del self._commits[next(iter(self._commits))]

    def gather(self, head: str) -> list[tuple[str, bytes]]:
        """List the objects of a commit and of those that it leads to."""
        waiting, found = [head], list[tuple[str, bytes]]()
        while waiting:
            parents, objects = self._commits.get(waiting.pop(), ((), []))
            found += objects
            waiting += parents
        return found

    def clear(self) -> None:
        """Forget all."""
        self._commits.clear()

    def _count_bytes(self) -> int:
        return sum(len(whole) for _, objects in self._commits.values() for _, whole in objects)


def keep_objects(common_dir: StrPath, objects: Iterable[tuple[str, bytes]]) -> None:
    """Append objects, each its id and its bytes with git's header, to the file of this hour.

    The file of the hour before stays, older ones go. Call it under the lock of the log's ref, and
    before checking that the objects exist. A failure is no error: the file is only a second copy.
    """
    record = b"".join(
        b"%b%b%b%b" % (_MARK, bytes.fromhex(oid), len(whole).to_bytes(4, "big"), whole)
        for oid, whole in objects
    )
    if not record or len(record) > _LARGEST:
        return
    folder = _locate(common_dir)
    hour = int(time.time()) // _SPAN_S
    with suppress(OSError):
        fd = _open_kept(folder, hour)
        try:
            size = os.fstat(fd).st_size
            if size > _LARGEST:
                os.close(fd)
                os.replace(f"{folder}/{hour}", f"{folder}/{hour - 1}")
                fd = _open_kept(folder, hour)
            elif not size:
                _remove_old(folder, hour)
            os.write(fd, record)
        finally:
            os.close(fd)


def may_be_pruned(objects: StrPath, common_dir: StrPath) -> bool:
    """Return whether a prune may have taken kept objects since they were last checked.

    `objects` is the folder of the repository's own objects.
    """
    with suppress(OSError):
        if os.stat(f"{os.fspath(objects)}/{_TRIPWIRE}").st_size:
            return False
    return has_kept(common_dir)


def has_kept(common_dir: StrPath) -> bool:
    """Return whether objects of transitions are kept here."""
    return os.path.isdir(_locate(common_dir))


def put_back(files: ObjectFiles, common_dir: StrPath, *, is_forced: bool = False) -> bool:
    """Write anew each kept object that is missing, and set the tripwire; return whether any was.

    One process checks, others wait for it; `is_forced` checks also where the tripwire is set.
    Where the repository cannot be written to, nothing happens.
    """
    from git_session.errors import ReadOnlyError
    from git_session.host.files.queue import wait_in_queue

    found = False
    with suppress(OSError, ReadOnlyError), wait_in_queue(f"{_locate(common_dir)}.lock"):
        if not is_forced and not may_be_pruned(files.folder, common_dir):
            return False
        # The tripwire is set before the check, so that a prune which ends during it is noticed. It
        # is empty until the check is over: after a process that was killed the next one checks.
        fd = open_regular(f"{files.folder}/{_TRIPWIRE}", os.O_WRONLY | os.O_CREAT)
        try:
            _make_old(fd)
            for oid, whole in _read_kept(common_dir):
                if not files.has_loose(oid) and files.read_packed(oid) is None:
                    write_kept(files, oid, whole)
                    found = True
            os.write(fd, b"\n")
            _make_old(fd)
        finally:
            os.close(fd)
    return found


def write_kept(files: ObjectFiles, oid: str, whole: bytes, *, is_durable: bool = False) -> None:
    """Write an object, given with git's header, unless it is not that of the id. Raises OSError."""
    import hashlib  # a prompt loads this module, and neither of these

    from git_session.core.wire.git_object import KINDS

    head, _, content = whole.partition(b"\0")
    kind = KINDS.get(head.partition(b" ")[0])
    if kind is not None and hashlib.sha1(whole, usedforsecurity=False).hexdigest() == oid:
        files.write(kind, content, is_durable=is_durable)


def _locate(common_dir: StrPath) -> str:
    return f"{os.fspath(common_dir)}/{names.SESSION_DIR}/{_FOLDER}"


def _open_kept(folder: str, hour: int) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    try:
        return open_regular(f"{folder}/{hour}", flags)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        return open_regular(f"{folder}/{hour}", flags)


def _remove_old(folder: str, hour: int) -> None:
    for name in os.listdir(folder):
        if name not in (str(hour), str(hour - 1)):
            os.unlink(f"{folder}/{name}")


def _read_kept(common_dir: StrPath) -> Iterator[tuple[str, bytes]]:
    """Read the kept objects; what a killed process or damage left between them is skipped."""
    folder = _locate(common_dir)
    # The newest first: a file that is renamed meanwhile is then read twice, not missed.
    for name in sorted(os.listdir(folder), reverse=True):
        try:
            data = read_regular(f"{folder}/{name}", 3 * _LARGEST)
        except OSError:
            continue
        place = data.find(_MARK)
        while place >= 0:
            start = place + _HEAD_SIZE
            end = start + int.from_bytes(data[start - 4 : start], "big")
            yield data[start - 4 - _ID_SIZE : start - 4].hex(), data[start:end]
            place = end if data.startswith(_MARK, end) else data.find(_MARK, place + 1)


def _make_old(fd: int) -> None:
    with suppress(PermissionError):  # it is another user's
        os.utime(fd, _LONG_AGO)
