"""`git session tasks`: what there is to do."""

from __future__ import annotations

import click

from git_session.cli.opening import open_past, say_no_log, say_problems
from git_session.cli.options import Settings, command
from git_session.cli.ui.describe import format_session_counts, format_status, short_task
from git_session.cli.ui.moments import at_option, moment_data, say_moment
from git_session.cli.ui.output import print_data, print_table, terminal_width
from git_session.cli.ui.table import Column
from git_session.cli.ui.text import count
from git_session.core.fold.lifecycle import TASK_STATUSES

_COLUMNS = (
    Column("TASK", is_id=True),
    Column("STATUS"),
    Column("TITLE", least=16),
    Column("SESSIONS", least=9),
)


@command("tasks", "git session tasks", "git session tasks --status queued --json")
@click.option(
    "--status", type=click.Choice(TASK_STATUSES), help="List only tasks with this status."
)
@click.option(
    "--all", "is_all", is_flag=True, help="Include closed issues that never had a session."
)
@at_option
def tasks_command(settings: Settings, status: str | None, is_all: bool, at: str | None) -> None:
    """List tasks and the state of their sessions.

    Any issue can have sessions: brat's tasks, and plain grite issues under their own ids.
    """
    log = open_past(at)
    rows = log.task_rows(status=status, include_all=is_all)
    say_problems(log)
    has_log = log.head() is not None
    if not has_log:
        say_no_log(log)
    if settings.is_json:
        print_data({"tasks": rows, "total": len(rows)} | moment_data(log))
        return
    is_terminal = terminal_width() is not None
    cells = [
        [
            short_task(row["task_id"]) if is_terminal else row["task_id"],
            format_status(row),
            row["title"],
            format_session_counts(row["sessions"]),
        ]
        for row in rows
    ]
    if cells:
        print_table(_COLUMNS, cells)
    if has_log:
        say_moment(log, count(len(rows), "task"))
