"""From commits to issues and sessions: what the log says, and what was wrong with it.

A Replay is fed the commits that the store read and folds only the issues it is asked for.
Bad events are set aside and reported, never folded and never in the way of the good ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from git_session.core.fold import faults
from git_session.core.fold.faults import Policy, Problem
from git_session.core.fold.issues import Issue, fold_issue, is_issue_event
from git_session.core.fold.sessions import IssueSessions, fold_sessions
from git_session.core.fold.source import Source
from git_session.core.wire import names
from git_session.core.wire.chunk import decode_chunk
from git_session.core.wire.commit import LogCommit
from git_session.core.wire.event import Event, decode_event, decode_sound_event
from git_session.errors import WireError

T = TypeVar("T")

SignatureJudge = Callable[[Event], bool | None]
"""Tells whether an event's signature is right; None without a signature or a trusted key."""


@dataclass(slots=True)
class FoldedIssue:
    """Holds an issue together with its sessions."""

    issue: Issue
    sessions: IssueSessions


@dataclass(slots=True)
class Replay:
    """Accumulates the events of a log; `judge` and `policy` set the trust in them.

    `origin` maps an event id to the oldest commit of the line that holds the event. With a
    `source` everything up to its head counts as read, and an issue's events are fetched from it
    when the issue is asked for; `changed` are the issues that got new events since. Should the
    source raise `lost`, everything is read anew from what `recall` gives.
    """

    judge: SignatureJudge | None = None
    policy: Policy = "off"
    source: Source | None = None
    recall: Callable[[], Iterable[LogCommit]] | None = None
    lost: type[Exception] = LookupError
    events: dict[bytes, list[Event]] = field(default_factory=dict)
    origin: dict[bytes, str] = field(default_factory=dict)
    commits: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    changed: set[bytes] = field(default_factory=set)
    added: dict[bytes, Event] = field(default_factory=dict)
    new_count: int = 0
    _seen: dict[bytes, Event] = field(default_factory=dict)
    _folded: dict[bytes, FoldedIssue] = field(default_factory=dict)
    _fetched: set[bytes] = field(default_factory=set)
    _again: dict[bytes, str] = field(default_factory=dict)
    _doubted: set[tuple[str, str]] = field(default_factory=set)
    _holders: dict[str, dict[bytes, None]] = field(default_factory=dict)
    _unlisted: set[bytes] = field(default_factory=set)

    def add(self, commits: Iterable[LogCommit], base: str | None = None) -> None:
        """Take in commits, newest first, that were not taken in before.

        `base` is the head up to which everything was known. Where the line does not lead through
        it any more, its own events now stand in a merge, as they would if all were read anew.
        """
        # In a first read everything is fresh, and a set of it would only take room.
        is_first = self.source is None and not self._seen
        fresh: set[bytes] | None = None if is_first else set()
        self._again.clear()
        is_through_base = base is None
        for commit in commits:
            self.commits[commit.oid] = commit.time
            is_through_base = is_through_base or base in commit.parents[:1]
            for path, data in commit.chunks:
                if data is None:
                    self._report("missing_object", f"{path} is missing", commit, path)
                    continue
                try:
                    found, malformed = decode_chunk(data)
                except WireError as error:
                    fault = faults.describe_chunk(error, path, data)
                    self._report_chunk(fault, commit, path)
                    continue
                for message in malformed:
                    self._report("event", message, commit, path)
                for event in found:
                    self._take(event, commit, path, fresh)
            for path, _ in commit.large:
                self._report("too_large", faults.describe_large(path), commit, path)
        if not is_through_base:
            self._change_lines()

    def add_built(self, commit: LogCommit, events: Iterable[Event]) -> None:
        """Take in a commit that was just made after all others here, of events just built."""
        self._again.clear()
        self.commits[commit.oid] = commit.time
        for event in events:
            self._take(event, commit, commit.chunks[0][0], set())

    def report(self, problem: Problem) -> None:
        """Note a problem that was met while reading, here or by the store."""
        self.problems.append(problem)
        if problem.actor:
            self._doubted.add((problem.code, problem.actor))
        elif problem.code == faults.NEWER:
            self._doubted.add((problem.code, names.named_hash(problem.path)))

    @property
    def requires_signature(self) -> bool:
        """Return whether no event is read without a good signature."""
        return self.policy == "require"

    def __contains__(self, oid: object) -> bool:
        """Return whether a commit was read already, here or by the source."""
        return oid in self.commits or self.ask(lambda source: oid in source, nothing=False)

    def ask(self, question: Callable[[Source], T], nothing: T) -> T:
        """Ask the source; without one, or when it is lost, the answer is `nothing`.

        After a loss every issue counts as changed, so ask first and then look at what changed.
        """
        if self.source is None:
            return nothing
        try:
            return question(self.source)
        except self.lost:
            self._recover()
            return nothing

    def issue(self, issue_id: bytes) -> FoldedIssue | None:
        """Fold one issue; None when the log holds no event of it."""
        folded = self._folded.get(issue_id)
        if folded is None and (events := self.events_of(issue_id)):
            issue = fold_issue(issue_id, events)
            folded = self._folded[issue_id] = FoldedIssue(issue, fold_sessions(issue))
        return folded

    def issues(self) -> Iterator[FoldedIssue]:
        """Fold every issue, those without an IssueCreated included."""
        for issue_id in self.issue_ids():
            folded = self.issue(issue_id)
            if folded is not None:
                yield folded

    def holders(self, session_id: str) -> list[FoldedIssue]:
        """Fold the issues with a session of that id, of those the source does not tell of."""
        while self._unlisted:
            issue_id = self._unlisted.pop()
            folded = self.issue(issue_id)
            for name in folded.sessions.lives if folded else ():
                self._holders.setdefault(name, {})[issue_id] = None
        found = (self.issue(issue_id) for issue_id in self._holders.get(session_id, ()))
        return [folded for folded in found if folded is not None]

    def issue_ids(self) -> list[bytes]:
        """List the issues that there are events of, and the ids that context events use."""
        remembered: list[bytes] = self.ask(lambda source: source.issue_ids(), [])
        return list(dict.fromkeys([*remembered, *self.events]))

    def events_of(self, issue_id: bytes) -> list[Event]:
        """Return the good events of one issue, context events aside."""
        self._fetch(issue_id)
        return [event for event in self.events.get(issue_id, ()) if is_issue_event(event)]

    def find_event(self, event_id: bytes) -> Event | None:
        """Find a good event by its id."""
        return self._seen.get(event_id)

    def new_events(self) -> Iterable[Event]:
        """Return the events that the source does not know, or knows otherwise."""
        return self._seen.values() if self.source is None else self.added.values()

    def context_events(self) -> list[Event]:
        """List the good events that belong to no issue."""
        for issue_id in self.issue_ids():
            self._fetch(issue_id)
        return [event for event in self._seen.values() if not is_issue_event(event)]

    @property
    def event_count(self) -> int:
        """Count the good events, context events included."""
        remembered = self.ask(lambda source: source.event_count(), 0)
        return remembered + self.new_count

    def until(self, ts: int) -> Replay:
        """Return the log of that time: the good events up to `ts` (ms since the epoch)."""
        past = Replay()
        for issue_id in self.issue_ids():
            for event in self.events_of(issue_id):
                if event.ts <= ts:
                    past.keep(event, self.origin[event.event_id])
        past.problems.extend(self.problems)
        return past

    def keep(self, event: Event, oid: str) -> None:
        """Take in one good event that was not taken in before, of the commit `oid`."""
        self._seen[event.event_id] = event
        self.origin[event.event_id] = oid
        self.events.setdefault(event.issue_id, []).append(event)
        self.new_count += 1
        self._note_change(event)

    def _change_lines(self) -> None:
        """Make the answers those of the new line, on which commits of the old one do not stand."""
        if self.problems and self.source is not None:
            self._recover()  # they name commits, and the merge may have carried what they are about
            return
        for event_id, oid in self._again.items():
            self.origin[event_id] = oid
            self._note_change(self._seen[event_id])

    def _take(self, event: Event, commit: LogCommit, path: str, fresh: set[bytes] | None) -> None:
        if event.fault:
            fault = faults.describe_fault(event)
            self._report(fault.code, fault.message, commit, path, event)
            return
        if self.source is not None:
            self._fetch(event.issue_id)
        other = self._seen.get(event.event_id)
        if other is None or other.sig != event.sig:
            self._weigh(event, other, commit, path, fresh)
        elif fresh is None or event.event_id in fresh:
            self.origin[event.event_id] = commit.oid
        else:
            self._again[event.event_id] = commit.oid

    def _weigh(
        self,
        event: Event,
        other: Event | None,
        commit: LogCommit,
        path: str,
        fresh: set[bytes] | None,
    ) -> None:
        """Take an event in as far as its signature allows, beside the copy that is there."""
        verdict = self.judge(event) if self.judge is not None else None
        if not verdict:
            self._note_doubt(event, verdict, commit, path)
            if self.requires_signature:
                return
        if other is None:
            self.keep(event, commit.oid)
            if fresh is not None:
                fresh.add(event.event_id)
            return
        if fresh is None or event.event_id in fresh:
            self.origin[event.event_id] = commit.oid
        if verdict and self.judge is not None and not self.judge(other):
            self._replace(other, event)

    def _note_doubt(self, event: Event, verdict: bool | None, commit: LogCommit, path: str) -> None:
        doubt = faults.describe_doubt(event, verdict, self.policy)
        if doubt is None or (doubt.actor and (doubt.code, doubt.actor) in self._doubted):
            return
        self._report(doubt.code, doubt.message, commit, path, event, doubt.actor)

    def _replace(self, old: Event, new: Event) -> None:
        self._seen[new.event_id] = new
        kept = self.events[new.issue_id]
        kept[kept.index(old)] = new
        self._note_change(new)

    def _note_change(self, event: Event) -> None:
        if self.source is not None:
            self.added[event.event_id] = event
        self.changed.add(event.issue_id)
        self._unlisted.add(event.issue_id)
        self._folded.pop(event.issue_id, None)

    def _fetch(self, issue_id: bytes) -> None:
        """Fetch an issue's events from the source, once."""
        if self.source is None or issue_id in self._fetched:
            return
        self._fetched.add(issue_id)
        found: list[tuple[bytes, str]] = self.ask(lambda source: source.events_of(issue_id), [])
        for raw, oid in found:
            event = decode_sound_event(raw) or _decode_remembered(raw)
            if event is None:
                self._recover()
                return
            self._seen[event.event_id] = event
            self.origin[event.event_id] = oid
            self.events.setdefault(issue_id, []).append(event)

    def _recover(self) -> None:
        """Read everything anew, without the source."""
        self.source = None
        for part in (self.events, self.origin, self.commits, self.added, self._seen, self._folded):
            part.clear()
        for found in (self.changed, self.problems, self._doubted, self._holders, self._unlisted):
            found.clear()
        self.new_count = 0
        if self.recall is not None:
            self.add(self.recall())

    def _report_chunk(self, fault: faults.Fault, commit: LogCommit, path: str) -> None:
        """Report a chunk that does not decode; of a sound one a merge's copy is no second."""
        if (fault.code, names.named_hash(path)) not in self._doubted:
            self._report(fault.code, fault.message, commit, path)

    def _report(
        self,
        code: str,
        message: str,
        commit: LogCommit,
        path: str,
        event: Event | None = None,
        actor: str = "",
    ) -> None:
        event_id = event.event_id.hex() if event else ""
        issue_id = event.issue_id.hex() if event else ""
        self.report(Problem(code, message, commit.oid, path, event_id, issue_id, actor))


def changed_issues(replay: Replay) -> Iterator[FoldedIssue]:
    """Fold the issues that the source does not know as they are now; without a source, all."""
    if replay.source is None:
        yield from replay.issues()
        return
    for issue_id in sorted(replay.changed):
        folded = replay.issue(issue_id)
        if folded is not None:
            yield folded


def count_unread_blocks(replay: Replay) -> int:
    """Count the session blocks with a state, role or type that this version does not know."""
    remembered: dict[bytes, int] = replay.ask(lambda source: source.unread_blocks(), {})
    fresh = sum(folded.sessions.unread for folded in changed_issues(replay))
    return fresh + sum(n for issue, n in remembered.items() if issue not in replay.changed)


def _decode_remembered(raw: bytes) -> Event | None:
    try:
        event = decode_event(raw)
    except WireError:
        return None
    return None if event.fault else event
