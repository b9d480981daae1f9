"""Which sessions a list shows, in what order, and what their attributes come to."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.errors import UsageError
from git_session.views.listing import (
    SORT_WORDS,
    arrange_tree,
    filter_sessions,
    sort_sessions,
    sum_attributes,
)
from git_session.views.repositories import shorten_names

Row = dict[str, Any]

NOW: Final = 1_800_000_000_000


def _row(session: str, parent: str | None = None, **changes: Any) -> Row:
    row: Row = {
        "session_id": session,
        "task_id": "t-1",
        "grite_issue_id": "0" * 32,
        "task_title": "Port the Lexer",
        "engine": "codex",
        "worktree": "",
        "role": "user",
        "state": "running",
        "started_ts": NOW,
        "updated_ts": NOW,
        "last_heartbeat_ts": None,
        "exit_reason": None,
        "activity": None,
        "parent_session": parent,
        "attributes": {},
        "liveness": {"verdict": "unknown", "reasons": [], "evidence": {"beat_ts": NOW}},
    }
    return row | changes


def _ids(rows: list[Row]) -> list[str]:
    return [row["session_id"] for row in rows]


def _tree(*rows: Row) -> list[str]:
    return [" " * depth + row["session_id"] for depth, row in arrange_tree(rows)]


def test_each_session_stands_below_the_one_it_was_started_in() -> None:
    rows = [_row("c", "b"), _row("a"), _row("b", "a"), _row("d"), _row("e", "a")]
    assert _tree(*rows) == ["a", " b", "  c", " e", "d"]


def test_whose_parent_is_not_shown_stands_by_itself() -> None:
    assert _tree(_row("b", "elsewhere"), _row("a")) == ["b", "a"]


def test_a_circle_of_parents_loses_nobody() -> None:
    assert _tree(_row("a", "b"), _row("b", "a"), _row("c", "c")) == ["c", "a", " b"]


def test_of_two_parents_of_one_name_the_nearer_one_counts() -> None:
    far = _row("p", grite_issue_id="1" * 32)
    assert _tree(far, _row("p", started_ts=1), _row("c", "p")) == ["p", "p", " c"]
    there = _row("p", repository="/there")
    here = _row("p", repository="/here", grite_issue_id="1" * 32)
    assert _tree(there, here, _row("c", "p", repository="/here")) == ["p", "p", " c"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.sampled_from("abcdx"))))
def test_a_tree_holds_every_session_once(pairs: list[tuple[str, str | None]]) -> None:
    rows = [_row(*pair, started_ts=number) for number, pair in enumerate(pairs)]
    arranged = arrange_tree(rows)
    assert sorted(row["started_ts"] for _, row in arranged) == list(range(len(rows)))
    depths = [depth for depth, _ in arranged]
    assert all(after <= before + 1 for before, after in zip([-1, *depths], depths, strict=False))


def test_sorting_is_by_the_first_word_and_for_equal_ones_by_the_next() -> None:
    rows = [
        _row("a", engine="x", started_ts=2),
        _row("b", engine="y", started_ts=1),
        _row("c", engine="x", started_ts=1),
    ]
    assert _ids(sort_sessions(rows, ["engine", "started"])) == ["c", "a", "b"]
    assert _ids(sort_sessions(rows, ["-engine", "-started"])) == ["b", "a", "c"]
    assert _ids(sort_sessions(rows, [])) == ["a", "b", "c"]


def test_seen_puts_the_latest_first_whether_by_beat_or_by_block() -> None:
    ended = {"verdict": "exited", "reasons": [], "evidence": {}}
    rows = [
        _row("old", liveness={"evidence": {"beat_ts": NOW - 5}}),
        _row("ended", state="exit", liveness=ended, updated_ts=NOW - 1, last_heartbeat_ts=NOW - 9),
        _row("new", liveness={"evidence": {"beat_ts": NOW}}, updated_ts=NOW - 100),
    ]
    assert _ids(sort_sessions(rows, ["seen"])) == ["new", "ended", "old"]
    assert _ids(filter_sessions(rows, since=NOW - 1)) == ["ended", "new"]


@pytest.mark.parametrize("word", SORT_WORDS)
def test_every_word_sorts_one_way_and_the_other(word: str) -> None:
    rows = [_row("a"), _row("b", state="exit", engine="a", task_id="t-0", task_title="a")]
    assert len(sort_sessions(rows, [word])) == len(sort_sessions(rows, [f"-{word}"])) == 2


def test_a_word_that_nobody_sorts_by_names_those_that_are() -> None:
    with pytest.raises(UsageError) as caught:
        sort_sessions([], ["age"])
    assert "seen" in (caught.value.hint or "")


def test_a_text_is_found_wherever_people_see_it_in_small_letters_or_capital() -> None:
    rows = [
        _row("s-1", attributes={"branch": "Fix/größe"}),
        _row("s-2", engine="Claude"),
        _row("s-3", worktree="trees/x", exit_reason="timeout"),
    ]
    for texts, expected in (
        (["GRÖSSE"], ["s-1"]),
        (["branch=fix"], ["s-1"]),
        (["claude"], ["s-2"]),
        (["lexer"], ["s-1", "s-2", "s-3"]),
        (["timeout", "TREES"], ["s-3"]),
        (["timeout", "claude"], []),
        ([".*"], []),
    ):
        assert _ids(filter_sessions(rows, texts=texts)) == expected


def test_attributes_that_are_numbers_are_summed_exactly_and_others_left_out() -> None:
    rows = [
        _row("a", attributes={"tokens": 10, "cost": "0.10", "model": "big", "n": "7"}),
        _row("b", attributes={"tokens": 32, "cost": "0.20", "model": 5}),
        _row("c"),
    ]
    assert sum_attributes(rows) == {"cost": "0.30", "n": 7, "tokens": 42}


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1))
def test_no_sum_of_whole_numbers_is_rounded(numbers: list[int]) -> None:
    rows = [_row("a", attributes={"n": number}) for number in numbers if abs(number) < 10**18]
    expected = sum(row["attributes"]["n"] for row in rows)
    assert sum_attributes(rows) == ({"n": expected} if rows else {})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["/a/x", "/b/y"], ["x", "y"]),
        (["/a/x", "/b/x", "/b/y"], ["a/x", "b/x", "y"]),
        (["/x", "/b/x"], ["x", "b/x"]),
        (["/"], [""]),
        ([], []),
    ],
)
def test_a_repository_is_called_as_shortly_as_tells_it_from_the_others(
    names: list[str], expected: list[str]
) -> None:
    assert list(shorten_names(names).values()) == expected
