"""What all models share: their base, and the words and numbers that several of them hold.

Times are ms since the epoch, durations ms, ids hex or brat's text forms.
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


class Moment(Model):
    """Holds the moment that was asked about."""

    words: str = Field(description="How it was asked for.")
    ts: int
    commit: CommitId | None = Field(description="Set where it is a commit and not a time.")


class AsOf(Model):
    """Is the base of what can be asked of a moment; `at` is only there when it was."""

    at: Moment | None = None
