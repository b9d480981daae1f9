"""From commits to issues and sessions: what the log says, and what was wrong with it.

A Replay is fed the commits that the store read and folds only the issues it is asked for.
Bad events are set aside and reported, never folded and never in the way of the good ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from git_session.errors import WireError
from git_session.fold.issues import Issue, fold_issue, is_issue_event
from git_session.fold.sessions import IssueSessions, fold_sessions
from git_session.fold.source import Source
from git_session.wire import event as kinds
from git_session.wire.chunk import decode_chunk
from git_session.wire.commit import LogCommit
from git_session.wire.event import Event, decode_event, decode_sound_event

SignatureJudge = Callable[[Event], bool | None]
"""Tells whether an event's signature is right; None without a signature or a known key."""

_FAULTS: Final = {
    kinds.BAD_EVENT_ID: ("event_id", "its id is not the hash of its content"),
    kinds.UNKNOWN_KIND: ("unknown_kind", "its kind is not known to this version"),
    kinds.UNKNOWN_PAYLOAD: (
        "unknown_payload",
        "its payload has a shape this version does not know",
    ),
    kinds.BEYOND_TIME: ("beyond_time", "its timestamp lies beyond the year 9999"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Names one thing that reading left out: a stable code, where it is, and a sentence."""

    code: str
    message: str
    commit: str
    path: str = ""
    event_id: str = ""
    issue_id: str = ""


@dataclass(slots=True)
class FoldedIssue:
    """Holds an issue together with its sessions."""

    issue: Issue
    sessions: IssueSessions


@dataclass(slots=True)
class Replay:
    """Accumulates the events of a log; `judge` and `requires_signature` set the trust in them.

    `origin` maps an event id to the oldest commit of the line that holds the event. With a
    `source` everything up to its head counts as read, and an issue's events are fetched from it
    when the issue is asked for; `changed` are the issues that got new events since.
    """

    judge: SignatureJudge | None = None
    requires_signature: bool = False
    source: Source | None = None
    events: dict[bytes, list[Event]] = field(default_factory=dict)
    origin: dict[bytes, str] = field(default_factory=dict)
    commits: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    changed: set[bytes] = field(default_factory=set)
    added: dict[bytes, Event] = field(default_factory=dict)
    _seen: dict[bytes, Event] = field(default_factory=dict)
    _folded: dict[bytes, FoldedIssue] = field(default_factory=dict)
    _fetched: set[bytes] = field(default_factory=set)

    def add(self, commits: Iterable[LogCommit]) -> None:
        """Takes in commits, newest first, that were not taken in before."""
        fresh: set[bytes] = set()
        for commit in commits:
            self.commits[commit.oid] = commit.time
            for path, data in commit.chunks:
                if data is None:
                    self._report("missing_object", f"{path} is missing", commit, path)
                    continue
                try:
                    found, malformed = decode_chunk(data)
                except WireError as error:
                    self._report("chunk", error.message, commit, path)
                    continue
                for message in malformed:
                    self._report("event", message, commit, path)
                for event in found:
                    self._take(event, commit, path, fresh)

    def report(self, problem: Problem) -> None:
        """Notes a problem that the store met while reading."""
        self.problems.append(problem)

    def __contains__(self, oid: object) -> bool:
        """Tells whether a commit was read already, here or by the source."""
        return oid in self.commits or (self.source is not None and oid in self.source)

    def issue(self, issue_id: bytes) -> FoldedIssue | None:
        """Folds one issue; None when the log holds no event of it."""
        folded = self._folded.get(issue_id)
        if folded is None and (events := self.events_of(issue_id)):
            issue = fold_issue(issue_id, events)
            folded = self._folded[issue_id] = FoldedIssue(issue, fold_sessions(issue))
        return folded

    def issues(self) -> Iterator[FoldedIssue]:
        """Folds every issue, those without an IssueCreated included."""
        for issue_id in self.issue_ids():
            folded = self.issue(issue_id)
            if folded is not None:
                yield folded

    def issue_ids(self) -> list[bytes]:
        """Lists the issues that there are events of, and the ids that context events use."""
        remembered = self.source.issue_ids() if self.source else []
        return list(dict.fromkeys([*remembered, *self.events]))

    def events_of(self, issue_id: bytes) -> list[Event]:
        """Gives the good events of one issue, context events aside."""
        self._fetch(issue_id)
        return [event for event in self.events.get(issue_id, ()) if is_issue_event(event)]

    def find_event(self, event_id: bytes) -> Event | None:
        """Finds a good event by its id."""
        return self._seen.get(event_id)

    def context_events(self) -> list[Event]:
        """Lists the good events that belong to no issue."""
        for issue_id in self.issue_ids():
            self._fetch(issue_id)
        return [event for event in self._seen.values() if not is_issue_event(event)]

    @property
    def commit_count(self) -> int:
        """Counts the commits that were read."""
        return len(self.commits) + (self.source.commit_count() if self.source else 0)

    @property
    def event_count(self) -> int:
        """Counts the good events, context events included."""
        if self.source is None:
            return len(self._seen)
        return self.source.event_count() + len(self.added)

    def _take(self, event: Event, commit: LogCommit, path: str, fresh: set[bytes]) -> None:
        if event.fault:
            code, reason = _FAULTS[event.fault]
            self._report(
                code,
                f"event {event.event_id.hex()[:12]} is left out: {reason}",
                commit,
                path,
                event,
            )
            return
        if self.source is not None:
            self._fetch(event.issue_id)
        other = self._seen.get(event.event_id)
        if other is None or other.sig != event.sig:
            self._weigh(event, other, commit, path, fresh)
        elif event.event_id in fresh:
            self.origin[event.event_id] = commit.oid

    def _weigh(
        self, event: Event, other: Event | None, commit: LogCommit, path: str, fresh: set[bytes]
    ) -> None:
        """Takes an event in as far as its signature allows, beside the copy that is there."""
        verdict = self.judge(event) if self.judge is not None else None
        if self.requires_signature and not verdict:
            message = f"event {event.event_id.hex()[:12]} is left out: it has no valid signature"
            self._report("signature", message, commit, path, event)
            return
        if verdict is False:
            message = f"event {event.event_id.hex()[:12]} has a wrong signature"
            self._report("signature", message, commit, path, event)
        if other is None:
            self._keep(event, commit.oid)
            fresh.add(event.event_id)
            return
        if event.event_id in fresh:
            self.origin[event.event_id] = commit.oid
        if verdict and self.judge is not None and not self.judge(other):
            self._replace(other, event)

    def _keep(self, event: Event, oid: str) -> None:
        self._seen[event.event_id] = event
        self.origin[event.event_id] = oid
        self.events.setdefault(event.issue_id, []).append(event)
        self._note_change(event)

    def _replace(self, old: Event, new: Event) -> None:
        self._seen[new.event_id] = new
        kept = self.events[new.issue_id]
        kept[kept.index(old)] = new
        self._note_change(new)

    def _note_change(self, event: Event) -> None:
        self.added[event.event_id] = event
        self.changed.add(event.issue_id)
        self._folded.pop(event.issue_id, None)

    def _fetch(self, issue_id: bytes) -> None:
        """Fetches an issue's events from the source, once."""
        if self.source is None or issue_id in self._fetched:
            return
        self._fetched.add(issue_id)
        found = []
        for raw, oid in self.source.events_of(issue_id):
            event = decode_sound_event(raw) or decode_event(raw)
            found.append(event)
            self._seen[event.event_id] = event
            self.origin[event.event_id] = oid
        if found:
            self.events[issue_id] = found

    def _report(
        self, code: str, message: str, commit: LogCommit, path: str, event: Event | None = None
    ) -> None:
        event_id = event.event_id.hex() if event else ""
        issue_id = event.issue_id.hex() if event else ""
        self.problems.append(Problem(code, message, commit.oid, path, event_id, issue_id))


def changed_issues(replay: Replay) -> Iterator[FoldedIssue]:
    """Folds the issues that the source does not know as they are now; without a source, all."""
    if replay.source is None:
        yield from replay.issues()
        return
    for issue_id in replay.changed:
        folded = replay.issue(issue_id)
        if folded is not None:
            yield folded
