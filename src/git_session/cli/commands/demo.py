"""`git session demo`: sessions to look at, before there are any of one's own."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Final

import click

from git_session.cli.commands.listing import print_active
from git_session.cli.commands.log import print_transitions
from git_session.cli.commands.sync import describe_remote
from git_session.cli.options import Settings, command, completes
from git_session.cli.ui.output import print_data, print_line, print_lines
from git_session.cli.ui.streams import flush_output
from git_session.errors import EnvironmentFaultError

_NEWEST: Final = 12
"""Transitions that are shown."""


@command("demo", "git session demo", "git session demo ~/try-sessions")
@click.argument(
    "place",
    metavar="[DIRECTORY]",
    required=False,
    shell_complete=completes("directory"),
    help="Where to play: a new or empty directory; default: a temporary one.",
)
def demo_command(settings: Settings, place: str | None) -> None:
    """Plays a small fleet in two clones, syncs and shows them.

    The clones and their hub are made in DIRECTORY, or in a temporary one. They stay, to look
    further, and are yours to remove.
    """
    from git_session.cli.commands.demo_day import play_demo

    played = play_demo(_make_directory(place))
    log, top = played.logs["desk"], str(played.directory)
    if settings.is_json:
        print_data({"directory": top, "sessions": log.session_rows(include_exited=True)})
        return
    where = f"git session -C {shlex.quote(top)}"
    print_lines(["Two clones of one hub, desk and server, have both recorded sessions.", ""])
    for name, row in played.syncs:
        print_line(f"$ {where}/{name} sync")
        print_lines([describe_remote(report) for report in row["remotes"]])
    print_lines(["", f"$ {where}/desk list"])
    flush_output()
    print_active(log)
    print_lines(["", f"$ {where}/desk log --limit {_NEWEST}"])
    newest = log.transition_rows(limit=_NEWEST)
    print_transitions(newest, log.clock(), has_session=True, is_paged=False)
    print_lines(["", "Look further:"])
    for more in (
        "desk list --all",
        "desk timeline",
        "desk export -o sessions.html",
        "hub.git fsck",
    ):
        print_line(f"  {where}/{more}")
    print_line("  git session -h")
    print_line(f"  rm -r {shlex.quote(top)}   # when you have seen enough")


def _make_directory(place: str | None) -> Path:
    """Makes the directory to play in. Raises EnvironmentFaultError where that cannot be."""
    try:
        if place is None:
            return Path(tempfile.mkdtemp(prefix="git-session-demo-"))
        path = Path(place).absolute()
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFaultError(
            f"cannot make {place or 'a temporary directory'}: {error.strerror}",
            "name a directory that is not there yet",
        ) from error
    return path
