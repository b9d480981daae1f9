"""Sessions as bars in time: what is drawn where, in a terminal and in a pipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.cli.ui.chart import ASCII, UNICODE, draw_timeline
from git_session.cli.ui.text import cell_width
from git_session.core.answers.views import Timeline
from git_session.core.fold.sessions import Life, Step
from git_session.core.wire.block import SessionState
from git_session.core.wire.event import COMMENT_ADDED, Event
from git_session.core.wire.words import STATES
from git_session.log.session_log import SessionLog
from git_session.views.timeline import (
    Bar,
    Span,
    find_last_day,
    is_within,
    plan_bar,
    plan_ticks,
    timeline_row,
)
from tests.cli.test_terminal import COLOURS, run_on_terminal
from tests.conftest import Cli
from tests.support.stores import make_log

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
T0: Final = 1_795_003_200_000
"""12:00 UTC of a day."""


def _life(*steps: tuple[str, int], started: int = T0, beat: int | None = None) -> Life:
    """Makes a session's life out of states and the times (ms) of their events."""
    life = Life(b"\x01" * 16, "s-1")
    for state, ts in steps:
        event = Event(b"", b"\x01" * 16, b"", ts, None, COMMENT_ADDED, None, None, b"")
        block = SessionState(state, "s-1", "user", "crew", "codex", "", started, None, beat)
        life.current = Step(event, block, None, is_late=False, is_fork=False)
        life.steps.append(life.current)
    return life


# ------------------------------------------------------------------------------------ geometry


def test_a_bar_has_a_span_for_each_state_and_ends_with_the_exit() -> None:
    steps = [("spawned", T0), ("ready", T0 + 1), ("ready", T0 + 5), ("running", T0 + 9)]
    bar = plan_bar(_life(*steps, ("exit", T0 + 20)), T0 + 100)
    spans = (Span("spawned", T0, T0 + 1), Span("ready", T0 + 1, T0 + 9))
    assert bar.spans == (*spans, Span("running", T0 + 9, T0 + 20))
    assert (bar.begin_ts, bar.end_ts, bar.seen_ts) == (T0, T0 + 20, T0 + 20)


def test_the_bar_of_a_live_session_reaches_to_the_present_and_tells_when_it_was_heard_of() -> None:
    bar = plan_bar(_life(("running", T0), ("running", T0 + 5), beat=T0 + 30), T0 + 100)
    assert bar == Bar(T0, None, T0 + 30, (Span("running", T0, T0 + 100),))


def test_a_sign_of_life_that_is_not_in_the_log_counts_but_not_beyond_the_present() -> None:
    life = _life(("running", T0))
    assert [plan_bar(life, T0 + 100, ts).seen_ts for ts in (None, T0 + 9, T0 + 200)] == [
        *(T0, T0 + 9, T0 + 100),
    ]


def test_a_session_that_exited_and_went_on_has_a_gap() -> None:
    bar = plan_bar(_life(("running", T0), ("exit", T0 + 5), ("running", T0 + 8)), T0 + 10)
    assert bar.spans == (Span("running", T0, T0 + 5), Span("running", T0 + 8, T0 + 10))
    assert bar.end_ts is None


@pytest.mark.parametrize(("said", "begin"), [(T0 - 5, T0 - 5), (0, T0), (T0 + 9, T0), (-1, T0)])
def test_a_bar_begins_when_the_block_says_unless_the_event_denies_it(said: int, begin: int) -> None:
    assert plan_bar(_life(("running", T0), started=said), T0 + 10).begin_ts == begin


times = st.integers(0, 2**42)


@given(st.lists(st.tuples(st.sampled_from(STATES), times), min_size=1), times, st.integers())
def test_no_clock_makes_a_bar_run_backwards(
    steps: list[tuple[str, int]], now: int, started: int
) -> None:
    bar = plan_bar(_life(*steps, started=started, beat=started), now)
    edges = [bar.begin_ts]
    for span in bar.spans:
        assert span.until_ts > span.from_ts
        edges += [span.from_ts, span.until_ts]
    assert edges == sorted(edges)
    last = bar.end_ts if bar.end_ts is not None else max(now, bar.seen_ts)
    assert bar.begin_ts <= bar.seen_ts <= last
    assert (bar.end_ts is None) is (steps[-1][0] != "exit")


