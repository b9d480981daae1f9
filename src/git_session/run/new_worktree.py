"""Makes a linked worktree with git itself: its branch, its files, its hooks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from git_session.errors import EnvironmentFaultError, GitSessionError
from git_session.git.child import run_program
from git_session.git.messages import split_words
from git_session.git.program import git_environment

_TIMEOUT_S: Final = 600.0
"""A large checkout takes its time."""


def add_worktree(git_dir: Path, path: Path) -> None:
    """Makes a worktree at `path`, on a new branch of its name at the HEAD of `git_dir`.

    Raises GitSessionError with git's own words, or EnvironmentFaultError without git.
    """
    command = ["git", f"--git-dir={git_dir}", "worktree", "add", "--quiet", str(path)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ended = run_program(command, cwd=path.parent, env=git_environment(), timeout_s=_TIMEOUT_S)
    except OSError as error:
        raise EnvironmentFaultError(
            f"cannot create the worktree {path}: {error.strerror}",
            "check that git is installed and the path is writable",
        ) from error
    if ended.code != 0:
        said = split_words(ended.stderr) or ["it took too long"]
        hint = "git worktree list shows them"
        if not _has_commit(git_dir, path.parent):
            hint = "a worktree begins with a commit: git commit --allow-empty -m Begin makes one"
        raise GitSessionError("git worktree add failed", hint, said)


def _has_commit(git_dir: Path, cwd: Path) -> bool:
    command = ["git", f"--git-dir={git_dir}", "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]
    ended = run_program(command, cwd=cwd, env=git_environment(), timeout_s=_TIMEOUT_S)
    return ended.code == 0
