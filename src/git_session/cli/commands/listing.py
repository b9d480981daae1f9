"""What `list` does when the index alone cannot answer: gathers, sorts and prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from git_session.cli.opening import (
    find_here,
    is_incomplete,
    open_past,
    say_no_log,
    say_problems,
)
from git_session.cli.ui.moments import moment_data, say_moment
from git_session.cli.ui.output import print_data, print_line, print_table, terminal_width
from git_session.cli.ui.sessions_table import (
    NOTHING,
    choose_columns,
    format_footer,
    format_sums,
    session_cells,
)
from git_session.cli.ui.streams import say, say_warning
from git_session.cli.ui.text import count
from git_session.core.fold.rows import choose_states
from git_session.core.wire.duration import parse_duration
from git_session.core.wire.plain_text import quote_word
from git_session.errors import UsageError
from git_session.log.session_log import SessionLog
from git_session.views.checkouts import Checkouts, checkout_row
from git_session.views.listing import (
    arrange_tree,
    filter_sessions,
    sort_sessions,
    sum_attributes,
)
from git_session.views.repositories import Gathered, choose_paths, gather_sessions, shorten_names

Row = dict[str, Any]

_WIDE: Final = 120
"""Columns of a terminal from which on nothing has to be shortened."""

_HERE: Final = ""
"""The name of the only repository, which needs none."""


def list_in_full(
    filters: Mapping[str, Any],
    *,
    states: Sequence[str],
    include_exited: bool,
    is_json: bool,
    is_count: bool,
    at: str | None,
    since: str | None,
    texts: Sequence[str],
    sorts: Sequence[str],
    is_tree: bool,
    is_wide: bool,
    repositories: Sequence[str],
    is_everywhere: bool,
) -> None:
    """List sessions from the logs themselves, as the options of `list` say.

    `filters` are what session_rows takes, but for the states.
    """
    is_several = bool(repositories) or is_everywhere
    if is_several:
        paths = choose_paths(find_here(), repositories, is_everywhere=is_everywhere)
        found = gather_sessions(
            paths, lambda path: open_past(at, path), include_exited=True, **filters
        )
    else:
        log = open_past(at)
        found = Gathered(log.session_rows(include_exited=True, **filters), {_HERE: log}, [])
    logs = list(found.logs.values())
    matching = filter_sessions(found.rows, since=_find_since(since, logs[0]), texts=texts)
    rows = choose_states(matching, states, include_exited=include_exited)
    placed = _arrange(rows, sorts, is_tree=is_tree)
    if is_wide:
        _add_checkouts([row for _, row in placed], found.logs)
    _say_what_is_missing(found, is_several=is_several)
    shown = [row for _, row in placed]
    exited = sum(row["state"] == "exit" for row in matching)
    if is_json:
        failed = {"failed": found.failed} if is_several else {}
        sums = {"attributes": sum_attributes(shown)} if is_wide else {}
        told = {} if is_count else {"sessions": shown, **sums}
        counts = {"total": len(shown), "exited": exited}
        print_data({**told, **counts, **failed, **moment_data(logs[0])})
        return
    if is_count:
        print_line(str(len(shown)))
    elif shown:
        print_sessions(placed, list(found.logs), is_wide=is_wide)
    if (shown or is_several or logs[0].head() is not None) and not (is_count and shown):
        line = format_footer(
            shown,
            exited,
            states=states,
            is_all=include_exited,
            totals=(0, 0) if shown else _count_all(logs),
            unsent=logs[0].unsent() if not is_several and logs[0].moment is None else None,
        )
        if not is_several and line == NOTHING and is_incomplete(logs[0]):
            line = "no sessions in what is here of the log"
        _say_footer(found, line, format_sums(sum_attributes(shown)) if is_wide else "")


def print_sessions(
    placed: Sequence[tuple[int, Row]], repositories: Sequence[str] = (), *, is_wide: bool = False
) -> None:
    """Print the table of sessions, each with its depth; of several repositories, with its own."""
    width = terminal_width()
    is_narrow = width is not None and width < _WIDE
    names = shorten_names([name for name in repositories if name != _HERE])
    columns = choose_columns(is_wide=is_wide, has_repositories=bool(names))
    print_table(
        columns,
        [
            session_cells(
                row,
                columns,
                is_narrow=is_narrow,
                depth=depth,
                repository=names.get(row.get("repository", _HERE), ""),
            )
            for depth, row in placed
        ],
    )


def print_active(log: SessionLog) -> None:
    """Print what `git session list` does without options."""
    rows = log.session_rows()
    print_sessions([(0, row) for row in rows])
    exited = log.exited_count()
    totals = (len(rows), exited)
    say(format_footer(rows, exited, states=(), is_all=False, totals=totals, unsent=log.unsent()))


def _count_all(logs: Iterable[SessionLog]) -> tuple[int, int]:
    """Count all sessions, whatever is looked for: the active and the exited ones."""
    states = Counter(
        row["state"] == "exit" for log in logs for row in log.session_rows(include_exited=True)
    )
    return states[False], states[True]


def _find_since(words: str | None, log: SessionLog) -> int | None:
    """Find the time that words mean: a duration before now, or a date git understands."""
    if words is None:
        return None
    try:
        return log.clock() - parse_duration(words)
    except UsageError:
        return log.find_moment(words).ts


def _arrange(rows: Sequence[Row], sorts: Sequence[str], *, is_tree: bool) -> list[tuple[int, Row]]:
    ordered = sort_sessions(rows, sorts)
    return arrange_tree(ordered) if is_tree else [(0, row) for row in ordered]


def _add_checkouts(rows: Sequence[Row], logs: Mapping[str, SessionLog]) -> None:
    checkouts = {name: Checkouts(log) for name, log in logs.items()}
    for row in rows:
        row["checkout"] = checkout_row(checkouts[row.get("repository", _HERE)].read(row))


def _say_what_is_missing(found: Gathered, *, is_several: bool) -> None:
    for told in found.failed:
        say_warning(f"{told['repository']} is left out: {told['message']}")
    for name, log in found.logs.items():
        if not is_several:
            say_problems(log)
            if log.head() is None:
                say_no_log(log)
        elif number := len(log.problems) + log.unread_blocks():
            left_out = count(number, "thing")
            say_warning(
                f"{name}: {left_out} left out; git session -C {quote_word(name)} fsck names them"
            )


def _say_footer(found: Gathered, line: str, sums: str) -> None:
    many = len(found.logs)
    where = f"in {many} {'repositories' if many > 1 else 'repository'}"
    parts = [line, "" if _HERE in found.logs else where, sums]
    say_moment(next(iter(found.logs.values())), " - ".join(part for part in parts if part))
