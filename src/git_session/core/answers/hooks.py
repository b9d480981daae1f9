"""What users hold of hooks, and of how all stands."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.core.answers.base import Model


class Hook(Model):
    """Holds how one of git's hooks stands."""

    hook: str
    state: Literal[
        "installed", "absent", "foreign", "modified", "disabled", "gone", "pending", "bypassed"
    ] = Field(
        description="absent and foreign (another one): it is not ours; modified: changed by hand; "
        "disabled: not executable, or switched off by a setting; gone: the program it calls is; "
        "pending: its manager has to take it in; bypassed: git looks elsewhere."
    )
    action: Literal["installed", "updated", "kept", "removed", "restored", "none"] = Field(
        description="What this command did."
    )
    way: Literal["file", "line", "config", "lefthook"] = Field(
        description="A file of its own, a line in the project's, git's configuration, a job."
    )
    path: str = Field(description="The file that holds it.")
    kept: str | None = Field(description="The hook that stood there before, which it calls.")
    program: list[str] = Field(description="The words by which it calls git-session.")
    note: str | None = Field(description="What else there is to know, or to do.")


class HookAdvice(Model):
    """Holds what to add by hand for one hook."""

    hook: str
    sentence: str
    lines: list[str]


class AgentHooks(Model):
    """Holds how our entries in one agent's settings stand."""

    agent: str
    path: str = Field(description="The settings file.")
    state: Literal["installed", "absent", "partial", "gone", "broken"] = Field(
        description="partial: not all events are asked for; gone: the program they call is; "
        "broken: the file is no such settings, and is left as it is."
    )
    action: Literal["installed", "updated", "kept", "removed", "none"]
    commands: list[str]
    note: str | None


class HookReport(Model):
    """Holds what the hook commands did and found; `advice` is what --manual gives."""

    hooks: list[Hook]
    agents: list[AgentHooks]
    advice: list[HookAdvice]


class DoctorLine(Model):
    """Holds one thing that was looked at, and the command that mends it."""

    name: str
    status: Literal["ok", "warning", "failing"]
    message: str
    command: str | None
    is_mended: bool = Field(description="--fix has mended it since.")


class DoctorReport(Model):
    """Holds all that was looked at."""

    lines: list[DoctorLine]
    is_well: bool = Field(description="Every line is ok, or was mended.")
