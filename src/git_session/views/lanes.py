"""Sessions as bars in time: pure geometry, for whoever draws them.

A lane is a task's, a bar a session's, a span the part of a bar in which the state was the same.
Times are ms since the epoch. They come from the events, which a wrong clock may have stamped:
a bar never runs backwards, but it may lie in the future.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from git_session.core.fold.sessions import Life, Step

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_STEPS: Final = (
    *(1000 * n for n in (1, 2, 5, 10, 15, 30)),
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 28, 91, 364, 3640)),
)


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
    """Plans the bar of one session; one that lives reaches to `now`.

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
    """Tells whether any part of a bar lies between two times; None is without a limit."""
    begins_before = until is None or bar.begin_ts <= until
    ends_after = since is None or bar.end_ts is None or bar.end_ts >= since
    return begins_before and ends_after


def find_last_day(bars: Collection[Bar], now: int) -> tuple[int, int]:
    """Finds the last day's work: from when it began, and until when, which is `now` within a day.

    It goes by signs of life: what nobody heard of for days does not stretch it. What a wrong clock
    stamped with a time to come counts as of now, or all the rest would be a dot.
    """
    last = max((min(bar.seen_ts, now) for bar in bars), default=now)
    day = last - _DAY
    begin = min((max(bar.begin_ts, day) for bar in bars if bar.seen_ts >= day), default=day)
    until = now if now - last <= _DAY else last
    return min(begin, until), until


def plan_ticks(from_ts: int, until_ts: int, most: int) -> tuple[int, list[int]]:
    """Plans where a time axis is marked: the step in ms, and at most `most` round times (UTC)."""
    length = max(until_ts - from_ts, 1)
    fitting = (step for step in _STEPS if length // step < max(most, 1))
    step = next(fitting, _STEPS[-1] * (length // _STEPS[-1] + 1))
    first = -(-from_ts // step) * step
    return step, list(range(first, until_ts + 1, step))[: max(most, 1)]


def _begin_of(first: Step) -> int:
    """Gives when a session began; what its block says counts where the event does not deny it."""
    said = first.state.started_ts
    return said if first.event.ts - _DAY <= said <= first.event.ts else first.event.ts


def _add_span(spans: list[Span], state: str, since: int, until: int) -> None:
    if state != "exit" and until > since:
        spans.append(Span(state, since, until))
