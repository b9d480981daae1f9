"""What users hold of the views on a log: comparisons, timelines, exports."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.core.answers.base import (
    I32,
    I64,
    U32,
    Activity,
    AsOf,
    CommitId,
    Hex16,
    Hex32,
    Model,
    Moment,
    Role,
    SessionType,
    Status,
    Verdict,
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
    activity: Activity | None = Field(description="As its agent says, on this host.")
    commit: CommitId = Field(description="The commit that holds the current block.")
    verdict: Verdict
    reason: str = Field(description="What decided the verdict.")
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


class ExportedSession(Model):
    """Holds a session as every format of `export` writes it: these columns in this order."""

    session_id: str
    task_id: str
    grite_issue_id: Hex16
    task_title: str
    task_status: str | None
    role: Role
    session_type: SessionType
    engine: str
    worktree: str
    host: str | None = Field(description="Where it runs, if it was recorded.")
    pid: U32 | None
    state: Status
    started: str = Field(description="ISO 8601, in UTC.")
    started_ts: int
    ended: str | None = Field(description="ISO 8601, in UTC; None while it has not exited.")
    ended_ts: int | None
    duration_ms: int = Field(description="Until it ended, or until its last sign of life.")
    last_heartbeat_ts: I64 | None
    exit_code: I32 | None
    exit_reason: str | None
    last_output_ref: str | None
    updated_ts: int = Field(description="When the current block was recorded.")
    actor: Hex16 = Field(description="Who recorded the current block.")
    commit: CommitId = Field(description="The commit that holds the current block.")
    event_id: Hex32 = Field(description="The event of the current block.")
    parent_session: str | None = Field(description="The session that it was started in.")
    verdict: Verdict = Field(description="Whether it is alive, as far as is known here and now.")
    activity: Activity | None = Field(description="As its agent says, on this host.")
    attributes: dict[str, str | int] = Field(description="What --set said.")
    extras: dict[str, str | int] = Field(description="Further keys of the block.")


class ExportedTransition(Model):
    """Holds a transition as every format of `export` writes it: these columns in this order."""

    time: str = Field(description="ISO 8601, in UTC.")
    ts: int
    session_id: str
    task_id: str
    grite_issue_id: Hex16
    from_state: Status | None
    to_state: Status
    is_late: bool = Field(description="It did not take over; it stays in the history.")
    is_fork: bool = Field(description="It was written without knowing the block before it.")
    is_legal: bool = Field(description="The lifecycle allows it.")
    note: str = Field(description="What stands in the comment around the block.")
    changes: dict[str, str | int | None] = Field(
        description="Fields that differ from the block before."
    )
    actor: Hex16
    commit: CommitId
    event_id: Hex32
    parent: Hex32 | None = Field(description="The event that it names as the one before it.")


class Exported(AsOf):
    """Holds what `export` writes as JSON: the records of one kind."""

    sessions: list[ExportedSession] | None = None
    transitions: list[ExportedTransition] | None = None
    total: int


class ExportReport(Model):
    """Holds what `export` wrote to a file."""

    file: str
    format: Literal["json", "jsonl", "csv", "html"]
    of: Literal["sessions", "transitions"]
    records: int
    bytes: int
