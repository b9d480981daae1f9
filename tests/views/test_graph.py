"""The log as a graph and in forms of the user's: what follows what, and what is printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_session.cli.ui.log_format import FIELDS, Format
from git_session.core.answers.sessions import Transition
from git_session.errors import UsageError
from git_session.log.session_log import SessionLog
from git_session.sync.rounds import sync_log
from git_session.views.graph import Node, draw_graph, order_nodes
from tests.cli.test_terminal import run_on_terminal
from tests.conftest import Cli, git
from tests.support.stores import (
    COMMENT_ADDED,
    EPOCH,
    ISSUE_CREATED,
    WAL,
    Event,
    format_block,
    write_log,
)

Checkout = Callable[[str], Path]

ISSUE, DESK, SERVER = b"\x07" * 16, b"\x01" * 16, b"\x02" * 16


def _node(key: str | None, parent: str | None = None, ts: int = 0) -> Node[str]:
    return Node(key, parent, ts, key or "=")


def _draw(*nodes: Node[str]) -> list[str]:
    return [f"{line:<8}{content or ''}".rstrip() for line, content in draw_graph(nodes)]


# ------------------------------------------------------------------------------------- drawing


def test_a_chain_has_a_column_until_it_ends_and_the_next_one_may_take_it() -> None:
    assert _draw(_node("b2", "b1"), _node("a2", "a1"), _node("b1"), _node("c1"), _node("a1")) == [
        "*       b2",
        "| *     a2",
        "* |     b1",
        "* |     c1",
        "  *     a1",
    ]


def test_two_blocks_that_follow_the_same_one_join_above_it() -> None:
    assert _draw(_node("a3", "a1"), _node("a2", "a1"), _node("a1", "a0"), _node("a0")) == [
        "*       a3",
        "| *     a2",
        "|/",
        "*       a1",
        "*       a0",
    ]


def test_columns_join_across_those_between_them() -> None:
    nodes = [_node("a3", "a1"), _node("b2", "b1"), _node("c1", "c0"), _node("a2", "a1")]
    assert _draw(*nodes, _node("a1"), _node("b1"), _node("c0")) == [
        "*       a3",
        "| *     b2",
        "| | *   c1",
        "| | | * a2",
        "|_|_|/",
        "*       a1".replace("*      ", "* | |  "),
        "  * |   b1",
        "    *   c0",
    ]


def test_a_merge_is_a_line_across_all_columns_and_ends_none() -> None:
    assert _draw(_node(None), _node("a2", "a1"), _node("b1"), _node(None), _node("a1")) == [
        "+       =",
        "*       a2",
        "| *     b1",
        "+       =",
        "*       a1",
    ]
    both = [_node("a2", "a1"), _node("b2", "b1"), _node("c1"), _node(None)]
    assert _draw(*both)[-1] == "+-+     ="


def test_a_chain_that_goes_on_below_the_last_line_stays_open() -> None:
    assert _draw(_node("a9", "a8"), _node("b9", "b8")) == ["*       a9", "| *     b9"]


def test_newest_come_first_but_never_before_those_that_follow_them() -> None:
    """The desk's clock was an hour ahead when it wrote a1."""
    nodes = [_node("a1", None, 60), _node("a2", "a1", 2), _node("b1", None, 30)]
    assert [node.key for node in order_nodes(nodes)] == ["b1", "a2", "a1"]
    same = [_node("b", None, 5), _node("a", None, 5)]
    assert [node.key for node in order_nodes(same)] == ["b", "a"]


@st.composite
def forests(draw: st.DrawFn) -> list[Node[str]]:
    """Draws nodes of which each may follow any earlier one, at any time, and merges."""
    size = draw(st.integers(0, 30))
    nodes = []
    for number in range(size):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        key = None if draw(st.integers(0, 9)) == 0 else f"n{number}"
        name = None if parent is None or key is None else f"n{parent}"
        nodes.append(_node(key, name, draw(st.integers(0, 50))))
    return draw(st.permutations(nodes))


