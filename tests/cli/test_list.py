"""`list` for people with many sessions: trees, checkouts, several repositories, filters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from git_session.core.answers.sessions import SessionListing
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, Ran, git


def _start(path: Path, title: str, **details: Any) -> str:
    log = SessionLog.open(path, environ=details.pop("environ", {}))
    return log.start(log.add_task(title).task.task_id, **details).session.session_id


def _listed(ran: Ran) -> list[str]:
    assert ran.code == 0, ran
    data = ran.json()["data"]
    TypeAdapter(SessionListing).validate_python(data)
    return [row["session_id"] for row in data["sessions"]]


def _make(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(path))
    return path


def test_a_tree_shows_who_started_whom(cli: Cli, repo: Path) -> None:
    parent = _start(repo, "one")
    _start(repo, "two")
    child = _start(repo, "three", environ={"GIT_SESSION_ID": parent})
    lines = cli(repo, "list", "--tree").stdout.splitlines()
    assert lines[1].startswith(f"{parent} ")
    assert lines[2].startswith(f"  {child} ")
    rows = cli(repo, "list", "--tree", "--json").json()["data"]["sessions"]
    assert [row["parent_session"] for row in rows] == [None, parent, None]


def test_filters_and_sorting_are_the_same_for_people_and_programs(cli: Cli, repo: Path) -> None:
    first = _start(repo, "Port the lexer", engine="codex", attributes={"tokens": 5})
    second = _start(repo, "Fix the flaky test", engine="claude")
    assert _listed(cli(repo, "list", "--grep", "LEXER", "--json")) == [first]
    assert _listed(cli(repo, "list", "--grep", "tokens=5", "--json")) == [first]
    assert _listed(cli(repo, "list", "--sort", "engine", "--json")) == [second, first]
    assert _listed(cli(repo, "list", "--since", "1h", "--json")) == [first, second]
    assert _listed(cli(repo, "list", "--since", "2001-01-01", "--json")) == [first, second]
    assert _listed(cli(repo, "list", "--since", "2099-01-01", "--json")) == []
    assert cli(repo, "list", "--grep", "lexer", "--count").stdout == "1\n"
    table = cli(repo, "list", "--sort", "-engine").stdout.splitlines()
    assert [line.split()[0] for line in table[1:]] == [first, second]


@pytest.mark.parametrize("words", [("--sort", "age"), ("--since", "once upon a time")])
def test_a_word_that_means_nothing_is_wrong_usage(
    cli: Cli, repo: Path, words: tuple[str, ...]
) -> None:
    _start(repo, "one")
    ran = cli(repo, "list", *words)
    assert (ran.code, ran.stdout) == (2, "")
    assert "hint:" in ran.stderr


def test_wide_shows_branch_changes_activity_and_sums(cli: Cli, repo: Path, worktree: Path) -> None:
    first = _start(repo, "one", worktree=str(worktree), attributes={"tokens": 1000, "cost": "0.5"})
    _start(repo, "two", worktree=str(repo.parent), attributes={"tokens": 234})
    (worktree / "new file").write_text("x")
    git(worktree, "commit", "--quiet", "--allow-empty", "--message=work")
    assert cli(repo, "beat", first, "--activity", "waiting").code == 0
    ran = cli(repo, "list", "--wide")
    assert "in all: cost 0.5, tokens 1,234" in ran.stderr
    line = next(line for line in ran.stdout.splitlines() if line.startswith(first))
    assert "side    1 unpushed, 1 uncommitted  cost=0.5 tokens=1000" in line
    data = cli(repo, "list", "--wide", "--json").json()["data"]
    assert data["attributes"] == {"cost": "0.5", "tokens": 1234}
    known, foreign = (row["checkout"] for row in data["sessions"])
    assert known == {
        "path": os.path.realpath(worktree),
        "branch": "side",
        "head": git(worktree, "rev-parse", "HEAD"),
        "uncommitted": 1,
        "unpushed": 1,
        "ahead": None,
        "behind": None,
    }
    # A path that git does not list as a checkout of this repository is never looked into.
    assert foreign is None
    assert data["sessions"][0]["activity"] == "waiting"


def test_several_repositories_are_one_list(cli: Cli, tmp_path: Path) -> None:
    one, two = (_make(tmp_path, name) for name in ("one", "two"))
    first, second = _start(one, "Port the lexer"), _start(two, "Fix the flaky test")
    ran = cli(tmp_path, "list", "--repo", "one", "--repo", str(two), "--repo", "one")
    lines = ran.stdout.splitlines()
    assert lines[0].split()[:3] == ["SESSION", "REPOSITORY", "STATE"]
    assert [line.split()[:2] for line in lines[1:]] == [[first, "one"], [second, "two"]]
    assert "2 active, 0 exited - in 2 repositories" in ran.stderr
    data = cli(tmp_path, "list", "--repo", "one", "--repo", "two", "--json").json()["data"]
    TypeAdapter(SessionListing).validate_python(data)
    assert [row["repository"] for row in data["sessions"]] == [
        os.path.realpath(path) for path in (one, two)
    ]
    assert (data["total"], data["failed"]) == (2, [])


def test_everywhere_is_where_git_config_says_and_here(cli: Cli, tmp_path: Path, home: Path) -> None:
    one, two, here = (_make(tmp_path, name) for name in ("one", "two", "here"))
    for path in (one, two):
        git(here, "config", "--global", "--add", "session.repo", str(path))
    (home / "three").symlink_to(_make(tmp_path, "three"))
    git(here, "config", "--global", "--add", "session.repo", "~/three")
    sessions = [_start(path, path.name) for path in (here, one, two, home / "three")]
    assert _listed(cli(here, "list", "--everywhere", "--json")) == sessions
    assert _listed(cli(tmp_path, "list", "--everywhere", "--json")) == sessions[1:]
    assert cli(here, "list", "--everywhere", "--count").stdout == "4\n"
    assert _listed(cli(here, "list", "--json")) == sessions[:1]


def test_everywhere_without_any_repository_says_how_to_name_one(cli: Cli, tmp_path: Path) -> None:
    ran = cli(tmp_path, "list", "--everywhere")
    assert ran.code == 2
    assert "git config --global --add session.repo" in ran.stderr


def test_a_repository_that_cannot_be_read_is_said_and_hides_no_other(
    cli: Cli, tmp_path: Path
) -> None:
    good, bad, plain = _make(tmp_path, "good"), _make(tmp_path, "bad"), tmp_path / "plain"
    plain.mkdir()
    session = _start(good, "one")
    _start(bad, "two")
    (bad / ".git" / "grite" / "config.toml").write_text("default_actor = [")
    ran = cli(tmp_path, "list", "--repo", "bad", "--repo", "plain", "--repo", "good")
    assert ran.code == 0
    assert session in ran.stdout
    for path in (bad, plain):
        assert f"warning: {path} is left out: " in ran.stderr
    ran = cli(tmp_path, "list", "--repo", "bad", "--repo", "good", "--repo", "gone", "--json")
    assert _listed(ran) == [session]
    failed = ran.json()["data"]["failed"]
    assert [(told["repository"], told["code"]) for told in failed] == [
        (str(bad), "config"),
        (str(tmp_path / "gone"), "not_a_repository"),
    ]


def test_when_no_repository_can_be_read_the_command_fails(cli: Cli, tmp_path: Path) -> None:
    ran = cli(tmp_path, "list", "--repo", "nowhere", "--json")
    assert (ran.code, ran.json()["error"]["code"]) == (5, "not_a_repository")


def test_a_task_is_looked_for_in_each_repository(cli: Cli, tmp_path: Path) -> None:
    one, two = (_make(tmp_path, name) for name in ("one", "two"))
    _start(one, "one")
    session = _start(two, "two")
    task = SessionLog.open(two).session(session).task_id
    words = ("list", "--repo", "one", "--repo", "two", "--task")
    assert _listed(cli(tmp_path, *words, task, "--json")) == [session]
    assert cli(tmp_path, *words, "t-nobody").code == 3
