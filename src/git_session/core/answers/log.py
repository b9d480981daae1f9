"""What users hold of the log as a whole: how it was made, what it takes, what is wrong with it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.core.answers.base import CommitId, Hex16, Hex32, Model


class InitReport(Model):
    """Holds what `init` found and did."""

    common_dir: str
    actor_id: Hex16
    done: list[str] = Field(description="What was changed, a sentence each.")
    kept: list[str] = Field(description="What was there already.")


class SnapshotReport(Model):
    """Holds which snapshot was written, or holds all already."""

    ref: str
    commit: CommitId
    events: int
    left_out: int = Field(description="Events that grite could not rebuild from.")
    chunks: int
    is_new: bool = Field(description="False: it was there, and nothing was written.")


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


class HeadCandidate(Model):
    """Holds a commit that could be the log's head, and how many events its line tells."""

    commit: CommitId
    source: str
    events: int


class RecoveredEvent(Model):
    """Holds an event that is missing or damaged here, and where it was found."""

    event_id: Hex32
    issue_id: Hex16
    actor: Hex16
    ts: int
    kind: str
    source: str
    found_in: CommitId


class RebuiltHead(Model):
    """Holds a new head that takes the place of one that leads to a lost object."""

    base: CommitId | None = Field(description="Its parent; the head itself without news.")
    source: str = Field(description="Where that was found.")
    events: int = Field(description="Events that it adds to the base.")
    held_by: list[str] = Field(description="Other refs that lead to what is lost; git gc fails.")


class RepairReport(Model):
    """Holds what `repair` proposes, or did."""

    head: CommitId | None = Field(description="What the log's ref held.")
    head_state: Literal["none", "sound", "missing", "unreadable"]
    head_command: str | None = Field(
        description="What to type where the ref is broken and so is left as it is."
    )
    candidates: list[HeadCandidate] = Field(description="Commits to be the head, the best first.")
    objects: int = Field(description="Objects that can be put back as they were, to the byte.")
    events: list[RecoveredEvent] = Field(description="Events to be appended.")
    damage: list[Finding] = Field(description="What nothing was found to make up for.")
    lost_events: list[Hex32] = Field(description="Events known by their ids, and found nowhere.")
    rebuild: RebuiltHead | None = Field(description="The new head, where an object is lost.")
    ask: str | None = Field(description="A remote that may have what is missing here.")
    is_applied: bool
    commit: CommitId | None = Field(description="The commit that was made the head.")
