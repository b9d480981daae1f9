"""`git session task`: one task, shown, added, moved along, commented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import click

from git_session.cli.opening import open_log, open_past, say_after_recording, say_problems
from git_session.cli.options import (
    CONTEXT_SETTINGS,
    Settings,
    command,
    force_option,
    format_examples,
    shared_options,
    task_argument,
)
from git_session.cli.ui.describe import format_session_counts, short_commit
from git_session.cli.ui.moments import at_option, moment_data, say_moment
from git_session.cli.ui.output import print_data, print_line, print_lines, print_table
from git_session.cli.ui.sessions_table import choose_columns, session_cells
from git_session.cli.ui.table import Column, format_pairs, format_table
from git_session.cli.ui.text import count, format_ago, format_time
from git_session.core.fold.lifecycle import TASK_STATUSES
from git_session.core.wire.block import split_comment
from git_session.core.wire.plain_text import strip_lines

Row = Mapping[str, Any]

_INDENT: Final = "    "
_BLOCK_COLUMNS: Final = (Column(""), Column(""), Column(""), Column(""), Column(""))

task_command = click.Group(
    "task",
    help="Show, add, move and comment on tasks.",
    epilog=format_examples(
        'git session task add "Fix the flaky test" --body "It fails one time in ten."',
        "git session task show t-20261122-4f12",
    ),
    params=shared_options(),
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings=dict(CONTEXT_SETTINGS),
)


@command("show", "git session task show t-20261122-4f12", "git session task show t-2026 --raw")
@task_argument()
@click.option("--raw", is_flag=True, help="Print session blocks as stored.")
@at_option
def show_command(settings: Settings, task: str, raw: bool, at: str | None) -> None:
    """Show a task: its text, labels, comments in order, and sessions."""
    log = open_past(at)
    row = log.task_row(task)
    say_problems(log)
    if settings.is_json:
        print_data({"task": row} | moment_data(log))
        return
    now = log.clock()
    print_lines(format_pairs(_task_pairs(row, now)))
    if row["body"]:
        print_lines(["", *(_INDENT + line for line in strip_lines(row["body"]))])
    print_lines(_format_comments(row["comments"], now, is_raw=raw))
    if row["session_list"]:
        print_lines(["", f"{count(len(row['session_list']), 'session')}:"])
        columns = choose_columns(has_task=False)
        print_table(columns, [session_cells(session, columns) for session in row["session_list"]])
    say_moment(log)


@command(
    "add",
    'git session task add "Fix the flaky test"',
    'task=$(git session task add "Port the lexer" --body "With tests." --convoy c-20261122-0a1b)',
)
@click.argument("title", help="Title of the task, on one line.")
@click.option("--body", default="", metavar="TEXT", help="Set the description.")
@click.option("--convoy", metavar="ID", help="Set the convoy (group of tasks) of the task.")
def add_command(settings: Settings, title: str, body: str, convoy: str | None) -> None:
    """Add a queued task and print its id."""
    log = open_log()
    recorded = log.add_task_row(title, body=body, convoy=convoy)
    say_after_recording(log, recorded["warnings"])
    if settings.is_json:
        print_data(recorded)
    else:
        print_line(recorded["task"]["task_id"])


@command("status", "git session task status t-20261122-4f12 needs-review")
@task_argument()
@click.argument("status", type=click.Choice(TASK_STATUSES), help="New status.")
@force_option
def status_command(settings: Settings, task: str, status: str, force: bool) -> None:
    """Move a task along its lifecycle.

    queued moves to running, running to blocked or needs-review, blocked to running, needs-review to
    merged or blocked, and each of these to dropped. merged and dropped are final.
    """
    log = open_log()
    recorded = log.set_task_status_row(task, status, is_forced=force)
    say_after_recording(log, recorded["warnings"])
    if settings.is_json:
        print_data(recorded)
        return
    task_id = recorded["task"]["task_id"]
    if recorded["commit"] is None:
        print_line(f"{task_id} is already {status}, nothing was recorded")
    else:
        print_line(f"{task_id} {status} ({short_commit(recorded['commit'])})")


@command("comment", 'git session task comment t-20261122-4f12 -m "Waits for the new runner"')
@task_argument()
@click.option(
    "-m", "--message", "text", required=True, metavar="TEXT", help="Set the text of the comment."
)
def comment_command(settings: Settings, task: str, text: str) -> None:
    """Add a comment to a task."""
    log = open_log()
    recorded = log.comment_row(task, text)
    say_after_recording(log, recorded["warnings"])
    if settings.is_json:
        print_data(recorded)
    else:
        task_id = recorded["task"]["task_id"]
        print_line(f"{task_id} commented ({short_commit(recorded['commit'])})")


for _command in (show_command, add_command, status_command, comment_command):
    task_command.add_command(_command)


def _task_pairs(row: Row, now: int) -> list[tuple[str, str]]:
    return [
        ("task", row["task_id"]),
        ("title", row["title"]),
        ("status", row["status"] or ""),
        ("issue", f"{row['grite_issue_id']} ({row['state']})"),
        ("convoy", row["convoy_id"] or ""),
        ("labels", ", ".join(row["labels"])),
        ("assignees", ", ".join(row["assignees"])),
        ("sessions", format_session_counts(row["sessions"])),
        ("created", format_time(row["created_ts"], now)),
        ("updated", format_time(row["updated_ts"], now)),
    ]


def _format_comments(comments: Sequence[Row], now: int, *, is_raw: bool) -> list[str]:
    """Form all comments in order; those that hold a session block as a line each, unless raw."""
    lines: list[str] = []
    for is_block, group in groupby(comments, lambda comment: comment["session_id"] is not None):
        if is_block and not is_raw:
            cells = [_block_cells(comment, now) for comment in group]
            lines += ["", *format_table(_BLOCK_COLUMNS, cells, None)]
        else:
            for comment in group:
                lines += ["", *_format_text(comment, now)]
    return lines


def _head_cells(comment: Row, now: int) -> list[str]:
    ago = format_ago(now - comment["ts"])
    return [short_commit(comment["commit"]), ago, comment["actor"][:8]]


def _block_cells(comment: Row, now: int) -> list[str]:
    before, _, after = split_comment(comment["body"]) or ("", "", "")
    note = f"{before.strip()} {after.strip()}".strip()
    block = f"[session {comment['session_id']} {comment['state']}]"
    return [*_head_cells(comment, now), block, note]


def _format_text(comment: Row, now: int) -> list[str]:
    head = "  ".join(_head_cells(comment, now))
    return [head, *(_INDENT + x for x in strip_lines(comment["body"]))]
