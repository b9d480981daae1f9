"""What is in a checkout and nowhere else is found, and nothing in the checkout is run for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_session.store.git.worktrees import list_worktrees, read_worktree
from tests.conftest import git


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Makes a checkout with one commit, all of it pushed to a hub beside it."""
    hub, checkout = tmp_path / "hub.git", tmp_path / "checkout"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(hub))
    git(tmp_path, "clone", "-q", str(hub), str(checkout))
    git(checkout, "checkout", "-q", "-b", "main")
    _commit(checkout, "first")
    git(checkout, "push", "-q", "-u", "origin", "main")
    return checkout


def _commit(path: Path, text: str) -> None:
    (path / "file").write_text(text)
    git(path, "add", "file")
    git(path, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-q", "-m", text)


def test_what_is_pushed_and_committed_is_nobodys_only_copy(checkout: Path) -> None:
    state = read_worktree(checkout)
    assert state is not None
    assert (state.branch, state.uncommitted, state.unpushed, state.ahead) == ("main", 0, 0, 0)
    assert not state.has_work


def test_changed_staged_renamed_and_untracked_paths_count_once_each(checkout: Path) -> None:
    git(checkout, "mv", "file", "renamed")
    (checkout / "new one\n").write_text("x")
    (checkout / "staged").write_text("x")
    git(checkout, "add", "staged")
    state = read_worktree(checkout)
    assert state is not None
    assert (state.uncommitted, state.unpushed, state.has_work) == (3, 0, True)


def test_commits_that_no_remote_has_are_counted_on_a_branch_without_an_upstream(
    checkout: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    git(checkout, "worktree", "add", "-q", "-b", "topic", str(linked))
    _commit(linked, "second")
    _commit(linked, "third")
    state = read_worktree(linked)
    assert state is not None
    assert (state.branch, state.unpushed, state.ahead) == ("topic", 2, None)


def test_without_remotes_the_other_branches_are_what_counts(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", ".")
    _commit(tmp_path, "first")
    git(tmp_path, "checkout", "-q", "-b", "topic")
    _commit(tmp_path, "second")
    state = read_worktree(tmp_path)
    assert state is not None
    assert state.unpushed == 1


def test_a_checkout_without_a_commit_and_a_detached_one_are_read(
    checkout: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    git(tmp_path, "init", "-q", "-b", "main", str(empty))
    assert read_worktree(empty) == (empty, "main", None, 0, 0, None, None)
    git(checkout, "checkout", "-q", "--detach")
    state = read_worktree(checkout)
    assert state is not None
    assert (state.branch, state.has_work) == (None, False)


def test_only_checkouts_that_are_there_are_listed(checkout: Path, tmp_path: Path) -> None:
    linked, gone = tmp_path / "li nked\n", tmp_path / "gone"
    git(checkout, "worktree", "add", "-q", "-b", "a", str(linked))
    git(checkout, "worktree", "add", "-q", "-b", "b", str(gone))
    gone.rename(tmp_path / "elsewhere")
    common = checkout / ".git"
    assert list_worktrees(common) == [checkout.resolve(), linked.resolve()]
    assert list_worktrees(tmp_path / "hub.git") == []
    assert list_worktrees(tmp_path) == []


def test_no_setting_of_a_repository_in_the_tree_is_run(checkout: Path, tmp_path: Path) -> None:
    """An fsmonitor is a command that git runs: the checkout's own setting must not count."""
    trap, mark = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\n: > '{mark}'\n")
    trap.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(trap))
    assert read_worktree(checkout) is not None
    assert not mark.exists()
