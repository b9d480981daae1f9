"""`git session start`: a new session on a task."""

from __future__ import annotations

import click

from git_session.cli.opening import open_log, say_problems
from git_session.cli.options import Settings, command, note_option
from git_session.cli.output import print_data, print_line
from git_session.cli.streams import say_warning
from git_session.wire.block import ROLES, SESSION_TYPES, U32_MAX


@command(
    "start",
    "git session start t-20261122-4f12 --engine claude",
    "export GIT_SESSION_ID=$(git session start t-20261122-4f12 --worktree ../lexer --pid $$)",
)
@click.argument("task", help="A task's id, an issue's id, or a unique prefix of either.")
@click.option("--engine", metavar="NAME", default="unknown", help="What runs it; default: unknown.")
@click.option("--role", type=click.Choice(ROLES), default="user", help="Default: user.")
@click.option(
    "--type",
    "session_type",
    type=click.Choice(SESSION_TYPES),
    help="Default: polecat with a worktree, else crew.",
)
@click.option("--worktree", metavar="PATH", help="The checkout that it works in.")
@click.option("--pid", type=click.IntRange(0, U32_MAX), metavar="N", help="Its process.")
@click.option("--session-id", metavar="ID", help="Its id; one is drawn unless given.")
@note_option
def start_command(
    settings: Settings,
    task: str,
    engine: str,
    role: str,
    session_type: str | None,
    worktree: str | None,
    pid: int | None,
    session_id: str | None,
    note: str | None,
) -> None:
    """Records a new session on a task and prints its id.

    A path inside the repository is stored relative to its main checkout.
    """
    log = open_log()
    recorded = log.start_row(
        task,
        engine=engine,
        role=role,
        session_type=session_type,
        worktree=worktree,
        pid=pid,
        session_id=session_id,
        note=note,
    )
    say_problems(log)
    for warning in recorded["warnings"]:
        say_warning(warning)
    if settings.is_json:
        print_data(recorded)
    else:
        print_line(recorded["session"]["session_id"])
