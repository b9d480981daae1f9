"""Plain rows of what the log says, in the order and shape of the models' fields.

The quick commands print rows as they are; the library turns them into models. Times are ms
since the epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, Final

from git_session.core.fold.issues import Issue
from git_session.core.fold.replay import FoldedIssue, Replay, changed_issues
from git_session.core.fold.sessions import Life, Step
from git_session.core.liveness import BRATS_PID, judge_exited
from git_session.core.wire.block import SessionState, mentions_block, parse_block, split_comment
from git_session.core.wire.event import Event
from git_session.core.wire.evidence import PARENT_KEY, attributes_of
from git_session.errors import WireError

Row = dict[str, Any]

STATE_FIELDS: Final = (
    "role",
    "session_type",
    "engine",
    "worktree",
    "pid",
    "started_ts",
    "last_heartbeat_ts",
    "exit_code",
    "exit_reason",
    "last_output_ref",
)


def all_session_rows(replay: Replay) -> list[Row]:
    """Make the rows of all sessions; those of issues that did not change come as remembered."""
    remembered: list[Row] = replay.ask(lambda source: source.session_rows(), [])
    rows = _unchanged(replay, remembered)
    for folded in changed_issues(replay):
        lives = folded.sessions.lives.values()
        rows.extend(session_row(replay, folded, life) for life in lives)
    return rows


def all_task_rows(replay: Replay) -> list[Row]:
    """Make the rows of all issues that were created; unchanged ones come as remembered."""
    remembered: list[Row] = replay.ask(lambda source: source.task_rows(), [])
    rows = _unchanged(replay, remembered)
    return rows + [task_row(folded) for folded in changed_issues(replay) if folded.issue.is_created]


def _unchanged(replay: Replay, rows: list[Row]) -> list[Row]:
    changed = {issue_id.hex() for issue_id in replay.changed}
    return [row for row in rows if row["grite_issue_id"] not in changed]


def choose_states(
    rows: Iterable[Row], states: Collection[str], *, include_exited: bool
) -> list[Row]:
    """Return the sessions in these states; without any, those that are active, or all of them."""
    if states:
        return [row for row in rows if row["state"] in states]
    return [row for row in rows if include_exited or row["state"] != "exit"]


def session_row(replay: Replay, folded: FoldedIssue, life: Life) -> Row:
    """Make the row of one session as the log tells it.

    What only a clock and the session's host can tell of one that has not exited is None; brat's
    pid without a host is a verdict to begin with, which Vitals completes.
    """
    assert life.current is not None
    state, event = life.state, life.current.event
    verdict = judge_exited(is_presumed=state.is_presumed_exit) if state.is_exit else None
    if verdict is None and event.parent is None and state.worktree[:1] == "/":
        # Whoever names no parent wrote this pid: a block of ours repeats it from anywhere.
        verdict = None if state.pid is None or "host" in state.extras else BRATS_PID
    parent = state.extras.get(PARENT_KEY)
    return {
        "session_id": life.session_id,
        "task_id": folded.issue.task_id,
        "grite_issue_id": folded.issue.hex,
        "role": state.role,
        "session_type": state.session_type,
        "engine": state.engine,
        "worktree": state.worktree,
        "pid": state.pid,
        "status": state.state,
        "started_ts": state.started_ts,
        "last_heartbeat_ts": state.last_heartbeat_ts,
        "exit_code": state.exit_code,
        "exit_reason": state.exit_reason,
        "last_output_ref": state.last_output_ref,
        "state": state.state,
        "heartbeat_age_ms": None,
        "task_title": folded.issue.title,
        "updated_ts": event.ts,
        "actor": event.actor.hex(),
        "commit": replay.origin[event.event_id],
        "event_id": event.event_id.hex(),
        "live_on_task": sum(not other.state.is_exit for other in folded.sessions.lives.values()),
        "extras": dict(state.extras),
        "parent_session": parent if isinstance(parent, str) else None,
        "attributes": attributes_of(state.extras),
        "activity": None,
        "liveness": None if verdict is None else verdict.as_row(),
    }


def transition_row(replay: Replay, issue: Issue, life: Life, step: Step) -> Row:
    """Make the row of one block of a session's history."""
    return {
        "session_id": life.session_id,
        "task_id": issue.task_id,
        "grite_issue_id": issue.hex,
        "commit": replay.origin[step.event.event_id],
        "event_id": step.event.event_id.hex(),
        "parent": step.event.parent.hex() if step.event.parent else None,
        "ts": step.event.ts,
        "actor": step.event.actor.hex(),
        "from_state": step.before.state if step.before else None,
        "to_state": step.state.state,
        "is_late": step.is_late,
        "is_fork": step.is_fork,
        "is_legal": step.is_legal,
        "changes": _changes(step.before, step.state),
        "note": note_of(step.event),
    }


def note_of(event: Event) -> str:
    """Return what stands in a comment around its block."""
    assert event.payload is not None
    before, _, after = split_comment(event.payload[0]) or ("", "", "")
    return f"{before.strip()}\n{after.strip()}".strip()


def task_row(folded: FoldedIssue) -> Row:
    """Make the row of one task."""
    issue = folded.issue
    return {
        "task_id": issue.task_id,
        "grite_issue_id": issue.hex,
        "convoy_id": issue.convoy_id,
        "title": issue.title,
        "status": issue.status,
        "state": issue.state,
        "labels": sorted(issue.labels),
        "sessions": dict(Counter(life.state.state for life in folded.sessions.lives.values())),
        "created_ts": issue.created_ts,
        "updated_ts": issue.updated_ts,
    }


def task_detail_row(replay: Replay, folded: FoldedIssue) -> Row:
    """Make the row of one task with its text, comments and sessions."""
    issue = folded.issue
    lives = sorted(
        folded.sessions.lives.values(), key=lambda life: (life.state.started_ts, life.session_id)
    )
    return {
        **task_row(folded),
        "body": issue.body,
        "assignees": list(issue.assignees),
        "comments": [_comment_row(replay, event) for event in issue.comments],
        "session_list": [session_row(replay, folded, life) for life in lives],
    }


def _comment_row(replay: Replay, event: Event) -> Row:
    assert event.payload is not None
    state = _block_of(event.payload[0])
    return {
        "event_id": event.event_id.hex(),
        "commit": replay.origin[event.event_id],
        "ts": event.ts,
        "actor": event.actor.hex(),
        "body": event.payload[0],
        "session_id": state.session_id if state else None,
        "state": state.state if state else None,
    }


def _block_of(text: str) -> SessionState | None:
    if not mentions_block(text):
        return None
    try:
        return parse_block(text)
    except WireError:
        return None


def _changes(before: SessionState | None, after: SessionState) -> Row:
    changes: Row = {}
    for name in STATE_FIELDS:
        value = getattr(after, name)
        if value != (getattr(before, name) if before else None):
            changes[name] = value
    old = before.extras if before else {}
    for name in sorted({*old, *after.extras}):
        if old.get(name) != after.extras.get(name):
            changes[name] = after.extras.get(name)
    return changes