@settings(max_examples=50)
@given(forests())
def test_each_node_stands_once_on_a_line_that_leads_from_those_that_follow_it(
    nodes: list[Node[str]],
) -> None:
    ordered = order_nodes(nodes)
    assert sorted(ordered, key=str) == sorted(nodes, key=str)
    place = {node.key: number for number, node in enumerate(ordered) if node.key}
    for number, node in enumerate(ordered):
        assert node.parent not in place or place[node.parent] > number
    drawn: list[tuple[str, str | None]] = [*draw_graph(ordered)]
    assert [told for _, told in drawn if told is not None] == [node.content for node in ordered]
    waiting: dict[int, str] = {}  # whom each column leads to
    nodes_left = iter(ordered)
    for line, told in drawn:
        if told is None:
            joined = (line.index("/") + 1) // 2
            key = waiting.pop(joined)
            assert min(column for column, other in waiting.items() if other == key) < joined
            continue
        node = next(nodes_left)
        assert {n // 2 for n, char in enumerate(line) if char == "|"} <= waiting.keys()
        if node.key is None:
            assert {n // 2 for n, char in enumerate(line) if char == "+"} - {0} <= waiting.keys()
            continue
        (column,) = (n // 2 for n, char in enumerate(line) if char == "*")
        assert waiting.pop(column, node.key) == node.key
        assert node.key not in waiting.values()
        if node.parent is not None:
            waiting[column] = node.parent


# ------------------------------------------------------------------------------------ commands


def _block(actor: bytes, ts: int, state: str, parent: Event | None, note: str = "") -> Event:
    body = f"{note}\n{format_block(state, 's-1')}"
    return Event(ISSUE, actor, ts, COMMENT_ADDED, [body], parent.id() if parent else None)


@pytest.fixture
def forked(repo: Path) -> Path:
    """Gives a log in which two clones went on from the same block and were merged."""
    task = Event(ISSUE, DESK, EPOCH, ISSUE_CREATED, ["Port the lexer", "", []])
    begun = _block(DESK, EPOCH + 1000, "running", None)
    ours = _block(DESK, EPOCH + 2000, "running", begun, "%h of \x1b[31mours\nand more")
    theirs = _block(SERVER, EPOCH + 3000, "handoff", begun)
    base = write_log(repo, [[task], [begun]])
    write_log(repo, [[theirs]], onto=base)
    git(repo, "update-ref", "refs/grite/theirs", WAL)
    git(repo, "update-ref", WAL, base)
    write_log(repo, [[ours]], onto=base)
    hub = repo.parent / "hub.git"
    git(repo.parent, "init", "--quiet", "--bare", str(hub))
    git(repo, "push", "--quiet", str(hub), f"refs/grite/theirs:{WAL}")
    git(repo, "update-ref", "-d", "refs/grite/theirs")
    git(repo, "remote", "add", "origin", str(hub))
    _, error = sync_log(SessionLog.open(repo))
    assert error is None
    return repo


def test_the_graph_shows_where_two_clones_went_on_and_the_merge_that_tells(
    cli: Cli, forked: Path
) -> None:
    ran = cli(forked, "log", "--graph")
    assert (ran.code, ran.stderr) == (0, "")
    merge, theirs, ours, join, begun = ran.stdout.splitlines()
    heads = git(forked, "rev-parse", f"{WAL}^1", f"{WAL}^2").split()
    assert merge.startswith(f"+    {git(forked, 'rev-parse', WAL)[:7]}  ")
    assert merge.endswith(f"merge               of {heads[0][:7]} and {heads[1][:7]}")
    assert theirs.startswith("*    ")
    assert "running -> handoff" in theirs
    assert ours.startswith("| *  ")
    assert join == "|/"
    assert begun.startswith("*    ")
    one = cli(forked, "log", "--graph", "s-1").stdout.splitlines()
    assert [line[:3].rstrip() for line in one] == ["*", "| *", "|/", "*"]
    assert cli(forked, "log", "--graph", "-n", "2").stdout.splitlines()[1].startswith("*")


def test_a_form_is_filled_in_beside_the_graph_and_without_it(cli: Cli, forked: Path) -> None:
    drawn = cli(forked, "log", "--graph", "--format", "%s%n%(actor)").stdout.splitlines()
    assert drawn[1:] == [
        "*   running -> handoff",
        f"|   {SERVER.hex()}",
        "| * running",
        f"| | {DESK.hex()}",
        "|/",
        "*   -> running",
        f"|   {DESK.hex()}",
    ]
    form = "%(session_id)%x09%aI %at%%%(parent)"
    *_, first = cli(forked, "log", "--format", form).stdout.splitlines()
    assert first == "s-1\t2026-11-18T11:06:41+00:00 1795000001%"


def test_nothing_of_the_store_is_taken_for_a_placeholder_or_obeyed(cli: Cli, forked: Path) -> None:
    notes = cli(forked, "log", "--format", "<%b>").stdout
    assert "<%h of ours and more>\n" in notes
    assert "\x1b" not in notes


def test_every_field_of_the_json_can_be_printed(cli: Cli, forked: Path) -> None:
    assert set(FIELDS) == set(Transition.model_fields)
    form = "|".join(f"%({field})" for field in FIELDS)
    shown = cli(forked, "log", "--format", form).stdout.splitlines()
    rows = cli(forked, "log", "--json").json()["data"]["transitions"]
    for line, row in zip(shown, rows, strict=True):
        cells = dict(zip(FIELDS, line.split("|"), strict=True))
        for field in ("session_id", "commit", "event_id", "to_state", "actor"):
            assert cells[field] == row[field]
        assert cells["is_fork"] == str(row["is_fork"]).lower()
        assert cells["parent"] == (row["parent"] or "")


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        ("%(sesion_id)", "did you mean %(session_id)?"),
        ("%z", "%H %h %at"),
        ("%", "%H %h %at"),
        ("%xff", "%H %h %at"),
        ("%(", "%H %h %at"),
        ("%(__class__)", "%H %h %at"),
    ],
)
def test_what_is_no_placeholder_is_refused(form: str, hint: str) -> None:
    with pytest.raises(UsageError, match="unknown placeholder") as caught:
        Format(form)
    assert (caught.value.hint or "").startswith(hint)


@given(st.text())
def test_any_form_is_understood_or_refused_and_text_without_a_sign_is_itself(form: str) -> None:
    row: dict[str, Any] = dict.fromkeys(FIELDS, "x") | {"ts": 0, "changes": {}}
    row |= {"is_late": False, "is_legal": True, "is_fork": False}
    try:
        filled = Format(form).fill(row, 1000)
    except UsageError:
        assert "%" in form
    else:
        assert "%" in form or filled == form


def test_json_has_its_own_form(cli: Cli, forked: Path) -> None:
    for args in (("--graph",), ("--format", "%h")):
        ran = cli(forked, "log", "--json", *args)
        assert (ran.code, ran.json()["ok"]) == (2, False)


def test_the_graph_has_colours_on_a_terminal_alone(cli: Cli, forked: Path) -> None:
    shown = run_on_terminal(forked, "log", "--graph", "--no-pager")
    assert "\x1b[31m*\x1b[0m" in shown
    assert "\x1b[32m*\x1b[0m" in shown
    assert "\x1b" not in cli(forked, "log", "--graph").stdout
