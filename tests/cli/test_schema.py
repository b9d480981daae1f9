"""The published schemas are those of what is really stored and printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
import pytest
from pydantic import TypeAdapter, ValidationError

from git_session.core import schemas
from git_session.core.wire.block import mentions_block, parse_block
from git_session.core.wire.event import COMMENT_ADDED, KIND_NAMES, Event
from git_session.log.session_log import SessionLog
from tests.cli.test_commands import COMMANDS
from tests.conftest import Cli, Ran, git

Checkout = Callable[[str], Path]

TYPES: Final = schemas._types()


def _events(path: Path) -> list[Event]:
    replay = SessionLog.open(path).replay()
    found = [replay.find_event(event_id) for event_id in replay.origin]
    return [event for event in found if event is not None]


def _as_json(value: Any) -> Any:
    """Writes byte strings as hex, the way the schema of events speaks of them."""
    if isinstance(value, bytes):
        return value.hex()
    return [_as_json(item) for item in value] if isinstance(value, list) else value


def test_every_kind_of_event_that_grite_wrote_is_as_the_schema_says(checkout_of: Checkout) -> None:
    events = _events(checkout_of("all-kinds"))
    assert {event.kind for event in events} == set(KIND_NAMES)
    judge = TypeAdapter(TYPES["event"])
    for event in events:
        items: list[Any] = [event.event_id, event.issue_id, event.actor, event.ts, event.parent]
        array = _as_json([*items, event.kind, event.payload, event.sig])
        judge.validate_python(array)
        for wrong in (array[:-1], [*array[:5], 15, *array[6:]], [*array[:6], [1], array[7]]):
            with pytest.raises(ValidationError):
                judge.validate_python(wrong)


def test_signed_events_are_as_the_schema_says(checkout_of: Checkout) -> None:
    (event, *_) = _events(checkout_of("signed"))
    assert event.sig is not None
    items: list[Any] = [event.event_id, event.issue_id, event.actor, event.ts, event.parent]
    array = _as_json([*items, event.kind, event.payload, event.sig])
    TypeAdapter(TYPES["event"]).validate_python(array)


def test_every_block_that_brat_wrote_is_as_the_schema_says(checkout_of: Checkout) -> None:
    texts = [
        event.payload[0]
        for event in _events(checkout_of("brat-witness"))
        if event.kind == COMMENT_ADDED and event.payload and mentions_block(event.payload[0])
    ]
    assert len(texts) == 4
    for text in texts:
        fields = asdict(parse_block(text))
        schemas.Block.model_validate(fields | fields.pop("extras"))


def test_the_schema_of_a_block_has_the_keys_in_the_order_of_the_text() -> None:
    keys = list(schemas.schema("block")["properties"])
    assert keys[:3] == ["state", "session_id", "role"]
    assert keys[-1] == "last_output_ref"
    assert schemas.schema("block")["additionalProperties"] == {
        "anyOf": [{"type": "string"}, {"type": "integer"}]
    }


@pytest.mark.parametrize("name", schemas.schema_names())
def test_every_name_has_a_schema_with_a_title_and_a_description(name: str) -> None:
    made = schemas.schema(name)
    assert made["$schema"].startswith("https://json-schema.org/")
    assert made["title"]
    assert made["description"]
    assert schemas.schema(name.replace("-", "_")) == made


def test_what_every_command_prints_is_as_its_schema_says(cli: Cli, repo: Path) -> None:
    seen: set[str] = set()

    def check(name: str, *words: str) -> Any:
        ran: Ran = cli(repo, *words, "--json")
        TypeAdapter(TYPES["envelope"]).validate_python(ran.json(), strict=True)
        data = ran.json()["data"]
        TypeAdapter(TYPES[name]).validate_json(_dump(data), strict=True)
        seen.add(name)
        return data

    check("init", "init")
    task = check("task-add", "task", "add", "Port the lexer")["task"]["task_id"]
    check("task-status", "task", "status", task, "running")
    check("task-comment", "task", "comment", task, "-m", "hello")
    session = check("start", "start", task)["session"]["session_id"]
    check("beat", "beat", session, "--set", "tokens=5")
    for step in ("ready", "running", "handoff", "exit"):
        check(step, step, session)
    run = check("run", "run", "--json", "--log", task, "--", "true")
    check("tail", "tail", run["session_id"])
    check("show", "show", session)
    check("log", "log")
    check("list", "list", "--all")
    check("list-count", "list", "--count")
    check("wait", "wait", session)
    check("reconcile", "reconcile")
    check("overlap", "overlap")
    check("doctor", "doctor")
    check("tasks", "tasks")
    check("timeline", "timeline")
    check("export", "export")
    check("export-file", "export", "-o", "sessions.csv")
    check("diff", "diff", "yesterday")
    check("task-show", "task", "show", task)
    check("fsck", "fsck")
    check("repair", "repair")
    actor = check("actor-new", "actor", "new", "--use")["actor"]["actor_id"]
    for words in (("list", "--log"), ("show",), ("use", actor), ("key",)):
        check(f"actor-{words[0]}", "actor", *words)
    for word in ("bash", "zsh", "fish"):
        check(f"completion-{word}", "completion", word)
    for word in ("install", "uninstall"):
        check(f"completion-{word}", "completion", word, "zsh")
    check("completion-candidates", "completion", "candidates", "git session ")
    check("hook-install", "hook", "install", "--files")
    check("hook-status", "hook", "status")
    check("hook-uninstall", "hook", "uninstall")
    git(repo, "commit", "--allow-empty", "--message=Work", f"--trailer=Agent-Session: {session}")
    check("which", "which", "HEAD")
    check("commits", "commits", session)
    check("mcp", "mcp")
    check("schema", "schema")
    hub = repo.parent / "hub.git"
    git(repo, "init", "--quiet", "--bare", str(hub))
    git(repo, "remote", "add", "origin", str(hub))
    check("sync", "sync")
    check("snapshot", "snapshot")
    check("stats", "stats")
    check("demo", "demo", "new")
    assert seen == set(schemas._COMMANDS)


def test_no_command_is_without_a_schema_of_what_it_prints() -> None:
    """`watch` and `hook run` print no document: a line a change, and what a hook says."""
    leaves = {words for words, found in COMMANDS.items() if not isinstance(found, click.Group)}
    named = {words.replace(" ", "-") for words in leaves - {"watch", "hook run"}}
    assert named <= set(schemas._COMMANDS)


def test_what_a_failing_command_prints_is_as_the_envelope_says(cli: Cli, repo: Path) -> None:
    ran = cli(repo, "show", "s-1", "--json")
    TypeAdapter(TYPES["envelope"]).validate_python(ran.json(), strict=True)


def _dump(data: Any) -> bytes:
    return TypeAdapter(Any).dump_json(data)
