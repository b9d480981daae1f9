"""Finds out whether it is a permission that kept somebody from reading a file."""

from __future__ import annotations

import os
from pathlib import Path

from git_session.core.wire.plain_text import quote_word
from git_session.errors import EnvironmentFaultError
from git_session.host.files.regular_file import open_regular


def require_readable(path: Path) -> None:
    """Raises EnvironmentFaultError when a permission of a file, or of a folder above, is lacking.

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
    """Finds what refuses: the folder that cannot be entered, nearest to the top, or the file."""
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK, effective_ids=True):
            return folder
    return path
