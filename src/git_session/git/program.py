"""Run the `git` program: here, to read a long log while this process decodes it.

This is the only module that starts git. What it cannot read this way it leaves to the object
store, so a git that is missing, old or stopped costs time and nothing else.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from git_session.core.wire.commit import LogCommit
from git_session.core.wire.git_object import KINDS, LARGEST, require_small
from git_session.git.place import LOCAL_VARIABLES
from git_session.host.files.regular_file import refuse_to_wait

_BULK: Final = {"GIT_FLUSH": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
"""Lets git write in large pieces, and in a partial clone not fetch what is missing there (older
ones know only the last)."""

_Process = subprocess.Popen[bytes]
_begun: Final[dict[tuple[Path, str], tuple[_Process, _Process]]] = {}

_PATIENCE_S: Final = 10.0
_READ_AHEAD: Final = 1 << 18
_PIECE: Final = 1 << 18
_PAUSES_S: Final = (0.0005, 0.001, 0.002, 0.003)
_PIPE_SIZE: Final = 1 << 20
_FEW: Final = 8
"""Files in one of 256 folders, as `git gc --auto` counts them; a commit has eight objects."""

_HEAD_ROOM: Final = 4096
"""Bytes; more than a regular commit takes up to the bytes of its chunk."""

_RECORD: Final = re.compile(rb"([0-9a-f]{40}) (commit|tree|blob|tag) (\d+)\n")
_BLOB: Final = re.compile(rb".{40} blob (\d+)\n", re.DOTALL)
# A commit as grite writes it, up to the bytes of its chunk. The sizes of the trees leave no room
# for a second entry, so what matches holds this one chunk and meta.json, and nothing else.
# `.{40}` is an id that git itself printed; a set of digits takes three times as long to match.
_REGULAR: Final = re.compile(
    rb"(.{40}) commit (\d+)\n"
    rb"(tree .{40}\n(?:parent ([0-9a-f]{40})\n)?author [^\n]*\n"
    rb"committer [^\n]*> (\d{1,18}) [+-]\d{4}\n\n[^\n]*)\n"
    rb".{40} tree 70\n40000 events\0.{20}100644 meta\.json\0.{20}\n"
    rb".{40} tree 31\n40000 (\d{4})\0.{20}\n"
    rb".{40} tree 29\n40000 (\d\d)\0.{20}\n"
    rb".{40} tree 29\n40000 (\d\d)\0.{20}\n"
    rb".{40} tree 96\n100644 ([^\0/]{64}\.bin)\0.{20}\n"
    rb".{40} blob (\d+)\n",
    re.DOTALL,
)


def git_environment() -> dict[str, str]:
    """Return the environment for a git that is told its repository by an argument.

    Without the variables that name another repository, and in English.
    """
    kept = {name: value for name, value in os.environ.items() if name not in LOCAL_VARIABLES}
    return kept | {"LC_ALL": "C"}


def read_config_file(path: Path) -> dict[str, str]:
    """Read one file of git's settings, the last value of each; nothing where that fails."""
    try:
        done = subprocess.run(
            ["git", "config", "--file", str(path), "--no-includes", "--list", "--null"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=git_environment(),
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (entry.partition("\n") for entry in done.stdout.decode(errors="replace").split("\0"))
    return {name: value for name, _, value in pairs if name}


def has_packed(git_dir: Path, oid: str) -> bool:
    """Return whether an object is in no file of its own.

    For git such files are much slower to read than for libgit2; packs are faster.
    """
    return not os.path.exists(git_dir / "objects" / oid[:2] / oid[2:])


def has_few_loose(git_dir: Path) -> bool:
    """Return whether few objects are in files of their own: of 256 folders it looks at one."""
    try:
        return len(os.listdir(git_dir / "objects" / "17")) <= _FEW
    except OSError:
        return True


def read_object(git_dir: Path, oid: str) -> tuple[int, bytes] | None:
    """Read one object, its kind and its bytes; None where it is missing or git fails.

    Raises TooLargeError.
    """
    question, asked = os.pipe()
    try:
        os.write(asked, oid.encode() + b"\n")
        os.close(asked)
        process = start_git(git_dir, ["cat-file", "--batch"], question)
    except OSError:
        return None
    finally:
        os.close(question)
    patience = threading.Timer(_PATIENCE_S, process.kill)
    patience.start()
    try:
        stream = _Stream(output_of(process).fileno())
        stream.need(_HEAD_ROOM)
        record = _RECORD.match(stream.data)
        kind = KINDS.get(record[2]) if record is not None else None
        if record is None or kind is None:
            return None
        size = int(record[3])
        require_small(oid, kind, size)
        is_whole = stream.need(record.end() + size)
        return (kind, stream.data[record.end() : record.end() + size]) if is_whole else None
    except OSError:
        return None
    finally:
        patience.cancel()
        _stop(process)


def stream_commits(git_dir: Path, start: str) -> Generator[LogCommit | str]:
    """Read commits from `start` along first parents, newest first, by git on another processor.

    A commit that is not laid out as grite does it comes as its id alone, and so does the last one
    if a part of it is too large, which is not waited for. Ends early, without a
    word, where git is missing or fails: whoever asks knows from the last parent what is left.
    """
    begun = _begun.pop((git_dir, start), None)
    try:
        walker, reader = begun or _start_reading(git_dir, start)
    except OSError:
        return
    try:
        stream = _Stream(output_of(reader).fileno())
        while (commit := _read_commit(stream)) is not None:
            yield commit
    except OSError:
        return
    finally:
        _stop(reader)
        _stop(walker)


def begin_stream(git_dir: Path, start: str) -> None:
    """Start what stream_commits will be asked for soon, so that git works while this loads on.

    What nobody asks for ends with this process.
    """
    with suppress(OSError):
        _begun[git_dir, start] = _start_reading(git_dir, start)


def _start_reading(git_dir: Path, start: str) -> tuple[_Process, _Process]:
    """Start one git that names the objects, and one that reads them. Raises OSError."""
    refuse_to_wait(git_dir)
    listing = ["rev-list", "--first-parent", "--in-commit-order", "--objects"]
    walker = start_git(git_dir, [*listing, "--no-object-names", start, "--"], subprocess.DEVNULL)
    try:
        # The object names go from git to git; only contents come here.
        reader = start_git(git_dir, ["cat-file", "--batch", "--buffer"], output_of(walker).fileno())
    except OSError:
        _stop(walker)
        raise
    output_of(walker).close()
    return walker, reader


def _stop(process: _Process) -> None:
    output_of(process).close()
    process.kill()
    process.wait()


def start_git(git_dir: Path, args: list[str], stdin: int) -> subprocess.Popen[bytes]:
    """Start a git that reads objects and is read from. Raises OSError."""
    command = ["git", f"--git-dir={git_dir}", "--no-replace-objects", *args]
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=git_environment() | _BULK,
    )
    # In small pipes three processes wake each other all the time. Not everywhere, not for all.
    with suppress(OSError, AttributeError):
        fcntl.fcntl(output_of(process), fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return process


def output_of(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """Return the pipe that a git writes to."""
    assert process.stdout is not None
    return process.stdout


def _read_pipe_size(fd: int) -> int:
    try:
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    except (OSError, AttributeError):
        return 0


class _Stream:
    """Reads from a pipe ahead; `data` from `at` on is what has not been used."""

    def __init__(self, fd: int) -> None:
        self.data = b""
        self.at = 0
        self._fd = fd
        self._is_open = True
        # Whoever waits at a pipe is woken for every line: a fifth of all work, and more for git.
        # A pause lets much come at once, where git does not have to wait for the room meanwhile.
        self._pauses = iter(_PAUSES_S if _read_pipe_size(fd) >= _PIPE_SIZE else ())
        self._pause = 0.0

    def need(self, count: int) -> bool:
        """Read until `count` unused bytes are there; return whether they are."""
        have = len(self.data) - self.at
        if have >= count:
            return True
        pieces = [self.data[self.at :]]
        while self._is_open and have < max(count, _READ_AHEAD):
            piece = os.read(self._fd, _PIECE)
            self._is_open = bool(piece)
            pieces.append(piece)
            have += len(piece)
            if self._is_open and have < _READ_AHEAD:
                self._pause = next(self._pauses, self._pause)
                time.sleep(self._pause)
        self.data, self.at = b"".join(pieces), 0
        return have >= count

    def end(self) -> None:
        """Read no more, and forget what is unused."""
        self.data, self.at, self._is_open = b"", 0, False

    def skip(self, count: int) -> bool:
        """Use up `count` bytes, which may be more than memory holds; return whether they came."""
        while count > 0 and self.need(1):
            step = min(count, len(self.data) - self.at)
            self.at += step
            count -= step
        return count == 0


def _read_commit(stream: _Stream) -> LogCommit | str | None:
    """Read the next commit with all that belongs to it; None when the stream has no more."""
    stream.need(_HEAD_ROOM)
    match = _REGULAR.match(stream.data, stream.at)
    if match is None:
        return _skip_commit(stream)
    oid, size, body, parent, time, year, month, day, name, chunk_size = match.groups()
    if int(chunk_size) > LARGEST:
        return _skip_commit(stream)
    # Offsets count from `at`, as reading on moves the data.
    chunk_start = match.end() - stream.at
    chunk_end = chunk_start + int(chunk_size)
    stream.need(chunk_end + _HEAD_ROOM)
    meta = _BLOB.match(stream.data, stream.at + chunk_end + 1)
    if meta is None or int(size) != len(body) or int(meta[1]) > LARGEST:
        return _skip_commit(stream)
    meta_start = meta.end() - stream.at
    meta_end = meta_start + int(meta[1])
    if not stream.need(meta_end + 1):
        return None
    data, at = stream.data, stream.at
    stream.at = at + meta_end + 1
    path = b"events/%b/%b/%b/%b" % (year, month, day, name)
    return LogCommit(
        oid.decode(),
        (parent.decode(),) if parent else (),
        int(time),
        data[at + meta_start : at + meta_end],
        [(path.decode(errors="backslashreplace"), data[at + chunk_start : at + chunk_end])],
    )


def _skip_commit(stream: _Stream) -> str | None:
    """Use up a commit and what follows it up to the next one; return its id.

    Ends the stream at an object that is too large.
    """
    oid: str | None = None
    while stream.need(_HEAD_ROOM) or stream.need(1):
        record = _RECORD.match(stream.data, stream.at)
        if record is None or (record[2] == b"commit") is (oid is not None):
            break
        oid = oid or record[1].decode()
        stream.at = record.end()
        if int(record[3]) > LARGEST:
            stream.end()
        if not stream.skip(int(record[3]) + 1):
            break
    return oid
