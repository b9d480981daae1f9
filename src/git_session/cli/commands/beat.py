"""`git session beat`: a session is alive."""

from __future__ import annotations

import os

import click

from git_session.cli.options import (
    Attributes,
    Settings,
    command,
    session_argument,
    set_option,
)
from git_session.cli.ui.streams import say_warning
from git_session.core.wire.words import ACTIVITIES, SESSION_VARIABLE
from git_session.log.beat import write_beat


@command(
    "beat",
    "git session beat",
    "git session beat --activity waiting",
    "git session beat s-20261122-4f1b --set tokens=48210 --set model=large",
)
@session_argument("the one that lives in this checkout")
@click.option(
    "--activity",
    type=click.Choice(ACTIVITIES),
    help="Set what the session is doing; waiting (for input) lasts until it works again.",
)
@set_option
def beat_command(
    settings: Settings, session: str | None, activity: str | None, attributes: Attributes
) -> None:
    """Record a heartbeat in a local file, without a commit.

    The next transition copies it to the log. So does the first beat after session.beatInterval
    (default: 15m). Without SESSION, the id of the chosen session is printed.
    """
    done = write_beat(os.curdir, session, activity=activity, attributes=dict(attributes))
    if done.commit is not None:
        from git_session.cli.opening import open_log, say_after_recording

        say_after_recording(open_log(), [])
    for warning in done.warnings:
        say_warning(warning)
    if settings.is_json:
        from git_session.cli.ui.output import print_data

        print_data(done.row)
    elif not (session or os.environ.get(SESSION_VARIABLE)):
        from git_session.cli.ui.output import print_line

        print_line(f"{done.beat.session_id} beat")  # it was guessed
