"""What changed in a log between two moments."""

from __future__ import annotations

from dataclasses import asdict

from git_session.fold.compare import compare_sessions, compare_tasks
from git_session.fold.rows import Row
from git_session.past import Moment
from git_session.queries import LogQueries


def compare_moments(log: LogQueries, before: Moment, after: Moment) -> Row:
    """Makes the row of a DiffReport: what is otherwise at the second moment."""
    old, new = (LogQueries.of_moment(log, moment) for moment in (before, after))
    return {
        "before": asdict(before),
        "after": asdict(after),
        "sessions": compare_sessions(
            old.session_rows(include_exited=True), new.session_rows(include_exited=True)
        ),
        "tasks": compare_tasks(old.task_rows(include_all=True), new.task_rows(include_all=True)),
    }
