"""Reads objects by a git that stays at hand: slower than libgit2, but not to be brought down."""

from __future__ import annotations

import hashlib
import os
import subprocess
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from git_session.store.files.regular_file import refuse_to_wait
from git_session.store.git.program import git_environment
from git_session.wire.git_object import KINDS, LARGEST

_PIECE: Final = 1 << 16
_LOCAL: Final = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}


class CatFile:
    """Reads one object after the other from a `git cat-file`, which ends with this."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir
        self._process: subprocess.Popen[bytes] | None = None
        # Asked for after each object, it ends the answer: no object has such a name, or holds it.
        self._mark = f"~{os.urandom(16).hex()}"

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
        process.stdin.write(f"{oid}\n{self._mark}\n".encode())
        answer = _read_until(process.stdout, f"{self._mark} missing\n".encode())
        head, _, content = answer.partition(b"\n")
        words = head.split()
        if len(words) != 3:
            return None  # "missing", with its id
        content = content[:-1]
        whole = b"%b %b\0" % (words[1], words[2]) + content
        is_it = hashlib.sha1(whole, usedforsecurity=False).hexdigest() == oid
        return (KINDS[words[1]], content) if is_it and words[1] in KINDS else None

    def _start(self) -> subprocess.Popen[bytes]:
        refuse_to_wait(self._git_dir)
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


def _read_until(stream: IO[bytes], end: bytes) -> bytes:
    """Reads up to what ends with `end`, and leaves that away. Raises OSError where it never does.

    Of a damaged blob git tells a size first, which may be any, and then as much as it can, without
    a word about what is lacking.
    """
    found = bytearray()
    while not found.endswith(end):
        piece = stream.read(_PIECE)
        if not piece or len(found) > LARGEST:
            raise BrokenPipeError
        found += piece
    return bytes(found[: -len(end)])


def _stop(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(OSError):
            stream.close()
    process.kill()
    process.wait()
