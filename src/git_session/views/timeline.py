"""Who worked on what, when: a lane for each task, a bar for each session."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from git_session.core.fold.issues import Issue
from git_session.core.fold.rows import Row, session_row
from git_session.core.fold.sessions import Life, Step
from git_session.core.wire.evidence import host_of
from git_session.log.session_log import SessionLog

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_STEPS: Final = (
    *(1000 * n for n in (1, 2, 5, 10, 15, 30)),
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 28, 91, 364, 3640)),
)

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


def read_work(log: SessionLog) -> list[Work]:
    """Read all sessions, with what is known here and now of their lives."""
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
    """Make the row of a TimelineBar."""
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
    log: SessionLog,
    *,
    since: int | None = None,
    until: int | None = None,
    is_whole: bool = False,
    describe: Callable[[Work], Row] = bar_row,
) -> Row:
    """Make the row of a Timeline: the sessions that lived between two times (ms since the epoch).

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


class Span(NamedTuple):
    """Holds how long a session was in one state: from `from_ts` until before `until_ts`."""

    state: str
    from_ts: int
    until_ts: int


@dataclass(frozen=True, slots=True)
class Bar:
    """Holds when a session was in which state.

    `end_ts` is None while it has not exited. From `seen_ts`, its last sign of life, to the end of
    the last span nothing was heard of it. A session that exited and went on has a gap.
    """

    begin_ts: int
    end_ts: int | None
    seen_ts: int
    spans: tuple[Span, ...]


def plan_bar(life: Life, now: int, seen_ts: int | None = None) -> Bar:
    """Plan the bar of one session; one that lives reaches to `now`.

    `seen_ts` is a sign of life that is not in the log.
    """
    steps = [step for step in life.steps if not step.is_late]
    begin = seen = since = _begin_of(steps[0])
    state = steps[0].state.state
    spans: list[Span] = []
    for step in steps:
        seen = max(step.event.ts, seen)
        if step.state.state != state:
            _add_span(spans, state, since, seen)
            state, since = step.state.state, seen
    if state == "exit":
        return Bar(begin, since, since, tuple(spans))
    until = max(now, seen)
    _add_span(spans, state, since, until)
    beat = max(seen_ts or 0, life.state.last_heartbeat_ts or 0)
    return Bar(begin, None, max(seen, min(beat, until)), tuple(spans))


def is_within(bar: Bar, since: int | None, until: int | None) -> bool:
    """Return whether any part of a bar lies between two times; None is without a limit."""
    begins_before = until is None or bar.begin_ts <= until
    ends_after = since is None or bar.end_ts is None or bar.end_ts >= since
    return begins_before and ends_after


def find_last_day(bars: Collection[Bar], now: int) -> tuple[int, int]:
    """Find the last day's work: from when it began, and until when, which is `now` within a day.

    It goes by signs of life: what nobody heard of for days does not stretch it. What a wrong clock
    stamped with a time to come counts as of now, or all the rest would be a dot.
    """
    last = max((min(bar.seen_ts, now) for bar in bars), default=now)
    day = last - _DAY
    begin = min((max(bar.begin_ts, day) for bar in bars if bar.seen_ts >= day), default=day)
    until = now if now - last <= _DAY else last
    return min(begin, until), until


def plan_ticks(from_ts: int, until_ts: int, most: int) -> tuple[int, list[int]]:
    """Plan where a time axis is marked: the step in ms, and at most `most` round times (UTC)."""
    length = max(until_ts - from_ts, 1)
    fitting = (step for step in _STEPS if length // step < max(most, 1))
    step = next(fitting, _STEPS[-1] * (length // _STEPS[-1] + 1))
    first = -(-from_ts // step) * step
    return step, list(range(first, until_ts + 1, step))[: max(most, 1)]


def _begin_of(first: Step) -> int:
    """Return when a session began; what its block says counts where the event does not deny it."""
    said = first.state.started_ts
    return said if first.event.ts - _DAY <= said <= first.event.ts else first.event.ts


def _add_span(spans: list[Span], state: str, since: int, until: int) -> None:
    if state != "exit" and until > since:
        spans.append(Span(state, since, until))
