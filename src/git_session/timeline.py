"""Who worked on what, when: a lane for each task, a bar for each session."""

from __future__ import annotations

from typing import Any

from git_session.fold.lanes import Bar, find_last_day, is_within, plan_bar
from git_session.fold.rows import Row, session_row
from git_session.queries import LogQueries

_BAR_FIELDS = (
    *("session_id", "role", "session_type", "engine", "worktree", "state", "exit_code"),
    *("exit_reason", "commit"),
)


def timeline_row(
    log: LogQueries, *, since: int | None = None, until: int | None = None, is_whole: bool = False
) -> Row:
    """Makes the row of a Timeline: the sessions that lived between two times (ms since the epoch).

    Without `since` it is the last day's work, with `is_whole` all there is. Lanes come in the order
    in which their first bars begin.
    """
    now = log.clock()
    lanes = _read_lanes(log, now)
    bars = [bar for _, pairs in lanes for bar, _ in pairs]
    day, last = find_last_day(bars, now if until is None else until)
    end = last if since is None else now
    if since is None and not is_whole:
        since = day
    shown = []
    for lane, pairs in lanes:
        rows = [bar_row(bar, row) for bar, row in pairs if is_within(bar, since, until)]
        if rows:
            rows.sort(key=lambda row: (row["begin_ts"], row["session_id"]))
            shown.append({**lane, "bars": rows})
    shown.sort(key=lambda lane: (lane["bars"][0]["begin_ts"], lane["task_id"]))
    begin = shown[0]["bars"][0]["begin_ts"] if shown else end
    return {
        "from_ts": min(begin, end) if since is None else since,
        "until_ts": end if until is None else until,
        "now": now,
        "lanes": shown,
        "total": sum(len(lane["bars"]) for lane in shown),
    }


def _read_lanes(log: LogQueries, now: int) -> list[tuple[Row, list[tuple[Bar, Row]]]]:
    """Reads each task with its sessions: their bars and rows."""
    replay = log.replay()
    lanes = []
    for folded in replay.issues():
        issue, lives = folded.issue, folded.sessions.lives.values()
        lane = {
            "task_id": issue.task_id,
            "grite_issue_id": issue.hex,
            "title": issue.title,
            "status": issue.status,
        }
        pairs = [(plan_bar(life, now), session_row(replay, folded, life)) for life in lives]
        lanes.append((lane, pairs))
    return lanes


def bar_row(bar: Bar, row: Row) -> dict[str, Any]:
    """Makes the row of one bar from its geometry and its session's row."""
    host = row["extras"].get("host")
    return {
        **{name: row[name] for name in _BAR_FIELDS},
        "host": host if isinstance(host, str) and host else None,
        "begin_ts": bar.begin_ts,
        "end_ts": bar.end_ts,
        "seen_ts": bar.seen_ts,
        "spans": [span._asdict() for span in bar.spans],
    }
