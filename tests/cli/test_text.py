"""Text from the store cannot act on a terminal; times and lengths read as people say them."""

from __future__ import annotations

import json
import shlex
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.cli.ui.describe import format_changes, format_status
from git_session.cli.ui.text import (
    LEAST_ID,
    cell_width,
    count,
    cut_cell,
    cut_id,
    format_age,
    format_ago,
    format_time,
)
from git_session.core.wire.json_text import format_json
from git_session.core.wire.plain_text import quote_word, strip_controls, strip_lines

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Texts made of what terminals react to, so that hypothesis meets whole and broken sequences.
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(["\x1b[", "\x1b]", "\x9b", "\x07", "\x1b\\", "31m", "0;t", "\r\n", "\x1b"]),
        st.characters(),
        st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp")),
    )
).map("".join)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;new window title\x07after", "after"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\after", "after"),
        ("\x1b]0;never ended, so nothing may vanish", "0;never ended, so nothing may vanish"),
        ("\x1b[2J\x1b[1;1Hover the top", "over the top"),
        ("\x1bcreset", "reset"),
        ("two\nlines\r\nand\tmore", "two lines and more"),
        ("line\u2028separator\u2029paragraph\x85next", "line separator paragraph next"),
        ("back\x08\x08space\x00nul\x7fdel", "backspacenuldel"),
        ("user\u202etxt.exe\u2066\u2069\u200f", "usertxt.exe"),
        ("drop\u200bped\ufeff\u2060\xad", "dropped"),
        ("flag\U000e0067\U000e0062", "flag"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("Größe prüfen · 4f1c 🚀 日本 👩\u200d💻", "Größe prüfen · 4f1c 🚀 日本 👩\u200d💻"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_taken_out_and_the_rest_stays(
    hostile: str, shown: str
) -> None:
    assert strip_controls(hostile) == shown


@given(HOSTILE)
def test_no_stripped_text_holds_anything_a_terminal_acts_on(text: str) -> None:
    stripped = strip_controls(text)
    assert {unicodedata.category(char) for char in stripped}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert not any(unicodedata.bidirectional(char) in BIDI_CONTROLS for char in stripped)
    assert strip_controls(stripped) == stripped


BIDI_CONTROLS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(st.characters(categories=("L", "M", "N", "P", "S"))))
def test_text_that_is_harmless_is_shown_as_it_is(text: str) -> None:
    assert strip_controls(text) == text


@given(HOSTILE)
def test_the_lines_of_a_text_stay_lines_and_are_each_stripped(text: str) -> None:
    lines = strip_lines(text)
    assert all(strip_controls(line) == line for line in lines)


def test_lines_are_kept_where_they_are_wanted() -> None:
    assert strip_lines("a\tb\r\n\x1b[1mc\x1b[0m\n\nd\r") == ["a       b", "c", "", "d "]


def test_json_is_the_same_value_and_holds_nothing_that_a_terminal_obeys() -> None:
    whole = "".join(map(chr, (*range(0xD800), *range(0xE000, sys.maxunicode + 1))))
    for document in (whole, whole.encode("utf-16-le").decode("latin-1"), "\ud83d alone"):
        written = format_json({document: [document]})
        assert json.loads(written) == {document: [document]}
        shown = written.decode()
        assert strip_controls(shown) == shown
        assert not {"\n", "\u2028", "\u2029"} & set(shown)


@given(HOSTILE)
def test_a_word_to_be_typed_is_one_word_to_a_shell_and_none_to_a_terminal(text: str) -> None:
    word = quote_word(text)
    assert shlex.split(word) == [strip_controls(text)]
    assert strip_controls(word) == word


def test_a_megabyte_of_unfinished_escape_sequences_is_stripped_whole() -> None:
    """Each alternative of the pattern stops at the next escape, so this is no quadratic walk."""
    assert strip_controls("\x1b]a" * 300_000) == "a" * 300_000
    assert strip_controls("\x1b[" + "1;" * 500_000) == "1;" * 500_000


@pytest.mark.parametrize(
    ("ms", "short", "long"),
    [
        (0, "0s", "just now"),
        (999, "0s", "just now"),
        (1000, "1s", "1 second ago"),
        (12_345, "12s", "12 seconds ago"),
        (MINUTE, "1m", "1 minute ago"),
        (HOUR - 1, "59m", "59 minutes ago"),
        (2 * HOUR, "2h", "2 hours ago"),
        (3 * DAY, "3d", "3 days ago"),
        (800 * DAY, "2y", "2 years ago"),
        (-500, "0s", "just now"),
        (-2 * HOUR, "in 2h", "in 2 hours"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_unit(ms: int, short: str, long: str) -> None:
    assert (format_age(ms), format_ago(ms)) == (short, long)


def test_a_time_is_told_as_a_date_and_as_how_long_ago() -> None:
    assert format_time(1_700_000_000_000, 1_700_000_060_000) == (
        "2023-11-14 22:13:20 UTC (1 minute ago)"
    )


@pytest.mark.parametrize("ts", [2**63 - 1, -(2**63), 253402300800000])
def test_a_time_that_has_no_date_is_told_as_its_number(ts: int) -> None:
    assert format_time(ts, 0) == str(ts)


def test_numbers_agree_with_their_words() -> None:
    assert [count(n, "task") for n in (0, 1, 2)] == ["0 tasks", "1 task", "2 tasks"]


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abc.."),
        ("abcdef", 2, ".."),
        ("abcdef", 1, "."),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日 .."),
    ],
)
def test_a_cut_text_says_that_something_is_missing(text: str, width: int, cut: str) -> None:
    assert cut_cell(text, width) == cut


@given(st.text(st.characters(categories=("L", "N", "P", "S"))), st.integers(1, 40))
def test_a_cut_text_takes_no_more_room_than_it_was_given(text: str, width: int) -> None:
    assert cell_width(cut_cell(text, width)) <= width


def test_a_closed_issue_reads_as_closed_whatever_its_label_says() -> None:
    told = [
        format_status({"status": status, "state": state})
        for status, state in (
            *(("running", "open"), ("running", "closed"), ("merged", "closed")),
            *((None, "open"), (None, "closed")),
        )
    ]
    assert told == ["running", "running, closed", "merged", "open", "closed"]


@given(st.text("abc-123", max_size=30), st.integers(0, 40))
def test_a_cut_id_fits_and_keeps_its_end_where_there_is_room(text: str, width: int) -> None:
    cut = cut_id(text, width)
    assert len(cut) <= width
    if len(text) <= width:
        assert cut == text
    elif width >= LEAST_ID:
        assert len(cut) == width
        assert cut.endswith(f"..{text[-4:]}")
        assert text.startswith(cut[:-6])


def test_the_evidence_of_a_process_is_for_machines_and_its_pid_and_host_for_people() -> None:
    changes = {"engine": "sh", "pid": 24320, "boot_id": "9d03", "host": "vm", "machine": "a762"}
    changes |= {"pid_ns": 4026531836, "pid_start": 2791906}
    marks = {"is_late": False, "is_legal": True, "is_fork": False}
    row = {"from_state": None, "to_state": "spawned", "changes": changes, "note": "", **marks}
    assert format_changes(row) == "engine sh, pid 24320, host vm"
    whole = format_changes(row, is_whole=True)
    assert all(f"{name} {value}" in whole for name, value in changes.items())
