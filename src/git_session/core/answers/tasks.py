"""What users hold of tasks: any issues that may carry sessions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.core.answers.base import AsOf, CommitId, Hex16, Hex32, Model, Status
from git_session.core.answers.sessions import Session


class Task(Model):
    """Holds a task: any issue that may carry sessions."""

    task_id: str
    grite_issue_id: Hex16
    convoy_id: str | None
    title: str
    status: str | None
    state: Literal["open", "closed"]
    labels: list[str]
    sessions: dict[Status, int] = Field(description="How many sessions are in each state.")
    created_ts: int
    updated_ts: int


class Comment(Model):
    """Holds one comment of a task; `session_id` and `state` are set where it holds a block."""

    event_id: Hex32
    commit: CommitId
    ts: int
    actor: Hex16
    body: str
    session_id: str | None
    state: Status | None


class TaskDetail(Task):
    """Holds a task with its text, comments and sessions."""

    body: str
    assignees: list[str]
    comments: list[Comment]
    session_list: list[Session]


class TaskRecorded(Model):
    """Holds what a task command appended; `commit` is None when nothing had to change."""

    task: Task
    commit: CommitId | None
    events: int
    warnings: list[str] = Field([])


class TaskList(AsOf):
    """Holds what `tasks` shows."""

    tasks: list[Task]
    total: int


class TaskShown(AsOf):
    """Holds what `task show` shows."""

    task: TaskDetail
