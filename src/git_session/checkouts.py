"""Finds the checkout that each session works in, and what there is in it and nowhere else.

A path that came from the log or from a beat file is only compared with those that git lists.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from git_session.queries import LogQueries
from git_session.store.git.worktrees import WorktreeState, list_worktrees, read_worktree
from git_session.store.host.beats import Beats

Row = dict[str, Any]


class Checkouts:
    """Looks at the checkouts of one repository, at each of them once."""

    def __init__(self, log: LogQueries) -> None:
        self._common_dir = log.common_dir
        self._top = log.top
        self._seen: dict[Path, WorktreeState | None] = {}

    def find(self, row: Row) -> Path | None:
        """Finds the real path of a session's checkout; None when git knows no such one."""
        named = self._name(row)
        if named is None:
            return None
        try:
            path = Path(os.path.realpath(named))
        except (OSError, ValueError):  # a text out of the log can hold anything
            return None
        return path if path in self._listed else None

    def read(self, row: Row) -> WorktreeState | None:
        """Looks at a session's checkout; None when it is not there, or git cannot tell."""
        path = self.find(row)
        return None if path is None else self.look(path)

    def look(self, path: Path) -> WorktreeState | None:
        """Looks at a checkout that `find` gave."""
        if path not in self._seen:
            self._seen[path] = read_worktree(path)
        return self._seen[path]

    def _name(self, row: Row) -> str | None:
        if row["state"] != "exit":
            held = Beats(self._common_dir).read(row["grite_issue_id"], row["session_id"])
            if held is not None and held.worktree is not None:
                return held.worktree
        if not row["worktree"]:
            return None
        return str((self._top or self._common_dir) / row["worktree"])

    @cached_property
    def _listed(self) -> set[Path]:
        return set(list_worktrees(self._common_dir))


def checkout_row(state: WorktreeState | None) -> Row | None:
    """Makes the row of a Checkout."""
    return None if state is None else {**state._asdict(), "path": str(state.path)}
