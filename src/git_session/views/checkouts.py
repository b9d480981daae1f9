"""Find the checkout that each session works in, and what there is in it and nowhere else.

A path that came from the log or from a beat file is only compared with those that git lists.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from git_session.git.worktrees import (
    Worktree,
    WorktreeState,
    list_worktrees,
    read_worktree,
)
from git_session.host.beats import Beats
from git_session.log.session_log import SessionLog

Row = dict[str, Any]


class Checkouts:
    """Looks at the checkouts of one repository, at each of them once."""

    def __init__(self, log: SessionLog) -> None:
        self._common_dir = log.common_dir
        self._top = log.top
        self._seen: dict[Worktree, WorktreeState | None] = {}

    def find(self, row: Row) -> Worktree | None:
        """Find a session's checkout; None when git knows no such one."""
        named = self._name(row)
        if named is None:
            return None
        try:
            path = Path(os.path.realpath(named))
        except (OSError, ValueError):  # a text out of the log can hold anything
            return None
        return self._listed.get(path)

    def read(self, row: Row) -> WorktreeState | None:
        """Check a session's checkout; None when it is not there, or git cannot tell."""
        found = self.find(row)
        return None if found is None else self.look(found)

    def look(self, worktree: Worktree) -> WorktreeState | None:
        """Check a checkout that `find` gave."""
        if worktree not in self._seen:
            self._seen[worktree] = read_worktree(worktree)
        return self._seen[worktree]

    def _name(self, row: Row) -> str | None:
        if row["state"] != "exit":
            held = Beats(self._common_dir).read(row["grite_issue_id"], row["session_id"])
            if held is not None and held.worktree is not None:
                return held.worktree
        if not row["worktree"]:
            return None
        return str((self._top or self._common_dir) / row["worktree"])

    @cached_property
    def _listed(self) -> dict[Path, Worktree]:
        return {found.path: found for found in list_worktrees(self._common_dir, self._top)}


def checkout_row(state: WorktreeState | None) -> Row | None:
    """Make the row of a Checkout."""
    return None if state is None else {**state._asdict(), "path": str(state.path)}


def describe_unread(path: str) -> str:
    """Say of a checkout that there is, and that could not be read."""
    return f"cannot tell what changed in {path}: its .git is another repository's, or git fails"
