"""`git session which`: the session that a commit, or a line of a file, was made in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from git_session.cli.opening import find_here, open_queries, say_problems
from git_session.cli.options import Settings, command
from git_session.cli.ui.describe import short_commit
from git_session.cli.ui.output import print_data, print_line
from git_session.cli.ui.text import format_ago
from git_session.errors import GitSessionError, UnnamedCommitError

if TYPE_CHECKING:
    from git_session.log.session_log import SessionLog

Row = Mapping[str, Any]

EVIDENCE: Final = {
    "trailer": "by its trailer",
    "message": "by a line inside its message, as a squash merge leaves it",
    "beat": "its last commit here",
    "block": "recorded as its last commit",
    "branch": "on the branch of its name and no other",
}


@command(
    "which",
    "git session which HEAD",
    "git session which 5b1e0c2 --json",
    "git session which src/lexer.py:120",
)
@click.argument(
    "commit",
    metavar="COMMIT|FILE:LINE",
    help="Commit, in any form git accepts, or a line of a file.",
)
def which_command(settings: Settings, commit: str) -> None:
    """Show which session made a commit or last changed a line.

    For a line, the last change counts. It shows who committed, not who wrote each line of the
    commit. Trailers of other tools count too: Claude-Session, Claude-Session-Id, Entire-Session,
    Agent-Session-Id, Session-Id, AI-Session.
    """
    from git_session.views.commits import find_sessions_of

    log = open_queries()
    try:
        row = find_sessions_of(log, commit, find_here())
    except UnnamedCommitError as error:
        with suppress(GitSessionError):
            error.hint = _advise(log)
        raise
    say_problems(log)
    if settings.is_json:
        print_data(row)
        return
    now = log.clock()
    print_line(format_commit(row, now))
    for link in row["links"]:
        how = EVIDENCE[link["evidence"]] + (f" {link['key']}" if link["key"] else "")
        for session in link["sessions"]:
            task = f"{session['task_id']} {session['task_title']}"
            print_line(f"  {session['session_id']}  {session['state']}  {task}  ({how})")
        if not link["sessions"]:
            print_line(f"  {link['named']}  not in this log  ({how})")


def _advise(log: SessionLog) -> str:
    """Say what a person can do about a commit that names no session."""
    from git_session.connect.hooks.install import Hooks

    (row,) = Hooks(log.store).status(["prepare-commit-msg"])
    if row["state"] == "installed":
        return "git session log shows what was recorded at that time"
    if row["state"] in ("absent", "foreign"):
        return "git session hook install lets commits name theirs"
    return "git session hook status shows why commits do not name theirs"


def format_commit(row: Row, now: int) -> str:
    """Form the line of a commit; `now` is in ms since the epoch."""
    about = f"({row['author']}, {format_ago(now - row['ts'])})"
    return f"{short_commit(row['commit'])}  {row['subject']}  {about}"
