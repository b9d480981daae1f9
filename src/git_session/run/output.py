"""The files that keep sessions' output: made, hashed, and read from their end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from git_session.host.files.regular_file import open_regular

_BLOCK: Final = 1 << 16
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC


def create_output(path: Path) -> int:
    """Make the file and return its descriptor; what agents say is their owner's to read only.

    Raises OSError, for a file that is there already too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, _FLAGS, 0o600)


def hash_output(path: Path) -> str:
    """Compute the SHA-256 (64 hex digits) of a file, block by block. Raises OSError."""
    with open(path, "rb", opener=open_regular) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_last_lines(path: Path, count: int) -> int:
    """Find where the last `count` lines of a file begin, in bytes. Raises OSError.

    A last line need not have an end.
    """
    with open(path, "rb", opener=open_regular) as file:
        position = file.seek(0, os.SEEK_END)
        if count <= 0:
            return position
        # What ends the last line separates nothing.
        left, is_last = count, True
        while position > 0:
            start = max(position - _BLOCK, 0)
            file.seek(start)
            block = file.read(position - start)
            end = len(block) - 1 if is_last and block.endswith(b"\n") else len(block)
            is_last = False
            while (found := block.rfind(b"\n", 0, end)) >= 0:
                left -= 1
                if not left:
                    return start + found + 1
                end = found
            position = start
        return 0


def read_from(path: Path, position: int) -> Iterator[bytes]:
    """Read a file from `position` to its end as it is now, block by block. Raises OSError."""
    with open(path, "rb", opener=open_regular) as file:
        file.seek(position)
        while block := file.read(_BLOCK):
            yield block
