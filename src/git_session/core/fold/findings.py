"""What a check of the log can find: every code, how bad it is, and what a sound log says oddly.

Errors are damage: something stored is not what it says it is, or is not there. Warnings are
things that are kept and shown, but that somebody should look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from git_session.core.fold.faults import NEWER, Problem
from git_session.core.fold.replay import FoldedIssue, Replay
from git_session.core.fold.rows import Row
from git_session.core.fold.sessions import Life, has_second_block
from git_session.core.wire import names
from git_session.core.wire.event import Event
from git_session.core.wire.words import STATES

ERRORS: Final = {
    "missing_commit": "a commit that the log leads to is not there",
    "missing_object": "a tree or blob of a commit is not there",
    "meta": "meta.json is missing or does not parse",
    "chunk": "a chunk does not decode",
    "chunk_hash": "a chunk is not the one that meta.json or its own name speaks of",
    "event": "an item of a chunk is no event",
    "event_id": "an event's id is not the hash of its content",
    "signature": "an event's signature is wrong",
    "untrusted": "verify_signatures is require, and an event has no signature by a trusted key",
    "prev_wal": "prev_wal is not the commit's first parent",
    "merge": "a merge lacks events of its second parent",
}
WARNINGS: Final = {
    NEWER: "a sound chunk in a format that only a newer version of git-session reads",
    "unknown_kind": "an event of a kind that this version does not know",
    "unknown_payload": "an event of a known kind with a payload this version does not know",
    "unsigned": "verify_signatures is warn, and an actor's events are not signed",
    "unknown_key": "verify_signatures is warn, and an actor's key is not trusted",
    "too_large": "a file of events that is larger than what is read",
    "beyond_time": "a timestamp beyond the year 9999",
    "future": "a timestamp in the future",
    "no_issue": "events of an issue that was never created",
    "early": "an event that is older than its issue",
    "created_again": "an issue that was created twice",
    "block": "a session block that does not parse",
    "second_block": "a comment with a second session block, of which only the first counts",
    "transition": "a transition that the lifecycle does not allow",
    "fork": "a transition written without knowing the one before it",
    "session_id": "a session id that two tasks use",
    "label": "a session label that no session of the task bears out",
}
CODES: Final = {**ERRORS, **WARNINGS}
DAMAGE: Final = frozenset(
    {"missing_commit", "missing_object", "chunk", "event", "event_id", "merge"}
)
"""Errors by which events are lost, which may be good elsewhere."""

_TOLERANCE_MS: Final = 5 * 60 * 1000


def finding_row(problem: Problem) -> Row:
    """Make the row of a Finding from a problem."""
    return {
        "code": problem.code,
        "severity": "error" if problem.code in ERRORS else "warning",
        "message": problem.message,
        "commit": problem.commit or None,
        "path": problem.path or None,
        "event_id": problem.event_id or None,
        "issue_id": problem.issue_id or None,
    }


def find_oddities(replay: Replay, now: int) -> Iterator[Problem]:
    """Find what events that are good by themselves say oddly; `now` is in ms since the epoch."""
    users: dict[str, list[str]] = {}
    for event in good_events(replay):
        if event.ts > now + _TOLERANCE_MS:
            hours = (event.ts - now) / 3_600_000
            yield _about(replay, "future", event, f"its clock is {hours:.1f} hours ahead")
    for folded in replay.issues():
        yield from _look_at_issue(replay, folded)
        for life in folded.sessions.lives.values():
            users.setdefault(life.session_id, []).append(folded.issue.hex)
            yield from _look_at_life(replay, life)
    for session_id, issues in users.items():
        if len(issues) > 1:
            message = f"session id {session_id} is used by {len(issues)} tasks: "
            yield Problem("session_id", message + ", ".join(issues), "", issue_id=issues[0])


def good_events(replay: Replay) -> Iterator[Event]:
    """Return every event that was read and not left out."""
    for event_id in replay.origin:
        event = replay.find_event(event_id)
        if event is not None:
            yield event


def _look_at_issue(replay: Replay, folded: FoldedIssue) -> Iterator[Problem]:
    issue = folded.issue
    if not issue.is_created:
        count = len(replay.events_of(issue.issue_id))
        message = f"{count} event{'s' * (count != 1)} of an issue never created"
        yield Problem("no_issue", message, "", issue_id=issue.hex)
    for event in issue.early:
        yield _about(replay, "early", event, "it is older than its issue's creation")
    for event in issue.created_again:
        yield _about(replay, "created_again", event, "its issue was created already")
    for event, reason in folded.sessions.unparsed:
        yield _about(replay, "block", event, reason)
    labelled = {x for x in STATES if names.SESSION_LABEL + x in issue.labels}
    borne_out = {life.state.state for life in folded.sessions.lives.values()}
    for state in sorted(labelled - borne_out):
        message = f"label {names.SESSION_LABEL}{state}, but no session of the task is {state}"
        yield Problem("label", message, "", issue_id=issue.hex)


def _look_at_life(replay: Replay, life: Life) -> Iterator[Problem]:
    for step in life.steps:
        if has_second_block(step.event):
            reason = f"{life.session_id}: only the first session block of the comment counts"
            yield _about(replay, "second_block", step.event, reason)
        if not step.is_legal:
            before = step.before.state if step.before else "nothing"
            reason = f"{life.session_id} went from {before} to {step.state.state}"
            yield _about(replay, "transition", step.event, reason)
        if step.is_fork:
            reason = f"{life.session_id}: {step.state.state} was written beside another transition"
            yield _about(replay, "fork", step.event, reason)


def _about(replay: Replay, code: str, event: Event, reason: str) -> Problem:
    event_id = event.event_id.hex()
    message = f"event {event_id[:12]}: {reason}"
    commit = replay.origin[event.event_id]
    return Problem(code, message, commit, event_id=event_id, issue_id=event.issue_id.hex())
