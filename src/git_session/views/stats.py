"""Measure a log: how much there is, what it takes on disk, and what more of it would take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from git_session.core.fold.rows import Row
from git_session.git.cat_file import list_objects
from git_session.host.files.regular_file import require_regular_objects
from git_session.log.session_log import SessionLog

_AHEAD: Final = 100_000


def measure_log(log: SessionLog, on_progress: Callable[[int], None] | None = None) -> Row:
    """Measure the log and return the row of a StatsReport; sizes are in bytes on disk.

    `on_progress` is called with the number of objects measured so far.
    The objects are those that the log's head leads to: commits, trees, chunks and meta.json.
    """
    head, replay = log.reader.read()
    rows = log.session_rows(include_exited=True)
    transitions = log.transition_rows()
    per_session = Counter((row["grite_issue_id"], row["session_id"]) for row in transitions)
    days = Counter(_day(row["ts"]) for row in transitions)
    commits, loose, packed = _measure_objects(log, head, on_progress)
    return {
        "head": head,
        "events": replay.event_count,
        "commits": commits,
        "tasks": len(log.task_rows(include_all=True)),
        "sessions": len(rows),
        "active": sum(row["state"] != "exit" for row in rows),
        "transitions": len(transitions),
        "transitions_per_session": _spread(list(per_session.values())),
        "transitions_per_day": [{"day": day, "transitions": n} for day, n in sorted(days.items())],
        "loose": loose,
        "packed": packed,
        "next_100000": _project(commits, loose, packed),
    }


def _measure_objects(
    log: SessionLog, head: str | None, on_progress: Callable[[int], None] | None
) -> tuple[int, Row, Row]:
    """Count the commits, and measures the objects that are files of their own or packed."""
    commits = 0
    loose = {"objects": 0, "bytes": 0}
    packed = {"objects": 0, "bytes": 0}
    if head is not None:
        require_regular_objects(log.common_dir)
        for found in list_objects(log.common_dir, head):
            part = loose if found.is_loose else packed
            part["objects"] += 1
            part["bytes"] += found.size
            commits += found.is_commit
            if on_progress is not None:
                on_progress(loose["objects"] + packed["objects"])
    return commits, loose, packed


def _project(commits: int, loose: Row, packed: Row) -> Row | None:
    """Project what the next 100,000 commits take if they are like those that are there."""
    if not commits:
        return None
    objects = loose["objects"] + packed["objects"]
    projection: dict[str, Any] = {
        "commits": _AHEAD,
        "objects": round(objects / commits * _AHEAD),
        "bytes_loose": None,
        "bytes_packed": None,
    }
    for part, name in ((loose, "bytes_loose"), (packed, "bytes_packed")):
        if part["objects"]:
            projection[name] = round(part["bytes"] / part["objects"] * objects / commits * _AHEAD)
    return projection


def _spread(counts: list[int]) -> Row:
    ordered = sorted(counts)
    if not ordered:
        return {"median": 0, "most": 0}
    return {"median": ordered[len(ordered) // 2], "most": ordered[-1]}


def _day(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1000, UTC):%Y-%m-%d}"
