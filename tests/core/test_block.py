"""Session blocks: brat's layout byte for byte, and nothing in a value breaks out of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from git_session.core.wire import block
from git_session.core.wire.block import (
    SessionState,
    format_block,
    parse_block,
    split_comment,
)
from git_session.core.wire.words import ROLES, SESSION_TYPES, STATES
from git_session.errors import WireError

PLAIN = """[session]
state = "running"
session_id = "s-20250117-7b3d"
role = "witness"
session_type = "polecat"
engine = "codex"
worktree = ".grite/worktrees/s-20250117-7b3d"
pid = 12345
started_ts = 1700000000000
last_heartbeat_ts = 1700000005000
exit_code = null
exit_reason = null
last_output_ref = "sha256:..."
[/session]"""

PLAIN_STATE = SessionState(
    "running",
    "s-20250117-7b3d",
    "witness",
    "polecat",
    "codex",
    ".grite/worktrees/s-20250117-7b3d",
    1700000000000,
    12345,
    1700000005000,
    None,
    None,
    "sha256:...",
)

FIELDS = [field.name for field in dataclasses.fields(SessionState) if field.name != "extras"]
HOSTILE = [
    '"',
    "\\",
    "\n",
    "[session]",
    "[/session]",
    "=",
    "null",
    " ",
    "\x85",
    "\u2028",
    "[",
    "]",
    '\\"',
]
TEXT = st.one_of(
    st.text(st.characters(codec="utf-8")),
    st.lists(st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), max_size=3)).map(
        "".join
    ),
)
I64 = st.integers(-(2**63), 2**63 - 1)
EXTRAS = st.dictionaries(
    st.from_regex(r"(attr|boot|host)_[a-z0-9_]{1,8}", fullmatch=True), TEXT | I64, max_size=4
)
SESSION_STATES = st.builds(
    SessionState,
    st.sampled_from(STATES),
    TEXT,
    st.sampled_from(ROLES),
    st.sampled_from(SESSION_TYPES),
    TEXT,
    TEXT,
    I64,
    st.none() | st.integers(0, 2**32 - 1),
    st.none() | I64,
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | TEXT,
    st.none() | TEXT,
    EXTRAS,
)


def read_as_brat(comment: str) -> dict[str, str | int | None] | None:
    """Reads a block by brat's published rules, written here anew and apart from our reader."""
    start, end = comment.find("[session]"), comment.find("[/session]")
    if start < 0 or end <= start:
        return None
    found: dict[str, str | int | None] = {"worktree": ""}
    for line in comment[start + 9 : end].split("\n"):
        if "=" in line:
            key, value = (side.strip() for side in line.split("=", 1))
            value = value.strip('"')
            if key in ("pid", "last_heartbeat_ts", "exit_code", "started_ts"):
                found[key] = None if value == "null" else int(value)
            elif key in ("exit_reason", "last_output_ref"):
                found[key] = None if value == "null" else value
            else:
                found[key] = value
    return found


def test_a_plain_block_is_brats_layout_byte_for_byte() -> None:
    assert format_block(PLAIN_STATE) == PLAIN
    assert parse_block(PLAIN) == PLAIN_STATE


@given(SESSION_STATES)
@example(SessionState("exit", "", "user", "crew", "", "", 0, exit_reason="null"))
@example(SessionState("exit", "", "user", "crew", '"', "\\", 0, exit_reason=""))
def test_whatever_is_written_is_read_back_the_same(state: SessionState) -> None:
    assert parse_block(format_block(state)) == state


@given(SESSION_STATES, st.text(), st.text())
def test_nothing_inside_a_value_ends_the_block_or_adds_a_line(
    state: SessionState, before: str, after: str
) -> None:
    block = format_block(state)
    lines = block.split("\n")
    assert block.count("[session]") == block.count("[/session]") == 1
    assert len(lines) == 2 + 12 + len(state.extras) + (lines[1] == 'escape = "toml"')
    assert all(re.match(r"[a-z][a-z0-9_]* = ", line) for line in lines[1:-1])
    text = before.replace("[", "") + block + after
    assert parse_block(text) == state


@given(SESSION_STATES)
def test_a_brat_like_reader_reads_each_plain_block_to_the_same_fields(state: SessionState) -> None:
    block = format_block(state)
    if "escape = " in block:
        return
    read = read_as_brat(block)
    assert read is not None
    for name in FIELDS:
        assert read[name] == getattr(state, name), name


@given(SESSION_STATES)
def test_brat_reads_the_numbers_and_words_of_an_escaped_block_too(state: SessionState) -> None:
    read = read_as_brat(format_block(state))
    assert read is not None
    for name in ("state", "role", "session_type", "pid", "started_ts", "exit_code"):
        assert read[name] == getattr(state, name), name


@pytest.mark.parametrize(
    "bad", ['a"b', "a\\b", "a\nb", "a\x07b", "a\x9bb", "a[session]b", "a[/session]b"]
)
def test_only_what_brats_layout_cannot_hold_is_escaped(bad: str) -> None:
    plain = SessionState("ready", "s-1", "user", "crew", "x = [y]", "ünïcode/…", 1)
    assert "escape" not in format_block(plain)
    escaped = SessionState("ready", "s-1", "user", "crew", bad, "w", 1)
    assert format_block(escaped).startswith('[session]\nescape = "toml"\nstate = ')


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(0, 3),
        st.sampled_from([*HOSTILE, '"', "=", " = ", "9" * 12, "-", "state", "escape", "pid = 1\n"])
        | st.text(max_size=2),
    ),
    max_size=3,
)


