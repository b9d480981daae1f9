"""Read the checkouts of a repository: what in them is not committed, and not pushed.

A path that came from the log is only compared with those listed here. git finds no repository by
itself in a checkout: whoever can write there can put another one in the place of `.git`, whose
filters git would run. It gets the git directory that belongs to the checkout, without hooks,
fsmonitor and external diffs, and starts nothing in submodules. Filters of the user's own
configuration do run, as without them every file of git-lfs would count as changed.
Source: gitrepository-layout(5), git-worktree(1), git-status(1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from git_session.git.child import run_program
from git_session.git.discovery import follow_link
from git_session.git.program import git_environment
from git_session.host.files.regular_file import read_regular

_SAFELY: Final = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
_NO_DRIVERS: Final = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
_TIMEOUT_S: Final = 10.0
_NO_BRANCH: Final = "(detached)"
_LONGEST: Final = 1 << 14
"""Bytes of a file that names a path."""

# "dirty" compares the commit of a submodule, by reading, and runs no git inside it.
_STATUS: Final = (
    *("status", "--porcelain=v2", "-z", "--branch"),
    *("--untracked-files=normal", "--ignore-submodules=dirty"),
)
_LISTED: Final = ("--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=dirty")


class Worktree(NamedTuple):
    """Names a checkout by its real path, and the git directory that belongs to it."""

    path: Path
    git_dir: Path

    @property
    def is_sound(self) -> bool:
        """Return whether the checkout's `.git` names that git directory in turn."""
        named = follow_link(self.path / ".git")
        return os.path.realpath(named) == os.path.realpath(self.git_dir)


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
        """Return whether something would be lost with it."""
        return bool(self.uncommitted or self.unpushed)


def list_worktrees(common_dir: Path, top: Path | None = None) -> list[Worktree]:
    """List a repository's checkouts that are there, without those that git would prune.

    `top` is where the main checkout may be, if its git directory is elsewhere and does not say.
    """
    main = _find_main(common_dir, top)
    found = [] if main is None else [main]
    try:
        names = sorted(os.listdir(common_dir / "worktrees"))
    except OSError:
        return found
    for name in names:
        git_dir = common_dir / "worktrees" / name
        link = _read_link(git_dir)
        if link is not None and os.path.lexists(link):
            found.append(Worktree(Path(os.path.realpath(link.parent)), git_dir))
    return found


def _find_main(common_dir: Path, top: Path | None) -> Worktree | None:
    """Find the main checkout; None for a bare repository, and where git does not say."""
    said = _run_git(common_dir, common_dir.parent, "rev-parse", "--show-toplevel")
    if said is None:
        return None
    told = Path(os.path.realpath(os.fsdecode(said.removesuffix(b"\n"))))
    # Where no setting names the top, git answers with the folder that it runs in.
    is_silent = told == Path(os.path.realpath(common_dir.parent))
    for path in (told, top if is_silent else None):
        if path is not None:
            main = Worktree(Path(os.path.realpath(path)), common_dir)
            if main.is_sound:
                return main
    return None


def _read_link(git_dir: Path) -> Path | None:
    """Read where the `.git` of a linked worktree is, absolute or relative to `git_dir`."""
    try:
        named = os.fsdecode(read_regular(git_dir / "gitdir", _LONGEST)).rstrip("\n")
    except OSError:
        return None
    return git_dir / named if named.endswith("/.git") and "\0" not in named else None


def read_worktree(worktree: Worktree) -> WorktreeState | None:
    """Read one checkout that list_worktrees gave; None where it is another's, or git fails."""
    if not worktree.is_sound:
        return None
    said = _run_in(worktree, *_STATUS)
    if said is None:
        return None
    state = _parse_status(worktree.path, said.decode(errors="surrogateescape"))
    if state.head is None:
        return state
    return state._replace(unpushed=_count_unpushed(worktree, state.branch))


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


def _count_unpushed(worktree: Worktree, branch: str | None) -> int:
    has_remotes = bool(_run_in(worktree, "for-each-ref", "--count=1", "refs/remotes"))
    others = ["--remotes"] if has_remotes else _other_branches(branch)
    said = _run_in(worktree, "rev-list", "--count", "HEAD", "--not", *others)
    return int(said) if said and said.strip().isdigit() else 0


def _other_branches(branch: str | None) -> Sequence[str]:
    # --exclude takes a pattern: what has a meaning there is no name of a branch.
    return ["--branches"] if branch is None else [f"--exclude={branch}", "--branches"]


def list_changed(worktree: Worktree, base: str | None) -> set[str] | None:
    """List the paths that a checkout has changed since the commit `base`, committed or not.

    Relative to its top, untracked ones included; a renamed file counts under both names. Without a
    `base` only what is not committed counts. None where it is another's, or git fails.
    """
    said = _run_in(worktree, "status", *_LISTED) if worktree.is_sound else None
    if said is None:
        return None
    found = set(_parse_paths(said.decode(errors="surrogateescape")))
    if base is not None:
        listing = ("diff", "--name-only", "--no-renames", "-z", *_NO_DRIVERS)
        names = _run_in(worktree, *listing, f"{base}..HEAD", "--")
        if names is None:
            return None
        found |= {name for name in names.decode(errors="surrogateescape").split("\0") if name}
    return found


def find_merge_base(common_dir: Path, first: str, second: str) -> str | None:
    """Find the best common ancestor of two commits; None when they have none."""
    said = _run_git(common_dir, common_dir, "merge-base", first, second)
    return said.decode().strip() if said else None


def _run_in(worktree: Worktree, *args: str) -> bytes | None:
    return _run_git(worktree.git_dir, worktree.path, f"--work-tree={worktree.path}", *args)


def _run_git(git_dir: Path, cwd: Path, *args: str) -> bytes | None:
    command = ["git", f"--git-dir={git_dir}", *_SAFELY, "--no-optional-locks", *args]
    try:
        ended = run_program(command, cwd=cwd, env=git_environment(), timeout_s=_TIMEOUT_S)
    except OSError:
        return None
    return ended.stdout if ended.code == 0 else None


def _parse_paths(said: str) -> Iterator[str]:
    """Read the paths out of what `git status -z` prints in its first format."""
    entries = iter(said.split("\0"))
    for entry in entries:
        if entry:
            yield entry[3:]
            if entry[0] in "RC":
                yield next(entries, "")
