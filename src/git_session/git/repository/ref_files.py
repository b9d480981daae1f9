"""Read refs that are files, without libgit2, which takes longer to load than to ask.

Source: gitrepository-layout ("refs", "packed-refs"), git-pack-refs; libgit2 1.9.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from typing import Final

from git_session.git.place import UnclearError
from git_session.host.files.regular_file import StrPath, read_regular

_LOOSE: Final = rb"([0-9a-f]{40})\s*"
_PACKED: Final = rb"([0-9a-f]{40}) (refs/[^\s]+)"
_PACKED_FILE: Final = (
    rb"(?:# pack-refs with: [^\0\n]*\n)?(?:[0-9a-f]{40} refs/[^\0- \x7f]+\n(?:\^[0-9a-f]{40}\n)?)*"
)
_OF_ONE_WORKTREE: Final = ("refs/bisect/", "refs/rewritten/", "refs/worktree/")
_LONGEST_REF: Final = 1024
_TRIES: Final = 5
_NOT_PLAIN: Final = ""


def read_ref_file(common_dir: StrPath, name: str) -> str | None:
    """Read the commit id that a ref holds on disk at this moment; None without the ref.

    Raises UnclearError for a symbolic ref, a damaged one, and refs that are not in files.
    """
    _require_ref_files(common_dir, name)
    # git packs a ref before it removes the ref's own file: whoever misses the file finds the ref
    # packed, unless the packed ones that were read are those of before.
    try:
        found = _read_loose(common_dir, name)
        for _ in range(_TRIES):
            if found is not None:
                return found
            before = _read_stamp(common_dir)
            found = _read_loose(common_dir, name) or read_packed_ref(common_dir, name)
            if _read_stamp(common_dir) == before:
                return found
    except (OSError, UnicodeError) as error:
        raise UnclearError(str(error)) from error
    raise UnclearError("the refs are packed again and again")


def read_packed_ref(common_dir: StrPath, name: str) -> str | None:
    """Read the commit id that a ref had when refs were packed; None where it is not among them.

    Then all lines have to be sound: one may have been it. Raises UnclearError, OSError.
    """
    found = dict(_read_packed(common_dir, name)).get(name)
    if found is None and not re.fullmatch(_PACKED_FILE, _read_packed_file(common_dir)):
        raise UnclearError("packed-refs is damaged")
    return found


def read_ref_files(common_dir: StrPath, prefix: str) -> dict[str, str]:
    """Read the refs below `prefix`, which ends in a slash: names and commit ids.

    Left out is one whose own file holds something else, or is a link: libgit2 lists no ref at all
    beside a link to nowhere. Raises UnclearError where the packed ones are damaged, or refs are not
    in files.
    """
    _require_ref_files(common_dir, prefix)
    try:
        # In this order: what is packed in between is then read twice, not missed.
        names = list(_list_loose(os.fspath(common_dir), prefix))
        loose = {name: _read_plain(common_dir, name) for name in names}
        found = dict(_read_packed(common_dir, prefix))
    except (OSError, UnicodeError) as error:
        raise UnclearError(str(error)) from error
    broken = {name for name, oid in loose.items() if oid == _NOT_PLAIN}
    found |= {name: oid for name, oid in loose.items() if oid is not None}
    return {name: oid for name, oid in found.items() if name not in broken}


def may_have_refs(common_dir: StrPath, *prefixes: str) -> bool:
    """Return whether there may be refs below one of the prefixes: no is sure, and said at once."""
    if any(os.path.lexists(os.path.join(common_dir, name)) for name in (*prefixes, "reftable")):
        return True
    try:
        packed = _read_packed_file(common_dir)
    except OSError:
        return True
    return any(f" {prefix}".encode() in packed for prefix in prefixes)


def _require_ref_files(common_dir: StrPath, name: str) -> None:
    if not name.startswith("refs/") or name.startswith(_OF_ONE_WORKTREE):
        raise UnclearError("not a ref that all worktrees share")
    if os.path.lexists(os.path.join(common_dir, "reftable")):
        raise UnclearError("the refs are not in files")


def _read_loose(common_dir: StrPath, name: str) -> str | None:
    how = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(os.path.join(common_dir, name), how)
    except FileNotFoundError:
        return None
    try:
        found = re.fullmatch(_LOOSE, os.read(fd, _LONGEST_REF))
    finally:
        os.close(fd)
    if found is None:
        raise UnclearError(f"{name} holds no commit id")
    return found[1].decode()


def _read_plain(common_dir: StrPath, name: str) -> str | None:
    """Read a ref from its own file; None without the file, _NOT_PLAIN for what holds no id."""
    try:
        return _read_loose(common_dir, name)
    except UnclearError:
        return _NOT_PLAIN
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return _NOT_PLAIN


def _read_packed(common_dir: StrPath, prefix: str) -> Iterator[tuple[str, str]]:
    """Read the packed refs whose names begin with `prefix`."""
    data = _read_packed_file(common_dir)
    wanted = b" " + prefix.encode()
    place = data.find(wanted)
    while place >= 0:
        end = data.find(b"\n", place)
        found = re.fullmatch(_PACKED, data[data.rfind(b"\n", 0, place) + 1 : end])
        if found is None or end < 0:
            raise UnclearError("a line of packed-refs is damaged")
        yield found[2].decode(), found[1].decode()
        place = data.find(wanted, end)


def _read_packed_file(common_dir: StrPath) -> bytes:
    try:
        return read_regular(os.path.join(common_dir, "packed-refs"))
    except FileNotFoundError:
        return b""


def _read_stamp(common_dir: StrPath) -> tuple[int, int, int] | None:
    """Read what tells the file of the packed refs from the one before it."""
    try:
        found = os.stat(os.path.join(common_dir, "packed-refs"))
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _list_loose(common_dir: str, prefix: str) -> Iterator[str]:
    top = os.path.join(common_dir, prefix)
    # Most prefixes have no loose refs, and that is told in a fifth of the time.
    for folder, _, files in os.walk(top, onerror=_refuse) if os.path.lexists(top) else ():
        for file in files:
            if not file.endswith(".lock"):
                yield os.path.relpath(os.path.join(folder, file), common_dir)


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
