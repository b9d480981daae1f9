"""What a replay may know already: the events, rows and names that an index remembers."""

from __future__ import annotations

from typing import Any, Protocol

Row = dict[str, Any]


class Source(Protocol):
    """Remembers a log up to one head, so that only what came since has to be read and folded.

    Issue ids are 16 raw bytes, commits 40 hex digits. Session rows come without the age of their
    last sign of life, which only the reader's clock can tell.
    """

    def __contains__(self, oid: object) -> bool:
        """Return whether a commit is among those remembered."""

    def issue_ids(self) -> list[bytes]:
        """List the issues that there are events of, context events included."""

    def events_of(self, issue_id: bytes) -> list[tuple[bytes, str]]:
        """Return an issue's good events: their bytes and the commit each is from."""

    def session_refs(self) -> list[tuple[bytes, str]]:
        """List all sessions: issue id and session id."""

    def task_refs(self) -> list[tuple[bytes, str, str]]:
        """List all issues that were created: issue id, task id and title."""

    def session_rows(self) -> list[Row]:
        """Return the rows of all sessions."""

    def task_rows(self) -> list[Row]:
        """Return the rows of all issues that were created."""

    def event_count(self) -> int:
        """Count the events remembered."""

    def unread_blocks(self) -> dict[bytes, int]:
        """Return the issues with session blocks of unknown words, and how many each has."""

    def problems(self) -> list[Row]:
        """Return what reading left out."""
