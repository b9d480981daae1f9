"""`git session log`: what happened, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from git_session.cli.opening import open_past, say_no_log, say_problems
from git_session.cli.options import Settings, command, completes
from git_session.cli.ui.describe import Row, transition_cells, transition_columns
from git_session.cli.ui.moments import at_option, moment_data, say_moment
from git_session.cli.ui.output import page_lines, print_data, terminal_width
from git_session.cli.ui.streams import has_colors
from git_session.cli.ui.table import format_table
from git_session.errors import UsageError

if TYPE_CHECKING:
    from git_session.cli.ui.log_format import Format


@command(
    "log",
    "git session log",
    "git session log s-20261122-4f1a",
    "git session log --task t-20261122-4f12 --limit 20 --json",
    "git session log --graph",
    "git session log --format '%h %aI %(session_id) %s'",
)
@click.argument(
    "session",
    required=False,
    shell_complete=completes("session"),
    help="Session id, unique prefix, or TASK/SESSION.",
)
@click.option(
    "--task",
    metavar="TASK",
    shell_complete=completes("task"),
    help="List only transitions of TASK's sessions.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="List only the newest N transitions.",
)
@click.option(
    "--graph",
    "is_graph",
    is_flag=True,
    help="Draw a graph of transitions and merges beside the list.",
)
@click.option(
    "--format",
    "form",
    metavar="FORM",
    help="Print each transition as FORM: %H %h %at %aI %ar %s %b %n %% %xNN and %(FIELD).",
)
@at_option
@click.option("--no-pager", is_flag=True, help="Do not use a pager.")
def log_command(
    settings: Settings,
    session: str | None,
    task: str | None,
    limit: int | None,
    is_graph: bool,
    form: str | None,
    at: str | None,
    no_pager: bool,
) -> None:
    """List transitions, newest first.

    A line holds the commit, the time, the session, the actor, the step, and added details. `beat`
    repeats the same state. `late` was written after another block had taken over. `forced` is a
    step that the lifecycle does not allow. `fork` was written without knowing the previous one.

    With --graph each session has a column while it is active. `*` is a transition, `|` continues a
    column, and columns join where two blocks follow the same one. A line across all columns is a
    merge of the log.

    In FORM, as in git log, %H and %h are the commit, %at %aI %ar the time, %s the step and %b the
    note. %(FIELD) is any field that --json prints, on one line and without control characters.
    """
    if settings.is_json and (is_graph or form is not None):
        raise UsageError(
            "--json cannot be used with --graph or --format",
            "leave out --json, or --graph and --format",
        )
    parsed = None if form is None else _parse_form(form)
    log = open_past(at)
    ref = f"{task}/{session}" if task and session else session
    within = None if session else task
    has_session = session is None
    lines: list[str] = []
    if is_graph:
        from git_session.cli.ui.log_graph import format_graph

        lines = format_graph(log, ref, within, limit, parsed, has_session=has_session)
    else:
        rows = log.transition_rows(ref, task=within, limit=limit)
    say_problems(log)
    if log.head() is None:
        say_no_log(log)
    if settings.is_json:
        print_data({"transitions": rows, "total": len(rows)} | moment_data(log))
        return
    if not is_graph:
        lines = _format_rows(rows, log.clock(), parsed, has_session=has_session)
    page_lines(lines, is_paged=not no_pager)
    say_moment(log)


def _parse_form(form: str) -> Format:
    from git_session.cli.ui.log_format import Format

    return Format(form)


def _format_rows(
    rows: Sequence[Row], now: int, form: Format | None, *, has_session: bool
) -> list[str]:
    if form is not None:
        return [form.fill(row, now) for row in rows]
    return format_table(
        transition_columns(has_session=has_session),
        [transition_cells(row, now, has_session=has_session) for row in rows],
        terminal_width(),
        colored=has_colors(),
    )


def print_transitions(rows: Sequence[Row], now: int, *, has_session: bool, is_paged: bool) -> None:
    """Print transitions as a table; `now` is in ms since the epoch."""
    page_lines(_format_rows(rows, now, None, has_session=has_session), is_paged=is_paged)
