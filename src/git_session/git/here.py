"""Asks git in the repository that git itself finds, as what git started has to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from git_session.git.child import run_program

_TIMEOUT_S: Final = 10.0


def read_pager_here() -> str | None:
    """Reads what git pages with: $GIT_PAGER, core.pager, $PAGER, or what it was built with.

    `cat` is none. None when git does not tell. Raises OSError when git cannot be started.
    """
    command = ["git", "var", "GIT_PAGER"]
    ended = run_program(command, cwd=Path.cwd(), env=os.environ, timeout_s=_TIMEOUT_S)
    return os.fsdecode(ended.stdout).strip() or None if ended.code == 0 else None


def read_setting_here(pattern: str) -> bytes | None:
    """Reads the last value of the keys of git's configuration that match `pattern`.

    None when nothing is set, or git does not tell. Raises OSError when git cannot be started.
    """
    command = ["git", "config", "--null", "--get-regexp", pattern]
    ended = run_program(command, cwd=Path.cwd(), env=os.environ, timeout_s=_TIMEOUT_S)
    *_, last = (b"", *ended.stdout.split(b"\0")[:-1])
    return last.partition(b"\n")[2] or None
