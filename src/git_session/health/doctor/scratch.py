"""A repository of the doctor's own, in which an installed hook is run and seen to act.

What is run is the text that is installed, to the byte, with the program that it names.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from git_session.connect.hooks.shim import format_shim
from git_session.core.wire import names
from git_session.core.wire.words import SESSION_VARIABLE, TRAILER, TRIAL_SESSION
from git_session.git.child import Ended, run_program
from git_session.git.program import git_environment
from git_session.log.session_log import SessionLog

_TIMEOUT_S: Final = 30.0
_IDENTITY: Final = ("-c", "user.name=doctor", "-c", "user.email=doctor@localhost")
_NO_HOOKS: Final = ("-c", f"core.hooksPath={os.devnull}", "-c", "commit.gpgSign=false")


class Scratch:
    """Runs hooks in a repository with one commit, a log, a session that lives in it, and a hub."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._top = folder / "work"
        self._hub = folder / "hub.git"
        self._git(folder, "init", "--quiet", "--bare", str(self._hub))
        self._git(folder, "init", "--quiet", str(self._top))
        self._git(self._top, "commit", "--quiet", "--allow-empty", "--message=first")
        self._git(self._top, "remote", "add", "origin", str(self._hub))
        log = SessionLog.open(self._top, environ={})
        task = log.add_task_row("Look whether hooks act")["task"]["task_id"]
        log.start_row(task, session_id=TRIAL_SESSION, worktree=str(self._top))

    def find_fault(self, hook: str, program: Sequence[str]) -> str | None:
        """Run one hook, and report in what way it did not act; None when it did."""
        message = self._folder / "message"
        message.write_text("A subject\n")
        args = {"prepare-commit-msg": [str(message)], "pre-push": ["origin", str(self._hub)]}
        ended = self._run(["sh", "-c", format_shim(hook, program), hook, *args.get(hook, [])])
        if self._has_acted(hook, message):
            return None
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        return f"it ran and did nothing{': ' + said[-1] if said else ''}"

    def read_version(self, program: Sequence[str]) -> str:
        """Read which version of the program a hook would call."""
        return self._run([*program, "--version"]).stdout.decode(errors="replace").strip()

    def _has_acted(self, hook: str, message: Path) -> bool:
        if hook == "prepare-commit-msg":
            return f"{TRAILER}: {TRIAL_SESSION}\n" in message.read_text()
        if hook == "post-commit":
            folder = self._top / ".git" / names.SESSION_DIR / names.BEATS_DIR
            return any(folder.glob("*.commit"))
        return bool(self._git(self._hub, "for-each-ref", names.WAL_REF).stdout)

    def _git(self, cwd: Path, *args: str) -> Ended:
        return self._run(["git", *_IDENTITY, *_NO_HOOKS, *args], cwd)

    def _run(self, command: Sequence[str], cwd: Path | None = None) -> Ended:
        environ = {k: v for k, v in git_environment().items() if k != SESSION_VARIABLE}
        environ |= {"GIT_EDITOR": ":", "GIT_TERMINAL_PROMPT": "0"}
        return run_program(command, cwd=cwd or self._top, env=environ, timeout_s=_TIMEOUT_S)


@contextmanager
def open_scratch() -> Iterator[Scratch]:
    """Make a scratch repository, which goes with the block."""
    with tempfile.TemporaryDirectory(prefix="git-session-doctor-") as folder:
        yield Scratch(Path(folder).resolve())


def fire_commit(top: Path) -> str | None:
    """Commit in a checkout of its own, through all hooks; report what was missing, None if well.

    The checkout is made for this and removed again; its commit is on no branch.
    """
    environ = git_environment() | {SESSION_VARIABLE: TRIAL_SESSION, "GIT_EDITOR": ":"}
    with tempfile.TemporaryDirectory(prefix="git-session-doctor-") as folder:
        place = Path(folder).resolve() / "checkout"

        def git(cwd: Path, *args: str) -> Ended:
            command = ["git", *_IDENTITY, "-c", "commit.gpgSign=false", *args]
            return run_program(command, cwd=cwd, env=environ, timeout_s=_TIMEOUT_S)

        made = git(top, "worktree", "add", "--quiet", "--detach", str(place), "HEAD")
        if made.code != 0:
            return f"cannot create a checkout: {_last_word(made)}"
        try:
            done = git(
                place, "commit", "--quiet", "--allow-empty", "--message", "git session doctor"
            )
            if done.code != 0:
                return f"a commit was refused: {_last_word(done)}"
            text = git(place, "log", "-1", "--format=%B").stdout.decode(errors="replace")
        finally:
            # Our own checkout, in which nobody else has been.
            git(top, "worktree", "remove", "--force", str(place))
    return None if f"{TRAILER}: {TRIAL_SESSION}" in text else "a commit did not get its trailer"


def _last_word(ended: Ended) -> str:
    said = ended.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else "git said nothing"
