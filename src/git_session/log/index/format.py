"""How the index is laid out: every key and every value, made and parsed here only.

The index is one ordered map from numbers to bytes, and it trusts nothing that it reads back.
The *seal* tells which head the content is of, and for each kind of value how many there are and
the sum of their checks; an issue's entry tells the same of its events and rows. Whatever is
missing, changed, or left over from another time does not add up.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from git_session.core.wire.json_text import format_json

Row = dict[str, Any]
Order = tuple[int, str, str]
"""What sessions are listed by."""

SCHEMA: Final = 6
"""Raise it with every change of the layout or of the fold; each number has a file of its own."""

SEAL: Final = 0
EVENTS: Final = 1
ISSUE: Final = 2
TASK: Final = 3
LIVE: Final = 4
ENDED: Final = 5
KNOWN: Final = 6
PROBLEMS: Final = 7
"""Kinds of values. Events are most of the bytes and are written first: the tree then grows at
its end alone."""

ID_SIZE: Final = 20
"""Bytes of a commit id."""

_EVENT: Final = struct.Struct("<32s20sI")
_CHECK: Final = struct.Struct("<I")
_KIND_SHIFT: Final = 56
_NUMBER_SHIFT: Final = 24


class DamageError(Exception):
    """Reports content that is not what was written."""


def key_of(kind: int, number: int = 0, part: int = 0) -> int:
    """Form a key: of a kind, of an issue's number, of one of several parts."""
    return kind << _KIND_SHIFT | number << _NUMBER_SHIFT | part


def keys_of(kind: int, number: int | None = None) -> tuple[int, int]:
    """Form the first and last key of a kind, or of one issue's values of that kind."""
    if number is None:
        return key_of(kind), key_of(kind + 1) - 1
    return key_of(kind, number), key_of(kind, number + 1) - 1


def compute_check(key: int, value: bytes) -> int:
    """Compute the check of one value at its place."""
    return zlib.crc32(value, zlib.crc32(key.to_bytes(8, "big")))


class Sum:
    """Counts values and adds up their checks, so that a set of them can be told from another."""

    __slots__ = ("count", "total")

    def __init__(self, count: int = 0, total: int = 0) -> None:
        self.count = count
        self.total = total

    def add(self, check: int) -> None:
        """Take a value in."""
        self.count += 1
        self.total += check

    def remove(self, check: int) -> None:
        """Take a value out."""
        self.count -= 1
        self.total -= check

    def require(self, items: Iterable[tuple[int, bytes]]) -> None:
        """Raise DamageError when these are not the values that were counted."""
        checks = [compute_check(key, value) for key, value in items]
        if len(checks) != self.count or sum(checks) != self.total:
            raise DamageError("values are missing, changed or left over")


class Seal:
    """Tells what the index holds; `states` counts the sessions in each state.

    `unread` counts the session blocks with words that this version does not know.
    """

    __slots__ = (
        *("commits", "events", "head", "next_number", "next_part"),
        *("states", "sums", "trust", "unread"),
    )

    def __init__(self, trust: str) -> None:
        self.trust = trust
        self.head = ""
        self.commits = 0
        self.events = 0
        self.next_number = 0
        self.next_part = 0
        self.unread = 0
        self.states: dict[str, int] = {}
        self.sums = {kind: Sum() for kind in (ISSUE, TASK, LIVE, ENDED, KNOWN, PROBLEMS)}

    def encode(self) -> bytes:
        """Write the seal with its own check in front."""
        counts = [self.commits, self.events, self.next_number, self.next_part, self.unread]
        sums = [[kind, found.count, found.total] for kind, found in self.sums.items()]
        told = [SCHEMA, self.trust, self.head, counts, self.states, sums]
        text = json.dumps(told, separators=(",", ":")).encode()
        return _CHECK.pack(zlib.crc32(text)) + text

    @classmethod
    def decode(cls, value: bytes) -> Seal:
        """Read a seal. Raises DamageError for anything else."""
        text = value[_CHECK.size :]
        if value[: _CHECK.size] != _CHECK.pack(zlib.crc32(text)):
            raise DamageError("the seal is broken")
        told = parse_json(text)
        if type(told) is not list or len(told) != 6 or told[0] != SCHEMA:
            raise DamageError("the seal is of another layout")
        seal = cls(told[1])
        seal.head = told[2]
        seal.commits, seal.events, seal.next_number, seal.next_part, seal.unread = told[3]
        seal.states = told[4]
        seal.sums = {kind: Sum(count, total) for kind, count, total in told[5]}
        return seal


