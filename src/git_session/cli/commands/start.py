"""`git session start`: a new session on a task."""

from __future__ import annotations

from typing import Any

import click

from git_session.cli.opening import open_log, say_after_recording
from git_session.cli.options import (
    Attributes,
    Settings,
    TimeLimit,
    command,
    completes,
    exclusive_option,
    note_option,
    session_options,
    set_option,
    task_argument,
)
from git_session.cli.ui.output import print_data, print_line
from git_session.core.wire.block import U32_MAX
from git_session.errors import UsageError


@command(
    "start",
    "git session start t-20261122-4f12 --engine claude",
    "git session start t-20261122-4f12 --exclusive",
    "export GIT_SESSION_ID=$(git session start t-20261122-4f12 --worktree ../lexer --pid $$)",
)
@task_argument()
@session_options(engine="unknown", worktree="Set the checkout that the session works in.")
@click.option(
    "--pid",
    type=click.IntRange(0, U32_MAX),
    metavar="N",
    help="Set the session's process, by which list and wait know whether it is alive.",
)
@click.option("--session-id", metavar="ID", help="Set the session id; default: a random one.")
@exclusive_option
@click.option(
    "--remote",
    metavar="REMOTE",
    shell_complete=completes("remote"),
    help="Set the remote that decides for --exclusive; default: the first one to sync with.",
)
@click.option(
    "--timeout",
    type=TimeLimit(),
    default=60.0,
    metavar="TIME",
    help="Limit how long --exclusive may take: 90, 90s, 10m; default: 60.",
)
@set_option
@note_option
def start_command(
    settings: Settings,
    task: str,
    engine: str | None,
    role: str,
    session_type: str | None,
    worktree: str | None,
    pid: int | None,
    session_id: str | None,
    is_exclusive: bool,
    remote: str | None,
    timeout: float,
    attributes: Attributes,
    note: str | None,
) -> None:
    """Record a new session on a task and print its id.

    A path inside the repository is stored relative to its main checkout. With --exclusive the start
    counts only after it is pushed: exactly one clone gets the task, however many try.
    """
    log = open_log()
    details: dict[str, Any] = {
        "engine": engine or "unknown",
        "role": role,
        "session_type": session_type,
        "worktree": worktree,
        "pid": pid,
        "session_id": session_id,
        "note": note,
        "attributes": dict(attributes),
    }
    if is_exclusive:
        from git_session.sync.exclusive import claim_row

        recorded = claim_row(log, task, remote=remote, timeout=timeout, **details)
    elif remote is not None:
        raise UsageError("--remote requires --exclusive", "git session start TASK --exclusive")
    else:
        recorded = log.start_row(task, **details)
    recorded["warnings"] += log.recorder.find_missing(recorded["session"])
    say_after_recording(log, recorded["warnings"])
    if settings.is_json:
        print_data(recorded)
    else:
        print_line(recorded["session"]["session_id"])
