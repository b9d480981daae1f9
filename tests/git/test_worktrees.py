"""What is in a checkout and nowhere else is found, and nothing in the checkout is run for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from git_session.git.worktrees import (
    Worktree,
    WorktreeState,
    list_changed,
    list_worktrees,
    read_worktree,
)
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git


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
    git(path, "commit", "-q", "-m", text)


def _find(path: Path) -> Worktree:
    """Finds a checkout among those of its repository."""
    common = git(path, "rev-parse", "--path-format=absolute", "--git-common-dir")
    (found,) = [found for found in list_worktrees(Path(common)) if found.path == path.resolve()]
    return found


def _read(path: Path) -> WorktreeState | None:
    return read_worktree(_find(path))


def test_what_is_pushed_and_committed_is_nobodys_only_copy(checkout: Path) -> None:
    state = _read(checkout)
    assert state is not None
    assert (state.branch, state.uncommitted, state.unpushed, state.ahead) == ("main", 0, 0, 0)
    assert not state.has_work


def test_changed_staged_renamed_and_untracked_paths_count_once_each(checkout: Path) -> None:
    git(checkout, "mv", "file", "renamed")
    (checkout / "new one\n").write_text("x")
    (checkout / "staged").write_text("x")
    git(checkout, "add", "staged")
    state = _read(checkout)
    assert state is not None
    assert (state.uncommitted, state.unpushed, state.has_work) == (3, 0, True)


def test_commits_that_no_remote_has_are_counted_on_a_branch_without_an_upstream(
    checkout: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    git(checkout, "worktree", "add", "-q", "-b", "topic", str(linked))
    _commit(linked, "second")
    _commit(linked, "third")
    state = _read(linked)
    assert state is not None
    assert (state.branch, state.unpushed, state.ahead) == ("topic", 2, None)


def test_without_remotes_the_other_branches_are_what_counts(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", ".")
    _commit(tmp_path, "first")
    git(tmp_path, "checkout", "-q", "-b", "topic")
    _commit(tmp_path, "second")
    state = _read(tmp_path)
    assert state is not None
    assert state.unpushed == 1


def test_a_checkout_without_a_commit_and_a_detached_one_are_read(
    checkout: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    git(tmp_path, "init", "-q", "-b", "main", str(empty))
    assert _read(empty) == (empty, "main", None, 0, 0, None, None)
    git(checkout, "checkout", "-q", "--detach")
    state = _read(checkout)
    assert state is not None
    assert (state.branch, state.has_work) == (None, False)


def test_only_checkouts_that_are_there_are_listed(checkout: Path, tmp_path: Path) -> None:
    linked, gone = tmp_path / "li nked\n", tmp_path / "gone"
    git(checkout, "worktree", "add", "-q", "-b", "a", str(linked))
    git(checkout, "worktree", "add", "-q", "-b", "b", str(gone))
    gone.rename(tmp_path / "elsewhere")
    assert _list(checkout / ".git") == [checkout, linked]
    assert _list(tmp_path / "hub.git") == []
    assert _list(tmp_path) == []


def _list(common_dir: Path, top: Path | None = None) -> list[Path]:
    """Lists the checkouts of a repository, and holds them against those that git lists."""
    found = [found.path for found in list_worktrees(common_dir, top)]
    assert all(found.is_sound for found in list_worktrees(common_dir, top))
    return found


def test_linked_worktrees_are_those_git_lists_and_keeps(checkout: Path, tmp_path: Path) -> None:
    for name in ("kept", "lost", "moved", "sp ace"):
        git(checkout, "worktree", "add", "-q", "-b", name.replace(" ", "-"), str(tmp_path / name))
    (tmp_path / "lost" / ".git").unlink()
    (tmp_path / "moved").rename(tmp_path / "elsewhere")
    git(checkout, "worktree", "prune", "--dry-run", "--verbose")
    entries = git(checkout, "worktree", "list", "--porcelain", "-z").split("\0\0")
    kept = [entry.split("\0")[0] for entry in entries if entry and "\0prunable" not in entry]
    listed = {Path(line.removeprefix("worktree ")) for line in kept}
    assert set(_list(checkout / ".git")) == listed
    assert len(listed) == 3


def test_worktree_with_relative_links_is_found(checkout: Path, tmp_path: Path) -> None:
    """As git 2.48 and later write them with `worktree.useRelativePaths`."""
    linked = tmp_path / "linked"
    git(checkout, "worktree", "add", "-q", "-b", "topic", str(linked))
    own = checkout / ".git" / "worktrees" / "linked"
    (own / "gitdir").write_text(os.path.relpath(linked / ".git", own) + "\n")
    (linked / ".git").write_text(f"gitdir: {os.path.relpath(own, linked)}\n")
    assert _list(checkout / ".git") == [checkout, linked]
    state = read_worktree(list_worktrees(checkout / ".git")[1])
    assert state is not None
    assert (state.branch, state.uncommitted) == ("topic", 0)


def test_separate_git_dir_has_its_main_checkout(tmp_path: Path) -> None:
    store, top, linked = tmp_path / "store.git", tmp_path / "top", tmp_path / "linked"
    git(tmp_path, "init", "-q", "-b", "main", f"--separate-git-dir={store}", str(top))
    _commit(top, "first")
    git(top, "worktree", "add", "-q", "-b", "topic", str(linked))
    (top / "new").write_text("x")
    assert _list(store) == [linked]  # nothing there says where it is
    assert _list(store, top) == [top, linked]
    assert _list(store, linked) == [linked]
    state = read_worktree(list_worktrees(store, top)[0])
    assert state is not None
    assert (state.branch, state.uncommitted) == ("main", 1)


def test_submodule_has_its_checkout(checkout: Path, tmp_path: Path) -> None:
    inner = _add_submodule(checkout, tmp_path)
    store = checkout / ".git" / "modules" / "inner"
    (inner / "file").write_text("changed")
    assert _list(store) == [inner]
    state = read_worktree(list_worktrees(store)[0])
    assert state is not None
    assert state.uncommitted == 1


def test_bare_repository_has_only_linked_worktrees(tmp_path: Path) -> None:
    """Also where it lies as `.git` beside them, as many lay it out."""
    seed, home = tmp_path / "seed", tmp_path / "home"
    git(tmp_path, "init", "-q", "-b", "main", str(seed))
    _commit(seed, "first")
    git(tmp_path, "clone", "-q", "--bare", str(seed), str(home / ".git"))
    git(home / ".git", "worktree", "add", "-q", str(home / "main"), "main")
    assert _list(home / ".git", home) == [home / "main"]
    state = read_worktree(list_worktrees(home / ".git")[0])
    assert state is not None
    assert (state.branch, state.uncommitted, state.unpushed) == ("main", 0, 1)


def test_worktree_elsewhere_that_does_not_name_it_is_left_out(
    checkout: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    git(checkout, "config", "core.worktree", str(elsewhere))
    assert _list(checkout / ".git", checkout) == []


# -- what is planted in a checkout


_KINDS = ("clean", "fsmonitor", "hook", "textconv", "command")


class _Traps:
    """Plants what git runs, and tells which of it was run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._marks = folder / "marks"
        self._marks.mkdir()
        (folder / "hooks").mkdir()
        for kind in _KINDS:
            path = self._path(kind)
            path.write_text(f"#!/bin/sh\n: > '{self._marks}/{kind}'\ncat\n")
            path.chmod(0o755)

    def _path(self, kind: str) -> Path:
        is_hook = kind == "hook"
        return self._folder / ("hooks/post-index-change" if is_hook else kind)

    def plant(self, repository: Path) -> None:
        """Makes settings of a repository that run the traps, for the files of any checkout."""
        for key, kind in {
            "filter.trap.clean": "clean",
            "core.fsmonitor": "fsmonitor",
            "diff.trap.textconv": "textconv",
            "diff.external": "command",
        }.items():
            git(repository, "config", key, str(self._path(kind)))
        git(repository, "config", "core.hooksPath", str(self._folder / "hooks"))
        info = Path(git(repository, "rev-parse", "--path-format=absolute", "--git-path", "info"))
        info.mkdir(exist_ok=True)
        (info / "attributes").write_text("* filter=trap diff=trap\n")

    def take(self) -> set[str]:
        """Lists the traps that went off, and sets them again."""
        found = {path.name for path in self._marks.iterdir()}
        for name in found:
            (self._marks / name).unlink()
        return found


