"""What changed in a log between two moments."""

from __future__ import annotations

from dataclasses import asdict

from git_session.core.fold.rows import Row
from git_session.log.past import Moment
from git_session.log.queries import LogQueries
from git_session.views.compare import compare_sessions, compare_tasks


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