@given(SESSION_STATES, CHANGES)
@example(PLAIN_STATE, [])
def test_the_quick_way_to_read_a_block_reads_what_the_slow_one_reads(
    state: SessionState, changes: list[tuple[int, int, str]]
) -> None:
    text = format_block(state)
    for at, length, inserted in changes:
        text = text[: at % len(text)] + inserted + text[at % len(text) + length :]
    assert outcome(block.parse_block, text) == outcome(block._read_lines, text)


def test_blocks_that_are_read_together_share_what_they_say_alike() -> None:
    shared: dict[str, str] = {}
    one, two = block.parse_block(PLAIN, shared), block.parse_block(PLAIN, shared)
    assert one == two == PLAIN_STATE
    assert one.worktree is two.worktree
    assert one.session_id is two.session_id


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pid = 12345", "pid = 4294967296"),
        ("pid = 12345", "pid = -1"),
        ("pid = 12345", 'pid = "12345"'),
        ("pid = 12345", "pid = +5"),
        ("exit_code = null", "exit_code = -2147483649"),
        ("started_ts = 1700000000000", "started_ts = 9223372036854775808"),
        ("started_ts = 1700000000000", "started_ts = null"),
        ("exit_reason = null", 'exit_reason = "null"'),
        ('engine = "codex"', 'engine = ""codex""'),
        ('engine = "codex"', 'engine = "a[/session]b"'),
        ('engine = "codex"', 'engine = " codex = "'),
        ('"sha256:..."', '"sha256:..."\nhost = "null"\nboot = null\nhash = -0007'),
        ('"sha256:..."', '"sha256:..."\nhost = "a"\nhost = "b"'),
        ('"sha256:..."', '"sha256:..."\nstate = "exit"'),
        ('"sha256:..."', '"sha256:..."\nescape = "toml"'),
        ('"sha256:..."', '"sha256:..."\nhost = "a\x0bb\u2028c"'),
    ],
)
def test_what_is_not_quite_plain_is_read_the_same_by_either_way(old: str, new: str) -> None:
    text = PLAIN.replace(old, new)
    assert text != PLAIN
    assert outcome(block.parse_block, text) == outcome(block._read_lines, text)


def outcome(read: Callable[[str], SessionState], text: str) -> SessionState | str:
    """Reads a block, or gives the sentence that says why it is none."""
    try:
        return read(text)
    except WireError as error:
        return error.message


def test_the_word_null_as_text_is_told_from_nothing() -> None:
    state = SessionState("exit", "s-1", "user", "crew", "null", "null", 1, exit_reason="null")
    assert parse_block(format_block(state)) == state
    assert (
        parse_block(PLAIN.replace("exit_reason = null", 'exit_reason = "null"')).exit_reason is None
    )


def test_unknown_keys_are_kept_as_extras_and_text_around_the_block_is_ignored() -> None:
    text = (
        "before\n"
        + PLAIN.replace("[/session]", 'host = "boxA"\nboot = 7\nX = 1\n[/session]')
        + "\nafter"
    )
    state = parse_block(text)
    assert state.extras == {"host": "boxA", "boot": 7}
    assert split_comment(text) is not None
    assert split_comment(text)[2] == "\nafter"  # type: ignore[index]


@pytest.mark.parametrize(
    "key", ["state", "session_id", "role", "session_type", "engine", "started_ts"]
)
def test_a_block_without_a_required_key_is_no_session(key: str) -> None:
    lines = [line for line in PLAIN.split("\n") if not line.startswith(f"{key} ")]
    with pytest.raises(WireError, match=key):
        parse_block("\n".join(lines))


@pytest.mark.parametrize(
    "comment",
    ["", "speaks of [session]s", "[/session] [session]", "[/session]\n" + PLAIN,
     PLAIN.replace('"running"', '"dancing"'), PLAIN.replace('"witness"', '"spy"'),
     PLAIN.replace('"polecat"', '"hedgehog"'), PLAIN.replace("1700000000000", "soon"),
     PLAIN.replace("1700000000000", "9" * 30)],
)  # fmt: skip
def test_what_brat_would_not_read_is_no_session(comment: str) -> None:
    with pytest.raises(WireError):
        parse_block(comment)


def test_later_keys_win_but_a_later_null_takes_nothing_away() -> None:
    """Brat 0.1.0's reader skips an optional key's null."""
    text = PLAIN.replace(
        "[/session]", 'pid = 7\nengine = "claude"\nlast_output_ref = null\n[/session]'
    )
    state = parse_block(text)
    assert (state.pid, state.engine, state.last_output_ref) == (7, "claude", "sha256:...")


def test_an_optional_number_out_of_range_is_none() -> None:
    state = parse_block(
        PLAIN.replace("12345", "-1").replace("exit_code = null", "exit_code = 3000000000")
    )
    assert (state.pid, state.exit_code) == (None, None)


def test_worktree_may_be_missing() -> None:
    text = "\n".join(line for line in PLAIN.split("\n") if not line.startswith("worktree"))
    assert parse_block(text).worktree == ""


@pytest.mark.parametrize("key", ["state", "escape", "Bad", "a b", "", "9x", "a=b", "a\nb"])
def test_an_extra_key_that_could_pass_for_a_field_is_refused(key: str) -> None:
    with pytest.raises(WireError):
        format_block(SessionState("ready", "s-1", "user", "crew", "e", "", 1, extras={key: "x"}))


def test_a_block_of_a_megabyte_is_read() -> None:
    state = SessionState("ready", "s-1", "user", "crew", "e", "w" * 2_000_000, 1)
    assert parse_block(format_block(state)) == state
