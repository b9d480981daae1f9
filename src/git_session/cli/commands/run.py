"""`git session run`: a command as a session, from its start to its end."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

from git_session.cli.opening import open_log, save_logs, say_problems
from git_session.cli.options import (
    Attributes,
    Settings,
    command,
    exclusive_option,
    session_options,
    set_option,
    task_argument,
)
from git_session.cli.ui.output import print_data
from git_session.cli.ui.streams import flush_output, is_terminal, say, say_error, say_warning
from git_session.core.wire.duration import parse_duration
from git_session.core.wire.plain_text import quote_word, strip_controls
from git_session.errors import GitSessionError, UsageError


@command(
    "run",
    "git session run t-20261122-4f12 -- claude",
    "git session run t-20261122-4f12 --new-worktree --timeout 2h --log -- codex exec -",
    "git session run t-20261122-4f12 --exclusive --sync -- make check",
)
@task_argument()
@click.argument(
    "words",
    metavar="-- COMMAND [ARGS]...",
    nargs=-1,
    type=click.UNPROCESSED,
    help="Command to run, after --, with its own options.",
)
@session_options(
    engine="the command's name",
    worktree="Set the checkout that the command works in and starts in.",
)
@click.option(
    "--new-worktree",
    "has_new_worktree",
    is_flag=True,
    help="Create a worktree and a branch named after the session, and print both on stderr.",
)
@click.option("--timeout", metavar="TIME", help="End the command after TIME: 90, 90s, 10m, 2h, 1d.")
@click.option(
    "--sync", "is_synced", is_flag=True, help="Sync in the background while the command runs."
)
@exclusive_option
@click.option(
    "--log",
    "keeps_output",
    is_flag=True,
    help="Save the output in .grite/logs and still show it.",
)
@set_option
def run_command(
    settings: Settings,
    task: str,
    words: tuple[str, ...],
    engine: str | None,
    role: str,
    session_type: str | None,
    worktree: str | None,
    has_new_worktree: bool,
    timeout: str | None,
    is_synced: bool,
    is_exclusive: bool,
    keeps_output: bool,
    attributes: Attributes,
) -> int:
    """Run a command as a session and record its start and exit.

    The command gets the terminal, its input and its signals, as if run directly. The exit code is
    the command's: 127 if it was not found, 126 if it cannot be executed, 128+n for signal n, 124 if
    it timed out. The command finds its session in $GIT_SESSION_ID and its task in
    $GIT_SESSION_TASK. The session ends when the command ends, even if processes it started are
    still running. With --json the command's output goes to stderr.
    """
    if not words:
        raise UsageError("no command given", "git session run TASK -- COMMAND [ARGS]...")
    if worktree and has_new_worktree:
        raise UsageError("--worktree and --new-worktree cannot be used together", "use one of them")
    timeout_s = None if timeout is None else parse_duration(timeout) / 1000
    from git_session.run.session import Orders, run_session

    log = open_log()
    details: dict[str, Any] = {
        "engine": engine or words[0].rpartition("/")[2] or "unknown",
        "role": role,
        "session_type": session_type,
        "attributes": dict(attributes),
    }
    orders = Orders(
        task,
        words,
        details,
        worktree=worktree,
        has_new_worktree=has_new_worktree,
        timeout_s=timeout_s,
        is_synced=is_synced,
        is_exclusive=is_exclusive,
        keeps_output=keeps_output,
        shown=2 if settings.is_json else 1,
    )
    say_problems(log)
    flush_output()
    report = run_session(log, orders, on_warning=say_warning, on_worktree=_say_worktree)
    if report["error"] is not None:
        hint = f"git session show {quote_word(report['session_id'])}"
        say_error(GitSessionError(report["error"], hint))
    for warning in report["warnings"]:
        say_warning(warning)
    if settings.is_json:
        print_data(report)
    if report["signal"] == signal.SIGINT and is_terminal(sys.stdin):
        _interrupt()
    code: int = report["exit_code"]
    return code


def _say_worktree(session_id: str, path: Path) -> None:
    say(strip_controls(f"session {session_id} on branch {session_id} in {path}"))


def _interrupt() -> None:
    """End as the command did: a shell that runs a loop would go on with it otherwise."""
    from git_session.run.signals import die_of

    flush_output()
    save_logs()
    die_of(signal.SIGINT)
