"""Settings mean what they mean to git, and the default remotes are those people expect."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_session.errors import ConfigError, EnvironmentFaultError, NotFoundError
from git_session.store.git_settings import GitSettings
from tests.conftest import git


def _open(path: Path) -> GitSettings:
    return GitSettings(path / ".git", path)


def test_the_default_remotes_are_chosen_as_documented(repo: Path, bare: Path) -> None:
    """`session.remote`, all its values; else the upstream's; else origin; else a clear failure."""
    here = _open(repo)
    with pytest.raises(NotFoundError) as failed:
        here.default_remotes()
    assert "git remote add origin URL" in (failed.value.hint or "")
    git(repo, "remote", "add", "backup", str(bare))
    with pytest.raises(NotFoundError, match="backup"):
        here.default_remotes()
    git(repo, "remote", "add", "origin", str(bare))
    assert here.default_remotes() == ["origin"]
    git(repo, "config", "branch.main.remote", ".")
    assert here.default_remotes() == ["origin"]
    git(repo, "config", "branch.main.remote", "backup")
    assert here.default_remotes() == ["backup"]
    git(repo, "checkout", "--quiet", "--detach")
    assert here.default_remotes() == ["origin"]
    for value in ("lost", "", "two", "origin", "two"):
        git(repo, "config", "--add", "session.remote", value)
    assert here.default_remotes() == ["two", "origin"]


def test_settings_are_read_as_git_reads_them(repo: Path) -> None:
    here = _open(repo)
    assert here.config_all("session.remote") == []
    assert here.config_bool("session.autoSync", default=False) is False
    assert here.config_bool("session.autoSync", default=True) is True
    for text, value in (("on", True), ("0", False), ("Yes", True)):
        git(repo, "config", "session.autoSync", text)
        assert here.config_bool("session.autoSync", default=not value) is value
    git(repo, "config", "session.pace", "2k")
    assert here.config_all("session.pace", "int") == ["2048"]
    git(repo, "config", "session.autoSync", "perhaps")
    with pytest.raises(ConfigError, match="perhaps"):
        here.config_bool("session.autoSync", default=False)


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
