"""A repository is made ready once, and what grite or its owner put there stays."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from git_session import NotARepositoryError, NotFoundError, ReadOnlyError, SessionLog
from git_session.core.answers.log import InitReport
from git_session.log.setup import make_ready
from tests.conftest import Grite, git

NOW = 1_795_000_000_000


def ready(path: Path, **more: Any) -> InitReport:
    """Makes a repository ready, without the environment that the tests run in."""
    return InitReport.model_validate(make_ready(path, clock=lambda: NOW, environ={}, **more))


def snapshot(path: Path) -> dict[str, bytes]:
    """Reads every file below a folder."""
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def test_a_fresh_repository_gets_an_actor_as_its_default_and_the_ignore_rule(repo: Path) -> None:
    report = ready(repo)
    home = repo / ".git" / "grite"
    assert tomllib.loads((home / "config.toml").read_text()) == {"default_actor": report.actor_id}
    assert tomllib.loads((home / "actors" / report.actor_id / "config.toml").read_text()) == {
        "actor_id": report.actor_id,
        "created_ts": NOW,
    }
    assert (report.common_dir, report.kept) == (str(repo / ".git"), [])
    assert len(report.done) == 2
    assert report.actor_id in report.done[0]
    assert "/.grite/" in report.done[1]
    (repo / ".grite" / "logs").mkdir(parents=True)
    (repo / ".grite" / "logs" / "s.log").touch()
    assert git(repo, "status", "--porcelain") == ""
    assert git(repo, "for-each-ref", "refs/grite") == ""


def test_doing_it_again_changes_nothing_and_says_so(repo: Path) -> None:
    first = ready(repo)
    before = snapshot(repo)
    again = ready(repo)
    assert snapshot(repo) == before
    assert (again.actor_id, again.done) == (first.actor_id, [])
    assert len(again.kept) == 2
    assert first.actor_id in again.kept[0]


def test_the_actor_that_init_made_is_the_one_that_writes(repo: Path) -> None:
    report = ready(repo)
    log = SessionLog.open(repo, environ={})
    started = log.start(log.add_task("Title").task.task_id).session
    assert started.actor == report.actor_id


@pytest.mark.parametrize("rule", ["/.grite/", ".grite/", "/.grite", ".grite", ".grite/  "])
def test_a_rule_that_does_the_same_is_enough(repo: Path, rule: str) -> None:
    exclude = repo / ".git" / "info" / "exclude"
    exclude.write_text(f"*.o\n{rule}\n*.a\n")
    report = ready(repo)
    assert exclude.read_text() == f"*.o\n{rule}\n*.a\n"
    assert len(report.done) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"/.grite/\n"),
        (b"*.o\n", b"*.o\n/.grite/\n"),
        (b"*.o", b"*.o\n/.grite/\n"),
        (b"# .grite/\n", b"# .grite/\n/.grite/\n"),
        (b" .grite/\n", b" .grite/\n/.grite/\n"),
        (b"\xff\xfe\n", b"\xff\xfe\n/.grite/\n"),
    ],
)
def test_the_rule_is_added_behind_what_is_there(repo: Path, before: bytes, after: bytes) -> None:
    exclude = repo / ".git" / "info" / "exclude"
    exclude.write_bytes(before)
    ready(repo)
    assert exclude.read_bytes() == after


def test_a_repository_without_an_info_folder_gets_one(repo: Path) -> None:
    info = repo / ".git" / "info"
    for file in info.iterdir():
        file.unlink()
    info.rmdir()
    ready(repo)
    assert (info / "exclude").read_text() == "/.grite/\n"


def test_a_linked_worktree_is_made_ready_together_with_its_main_checkout(
    repo: Path, worktree: Path
) -> None:
    report = ready(worktree)
    assert report.common_dir == str(repo / ".git")
    for checkout in (repo, worktree):
        (checkout / ".grite").mkdir()
        (checkout / ".grite" / "x").touch()
        assert git(checkout, "status", "--porcelain") == ""
        assert ready(checkout).done == []


def test_a_bare_repository_has_nothing_to_ignore(bare: Path) -> None:
    before = (bare / "info" / "exclude").read_bytes()
    report = ready(bare)
    assert (bare / "info" / "exclude").read_bytes() == before
    assert len(report.done) == 1
    assert ready(bare).kept == [f"actor {report.actor_id}"]


def test_settings_that_are_there_stay(repo: Path) -> None:
    config = repo / ".git" / "grite" / "config.toml"
    config.parent.mkdir()
    config.write_text('# mine\nlock_policy = "require"\n\n[snapshot]\nmax_events = 5\n')
    report = ready(repo)
    assert tomllib.loads(config.read_text()) == {
        "default_actor": report.actor_id,
        "lock_policy": "require",
        "snapshot": {"max_events": 5},
    }
    assert "# mine\n" in config.read_text()


def test_an_actor_that_is_asked_for_must_be_there(repo: Path) -> None:
    with pytest.raises(NotFoundError):
        ready(repo, actor_id="0" * 32)
    assert not (repo / ".git" / "grite").exists()
    made = ready(repo).actor_id
    assert ready(repo, actor_id=made).actor_id == made


def test_outside_a_repository_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError):
        ready(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_exclude_file_that_cannot_be_written_is_named(repo: Path) -> None:
    exclude = repo / ".git" / "info" / "exclude"
    exclude.unlink()
    exclude.mkdir()
    with pytest.raises(ReadOnlyError, match="exclude") as caught:
        ready(repo)
    assert caught.value.exit_code == 5


def test_a_repository_that_grite_made_keeps_all_that_is_grites(repo: Path, grite: Grite) -> None:
    grite(repo, "init", "--no-agents-md")
    issue = grite.json(repo, "issue", "create", "--title", "Made by grite")["issue_id"]
    before = snapshot(repo / ".git" / "grite")
    report = ready(repo)
    assert snapshot(repo / ".git" / "grite") == before
    assert report.actor_id == grite.json(repo, "actor", "current")["actor_id"]
    assert len(report.done) == 1
    assert SessionLog.open(repo).task(issue).title == "Made by grite"


def test_grite_takes_a_repository_that_was_made_ready_here(repo: Path, grite: Grite) -> None:
    report = ready(repo)
    made = grite.json(repo, "init", "--no-agents-md")
    assert (made["action"], made["actor_id"]) == ("existing", report.actor_id)
    assert ready(repo).done == []
    (actor,) = (repo / ".git" / "grite" / "actors").iterdir()
    assert actor.name == report.actor_id
