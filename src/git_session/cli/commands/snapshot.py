"""`git session snapshot`: plain grite gets to see what arrived."""

from __future__ import annotations

import click

from git_session.cli.opening import open_log, say_problems
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_data, print_line
from git_session.cli.ui.streams import say


@command("snapshot", "git session snapshot && grite rebuild --from-snapshot")
@click.option(
    "--force",
    "is_forced",
    is_flag=True,
    help="Write a snapshot even if the newest one is complete.",
)
def snapshot_command(settings: Settings, is_forced: bool) -> None:
    """Write a snapshot of the log in grite's format.

    grite shows pulled events only after it rebuilds from a snapshot. If the newest snapshot is
    complete, no new one is written.
    """
    from git_session.sync.snapshot import write_snapshot_row

    log = open_log()
    row = write_snapshot_row(log, is_forced=is_forced)
    say_problems(log)
    if settings.is_json:
        print_data(row)
        return
    print_line(
        f"{row['ref']}: {_count(row['events'], 'event')} in {_count(row['chunks'], 'chunk')}"
    )
    if not row["is_new"]:
        say("the newest snapshot is complete, nothing was written")
    if row["left_out"]:
        verb = "was" if row["left_out"] == 1 else "were"
        say(f"{_count(row['left_out'], 'event')} that grite cannot rebuild from {verb} left out")
    say("hint: grite rebuild --from-snapshot reads it")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
