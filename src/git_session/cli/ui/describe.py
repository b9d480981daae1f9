"""Rows of the library as people read them: cells of tables and lines of text. All of it is pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from git_session.cli.ui.table import Column
from git_session.cli.ui.text import format_ago
from git_session.core.fold.lifecycle import is_final_status
from git_session.core.wire.plain_text import strip_controls

Row = Mapping[str, Any]

_SHORT: Final = 7
_QUIET_CHANGES: Final = frozenset(
    {"last_heartbeat_ts", "started_ts", "exit_code", "exit_reason", "last_output_ref"}
)
_MACHINE_CHANGES: Final = frozenset({"machine", "boot_id", "pid_ns", "pid_start"})
"""What only a machine asks for: evidence about a process besides its pid and its host."""

_SPEAKING_CHANGES: Final = frozenset({"role", "session_type"})
_COLORS: Final = {"spawned": "cyan", "ready": "cyan", "running": "green", "handoff": "yellow"}


def paint_state(cell: str) -> str:
    """Colour a state by the last word of its cell; an exited one is dim."""
    words = cell.split()
    color = _COLORS.get(words[-1]) if words else None
    return click.style(cell, fg=color) if color else click.style(cell, dim=True)


def format_exit(code: int | None, reason: str | None) -> str:
    """Form how a session ended: `code 0, completed`."""
    return ", ".join([*([] if code is None else [f"code {code}"]), *([reason] if reason else [])])


def short_commit(commit: str | None) -> str:
    """Form a commit's id as git does."""
    return (commit or "")[:_SHORT]


def short_task(task_id: str) -> str:
    """Form a task's id for a table: a plain issue's 32 hex digits are cut to 8."""
    is_issue = len(task_id) == 32 and all(digit in "0123456789abcdef" for digit in task_id)
    return task_id[:8] if is_issue else task_id


def format_status(row: Row) -> str:
    """Form how a task stands: `running`, and `running, closed` when its issue was closed at that.

    A plain issue's is its state.
    """
    status, state = row["status"], row["state"]
    if state != "closed" or is_final_status(status):
        return str(status or state)
    return f"{status}, closed" if status else "closed"


def format_session_counts(counts: Mapping[str, int]) -> str:
    """Form how many sessions of a task are in each state: `1 running, 2 exit`."""
    order = ("spawned", "ready", "running", "handoff", "exit")
    return ", ".join(f"{counts[state]} {state}" for state in order if counts.get(state))


def format_step(row: Row) -> str:
    """Form what a transition did to the state: `running -> handoff`, or `running` for a beat."""
    before, after = row["from_state"], row["to_state"]
    if row["is_late"] or before == after:
        return str(after)
    return f"{before} -> {after}" if before else f"-> {after}"


def format_changes(row: Row, *, is_whole: bool = False) -> str:
    """Form what else a transition says: how it ended, what changed, its marks and its note.

    What only a machine asks for is left out, unless `is_whole`.
    """
    changes = {
        name: value
        for name, value in row["changes"].items()
        if is_whole or name not in _MACHINE_CHANGES
    }
    parts = []
    if row["from_state"] == row["to_state"] and not row["is_late"]:
        parts.append("beat" if row["to_state"] != "exit" else "again")
    if row["to_state"] == "exit":
        parts.append(format_exit(changes.get("exit_code"), changes.get("exit_reason")))
    parts += [_format_change(name, value) for name, value in changes.items()]
    if output := changes.get("last_output_ref"):
        parts.append(f"output {output[:15]}")
    if row["is_late"]:
        parts.append("late")
    elif not row["is_legal"]:
        parts.append("forced")
    if row["is_fork"]:
        parts.append("fork")
    if note := strip_controls(row["note"]):
        parts.append(f'"{note}"')
    return ", ".join(part for part in parts if part)


def transition_columns(*, has_session: bool) -> tuple[Column, ...]:
    """Return the columns of transitions, those of one session without its id."""
    session = (Column("", is_id=True),) if has_session else ()
    return (
        Column("", paint=lambda cell: click.style(cell, fg="yellow")),
        Column("", drop=2),
        *session,
        Column("", drop=1),
        Column("", paint=paint_state),
        Column("", least=12),
    )


def transition_cells(row: Row, now: int, *, has_session: bool) -> list[str]:
    """Return one transition's cells under transition_columns; `now` is in ms since the epoch."""
    return [
        short_commit(row["commit"]),
        format_ago(now - row["ts"]),
        *([row["session_id"]] if has_session else []),
        row["actor"][:8],
        format_step(row),
        format_changes(row),
    ]


def _format_change(name: str, value: str | int | None) -> str:
    if name in _QUIET_CHANGES or value in (None, ""):
        return ""
    return str(value) if name in _SPEAKING_CHANGES else f"{name} {value}"
