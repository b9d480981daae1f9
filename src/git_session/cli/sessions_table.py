"""The table of sessions: its columns, its cells, and the line under it. All of it is pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import click

from git_session.cli.describe import Row, format_exit, paint_state, short_task
from git_session.cli.table import Column
from git_session.cli.text import count, format_age

_SEEN_COLORS: Final = {"alive": "green", "dead:": "red"}
_WAITING: Final = "waiting"


def paint_seen(cell: str) -> str:
    """Colours a verdict: what needs somebody is to be seen first."""
    words = cell.split()
    if _WAITING in words:
        return click.style(cell, fg="yellow", bold=True)
    color = _SEEN_COLORS.get(words[0]) if words else None
    return click.style(cell, fg=color) if color else cell


SESSION_COLUMNS: Final = (
    Column("SESSION"),
    Column("STATE", paint=paint_state),
    Column("SEEN", least=19, paint=paint_seen),
    Column("TASK", drop=4),
    Column("TITLE", least=16, drop=3),
    Column("ENGINE", drop=2),
    Column("WORKTREE", least=12, drop=1),
    Column(""),
)

OF_TASK_COLUMNS: Final = tuple(c for c in SESSION_COLUMNS if c.title not in ("TASK", "TITLE"))
"""The columns where the task is known: cells as of_task_cells gives them."""


def session_cells(row: Row, *, is_narrow: bool = False) -> list[str]:
    """Gives one session's cells under SESSION_COLUMNS; `is_narrow` shortens what can be."""
    live = row["live_on_task"]
    mark = "" if live < 2 or row["state"] == "exit" else f"({live} live sessions on this task)"
    return [
        row["session_id"],
        row["state"],
        format_seen(row),
        short_task(row["task_id"]) if is_narrow else row["task_id"],
        row["task_title"],
        row["engine"],
        row["worktree"],
        f"({live} live)" if mark and is_narrow else mark,
    ]


def of_task_cells(row: Row) -> list[str]:
    """Gives one session's cells under OF_TASK_COLUMNS."""
    cells = zip(SESSION_COLUMNS, session_cells(row), strict=True)
    return [cell for column, cell in cells if column in OF_TASK_COLUMNS]


def format_seen(row: Row) -> str:
    """Forms what is known of a session's life: `alive 12s`, `dead: pid gone`, `quiet 3h, boxB`.

    Without a verdict it is when the session was last seen, `5m ago`; for one that exited, how.
    """
    if row["state"] == "exit":
        return format_exit(row["exit_code"], row["exit_reason"])
    age = format_age(row["heartbeat_age_ms"])
    verdict, reason = row["liveness"]["verdict"], row["liveness"]["reasons"][0]
    if verdict == "dead":
        return f"dead: {reason}"
    parts = [f"{age} ago" if verdict == "unknown" else f"{verdict} {age}"]
    if "other host" in row["liveness"]["reasons"]:
        parts.append(row["liveness"]["evidence"]["host"])
    if row["activity"] == _WAITING:
        parts.append(_WAITING)
    return ", ".join(parts)


def format_footer(
    shown: Sequence[Row],
    exited: int,
    *,
    states: Sequence[str],
    is_all: bool,
    unsent: Mapping[str, int] | None = None,
) -> str:
    """Forms the line under a list of sessions: how many there are, and how to see the rest.

    `unsent` counts, for each remote, the transitions that it was not seen to have.
    """
    active = [row for row in shown if row["state"] != "exit"]
    rest = "" if is_all or "exit" in states or not exited else " (--all shows them)"
    if states:
        line = f"{len(shown)} {' or '.join(states)}{_format_urgent(active)}, {exited} exited{rest}"
    elif active:
        line = f"{len(active)} active{_format_urgent(active)}, {exited} exited{rest}"
    else:
        line = f"no session is active, {exited} exited{rest}" if exited else "no sessions yet"
    missing = [f"{count(n, 'transition')} not yet on {at}" for at, n in (unsent or {}).items()]
    return " - ".join([line, *missing])


def _format_urgent(active: Sequence[Row]) -> str:
    """Forms how many of the active sessions need somebody: ` (1 dead, 2 waiting)`."""
    counts = Counter(_urgency(row) for row in active)
    told = [f"{counts[word]} {word}" for word in ("dead", _WAITING) if counts[word]]
    return f" ({', '.join(told)})" if told else ""


def _urgency(row: Row) -> str | None:
    if row["liveness"]["verdict"] == "dead":
        return "dead"
    return _WAITING if row["activity"] == _WAITING else None