class Entry:
    """Holds what the index knows of an issue beside its events and rows.

    `checks` has the check of each row the issue has, by its kind; `events` counts the values
    that hold its events, and `event_count` the events; `task` is task id and title, None for an
    issue that is never listed; a session is its id, state, engine and role; `unread` is as in Seal.
    """

    __slots__ = (
        *("checks", "event_count", "events", "issue_id", "next_part", "number"),
        *("sessions", "task", "unread"),
    )

    def __init__(self, issue_id: bytes, number: int) -> None:
        self.issue_id = issue_id
        self.number = number
        self.events = Sum()
        self.event_count = 0
        self.next_part = 0
        self.checks: dict[int, int] = {}
        self.task: list[str] | None = None
        self.sessions: list[list[str]] = []
        self.unread = 0

    def encode(self) -> bytes:
        """Write the entry: the issue's id, by which it is found, and the rest."""
        sums = [self.events.count, self.events.total]
        counts = [*sums, self.event_count, self.next_part, self.unread]
        told = [self.number, counts, list(self.checks.items()), self.task, self.sessions]
        return self.issue_id + json.dumps(told, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes) -> Entry:
        """Read an entry whose check was found right."""
        number, counts, checks, task, sessions = parse_json(value[16:])
        entry = cls(value[:16], number)
        entry.events = Sum(counts[0], counts[1])
        entry.event_count, entry.next_part, entry.unread = counts[2:]
        entry.checks = dict(checks)
        entry.task = task
        entry.sessions = sessions
        return entry


def parse_json(text: bytes) -> Any:
    """Parse JSON. Raises DamageError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamageError("a value is no JSON") from error


def format_rows(rows: Iterable[Row]) -> bytes:
    """Write rows so that the values of many issues make one JSON array when joined by commas."""
    return ",".join([json.dumps(row, separators=(",", ":")) for row in rows]).encode()


def parse_rows(values: Iterable[bytes]) -> list[Row]:
    """Read the rows of many values at once. Raises DamageError."""
    rows = parse_json(b"[" + b",".join(values) + b"]")
    assert isinstance(rows, list)
    return rows


def order_of(session: Row) -> Order:
    """Return what a session is listed by: the oldest first, ties by its ids."""
    return session["started_ts"], session["session_id"], session["grite_issue_id"]


def format_sessions(rows: Iterable[Row]) -> bytes:
    """Write a line a session: its order, a tab, and its row as commands print it.

    Whoever prints sessions as they are need not parse them.
    """
    return b"\n".join([format_json(order_of(row)) + b"\t" + format_json(row) for row in rows])


def split_sessions(values: Iterable[bytes]) -> list[tuple[Order, bytes]]:
    """Read what each session of many values is listed by, and its row, which stays JSON."""
    lines = [line.partition(b"\t") for value in values for line in value.split(b"\n")]
    orders = parse_json(b"[" + b",".join([order for order, _, _ in lines]) + b"]")
    return [(tuple(order), row) for order, (_, _, row) in zip(orders, lines, strict=True)]


def pack_event(event_id: bytes, commit: bytes, raw: bytes) -> bytes:
    """Write an event; a value holds one after the other."""
    return _EVENT.pack(event_id, commit, len(raw)) + raw


def unpack_events(value: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Read a value's events: event id, commit and raw bytes."""
    start = 0
    while start < len(value):
        event_id, commit, size = _EVENT.unpack_from(value, start)
        start += _EVENT.size
        yield event_id, commit, value[start : start + size]
        start += size
