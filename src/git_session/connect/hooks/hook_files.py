"""Hooks as files: read as far as anybody writes by hand, written executable, renamed and removed.

The errors' hint is the way that needs no writing.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from git_session.errors import ConflictError, ReadOnlyError
from git_session.host.files.config_file import replace_file
from git_session.host.files.regular_file import read_regular

_LARGEST: Final = 1 << 18
"""Bytes; our hooks are a fortieth of that, and a script that somebody wrote is not longer."""

_MANUAL: Final = "git session hook install --manual prints what to add by hand"


def read_hook(path: Path) -> bytes | None:
    """Read a hook, the beginning of a large one; None without one.

    One that may not be read is somebody's, and reads as empty. Raises ConflictError for a folder
    and the like.
    """
    try:
        return read_regular(path, _LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return b"" if path.is_symlink() else None
    except PermissionError:
        return b""
    except OSError as error:
        raise ConflictError(f"cannot read {path}: {error.strerror}", _MANUAL) from error


def write_hook(path: Path, data: bytes) -> None:
    """Replace a hook as a whole; it is executable for each user who can read it.

    Its folder is made where missing. Raises ConflictError when that is no folder, ReadOnlyError.
    """
    _create_folder(path.parent)
    write_text(path, data)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (mode & 0o444) >> 2)
    except OSError as error:
        raise _cannot_change(path, error) from error


def write_text(path: Path, data: bytes) -> None:
    """Replace a file as a whole; its mode stays. Raises ReadOnlyError."""
    try:
        replace_file(path, data)
    except ReadOnlyError as error:
        error.hint = _MANUAL
        raise


def move_hook(path: Path, target: Path) -> None:
    """Rename a hook, over another one if there is one. Raises ReadOnlyError."""
    try:
        os.replace(path, target)
    except OSError as error:
        raise _cannot_change(path, error) from error


def remove_hook(path: Path) -> None:
    """Remove a hook. Raises ReadOnlyError."""
    try:
        path.unlink()
    except OSError as error:
        raise _cannot_change(path, error) from error


def _create_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConflictError(f"{path} is not a folder, so git runs no hooks", _MANUAL) from error
    except OSError as error:
        raise _cannot_change(path, error) from error


def _cannot_change(path: Path, error: OSError) -> ReadOnlyError:
    return ReadOnlyError(f"cannot change {path}: {error.strerror}", _MANUAL)
