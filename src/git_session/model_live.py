"""What users hold of sessions that live on this host: frozen pydantic models.

Times are ms since the epoch.
"""

from __future__ import annotations

from pydantic import Field

from git_session.model import Activity, AsOf, CommitId, Hex16, Model, Session


class Checkout(Model):
    """Holds what is in a session's checkout and nowhere else."""

    path: str
    branch: str | None
    head: CommitId | None
    uncommitted: int = Field(description="Paths, untracked ones included.")
    unpushed: int = Field(
        description="Commits that no remote-tracking ref has, or without any, no other branch."
    )
    ahead: int | None = Field(description="Of the upstream; None without one.")
    behind: int | None


class ListedSession(Session):
    """Holds a session as a list shows it: of several repositories, or with its checkout."""

    repository: str | None = Field(None, description="The path of its repository; with --repo.")
    checkout: Checkout | None = Field(None, description="With --wide, where git knows it.")


class FailedRepository(Model):
    """Holds why a repository is not in a list."""

    repository: str
    code: str
    message: str


class SessionListing(AsOf):
    """Holds what `list` shows."""

    sessions: list[ListedSession]
    total: int
    exited: int = Field(
        description="How many exited sessions the same filter would show with --all."
    )
    attributes: dict[str, int | str] | None = Field(
        None, description="With --wide: the sums of those that are numbers."
    )
    failed: list[FailedRepository] | None = Field(None, description="With --repo, --everywhere.")


class BeatReport(Model):
    """Holds what `beat` wrote."""

    session_id: str
    task_id: str
    grite_issue_id: Hex16
    ts: int
    recorded_ts: int = Field(description="The last sign of life that is in the log.")
    activity: Activity | None
    attributes: dict[str, str | int] = Field(description="Those that are not in the log yet.")
    commit: CommitId | None = Field(description="The commit, if it was put into the log as well.")
    warnings: list[str]