def test_a_bar_is_within_a_range_that_any_part_of_it_touches() -> None:
    ended, live = Bar(T0, T0 + 10, T0 + 10, ()), Bar(T0, None, T0, ())
    assert is_within(ended, T0 + 10, T0 + 20)
    assert is_within(ended, None, T0)
    assert not is_within(ended, T0 + 11, None)
    assert not is_within(ended, None, T0 - 1)
    assert is_within(live, T0 + DAY, None)


def test_the_last_days_work_goes_by_signs_of_life_and_spans_a_day_at_most() -> None:
    now = T0 + 10 * DAY
    assert find_last_day([Bar(now - HOUR, None, now, ())], now) == (now - HOUR, now)
    assert find_last_day([Bar(T0, None, now, ())], now) == (now - DAY, now)
    forgotten, ended = Bar(T0, None, T0 + 1, ()), Bar(T0 + 5 * DAY, T0 + 6 * DAY, T0 + 6 * DAY, ())
    assert find_last_day([forgotten, ended], now) == (T0 + 5 * DAY, T0 + 6 * DAY)
    wrong = Bar(now + 500 * DAY, None, now + 500 * DAY, ())
    assert find_last_day([wrong, Bar(now - HOUR, None, now, ())], now) == (now - HOUR, now)
    assert find_last_day([], now) == (now - DAY, now)


@given(st.integers(0, 253402300799999), st.integers(0, 10**13), st.integers(1, 40))
def test_an_axis_has_few_round_marks_within_its_ends(begin: int, length: int, most: int) -> None:
    step, ticks = plan_ticks(begin, begin + length, most)
    assert len(ticks) <= most
    assert all(begin <= ts <= begin + length and ts % step == 0 for ts in ticks)
    assert length < step or ticks


# ------------------------------------------------------------------------------------- drawing


def _bar(state: str, begin: int, end: int | None = None, **fields: Any) -> dict[str, Any]:
    spans = [{"state": "running", "from_ts": begin, "until_ts": end or T0 + 10 * HOUR}]
    return {
        "session_id": "s-20261118-0001",
        "engine": "codex",
        "state": state,
        "exit_code": None,
        "verdict": "unknown",
        "begin_ts": begin,
        "end_ts": end,
        "seen_ts": T0 + 10 * HOUR,
        "spans": spans,
        **fields,
    }


def _draw(*bars: dict[str, Any], width: int = 90, title: str = "Port the lexer") -> list[str]:
    lane = {"task_id": "t-20261118-0001", "title": title, "status": "running", "bars": bars}
    row = {"from_ts": T0, "until_ts": T0 + 10 * HOUR, "now": T0 + 10 * HOUR, "lanes": [lane]}
    lines = draw_timeline(row, width, ASCII)
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def test_a_bar_stands_under_the_times_of_the_axis() -> None:
    axis, title, drawn, *_ = _draw(_bar("exit", T0 + 3 * HOUR, T0 + 6 * HOUR, exit_code=0))
    assert title == "t-20261118-0001  Port the lexer  running"
    assert drawn.startswith("  s-20261118-0001 codex exit 0 ")
    begin, end = axis.index("|15:00"), axis.index("|18:00")
    assert drawn.index("=") == begin
    assert drawn[end] == "o"
    assert set(drawn[begin:end]) == {"="}


def test_some_seconds_have_an_axis_too_and_an_instant_has_none() -> None:
    bar = {**_bar("exit", T0, T0 + 9000, exit_code=0), "spans": []}
    lane = {"task_id": "t-1", "title": "Port the lexer", "status": "running", "bars": [bar]}
    row = {"from_ts": T0 + 1, "until_ts": T0 + 9000, "now": T0 + 9000, "lanes": [lane]}
    axis = "".join(text for text, _ in draw_timeline(row, 90, ASCII)[0])
    assert re.fullmatch(r"( +\|\d\d:\d\d:\d\d)+", axis)
    instant = draw_timeline({**row, "until_ts": T0 + 2}, 90, ASCII)
    assert instant[0][0] == ("t-1", "task")


