"""What users hold of a sync: what it did and what it found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.core.answers.base import CommitId, Model
from git_session.core.fold.finds import Kind


class RemoteReport(Model):
    """Holds what a sync did at one remote."""

    remote: str
    outcome: Literal["empty", "same", "together", "sent", "received", "merged", "failed"]
    head: CommitId | None = Field(description="What the remote's log was when last seen.")
    events_in: int
    events_out: int
    snapshots_in: int
    snapshots_out: int
    attempts: int = Field(description="How often it was fetched from.")
    unsent: int = Field(description="Transitions that are here and not there.")
    error: str | None


class OutgoingFinding(Model):
    """Holds what was found in a text that leaves; the text itself is not told."""

    kind: Kind
    what: str = Field(description="What kind of credential, which home, why it was not scanned.")
    field: str = Field(description="Which text of the event it is: title, comment, worktree...")
    line: int | None = Field(description="In that text, from 1.")
    session_id: str | None
    grite_issue_id: str
    event_id: str = Field(description="The oldest event that leaves with it.")
    commit: CommitId | None
    events: int = Field(description="How many events leave with it.")


class ScanReport(Model):
    """Holds what was looked for in what leaves, as session.secrets says, and what was found."""

    policy: Literal["warn", "refuse", "off"]
    events: int = Field(description="That are due to a remote.")
    failure: str | None = Field(description="Why not all of it was scanned for credentials.")
    findings: list[OutgoingFinding]


class SyncReport(Model):
    """Holds what a sync did."""

    head: CommitId | None
    merges: int = Field(description="Merge commits that this sync wrote and kept.")
    is_dry_run: bool
    remotes: list[RemoteReport]
    scan: ScanReport | None = Field(description="None when there was nothing to scan.")
