"""What an index must answer: made-up changes of a log, and by hand what is true after each."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import Any, Final

from git_session.log.index.log_index import IndexLostError, LogIndex
from git_session.log.index.update import Change, IndexedIssue

TRUST: Final = "off"

_STATES: Final = ("spawned", "ready", "running", "handoff", "exit", "exit", "exit")
_ENGINES: Final = ("claude", "codex", "größer \ud800 \0 🚀")
_ROLES: Final = ("user", "witness")
_FILTERS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"without_exited": True},
    {"states": ("exit",)},
    {"states": ("running", "exit"), "engine": "claude"},
    {"states": ("running", "ready"), "without_exited": True},
    {"states": ("exit",), "without_exited": True},
    {"engine": "codex", "role": "user"},
    {"role": "witness", "without_exited": True},
)
_WHO: Final[tuple[dict[str, Any], ...]] = ({}, {"engine": "codex"}, {"role": "user"})


@dataclass
class Truth:
    """Holds everything that was told up to a head."""

    head: str | None = None
    commits: set[str] = field(default_factory=set)
    events: dict[bytes, dict[bytes, tuple[bytes, str]]] = field(default_factory=dict)
    issues: dict[bytes, IndexedIssue] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def take(self, change: Change) -> None:
        """Takes in what a change says."""
        self.head = change.head
        self.commits |= change.commits.keys()
        for issue_id, event_id, raw, commit in change.events:
            self.events.setdefault(issue_id, {})[event_id] = (raw, commit)
        self.issues |= {issue.issue_id: issue for issue in change.issues}
        self.problems = [*change.problems, *self.problems]

    def answers(self) -> dict[str, Any]:
        """Gives what `read_answers` must find."""
        ids = sorted(self.events.keys() | self.issues.keys())
        rows = [row for issue in self.issues.values() for row in issue.sessions]
        rows.sort(key=_order)
        tasks = [issue.task for issue in self.issues.values() if issue.task is not None]
        tasks.sort(key=lambda row: (row["created_ts"], row["grite_issue_id"]))
        return {
            "head": self.head,
            "ids": ids,
            "events": {
                issue_id: sorted(self.events.get(issue_id, {}).values()) for issue_id in ids
            },
            "sessions": [_filter(rows, **filters) for filters in _FILTERS],
            "counts": [len(_filter(rows, **filters)) for filters in _FILTERS],
            "ended": [
                [(_order(row), _print(row)) for row in _filter(rows, states=("exit",), **who)]
                for who in _WHO
            ],
            "sessions_of": {
                issue_id: [row for row in rows if row["grite_issue_id"] == issue_id.hex()]
                for issue_id in ids
            },
            "tasks": tasks,
            "task_refs": sorted(
                (bytes.fromhex(row["grite_issue_id"]), row["task_id"], row["title"])
                for row in tasks
            ),
            "session_refs": sorted(
                (bytes.fromhex(row["grite_issue_id"]), row["session_id"]) for row in rows
            ),
            "problems": self.problems,
            "event_count": sum(len(events) for events in self.events.values()),
            "commit_count": len(self.commits),
            "known": True,
        }

    def read_answers(self, index: LogIndex) -> dict[str, Any] | None:
        """Asks an index everything; None when it has no content, or loses it meanwhile."""
        head = index.head
        if head is None:
            return None
        try:
            ids = index.issue_ids()
            return {
                "head": head,
                "ids": ids,
                "events": {issue_id: sorted(index.events_of(issue_id)) for issue_id in ids},
                "sessions": [index.session_rows(**filters) for filters in _FILTERS],
                "counts": [index.count_sessions(**filters) for filters in _FILTERS],
                "ended": [sorted(index.ended_sessions(**who)) for who in _WHO],
                "sessions_of": {
                    issue_id: index.session_rows(issue_id=issue_id) for issue_id in ids
                },
                "tasks": index.task_rows(),
                "task_refs": index.task_refs(),
                "session_refs": index.session_refs(),
                "problems": index.problems(),
                "event_count": index.event_count(),
                "commit_count": index.commit_count(),
                "known": all(oid in index for oid in self.commits)
                and not any(_name(f"unknown {number}") in index for number in range(5)),
            }
        except IndexLostError:
            return None


def make_changes(count: int, *, seed: int = 0, issues: int = 12, size: int = 300) -> list[Change]:
    """Makes changes that follow each other; the first is as large as all others together.

    The same arguments make the same changes. `size` is about that of an event, in bytes.
    """
    draw = random.Random(seed)
    changes: list[Change] = []
    heard: dict[bytes, list[bytes]] = {}
    for number in range(count):
        head = _name(f"{seed} head {number}")
        commits = {head: number}
        commits |= {_name(f"{seed} {number} {n}"): n for n in range(count if number == 0 else 1)}
        events = []
        for n in range(count * 4 if number == 0 else draw.randrange(1, 5)):
            issue_id = _issue_id(draw.randrange(issues))
            before = heard.setdefault(issue_id, [])
            event_id = hashlib.sha256(f"{seed} {number} {n}".encode()).digest()
            if before and draw.random() < 0.1:
                event_id = draw.choice(before)  # a better copy of one that was there
            before.append(event_id)
            raw = draw.randbytes(draw.randrange(size * 2))
            events.append((issue_id, event_id, raw, draw.choice(list(commits))))
        touched = {issue_id for issue_id, *_ in events}
        made = [_make_issue(draw, issue_id) for issue_id in sorted(touched)]
        problems = [{"code": "chunk", "message": f"{number}\n\ud800"}] if number % 5 == 0 else []
        base = changes[-1].head if changes else None
        changes.append(Change(base, head, commits, events, made, problems))
    return changes


def join(changes: list[Change]) -> Change:
    """Makes one change out of many that follow each other."""
    truth = Truth()
    for change in changes:
        truth.take(change)
    assert truth.head is not None
    return Change(
        base=changes[0].base,
        head=truth.head,
        commits=dict.fromkeys(truth.commits, 0),
        events=[event for change in changes for event in change.events],
        issues=list(truth.issues.values()),
        problems=truth.problems,
    )


def truths_of(changes: list[Change]) -> dict[str | None, dict[str, Any]]:
    """Tells what is true at each head."""
    truth = Truth()
    found: dict[str | None, dict[str, Any]] = {}
    for change in changes:
        truth.take(change)
        found[change.head] = truth.answers()
    return found


def _make_issue(draw: random.Random, issue_id: bytes) -> IndexedIssue:
    """Makes an issue's rows anew, as a fold would; every fifth was never created."""
    if issue_id[0] % 5 == 0:
        return IndexedIssue(issue_id, None, [])
    task = {
        "task_id": f"t-{issue_id[0]}",
        "grite_issue_id": issue_id.hex(),
        "title": draw.choice(("Port the lexer", 'Say "no"\n\0', "größer \ud800 🚀")),
        "labels": ["a", "b"],
        "sessions": {"running": 1},
        "created_ts": draw.randrange(3),
    }
    sessions = []
    for number in draw.sample(range(10), draw.randrange(5)):
        state = draw.choice(_STATES)
        sessions.append(
            {
                "session_id": f"s-{issue_id[0]}-{number}",
                "grite_issue_id": issue_id.hex(),
                "role": draw.choice(_ROLES),
                "engine": draw.choice(_ENGINES),
                "started_ts": draw.randrange(-3, 3),
                "state": state,
                "heartbeat_age_ms": None,
                "extras": {"attr_text": draw.choice(_ENGINES), "attr_number": 2**70},
            }
        )
    return IndexedIssue(issue_id, task, sessions)


def _filter(
    rows: list[dict[str, Any]],
    *,
    states: tuple[str, ...] = (),
    without_exited: bool = False,
    engine: str | None = None,
    role: str | None = None,
) -> list[dict[str, Any]]:
    found = [row for row in rows if not states or row["state"] in states]
    found = [row for row in found if not without_exited or row["state"] != "exit"]
    found = [row for row in found if engine is None or row["engine"] == engine]
    return [row for row in found if role is None or row["role"] == role]


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["started_ts"], row["session_id"], row["grite_issue_id"]


def _print(row: dict[str, Any]) -> bytes:
    """Writes a row as commands print it: UTF-8, lone surrogates by their numbers."""
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace")


def _issue_id(number: int) -> bytes:
    return bytes([number]) * 16


def _name(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()
