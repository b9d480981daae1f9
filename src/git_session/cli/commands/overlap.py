"""`git session overlap`: where live sessions change the same files."""

from __future__ import annotations

import click

from git_session.cli.opening import open_queries, say_problems
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_data, print_line, print_table
from git_session.cli.ui.streams import say, say_warning
from git_session.cli.ui.text import count
from git_session.core.wire.plain_text import strip_controls


@command("overlap", "git session overlap", "git session overlap --exit-code --json")
@click.option("--exit-code", "has_code", is_flag=True, help="Exit with 1 if files overlap.")
def overlap_command(settings: Settings, has_code: bool) -> int:
    """List files changed by more than one live session.

    It compares the checkouts of this host's live sessions in pairs, from their merge base on,
    including uncommitted changes. It also lists sessions that share a checkout.
    """
    from git_session.views.checkouts import describe_unread
    from git_session.views.overlap import find_overlaps

    log = open_queries()
    report = find_overlaps(log)
    say_problems(log)
    for path in report["unread"]:
        say_warning(describe_unread(path))
    if settings.is_json:
        print_data(report)
    else:
        _print(report)
    return 1 if has_code and report["overlaps"] else 0


def _print(report: dict[str, list[dict[str, object]]]) -> None:
    from git_session.cli.ui.table import Column

    for one in report["shared"]:
        sessions = one["sessions"]
        assert isinstance(sessions, list)
        print_line(f"{', '.join(sessions)} share the checkout {one['worktree']}")
    rows = []
    for one in report["overlaps"]:
        sessions = one["sessions"]
        assert isinstance(sessions, list)
        rows.append([strip_controls(str(one["path"])), ", ".join(sessions)])
    if rows:
        print_table((Column("FILE", least=16), Column("SESSIONS", least=16)), rows)
    elif not report["shared"]:
        say(f"no files overlap in {count(int(str(report['worktrees'])), 'checkout')}")
