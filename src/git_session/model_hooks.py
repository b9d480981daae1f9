"""What users hold of hooks, and of the way from commits to sessions: as in model.py."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.model import CommitId, Model, Session


class Hook(Model):
    """Holds how one of git's hooks stands."""

    hook: str
    state: Literal[
        "installed", "absent", "foreign", "modified", "disabled", "gone", "pending", "bypassed"
    ] = Field(
        description="absent and foreign (another one): it is not ours; modified: changed by hand; "
        "disabled: not executable; gone: the program it calls is; pending: its manager has to take "
        "it in; bypassed: git looks elsewhere."
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


Evidence = Literal["trailer", "message", "beat", "block"]
"""A trailer; a line in the middle of a message; the last commit by a beat file or by a block."""


class SessionLink(Model):
    """Holds one name of a session that a commit was made in, and the sessions it may be."""

    named: str = Field(description="What the commit says, or else the session's id.")
    evidence: Evidence
    key: str | None = Field(description="The key of the line that names it.")
    sessions: list[Session] = Field(description="Those of this log that answer to the name.")


class CommitSessions(Model):
    """Holds what `which` found; `file` and `line` are set where a line was asked for."""

    commit: CommitId
    ts: int = Field(description="The committer's time, in ms since the epoch.")
    author: str
    subject: str
    file: str | None
    line: int | None
    links: list[SessionLink]


class SessionCommit(Model):
    """Holds one commit that was made in a session."""

    commit: CommitId
    ts: int = Field(description="The committer's time, in ms since the epoch.")
    author: str
    subject: str
    evidence: Evidence
    key: str | None


class SessionCommits(Model):
    """Holds what `commits` found, newest first; `session` is None when the log does not know it."""

    session_id: str
    session: Session | None
    commits: list[SessionCommit]
