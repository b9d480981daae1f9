"""In repositories of real hook managers a commit names its session, and their own hooks still run.

husky and lefthook come from npm (.ci/run puts them into .hook-managers), the pre-commit framework
from pip.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import Cli, git, run
from tests.support.beat_files import SESSION, write_beat

ROOT: Final = Path(__file__).resolve().parent.parent.parent
MODULES: Final = ROOT / ".hook-managers" / "node_modules"
PRE_COMMIT: Final = (sys.executable, "-m", "pre_commit")

pytestmark = pytest.mark.heavy


def _require(name: str) -> None:
    if shutil.which("node") is None or not (MODULES / ".bin" / name).exists():
        pytest.skip(f"{name} is not installed; .ci/run installs it by npm")


@pytest.fixture
def project(repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Gives a project with node's modules, whose own hooks write into `own`, ignored by git."""
    (repo / ".gitignore").write_text("node_modules\nown\n")
    (repo / "node_modules").symlink_to(MODULES)
    program = tmp_path / "bin" / "git-session"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m git_session "$@"\n')
    program.chmod(0o755)
    path = [str(program.parent), str(MODULES / ".bin"), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.delenv("CI", raising=False)
    return repo


def start(path: Path, *command: str) -> None:
    ran = run(path, *command)
    assert ran.code == 0, ran


def commit_all(path: Path, *options: str) -> str:
    """Commits what there is, and something more; gives the trailers of the commit."""
    with (path / "code.txt").open("a") as file:
        file.write("more\n")
    git(path, "add", "--all")
    ran = run(path, "git", "commit", "--quiet", "--message=Work", *options)
    assert ran.code == 0, ran
    return git(path, "log", "-1", "--format=%(trailers:key=Agent-Session,valueonly)").strip()


def own_runs(path: Path) -> list[str]:
    return (path / "own").read_text().split()


def install(cli: Cli, path: Path, *words: str) -> list[Mapping[str, Any]]:
    ran = cli(path, "hook", "install", "--files", "--json", *words)
    assert ran.code == 0, ran
    rows: list[Mapping[str, Any]] = ran.json()["data"]["hooks"]
    return rows


def states(cli: Cli, path: Path) -> set[str]:
    rows = cli(path, "hook", "status", "--json").json()["data"]["hooks"]
    return {row["state"] for row in rows}


# -- husky


@pytest.fixture
def husky(project: Path) -> Path:
    _require("husky")
    start(project, "husky")
    (project / ".husky" / "pre-commit").write_text("echo pre-commit >>own\n")
    (project / ".husky" / "prepare-commit-msg").write_text("echo prepare >>own; exit 0")
    return project


def test_husky_runs_its_hooks_and_ours(husky: Path, cli: Cli) -> None:
    before = {
        path.name: path.read_bytes() for path in (husky / ".husky").iterdir() if path.is_file()
    }
    rows = install(cli, husky)
    assert {row["way"] for row in rows} == {"line"}
    left = write_beat(husky)
    assert commit_all(husky) == SESSION
    assert own_runs(husky) == ["pre-commit", "prepare"]
    assert left.exists()
    start(husky, "husky")  # as every npm install does
    assert states(cli, husky) == {"installed"}
    assert commit_all(husky) == SESSION
    assert cli(husky, "hook", "uninstall").code == 0
    after = {
        path.name: path.read_bytes() for path in (husky / ".husky").iterdir() if path.is_file()
    }
    assert after == before


def test_the_line_printed_for_husky_is_enough(husky: Path, cli: Cli) -> None:
    advice = cli(husky, "hook", "install", "--manual", "--files", "--json").json()["data"]["advice"]
    for row in advice:
        assert row["sentence"].startswith(f"add to .husky/{row['hook']}")
        path = husky / ".husky" / row["hook"]
        text = path.read_text() + "\n" if path.exists() else ""
        path.write_text("\n".join(row["lines"]) + "\n" + text)
    left = write_beat(husky)
    assert commit_all(husky) == SESSION
    assert own_runs(husky) == ["pre-commit", "prepare"]
    assert left.exists()


def test_a_checkout_in_which_husky_was_not_set_up_is_told(husky: Path, cli: Cli) -> None:
    install(cli, husky)
    commit_all(husky)
    linked = husky.parent / "linked"
    git(husky, "worktree", "add", "--quiet", "-b", "agent", str(linked))
    assert states(cli, linked) == {"pending"}
    assert "npx husky" in cli(linked, "hook", "status").stdout


# -- lefthook


@pytest.fixture
def lefthook(project: Path) -> Path:
    _require("lefthook")
    text = "".join(
        f"{hook}:\n  jobs:\n    - run: echo {hook} >>own\n"
        for hook in ("pre-commit", "prepare-commit-msg")
    )
    (project / "lefthook.yml").write_text(text)
    start(project, "lefthook", "install")
    return project


def test_lefthook_runs_its_hooks_and_ours(lefthook: Path, cli: Cli) -> None:
    rows = install(cli, lefthook)
    assert {row["way"] for row in rows} == {"lefthook"}
    assert "pending" in {row["state"] for row in rows}
    start(lefthook, "lefthook", "install")
    assert states(cli, lefthook) == {"installed"}
    left = write_beat(lefthook)
    assert commit_all(lefthook) == SESSION
    assert own_runs(lefthook) == ["pre-commit", "prepare-commit-msg"]
    assert left.exists()
    assert cli(lefthook, "hook", "uninstall").code == 0
    assert not (lefthook / "lefthook-local.yml").exists()


def test_lefthooks_file_of_somebody_elses_stays_and_the_printed_lines_are_enough(
    lefthook: Path, cli: Cli
) -> None:
    local = lefthook / "lefthook-local.yml"
    local.write_text("pre-commit:\n  parallel: false\n")
    ran = cli(lefthook, "hook", "install", "--files")
    assert ran.code == 4
    assert "hook install --manual" in ran.stderr
    advice = cli(lefthook, "hook", "install", "--manual", "--json").json()["data"]["advice"]
    added = "".join(line + "\n" for row in advice for line in row["lines"])
    local.write_text(local.read_text() + added)
    start(lefthook, "lefthook", "install")
    left = write_beat(lefthook)
    assert commit_all(lefthook) == SESSION
    assert own_runs(lefthook) == ["pre-commit", "prepare-commit-msg"]
    assert left.exists()


def test_lefthook_hears_what_is_pushed(lefthook: Path, bare: Path, cli: Cli) -> None:
    cli(lefthook, "task", "add", "Fix it")
    git(lefthook, "remote", "add", "origin", str(bare))
    install(cli, lefthook)
    start(lefthook, "lefthook", "install")
    start(lefthook, "git", "push", "--quiet", "origin", "main")
    log = git(lefthook, "rev-parse", "refs/grite/wal")
    assert git(bare, "rev-parse", "refs/grite/wal") == log


# -- the pre-commit framework


@pytest.fixture
def pre_commit(project: Path) -> Path:
    pytest.importorskip("pre_commit", reason="the dev extra installs the pre-commit framework")
    (project / ".pre-commit-config.yaml").write_text(
        "default_install_hook_types: [pre-commit, prepare-commit-msg, post-commit, pre-push]\n"
        "repos:\n"
        "  - repo: local\n"
        "    hooks:\n"
        + "".join(
            f"      - {{id: own-{stage}, name: own, language: system, always_run: true,\n"
            f"         pass_filenames: false, stages: [{stage}],\n"
            f"         entry: sh -c 'echo {stage} >>own'}}\n"
            for stage in ("pre-commit", "prepare-commit-msg")
        )
    )
    git(project, "add", "--all")
    return project


def _ours_first(cli: Cli, path: Path) -> None:
    install(cli, path)
    start(path, *PRE_COMMIT, "install")


def _theirs_first(cli: Cli, path: Path) -> None:
    start(path, *PRE_COMMIT, "install")
    install(cli, path)


@pytest.mark.parametrize("put_in_place", [_ours_first, _theirs_first])
def test_the_pre_commit_framework_runs_its_hooks_and_ours(
    put_in_place: Callable[[Cli, Path], None], pre_commit: Path, cli: Cli
) -> None:
    put_in_place(cli, pre_commit)
    assert states(cli, pre_commit) == {"installed"}
    left = write_beat(pre_commit)
    assert commit_all(pre_commit) == SESSION
    assert own_runs(pre_commit) == ["pre-commit", "prepare-commit-msg"]
    assert left.exists()
    start(pre_commit, *PRE_COMMIT, "install")
    assert {row["action"] for row in install(cli, pre_commit)} == {"kept"}
    assert commit_all(pre_commit) == SESSION
    assert cli(pre_commit, "hook", "uninstall").code == 0
    assert commit_all(pre_commit) == ""
    assert len(own_runs(pre_commit)) == 6


def test_the_lines_printed_for_the_framework_are_enough(pre_commit: Path, cli: Cli) -> None:
    advice = cli(pre_commit, "hook", "install", "--manual", "--json").json()["data"]["advice"]
    config = pre_commit / ".pre-commit-config.yaml"
    added = "".join(line + "\n" for row in advice for line in row["lines"])
    config.write_text(config.read_text() + added)
    _commit_by_the_framework(pre_commit)


def test_the_frameworks_own_catalogue_names_our_hooks(pre_commit: Path, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    git(tmp_path, "init", "--quiet", str(ours))
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", ours)
    git(ours, "add", "--all")
    git(ours, "commit", "--quiet", "--message=Hooks")
    config = pre_commit / ".pre-commit-config.yaml"
    config.write_text(
        config.read_text() + f"  - repo: {ours}\n    rev: {git(ours, 'rev-parse', 'HEAD')}\n"
        "    hooks: [{id: git-session-message}, {id: git-session-commit}, {id: git-session-push}]\n"
    )
    _commit_by_the_framework(pre_commit)


def _commit_by_the_framework(path: Path) -> None:
    git(path, "add", "--all")
    start(path, *PRE_COMMIT, "install")
    left = write_beat(path)
    assert commit_all(path) == SESSION
    assert own_runs(path) == ["pre-commit", "prepare-commit-msg"]
    assert left.exists()
    git(path, "init", "--quiet", "--bare", "../hub.git")
    git(path, "remote", "add", "origin", "../hub.git")
    start(path, sys.executable, "-m", "git_session", "task", "add", "Fix it")
    start(path, "git", "push", "--quiet", "origin", "main")
    log = git(path, "rev-parse", "refs/grite/wal")
    assert git(path.parent / "hub.git", "rev-parse", "refs/grite/wal") == log
