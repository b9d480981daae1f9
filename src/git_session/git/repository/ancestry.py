"""Tells whether git's parents lead from one commit to another."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

from git_session.git.child import run_program
from git_session.git.program import git_environment
from git_session.git.repository.commits import ReadObject, read_commit_head

_NEAR: Final = 64
"""Commits looked at before git is asked; starting it costs about as much."""

_PATIENCE_S: Final = 600.0


def is_ancestor(read: ReadObject, git_dir: Path, ancestor: str, descendant: str) -> bool:
    """Tells whether parents lead from one commit (40 hex digits) to the other, or they are one.

    False as well where a missing or damaged commit hides it. git is asked about what is not near,
    and not libgit2, which can wait for ever for the end of a damaged commit.
    """
    waiting, seen = deque([descendant]), {descendant}
    for _ in range(_NEAR):
        if ancestor in seen:
            return True
        if not waiting:
            return False
        head = read_commit_head(read, waiting.popleft())
        parents = head.parents if head else ()
        waiting.extend(oid for oid in parents if oid not in seen)
        seen.update(parents)
    return _ask_git(git_dir, ancestor, descendant)


def _ask_git(git_dir: Path, ancestor: str, descendant: str) -> bool:
    options = [f"--git-dir={git_dir}", "--no-replace-objects"]
    question = ["merge-base", "--is-ancestor", ancestor, descendant]
    try:
        ended = run_program(
            ["git", *options, *question],
            cwd=git_dir,
            env=git_environment() | {"GIT_NO_LAZY_FETCH": "1"},
            timeout_s=_PATIENCE_S,
        )
    except OSError:
        return False
    return ended.code == 0
