"""Find out whether it is a permission that kept somebody from reading a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from git_session.core.wire.plain_text import quote_word
from git_session.errors import EnvironmentFaultError, ReadOnlyError
from git_session.host.files.regular_file import open_regular

_PROBE: Final = bytes(64 * 1024)
"""More than a file system gives away once its free space is gone."""


def require_readable(path: Path) -> None:
    """Raise EnvironmentFaultError when a permission of a file, or of a folder above, is lacking.

    What is not there, or is damaged, passes.
    """
    try:
        os.close(open_regular(path))
        return
    except PermissionError as error:
        reason = error.strerror
    except OSError:
        return
    place = _find_refusing(path)
    raise EnvironmentFaultError(
        f"cannot read {place}: {reason}",
        f"ls -ld {quote_word(os.fspath(place))} shows whose it is and who may read it",
    )


def _find_refusing(path: Path) -> Path:
    """Find what refuses: the folder that cannot be entered, nearest to the top, or the file."""
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK, effective_ids=True):
            return folder
    return path


def require_writable(directory: Path) -> None:
    """Write a file in `directory`, or in the nearest folder above it that exists, and remove it.

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
