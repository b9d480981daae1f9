"""The pure parts of the hooks: whose text it is, which message gets a trailer, what is added."""

from __future__ import annotations

import subprocess
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.connect.hooks import lines, shim
from git_session.connect.hooks.message import choose_comments, choose_unused, may_carry_trailer
from git_session.connect.hooks.shim import (
    HOOKS,
    encode_shim,
    format_shim,
    is_shim,
    is_unchanged,
    parse_program,
)
from git_session.connect.hooks.survey import has_config_hooks, has_event_switch

HASH: Final = (b"#",)
TEXTS: Final = st.binary() | st.lists(
    st.sampled_from([b"#!/bin/sh", b"npm test", b"", b"exit 0", b"# x"])
).map(b"\n".join)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    "program", [["/usr/bin/git-session"], ["/a b/it's", "-P", "-m", "git_session"], ["/ü/@HOOK@"]]
)
def test_a_hook_is_recognised_as_ours_whatever_program_it_calls(
    hook: str, program: list[str]
) -> None:
    data = encode_shim(hook, program)
    assert is_shim(data)
    assert parse_program(data) == program
    assert is_unchanged(data, hook)
    subprocess.run(["sh", "-n"], input=data, check=True)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_of_ours_that_somebody_changed_is_told_from_an_unchanged_one(hook: str) -> None:
    data = encode_shim(hook, ["/usr/bin/git-session"])
    for changed in (data + b"echo more\n", data.replace(b"exit 0", b"exit 1", 1)):
        assert is_shim(changed)
        assert not is_unchanged(changed, hook)
    other = next(name for name in HOOKS if name != hook)
    assert not is_unchanged(data, other)


def test_a_hook_that_another_version_made_is_known_as_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = encode_shim("pre-push", ["/usr/bin/git-session"])
    monkeypatch.setattr(shim, "_FORM", 2)
    new = encode_shim("pre-push", ["/usr/bin/git-session"])
    assert new != old
    assert is_unchanged(old, "pre-push")
    assert is_unchanged(new, "pre-push")


@given(st.binary())
def test_nothing_that_somebody_else_wrote_is_taken_for_ours(data: bytes) -> None:
    assert not is_shim(data)
    assert not is_unchanged(data, "pre-push")


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_has_to_do_nothing_starts_no_python(hook: str) -> None:
    """The program is called in one place, behind everything that can end the hook before."""
    text = format_shim(hook, ["/usr/bin/git-session"])
    calls = [line for line in text.splitlines() if line.startswith("program ")]
    assert len(calls) == (hook != "post-commit")
    assert all(line.endswith(" || :") for line in calls)


@given(text=st.none() | TEXTS, hook=st.sampled_from(HOOKS))
def test_a_line_added_to_a_hook_is_taken_out_again_to_the_byte(
    text: bytes | None, hook: str
) -> None:
    added = lines.add_line(text, hook)
    assert lines.has_line(added, hook)
    assert lines.remove_line(added, hook) == text


@pytest.mark.parametrize("hook", HOOKS)
def test_a_line_stays_where_it_is_when_others_are_added_around_it(hook: str) -> None:
    added = lines.add_line(None, hook) + b"npm test\n"
    rest = lines.remove_line(added, hook)
    assert rest is not None
    assert rest.endswith(b"npm test\n")


def test_the_line_comes_before_what_can_end_a_script_but_leaves_it_what_is_pushed() -> None:
    script = b"#!/bin/sh\nexit 0\n"
    assert lines.add_line(script, "post-commit").split(b"\n")[2] == b"exit 0"
    assert lines.add_line(script, "pre-push").split(b"\n")[1] == b"exit 0"


@pytest.mark.parametrize(
    ("text", "is_shell"),
    [
        (b"npm test\n", True),
        (b"#!/bin/sh\n", True),
        (b"#!/usr/bin/env bash\n", True),
        (b"#! /bin/zsh -e\n", True),
        (b"#!/usr/bin/env python3\n", False),
        (b"#!/usr/bin/fish\n", False),
        (b"\x7fELF\0\0", False),
    ],
)
def test_a_line_of_shell_is_only_added_to_shell(text: bytes, is_shell: bool) -> None:
    assert lines.is_shell(text) is is_shell


def test_the_file_for_lefthook_is_known_again_and_no_other_is() -> None:
    for hooks in ([HOOKS[0]], list(HOOKS)):
        text = lines.format_lefthook_file(hooks)
        assert lines.parse_lefthook_file(text) == hooks
        assert lines.parse_lefthook_file(text + "pre-commit:\n") is None
    assert lines.parse_lefthook_file("") is None


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("git version 2.39.5", False),
        ("git version 2.53.0", False),
        ("git version 2.54.0", True),
        ("git version 2.54.0-rc1", True),
        ("git version 2.54.GIT", True),
        ("git version 2.100.1.windows.1", True),
        ("git version 3.0", True),
        ("git version 2.39.5 (Apple Git-154)", False),
        ("git version 1.54.0", False),
        ("git version 2.5.4", False),
        ("hub version 2.54", False),
        ("git version unknown", False),
        ("", False),
    ],
)
def test_hooks_in_the_configuration_are_used_from_git_2_54_on(version: str, expected: bool) -> None:
    assert has_config_hooks(version) is expected


@pytest.mark.parametrize("version", ["2.55.0", "2.55.0.rc1", "2.56.GIT", "3.0"])
def test_hook_events_have_a_switch_from_git_2_55_on(version: str) -> None:
    assert has_event_switch(f"git version {version}")
    assert not has_event_switch("git version 2.54.1")


@pytest.mark.parametrize(
    ("message", "source"),
    [
        (b"Fix it\n", "message"),
        (b"Fix it", ""),
        (b"\n\nFix it\n# On branch main\n", "message"),
        (b"old\n\nSigned-off-by: A\n", "commit"),
        (b"Merge branch 'x'\n", "merge"),
        (b"Reverts are hard\n", "message"),
        (b"f\xfcr\n", "message"),
    ],
)
def test_a_message_with_text_gets_the_trailer(message: bytes, source: str) -> None:
    assert may_carry_trailer(message, source, HASH)


@pytest.mark.parametrize(
    ("message", "source"),
    [
        (b"", ""),
        (b"\n \n", "message"),
        (b"# only\n# comments\n", "message"),
        (b"\n# Please enter\n# ------------------------ >8 ------------------------\ndiff\n", ""),
        (b"Subject:\n\nWhy:\n", "template"),
        (
            b'Revert "x"\n\nThis reverts commit 29a0388f80bbf5461af5de6e9d71b5669045b4d3.\n',
            "message",
        ),
        (b'Reapply "x"\n\nThis reverts commit 29a0388.\n', "message"),
    ],
)
def test_a_message_that_must_stay_as_it_is_gets_none(message: bytes, source: str) -> None:
    assert not may_carry_trailer(message, source, HASH)


def test_comments_begin_with_what_the_configuration_says() -> None:
    assert not may_carry_trailer(b"; a\n", "", choose_comments(b";"))
    assert may_carry_trailer(b"# a\n", "", choose_comments(b";"))
    assert not may_carry_trailer(b"// a\n", "", choose_comments(b"//"))
    assert not may_carry_trailer(b"% a\n", "", choose_comments(b"auto"))
    assert choose_comments(None) == HASH


@given(st.binary(max_size=400))
def test_a_character_is_found_that_no_line_begins_with(message: bytes) -> None:
    mark = choose_unused(message).encode()
    assert len(mark) == 1
    assert not any(line.startswith(mark) for line in message.split(b"\n"))
