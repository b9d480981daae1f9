"""Read one commit of the log out of its objects, which somebody else may have made up.

Source: the grite store format, section "A WAL commit": every `*.bin` anywhere in the tree is a
chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final, Union

from git_session.core.wire import git_object, names
from git_session.core.wire.commit import MISSING, TOO_LARGE, File, LogCommit
from git_session.core.wire.git_object import CommitHead, TreeEntry
from git_session.errors import TooLargeError, WireError

MAX_DEPTH: Final = 16
MAX_ENTRIES: Final = 10_000
"""What is read of one commit's tree; grite's holds seven entries, the deepest in the fifth."""

ReadObject = Callable[[str], tuple[int, bytes] | None]
"""Reads the object with an id: its kind and its bytes, or None when it is missing or damaged.

Raises TooLargeError for one that is larger than what is read.
"""

OnFault = Callable[[str, str, str], None]
"""Takes a commit, a path in its tree (or nothing) and a sentence about what is wrong there."""


WriteObject = Callable[[int, bytes], str]
"""Writes an object of a kind and gives its id."""

_Folder = dict[str, Union[File, "_Folder"]]
"""What is in a folder, by name: files, and folders."""

_BAD_NAMES: Final = frozenset({"", ".", "..", ".git"})


def ignore_fault(_commit: str, _path: str, _what: str) -> None:
    """Take a fault and do nothing."""


def read_commit_head(
    read: ReadObject, oid: str, on_fault: OnFault = ignore_fault
) -> CommitHead | None:
    """Read a commit without its tree; None when it is missing, damaged, too large or no commit."""
    try:
        found = read(oid)
    except TooLargeError:
        on_fault(oid, "", f"the commit is {TOO_LARGE}")
        return None
    if found is None:
        on_fault(oid, "", f"the commit is {MISSING}")
        return None
    kind, raw = found
    head = git_object.parse_commit_head(raw) if kind == git_object.COMMIT else None
    if head is None:
        on_fault(oid, "", "the object is no commit")
    return head


def read_log_commit(read: ReadObject, oid: str, on_fault: OnFault) -> LogCommit | None:
    """Read a commit with its chunks; None when the commit itself cannot be read.

    What else is missing or damaged is told to `on_fault`, except a chunk, which comes as None, or
    by its id if it is too large.
    """
    head = read_commit_head(read, oid, on_fault)
    if head is None:
        return None
    commit = LogCommit(oid, head.parents, head.time, None, [])
    faults = []

    def note_fault(*fault: str) -> None:
        faults.append(fault)
        on_fault(*fault)

    for path, blob in _find_files(read, head.tree, oid, note_fault):
        try:
            data = _read_blob(read, blob)
        except TooLargeError:
            if path == names.META_PATH:
                note_fault(oid, path, f"{path} is {TOO_LARGE}")
            else:
                commit.large += ((path, blob),)
            continue
        if path != names.META_PATH:
            commit.chunks.append((path, data))
        elif data is None:
            note_fault(oid, path, f"{names.META_PATH} is {MISSING}")
        else:
            commit.meta = data
    if not commit.chunks and not commit.large and not faults:
        # Whoever writes a commit of the log writes a chunk, a merge with nothing to carry too.
        on_fault(oid, names.EVENTS_DIR, "the commit holds no chunk")
    return commit


def read_file(read: ReadObject, commit: str, path: str) -> bytes | None:
    """Read one file of a commit; None when any part of the way to it cannot be read."""
    head = read_commit_head(read, commit)
    oid = head.tree if head else None
    *folders, name = path.split("/")
    with suppress(TooLargeError):
        for part in [*folders, name]:
            entries = _read_tree(read, oid) if oid else None
            oid = next((entry.oid for entry in entries or () if entry.name == part), None)
        return _read_blob(read, oid) if oid else None
    return None


def _find_files(
    read: ReadObject, tree: str, commit: str, on_fault: OnFault
) -> Iterator[tuple[str, str]]:
    """Find `meta.json` and the chunks of a tree, in its order: path and blob id."""
    waiting = [(0, "", TreeEntry("", tree, True))]
    count = 0
    while waiting:
        depth, path, entry = waiting.pop()
        if not entry.is_folder:
            if path == names.META_PATH or path.endswith(".bin"):
                yield path, entry.oid
            continue
        if depth > MAX_DEPTH:
            on_fault(commit, path, f"the tree is more than {MAX_DEPTH} folders deep")
            continue
        folder = f"the folder {path}" if path else "the tree"
        try:
            entries = _read_tree(read, entry.oid)
        except TooLargeError:
            on_fault(commit, path, f"{folder} is {TOO_LARGE}")
            continue
        if entries is None:
            on_fault(commit, path, f"{folder} is {MISSING}")
            continue
        count += len(entries)
        if count > MAX_ENTRIES:
            on_fault(commit, path, f"the tree has more than {MAX_ENTRIES} entries")
            return
        prefix = f"{path}/" if path else ""
        waiting += [(depth + 1, prefix + inner.name, inner) for inner in reversed(entries)]


def _read_tree(read: ReadObject, oid: str) -> list[TreeEntry] | None:
    found = read(oid)
    if found is None or found[0] != git_object.TREE:
        return None
    return git_object.parse_tree(found[1])


def _read_blob(read: ReadObject, oid: str) -> bytes | None:
    found = read(oid)
    return found[1] if found is not None and found[0] == git_object.BLOB else None


def write_tree(write: WriteObject, files: Mapping[str, File]) -> str:
    """Write files and the folders they are in, and return the tree's id.

    A file is its bytes, or the id of a blob that is there. Raises WireError for a path that no tree
    can hold.
    """
    top: _Folder = {}
    for path, data in files.items():
        *folders, name = path.split("/")
        if not _BAD_NAMES.isdisjoint((name, *folders)):
            raise WireError(f"no tree can hold a file at {path!r}")
        inside = top
        for folder in folders:
            found = inside.setdefault(folder, {})
            if not isinstance(found, dict):
                raise _no_room()
            inside = found
        if name in inside:
            raise _no_room()
        inside[name] = data
    return _write_folder(write, top)


def _write_folder(write: WriteObject, inside: _Folder) -> str:
    entries = []
    for name, what in inside.items():
        if isinstance(what, dict):
            oid = _write_folder(write, what)
        else:
            oid = what if isinstance(what, str) else write(git_object.BLOB, what)
        entries.append(TreeEntry(name, oid, isinstance(what, dict)))
    return write(git_object.TREE, git_object.format_tree(entries))


def _no_room() -> WireError:
    return WireError("a tree cannot hold a file and a folder of the same name")
