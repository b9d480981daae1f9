"""Which of many sessions are shown, in what order, and what they come to together: pure, on rows.

Times are ms since the epoch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from git_session.core.wire.words import STATES
from git_session.errors import UsageError

Row = dict[str, Any]

_DECIMAL: Final = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_SEARCHED: Final = (
    *("session_id", "task_id", "task_title", "engine", "worktree", "role", "exit_reason"),
    *("activity", "parent_session", "repository"),
)


def seen_ts(row: Row) -> int:
    """Return the last that was heard of a session: a sign of life, or its newest block."""
    beat_ts: int | None = row["liveness"]["evidence"].get("beat_ts")
    return max(row["updated_ts"], row["last_heartbeat_ts"] or 0) if beat_ts is None else beat_ts


_SORTS: Final[dict[str, Callable[[Row], Any]]] = {
    "started": lambda row: row["started_ts"],
    "seen": lambda row: -seen_ts(row),
    "state": lambda row: STATES.index(row["state"]),
    "task": lambda row: row["task_id"],
    "title": lambda row: row["task_title"].casefold(),
    "engine": lambda row: row["engine"],
    "repository": lambda row: row.get("repository", ""),
}
SORT_WORDS: Final = tuple(_SORTS)


def sort_sessions(rows: Iterable[Row], words: Sequence[str]) -> list[Row]:
    """Sort sessions by one or several of SORT_WORDS, the first one first.

    `seen` puts the latest first; a `-` before a word turns it around. Raises UsageError.
    """
    found = list(rows)
    for word in reversed(words):
        key = _SORTS.get(word.removeprefix("-"))
        if key is None:
            known = ", ".join(SORT_WORDS)
            raise UsageError(f"cannot sort by {word!r}", f"known: {known}")
        found.sort(key=key, reverse=word.startswith("-"))
    return found


def filter_sessions(
    rows: Iterable[Row], *, since: int | None = None, texts: Sequence[str] = ()
) -> list[Row]:
    """Return the sessions that were heard of at `since` or later, and that hold all of `texts`.

    Small and capital letters are the same.
    """
    wanted = [text.casefold() for text in texts]
    return [
        row
        for row in rows
        if (since is None or seen_ts(row) >= since)
        and (not wanted or _holds_all(_searched_text(row), wanted))
    ]


def arrange_tree(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    """Put each session below the one that it was started in, and return its depth.

    Whose parent is not among the rows stands by itself; and so does one of a circle, which only a
    forged log can hold.
    """
    parents = [_find_parent(rows, number) for number in range(len(rows))]
    children: dict[int | None, list[int]] = {}
    for number, parent in enumerate(parents):
        children.setdefault(parent, []).append(number)
    arranged: list[tuple[int, Row]] = []
    placed: set[int] = set()
    roots = [*children.get(None, []), *range(len(rows))]
    waiting = [(0, root) for root in reversed(roots)]
    while waiting:
        depth, number = waiting.pop()
        if number not in placed:
            placed.add(number)
            arranged.append((depth, rows[number]))
            waiting += [(depth + 1, child) for child in reversed(children.get(number, []))]
    return arranged


def sum_attributes(rows: Iterable[Row]) -> dict[str, int | str]:
    """Add up the attributes that are numbers wherever they stand; sums with decimals are text.

    An attribute that is text in one session is left out.
    """
    sums: dict[str, Decimal | None] = {}
    for row in rows:
        for key, value in row["attributes"].items():
            number = Decimal(str(value)) if _DECIMAL.fullmatch(str(value)) else None
            known = sums.get(key, Decimal())
            sums[key] = None if number is None or known is None else known + number
    return {
        key: int(total) if total == total.to_integral_value() else str(total)
        for key, total in sorted(sums.items())
        if total is not None
    }


def _find_parent(rows: Sequence[Row], number: int) -> int | None:
    row = rows[number]
    wanted = row["parent_session"]
    if wanted is None:
        return None
    found = [n for n, other in enumerate(rows) if other["session_id"] == wanted and n != number]

    def distance(n: int) -> tuple[bool, bool]:
        other = rows[n]
        return (
            other.get("repository") != row.get("repository"),
            other["grite_issue_id"] != row["grite_issue_id"],
        )

    return min(found, key=distance, default=None)


def _searched_text(row: Row) -> str:
    values = [str(row.get(name) or "") for name in _SEARCHED]
    values += [f"{key}={value}" for key, value in row["attributes"].items()]
    return "\n".join(values).casefold()


def _holds_all(text: str, wanted: Sequence[str]) -> bool:
    return all(word in text for word in wanted)
