"""Exits that the log did not take: each a file beside the session's beat, until the log has it.

Its space is taken when the session begins, for a disk that is full has none when it ends. Source:
open(2) and fsync(2), for what is on the disk when.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_session.core.wire import names
from git_session.core.wire.block import I32_MAX, I32_MIN, I64_MAX, I64_MIN
from git_session.host.beats import Beats

SCHEMA: Final = 1

_SIZE: Final = 4096
"""Bytes; a page is written as a whole or not at all, also by a process that is killed."""

_RESERVED_ENDING: Final = ".spool.tmp"
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class SeenExit(NamedTuple):
    """Holds an end that was seen; `ended_ts` is when, in ms since the epoch.

    `last_output_ref` is `sha256:` and 64 hex digits, or None.
    """

    grite_issue_id: str
    session_id: str
    exit_code: int | None
    exit_reason: str
    last_output_ref: str | None
    ended_ts: int


class SpoolSlot:
    """Is the place for one session's exit, with the space that it needs."""

    def __init__(self, beats: Beats, issue_id: str, session_id: str) -> None:
        """Take the space. Raises OSError."""
        self.path = beats.spool_path(issue_id, session_id)
        self._reserved = self.path.with_name(f"{issue_id}.{session_id}{_RESERVED_ENDING}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self._reserved, _WRITE_FLAGS, 0o666)
        _fill(self._fd, b"")

    def write(self, exit_: SeenExit) -> None:
        """Write the exit, for whoever writes to the log next. Raises OSError."""
        _fill(self._fd, _format(exit_))
        # Where the folder does not let us, it is found under its first name.
        with suppress(OSError):
            os.rename(self._reserved, self.path)

    def settle(self) -> None:
        """Make sure that it outlives a power cut. Raises OSError."""
        os.fsync(self._fd)
        with suppress(OSError):
            _sync_folder(self.path.parent)

    def clear(self) -> None:
        """Remove it: the log has the exit, or there is none."""
        for path in (self.path, self._reserved):
            with suppress(OSError):
                path.unlink()
        os.close(self._fd)


def list_spooled(beats: Beats) -> list[Path]:
    """List the files that hold an exit, or only the space for one."""
    try:
        found = [name for name in os.listdir(beats.directory) if name.endswith(_RESERVED_ENDING)]
    except OSError:
        return []
    return [*beats.spool_paths(), *(beats.directory / name for name in sorted(found))]


def read_spooled(path: Path) -> SeenExit | None:
    """Read an exit; None for a file that holds only the space. Raises ValueError, or OSError."""
    fd = os.open(path, _READ_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("it is no file")
        data = os.read(fd, _SIZE).strip()
    finally:
        os.close(fd)
    return _parse(json.loads(data)) if data else None


def _fill(fd: int, data: bytes) -> None:
    if os.pwrite(fd, data.ljust(_SIZE), 0) < _SIZE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _format(exit_: SeenExit) -> bytes:
    values = {"schema": SCHEMA, **exit_._asdict()}
    return json.dumps(values, indent=0, sort_keys=True).encode()


def _parse(values: Any) -> SeenExit:
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise ValueError("another version of git-session wrote it")
    fields: list[Any] = [values.get(name) for name in SeenExit._fields]
    issue_id, session_id, code, reason, ref, ended_ts = fields
    is_good = (
        (isinstance(issue_id, str) and names.is_actor_id(issue_id))
        and (isinstance(session_id, str) and names.is_safe_id(session_id))
        and (code is None or _is_number(code, I32_MIN, I32_MAX))
        and isinstance(reason, str)
        and (ref is None or isinstance(ref, str))
        and _is_number(ended_ts, I64_MIN, I64_MAX)
    )
    if not is_good:
        raise ValueError("it holds no exit")
    return SeenExit(*fields)


def _is_number(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
