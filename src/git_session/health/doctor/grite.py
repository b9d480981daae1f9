"""Compare grite's own cache with the log, by asking the grite program that is on PATH.

Source: grite 0.5.3, `grite db stats --json`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from git_session.core.wire import names
from git_session.errors import GitSessionError
from git_session.git.child import run_program
from git_session.git.program import git_environment
from git_session.health.doctor.check import Check, fine
from git_session.log.session_log import SessionLog
from git_session.sync.snapshot import count_for_grite

TIMEOUT_S: Final = 10.0
_CACHE: Final = "sled"
_COMMAND: Final = ("db", "stats", "--json", "--no-daemon")
_REBUILD: Final = "git session snapshot && grite rebuild --from-snapshot"


def check_grite(log: SessionLog) -> Iterator[Check]:
    """Compare grite's cache with the log; no line without a grite that answers."""
    try:
        replay = log.replay()  # before grite's answer: grite may be recording
        cached = count_cached_events(log.common_dir, log.store.worktree or log.store.git_dir)
        if cached is None:
            return
        # The exact number is that of what grite can read, and is only needed where some is missing.
        known = replay.event_count if cached >= replay.event_count else count_for_grite(replay)
    except GitSessionError:
        return  # what is wrong with the log has a line of its own
    if cached >= known:
        yield fine("grite", "its cache holds all events of the log")
        return
    message = f"its cache lacks {known - cached} of the log's {known} events, so grite and brat"
    yield Check("grite", "warning", f"{message} act on stale data", _REBUILD)


def count_cached_events(common_dir: Path, start: Path) -> int | None:
    """Count the events in grite's cache of a repository, as grite tells it when run in `start`.

    None without a cache or a grite, and where grite does not answer: another program, such as its
    daemon, has the cache locked, or the time is up. Nothing is created where there is no cache.
    """
    cache = common_dir / names.GRITE_DIR / _CACHE
    program = _find_program() if cache.is_dir() else None
    if program is None:
        return None
    try:
        ended = run_program(
            [program, *_COMMAND], cwd=start, env=git_environment(), timeout_s=TIMEOUT_S
        )
        data = json.loads(ended.stdout)["data"] if ended.code == 0 else {}
        count, path = data.get("event_count"), Path(data.get("path", ""))
        is_ours = path.resolve() == cache.resolve()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return count if is_ours and isinstance(count, int) else None


def _find_program() -> str | None:
    # A relative folder of PATH would mean one in the checkout that grite is run in.
    folders = filter(os.path.isabs, os.environ.get("PATH", "").split(os.pathsep))
    return shutil.which("grite", path=os.pathsep.join(folders))
