"""Where a session's command works, and where its output is kept: the checkout and the file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from git_session.core.wire import names
from git_session.errors import EnvironmentFaultError, GitSessionError, UsageError
from git_session.git.child import run_program
from git_session.git.messages import split_words
from git_session.git.program import git_environment
from git_session.log.session_log import SessionLog
from git_session.log.setup import exclude_own_files
from git_session.run.output import create_output

_TIMEOUT_S: Final = 600.0
"""A large checkout takes its time."""


class Workplace:
    """Holds the places of one session that is about to begin.

    `worktree` is the checkout to work in, None for where we are; `output` the file that keeps what
    the command says, None for nothing kept. Both are named after the session where they are made.
    """

    def __init__(
        self,
        log: SessionLog,
        session_id: str,
        *,
        worktree: str | None,
        has_new_worktree: bool,
        keeps_output: bool,
    ) -> None:
        """Choose them, and make nothing yet. Raises UsageError."""
        self.output_fd = -1
        self._log = log
        self._has_new_worktree = has_new_worktree
        self.worktree: Path | None = None
        if has_new_worktree:
            self.worktree = self._require_top() / names.WORKTREES_DIR / session_id
        elif worktree:
            self.worktree = Path.cwd() / worktree
            if not self.worktree.is_dir():
                raise UsageError(f"no such directory: {worktree}", "--new-worktree makes one")
        self.output: Path | None = None
        if keeps_output:
            self.output = self._require_top() / names.LOGS_DIR / f"{session_id}.log"

    def make_output(self) -> None:
        """Make the file for the output. Raises EnvironmentFaultError."""
        if self.output is None:
            return
        exclude_own_files(self._log.common_dir)
        try:
            self.output_fd = create_output(self.output)
        except OSError as error:
            raise EnvironmentFaultError(
                f"cannot create {self.output}: {error.strerror}", "or run it without --log"
            ) from error

    def remove_output(self) -> None:
        """Remove the file again: no session came of it."""
        if self.output is not None:
            self.output.unlink(missing_ok=True)

    def make_worktree(self) -> None:
        """Make a new worktree where one is wanted. Raises GitSessionError."""
        if self._has_new_worktree and self.worktree is not None:
            exclude_own_files(self._log.common_dir)
            _add_worktree(self._log.store.git_dir, self.worktree)

    def _require_top(self) -> Path:
        if self._log.top is None:
            raise UsageError(
                "a bare repository has no checkout to store that in", "run it in a worktree"
            )
        return self._log.top


def _add_worktree(git_dir: Path, path: Path) -> None:
    """Make a worktree at `path`, on a new branch of its name at the HEAD of `git_dir`.

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
