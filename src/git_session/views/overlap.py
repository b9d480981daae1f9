"""Find files that several live sessions have changed, before they collide.

Each two checkouts are compared from their merge base on: what either changed since, committed or
not. Only checkouts of this host can be looked at, and only those that git itself lists.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from git_session.core.fold.rows import Row
from git_session.git.worktrees import (
    Worktree,
    WorktreeState,
    find_merge_base,
    list_changed,
)
from git_session.log.session_log import SessionLog
from git_session.views.checkouts import Checkouts

MOST: Final = 40
"""Checkouts that are compared with each other; of more, those with the newest sessions."""


def find_overlaps(log: SessionLog) -> Row:
    """Find what live sessions of this host have both changed, as the row of an OverlapReport."""
    checkouts = Checkouts(log)
    places = _find_places(log, checkouts)
    compare = _Comparison(log.common_dir, checkouts)
    paths: dict[str, set[str]] = defaultdict(set)
    unread = {os.fspath(place.path) for place in places if checkouts.look(place) is None}
    readable = [place for place in places if checkouts.look(place) is not None]
    for one, other in combinations(readable[-MOST:], 2):
        for name in compare.common(one, other):
            paths[name].update((*places[one], *places[other]))
    return {
        "overlaps": [
            {"path": name, "sessions": sorted(found)} for name, found in sorted(paths.items())
        ],
        "shared": [
            {"worktree": os.fspath(place.path), "sessions": found}
            for place, found in places.items()
            if len(found) > 1
        ],
        "worktrees": len(readable),
        "unread": sorted(unread),
    }


def overlapping_sessions(report: Row) -> set[str]:
    """List the sessions that an OverlapReport names, for those who only mark them."""
    return {name for one in report["overlaps"] for name in one["sessions"]}


def _find_places(log: SessionLog, checkouts: Checkouts) -> dict[Worktree, list[str]]:
    """Find the checkouts in which live sessions work, and which sessions those are."""
    places: dict[Worktree, list[str]] = defaultdict(list)
    for row in log.session_rows():
        place = None if row["liveness"]["verdict"] == "dead" else checkouts.find(row)
        if place is not None:
            places[place].append(row["session_id"])
    return places


@dataclass
class _Comparison:
    """Compares checkouts by pairs, and asks git nothing twice."""

    common_dir: Path
    checkouts: Checkouts
    _known: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def common(self, one: Worktree, other: Worktree) -> set[str]:
        """List the paths that both checkouts have changed since they parted."""
        base = self._base(one, other)
        changed = [self._changed(place, base) for place in (one, other)]
        return changed[0] & changed[1]

    def _base(self, one: Worktree, other: Worktree) -> str | None:
        look = self.checkouts.look
        states: Sequence[WorktreeState | None] = (look(one), look(other))
        heads = sorted(state.head for state in states if state is not None and state.head)
        if len(heads) < 2:
            return None
        key = ("base", *heads)
        base: str | None = self._once(key, lambda: find_merge_base(self.common_dir, *heads))
        return base

    def _changed(self, place: Worktree, base: str | None) -> set[str]:
        state = self.checkouts.look(place)
        since = None if state is None or state.head == base else base
        found = self._once(("changed", place, since), lambda: list_changed(place, since))
        return found or set()

    def _once(self, key: tuple[Any, ...], ask: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = ask()
        return self._known[key]
