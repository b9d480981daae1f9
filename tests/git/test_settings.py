"""Settings mean what they mean to git, and the default remotes are those people expect."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from git_session.errors import ConfigError, EnvironmentFaultError, NotFoundError
from git_session.git.repository.objects import ObjectStore
from git_session.git.settings import GitSettings
from git_session.git.values import parse_flag, parse_number
from tests.conftest import Cli, git


def _open(path: Path) -> GitSettings:
    return GitSettings(path / ".git", path)


def test_the_default_remotes_are_chosen_as_documented(repo: Path, bare: Path) -> None:
    """`session.remote`, all its values; else the upstream's; else origin; else a clear failure."""
    with pytest.raises(NotFoundError) as failed:
        _open(repo).default_remotes()
    assert "git remote add origin URL" in (failed.value.hint or "")
    git(repo, "remote", "add", "backup", str(bare))
    with pytest.raises(NotFoundError, match="backup"):
        _open(repo).default_remotes()
    git(repo, "remote", "add", "origin", str(bare))
    assert _open(repo).default_remotes() == ["origin"]
    git(repo, "config", "branch.main.remote", ".")
    assert _open(repo).default_remotes() == ["origin"]
    git(repo, "config", "branch.main.remote", "backup")
    assert _open(repo).default_remotes() == ["backup"]
    git(repo, "checkout", "--quiet", "--detach")
    assert _open(repo).default_remotes() == ["origin"]
    for value in ("lost", "", "two", "origin", "two"):
        git(repo, "config", "--add", "session.remote", value)
    assert _open(repo).default_remotes() == ["two", "origin"]


def test_settings_are_read_as_git_reads_them(repo: Path) -> None:
    assert _open(repo).config_all("session.remote") == []
    assert not _open(repo).read_flag("session.autoSync", default=False)
    assert _open(repo).read_flag("session.autoSync", default=True)
    for text, value in (("on", True), ("0", False), ("Yes", True)):
        git(repo, "config", "session.autoSync", text)
        assert _open(repo).read_flag("session.autoSync", default=not value) is value
    git(repo, "config", "session.pace", "2k")
    assert _open(repo).config_all("session.pace", "int") == ["2048"]
    git(repo, "config", "session.autoSync", "perhaps")
    assert _open(repo).read_flag("session.autoSync", default=True)


def test_a_broken_configuration_is_told_with_file_and_line(repo: Path) -> None:
    with (repo / ".git" / "config").open("a") as config:
        config.write("[remote\n")
    with pytest.raises(ConfigError, match="bad config line"):
        _open(repo).remotes()


def test_a_missing_git_is_told(repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = _open(repo)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFaultError, match="cannot run git"):
        here.remotes()


VALUES = (
    *("true", "Yes", "ON", "false", "no", "oFf", "", "0", "1", "-1", "+2", "2k", "0M", "3G"),
    *(
        "maybe",
        "k",
        "1kb",
        " 7",
        "7 ",
        "--1",
        "0x10",
        "0X",
        "010",
        "09",
        "-0x1k",
        "1.5",
        "t",
        "-2M",
    ),
)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_a_yes_or_a_number_where_git_says_so(value: str, repo: Path) -> None:
    def ask(kind: str) -> str | None:
        words = ("-c", f"session.it={value}", "config", f"--type={kind}", "--get", "session.it")
        done = subprocess.run(["git", *words], cwd=repo, capture_output=True, check=False)
        return done.stdout.decode().strip() if done.returncode == 0 else None

    flag, number = parse_flag(value), parse_number(value)
    assert (None if flag is None else str(flag).lower()) == ask("bool")
    assert (None if number is None else str(number)) == ask("int")


def test_of_a_key_the_last_value_counts_and_one_without_a_value_is_on(repo: Path) -> None:
    with (repo / ".git" / "config").open("a") as config:
        config.write('[Session]\n\tTask = one\n\ttask = two\n\tautoSync\n[a "B.c"]\n\tD = 1\n')
    settings = _open(repo)
    assert settings.config_all("session.TASK") == ["one", "two"]
    assert settings.read_text("SESSION.task", default="") == "two"
    assert settings.read_number("A.B.c.d", default=0) == 1
    assert settings.read_number("a.b.c.d", default=0) == 0
    assert settings.read_flag("session.autoSync", default=False)
    assert settings.read_text("session.autoSync", default="else") == "else"


def test_settings_are_read_once_for_all_and_again_after_a_while(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("git_session.git.settings.time.monotonic", lambda: now[0])
    here = ObjectStore.open(repo)
    assert here.settings.read_text("session.task", default="none") == "none"
    git(repo, "config", "session.task", "t-1")
    assert here.settings.read_text("session.task", default="none") == "none"
    now[0] += 6
    assert here.settings.read_text("session.task", default="none") == "t-1"
    assert here.settings.config_all("Session.TASK") == ["t-1"]


def test_without_git_settings_are_read_all_the_same(
    repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git(repo, "config", "session.task", "t-1")
    git(repo, "config", "session.autoSync", "yes")
    with (repo / ".git" / "config").open("a") as config:
        config.write("[Session]\n\tfsync\n")
    git(repo, "config", "user.name", os.fsdecode(b"J\xfcrgen"))
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = ObjectStore.open(repo).settings
    assert settings.read_text("session.task", default="") == "t-1"
    assert settings.read_flag("session.autoSync", default=False)
    assert settings.read_flag("session.fsync", default=False)


@pytest.mark.parametrize(
    "script", ["exec sleep 1000", "kill -SEGV $$", "exit 1", "exit 0", "echo no; exit 129"]
)
def test_a_git_that_fails_costs_time_and_nothing_else(
    repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    git(repo, "config", "session.task", "t-1")
    (tmp_path / "git").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("git_session.git.repository.refs._SETTINGS_TIMEOUT_S", 0.2)
    settings = ObjectStore.open(repo).settings
    assert settings.read_text("session.task", default="") == "t-1"


def test_the_settings_of_a_repository_with_an_extension_unknown_to_git_count(repo: Path) -> None:
    """Git passes over all of them, and says so on stderr alone."""
    for key, value in (
        ("session.task", "t-1"),
        ("core.repositoryFormatVersion", "1"),
        ("extensions.preciousObjects", "false"),
        ("extensions.relativeWorktrees", "true"),
    ):
        git(repo, "config", key, value)
    assert ObjectStore.open(repo).settings.read_text("session.task", default="") == "t-1"


def test_what_was_read_before_stands_while_git_cannot_be_asked(
    repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A command may remove the checkout that it was run in, and has an exit code all the same."""
    now = [100.0]
    monkeypatch.setattr("git_session.git.settings.time.monotonic", lambda: now[0])
    git(repo, "commit", "--quiet", "--allow-empty", "--message", "One")
    git(repo, "config", "session.task", "t-1")
    git(repo, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    settings = ObjectStore.open(tmp_path / "linked").settings
    assert settings.read_text("session.task", default="") == "t-1"
    git(repo, "worktree", "remove", str(tmp_path / "linked"))
    now[0] += 6
    assert settings.read_text("session.task", default="") == "t-1"


def test_a_transition_under_a_broken_configuration_is_an_error_with_the_place(
    repo: Path, cli: Cli
) -> None:
    task = cli(repo, "task", "add", "Port the lexer").stdout.strip()
    (Path(os.environ["HOME"]) / ".gitconfig").write_text("[remote\n")
    ran = cli(repo, "start", task)
    assert ran.code == 5, ran
    assert ".gitconfig:1)" in ran.stderr
