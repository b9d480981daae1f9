"""Read and write objects one by one, and believe none that is not what its id says.

libgit2 1.9 reads those in packs. Those in files of their own it does not, as it waits for ever
where one damaged bit makes the compressed data go on past its end. And a pack whose index is
damaged it would look for where there is no memory, and end the process: then git reads. Nor does it
write: to load it takes as long as all else that a transition does.
Source: gitformat-loose, gitformat-pack, gitrepository-layout ("objects/info/alternates").
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from git_session.core.wire.git_object import KINDS, LARGEST, format_object, require_small
from git_session.errors import TooLargeError
from git_session.git.repository.ref_move import sync_folder
from git_session.host.files.config_file import cannot_write, create_directory
from git_session.host.files.regular_file import open_regular, read_regular

_ID_LENGTH: Final = 40
_HASH_SIZE: Final = 20
_SMALL: Final = 1 << 16
_HEAD_ROOM: Final = 32
"""Bytes; more than an object says before its content: its kind and its size."""

_LONGEST: Final = LARGEST + (LARGEST >> 8)
"""Bytes of a file; what is read has no more, as compressing adds less than that at worst."""

_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_TEMPORARY: Final = "tmp_obj_"
"""What git clears away, where somebody who was killed has left it. Source: git-prune."""

_BLOCK: Final = 4096
"""A file takes that much of a disk however small it is, so what is smaller is not made smaller."""

_AS_IT_IS: Final = (0, zlib.DEFLATED, 9, 1)
_QUICKLY: Final = (1, zlib.DEFLATED, 15, 8)
"""Level, method, window and memory; git packs with its own what stays. Source: zlib.h."""

_TRIES: Final = 5
_DEEPEST: Final = 5
"""How far git follows alternates of alternates."""


class _Packs(Protocol):
    """Reads what is in packs; what is missing or damaged is None, or raises what libgit2 does."""

    def read(self, oid: str) -> tuple[int, bytes] | None: ...


class ObjectFiles:
    """Reads the objects of one repository and of those that it borrows from; writes its own."""

    def __init__(self, common_dir: Path, environ: Mapping[str, str]) -> None:
        self._common_dir = common_dir
        named = environ.get("GIT_OBJECT_DIRECTORY")
        also = environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "").split(os.pathsep)
        own = os.path.abspath(named) if named else os.path.join(common_dir, "objects")
        borrowed = [os.path.abspath(folder) for folder in also if folder]
        self._folders = list(dict.fromkeys([*_follow_alternates(own), *borrowed]))
        self._seen_packs: list[int] = []

    @cached_property
    def _packs(self) -> _Packs:
        self._seen_packs = self._stamp_packs()
        if not all(map(_has_sound_indexes, self._folders)):
            from git_session.git.cat_file import CatFile

            return CatFile(self._common_dir)
        from git_session.git.repository.libgit2 import Packs

        return Packs(self._folders)

    def read(self, oid: str) -> tuple[int, bytes] | None:
        """Read an object: its kind and its bytes; None when it is missing or damaged.

        Raises TooLargeError for one that is larger than what is read.
        """
        return self.read_loose(oid) or self.read_packed(oid)

    def forget_packs(self) -> bool:
        """Forget which packs were open; return whether git has changed them since."""
        is_open = self.__dict__.pop("_packs", None) is not None
        return is_open and self._seen_packs != self._stamp_packs()

    def read_loose(self, oid: str) -> tuple[int, bytes] | None:
        """Read an object that is in a file of its own; libgit2 is not loaded for it.

        Raises TooLargeError.
        """
        if len(oid) != _ID_LENGTH or not oid.isalnum():
            return None  # no path may be made of it
        for folder in self._folders:
            data = _read_file(f"{folder}/{oid[:2]}/{oid[2:]}", oid)
            found = None if data is None else decode_loose(data, oid)
            if found is not None:
                return found
        return None

    def list_paths(self, oid: str) -> list[Path]:
        """List where an object would be in a file of its own."""
        return [Path(folder, oid[:2], oid[2:]) for folder in self._folders]

    @property
    def folder(self) -> str:
        """Give the folder that objects are written to."""
        return self._folders[0]

    def has_loose(self, oid: str) -> bool:
        """Return whether an object has a file of its own in this repository, sound or not."""
        return os.path.lexists(f"{self._folders[0]}/{oid[:2]}/{oid[2:]}")

    def write(self, kind: int, content: bytes, *, is_durable: bool = False) -> str:
        """Write an object into a file of its own, and return its id. Raises OSError.

        `is_durable`: it outlasts a power failure, though not the name of a new folder. One that is
        there already is written once more: to look for it in all packs would take longer.
        """
        whole = format_object(kind, content)
        oid = _hash(whole)
        _write_file(self._folders[0], oid, _compress(whole), is_durable=is_durable)
        return oid

    def put(self, kind: int, content: bytes) -> str:
        """Write an object unless it can be read, also in the place of a damaged one.

        Gives its id. Raises ReadOnlyError.
        """
        oid = _hash(format_object(kind, content))
        try:
            return oid if self.read(oid) else self.write(kind, content, is_durable=True)
        except OSError as error:
            raise cannot_write(Path(self._folders[0]), error) from error

    def set_aside(self, oid: str, folder: Path) -> None:
        """Move the file of a damaged object to `folder`, where git does not fail on it.

        One that is sound, cannot be read or is somebody else's stays. Raises ReadOnlyError.
        """
        path = f"{self._folders[0]}/{oid[:2]}/{oid[2:]}"
        try:
            data = _read_file(path, oid)
            if data is None or decode_loose(data, oid) is not None:
                return
        except TooLargeError:
            return
        create_directory(folder)
        try:
            os.rename(path, folder / oid)
        except OSError as error:
            raise cannot_write(folder, error) from error

    def read_packed(self, oid: str) -> tuple[int, bytes] | None:
        """Read an object that is in a pack; None when it is missing or damaged."""
        from git_session.git.repository.libgit2 import ERRORS

        try:
            return self._packs.read(oid)
        except ERRORS:
            return None

    def _stamp_packs(self) -> list[int]:
        folders = [f"{folder}/pack" for folder in self._folders]
        return [os.stat(folder).st_mtime_ns for folder in folders if os.path.isdir(folder)]


def decode_loose(data: bytes, oid: str) -> tuple[int, bytes] | None:
    """Decode an object from the bytes of its file; None when it is not the one of that id.

    Of one that is too large the beginning is enough. Raises TooLargeError.
    """
    try:
        content = zlib.decompress(data) if len(data) < _SMALL else _decompress(data, oid)
    except zlib.error:
        return None
    head, _, body = content.partition(b"\0")
    word, _, size = head.partition(b" ")
    if word not in KINDS or size != b"%d" % len(body) or _hash(content) != oid:
        return None
    require_small(oid, KINDS[word], len(body))
    return KINDS[word], body


def _compress(whole: bytes) -> bytes:
    stream = zlib.compressobj(*(_AS_IT_IS if len(whole) < _BLOCK else _QUICKLY))
    return stream.compress(whole) + stream.flush()


def _hash(whole: bytes) -> str:
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()


def _decompress(data: bytes, oid: str) -> bytes:
    """Decompress an object that says itself how large it is. Raises zlib.error, TooLargeError.

    What is small is not asked: it cannot become much more than what is read (1,032 times as much).
    """
    _require_small_head(data, oid)
    stream = zlib.decompressobj()
    content = stream.decompress(data, LARGEST + _HEAD_ROOM)
    if not stream.eof:
        raise zlib.error("the end is missing")
    return content


def _require_small_head(data: bytes, oid: str) -> None:
    """Check the beginning of an object's file. Raises zlib.error, TooLargeError."""
    head = zlib.decompressobj().decompress(data, _HEAD_ROOM).partition(b"\0")[0]
    word, _, size = head.partition(b" ")
    if word in KINDS and size.isdigit():
        require_small(oid, KINDS[word], int(size))


