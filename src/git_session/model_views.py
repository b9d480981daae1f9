"""What users hold of the views on a log: frozen pydantic models of comparisons and timelines.

Times are ms since the epoch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.model import (
    I32,
    AsOf,
    CommitId,
    Hex16,
    Model,
    Moment,
    Role,
    SessionType,
    Status,
)


class SessionChange(Model):
    """Holds how a session differs between two moments."""

    change: Literal["begun", "moved", "ended", "gone"]
    session_id: str
    task_id: str
    grite_issue_id: Hex16
    task_title: str
    engine: str
    from_state: Status | None
    to_state: Status | None
    exit_code: I32 | None
    exit_reason: str | None
    ts: int = Field(description="When its newest block was recorded.")


class TaskChange(Model):
    """Holds how a task differs between two moments."""

    change: Literal["added", "moved", "gone"]
    task_id: str
    grite_issue_id: Hex16
    title: str
    from_status: str | None
    to_status: str | None
    from_state: Literal["open", "closed"] | None
    to_state: Literal["open", "closed"] | None
    ts: int = Field(description="When it last changed.")


class DiffReport(Model):
    """Holds what `diff` shows: what is otherwise `after` than it was `before`."""

    before: Moment
    after: Moment
    sessions: list[SessionChange]
    tasks: list[TaskChange]


class TimelineSpan(Model):
    """Holds the part of a bar in which the state was the same."""

    state: Status
    from_ts: int
    until_ts: int


class TimelineBar(Model):
    """Holds one session in a timeline."""

    session_id: str
    role: Role
    session_type: SessionType
    engine: str
    worktree: str
    state: Status
    exit_code: I32 | None
    exit_reason: str | None
    commit: CommitId = Field(description="The commit that holds the current block.")
    host: str | None = Field(description="Where it runs, if it was recorded.")
    begin_ts: int
    end_ts: int | None = Field(description="When it exited; None while it has not.")
    seen_ts: int = Field(description="Its last sign of life.")
    spans: list[TimelineSpan] = Field(description="In order; a session that went on has a gap.")


class TimelineLane(Model):
    """Holds one task in a timeline."""

    task_id: str
    grite_issue_id: Hex16
    title: str
    status: str | None
    bars: list[TimelineBar]


class Timeline(AsOf):
    """Holds what `timeline` shows."""

    from_ts: int
    until_ts: int
    now: int = Field(description="The present, or the moment that was asked about.")
    lanes: list[TimelineLane]
    total: int = Field(description="How many bars there are.")
