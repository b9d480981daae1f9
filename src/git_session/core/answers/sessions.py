"""What users hold of sessions.

The first 14 fields of Session are the published struct, in its order; git-session's own follow.
"""

from __future__ import annotations

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
    Role,
    SessionType,
    Status,
    Verdict,
)


class Liveness(Model):
    """Holds what is known here and now of a session's life, and why."""

    verdict: Verdict
    reasons: list[str] = Field(description="The first one decided.")
    evidence: dict[str, str | int | None] = Field(
        description="What was recorded of the process, and what was seen of it."
    )


class Session(Model):
    """Holds a session as its current block tells it."""

    session_id: str
    task_id: str
    grite_issue_id: Hex16
    role: Role
    session_type: SessionType
    engine: str
    worktree: str
    pid: U32 | None
    status: Status
    started_ts: I64
    last_heartbeat_ts: I64 | None
    exit_code: I32 | None
    exit_reason: str | None
    last_output_ref: str | None

    state: Status
    heartbeat_age_ms: int | None = Field(
        description="Since its last sign of life known here; None once exited."
    )
    task_title: str
    updated_ts: int = Field(description="When the current block was recorded.")
    actor: Hex16 = Field(description="Who recorded the current block.")
    commit: CommitId = Field(description="The commit that holds the current block.")
    event_id: Hex32 = Field(description="The event of the current block.")
    live_on_task: int = Field(description="How many sessions of its task have not exited.")
    extras: dict[str, str | int] = Field(description="Further keys of the block.")
    parent_session: str | None = Field(description="The session that it was started in.")
    attributes: dict[str, str | int] = Field(
        description="What --set said: the block's attr_ keys, and what the beat file has since."
    )
    activity: Activity | None = Field(description="As its agent says, on this host.")
    liveness: Liveness


class Transition(Model):
    """Holds one block of a session's history: a change of state, or a beat."""

    session_id: str
    task_id: str
    grite_issue_id: Hex16
    commit: CommitId
    event_id: Hex32
    parent: Hex32 | None = Field(description="The event that it names as the one before it.")
    ts: int
    actor: Hex16
    from_state: Status | None
    to_state: Status
    is_late: bool = Field(description="It did not take over; it stays in the history.")
    is_fork: bool = Field(description="It was written without knowing the block before it.")
    is_legal: bool = Field(description="The lifecycle allows it.")
    changes: dict[str, str | int | None] = Field(
        description="Fields that differ from the block before."
    )
    note: str = Field(description="What stands in the comment around the block.")


class Recorded(Model):
    """Holds what a command appended: the session as it now is, and the commit."""

    session: Session
    commit: CommitId
    events: int
    warnings: list[str] = Field([])


class SessionShown(AsOf):
    """Holds what `show` shows."""

    session: Session
    transitions: list[Transition]
    log_file: str | None = Field(description="Where the output log is, if it is there.")


class TransitionList(AsOf):
    """Holds what `log` shows, newest first."""

    transitions: list[Transition]
    total: int


class SessionList(AsOf):
    """Holds what `list` shows."""

    sessions: list[Session]
    total: int
    exited: int = Field(
        description="How many exited sessions the same filter would show with --all."
    )


class Checkout(Model):
    """Holds what is in a session's checkout and nowhere else."""

    path: str
    branch: str | None
    head: CommitId | None
    uncommitted: int = Field(description="Paths, untracked ones included.")
    unpushed: int = Field(
        description="Commits that no remote-tracking ref has, or without any, no other branch."
    )
    ahead: int | None = Field(description="Of the upstream; None without one.")
    behind: int | None


class ListedSession(Session):
    """Holds a session as a list shows it: of several repositories, or with its checkout."""

    repository: str | None = Field(None, description="The path of its repository; with --repo.")
    checkout: Checkout | None = Field(None, description="With --wide, where git knows it.")


class FailedRepository(Model):
    """Holds why a repository is not in a list."""

    repository: str
    code: str
    message: str


class SessionListing(AsOf):
    """Holds what `list` shows."""

    sessions: list[ListedSession]
    total: int
    exited: int = Field(
        description="How many exited sessions the same filter would show with --all."
    )
    attributes: dict[str, int | str] | None = Field(
        None, description="With --wide: the sums of those that are numbers."
    )
    failed: list[FailedRepository] | None = Field(None, description="With --repo, --everywhere.")


class BeatReport(Model):
    """Holds what `beat` wrote."""

    session_id: str
    task_id: str
    grite_issue_id: Hex16
    ts: int
    recorded_ts: int = Field(description="The last sign of life that is in the log.")
    activity: Activity | None
    attributes: dict[str, str | int] = Field(description="Those that are not in the log yet.")
    commit: CommitId | None = Field(description="The commit, if it was put into the log as well.")
    warnings: list[str]


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
