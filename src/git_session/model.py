"""What users hold: frozen pydantic models of sessions, tasks, transitions and reports.

The first 14 fields of Session are the published struct, in its order; git-session's own
follow. Times are ms since the epoch, durations ms, ids hex or brat's text forms.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["spawned", "ready", "running", "handoff", "exit"]
Role = Literal["mayor", "witness", "refinery", "deacon", "user"]
SessionType = Literal["polecat", "crew"]
TaskStatus = Literal["queued", "running", "blocked", "needs-review", "merged", "dropped"]
Verdict = Literal["alive", "dead", "quiet", "unknown", "exited"]
Activity = Literal["working", "waiting", "idle"]

U32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
I32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
I64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Hex16 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CommitId = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Model(BaseModel):
    """Is the base of all: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Moment(Model):
    """Holds the moment that was asked about."""

    words: str = Field(description="How it was asked for.")
    ts: int
    commit: CommitId | None = Field(description="Set where it is a commit and not a time.")


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


class Recorded(Model):
    """Holds what a command appended: the session as it now is, and the commit."""

    session: Session
    commit: CommitId
    events: int
    warnings: list[str] = []


class TaskRecorded(Model):
    """Holds what a task command appended; `commit` is None when nothing had to change."""

    task: Task
    commit: CommitId | None
    events: int
    warnings: list[str] = []


class AsOf(Model):
    """Is the base of what can be asked of a moment; `at` is only there when it was."""

    at: Moment | None = None


class SessionList(AsOf):
    """Holds what `list` shows."""

    sessions: list[Session]
    total: int
    exited: int = Field(
        description="How many exited sessions the same filter would show with --all."
    )


class SessionShown(AsOf):
    """Holds what `show` shows."""

    session: Session
    transitions: list[Transition]
    log_file: str | None = Field(description="Where the output log is, if it is there.")


class TaskList(AsOf):
    """Holds what `tasks` shows."""

    tasks: list[Task]
    total: int


class TaskShown(AsOf):
    """Holds what `task show` shows."""

    task: TaskDetail


class TransitionList(AsOf):
    """Holds what `log` shows, newest first."""

    transitions: list[Transition]
    total: int


class Finding(Model):
    """Holds one finding of fsck, or one thing that a reading command left out."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    commit: str | None
    path: str | None
    event_id: str | None
    issue_id: str | None


class FsckReport(Model):
    """Holds what fsck found and how much it looked at."""

    head: CommitId | None
    commits: int
    chunks: int
    events: int
    issues: int
    sessions: int
    signatures: dict[str, int] = Field(description="valid, wrong, unknown_key and unsigned events.")
    findings: list[Finding]
    errors: int
    warnings: int


class InitReport(Model):
    """Holds what `init` found and did."""

    common_dir: str
    actor_id: Hex16
    done: list[str] = Field(description="What was changed, a sentence each.")
    kept: list[str] = Field(description="What was there already.")


class SnapshotReport(Model):
    """Holds which snapshot was written."""

    ref: str
    commit: CommitId
    events: int
    left_out: int = Field(description="Events that grite could not rebuild from.")
    chunks: int


class ObjectsOnDisk(Model):
    """Holds how many objects of a log lie in one way, and the bytes that they take."""

    objects: int
    bytes: int


class Spread(Model):
    """Holds the middle and the largest of some counts."""

    median: int
    most: int


class DayCount(Model):
    """Holds the transitions of one day (UTC)."""

    day: str
    transitions: int


class Projection(Model):
    """Holds what further commits take if they are like those that are there."""

    commits: int
    objects: int
    bytes_loose: int | None
    bytes_packed: int | None


class StatsReport(Model):
    """Holds what `stats` measured; sizes are bytes on disk."""

    head: CommitId | None
    events: int
    commits: int
    tasks: int
    sessions: int
    active: int
    transitions: int
    transitions_per_session: Spread
    transitions_per_day: list[DayCount]
    loose: ObjectsOnDisk
    packed: ObjectsOnDisk
    next_100000: Projection | None
