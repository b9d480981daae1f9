"""`git session commits`: the commits that were made in a session."""

from __future__ import annotations

from git_session.cli.commands.which import EVIDENCE, format_commit
from git_session.cli.opening import open_queries, say_problems
from git_session.cli.options import Settings, command, require_session, session_argument
from git_session.cli.ui.output import print_data, print_line
from git_session.cli.ui.streams import say


@command(
    "commits", "git session commits s-20261122-4f1b", "git session commits s-20261122-4f1b --json"
)
@session_argument()
def commits_command(settings: Settings, session: str | None) -> None:
    """List the commits made in a session, newest first.

    It finds commits by their trailers on every branch, tag and remote, so also after a rebase or a
    cherry-pick. It accepts the session id of another tool too.
    """
    from git_session.views.commits import find_commits_of

    log = open_queries()
    row = find_commits_of(log, require_session(session))
    say_problems(log)
    if settings.is_json:
        print_data(row)
        return
    now = log.clock()
    for commit in row["commits"]:
        is_plain = commit["evidence"] == "trailer"
        how = "" if is_plain else f"  ({EVIDENCE[commit['evidence']]})"
        print_line(format_commit(commit, now) + how)
    if not row["commits"]:
        say(f"no commit names {row['session_id']}")
