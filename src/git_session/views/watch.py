"""Report how the sessions of a repository change as it happens: in log, beats and processes.

What is told is the difference between two looks. Changes of files make for a look at once; that a
process has gone no file tells, so there is one every few seconds in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from git_session.core.fold.rows import Row
from git_session.host.beats import Beats
from git_session.host.files.watcher import Watcher
from git_session.log.session_log import SessionLog

LOOK_S: Final = 2.0
"""The longest time between two looks."""

Key = tuple[str, str]


class Watch:
    """Looks at all sessions again and again; `rows` are those of the last look."""

    def __init__(self, log: SessionLog, *, include_exited: bool = False) -> None:
        self._log = log
        self._include_exited = include_exited
        self._known: dict[Key, Row] | None = None
        self._head: str | None = None
        self.rows: list[Row] = []
        self.exited = 0

    def look(self) -> list[Row]:
        """Check the sessions, and return the rows of what changed since the last look.

        In the first look what is there is `present`.
        """
        before = self._known
        rows = self._read_rows()
        found = {(row["grite_issue_id"], row["session_id"]): row for row in rows}
        ts = self._log.clock()
        changes = [
            {"ts": ts, "change": word, "session": row}
            for key, row in found.items()
            if (word := self._name_change(row, None if before is None else before.get(key)))
        ]
        gone = [row for key, row in (before or {}).items() if key not in found]
        changes.extend({"ts": ts, "change": "gone", "session": row} for row in gone)
        self._known = found
        self.rows = [row for row in rows if self._is_shown(row)]
        self.exited = sum(row["state"] == "exit" for row in rows)
        return changes

    def changes(
        self, *, wait: Callable[[Watcher], object] = lambda watcher: watcher.wait(LOOK_S)
    ) -> Iterator[list[Row]]:
        """Return what changed, look after look, for ever; the first one is what is there.

        A look in which nothing changed gives an empty list, so that ages can be shown anew.
        """
        folders = [self._log.common_dir / "refs", Beats(self._log.common_dir).directory]
        with Watcher(folders) as watcher:
            while True:
                yield self.look()
                wait(watcher)

    def _read_rows(self) -> list[Row]:
        """Read all sessions; while the log stays as it is, those that exited stay, too."""
        head = self._log.head()
        if self._known is None or head != self._head:
            self._head = head
            return self._log.session_rows(include_exited=True)
        ended = [row for row in self._known.values() if row["state"] == "exit"]
        return [*self._log.session_rows(), *ended]

    def _is_shown(self, row: Row) -> bool:
        return self._include_exited or row["state"] != "exit"

    def _name_change(self, row: Row, before: Row | None) -> str | None:
        if self._known is None:
            return "present" if self._is_shown(row) else None
        if before is None:
            return "started"
        if before["event_id"] != row["event_id"]:
            return "beat" if before["state"] == row["state"] else "state"
        was, now = before["liveness"], row["liveness"]
        if was["verdict"] != now["verdict"]:
            return "verdict"
        if before["activity"] != row["activity"]:
            return "activity"
        has_beaten = was["evidence"].get("beat_ts") != now["evidence"].get("beat_ts")
        return "beat" if has_beaten else None