@pytest.fixture
def traps(tmp_path_factory: pytest.TempPathFactory) -> _Traps:
    """Gives traps that are outside of every checkout."""
    return _Traps(tmp_path_factory.mktemp("traps"))


def _add_submodule(path: Path, folder: Path) -> Path:
    seed = folder / "seed"
    git(folder, "init", "-q", "-b", "main", str(seed))
    _commit(seed, "one")
    allowed = ("-c", "protocol.file.allow=always")
    git(path, *allowed, "submodule", "--quiet", "add", str(seed), "inner")
    git(path, "commit", "-q", "-m", "submodule")
    return path / "inner"


def _begin_sessions(checkout: Path) -> SessionLog:
    """Starts sessions in a checkout, in the one beside it called `linked`, and in one more."""
    other = checkout.parent / "other"
    git(checkout, "worktree", "add", "-q", "-b", "other", str(other), "HEAD~1")
    log = SessionLog.open(checkout)
    task = log.add_task("Fix the flaky test").task.task_id
    for path in (checkout, checkout.parent / "linked", other):
        log.start(task, session_id=f"s-{path.name}", worktree=str(path))
    return log


def _look_in_each_way(log: SessionLog, cli: Cli) -> str:
    """Runs each command that looks into checkouts, and gives what they say on stderr."""
    top = log.common_dir.parent
    ran = [cli(top, "overlap"), cli(top, "list", "--wide")]
    for row in log.sessions():
        log.exit(row.session_id)
    ran += [cli(top, "reconcile"), cli(top, "list", "--wide", "--all")]
    assert [one.code for one in ran] == [0, 0, 0, 0]
    return "".join(one.stderr for one in ran)


def _change(path: Path) -> None:
    """Changes a file, of which git has to read all to see that."""
    file = path / "file"
    file.write_text(file.read_text().swapcase())


