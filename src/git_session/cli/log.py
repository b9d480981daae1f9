"""`git session log`: what happened, newest first."""

from __future__ import annotations

from collections.abc import Sequence

import click

from git_session.cli.describe import Row, transition_cells, transition_columns
from git_session.cli.moments import at_option, moment_data, say_moment
from git_session.cli.opening import open_past, say_no_log, say_problems
from git_session.cli.options import Settings, command, completes
from git_session.cli.output import page_lines, print_data, terminal_width
from git_session.cli.streams import has_colors
from git_session.cli.table import format_table


@command(
    "log",
    "git session log",
    "git session log s-20261122-4f1a",
    "git session log --task t-20261122-4f12 --limit 20 --json",
)
@click.argument(
    "session",
    required=False,
    shell_complete=completes("session"),
    help="An id, a unique prefix of one, or TASK/SESSION.",
)
@click.option(
    "--task",
    metavar="TASK",
    shell_complete=completes("task"),
    help="Only transitions of this task's sessions.",
)
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), metavar="N", help="The newest N transitions only."
)
@at_option
@click.option("--no-pager", is_flag=True, help="Print at once, on a terminal too.")
def log_command(
    settings: Settings,
    session: str | None,
    task: str | None,
    limit: int | None,
    at: str | None,
    no_pager: bool,
) -> None:
    """Lists transitions, newest first.

    A line holds the commit, the time, the session, the actor, the step, and what came with it.
    `beat` is the same state again; `late` came after another block had taken over; `forced` is a
    step that the lifecycle does not allow; `fork` was written without knowing the one before.
    """
    log = open_past(at)
    ref = f"{task}/{session}" if task and session else session
    rows = log.transition_rows(ref, task=None if session else task, limit=limit)
    say_problems(log)
    if log.head() is None:
        say_no_log()
    if settings.is_json:
        print_data({"transitions": rows, "total": len(rows)} | moment_data(log))
        return
    print_transitions(rows, log.clock(), has_session=session is None, is_paged=not no_pager)
    say_moment(log)


def print_transitions(rows: Sequence[Row], now: int, *, has_session: bool, is_paged: bool) -> None:
    """Prints transitions as a table; `now` is in ms since the epoch."""
    lines = format_table(
        transition_columns(has_session=has_session),
        [transition_cells(row, now, has_session=has_session) for row in rows],
        terminal_width(),
        colored=has_colors(),
    )
    page_lines(lines, is_paged=is_paged)
