"""What changed in a log between two moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

from git_session.core.fold.rows import Row
from git_session.log.past import Moment
from git_session.log.session_log import SessionLog

_ORDER: Final = ("begun", "moved", "ended", "added", "gone")


def compare_moments(log: SessionLog, before: Moment, after: Moment) -> Row:
    """Make the row of a DiffReport: what is otherwise at the second moment."""
    old, new = (log.at_moment(moment) for moment in (before, after))
    return {
        "before": asdict(before),
        "after": asdict(after),
        "sessions": compare_sessions(
            old.session_rows(include_exited=True), new.session_rows(include_exited=True)
        ),
        "tasks": compare_tasks(old.task_rows(include_all=True), new.task_rows(include_all=True)),
    }


def compare_sessions(before: Iterable[Row], after: Iterable[Row]) -> list[Row]:
    """List the sessions that differ, from the rows of all before and all after.

    `begun` was not there before, `gone` is not there after, as when the first log is the newer
    one; `ended` exited in between; `moved` went to another state. A beat is no difference.
    """
    return _compare(before, after, ("grite_issue_id", "session_id"), _session_change)


def compare_tasks(before: Iterable[Row], after: Iterable[Row]) -> list[Row]:
    """List the tasks that differ: `added`, `gone`, or `moved` to another status, open or closed.

    A task that was only renamed, or labelled otherwise, is no difference.
    """
    return _compare(before, after, ("grite_issue_id",), _task_change)


def _compare(
    before: Iterable[Row],
    after: Iterable[Row],
    keys: tuple[str, ...],
    change: Callable[[Row | None, Row | None], Row | None],
) -> list[Row]:
    old = {tuple(row[key] for key in keys): row for row in before}
    new = {tuple(row[key] for key in keys): row for row in after}
    found = (change(old.get(key), new.get(key)) for key in _keys(old, new))
    changes = [row for row in found if row is not None]
    return sorted(changes, key=lambda row: (_ORDER.index(row["change"]), row["ts"]))


def _keys(old: dict[Any, Row], new: dict[Any, Row]) -> Iterator[Any]:
    yield from old
    yield from (key for key in new if key not in old)


def _session_change(before: Row | None, after: Row | None) -> Row | None:
    old, new = (row["state"] if row else None for row in (before, after))
    if old == new:
        return None
    row = after or before
    assert row is not None
    if new is None:
        change = "gone"
    elif old is None:
        change = "begun"
    else:
        change = "ended" if new == "exit" else "moved"
    return {
        "change": change,
        "session_id": row["session_id"],
        "task_id": row["task_id"],
        "grite_issue_id": row["grite_issue_id"],
        "task_title": row["task_title"],
        "engine": row["engine"],
        "from_state": old,
        "to_state": new,
        "exit_code": row["exit_code"],
        "exit_reason": row["exit_reason"],
        "ts": row["updated_ts"],
    }


def _task_change(before: Row | None, after: Row | None) -> Row | None:
    old, new = ((row["status"], row["state"]) if row else None for row in (before, after))
    if old == new:
        return None
    row = after or before
    assert row is not None
    change = "added" if old is None else "gone" if new is None else "moved"
    return {
        "change": change,
        "task_id": row["task_id"],
        "grite_issue_id": row["grite_issue_id"],
        "title": row["title"],
        "from_status": old[0] if old else None,
        "to_status": new[0] if new else None,
        "from_state": old[1] if old else None,
        "to_state": new[1] if new else None,
        "ts": row["updated_ts"],
    }
