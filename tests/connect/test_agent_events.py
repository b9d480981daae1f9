"""Agents' events mean what their documents say; what is not known is a sign of life and no more.

The payloads stand here with the fields that the public documents list (as of 2026-11): Claude
Code's hooks reference (code.claude.com/docs/en/hooks), Codex CLI's hooks (developers.openai.com,
codex/hooks, and codex-rs/hooks/schema of openai/codex), Gemini CLI's docs/hooks, and Cursor's as
entireio/cli tells of them.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.connect.agents.document import read_document
from git_session.connect.agents.events import parse_event
from git_session.connect.agents.settings import add_entries, find_entries, remove_entries
from git_session.core.agents import SETTINGS, format_resume
from git_session.errors import ConfigError

COMMAND = "/opt/git-session hook run agent claude"


def _claude(event: str, **fields: Any) -> dict[str, Any]:
    common = {
        "session_id": "abc",
        "transcript_path": "/t.jsonl",
        "cwd": "/",
        "permission_mode": "x",
    }
    return {**common, "hook_event_name": event, **fields}


@pytest.mark.parametrize(
    ("agent", "document", "phase", "activity"),
    [
        ("claude", _claude("SessionStart", source="startup"), "begins", "idle"),
        ("claude", _claude("SessionStart", source="compact"), "begins", None),
        ("claude", _claude("UserPromptSubmit", prompt="hi"), "goes on", "working"),
        ("claude", _claude("PostToolUse", tool_name="Bash"), "goes on", "working"),
        ("claude", _claude("PermissionRequest", tool_name="Bash"), "goes on", "waiting"),
        (
            "claude",
            _claude("Notification", notification_type="permission_prompt"),
            "goes on",
            "waiting",
        ),
        ("claude", _claude("Notification", notification_type="idle_prompt"), "goes on", "waiting"),
        ("claude", _claude("Notification", notification_type="auth_success"), "goes on", None),
        (
            "claude",
            _claude("Notification", message="Claude needs your permission to use Bash"),
            "goes on",
            "waiting",
        ),
        ("claude", _claude("Stop", stop_hook_active=False), "goes on", "idle"),
        ("claude", _claude("SubagentStart", agent_id="a1"), "child begins", "working"),
        ("claude", _claude("SubagentStop", agent_id="a1"), "child ends", "working"),
        ("claude", _claude("SubagentStop"), "goes on", "working"),
        ("claude", _claude("SessionEnd", reason="other"), "ends", "idle"),
        ("claude", _claude("SomethingNew", whatever=[1]), "goes on", None),
        ("codex", {"session_id": "c", "hook_event_name": "Interrupt"}, "goes on", "idle"),
        ("codex", {"type": "agent-turn-complete", "thread-id": "c"}, "goes on", "idle"),
        ("gemini", {"session_id": "g", "hook_event_name": "BeforeAgent"}, "goes on", "working"),
        ("gemini", {"session_id": "g", "hook_event_name": "AfterAgent"}, "goes on", "idle"),
        ("cursor", {"conversation_id": "u", "hook_event_name": "stop"}, "goes on", "idle"),
        ("cursor", {"conversation_id": "u", "hook_event_name": "sessionStart"}, "begins", "idle"),
    ],
)
def test_an_event_tells_where_a_session_stands(
    agent: str, document: Any, phase: str, activity: str | None
) -> None:
    event = parse_event(agent, None, document)
    assert event is not None
    assert (event.phase, event.activity) == (phase, activity)


def test_the_event_can_be_named_beside_its_document_and_the_session_cannot_be_missing() -> None:
    event = parse_event("claude", "Stop", {"session_id": "abc"})
    assert event is not None
    assert event.activity == "idle"
    assert parse_event("claude", "Stop", {"session_id": ""}) is None
    assert parse_event("claude", "Stop", {"session_id": "x" * 300}) is None
    assert parse_event("claude", "Stop", ["session_id"]) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_no_field_of_a_wrong_type_is_ever_in_the_way(value: Any) -> None:
    document = dict.fromkeys(("hook_event_name", "reason", "agent_id", "model", "cwd"), value)
    event = parse_event("claude", None, {**document, "session_id": "abc"})
    assert event is not None


def test_a_session_is_taken_up_again_by_the_agents_own_command() -> None:
    assert format_resume("claude", "0f3a-1") == "claude --resume 0f3a-1"
    assert format_resume("codex", "0f3a-1") == "codex resume 0f3a-1"
    assert format_resume("claude", "x; rm -rf ~") is None
    assert format_resume("other", "0f3a-1") is None


# -- settings


def test_entries_are_merged_beside_what_others_wrote_and_taken_out_without_a_trace() -> None:
    others = {
        "model": "large",
        "hooks": {
            "Stop": [{"matcher": "", "hooks": [{"type": "command", "command": "say done"}]}],
            "Unheard": [],
        },
        "z": {"é": 1.5},
    }
    text = json.dumps(others, indent=4, ensure_ascii=False) + "\n"
    merged = add_entries(text, "claude", COMMAND)
    document = json.loads(merged)
    assert list(document) == ["model", "hooks", "z"]
    assert document["hooks"]["Stop"][0] == others["hooks"]["Stop"][0]  # type: ignore[index]
    assert find_entries(merged) == dict.fromkeys(SETTINGS["claude"].events, COMMAND)
    assert add_entries(merged, "claude", COMMAND) == merged
    assert remove_entries(merged) == text


def test_an_entry_of_an_older_program_is_brought_up_to_date_where_it_stands() -> None:
    old = add_entries("", "codex", "/old/git-session hook run agent codex")
    new = add_entries(old, "codex", "/new/git-session hook run agent codex")
    assert new == old.replace("/old/", "/new/")
    assert json.loads(new)["hooks"]["SessionEnd"][0]["hooks"][0]["timeout"] == 3


def test_a_file_made_by_us_holds_nothing_afterwards() -> None:
    assert remove_entries(add_entries("", "claude", COMMAND)).strip() == "{}"
    assert remove_entries("") == ""


@pytest.mark.parametrize(
    "text", ["{", "[]", "nope", '{"hooks": []}', '{"hooks": {"Stop": {}}}', "[" * 100_000]
)
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        add_entries(text, "claude", COMMAND)
    with pytest.raises(ConfigError):
        remove_entries(text)


@pytest.mark.parametrize("text", ['{"hooks": {"Stop": [7, {"hooks": 7}, {"hooks": [7, {}]}]}}'])
def test_entries_that_nobody_understands_are_passed_over(text: str) -> None:
    merged = add_entries(text, "claude", COMMAND)
    assert json.loads(remove_entries(merged)) == json.loads(text)


# -- reading from a pipe


@pytest.mark.parametrize("size", [10, 1 << 20, 50 << 20])
def test_a_document_is_taken_whole_though_nobody_closes_the_pipe(size: int) -> None:
    reading, writing = os.pipe()
    data = json.dumps({"a": "x" * size}).encode() + b"\n"
    thread = threading.Thread(target=lambda: _write_slowly(writing, data))
    thread.start()
    document = read_document(reading, 60)
    thread.join()
    os.close(reading)
    os.close(writing)
    assert document == {"a": "x" * size}


def _write_slowly(fd: int, data: bytes) -> None:
    cut = data.index(b"x") + 3
    os.write(fd, data[:cut])
    time.sleep(0.05)
    view = memoryview(data)[cut:]
    while view:
        view = view[os.write(fd, view) :]


@pytest.mark.parametrize("data", [b"", b"{", b"nope", b'{"a": }', b"\xff{}"])
def test_a_pipe_without_a_document_is_left_when_the_time_is_up(data: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, data)
    assert read_document(reading, 0.05) is None
    os.close(writing)
    assert read_document(reading, 60) is None
    os.close(reading)
