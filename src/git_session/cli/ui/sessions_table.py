"""The table of sessions: its columns, its cells, and the line under it. All of it is pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import click

from git_session.cli.ui.describe import Row, format_exit, paint_state, short_task
from git_session.cli.ui.table import Column
from git_session.cli.ui.text import count, format_age
from git_session.core.liveness import OTHER_HOST
from git_session.core.wire.evidence import host_of

NOTHING: Final = "no sessions yet"
_SEEN_COLORS: Final = {"alive": "green", "dead:": "red"}
_WAITING: Final = "waiting"


def paint_seen(cell: str) -> str:
    """Colour a verdict: what needs somebody is to be seen first."""
    words = cell.split()
    if _WAITING in words:
        return click.style(cell, fg="yellow", bold=True)
    color = _SEEN_COLORS.get(words[0]) if words else None
    return click.style(cell, fg=color) if color else cell


_COLUMNS: Final = (
    Column("SESSION", is_id=True),
    Column("REPOSITORY", least=8),
    Column("STATE", paint=paint_state),
    Column("SEEN", least=19, paint=paint_seen),
    Column("ACTIVITY", drop=7, paint=paint_seen),
    Column("TASK", drop=2, is_id=True),
    Column("TITLE", least=16, drop=6),
    Column("ENGINE", drop=5),
    Column("HOST", least=8, drop=10),
    Column("BRANCH", least=8, drop=8),
    Column("CHANGES", least=12, drop=9),
    Column("ATTRIBUTES", least=12, drop=3),
    Column("WORKTREE", least=12, drop=1),
    Column("", drop=4),
)
_ONLY_WIDE: Final = ("ACTIVITY", "HOST", "BRANCH", "CHANGES", "ATTRIBUTES")
_ABOUT_TASK: Final = ("TASK", "TITLE")


def choose_columns(
    *, is_wide: bool = False, has_repositories: bool = False, has_task: bool = True
) -> tuple[Column, ...]:
    """Return the columns of a table of sessions."""
    left_out = {
        *(() if is_wide else _ONLY_WIDE),
        *(() if has_repositories else ("REPOSITORY",)),
        *(() if has_task else _ABOUT_TASK),
    }
    return tuple(column for column in _COLUMNS if column.title not in left_out)


SESSION_COLUMNS: Final = choose_columns()
"""What `list` shows unless told otherwise."""


def session_cells(
    row: Row,
    columns: Collection[Column] = SESSION_COLUMNS,
    *,
    is_narrow: bool = False,
    depth: int = 0,
    repository: str = "",
) -> list[str]:
    """Return one session's cells under these columns; `is_narrow` shortens what can be.

    `depth` is how far below its first parent it stands, `repository` what that is called.
    """
    live = row["live_on_task"]
    mark = "" if live < 2 or row["state"] == "exit" else f"({live} live sessions on this task)"
    cells = {
        "SESSION": "  " * depth + row["session_id"],
        "REPOSITORY": repository,
        "STATE": row["state"],
        "SEEN": format_seen(row, has_activity="ACTIVITY" in {column.title for column in columns}),
        "ACTIVITY": row["activity"] or "",
        "TASK": short_task(row["task_id"]) if is_narrow else row["task_id"],
        "TITLE": row["task_title"],
        "ENGINE": row["engine"],
        "HOST": host_of(row["extras"]) or "",
        **_checkout_cells(row.get("checkout")),
        "ATTRIBUTES": format_attributes(row["attributes"]),
        "WORKTREE": row["worktree"],
        "": f"({live} live)" if mark and is_narrow else mark,
    }
    return [cells[column.title] for column in columns]


def format_seen(row: Row, *, has_activity: bool = False) -> str:
    """Form what is known of a session's life: `alive 12s`, `dead: pid gone`, `quiet 3h, boxB`.

    Whether it waits is told here, unless beside it. Without a verdict it is when the session was
    last seen, `5m ago`; for one that exited, how.
    """
    if row["state"] == "exit":
        return format_exit(row["exit_code"], row["exit_reason"])
    age = format_age(row["heartbeat_age_ms"])
    verdict, reason = row["liveness"]["verdict"], row["liveness"]["reasons"][0]
    if verdict == "dead":
        return f"dead: {reason}"
    parts = [f"{age} ago" if verdict == "unknown" else f"{verdict} {age}"]
    if OTHER_HOST in row["liveness"]["reasons"]:
        parts.append(row["liveness"]["evidence"]["host"])
    if row["activity"] == _WAITING and not has_activity:
        parts.append(_WAITING)
    return ", ".join(parts)


def format_attributes(attributes: Mapping[str, str | int]) -> str:
    """Form attributes on one line: `model=large tokens=48210`."""
    return " ".join(f"{key}={value}" for key, value in sorted(attributes.items()))


def format_footer(
    shown: Sequence[Row],
    exited: int,
    *,
    states: Sequence[str],
    is_all: bool,
    totals: tuple[int, int] = (0, 0),
    unsent: Mapping[str, int] | None = None,
) -> str:
    """Form the line under a list of sessions: how many there are, and how to see the rest.

    `exited` counts those that match but for their state. `totals` are all active and all exited
    sessions, whatever was looked for: nobody asks while there is something to show. `unsent`
    counts, for each remote, the transitions that it was not seen to have.
    """
    active = [row for row in shown if row["state"] != "exit"]
    rest = "" if is_all or states or not exited else " (--all shows them)"
    if shown:
        lively = [state for state in states if state != "exit"]
        named = " or ".join(lively) or "active"
        begin = f"{len(active)} {named}{_format_urgent(active)}, " if lively or not states else ""
        line = f"{begin}{exited} exited{rest}"
    else:
        is_whole = is_all or "exit" in states or not (states or exited)
        line = _format_none(*totals, is_whole=is_whole)
        line += f", {exited} exited{rest}" if rest else ""
    missing = [f"{count(n, 'transition')} not yet on {at}" for at, n in (unsent or {}).items()]
    return " - ".join([line, *missing])


def _format_none(active: int, exited: int, *, is_whole: bool) -> str:
    """Form that no session matches, of the active ones or, `is_whole`, of all there are."""
    if not active + exited:
        return NOTHING
    if not active and not is_whole:
        return "no session is active"
    told = [f"{active} active"] if active else []
    told += [f"{exited} exited"] if exited and is_whole else []
    number = active + (exited if is_whole else 0)
    those = f"{' and '.join(told)} {'session' if number == 1 else 'sessions'}"
    return f"the {those} does not match" if number == 1 else f"none of the {those} matches"


def format_sums(sums: Mapping[str, str | int]) -> str:
    """Form what the attributes of the sessions come to: `in all: cost 1.25, tokens 48,210`."""
    told = [
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}"
        for key, value in sums.items()
    ]
    return f"in all: {', '.join(told)}" if told else ""


def _checkout_cells(checkout: Row | None) -> dict[str, str]:
    """Return the branch of a session's checkout, and what is there and nowhere else."""
    if checkout is None:
        return {"BRANCH": "", "CHANGES": ""}
    words = ("ahead", "behind", "unpushed", "uncommitted")
    # Where there is an upstream, what is ahead of it says it better.
    told = [
        word for word in words if checkout[word] and (word != "unpushed" or not checkout["ahead"])
    ]
    return {
        "BRANCH": checkout["branch"] or f"({(checkout['head'] or 'no commit')[:7]})",
        "CHANGES": ", ".join(f"{checkout[word]} {word}" for word in told) or "clean",
    }


def _format_urgent(active: Sequence[Row]) -> str:
    """Form how many of the active sessions need somebody: ` (1 dead, 2 waiting)`."""
    counts = Counter(_urgency(row) for row in active)
    told = [f"{counts[word]} {word}" for word in ("dead", _WAITING) if counts[word]]
    return f" ({', '.join(told)})" if told else ""


def _urgency(row: Row) -> str | None:
    if row["liveness"]["verdict"] == "dead":
        return "dead"
    return _WAITING if row["activity"] == _WAITING else None
