"""Syncs in the background after a transition, where `session.autoSync` says so.

The command that recorded the transition only starts a process and goes; that process syncs,
pauses, and syncs again while more is recorded. What it could not do the next command says.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from git_session.errors import GitSessionError
from git_session.store.child import start_detached
from git_session.store.git import git_environment
from git_session.store.objects import ObjectStore
from git_session.store.queue import try_lock
from git_session.sync import sync_log
from git_session.wire import names

if TYPE_CHECKING:
    from git_session.log import SessionLog

PACE_S: Final = 5.0
"""Seconds between two background syncs: back to back they would starve slower clones."""

_TIMEOUT_S: Final = 60.0
_WANTED: Final = "autosync.wanted"
_STATUS: Final = "autosync.json"
_LOCK: Final = "autosync.lock"


def start_background(log: SessionLog) -> str | None:
    """Starts a background sync, and says what the last one could not do, if anything.

    Takes the few ms of starting a process, never waits for the network, never fails.
    """
    directory = log.common_dir / names.SESSION_DIR
    try:
        directory.mkdir(exist_ok=True)
        # The mark is set first: a sync under way that sees it goes round again.
        (directory / _WANTED).write_text(str(time.time_ns()))
        # -P: the directory that it runs in is no place to import from.
        command = [sys.executable, "-P", "-m", "git_session", "sync", "--background"]
        start_detached(command, cwd=log.common_dir, env=git_environment())
    except OSError as error:
        return f"no background sync could be started: {error.strerror}"
    return _read_failure(directory)


def play_background(store: ObjectStore) -> None:
    """Syncs until nothing more is wanted; leaves at once when another process does so already."""
    directory = store.common_dir / names.SESSION_DIR
    done = ""
    while (wanted := _read_mark(directory)) != done:
        with try_lock(directory / _LOCK) as is_held:
            if not is_held:
                return
            done = wanted
            _write_status(directory, _sync_once(store))
            time.sleep(PACE_S)


def forget_failure(store: ObjectStore) -> None:
    """Forgets what the last background sync could not do, as it has been done since."""
    with suppress(OSError):
        (store.common_dir / names.SESSION_DIR / _STATUS).unlink(missing_ok=True)


def _sync_once(store: ObjectStore) -> str | None:
    try:
        _, error = sync_log(store, timeout=_TIMEOUT_S)
    except GitSessionError as failure:
        error = failure
    return None if error is None else error.message


def _read_mark(directory: Path) -> str:
    try:
        return (directory / _WANTED).read_text()
    except OSError:
        return ""


def _write_status(directory: Path, failure: str | None) -> None:
    temporary = directory / f"{_STATUS}.{os.getpid()}"
    temporary.write_text(json.dumps({"ts": time.time_ns() // 1_000_000, "error": failure}))
    temporary.replace(directory / _STATUS)


def _read_failure(directory: Path) -> str | None:
    try:
        failure = json.loads((directory / _STATUS).read_bytes()).get("error")
    except (OSError, ValueError, AttributeError):
        return None
    return f"the last background sync failed: {failure}" if isinstance(failure, str) else None
