"""JSON Schema of what is stored and of what the commands print, made from pydantic models."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from git_session.core import answers as model
from git_session.core.answers import (
    actors,
    commits,
    hooks,
    log,
    sessions,
    shell,
    sync,
    tasks,
    views,
    watch,
)
from git_session.core.answers.base import (
    I32,
    I64,
    U32,
    Hex16,
    Hex32,
    Model,
    Role,
    SessionType,
    Status,
)
from git_session.core.wire.event import KIND_NAMES
from git_session.errors import NotFoundError

U64 = Annotated[int, Field(ge=0, le=2**64 - 1)]
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DEPENDENCY: Final = tuple[Hex16, Literal["blocks", "depends_on", "related_to"]]
_PAYLOADS: Final[dict[int, Any]] = {
    1: tuple[str, str, list[str]],
    2: tuple[str | None, str | None],
    3: tuple[str],
    4: tuple[str],
    5: tuple[str],
    6: tuple[Literal["open", "closed"]],
    7: tuple[str, str | None],
    8: tuple[str],
    9: tuple[str],
    10: tuple[str, Hex32, str],
    11: _DEPENDENCY,
    12: _DEPENDENCY,
    13: tuple[str, str, list[tuple[str, str, int, int]], str, Hex32],
    14: tuple[str, str],
}
"""The payload of each kind. Source: the grite store format, section "A chunk"."""


class Block(BaseModel):
    """Holds the keys of a `[session]` block in their order; further keys are text or integers."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | int]

    state: Status
    session_id: str
    role: Role
    session_type: SessionType
    engine: str
    worktree: str
    pid: U32 | None = None
    started_ts: I64
    last_heartbeat_ts: I64 | None = None
    exit_code: I32 | None = None
    exit_reason: str | None = None
    last_output_ref: str | None = None


class Warned(Model):
    """Holds what to know about an answer: a stable word, a sentence, and what to do about it."""

    code: str
    message: str
    hint: str


class Success(Model):
    """Holds what a command prints when it worked; each command has a schema of its `data`."""

    schema_version: Literal[1]
    ok: Literal[True]
    data: Any
    warnings: list[Warned] = Field(default=[], description="Only there when there are some.")


class Failure(Model):
    """Holds what went wrong: a stable word, a sentence, and what to do about it."""

    code: str
    message: str
    hint: str | None


class Failed(Model):
    """Holds what a command prints when it failed."""

    schema_version: Literal[1]
    ok: Literal[False]
    error: Failure


_COMMANDS: Final[dict[str, type[BaseModel]]] = {
    "init": log.InitReport,
    "tasks": tasks.TaskList,
    "task-show": tasks.TaskShown,
    "task-add": tasks.TaskRecorded,
    "task-status": tasks.TaskRecorded,
    "task-comment": tasks.TaskRecorded,
    "list": sessions.SessionListing,
    "list-count": shell.SessionCount,
    "show": sessions.SessionShown,
    "log": sessions.TransitionList,
    "timeline": views.Timeline,
    "export": views.Exported,
    "export-file": views.ExportReport,
    "diff": views.DiffReport,
    "start": sessions.Recorded,
    "ready": sessions.Recorded,
    "running": sessions.Recorded,
    "handoff": sessions.Recorded,
    "beat": sessions.BeatReport,
    "exit": sessions.Recorded,
    "run": sessions.RunReport,
    "tail": sessions.TailShown,
    "wait": watch.WaitReport,
    "reconcile": watch.ReconcileReport,
    "overlap": watch.OverlapReport,
    "doctor": hooks.DoctorReport,
    "sync": sync.SyncReport,
    "snapshot": log.SnapshotReport,
    "stats": log.StatsReport,
    "fsck": log.FsckReport,
    "repair": log.RepairReport,
    "actor-list": actors.ActorList,
    "actor-show": actors.ActorShown,
    "actor-new": actors.ActorShown,
    "actor-use": actors.ActorShown,
    "actor-key": actors.ActorKeyShown,
    "completion-bash": shell.CompletionScript,
    "completion-zsh": shell.CompletionScript,
    "completion-fish": shell.CompletionScript,
    "completion-install": shell.CompletionReport,
    "completion-uninstall": shell.CompletionReport,
    "completion-candidates": shell.Candidates,
    "hook-install": hooks.HookReport,
    "hook-uninstall": hooks.HookReport,
    "hook-status": hooks.HookReport,
    "which": commits.CommitSessions,
    "commits": commits.SessionCommits,
    "mcp": shell.ToolList,
    "schema": shell.SchemaNames,
    "demo": shell.DemoPlayed,
}
"""The `data` of each command's output."""


def schema_names() -> list[str]:
    """List what has a schema: what is stored, the models, each command's output."""
    return list(_types())


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of that name. Raises NotFoundError with names that are similar."""
    types = _types()
    known = types.get(name.replace("_", "-"))
    if known is None:
        similar = difflib.get_close_matches(name, types)
        hint = f"did you mean {' or '.join(similar)}? " if similar else ""
        raise NotFoundError(f"no such schema: {name}", f"{hint}git session schema lists them")
    made = TypeAdapter(known).json_schema(mode="serialization")
    return {"$schema": _DIALECT, **made}


def _types() -> dict[str, Any]:
    stored = {"block": Block, "event": _event_type(), "envelope": _envelope_type()}
    return stored | {_kebab(found.__name__): found for found in _list_models(Model)} | _COMMANDS


def _list_models(base: type[Model]) -> Iterator[type[Model]]:
    """List what is made of a model; all of them are loaded, for the commands above."""
    for found in base.__subclasses__():
        if found.__module__.startswith(f"{model.__name__}."):
            yield found
        yield from _list_models(found)


def _event_type() -> Any:
    """Make the type of an event: one of the kinds, each an array of 8 items."""
    kinds = []
    for kind, payload in _PAYLOADS.items():
        # id, issue, actor, time in ms, parent, kind, payload, signature
        items = (Hex32, Hex16, Hex16, U64, Hex32 | None, Literal[kind], payload, Signature | None)
        kinds.append(Annotated[tuple[items], Field(title=KIND_NAMES[kind])])  # type: ignore[valid-type]
    about = "An event of the log; its CBOR byte strings stand here as hex."
    return Annotated[Union[tuple(kinds)], Field(title="Event", description=about)]  # noqa: UP007


def _envelope_type() -> Any:
    about = "What every command prints with --json."
    return Annotated[Success | Failed, Field(title="Envelope", description=about)]


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
