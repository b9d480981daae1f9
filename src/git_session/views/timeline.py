"""Who worked on what, when: a lane for each task, a bar for each session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from git_session.core.fold.issues import Issue
from git_session.core.fold.rows import Row, session_row
from git_session.core.fold.sessions import Life
from git_session.core.wire.evidence import host_of
from git_session.log.queries import LogQueries
from git_session.views.lanes import Bar, find_last_day, is_within, plan_bar

_BAR_FIELDS: Final = (
    *("session_id", "role", "session_type", "engine", "worktree", "state", "exit_code"),
    *("exit_reason", "activity", "commit"),
)


@dataclass(frozen=True, slots=True)
class Work:
    """Holds one session with the task it is on: its row, its bar, its life."""

    issue: Issue
    row: Row
    bar: Bar
    life: Life


def read_work(log: LogQueries) -> list[Work]:
    """Reads all sessions, with what is known here and now of their lives."""
    replay, now = log.replay(), log.clock()
    found = [
        (folded, life) for folded in replay.issues() for life in folded.sessions.lives.values()
    ]
    rows = log.complete([session_row(replay, folded, life) for folded, life in found])
    works = []
    for (folded, life), row in zip(found, rows, strict=True):
        age = row["heartbeat_age_ms"]
        bar = plan_bar(life, now, seen_ts=None if age is None else now - age)
        works.append(Work(folded.issue, row, bar, life))
    return works


def bar_row(work: Work) -> dict[str, Any]:
    """Makes the row of a TimelineBar."""
    liveness = work.row["liveness"]
    return {
        **{name: work.row[name] for name in _BAR_FIELDS},
        "verdict": liveness["verdict"],
        "reason": liveness["reasons"][0],
        "host": host_of(work.row["extras"]),
        "begin_ts": work.bar.begin_ts,
        "end_ts": work.bar.end_ts,
        "seen_ts": work.bar.seen_ts,
        "spans": [span._asdict() for span in work.bar.spans],
    }


def timeline_row(
    log: LogQueries,
    *,
    since: int | None = None,
    until: int | None = None,
    is_whole: bool = False,
    describe: Callable[[Work], Row] = bar_row,
) -> Row:
    """Makes the row of a Timeline: the sessions that lived between two times (ms since the epoch).

    Without `since` it is the last day's work, with `is_whole` all there is. Lanes come in the order
    in which their first bars begin.
    """
    now = log.clock()
    works = read_work(log)
    day, last = find_last_day([work.bar for work in works], now if until is None else until)
    end = last if since is None else now
    if since is None and not is_whole:
        since = day
    shown = [work for work in works if is_within(work.bar, since, until)]
    shown.sort(key=lambda work: (work.bar.begin_ts, work.row["session_id"]))
    begin = shown[0].bar.begin_ts if shown else end
    return {
        "from_ts": min(begin, end) if since is None else since,
        "until_ts": end if until is None else until,
        "now": now,
        "lanes": _lane_rows(shown, describe),
        "total": len(shown),
    }


def _lane_rows(works: list[Work], describe: Callable[[Work], Row]) -> list[Row]:
    lanes: dict[bytes, Row] = {}
    for work in works:
        issue = work.issue
        lane: Row = {
            "task_id": issue.task_id,
            "grite_issue_id": issue.hex,
            "title": issue.title,
            "status": issue.status,
            "bars": [],
        }
        lanes.setdefault(issue.issue_id, lane)["bars"].append(describe(work))
    return list(lanes.values())
