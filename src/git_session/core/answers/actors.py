"""What users hold of actors and their keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.core.answers.base import Hex16, Hex32, Model


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
