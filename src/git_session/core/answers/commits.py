"""What users hold of the way from commits to sessions and back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.core.answers.base import CommitId, Model
from git_session.core.answers.sessions import Session

Evidence = Literal["trailer", "message", "beat", "block", "branch"]
"""A trailer; a line in the middle of a message; the last commit by a beat file or by a block; the
branch named after the session, which alone has the commit."""


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
