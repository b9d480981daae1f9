"""Read objects by a git that stays at hand: slower than libgit2, but not to be brought down."""

from __future__ import annotations

import hashlib
import os
import subprocess
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from git_session.core.wire.git_object import KINDS, LARGEST, require_small
from git_session.errors import TooLargeError
from git_session.git.program import git_environment, output_of, start_git
from git_session.host.files.regular_file import refuse_to_wait

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
        """Read an object: its kind and its bytes; None when it is missing, damaged or another.

        Raises TooLargeError.
        """
        for _ in range(2):  # one that met damage has ended, and takes no more questions
            try:
                return self._ask(oid)
            except OSError:
                self._stop()
            except TooLargeError:
                self._stop()  # it would still be on its way
                raise
        return None

    def _stop(self) -> None:
        if self._process is not None:
            _stop(self._process)
        self._process = None

    def _ask(self, oid: str) -> tuple[int, bytes] | None:
        """Ask once. Raises OSError where git is not there, or not any more."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{oid}\n{self._mark}\n".encode())
        answer = _read_until(process.stdout, f"{self._mark} missing\n".encode(), oid)
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


def _read_until(stream: IO[bytes], end: bytes, oid: str) -> bytes:
    """Read up to what ends with `end`, and leave that away. Raises OSError where it never does.

    Raises TooLargeError where git announces an object that is larger than what is read.

    Of a damaged blob git tells a size first, which may be any, and then as much as it can, without
    a word about what is lacking.
    """
    found = bytearray()
    while not found.endswith(end):
        piece = stream.read(_PIECE)
        if not piece or len(found) > LARGEST + _PIECE:
            raise BrokenPipeError
        if b"\n" in piece and b"\n" not in found:
            words = bytes(found + piece).split(b"\n", 1)[0].split()
            if len(words) == 3 and words[1] in KINDS:
                require_small(oid, KINDS[words[1]], int(words[2]))
        found += piece
    return bytes(found[: -len(end)])


def _stop(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(OSError):
            stream.close()
    process.kill()
    process.wait()


@dataclass(frozen=True, slots=True)
class ListedObject:
    """Holds what an object takes: bytes on disk, of which a file of its own has whole blocks."""

    size: int
    is_loose: bool
    is_commit: bool


def list_objects(git_dir: Path, head: str) -> Iterator[ListedObject]:
    """List the objects that a commit leads to; ends early where git is missing or fails."""
    folder = git_dir / "objects"
    listing = ["rev-list", "--objects", "--no-object-names", head, "--"]
    form = "--batch-check=%(objectname) %(objecttype) %(objectsize:disk)"
    try:
        walker = start_git(git_dir, listing, subprocess.DEVNULL)
    except OSError:
        return
    with (
        walker,
        start_git(git_dir, ["cat-file", form, "--buffer"], output_of(walker).fileno()) as reader,
    ):
        output_of(walker).close()
        with os.fdopen(os.dup(output_of(reader).fileno()), "r", encoding="ascii") as lines:
            for line in lines:
                oid, kind, *size = line.split()
                if not size:
                    continue  # "missing"
                try:
                    blocks = (folder / oid[:2] / oid[2:]).stat().st_blocks
                    yield ListedObject(blocks * 512, is_loose=True, is_commit=kind == "commit")
                except OSError:
                    yield ListedObject(int(size[0]), is_loose=False, is_commit=kind == "commit")
