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
    help="Session ids or unique prefixes.",
)
@click.option(
    "--task",
    metavar="TASK",
    shell_complete=completes("task"),
    help="Wait for all sessions of TASK, including sessions that start later.",
)
@click.option(
    "--for",
    "state",
    type=click.Choice(STATES),
    default="exit",
    help="Set the state to reach or pass; default: exit.",
)
@click.option(
    "--any", "is_any", is_flag=True, help="Stop when the first session reaches the state."
)
@click.option("--timeout", metavar="TIME", help="Wait no longer than TIME: 90, 90s, 10m, 2h, 1d.")
@click.option("--sync", "is_synced", is_flag=True, help="Fetch from the remote every few seconds.")
@click.option(
    "--propagate", "is_propagated", is_flag=True, help="Exit with the sessions' own exit code."
)
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
    """Wait until sessions exit or reach a state.

    The exit code is 0 when they do, 124 after --timeout, and 4 when a session can no longer reach
    the state. Then it exited before, or its process is gone without a recorded end. A supervisor
    has 15 seconds to record that end, counted from when the process was first seen gone.
    """
    if is_propagated and state != "exit":
        raise UsageError("--propagate requires --for exit", "leave out --for")
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
    """Find the first exit code of a failure, as a process can end with it."""
    codes = [one["session"]["exit_code"] for one in row["sessions"] if one["has_reached"]]
    for code in codes:
        if code != 0:
            return _WITHOUT_CODE if code is None else (code & 0xFF or _WITHOUT_CODE)
    return 0
