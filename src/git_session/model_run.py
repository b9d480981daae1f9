"""What users hold of sessions that live: frozen pydantic models of a run and of its output."""

from __future__ import annotations

from pydantic import Field

from git_session.model import I32, CommitId, Hex16, Model


class RunReport(Model):
    """Holds how a command ended that was run as a session."""

    session_id: str
    task_id: str
    grite_issue_id: Hex16
    exit_code: I32
    exit_reason: str
    signal: int | None = Field(description="The signal that killed it.")
    commit: CommitId | None = Field(
        description="The exit's; None when it waits, or the command told its end itself."
    )
    worktree: str | None
    log_file: str | None = Field(description="Where its output is kept.")
    last_output_ref: str | None
    error: str | None = Field(description="Why the command could not be started.")
    warnings: list[str]


class TailShown(Model):
    """Holds the last lines of a session's output."""

    session_id: str
    task_id: str
    log_file: str
    last_output_ref: str | None
    matches: bool | None = Field(
        description="Whether the file is what the exit recorded; None when it recorded nothing."
    )
    lines: list[str]
