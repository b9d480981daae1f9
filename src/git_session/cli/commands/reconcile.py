"""`git session reconcile`: what the log says against what is so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from git_session.cli.opening import open_log, say_after_recording
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_data, print_line
from git_session.cli.ui.streams import say, say_warning
from git_session.cli.ui.text import count


@command("reconcile", "git session reconcile", "git session reconcile --apply --json")
@click.option(
    "--apply",
    "is_applied",
    is_flag=True,
    help="Record the end of dead sessions, and change nothing else.",
)
def reconcile_command(settings: Settings, is_applied: bool) -> int:
    """Compare the log with the processes and checkouts of this host.

    It lists sessions whose process is gone, tasks with several active sessions, and checkouts of
    ended sessions with work that exists nowhere else. Age alone never makes a session dead. No
    process is killed and no checkout is changed. An end recorded by --apply (exit -1,
    crash-recovery) is a presumption: the next record of that session revokes it. Observed exits
    that the log could not take earlier are always recorded. The exit code is 1 if --apply could not
    record every end.
    """
    from git_session.health.reconcile import reconcile_log

    log = open_log()
    report = reconcile_log(log, is_applied=is_applied)
    if is_applied:
        say_after_recording(log, report["warnings"])
    else:
        for warning in report["warnings"]:
            say_warning(warning)
    is_done = not is_applied or all(dead["commit"] for dead in report["dead"])
    if settings.is_json:
        print_data(report)
        return 0 if is_done else 1
    lines = list(_describe(report))
    for line in lines:
        print_line(line)
    if not lines:
        print_line("the log and this host agree")
    if report["dead"] and not is_applied:
        say("hint: git session reconcile --apply records the end of dead sessions")
    if report["unclear"]:
        say("hint: if you know that a session ended: git session exit ID --reason user-stop")
        say(
            "hint: a session started with --pid N, or by git session run, can be told alive or dead"
        )
    return 0 if is_done else 1


def _describe(report: dict[str, Any]) -> Iterator[str]:
    for session_id in report["recorded"]:
        yield f"recorded   {session_id}: an exit that the log did not take at the time"
    for dead in report["dead"]:
        session = dead["session"]
        done = ""
        if dead["commit"]:
            done = f" -> exit -1, crash-recovery ({dead['commit'][:7]})"
        elif report["is_applied"]:
            done = " (not recorded)"
        reasons = ", ".join(dead["reasons"])
        yield f"dead       {session['session_id']} on {session['task_id']}: {reasons}{done}"
    for session in report["unclear"]:
        liveness = session["liveness"]
        reasons = ", ".join(liveness["reasons"])
        name = f"{session['session_id']} on {session['task_id']}"
        yield f"{liveness['verdict']:<10} {name}: {reasons}"
    for task in report["duplicates"]:
        yield f"duplicate  {task['task_id']}: {', '.join(task['sessions'])}"
    for left in report["worktrees"]:
        yield f"work left  {left['path']} ({', '.join(left['sessions'])}): {_describe_work(left)}"


def _describe_work(left: dict[str, Any]) -> str:
    parts = []
    if left["uncommitted"]:
        parts.append(f"{count(left['uncommitted'], 'path')} not committed")
    if left["unpushed"]:
        parts.append(f"{count(left['unpushed'], 'commit')} not pushed")
    return ", ".join(parts)
