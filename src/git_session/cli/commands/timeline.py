"""`git session timeline`: who worked on what, when, drawn in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import StringIO
from typing import Final

import click

from git_session.cli.opening import open_past, say_no_log, say_problems
from git_session.cli.options import Settings, command
from git_session.cli.ui.chart import ASCII, UNICODE, Line, draw_timeline
from git_session.cli.ui.moments import at_option, find_range, moment_data, range_options, say_moment
from git_session.cli.ui.output import page_lines, print_data, terminal_width
from git_session.cli.ui.streams import has_colors, say
from git_session.cli.ui.text import count, format_date

_PIPE_WIDTH: Final = 100
_STYLES: Final = {
    "spawned": "cyan",
    "ready": "cyan",
    "running": "green",
    "handoff": "yellow",
    "quiet": "dim",
    "done": "blue",
    "failed": "bold red",
    "live": "bold green",
    "task": "bold",
    "status": "dim",
    "axis": "dim",
    "legend": "dim",
}


@command(
    "timeline",
    "git session timeline",
    "git session timeline --since '8 hours ago'",
    "git session timeline --since yesterday --until '1 hour ago' --json",
)
@range_options
@at_option
@click.option("--no-pager", is_flag=True, help="Do not use a pager.")
def timeline_command(
    settings: Settings, since: str | None, until: str | None, at: str | None, no_pager: bool
) -> None:
    """Draw who worked on what, and when.

    Each task has a lane and each session a bar. It shows the last day, or the sessions alive
    between --since and --until. Times are in UTC. The drawing fits the terminal; in a pipe it is
    plain text, 100 columns wide.
    """
    from git_session.views.timeline import timeline_row

    log = open_past(at)
    begin, end = find_range(log, since, until)
    row = timeline_row(log, since=begin, until=end)
    say_problems(log)
    if log.head() is None:
        say_no_log(log)
    if settings.is_json:
        print_data(row | moment_data(log))
        return
    if row["lanes"]:
        width = terminal_width() or _PIPE_WIDTH
        lines = draw_timeline(row, width, UNICODE if _has_lines() else ASCII)
        page_lines(_render(lines, width), is_paged=not no_pager)
    span = f"{format_date(row['from_ts'])} to {format_date(row['until_ts'])}"
    say(f"{count(row['total'], 'session')}, {span}")
    say_moment(log)


def _has_lines() -> bool:
    """Return whether stdout's encoding has all the characters to draw with."""
    try:
        "".join(UNICODE.values()).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _render(lines: Iterable[Line], width: int) -> list[str]:
    """Return lines as text, with the terminal's colours where they are wanted."""
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=has_colors(),
        color_system="standard" if has_colors() else None,
        legacy_windows=False,
    )
    with console.capture() as captured:
        for line in lines:
            text = Text.assemble(*((piece, _STYLES.get(name, "")) for piece, name in line))
            text.rstrip()
            console.print(text, soft_wrap=True, highlight=False)
    return captured.get().splitlines()
