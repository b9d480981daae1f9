"""`git session diff`: what changed between two moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from git_session.cli.opening import open_queries, say_no_log, say_problems
from git_session.cli.options import Settings, command
from git_session.cli.ui.describe import format_exit, paint_state, short_task
from git_session.cli.ui.moments import format_moment
from git_session.cli.ui.output import print_data, print_table
from git_session.cli.ui.streams import say
from git_session.cli.ui.table import Column
from git_session.cli.ui.text import count
from git_session.errors import UsageError

if TYPE_CHECKING:
    from git_session.log.past import Moment

_COLUMNS: Final = (
    Column(""),
    Column("", is_id=True),
    Column("", paint=paint_state),
    Column("", drop=2, is_id=True),
    Column("", least=12),
    Column("", drop=1),
)


@command(
    "diff",
    "git session diff yesterday",
    "git session diff '2026-11-22 03:00' '2026-11-22 05:00' --json",
    "git session diff origin now",
)
@click.argument(
    "before", help="First moment: a date, a duration ago, or a commit or ref of a log, as for --at."
)
@click.argument("after", default="now", help="Second moment; default: now.")
def diff_command(settings: Settings, before: str, after: str) -> None:
    """Show what changed between two moments.

    It lists sessions that started, changed state or ended, and tasks that were added or moved. For
    a date, the timestamps of the events count. A commit, a ref or a remote's name selects that log.
    """
    from git_session.views.diff import compare_moments

    log = open_queries()
    moments = log.find_moment(before), log.find_moment(after)
    if _is_reversed(*moments):
        raise UsageError(f"{before} is later than {after}", "put the earlier moment first")
    row = compare_moments(log, *moments)
    say_problems(log)
    if log.head() is None:
        say_no_log(log)
    if settings.is_json:
        print_data(row)
        return
    cells = [_session_cells(change) for change in row["sessions"]]
    cells += [_task_cells(change) for change in row["tasks"]]
    if cells:
        print_table(_COLUMNS, cells)
    span = " to ".join(format_moment(moment) for moment in moments)
    parts = [_format_counts("session", row["sessions"]), _format_counts("task", row["tasks"])]
    say(f"{', '.join(part for part in parts if part) or 'nothing changed'} - {span}")


def _is_reversed(before: Moment, after: Moment) -> bool:
    """Return whether two times stand the wrong way round; of two logs either can be the first."""
    return before.commit is None and after.commit is None and before.ts > after.ts


def _session_cells(row: dict[str, Any]) -> list[str]:
    return [
        row["change"],
        row["session_id"],
        _format_move(row["from_state"], row["to_state"]),
        short_task(row["task_id"]),
        row["task_title"],
        format_exit(row["exit_code"], row["exit_reason"])
        if row["to_state"] == "exit"
        else row["engine"],
    ]


def _task_cells(row: dict[str, Any]) -> list[str]:
    old, new = (row[f"{side}_status"] or row[f"{side}_state"] for side in ("from", "to"))
    task = short_task(row["task_id"])
    return [row["change"], task, _format_move(old, new), "", row["title"], ""]


def _format_move(before: str | None, after: str | None) -> str:
    return f"{before or ''} -> {after or ''}".strip()


def _format_counts(word: str, rows: Sequence[dict[str, Any]]) -> str:
    counts = Counter(row["change"] for row in rows)
    told = [f"{number} {change}" for change, number in counts.items()]
    return f"{count(len(rows), word)} ({', '.join(told)})" if told else ""
