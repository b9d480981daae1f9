"""Looks at the checkouts of a repository: what in them is not committed, and not pushed.

A path that came from the log is only ever compared with those that git itself lists. git runs in
them without what a repository inside the tree could make it run: no fsmonitor, no bare repository
that merely lies there, no look into submodules. Source: git-worktree(1), git-status(1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from git_session.store.git.child import run_program
from git_session.store.git.program import git_environment

_SAFELY: Final = ("-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit")
_TIMEOUT_S: Final = 10.0
_NO_BRANCH: Final = "(detached)"
_STATUS: Final = (
    *("status", "--porcelain=v2", "-z", "--branch"),
    *("--untracked-files=normal", "--ignore-submodules=dirty"),
)


_LISTED: Final = ("--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=dirty")


class WorktreeState(NamedTuple):
    """Holds what is in a checkout and nowhere else.

    `uncommitted` counts paths, untracked ones included. `unpushed` counts the commits of HEAD that
    no remote-tracking ref has, or, where there are no such refs, no other branch. `ahead` and
    `behind` are those of the upstream, None without one.
    """

    path: Path
    branch: str | None
    head: str | None
    uncommitted: int
    unpushed: int
    ahead: int | None = None
    behind: int | None = None

    @property
    def has_work(self) -> bool:
        """Tells whether something would be lost with it."""
        return bool(self.uncommitted or self.unpushed)


def list_worktrees(common_dir: Path) -> list[Path]:
    """Lists the real paths of a repository's checkouts that are there; none where git fails."""
    said = _run_git(common_dir, f"--git-dir={common_dir}", "worktree", "list", "--porcelain", "-z")
    entries = [] if said is None else said.decode(errors="surrogateescape").split("\0\0")
    found = []
    for entry in entries:
        lines = entry.strip("\0").split("\0")
        if lines[0].startswith("worktree ") and "bare" not in lines[1:]:
            path = Path(lines[0].removeprefix("worktree "))
            if path.is_dir():
                found.append(Path(os.path.realpath(path)))
    return found


def read_worktree(path: Path) -> WorktreeState | None:
    """Looks at one checkout, which list_worktrees gave; None where git cannot say."""
    said = _run_git(path, *_STATUS)
    if said is None:
        return None
    state = _parse_status(path, said.decode(errors="surrogateescape"))
    return state if state.head is None else state._replace(unpushed=_count_unpushed(state))


def _parse_status(path: Path, said: str) -> WorktreeState:
    state = WorktreeState(path, None, None, 0, 0)
    entries = iter(said.split("\0"))
    for entry in entries:
        if entry.startswith("# branch.oid ") and not entry.endswith(" (initial)"):
            state = state._replace(head=entry.split(" ")[2])
        elif entry.startswith("# branch.head "):
            branch = entry.removeprefix("# branch.head ")
            state = state._replace(branch=None if branch == _NO_BRANCH else branch)
        elif entry.startswith("# branch.ab "):
            ahead, behind = entry.removeprefix("# branch.ab ").split(" ")
            state = state._replace(ahead=abs(int(ahead)), behind=abs(int(behind)))
        elif entry and not entry.startswith("#"):
            state = state._replace(uncommitted=state.uncommitted + 1)
            if entry.startswith("2 "):
                next(entries, None)  # a renamed file's old name stands by itself
    return state


def _count_unpushed(state: WorktreeState) -> int:
    has_remotes = bool(_run_git(state.path, "for-each-ref", "--count=1", "refs/remotes"))
    others = ["--remotes"] if has_remotes else _other_branches(state.branch)
    said = _run_git(state.path, "rev-list", "--count", "HEAD", "--not", *others)
    return int(said) if said and said.strip().isdigit() else 0


def _other_branches(branch: str | None) -> Sequence[str]:
    # --exclude takes a pattern: what has a meaning there is no name of a branch.
    return ["--branches"] if branch is None else [f"--exclude={branch}", "--branches"]


def _run_git(cwd: Path, *args: str) -> bytes | None:
    command = ["git", *_SAFELY, "--no-optional-locks", *args]
    try:
        ended = run_program(command, cwd=cwd, env=git_environment(), timeout_s=_TIMEOUT_S)
    except OSError:
        return None
    return ended.stdout if ended.code == 0 else None


def list_changed(path: Path, base: str | None) -> set[str] | None:
    """Lists the paths that a checkout has changed since the commit `base`, committed or not.

    Relative to its top, untracked ones included; a renamed file counts under both names. Without a
    `base` only what is not committed counts. None where git cannot say.
    """
    said = _run_git(path, "status", *_LISTED)
    if said is None:
        return None
    found = set(_parse_paths(said.decode(errors="surrogateescape")))
    if base is not None:
        names = _run_git(path, "diff", "--name-only", "--no-renames", "-z", f"{base}..HEAD", "--")
        if names is None:
            return None
        found |= {name for name in names.decode(errors="surrogateescape").split("\0") if name}
    return found


def find_merge_base(common_dir: Path, first: str, second: str) -> str | None:
    """Finds the best common ancestor of two commits; None when they have none."""
    said = _run_git(common_dir, f"--git-dir={common_dir}", "merge-base", first, second)
    return said.decode().strip() if said else None


def _parse_paths(said: str) -> Iterator[str]:
    """Reads the paths out of what `git status -z` prints in its first format."""
    entries = iter(said.split("\0"))
    for entry in entries:
        if entry:
            yield entry[3:]
            if entry[0] in "RC":
                yield next(entries, "")
