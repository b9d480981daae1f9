"""Finds out why a write failed, by trying one: the libraries' own words differ and change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from git_session.errors import ReadOnlyError

_PROBE: Final = bytes(64 * 1024)
"""More than a file system gives away once its free space is gone."""


def require_writable(directory: Path) -> None:
    """Writes a file in `directory`, or in the nearest folder above it that exists, and removes it.

    Raises ReadOnlyError when that fails.
    """
    import tempfile  # it loads much, and this is called when something went wrong

    while not directory.is_dir() and directory != directory.parent:
        directory = directory.parent
    try:
        # Among the refs, git takes no file that ends so for a ref.
        with tempfile.NamedTemporaryFile(dir=directory, prefix="probe-", suffix=".lock") as file:
            file.write(_PROBE)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ReadOnlyError(
            f"cannot write to {directory}: {error.strerror}",
            "check the permissions and the free space there",
        ) from error