def _has_sound_indexes(folder: str) -> bool:
    """Return whether the indexes of a folder's packs are what they were when git wrote them."""
    with suppress(OSError):
        for name in os.listdir(os.path.join(folder, "pack")):
            if name.endswith(".idx") or name == "multi-pack-index":
                with suppress(FileNotFoundError):  # packed anew at this moment
                    if not _ends_in_its_hash(os.path.join(folder, "pack", name)):
                        return False
    return True


def _ends_in_its_hash(path: str) -> bool:
    with open(path, "rb", opener=open_regular) as file:
        if os.fstat(file.fileno()).st_size <= _HASH_SIZE:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            content = memoryview(data)
            try:
                digest = hashlib.sha1(content[:-_HASH_SIZE], usedforsecurity=False).digest()
                return digest == content[-_HASH_SIZE:]
            finally:
                content.release()


def _read_file(path: str, oid: str) -> bytes | None:
    """Read a file; None for what cannot be read at once, such as a folder or a FIFO.

    What else may be in its place needs no look: it is not what its name says. Raises TooLargeError.
    """
    try:
        fd = os.open(path, _READ_FLAGS)
    except OSError:
        return None
    try:
        data = os.read(fd, _SMALL)
        if len(data) < _SMALL:
            return data
        _require_small_head(data, oid)
        return data + _read_rest(fd)
    except (OSError, zlib.error):
        return None
    finally:
        os.close(fd)


def _write_file(objects: str, oid: str, data: bytes, *, is_durable: bool) -> None:
    """Write an object's file, which is whole or not there, and its folder. Raises OSError."""
    for tries_left in reversed(range(_TRIES)):
        try:
            _write_at_once(objects, oid, data, is_durable=is_durable)
            break
        except FileNotFoundError:  # git may have cleared away what it took for left behind
            if not tries_left:
                raise


def _write_at_once(objects: str, oid: str, data: bytes, *, is_durable: bool) -> None:
    # Not in the folder it comes to be in: ext4 puts what begins in 256 folders all over the disk,
    # which takes up to five times as long.
    temporary = f"{objects}/{_TEMPORARY}{os.urandom(8).hex()}"
    folder = f"{objects}/{oid[:2]}"
    path = f"{folder}/{oid[2:]}"
    fd = os.open(temporary, _WRITE_FLAGS, 0o444)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            if is_durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(folder)
            os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if is_durable:
        sync_folder(folder)


def _read_rest(fd: int) -> bytes:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return b""
    with open(fd, "rb", closefd=False) as file:
        return file.read(_LONGEST)


def _follow_alternates(folder: str, depth: int = 0) -> Iterator[str]:
    yield folder
    if depth == _DEEPEST:
        return
    try:
        text = read_regular(Path(folder, "info", "alternates"))
    except OSError:
        return
    for line in text.split(b"\n"):
        if line and not line.startswith(b"#"):
            named = os.path.normpath(os.path.join(folder, os.fsdecode(line)))
            yield from _follow_alternates(named, depth + 1)
