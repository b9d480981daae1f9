"""`git session list`: who is at work now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from git_session.cli.moments import at_option, moment_data, say_moment
from git_session.cli.opening import find_here, open_past, say_no_log, say_problems
from git_session.cli.options import Settings, command, completes
from git_session.cli.output import (
    print_data,
    print_data_text,
    print_line,
    print_lines,
    print_table,
    terminal_width,
)
from git_session.cli.streams import say
from git_session.quick import count_quickly, list_quickly
from git_session.wire.json_text import format_json
from git_session.wire.words import ROLES, STATES

if TYPE_CHECKING:
    from git_session.queries import LogQueries

_WIDE: Final = 120
"""Columns of a terminal from which on nothing has to be shortened."""


@command(
    "list",
    "git session list",
    "git session list --task t-20261122-4f12 --all",
    "git session list --status running --status handoff --json",
    "git session list --at '03:00 yesterday'",
)
@click.option(
    "--task", metavar="TASK", shell_complete=completes("task"), help="Only sessions of this task."
)
@click.option(
    "--status",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only sessions in this state; may be given again.",
)
@click.option(
    "--engine",
    metavar="NAME",
    shell_complete=completes("engine"),
    help="Only sessions of this engine.",
)
@click.option("--role", type=click.Choice(ROLES), help="Only sessions in this role.")
@click.option("--all", "is_all", is_flag=True, help="Exited sessions too.")
@at_option
@click.option("--count", "is_count", is_flag=True, help="Print their number alone.")
def list_command(
    settings: Settings,
    task: str | None,
    states: tuple[str, ...],
    engine: str | None,
    role: str | None,
    is_all: bool,
    at: str | None,
    is_count: bool,
) -> None:
    """Lists the sessions that are active.

    SEEN is the age of a session's last sign of life. Two live sessions on one task are marked.
    """
    filters: dict[str, Any] = {
        "states": states,
        "engine": engine,
        "role": role,
        "include_exited": is_all,
    }
    if (
        task is None
        and at is None
        and (settings.is_json or is_count)
        and _answer_quickly(settings, filters, is_count)
    ):
        return
    log = open_past(at)
    rows = log.session_rows(task=task, **filters)
    exited = log.exited_count(task=task, engine=engine, role=role)
    say_problems(log)
    has_log = log.head() is not None
    if not has_log:
        say_no_log()
    if settings.is_json:
        _print_json(None if is_count else rows, len(rows), exited, moment_data(log))
        return
    if is_count:
        print_line(str(len(rows)))
    elif rows:
        print_sessions(rows)
    if has_log and (rows == [] or not is_count):
        from git_session.cli.sessions_table import format_footer

        unsent = log.unsent() if log.moment is None else None
        line = format_footer(rows, exited, states=states, is_all=is_all, unsent=unsent)
        say_moment(log, line)


def _answer_quickly(settings: Settings, filters: dict[str, Any], is_count: bool) -> bool:
    """Answers from a fresh index, without loading what reads a log; tells whether it could."""
    if is_count and not settings.is_json:
        number = count_quickly(find_here(), os.environ, **filters)
        if not number:
            return False  # with none, there is something to say
        print_lines([str(number)])
        return True
    found = list_quickly(find_here(), os.environ, **filters)
    if found is None:
        return False
    texts, exited = found
    if is_count:
        _print_json(None, len(texts), exited)
    else:
        numbers = format_json(_count_fields(len(texts), exited))
        print_data_text(b'{"sessions": [%b], %b' % (b", ".join(texts), numbers[1:]))
    return True


def _print_json(
    rows: list[dict[str, Any]] | None,
    total: int,
    exited: int,
    moment: Mapping[str, Any] | None = None,
) -> None:
    shown = {} if rows is None else {"sessions": rows}
    print_data({**shown, **_count_fields(total, exited), **(moment or {})})


def _count_fields(total: int, exited: int) -> dict[str, int]:
    return {"total": total, "exited": exited}


def print_sessions(rows: list[dict[str, object]]) -> None:
    """Prints the table of sessions."""
    from git_session.cli.sessions_table import SESSION_COLUMNS, session_cells

    width = terminal_width()
    is_narrow = width is not None and width < _WIDE
    print_table(SESSION_COLUMNS, [session_cells(row, is_narrow=is_narrow) for row in rows])


def print_active(log: LogQueries) -> None:
    """Prints what `git session list` does without options."""
    from git_session.cli.sessions_table import format_footer

    rows = log.session_rows()
    print_sessions(rows)
    say(format_footer(rows, log.exited_count(), states=(), is_all=False, unsent=log.unsent()))
