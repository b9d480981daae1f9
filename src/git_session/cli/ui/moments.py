"""The options that name a moment, and how people are told which one was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from git_session.cli.ui.streams import say
from git_session.errors import UsageError

if TYPE_CHECKING:
    from git_session.log.past import Moment
    from git_session.log.session_log import SessionLog

at_option = click.option(
    "--at",
    metavar="MOMENT",
    help=(
        "Show the log as of MOMENT: a date git understands ('yesterday', '2026-11-22 "
        "03:00'), a duration ago (2h), or a commit, ref or remote of a log."
    ),
)


def range_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --since and --until, which find_range reads."""
    until = click.option("--until", metavar="TIME", help="Show only sessions started by TIME.")
    since = click.option(
        "--since",
        metavar="TIME",
        help="Show only sessions active at TIME or later: a date git understands, or a duration "
        "ago (2h).",
    )
    return since(until(function))


def find_range(
    log: SessionLog, since: str | None, until: str | None
) -> tuple[int | None, int | None]:
    """Find the two times (ms since the epoch) that were named. Raises UsageError."""
    begin = None if since is None else log.find_moment(since).ts // 1000 * 1000
    end = None if until is None else log.find_moment(until).ts
    if begin is not None and end is not None and begin > end:
        raise UsageError(
            f"--since {since} is later than --until {until}", "use the earlier time for --since"
        )
    return begin, end


def moment_data(log: SessionLog) -> dict[str, Any]:
    """Return what JSON says of the moment: nothing at present."""
    if log.moment is None:
        return {}
    from dataclasses import asdict  # 2 ms, for those who look back

    return {"at": asdict(log.moment)}


def format_moment(moment: Moment) -> str:
    """Form a moment: its time in UTC, and its commit if it is one."""
    from git_session.cli.ui.text import format_date  # 2 ms, for those who look back

    date = format_date(moment.ts)
    return date if moment.commit is None else f"commit {moment.commit[:7]}, {date}"


def say_moment(log: SessionLog, line: str = "") -> None:
    """Say a line on stderr with the moment that it is about; without either nothing."""
    told = [] if log.moment is None else [f"as of {format_moment(log.moment)}"]
    if line or told:
        say(" - ".join([*([line] if line else []), *told]))
