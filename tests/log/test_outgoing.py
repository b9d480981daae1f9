"""Which texts of an event leave, the home directories in them, and how finds are said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.core.fold.finds import explain_finds, group_finds
from git_session.core.wire import event as kinds
from git_session.core.wire.block import SessionState, format_block
from git_session.core.wire.event import build_event
from git_session.log.secrets.texts import find_homes, list_texts
from tests.support import stores

ISSUE, ACTOR = b"\x11" * 16, b"\x22" * 16
OF_ROOT = "/root"


def make(kind: int, payload: list[Any], ts: int = 1) -> bytes:
    return build_event(ISSUE, ACTOR, ts, kind, payload, None, None).raw


def texts_of(*events: bytes) -> list[tuple[str, str]]:
    return [(text.field, text.text) for text in list_texts(events)]


def make_state(**fields: Any) -> SessionState:
    known = {"state": "exit", "session_id": "s-1", "role": "user", "session_type": "crew"}
    return SessionState(**{**known, "engine": "e", "worktree": "w", "started_ts": 1, **fields})


def test_every_text_of_every_kind_of_event_leaves_under_its_name() -> None:
    found = texts_of(
        make(kinds.ISSUE_CREATED, ["a title", "a body", ["one", "two"]], 1),
        make(kinds.ISSUE_UPDATED, [None, "another body"], 2),
        make(kinds.LABEL_ADDED, ["a label"], 3),
        make(kinds.STATE_CHANGED, ["closed"], 4),
        make(kinds.LINK_ADDED, ["a link", "a note"], 5),
        make(kinds.ASSIGNEE_ADDED, ["somebody"], 6),
        make(kinds.ATTACHMENT_ADDED, ["a name", b"\0" * 32, "text/plain"], 7),
        make(kinds.CONTEXT_UPDATED, ["a path", "c", [["f", "fn", 1, 2]], "sum", b"\0" * 32], 8),
        make(kinds.PROJECT_CONTEXT_UPDATED, ["a key", "a value"], 9),
        make(kinds.COMMENT_ADDED, ["a comment"], 10),
    )
    assert found == [
        *(("title", "a title"), ("body", "a body"), ("label", "one\ntwo")),
        *(("body", "another body"), ("label", "a label"), ("link", "a link"), ("note", "a note")),
        *(("assignee", "somebody"), ("attachment", "a name"), ("type", "text/plain")),
        *(("path", "a path"), ("language", "c"), ("symbols", "f\nfn"), ("summary", "sum")),
        *(("key", "a key"), ("value", "a value"), ("comment", "a comment")),
    ]


def test_what_cannot_be_decoded_leaves_as_one_text() -> None:
    unknown = stores.Event(ISSUE, ACTOR, 1, 99, ["a text of a kind to come"]).encode()
    (text,) = list_texts([unknown])
    assert (text.field, text.issue_id) == ("event", ISSUE.hex())
    assert "a text of a kind to come" in text.text
    (text,) = list_texts([b"no event at all"])
    assert (text.field, text.event_id, text.text) == ("event", "", "no event at all")


@given(
    st.dictionaries(
        st.from_regex(r"attr_[a-z]{1,8}", fullmatch=True) | st.just("parent_session"),
        st.text(min_size=1),
        max_size=3,
    ),
    st.text(min_size=1),
    st.text(),
)
def test_every_value_of_a_block_leaves_in_a_text_of_its_own_name(
    extras: dict[str, str], reason: str, note: str
) -> None:
    """Whatever has to be escaped in it, and whatever stands around it."""
    block = format_block(make_state(exit_reason=reason, extras=extras))
    found = list_texts([make(kinds.COMMENT_ADDED, [f"{block}\n{note}"])])
    assert {text.session_id for text in found} == {"s-1"}
    named = {(text.field, text.text) for text in found}
    for field, value in {"exit_reason": reason, **extras}.items():
        assert any(name == field and value in text for name, text in named)
    assert any(note.strip() in text for _, text in named)


def test_a_line_of_a_block_that_no_reader_takes_leaves_all_the_same() -> None:
    block = format_block(make_state()).replace("[/session]", 'Odd-Key = "kept"\n[/session]')
    assert ("comment", 'Odd-Key = "kept"') in texts_of(make(kinds.COMMENT_ADDED, [block]))


@pytest.mark.parametrize(
    ("text", "homes"),
    [
        ('worktree = "/home/alice/wt"', [("/home/alice", 1)]),
        ("C:\\Users\\carol\nfile:///home/dan", [("C:\\Users\\carol", 1), ("/home/dan", 2)]),
        ("in /Users/Bob Smith/x", [("/Users/Bob", 1)]),
        (f"a\n{OF_ROOT}/x", [(OF_ROOT, 2)]),
        ("/home/alice/a\n/home/alice/b", [("/home/alice", 1)]),
        ("see https://example.org/home/page and ~/x and src/home/x /home/ /root", []),
        ("/Users/Shared/x C:\\Users\\Public\\x", []),
        ("/srv/agents/me/wt", [("/srv/agents/me", 1)]),
        ("/srv/agents/mechanic /mnt/srv/agents/me", []),
    ],
)
def test_home_directories_are_found_whosoever_they_are(
    text: str, homes: list[tuple[str, int]]
) -> None:
    assert sorted(find_homes(text, "/srv/agents/me")) == sorted(homes)


def test_a_home_that_tells_nothing_of_anybody_is_none() -> None:
    assert find_homes("/ and /tmp/x", "/") == []
    assert find_homes("/tmp/x", "/tmp") == []
    assert find_homes(f"{OF_ROOT}fs/x", f"{OF_ROOT}/") == []
    assert find_homes(f"in {OF_ROOT}", f"{OF_ROOT}/") == [(OF_ROOT, 1)]


def test_a_text_that_names_ever_so_many_homes_names_a_few() -> None:
    assert len(find_homes("\n".join(f"/home/user{n}" for n in range(100_000)), "")) == 16


def row(kind: str, what: str, number: int = 1) -> dict[str, Any]:
    return {
        "kind": kind,
        "what": what,
        "field": "worktree",
        "line": 1,
        "session_id": f"s-{number}",
        "grite_issue_id": "1" * 32,
        "event_id": "e" * 64,
        "commit": "c" * 40,
        "events": 2,
    }


def test_finds_are_one_sentence_a_kind_and_a_line_each_only_where_asked_for() -> None:
    finds = [row("credential", "Slack Token", number) for number in range(5)]
    homes = [row("home", "/home/alice", number) for number in range(100)]
    short = explain_finds([*finds, *homes], None)
    assert len(short) == 2
    assert not any("\n" in sentence for sentence in short)
    assert short[0].endswith("of session s-2 (commit ccccccc, 2 events), and 2 more")
    assert short[1] == "what leaves names a home directory: /home/alice (200 events)"
    grouped = list(group_finds([*homes, *finds]))
    assert [len(rows) for _, rows in grouped] == [5, 100]
    assert explain_finds([], "no room") == ["what leaves was not scanned for credentials: no room"]
