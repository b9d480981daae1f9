"""JSON Schema of what is stored and of what the commands print, made from pydantic models."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Final, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from git_session import (
    model,
    model_doctor,
    model_hooks,
    model_live,
    model_run,
    model_sync,
    model_trust,
    model_views,
    model_watch,
)
from git_session.errors import NotFoundError
from git_session.model import I32, I64, U32, Hex16, Hex32, Model, Role, SessionType, Status
from git_session.wire.event import KIND_NAMES

U64 = Annotated[int, Field(ge=0, le=2**64 - 1)]
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]

_MODULES: Final = (
    model,
    model_doctor,
    model_hooks,
    model_live,
    model_run,
    model_sync,
    model_trust,
    model_views,
    model_watch,
)
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


class Success(Model):
    """Holds what a command prints when it worked; each command has a schema of its `data`."""

    schema_version: Literal[1]
    ok: Literal[True]
    data: Any


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


class SessionCount(Model):
    """Holds what `list --count` prints."""

    total: int
    exited: int


class SchemaNames(Model):
    """Holds what `schema` prints without a name."""

    names: list[str]


class DemoPlayed(Model):
    """Holds what `demo` prints: where its repository is, and all sessions in it."""

    directory: str
    sessions: list[model.Session]


class CompletionScript(Model):
    """Holds what `completion bash`, `zsh` and `fish` print."""

    shell: str
    script: str


class FileChange(Model):
    """Tells what happened to one file."""

    path: str
    did: Literal["written", "changed", "unchanged", "removed", "absent"]


class CompletionReport(Model):
    """Holds what `completion install` and `uninstall` did, and what the user should know."""

    shell: str
    changes: list[FileChange]
    hint: str | None


class ToolDescription(Model):
    """Describes a tool of the MCP server; `input_schema` is a JSON Schema."""

    name: str
    description: str
    input_schema: dict[str, Any]


class ToolList(Model):
    """Holds what `mcp --json` prints."""

    tools: list[ToolDescription]


class Candidate(Model):
    """Holds what can come next on a line: a word, or that the shell is to offer files."""

    kind: Literal["plain", "file", "dir"]
    word: str
    about: str


class Candidates(Model):
    """Holds what a Tab offers."""

    candidates: list[Candidate]


_COMMANDS: Final[dict[str, type[BaseModel]]] = {
    "init": model.InitReport,
    "tasks": model.TaskList,
    "task-show": model.TaskShown,
    "task-add": model.TaskRecorded,
    "task-status": model.TaskRecorded,
    "task-comment": model.TaskRecorded,
    "list": model_live.SessionListing,
    "list-count": SessionCount,
    "show": model.SessionShown,
    "log": model.TransitionList,
    "timeline": model_views.Timeline,
    "export": model_views.Exported,
    "export-file": model_views.ExportReport,
    "diff": model_views.DiffReport,
    "start": model.Recorded,
    "ready": model.Recorded,
    "running": model.Recorded,
    "handoff": model.Recorded,
    "beat": model_live.BeatReport,
    "exit": model.Recorded,
    "run": model_run.RunReport,
    "tail": model_run.TailShown,
    "wait": model_watch.WaitReport,
    "reconcile": model_watch.ReconcileReport,
    "overlap": model_watch.OverlapReport,
    "doctor": model_doctor.DoctorReport,
    "sync": model_sync.SyncReport,
    "snapshot": model.SnapshotReport,
    "stats": model.StatsReport,
    "fsck": model.FsckReport,
    "repair": model_trust.RepairReport,
    "actor-list": model_trust.ActorList,
    "actor-show": model_trust.ActorShown,
    "actor-new": model_trust.ActorShown,
    "actor-use": model_trust.ActorShown,
    "actor-key": model_trust.ActorKeyShown,
    "completion-bash": CompletionScript,
    "completion-zsh": CompletionScript,
    "completion-fish": CompletionScript,
    "completion-install": CompletionReport,
    "completion-uninstall": CompletionReport,
    "completion-candidates": Candidates,
    "hook-install": model_hooks.HookReport,
    "hook-uninstall": model_hooks.HookReport,
    "hook-status": model_hooks.HookReport,
    "which": model_hooks.CommitSessions,
    "commits": model_hooks.SessionCommits,
    "mcp": ToolList,
    "schema": SchemaNames,
    "demo": DemoPlayed,
}
"""The `data` of each command's output."""


def schema_names() -> list[str]:
    """Lists what has a schema: what is stored, the models, each command's output."""
    return list(_types())


def schema(name: str) -> dict[str, Any]:
    """Gives the JSON Schema of that name. Raises NotFoundError with names that are similar."""
    types = _types()
    known = types.get(name.replace("_", "-"))
    if known is None:
        similar = difflib.get_close_matches(name, types)
        hint = f"did you mean {' or '.join(similar)}? " if similar else ""
        raise NotFoundError(f"no such schema: {name}", f"{hint}git session schema lists them")
    made = TypeAdapter(known).json_schema(mode="serialization")
    return {"$schema": _DIALECT, **made}


def _types() -> dict[str, Any]:
    models = [
        found
        for module in _MODULES
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Model) and found is not Model
    ]
    stored = {"block": Block, "event": _event_type(), "envelope": _envelope_type()}
    return stored | {_kebab(found.__name__): found for found in models} | _COMMANDS


def _event_type() -> Any:
    """Makes the type of an event: one of the kinds, each an array of 8 items."""
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
