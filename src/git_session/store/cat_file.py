"""Reads objects by a git that stays at hand: slower than libgit2, but not to be brought down."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from git_session.store.git import git_environment
from git_session.store.regular_file import has_strange_objects
from git_session.wire.git_object import BLOB, COMMIT, TREE

_KINDS: Final = {b"commit": COMMIT, b"tree": TREE, b"blob": BLOB}
_LOCAL: Final = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}


class CatFile:
    """Reads one object after the other from a `git cat-file`, which ends with this."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, oid: str) -> tuple[int, bytes] | None:
        """Reads an object: its kind and its bytes; None when it is missing, damaged or another."""
        for _ in range(2):  # one that met damage has ended, and takes no more questions
            with suppress(OSError):
                return self._ask(oid)
            self._process = None
        return None

    def _ask(self, oid: str) -> tuple[int, bytes] | None:
        """Asks once. Raises OSError where git is not there, or not any more."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(oid.encode() + b"\n")
        words = process.stdout.readline().split()
        if not words:
            raise BrokenPipeError
        if len(words) != 3 or not words[2].isdigit():
            return None  # "missing", with its id
        content = _read_whole(process.stdout, int(words[2]) + 1)[:-1]
        whole = b"%b %b\0" % (words[1], words[2]) + content
        is_it = hashlib.sha1(whole, usedforsecurity=False).hexdigest() == oid
        return (_KINDS[words[1]], content) if is_it and words[1] in _KINDS else None

    def _start(self) -> subprocess.Popen[bytes]:
        if has_strange_objects(self._git_dir):
            raise OSError(errno.EINVAL, "git would wait for an object that is no file")
        self._process = subprocess.Popen(
            ["git", f"--git-dir={self._git_dir}", "--no-replace-objects", "cat-file", "--batch"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=git_environment() | _LOCAL,
        )
        weakref.finalize(self, _stop, self._process)
        return self._process


def _read_whole(stream: IO[bytes], count: int) -> bytes:
    pieces = []
    while count > 0 and (piece := stream.read(count)):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(OSError):
            stream.close()
    process.kill()
    process.wait()
