"""A log that git fetched in part: what is missing is said, and a sync completes it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from pydantic import TypeAdapter

from tests.cli.test_schema import TYPES
from tests.conftest import Cli, git
from tests.support.damage import find_errors
from tests.support.fleet import Clone
from tests.support.stores import WAL

PARTS: Final = {"blob:none": "partial clone", "tree:0": "partial clone", "depth": "depth limit"}


@pytest.fixture
def hub(bare: Path, tmp_path: Path) -> Path:
    """Give a hub that has two commits of code, and a log with two sessions."""
    git(bare, "config", "uploadpack.allowFilter", "true")
    clone = Clone.make(tmp_path / "whole", origin=bare)
    for message in ("one", "two"):
        git(clone.path, "commit", "--quiet", "--allow-empty", f"--message={message}")
    git(clone.path, "push", "--quiet", "origin", "main")
    task = clone.task()
    for _ in range(2):
        clone.log.advance_row(clone.start(task), "ready")
    clone.sync_well()
    return bare


def clone_part(hub: Path, how: str) -> Path:
    """Clone a hub and fetch its log by git alone, each only in part."""
    path = hub.parent / "part"
    limit = "--depth=1" if how == "depth" else f"--filter={how}"
    git(hub.parent, "clone", "--quiet", limit, hub.as_uri(), str(path))
    again = ["--depth=1"] if how == "depth" else []
    git(path, "fetch", "--quiet", *again, "origin", f"{WAL}:{WAL}")
    return path


@pytest.mark.parametrize("how", PARTS)
def test_incomplete_log_is_said_by_list(hub: Path, cli: Cli, how: str) -> None:
    path = clone_part(hub, how)
    for options in ((), ("--all",), ("--count",)):
        ran = cli(path, "list", *options)
        assert ran.code == 0
        assert "warning: the log is incomplete: " in ran.stderr
        assert PARTS[how] in ran.stderr
        assert "hint: git session sync fetches the rest\n" in ran.stderr
        assert "missing or damaged" not in ran.stderr
        assert "no sessions yet" not in ran.stderr + ran.stdout


@pytest.mark.parametrize("how", PARTS)
def test_incomplete_log_is_a_warning_in_json(hub: Path, cli: Cli, how: str) -> None:
    path = clone_part(hub, how)
    ran = cli(path, "list", "--json")
    (warning,) = ran.json()["warnings"]
    assert (warning["code"], warning["hint"]) == (
        "incomplete_log",
        "git session sync fetches the rest",
    )
    assert f"warning: {warning['message']}\n" in ran.stderr
    TypeAdapter(TYPES["envelope"]).validate_python(ran.json(), strict=True)


@pytest.mark.parametrize("how", PARTS)
def test_incomplete_log_is_completed_by_a_sync(hub: Path, cli: Cli, how: str) -> None:
    path = clone_part(hub, how)
    assert cli(path, "sync").code == 0
    ran = cli(path, "list", "--json")
    assert ran.json()["data"]["total"] == 2
    assert (ran.stderr, ran.json().keys()) == ("", {"schema_version", "ok", "data"})
    assert find_errors(path) == []
    git(path, "gc", "--quiet", "--prune=now")
    assert find_errors(path) == []


def test_incomplete_log_is_completed_and_branches_stay_shallow(hub: Path, cli: Cli) -> None:
    path = clone_part(hub, "depth")
    assert cli(path, "sync").code == 0
    assert git(path, "rev-list", "--count", "HEAD") == "1"
    assert (path / ".git" / "shallow").read_text().split() == [git(path, "rev-parse", "HEAD")]


def test_incomplete_branches_alone_are_left_as_they_are(hub: Path, cli: Cli) -> None:
    path = hub.parent / "shallow"
    git(hub.parent, "clone", "--quiet", "--depth=1", hub.as_uri(), str(path))
    shallow = (path / ".git" / "shallow").read_text()
    for _ in range(2):
        assert cli(path, "sync").code == 0
        assert (path / ".git" / "shallow").read_text() == shallow
    ran = cli(path, "list", "--json")
    assert (ran.json()["data"]["total"], "warnings" in ran.json()) == (2, False)


def test_incomplete_log_is_not_rebuilt_by_repair(hub: Path, cli: Cli) -> None:
    path = clone_part(hub, "depth")
    head = git(path, "rev-parse", WAL)
    assert cli(path, "repair", "--apply").code == 1
    assert git(path, "rev-parse", WAL) == head


def test_incomplete_log_takes_what_is_recorded_on_it(hub: Path, cli: Cli) -> None:
    path = clone_part(hub, "blob:none")
    assert cli(path, "task", "add", "recorded before the sync").code == 0
    assert cli(path, "sync").code == 0
    assert find_errors(path) == []
    assert cli(hub, "tasks", "--json").json()["data"]["total"] == 2
