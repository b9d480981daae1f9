"""What users hold of sessions that live: what a wait ended with, and what was found beside them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.core.answers.base import CommitId, Hex16, Model, Status
from git_session.core.answers.sessions import Session


class Waited(Model):
    """Holds a session that was waited for."""

    session: Session
    has_reached: bool


class WaitReport(Model):
    """Holds what a wait ended with that reached its goal."""

    state: Status = Field(description="The state that was waited for.")
    sessions: list[Waited]


class Change(Model):
    """Holds one change that `watch` saw; each is a line of its own when nobody looks."""

    ts: int = Field(description="When it was seen, ms since the epoch.")
    change: Literal["present", "started", "state", "beat", "verdict", "activity", "gone"]
    session: Session


class DeadSession(Model):
    """Holds a session whose process is gone, and the commit that recorded its end, if one did."""

    session: Session
    reasons: list[str]
    commit: CommitId | None


class Duplicated(Model):
    """Holds a task that several live sessions work on."""

    task_id: str
    grite_issue_id: Hex16
    sessions: list[str]


class LeftWork(Model):
    """Holds a checkout of sessions that work no more, and what is in it and nowhere else."""

    path: str
    branch: str | None
    uncommitted: int = Field(description="Paths that differ from HEAD, untracked ones included.")
    unpushed: int = Field(description="Commits that no remote-tracking ref has.")
    sessions: list[str]


class ReconcileReport(Model):
    """Holds what is out of step with the world, and what was recorded of it."""

    dead: list[DeadSession]
    unclear: list[Session] = Field(description="Live by the log; from here nobody can tell.")
    duplicates: list[Duplicated]
    worktrees: list[LeftWork]
    recorded: list[str] = Field(
        description="Sessions whose exit the log did not take at the time, and has now."
    )
    is_applied: bool
    warnings: list[str]


class Overlap(Model):
    """Holds a file that several sessions have changed; its path is relative to the checkout."""

    path: str
    sessions: list[str]


class SharedWorktree(Model):
    """Holds a checkout that several live sessions work in."""

    worktree: str
    sessions: list[str]


class OverlapReport(Model):
    """Holds where live sessions of this host meet."""

    overlaps: list[Overlap]
    shared: list[SharedWorktree]
    worktrees: int = Field(description="Checkouts that were compared.")
    unread: list[str] = Field(description="Checkouts that git could not tell of.")
