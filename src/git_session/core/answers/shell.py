"""What the commands around all others print: for shells, agents and those who look about."""

from __future__ import annotations

from typing import Any, Literal

from git_session.core.answers.base import Model
from git_session.core.answers.sessions import Session


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
    sessions: list[Session]


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
