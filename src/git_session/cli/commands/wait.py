"""`git session wait`: until sessions have come so far."""

from __future__ import annotations

from typing import Any, Final

import click

from git_session.cli.opening import open_queries, say_problems
from git_session.cli.options import Settings, command, completes
from git_session.cli.ui.output import print_data, print_line
from git_session.cli.ui.streams import say_warning
from git_session.core.wire.duration import parse_duration
from git_session.core.wire.words import STATES
from git_session.errors import UsageError

_WITHOUT_CODE: Final = 1
"""How --propagate ends for a session that exited and told no code."""


@command(
    "wait",
    "git session wait s-20261122-4f1b",
    "git session wait --task t-20261122-4f12 --timeout 2h --sync",
    "git session wait s-20261122-4f1b s-20261122-7c2e --any --for handoff",
)
@click.argument(
    "sessions",
    metavar="[SESSION]...",
    nargs=-1,
    shell_complete=completes("session"),
    help="Ids or unique prefixes.",
)
@click.option(
    "--task",
    metavar="TASK",
    shell_complete=completes("task"),
    help="All sessions of this task, those to come included.",
)
@click.option(
    "--for",
    "state",
    type=click.Choice(STATES),
    default="exit",
    help="The state to reach or to have passed; default: exit.",
)
@click.option("--any", "is_any", is_flag=True, help="One of them is enough.")
@click.option("--timeout", metavar="TIME", help="How long at most: 90, 90s, 10m, 2h, 1d.")
@click.option(
    "--sync", "is_synced", is_flag=True, help="Take in what the remote has, now and then."
)
@click.option("--propagate", "is_propagated", is_flag=True, help="End with their own exit code.")
def wait_command(
    settings: Settings,
    sessions: tuple[str, ...],
    task: str | None,
    state: str,
    is_any: bool,
    timeout: str | None,
    is_synced: bool,
    is_propagated: bool,
) -> int:
    """Waits until sessions have exited, or have come so far.

    Ends with 0 when they have, with 124 when the time is up, and with 4 when they cannot get there
    any more: a session exited before, or its process is gone and nobody recorded an end. Whoever
    supervises it gets 15 seconds for that from when it was first seen gone, within --timeout.
    """
    if is_propagated and state != "exit":
        raise UsageError("--propagate goes with --for exit", "leave --for away")
    from git_session.views.wait import Goal, Waiting

    timeout_s = None if timeout is None else parse_duration(timeout) / 1000
    goal = Goal(sessions, task, state, is_any, timeout_s, is_synced)
    log = open_queries()
    row = Waiting(log, goal, on_warning=say_warning).run()
    say_problems(log)
    if settings.is_json:
        print_data(row)
    else:
        for one in row["sessions"]:
            if one["has_reached"]:
                print_line(f"{one['session']['session_id']} {_describe(one['session'])}")
    return _find_code(row) if is_propagated else 0


def _describe(session: dict[str, Any]) -> str:
    from git_session.cli.ui.describe import format_exit

    ended = format_exit(session["exit_code"], session["exit_reason"])
    return f"{session['state']} ({ended})" if ended else str(session["state"])


def _find_code(row: dict[str, Any]) -> int:
    """Finds the first exit code that tells of a failure, as a process can end with it."""
    codes = [one["session"]["exit_code"] for one in row["sessions"] if one["has_reached"]]
    for code in codes:
        if code != 0:
            return _WITHOUT_CODE if code is None else (code & 0xFF or _WITHOUT_CODE)
    return 0
