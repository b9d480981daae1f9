"""git's own objects as bytes: the head of a commit, and the trees and commits that are written.

Source: git's object format (gitformat-pack, git-mktree): a tree's entries are sorted by name, a
folder as if its name ended in a slash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from git_session.core.wire import names
from git_session.errors import TooLargeError

BLOB: Final = 3
COMMIT: Final = 1
TREE: Final = 2
"""The kinds of objects, by their numbers in packs."""

KINDS: Final = {b"commit": COMMIT, b"tree": TREE, b"blob": BLOB}
"""The same by git's words."""

LARGEST: Final = 64 << 20
"""Bytes of a blob; what is or claims to be more is not read.

No setting, as a merge is a function of two heads: every clone has to judge alike.
"""

LARGEST_OTHER: Final = 4 << 20
"""Bytes of a commit, of a tree, and of a file of JSON, which take far more memory than that."""

_WORDS: Final = {kind: word for word, kind in KINDS.items()}
_HEAD: Final = re.compile(rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)")
_COMMITTER: Final = re.compile(rb"\ncommitter [^\n]*> (\d{1,18}) [+-]\d{4}\n")
_ENTRY: Final = re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0(.{20})", re.DOTALL)
_FOLDER_MODES: Final = frozenset({b"40000", b"040000"})
_MODES: Final = _FOLDER_MODES | {b"100644", b"100664", b"100755"}
_ID_SIZE: Final = 20
_ONE_ENTRY: Final = 1 + _ID_SIZE
"""Bytes behind the name in an entry."""


@dataclass(slots=True)
class CommitHead:
    """Holds what a commit says of others: its tree, its parents, its time in s since the epoch."""

    tree: str
    parents: tuple[str, ...]
    time: int


@dataclass(slots=True)
class TreeEntry:
    """Holds one file or folder of a tree."""

    name: str
    oid: str
    is_folder: bool


def require_small(oid: str, kind: int, size: int) -> None:
    """Raise TooLargeError for an object of more bytes than are read of its kind."""
    limit = LARGEST if kind == BLOB else LARGEST_OTHER
    if size > limit:
        raise TooLargeError(
            f"object {oid} has {size} bytes, which is more than the {limit >> 20} MiB that are read"
        )


def format_object(kind: int, content: bytes) -> bytes:
    """Form what an object's id is the SHA-1 of, and what its file holds compressed."""
    return b"%b %d\0" % (_WORDS[kind], len(content)) + content


def parse_commit_head(raw: bytes) -> CommitHead | None:
    """Read a commit's tree, parents and committer time (0 when it is malformed).

    None when the bytes do not begin as a commit does.
    """
    match = _HEAD.match(raw)
    if match is None:
        return None
    committer = _COMMITTER.search(raw, match.end() - 1, raw.find(b"\n\n") + 1)
    parents = tuple(match[2].decode().split()[1::2])
    return CommitHead(match[1].decode(), parents, int(committer[1]) if committer else 0)


def parse_tree(raw: bytes) -> list[TreeEntry] | None:
    """Read the files and folders of a tree, without symbolic links and submodules.

    Bytes of a name that are not UTF-8 come as backslash escapes. None when the bytes are no tree.
    """
    if raw.find(b"\0") == len(raw) - _ONE_ENTRY:  # most hold just one
        mode, _, name = raw[:-_ONE_ENTRY].partition(b" ")
        if name and mode in _MODES and b"/" not in name:
            return [_make_entry(mode, name, raw[-_ID_SIZE:])]
    found = _ENTRY.findall(raw)
    if sum(map(len, chain.from_iterable(found))) + 2 * len(found) != len(raw):
        return None
    return [_make_entry(*entry) for entry in found if entry[0] in _MODES]


def _make_entry(mode: bytes, name: bytes, oid: bytes) -> TreeEntry:
    return TreeEntry(name.decode(errors="backslashreplace"), oid.hex(), mode in _FOLDER_MODES)


def format_tree(entries: Iterable[TreeEntry]) -> bytes:
    """Write a tree; files get the mode 100644."""
    lines = []
    for entry in entries:
        name, oid = entry.name.encode(), bytes.fromhex(entry.oid)
        if entry.is_folder:
            lines.append((name + b"/", b"40000 " + name + b"\0" + oid))
        else:
            lines.append((name, b"100644 " + name + b"\0" + oid))
    return b"".join(line for _, line in sorted(lines))


def format_commit(
    tree: str,
    parents: Sequence[str],
    time: int,
    message: str,
    committer: str = names.GRITE_IDENTITY,
) -> bytes:
    """Write a commit at `time` (s since the epoch), in UTC, without a final newline.

    The `committer` (`Name <address>`) is its author as well.
    """
    who = f"{committer} {time} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    return "\n".join([*lines, f"author {who}", f"committer {who}", "", message]).encode()
