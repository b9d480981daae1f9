"""What users hold of the views on a log: frozen pydantic models of comparisons and timelines.

Times are ms since the epoch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.model import I32, Hex16, Model, Moment, Status


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
