"""Bring an index from one head to the next, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from git_session.log.index import format as form
from git_session.log.index.file import IndexFile
from git_session.log.index.format import ID_SIZE, Entry, Row, Seal
from git_session.log.index.view import View

_LARGEST: Final = 1 << 18
"""Bytes up to which small values are joined; larger ones would be written again too often."""


@dataclass(slots=True)
class IndexedIssue:
    """Holds an issue as it is answered: its task row, None if it is never listed, its sessions'.

    `unread` counts its session blocks with words that this version does not know.
    """

    issue_id: bytes
    task: Row | None
    sessions: list[Row]
    unread: int = 0


@dataclass(slots=True)
class Change:
    """Holds what came since the head `base` (None: all there is), up to `head`.

    `commits` maps the new ones to their times; an event is issue id, event id, raw bytes and
    commit, and takes the place of an older one of its id; `issues` are replaced wholly;
    `problems` are added.
    """

    base: str | None
    head: str
    commits: Mapping[str, int]
    events: Sequence[tuple[bytes, bytes, bytes, str]]
    issues: Sequence[IndexedIssue]
    problems: Sequence[Row]


def write_change(file: IndexFile, view: View | None, change: Change, trust: str) -> None:
    """Write a change over the content that `view` shows, over nothing when there is none.

    Raises DamageError and FailureError; the file's transaction is then to be thrown away.
    """
    if view is None:
        file.clear()
        view = View(file, Seal(trust))
    _Update(file, view).write(change)


class _Update:
    """Collects what a change does to the values of a file."""

    def __init__(self, file: IndexFile, view: View) -> None:
        self._file = file
        self._view = view
        self._seal = view.seal
        self._entries: dict[bytes, Entry] = {}
        self._items: dict[int, bytes] = {}
        self._gone: list[int] = []

    def write(self, change: Change) -> None:
        # The events are most of it: each issue's are written at once and not kept.
        for issue_id, events in _group(change.events):
            self._write_events(self._entry(issue_id), events)
        for issue in change.issues:
            self._put_rows(self._entry(issue.issue_id), issue)
        for entry in self._entries.values():
            self._put_entry(entry)
        self._put_commits({bytes.fromhex(oid) for oid in change.commits})
        if change.problems:
            self._put_part(form.PROBLEMS, form.format_rows(change.problems))
        self._seal.head = change.head
        self._items[form.key_of(form.SEAL)] = self._seal.encode()
        self._file.delete(self._gone)
        self._file.write(sorted(self._items.items()))

    def _entry(self, issue_id: bytes) -> Entry:
        entry = self._entries.get(issue_id)
        if entry is None:
            entry = self._view.entry(issue_id)
            if entry is None:
                entry = Entry(issue_id, self._seal.next_number)
                self._seal.next_number += 1
            self._entries[issue_id] = entry
        return entry

    # -- events

    def _write_events(self, entry: Entry, events: dict[bytes, tuple[bytes, str]]) -> None:
        there = self._view.event_values(entry)
        old = {found[0] for _, value in there for found in form.unpack_events(value)}
        fresh = len(events.keys() - old)
        entry.event_count += fresh
        self._seal.events += fresh
        values = list(_pack(events))
        values[:1] = [_join(self._take_small(entry, there, len(values[0])), values[0])]
        items = []
        for value in values:
            key = form.key_of(form.EVENTS, entry.number, entry.next_part)
            entry.next_part += 1
            entry.events.add(form.compute_check(key, value))
            items.append((key, value))
        self._file.write(items)

    def _take_small(self, entry: Entry, there: list[tuple[int, bytes]], size: int) -> list[bytes]:
        """Take out the last values that are not much larger than what follows them.

        So their sizes fall by half from one to the next: few values, and each byte is written
        again a few times only.
        """
        taken: list[bytes] = []
        while there and len(there[-1][1]) <= 2 * size and size < _LARGEST:
            key, value = there.pop()
            size += len(value)
            entry.events.remove(form.compute_check(key, value))
            taken.insert(0, value)
            self._gone.append(key)
        return taken

    # -- rows

    def _put_rows(self, entry: Entry, issue: IndexedIssue) -> None:
        for kind, check in entry.checks.items():
            self._seal.sums[kind].remove(check)
            self._gone.append(form.key_of(kind, entry.number))
        for _, state, _, _ in entry.sessions:
            self._count_state(state, -1)
        entry.checks = {}
        # How long ago the last sign of life was is for the reader to say.
        rows = [{**row, "heartbeat_age_ms": None} for row in issue.sessions]
        live = [row for row in rows if row["state"] != "exit"]
        ended = [row for row in rows if row["state"] == "exit"]
        if issue.task is not None:
            self._put_issue_value(entry, form.TASK, form.format_rows([issue.task]))
        for kind, found in ((form.LIVE, live), (form.ENDED, ended)):
            if found:
                self._put_issue_value(entry, kind, form.format_sessions(found))
        entry.task = [issue.task["task_id"], issue.task["title"]] if issue.task else None
        entry.sessions = [
            [row["session_id"], row["state"], row["engine"], row["role"]] for row in rows
        ]
        for row in rows:
            self._count_state(row["state"], 1)
        self._seal.unread += issue.unread - entry.unread
        entry.unread = issue.unread

    def _put_issue_value(self, entry: Entry, kind: int, value: bytes) -> None:
        entry.checks[kind] = self._put(kind, entry.number, 0, value)

    def _count_state(self, state: str, by: int) -> None:
        self._seal.states[state] = self._seal.states.get(state, 0) + by

    def _put_entry(self, entry: Entry) -> None:
        old = self._view.issue_values().get(entry.issue_id)
        if old is not None:
            self._seal.sums[form.ISSUE].remove(form.compute_check(*old))
        self._put(form.ISSUE, entry.number, 0, entry.encode())

    # -- commits

    def _put_commits(self, given: set[bytes]) -> None:
        new = [oid for oid in given if not self._view.knows(oid)]
        if not new:
            return
        self._seal.commits += len(new)
        there = list(self._view.known_values())
        while there and len(there[-1][1]) <= 2 * ID_SIZE * len(new):
            key, value = there.pop()
            self._seal.sums[form.KNOWN].remove(form.compute_check(key, value))
            self._gone.append(key)
            new += [value[start : start + ID_SIZE] for start in range(0, len(value), ID_SIZE)]
        self._put_part(form.KNOWN, b"".join(sorted(new)))

    def _put_part(self, kind: int, value: bytes) -> None:
        self._put(kind, 0, self._seal.next_part, value)
        self._seal.next_part += 1

    def _put(self, kind: int, number: int, part: int, value: bytes) -> int:
        key = form.key_of(kind, number, part)
        check = form.compute_check(key, value)
        self._seal.sums[kind].add(check)
        self._items[key] = value
        return check


def _group(
    events: Sequence[tuple[bytes, bytes, bytes, str]],
) -> Iterator[tuple[bytes, dict[bytes, tuple[bytes, str]]]]:
    """Bring together the events of each issue; the last of an id counts."""
    groups: dict[bytes, dict[bytes, tuple[bytes, str]]] = {}
    for issue_id, event_id, raw, commit in events:
        groups.setdefault(issue_id, {})[event_id] = (raw, commit)
    yield from groups.items()


def _pack(events: dict[bytes, tuple[bytes, str]]) -> Iterator[bytes]:
    """Pack events into values of a handy size."""
    pieces: list[bytes] = []
    size = 0
    for event_id, (raw, commit) in events.items():
        piece = form.pack_event(event_id, bytes.fromhex(commit), raw)
        pieces.append(piece)
        size += len(piece)
        if size >= _LARGEST:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _join(first: list[bytes], last: bytes) -> bytes:
    return b"".join([*first, last])
