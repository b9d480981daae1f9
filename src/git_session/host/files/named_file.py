"""Write a file that the user named: whole or not at all."""

from __future__ import annotations

from pathlib import Path

from git_session.core.wire.plain_text import quote_word
from git_session.errors import ReadOnlyError
from git_session.host.files.config_file import cannot_write, replace_file


def write_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`: a file that is there is replaced at once, or stays as it was.

    What is no file, a pipe or a terminal, is written to. Raises ReadOnlyError.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
            return
        if path.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        if not path.parent.is_dir():
            raise ReadOnlyError(
                f"cannot write {path}: no such directory: {path.parent}",
                f"mkdir -p {quote_word(str(path.parent))}",
            )
    except OSError as error:
        raise cannot_write(path, error) from error
    replace_file(path, data)
