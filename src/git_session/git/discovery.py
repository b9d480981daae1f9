"""What libgit2 does not tell about a repository: where its common directory is, why it refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from git_session.core.wire.plain_text import quote_word
from git_session.errors import (
    EnvironmentFaultError,
    NotARepositoryError,
    UnsupportedRepositoryError,
)
from git_session.git.program import read_config_file
from git_session.host.files.regular_file import read_regular, require_regular

_LONGEST: Final = 1 << 14
"""Bytes of a file that names a path."""


def find_common_dir(git_dir: Path) -> Path:
    """Find the main repository's git directory from that of any of its worktrees.

    Source: gitrepository-layout, "commondir".
    """
    named = os.environ.get("GIT_COMMON_DIR")
    if not named:
        try:
            named = os.fsdecode(read_regular(git_dir / "commondir")).rstrip("\n")
        except OSError:
            return git_dir
        return (git_dir / named).resolve()
    return Path(named).resolve()


def require_regular_above(path: Path) -> None:
    """Check the repository that is found upward from `path`, before libgit2 opens it.

    Raises EnvironmentFaultError for one whose files are none, which would hold who opens them.
    """
    for folder in (path, *path.parents):
        for candidate in (folder / ".git", folder):
            git_dir = follow_link(candidate)
            if (git_dir / "HEAD").exists():
                require_regular(git_dir, git_dir)
                require_regular(git_dir, find_common_dir(git_dir))
                return


def follow_link(path: Path) -> Path:
    """Return the git directory that a `.git` file names; any other path as it is."""
    try:
        named = os.fsdecode(read_regular(path, _LONGEST)).rstrip("\r\n")
    except (OSError, ValueError):
        return path
    return path if "\0" in named else path.parent / named.removeprefix("gitdir: ")


def explain_refusal(
    path: Path, git_dir: Path | None, foreign: Path | None, *, reason: str
) -> EnvironmentFaultError:
    """Say why the repository of `path` was not opened.

    `git_dir` is what was found of it, `foreign` what was refused for its owner alone.
    """
    if git_dir is None:
        return NotARepositoryError(
            f"{path.absolute()} lies in no git repository",
            "git init creates one; -C PATH selects another directory",
        )
    if foreign is not None:
        return EnvironmentFaultError(
            f"the repository {foreign} belongs to another user",
            f"if you trust it: git config --global --add safe.directory {quote_word(str(foreign))}",
        )
    settings = read_config_file(find_common_dir(git_dir) / "config")
    objects = settings.get("extensions.objectformat", "sha1")
    refs = settings.get("extensions.refstorage", "files")
    hint = "git-session works with SHA-1 objects and refs in files"
    if objects != "sha1":
        return UnsupportedRepositoryError(f"{git_dir} names its objects by {objects}", hint)
    if refs != "files":
        return UnsupportedRepositoryError(f"{git_dir} keeps its refs in a {refs}", hint)
    return EnvironmentFaultError(f"cannot open the repository: {reason}", "git status may show why")
