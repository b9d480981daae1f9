"""An ordered map from numbers to bytes, in one SQLite file that many processes share, or in memory.

This is the only module that imports sqlite3. What goes wrong becomes one of two things: damage,
which a new file mends, and failure, which is nobody's fault but makes this file useless now.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from git_session.log.index.format import DamageError

PATIENCE_S: Final = 2.0
"""How long to wait for another process that writes."""

_READER_PATIENCE_S: Final = 0.5
"""Readers wait only while a file is opened or put in order after a crash."""

_ENDINGS: Final = ("-shm", "-wal", "-journal", "")
"""What SQLite has beside a file; without the first two nobody reads its left-over pages."""

_TRIES: Final = 3
_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_ERROR,  # the table is not what it was made as
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_NOTADB,
    }
)
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")

Identity = tuple[int, int]
"""Tells one file from the next of the same name."""


class FailureError(Exception):
    """Reports a file that cannot be used now: for its locks, its permissions, its disk."""


class _Connection(sqlite3.Connection):
    """Close when dropped: from Python 3.13 on, sqlite3 warns of a connection left open."""

    def __del__(self) -> None:
        with suppress(sqlite3.Error):
            self.close()


class IndexFile:
    """Reads and writes values by number; the reads of one transaction see one moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.text_factory = bytes
        self._has_table = False
        self._is_set_up = False

    @classmethod
    def open(cls, path: str, identity: Identity) -> IndexFile:
        """Open a file, with a read transaction begun.

        Raises DamageError, and FailureError, also when the file is not that of `identity`.
        """
        file = cls(_connect(path, "mode=rw"))
        try:
            file.begin()
            # Between the opening of the file and of its WAL, somebody may have put another
            # pair in their place.
            if identify(path) != identity:
                raise FailureError("the file was replaced")
        except BaseException:
            file.close()
            raise
        return file

    @classmethod
    def open_as_is(cls, path: str) -> IndexFile:
        """Open a file for reading alone, without locks and without its WAL.

        What somebody writes meanwhile may show in part. Raises DamageError and FailureError.
        """
        return cls(_connect(path, "mode=ro&immutable=1"))

    @classmethod
    def create(cls, path: str) -> IndexFile:
        """Make a file, or open the one that somebody made in between. Raises as `open` does."""
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666))
        except OSError as error:
            raise FailureError(str(error)) from error
        return cls.find(path) or cls.in_memory()

    @classmethod
    def find(cls, path: str) -> IndexFile | None:
        """Open a file that is there; None without one. Raises as `open` does."""
        for left in reversed(range(_TRIES)):
            identity = identify(path)
            if identity is None:
                return None
            try:
                return cls.open(path, identity)
            except FailureError:
                if left == 0 or identify(path) == identity:
                    raise
        return None

    @classmethod
    def in_memory(cls) -> IndexFile:
        """Make an empty map that goes with this process."""
        return cls(sqlite3.connect(":memory:", isolation_level=None, factory=_Connection))

    def copy_to_memory(self) -> IndexFile:
        """Copy the content as it is now. Raises DamageError and FailureError."""
        copy = sqlite3.connect(":memory:", isolation_level=None, factory=_Connection)
        try:
            with _judging():
                self._connection.backup(copy)
        except BaseException:
            copy.close()
            raise
        return IndexFile(copy)

    def begin(self) -> None:
        """Begin to read: until `end` all answers are of this moment. Raises as `open` does."""
        self._execute("BEGIN")
        found = self._execute("SELECT count(*) FROM sqlite_schema WHERE name = 'item'")
        self._has_table = found[0][0] == 1

    def end(self) -> None:
        """End the reading."""
        with suppress(DamageError, FailureError):
            if self._connection.in_transaction:
                self._execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let the block write, alone and wholly or not at all. Raises as `open` does."""
        self.end()
        self._set_up()
        self._execute("BEGIN IMMEDIATE")
        try:
            self._execute("CREATE TABLE IF NOT EXISTS item (key INTEGER PRIMARY KEY, value BLOB)")
            self._has_table = True
            yield
            self._execute("COMMIT")
        finally:
            self.end()

    def read(self, first: int, last: int) -> list[tuple[int, bytes]]:
        """Read the values of all keys from `first` to `last`. Raises as `open` does."""
        if not self._has_table:
            return []
        question = "SELECT key, value FROM item WHERE key BETWEEN ? AND ? ORDER BY key"
        found = self._execute(question, first, last)
        if not all(type(key) is int and type(value) is bytes for key, value in found):
            raise DamageError("values are not bytes")
        return found

    def read_one(self, key: int) -> bytes | None:
        """Read one value; None when there is none. Raises as `open` does."""
        found = self.read(key, key)
        return found[0][1] if found else None

    def write(self, items: Iterable[tuple[int, bytes]]) -> None:
        """Write values, over those of the same keys. Raises as `open` does."""
        with _judging():
            self._connection.executemany("INSERT OR REPLACE INTO item VALUES (?, ?)", items)

    def delete(self, keys: Iterable[int]) -> None:
        """Delete values. Raises as `open` does."""
        with _judging():
            self._connection.executemany("DELETE FROM item WHERE key = ?", [(key,) for key in keys])

    def clear(self) -> None:
        """Delete all values. Raises as `open` does."""
        self._execute("DELETE FROM item")

    def close(self) -> None:
        """Let go of the file."""
        self.end()
        with suppress(sqlite3.Error):
            self._connection.close()

    def _set_up(self) -> None:
        if self._is_set_up:
            return
        # Losing the last transactions in a power failure is as good as deleting the file, and a
        # mixture of old and new pages does not add up for the reader: nothing waits for the disk.
        self._execute(f"PRAGMA busy_timeout = {PATIENCE_S * 1000:.0f}")
        self._execute("PRAGMA synchronous = OFF")
        self._execute("PRAGMA secure_delete = OFF")
        self._execute("PRAGMA journal_size_limit = 1048576")
        self._execute("PRAGMA journal_mode = WAL")
        self._is_set_up = True

    def _execute(self, sql: str, *values: int) -> list[tuple[int, bytes]]:
        with _judging():
            return self._connection.execute(sql, values).fetchall()


def identify(path: str) -> Identity | None:
    """Return which file a path names; None without one.

    Raises DamageError for what can be no index, FailureError when nothing can be told.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FailureError(str(error)) from error
    if not stat.S_ISREG(found.st_mode):
        raise DamageError("not a file")
    return found.st_dev, found.st_ino


def discard(path: str) -> bool:
    """Remove a file and what SQLite has beside it; return whether the place is now free.

    A folder in its place goes only if it is empty.
    """
    try:
        for ending in _ENDINGS:
            place = f"{path}{ending}"
            with suppress(FileNotFoundError):
                os.rmdir(place) if os.path.isdir(place) else os.unlink(place)
    except OSError:
        return False
    return True


def _connect(path: str, how: str) -> sqlite3.Connection:
    spelt = "".join(
        chr(byte) if byte in _PLAIN else f"%{byte:02x}"
        for byte in os.fsencode(os.path.abspath(path))
    )
    with _judging():
        return sqlite3.connect(
            f"file:{spelt}?{how}",
            uri=True,
            isolation_level=None,
            timeout=_READER_PATIENCE_S,
            factory=_Connection,
        )


@contextmanager
def _judging() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        # SQLite's own words about a damaged schema quote it.
        raise DamageError(str(error)) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL)
        is_short = code == sqlite3.SQLITE_IOERR_SHORT_READ
        if is_short or code & 0xFF in _DAMAGE:
            raise DamageError(str(error)) from error
        raise FailureError(str(error)) from error
