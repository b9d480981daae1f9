"""`git session tail`: what a session's command said last."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from git_session.cli.opening import open_queries, say_problems
from git_session.cli.options import Settings, command, require_session, session_argument
from git_session.cli.ui.output import print_data, print_lines
from git_session.cli.ui.streams import flush_output, is_terminal, say_warning, write_out
from git_session.core.wire.plain_text import strip_lines
from git_session.errors import INTERRUPTED, UsageError


@command(
    "tail",
    "git session tail s-20261122-4f1b",
    "git session tail -f s-20261122-4f1b",
    "git session tail -n 100 s-20261122-4f1b --json",
)
@session_argument()
@click.option(
    "-f", "--follow", "is_followed", is_flag=True, help="Follow the output until the session exits."
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=10,
    metavar="N",
    help="Print the last N lines; default: 10.",
)
def tail_command(settings: Settings, session: str | None, is_followed: bool, lines: int) -> int:
    """Print the last lines of a session's output.

    It reads the output that `git session run --log` saved on this host. A warning follows if it
    differs from the output that the exit recorded. On a terminal, escape sequences are left out.
    """
    if is_followed and settings.is_json:
        raise UsageError("--follow and --json cannot be used together", "leave one out")
    from git_session.run.tail import find_tail, follow_tail, read_tail

    log = open_queries()
    tail = find_tail(log, require_session(session), lines)
    say_problems(log)
    if settings.is_json:
        data = b"".join(read_tail(tail))
        print_data(
            {
                "session_id": tail.session["session_id"],
                "task_id": tail.session["task_id"],
                "log_file": str(tail.path),
                "last_output_ref": tail.session["last_output_ref"],
                "matches": tail.matches,
                "lines": data.decode(errors="replace").splitlines(),
            }
        )
    elif is_followed:
        try:
            print_output(follow_tail(log, tail))
        except KeyboardInterrupt:
            return INTERRUPTED  # the way to leave it, and nothing to be told of
        tail = find_tail(log, f"{tail.session['grite_issue_id']}/{tail.session['session_id']}", 0)
    else:
        print_output(read_tail(tail))
    if tail.matches is False:
        say_warning(
            f"{tail.path} differs from the recorded output: {tail.session['last_output_ref']}"
        )
    return 0


def print_output(pieces: Iterable[bytes]) -> None:
    """Print output as it comes; for people line by line, with nothing that a terminal obeys."""
    if not is_terminal(sys.stdout):
        for piece in pieces:
            write_out(piece)
            flush_output()
        return
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            _print_line(line)
        flush_output()
    if rest:
        _print_line(rest)


def _print_line(line: bytes) -> None:
    print_lines(strip_lines(line.removesuffix(b"\r").decode(errors="replace")))
