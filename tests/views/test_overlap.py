"""Sessions that change the same files are named before they collide, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_session.log.session_log import SessionLog
from git_session.views.overlap import find_overlaps
from tests.conftest import Cli, git


@pytest.fixture
def log(repo: Path, worktree: Path) -> SessionLog:
    """Gives a log with `s-main` at work in the main checkout and `s-side` in a linked one."""
    log = SessionLog.open(repo)
    task = log.add_task("Fix the flaky test").task.task_id
    log.start(task, session_id="s-main", worktree=str(repo))
    log.start(task, session_id="s-side", worktree=str(worktree))
    return log


def _commit(path: Path, name: str, text: str) -> None:
    (path / name).write_text(text)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", text)


def test_files_that_both_changed_since_they_parted_are_named(
    log: SessionLog, repo: Path, worktree: Path
) -> None:
    assert find_overlaps(log)["overlaps"] == []
    _commit(repo, "code.txt", "mine, committed")
    (worktree / "code.txt").write_text("theirs, not committed")
    (repo / "new.txt").write_text("untracked")
    _commit(worktree, "new.txt", "committed")
    (repo / "only-here").write_text("x")
    report = find_overlaps(log)
    assert report["overlaps"] == [
        {"path": "code.txt", "sessions": ["s-main", "s-side"]},
        {"path": "new.txt", "sessions": ["s-main", "s-side"]},
    ]
    assert (report["worktrees"], report["shared"]) == (2, [])


def test_what_both_have_from_a_common_ancestor_is_no_overlap(
    log: SessionLog, repo: Path, worktree: Path
) -> None:
    _commit(repo, "code.txt", "changed once")
    git(worktree, "merge", "--quiet", "main")
    _commit(worktree, "other.txt", "theirs")
    assert find_overlaps(log)["overlaps"] == []


def test_a_file_that_one_moves_and_the_other_edits_overlaps_under_its_old_name(
    log: SessionLog, repo: Path, worktree: Path
) -> None:
    git(worktree, "mv", "code.txt", "moved.txt")
    (repo / "code.txt").write_text("edited")
    assert [one["path"] for one in find_overlaps(log)["overlaps"]] == ["code.txt"]


def test_sessions_that_ended_or_share_a_checkout_do_not_overlap_with_each_other(
    log: SessionLog, repo: Path, worktree: Path
) -> None:
    log.exit("s-side")
    log.start(log.tasks()[0].task_id, session_id="s-too", worktree=str(repo))
    for path in (repo, worktree):
        (path / "code.txt").write_text("changed")
    report = find_overlaps(log)
    assert report["overlaps"] == []
    assert report["shared"] == [
        {"worktree": str(repo.resolve()), "sessions": ["s-main", "s-too"]},
    ]


def test_a_folder_that_git_does_not_list_is_not_looked_at(
    log: SessionLog, repo: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    git(tmp_path, "clone", "--quiet", str(repo), str(elsewhere))
    log.start(log.tasks()[0].task_id, session_id="s-far", worktree=str(elsewhere))
    for path in (repo, elsewhere):
        (path / "code.txt").write_text("changed")
    assert find_overlaps(log)["overlaps"] == []


def test_the_command_names_files_and_sessions_and_can_end_with_1(
    log: SessionLog, repo: Path, worktree: Path, cli: Cli
) -> None:
    ran = cli(repo, "overlap", "--exit-code")
    assert (ran.code, ran.stdout) == (0, "")
    assert "no files overlap in 2 checkouts" in ran.stderr
    for path in (repo, worktree):
        (path / "code.txt").write_text("changed")
    ran = cli(repo, "overlap", "--exit-code")
    assert ran.code == 1
    assert ran.stdout.splitlines()[-1].split() == ["code.txt", "s-main,", "s-side"]
    assert cli(repo, "overlap", "--json").json()["data"]["worktrees"] == 2
