"""`git session list`: who is at work now."""

from __future__ import annotations

import os
from typing import Any

import click

from git_session.cli.opening import name_here
from git_session.cli.options import Settings, command, completes
from git_session.cli.ui.moments import at_option
from git_session.cli.ui.output import print_data, print_data_text, print_lines
from git_session.core.wire.json_text import format_json
from git_session.core.wire.words import ROLES, STATES
from git_session.log.index_only import count_quickly, list_quickly


@command(
    "list",
    "git session list",
    "git session list --task t-20261122-4f12 --all",
    "git session list --status running --status handoff --json",
    "git session list --at '03:00 yesterday'",
    "git session list --everywhere --wide --sort seen",
)
@click.option(
    "--task", metavar="TASK", shell_complete=completes("task"), help="List only sessions of TASK."
)
@click.option(
    "--status",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="List only sessions in this state; repeatable.",
)
@click.option(
    "--engine",
    metavar="NAME",
    shell_complete=completes("engine"),
    help="List only sessions of this engine.",
)
@click.option("--role", type=click.Choice(ROLES), help="List only sessions with this role.")
@click.option(
    "--since",
    metavar="TIME",
    help="List only sessions active in the last TIME (2h), or since a date git understands.",
)
@click.option(
    "--grep",
    "texts",
    metavar="TEXT",
    multiple=True,
    help="List only sessions with TEXT in id, task, title, engine, worktree or attributes; "
    "repeat to require each TEXT.",
)
@click.option("--all", "is_all", is_flag=True, help="Include exited sessions.")
@at_option
@click.option(
    "--sort",
    "sorts",
    metavar="WORD",
    multiple=True,
    help="Sort by started, seen (latest first), state, task, title, engine or repository; "
    "prefix with - to reverse; repeat to break ties.",
)
@click.option(
    "--tree", "is_tree", is_flag=True, help="Show each session below the one that started it."
)
@click.option(
    "--wide",
    "is_wide",
    is_flag=True,
    help="Show activity, branch, uncommitted and unpushed work, and attributes with their sums.",
)
@click.option(
    "--repo",
    "repositories",
    metavar="PATH",
    multiple=True,
    shell_complete=completes("directory"),
    help="List sessions of the repository at PATH; repeatable.",
)
@click.option(
    "--everywhere",
    "is_everywhere",
    is_flag=True,
    help="List sessions of this repository and of each in session.repo.",
)
@click.option("--count", "is_count", is_flag=True, help="Print only the number of sessions.")
def list_command(
    settings: Settings,
    task: str | None,
    states: tuple[str, ...],
    engine: str | None,
    role: str | None,
    is_all: bool,
    is_count: bool,
    **view: Any,
) -> None:
    """List active sessions.

    SEEN shows whether a session is alive: alive, dead or quiet if that is known, otherwise when it
    last reported. A mark shows two live sessions on one task.
    """
    which: dict[str, Any] = {"states": states, "include_exited": is_all}
    who: dict[str, Any] = {"engine": engine, "role": role}
    is_plain = task is None and not any(view.values())
    if (
        is_plain
        and (settings.is_json or is_count)
        and _answer_quickly({**which, **who}, is_count, is_json=settings.is_json)
    ):
        return
    from git_session.cli.commands.listing import list_in_full

    list_in_full(
        {**who, "task": task}, is_json=settings.is_json, is_count=is_count, **which, **view
    )


def _answer_quickly(filters: dict[str, Any], is_count: bool, *, is_json: bool) -> bool:
    """Answer from a fresh index, without loading what reads a log; return whether it could."""
    if is_count and not is_json:
        number = count_quickly(name_here(), os.environ, **filters)
        if not number:
            return False  # with none, there is something to say
        print_lines([str(number)])
        return True
    found = list_quickly(name_here(), os.environ, **filters)
    if found is None:
        return False
    texts, exited = found
    counts = {"total": len(texts), "exited": exited}
    if is_count:
        print_data(counts)
    else:
        print_data_text(b'{"sessions": [%b], %b' % (b", ".join(texts), format_json(counts)[1:]))
    return True
