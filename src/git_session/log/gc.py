"""Keep a log that grows cheap, by git's own maintenance: as git itself does after a commit.

Every transition leaves eight loose objects. When there are more than git's own `gc.auto` allows,
`git maintenance run --auto` is started and goes on by itself; the user's settings decide.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from git_session.core.wire import names
from git_session.errors import GitSessionError
from git_session.git.child import start_detached
from git_session.git.program import git_environment
from git_session.log.session_log import SessionLog

GC_AUTO: Final = 6700
"""git's default for `gc.auto`: loose objects that are too many."""

PAUSE_S: Final = 600.0
"""Seconds between two starts, in case maintenance cannot help."""

_SAMPLE: Final = "17"
_MARK: Final = "maintenance.started"


def start_maintenance(log: SessionLog) -> bool:
    """Start git's maintenance if it is due; return whether it did. Takes no time, never fails."""
    mark = log.common_dir / names.SESSION_DIR / _MARK
    try:
        if not is_due(log) or _is_recent(mark):
            return False
        mark.touch()
        command = ["git", f"--git-dir={log.common_dir}", "maintenance", "run", "--auto", "--quiet"]
        start_detached(command, cwd=log.common_dir, env=git_environment())
    except (GitSessionError, OSError):
        return False
    return True


def is_due(log: SessionLog) -> bool:
    """Return whether there are more loose objects than the user's settings allow."""
    limit = log.store.settings.read_number("gc.auto", default=GC_AUTO)
    if limit <= 0 or not log.store.settings.read_flag("maintenance.auto", default=True):
        return False
    return _has_too_many(log.common_dir, limit)


def _has_too_many(common_dir: Path, limit: int) -> bool:
    """Estimate the loose objects as git does: one folder of 256 is counted."""
    try:
        count = sum(1 for _ in (common_dir / "objects" / _SAMPLE).iterdir())
    except OSError:
        return False
    return count * 256 > limit


def _is_recent(mark: Path) -> bool:
    try:
        return time.time() - mark.stat().st_mtime < PAUSE_S
    except OSError:
        return False
