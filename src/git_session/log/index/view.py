"""The content of an index at one moment, every piece of it verified when it is read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator

from git_session.log.index import format as form
from git_session.log.index.file import IndexFile
from git_session.log.index.format import ID_SIZE, DamageError, Entry, Order, Row, Seal

Wanted = Callable[[str, str, str], bool]
"""Tells whether sessions of a state, an engine and a role are asked for."""


class View:
    """Answers from a file in whose transaction it was made.

    Each method raises DamageError rather than give what was not written, and FailureError.
    """

    def __init__(self, file: IndexFile, seal: Seal) -> None:
        self.seal = seal
        self._file = file
        self._entries: dict[bytes, tuple[int, bytes]] | None = None
        self._known: list[tuple[int, bytes]] | None = None

    @classmethod
    def read(cls, file: IndexFile, trust: str | None) -> View | None:
        """Read what the content is of; None when there is none, or of another trust."""
        value = file.read_one(form.key_of(form.SEAL))
        if value is None:
            return None
        seal = Seal.decode(value)
        return cls(file, seal) if trust in (None, seal.trust) else None

    def values(self, kind: int) -> list[tuple[int, bytes]]:
        """Read all values of a kind, with their keys."""
        found = self._file.read(*form.keys_of(kind))
        self.seal.sums[kind].require(found)
        return found

    # -- issues

    def issue_values(self) -> dict[bytes, tuple[int, bytes]]:
        """Read the entries of all issues, each with its key, undecoded."""
        if self._entries is None:
            self._entries = {item[1][:16]: item for item in self.values(form.ISSUE)}
        return self._entries

    def entry(self, issue_id: bytes) -> Entry | None:
        """Read what is known of an issue."""
        item = self.issue_values().get(issue_id)
        return Entry.decode(item[1]) if item else None

    def entries(self) -> Iterator[Entry]:
        """Read what is known of all issues, by their ids."""
        for _, (_, value) in sorted(self.issue_values().items()):
            yield Entry.decode(value)

    def event_values(self, entry: Entry) -> list[tuple[int, bytes]]:
        """Read the values that hold an issue's events, oldest first."""
        found = self._file.read(*form.keys_of(form.EVENTS, entry.number))
        entry.events.require(found)
        return found

    def events_of(self, issue_id: bytes) -> list[tuple[bytes, str]]:
        """Read an issue's events: raw bytes and commit."""
        entry = self.entry(issue_id)
        if entry is None:
            return []
        events: dict[bytes, tuple[bytes, str]] = {}
        for _, value in self.event_values(entry):
            for event_id, commit, raw in form.unpack_events(value):
                events[event_id] = (raw, commit.hex())
        return list(events.values())

    # -- rows

    def session_rows(self, issue_id: bytes | None, wanted: Wanted, kinds: list[int]) -> list[Row]:
        """Read sessions, oldest first; `kinds` are LIVE, ENDED or both."""
        values = [value for kind in kinds for value in self._row_values(kind, issue_id)]
        rows = form.parse_rows(text for _, text in form.split_sessions(values))
        return sorted([row for row in rows if _is_wanted(row, wanted)], key=form.order_of)

    def ended_sessions(self, wanted: Wanted | None) -> list[tuple[Order, bytes]]:
        """Read the sessions that exited: what each is listed by, and its row in JSON.

        The rows are parsed only where there is a test to pass.
        """
        found = form.split_sessions(self._row_values(form.ENDED, None))
        if wanted is None:
            return found
        rows = form.parse_rows(text for _, text in found)
        return [item for item, row in zip(found, rows, strict=True) if _is_wanted(row, wanted)]

    def session_briefs(self) -> list[Row]:
        """Read what the issues' entries tell of their sessions, without reading any row."""
        return [
            {
                **dict(zip(("session_id", "state", "engine", "role"), session, strict=True)),
                "task_id": entry.task[0] if entry.task else entry.issue_id.hex(),
                "task_title": entry.task[1] if entry.task else "",
            }
            for entry in self.entries()
            for session in entry.sessions
        ]

    def count_sessions(self, issue_id: bytes | None, wanted: Wanted) -> int:
        """Count sessions."""
        entries = self.entries() if issue_id is None else [self.entry(issue_id)]
        return sum(
            wanted(state, engine, role)
            for entry in entries
            if entry is not None
            for _, state, engine, role in entry.sessions
        )

    def task_rows(self) -> list[Row]:
        """Read tasks, oldest first."""
        rows = form.parse_rows(self._row_values(form.TASK, None))
        return sorted(rows, key=lambda row: (row["created_ts"], row["grite_issue_id"]))

    def unread_blocks(self) -> dict[bytes, int]:
        """Read the issues with session blocks of unknown words, and how many each has."""
        if not self.seal.unread:
            return {}
        return {entry.issue_id: entry.unread for entry in self.entries() if entry.unread}

    def problems(self) -> list[Row]:
        """Read what reading the log left out, the newest commits' first."""
        return form.parse_rows(value for _, value in reversed(self.values(form.PROBLEMS)))

    def _row_values(self, kind: int, issue_id: bytes | None) -> list[bytes]:
        if issue_id is None:
            return [value for _, value in self.values(kind)]
        entry = self.entry(issue_id)
        if entry is None or kind not in entry.checks:
            return []
        key = form.key_of(kind, entry.number)
        value = self._file.read_one(key)
        if value is None or form.compute_check(key, value) != entry.checks[kind]:
            raise DamageError("an issue's rows are not those that were written")
        return [value]

    # -- commits

    def known_values(self) -> list[tuple[int, bytes]]:
        """Read the ids of all commits that are taken in: sorted in each value."""
        if self._known is None:
            self._known = self.values(form.KNOWN)
        return self._known

    def knows(self, commit: bytes) -> bool:
        """Return whether a commit is taken in."""
        return any(_holds(value, commit) for _, value in self.known_values())


def wanted_states(
    states: Collection[str], engine: str | None, role: str | None, *, without_exited: bool
) -> tuple[Wanted, list[int]]:
    """Turn a question's filters into a test, and the kinds of rows that can pass it."""

    def wanted(state: str, of_engine: str, of_role: str) -> bool:
        return (
            (not states or state in states)
            and not (without_exited and state == "exit")
            and (engine is None or of_engine == engine)
            and (role is None or of_role == role)
        )

    kinds = []
    if not states or set(states) != {"exit"}:
        kinds.append(form.LIVE)
    if not without_exited and (not states or "exit" in states):
        kinds.append(form.ENDED)
    return wanted, kinds


def _is_wanted(row: Row, wanted: Wanted) -> bool:
    return wanted(row["state"], row["engine"], row["role"])


def _holds(ids: bytes, wanted: bytes) -> bool:
    count = len(ids) // ID_SIZE
    place = bisect_left(range(count), wanted, key=lambda n: ids[n * ID_SIZE : (n + 1) * ID_SIZE])
    return ids[place * ID_SIZE : (place + 1) * ID_SIZE] == wanted
