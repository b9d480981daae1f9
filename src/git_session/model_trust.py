"""What users hold of actors and their keys: frozen pydantic models, as in model.py."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.model import CommitId, Finding, Hex16, Hex32, Model


class ActorKey(Model):
    """Holds one public key of an actor that is trusted here."""

    public_key: Hex32
    source: Literal["actor", "config", "list"] = Field(
        description="An actor of this clone, session.trustedKey, or session.trustedKeysBlob."
    )
    line: str = Field(description="What makes others trust it: a line of a list of keys.")


class SignatureCounts(Model):
    """Holds how many of an actor's events are signed, and how."""

    valid: int
    wrong: int
    unknown_key: int
    unsigned: int


class Actor(Model):
    """Holds an actor as this clone knows it: one of its own, one that is trusted, or both."""

    actor_id: Hex16
    label: str | None
    created_ts: int | None
    is_own: bool = Field(description="It is kept in this clone, and can write from here.")
    is_default: bool = Field(description="grite's settings name it as the one that writes.")
    is_writer: bool = Field(description="It is the one that writes from here now.")
    can_sign: bool = Field(description="Its signing key is here, and can be used.")
    key_fault: str | None = Field(description="Why its signing key cannot be used, if it is here.")
    keys: list[ActorKey]
    events: SignatureCounts | None = Field(description="Its events in the log, if asked for.")


class ActorList(Model):
    """Holds what `actor list` shows."""

    actors: list[Actor]
    total: int
    verify_signatures: Literal["off", "warn", "require"]


class ActorShown(Model):
    """Holds what `actor show` shows, and `actor new` and `actor use` did."""

    actor: Actor


class ActorKeyShown(Model):
    """Holds what `actor key` shows; `private_key` only when it was asked for."""

    actor_id: Hex16
    public_key: Hex32
    line: str
    private_key: Hex32 | None


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
    is_applied: bool
    commit: CommitId | None = Field(description="The commit that was appended.")
