"""Tables: aligned and whole in a pipe, fitted to the width on a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from git_session.cli.ui.table import Column, format_pairs, format_table
from git_session.cli.ui.text import cell_width

COLUMNS = (Column("ID"), Column("TITLE", least=6, drop=2), Column("PLACE", least=5, drop=1))
ROWS = [["s-1", "Port the lexer to C", "trees/lexer"], ["s-20", "日本", ""]]

CELLS = st.lists(
    st.lists(st.text(max_size=30), min_size=3, max_size=3), max_size=6
)  # any text, control characters included


def test_in_a_pipe_columns_are_aligned_and_nothing_is_cut() -> None:
    assert format_table(COLUMNS, ROWS, None) == [
        "ID    TITLE                PLACE",
        "s-1   Port the lexer to C  trees/lexer",
        "s-20  日本",
    ]


def test_wide_characters_do_not_shift_the_columns_after_them() -> None:
    lines = format_table(COLUMNS, [["1", "日本", "here"], ["2", "ab", "there"]], None)
    assert [cell_width(line[: line.index("here")]) for line in lines[1:2]] == [len("ID  TITLE  ")]
    assert lines[2].index("there") == len("ID  TITLE  ")


def test_one_endless_cell_in_a_pipe_does_not_widen_the_other_lines() -> None:
    lines = format_table(COLUMNS, [["1", "x" * 1_000_000, "a"], ["2", "short", "b"]], None)
    assert lines[1] == f"1   {'x' * 1_000_000}  a"
    assert len(lines[2]) < 100


def test_on_a_narrow_terminal_the_soft_columns_are_cut_and_say_so() -> None:
    assert format_table(COLUMNS, ROWS, 28) == [
        "ID    TITLE       PLACE",
        "s-1   Port the..  trees/le..",
        "s-20  日本",
    ]


def test_endless_cells_are_fitted_to_a_terminal_like_any_others() -> None:
    lines = format_table(COLUMNS, [["1", "x" * 1_000_000, "y" * 1_000_000]], 40)
    assert cell_width(lines[1]) == 40


def test_on_a_very_narrow_terminal_columns_go_in_the_order_of_their_weight() -> None:
    assert format_table(COLUMNS, ROWS, 14)[1] == "s-1   Port t.."
    assert format_table(COLUMNS, ROWS, 8) == ["ID", "s-1", "s-20"]
    assert (
        format_table((Column("A"), Column("B")), [["longer", "text here"]], 12)[1] == "lon..  tex.."
    )


def test_on_a_terminal_a_column_that_says_nothing_is_left_out() -> None:
    assert format_table(COLUMNS, [["s-1", "", "here"]], 80) == ["ID   PLACE", "s-1  here"]


def test_a_table_without_titles_has_no_heading() -> None:
    assert format_table((Column(""), Column("")), [["a", "b"]], None) == ["a  b"]


def test_colours_wrap_the_padded_cell_and_only_where_they_are_wanted() -> None:
    columns = (Column("A", paint=lambda cell: f"<{cell}>"), Column("B"))
    assert format_table(columns, [["x", "y"], ["xyz", ""]], 80, colored=True) == [
        "A    B",
        "<x  >  y",
        "<xyz>",
    ]
    assert format_table(columns, [["x", "y"]], 80)[1] == "x  y"


@given(CELLS)
def test_every_row_is_one_line_whatever_its_cells_hold(rows: list[list[str]]) -> None:
    for width in (None, 20, 80):
        lines = format_table(COLUMNS, rows, width)
        assert len(lines) == len(rows) + 1
        assert not any("\n" in line or "\x1b" in line for line in lines)


@given(CELLS, st.integers(20, 120))
def test_no_line_is_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    assert all(cell_width(line) <= width for line in format_table(COLUMNS, rows, width))


def test_pairs_are_aligned_on_one_line_each_and_show_what_is_missing() -> None:
    assert format_pairs([("pid", "12"), ("worktree", ""), ("title", "a\nstate: exit")]) == [
        "pid:      12",
        "worktree: -",
        "title:    a state: exit",
    ]
