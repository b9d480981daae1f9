"""Sync in the background after a transition, where `session.autoSync` says so.

The command that recorded the transition only starts a process and goes; that process syncs,
pauses, and syncs again while more is recorded. What it could not do the next command says.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from git_session.core.wire import names
from git_session.errors import GitSessionError
from git_session.git.child import start_detached
from git_session.git.program import git_environment
from git_session.git.repository.objects import ObjectStore
from git_session.host.clock import read_clock
from git_session.host.files.config_file import replace_note
from git_session.host.files.queue import try_lock
from git_session.host.files.regular_file import read_regular
from git_session.log.secrets.policy import tell_finds
from git_session.sync.rounds import sync_log

if TYPE_CHECKING:
    from git_session.log.session_log import SessionLog

PACE_S: Final = 5.0
"""Seconds between two background syncs: back to back they would starve slower clones."""

_TIMEOUT_S: Final = 60.0
_WANTED: Final = "autosync.wanted"
_STATUS: Final = "autosync.json"
_LOCK: Final = "autosync.lock"


def start_background(log: SessionLog, *, is_heard: bool = True) -> str | None:
    """Start a background sync, and say what the last one could not do, or found, if anything.

    Without `is_heard` that is kept for the next one that starts. Takes the few ms of starting a
    process, never waits for the network, never fails.
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
    return _tell_status(directory) if is_heard else None


def play_background(store: ObjectStore) -> None:
    """Sync until nothing more is wanted; leaves at once when another process does so already."""
    directory = store.common_dir / names.SESSION_DIR
    done = ""
    while (wanted := _read_mark(directory)) != done:
        with try_lock(directory / _LOCK) as is_held:
            if not is_held:
                return
            done = wanted
            failure, found = _sync_once(store)
            # What was found stays until somebody was told.
            _write_status(directory, failure, [*_read_status(directory)[1], *found])
            time.sleep(PACE_S)


def forget_failure(store: ObjectStore) -> None:
    """Forget what the last background sync could not do, as it has been done since."""
    with suppress(OSError):
        (store.common_dir / names.SESSION_DIR / _STATUS).unlink(missing_ok=True)


def _sync_once(store: ObjectStore) -> tuple[str | None, list[str]]:
    """Sync, and return what could not be done, and what was found in what left."""
    try:
        row, error = sync_log(store, timeout=_TIMEOUT_S)
    except GitSessionError as failure:
        return failure.message, []
    if error is not None:
        return error.message, []
    return None, tell_finds(row["scan"], store.common_dir)


def _read_mark(directory: Path) -> str:
    try:
        return read_regular(directory / _WANTED).decode(errors="replace")
    except OSError:
        return ""


def _write_status(directory: Path, failure: str | None, found: Sequence[str]) -> None:
    status = {"ts": read_clock(), "error": failure, "found": found}
    replace_note(directory / _STATUS, json.dumps(status).encode())


def _tell_status(directory: Path) -> str | None:
    failure, found = _read_status(directory)
    if found:
        _write_status(directory, failure, [])
    said = [f"failed: {failure}"] if failure else []
    said += [f"found: {sentence}" for sentence in found]
    return f"the last background sync {'; '.join(said)}" if said else None


def _read_status(directory: Path) -> tuple[str | None, list[str]]:
    try:
        status = json.loads(read_regular(directory / _STATUS))
        failure, found = status.get("error"), status.get("found", [])
    except (OSError, ValueError, AttributeError):
        return None, []
    is_text = isinstance(found, list) and all(isinstance(sentence, str) for sentence in found)
    return failure if isinstance(failure, str) else None, found if is_text else []