def test_swapped_repository_in_a_checkout_runs_nothing(
    checkout: Path, tmp_path: Path, cli: Cli, traps: _Traps
) -> None:
    _commit(checkout, "second")
    linked = tmp_path / "linked"
    git(checkout, "worktree", "add", "-q", "-b", "topic", str(linked))
    (linked / ".git").unlink()
    git(linked, "init", "-q", "-b", "main", ".")
    _commit(linked, "theirs")
    traps.plant(linked)
    (linked / ".gitattributes").write_text("* filter=trap diff=trap\n")
    _change(linked)
    for words in (("status",), ("diff",), ("diff", "--no-ext-diff")):
        git(linked, *words)
    assert traps.take() == set(_KINDS)  # plain git is caught by each
    said = _look_in_each_way(_begin_sessions(checkout), cli)
    assert traps.take() == set()
    assert said.count(f"cannot tell what changed in {linked}") == 2  # overlap and reconcile


def test_submodule_of_a_checkout_runs_nothing(
    checkout: Path, tmp_path: Path, cli: Cli, traps: _Traps, monkeypatch: pytest.MonkeyPatch
) -> None:
    _commit(checkout, "second")
    inner = _add_submodule(checkout, tmp_path)
    log = _begin_sessions(checkout)
    traps.plant(inner)
    _change(inner)
    git(checkout, "status")
    git(checkout, "diff", "--submodule=diff")
    assert {"clean", "fsmonitor"} <= traps.take()
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))
    found = _find(checkout)
    assert read_worktree(found) is not None
    assert list_changed(found, "HEAD~1") == {".gitmodules", "inner"}
    assert '"event":"child_start"' not in trace.read_text()
    monkeypatch.delenv("GIT_TRACE2_EVENT")
    _look_in_each_way(log, cli)
    assert traps.take() == set()


def test_commit_of_a_submodule_counts(checkout: Path, tmp_path: Path) -> None:
    inner = _add_submodule(checkout, tmp_path)
    _commit(inner, "two")
    state = _read(checkout)
    assert state is not None
    assert state.uncommitted == 1


def test_settings_of_the_repository_run_only_filters(
    checkout: Path, tmp_path: Path, cli: Cli, traps: _Traps
) -> None:
    _commit(checkout, "second")
    linked = tmp_path / "linked"
    git(checkout, "worktree", "add", "-q", "-b", "topic", str(linked))
    log = _begin_sessions(checkout)
    for path in (checkout, linked):
        (path / ".gitattributes").write_text("* filter=trap diff=trap\n")
        _change(path)
    traps.plant(checkout)
    _look_in_each_way(log, cli)
    assert traps.take() == {"clean"}


def test_attributes_of_a_checkout_run_nothing(
    checkout: Path, tmp_path: Path, cli: Cli, traps: _Traps
) -> None:
    """They can name a filter, but what it runs stands in a repository that is not read."""
    _commit(checkout, "second")
    linked = tmp_path / "linked"
    git(checkout, "worktree", "add", "-q", "-b", "topic", str(linked))
    log = _begin_sessions(checkout)
    own = tmp_path / "own"
    git(tmp_path, "init", "-q", str(own))
    traps.plant(own)
    for path in (checkout, linked):
        (path / ".gitattributes").write_text("* filter=trap diff=trap\n")
        shutil.copy(own / ".git" / "config", path / ".gitconfig")
        shutil.copytree(own / ".git", path / "nested" / ".git")
        _change(path)
    _look_in_each_way(log, cli)
    assert traps.take() == set()


def test_filter_of_the_user_runs_and_counts_are_right(
    checkout: Path, tmp_path: Path, cli: Cli
) -> None:
    """As of git-lfs: the file differs from what is committed, and is what the filter makes."""
    clean = f"tee -a '{tmp_path}/ran' | tr A-Z a-z"
    git(checkout, "config", "--global", "filter.loud.clean", clean)
    git(checkout, "config", "--global", "filter.loud.smudge", "tr a-z A-Z")
    (checkout / ".gitattributes").write_text("file filter=loud\n")
    git(checkout, "add", ".gitattributes")
    _commit(checkout, "SECOND")
    linked = tmp_path / "linked"
    git(checkout, "worktree", "add", "-q", "-b", "topic", str(linked))
    for path in (checkout, linked):
        assert (path / "file").read_text() == "SECOND"
        (path / "file").write_text("SECOND")
        os.utime(path / "file", (1, 1))
        (tmp_path / "ran").unlink(missing_ok=True)
        state = _read(path)
        assert state is not None
        assert state.uncommitted == 0
        assert (tmp_path / "ran").read_text() == "SECOND"
        (path / "file").write_text("CHANGE")
        assert list_changed(_find(path), None) == {"file"}
    log = SessionLog.open(checkout)
    task = log.add_task("Fix the flaky test").task.task_id
    log.start(task, session_id="s-linked", worktree=str(linked))
    (row,) = cli(checkout, "list", "--wide", "--json").json()["data"]["sessions"]
    assert row["checkout"]["uncommitted"] == 1
