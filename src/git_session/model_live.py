"""What users hold of sessions that live on this host: frozen pydantic models.

Times are ms since the epoch.
"""

from __future__ import annotations

from pydantic import Field

from git_session.model import Activity, CommitId, Hex16, Model


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