def test_each_end_has_its_own_shape() -> None:
    quiet = _bar("running", T0, seen_ts=T0 + 5 * HOUR)
    _, _, live, failed, unknown, unheard, *_ = _draw(
        _bar("running", T0),
        _bar("exit", T0, T0 + HOUR, exit_code=137),
        _bar("exit", T0, T0 + HOUR),
        quiet,
    )
    assert live.endswith("=>")
    assert failed.endswith("=x")
    assert unknown.endswith("=x")
    assert re.search(r"=\.{10,}$", unheard)
    _, _, alive, dead, *_ = _draw(
        _bar("running", T0, seen_ts=T0 + 5 * HOUR, verdict="alive"),
        _bar("running", T0, seen_ts=T0 + 10 * HOUR - MINUTE, verdict="dead"),
    )
    assert (alive[-2:], dead[-2:]) == ("=>", "=.")


def test_what_lies_outside_the_range_is_cut_off_at_its_edge() -> None:
    _, _, drawn, *_ = _draw(_bar("exit", T0 - DAY, T0 + DAY, exit_code=0))
    assert drawn.endswith("=")
    assert "o" not in drawn.rpartition("exit 0")[2]


@pytest.mark.parametrize("width", [30, 50, 70, 90, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = _draw(_bar("running", T0), width=width, title="Größe prüfen 🚀 " * 20)[:-1]
    assert max(map(cell_width, lines)) <= max(width, 36)


def test_the_legend_tells_every_shape_apart() -> None:
    for shapes in (UNICODE, ASCII):
        assert len(set(shapes.values())) == len(shapes)
        assert all(cell_width(shape) == 1 for shape in shapes.values())


# --------------------------------------------------------------------------------- the command


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    path = tmp_path / "busy"
    make_log(path, 200, 8)
    return path


def test_the_rows_are_those_of_the_model_and_of_the_sessions_that_lived_then(busy: Path) -> None:
    log = SessionLog.open(busy)
    whole = timeline_row(log, is_whole=True)
    assert Timeline.model_validate(whole).total == 8
    first = min(bar["begin_ts"] for lane in whole["lanes"] for bar in lane["bars"])
    assert whole["from_ts"] == first
    early = timeline_row(log, until=first)
    ids = [bar["session_id"] for lane in early["lanes"] for bar in lane["bars"]]
    assert ids == [row["session_id"] for row in log.session_rows(include_exited=True)][: len(ids)]
    assert 0 < len(ids) < 8


def test_a_pipe_gets_plain_text_and_a_terminal_colours_unless_refused(cli: Cli, busy: Path) -> None:
    piped = cli(busy, "timeline")
    assert piped.code == 0
    assert "━" in piped.stdout
    assert "\x1b" not in piped.stdout
    assert max(map(cell_width, piped.stdout.splitlines())) <= 100
    assert re.match(r"8 sessions, 2026-11-18 .* UTC to .* UTC\n", piped.stderr)
    shown = run_on_terminal(busy, "timeline", columns=80)
    assert "\x1b[32m" in shown
    plain = COLOURS.sub("", shown)
    assert max(map(cell_width, plain.splitlines()[:-1])) <= 80
    refused = run_on_terminal(busy, "timeline", columns=80, env={"NO_COLOR": "1"})
    assert refused.splitlines() == plain.splitlines()


def test_an_encoding_without_lines_gets_ascii(cli: Cli, busy: Path) -> None:
    drawn = cli(busy, "timeline", env={"PYTHONIOENCODING": "ascii"}).stdout
    assert "==" in drawn
    assert drawn.isascii()


def test_the_range_can_be_chosen_and_the_past_be_looked_at(cli: Cli, busy: Path) -> None:
    early = ("--until", "2026-11-18 11:07:00")
    data = cli(busy, "timeline", "--since", "2026-11-18 11:00", *early, "--json").json()["data"]
    assert data["until_ts"] == 1_795_000_020_999
    assert data["from_ts"] == 1_794_999_600_000
    past = cli(busy, "timeline", "--at", "2026-11-18 11:07:00", "--json").json()["data"]
    assert past["now"] == past["at"]["ts"] == 1_795_000_020_999
    assert 0 < past["total"] < 8
    wrong = cli(busy, "timeline", "--since", "yesterday", *early)
    assert (wrong.code, wrong.stdout) == (2, "")


def test_no_log_and_no_session_are_said(cli: Cli, repo: Path) -> None:
    ran = cli(repo, "timeline")
    assert (ran.code, ran.stdout) == (0, "")
    assert "no session log" in ran.stderr
