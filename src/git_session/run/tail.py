"""Read what a session's command said, from the file that keeps it, also while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from git_session.core.fold.rows import Row
from git_session.core.wire import names
from git_session.errors import GitSessionError, NotFoundError
from git_session.host.files.watcher import Watcher
from git_session.log.session_log import SessionLog
from git_session.run.output import find_last_lines, hash_output, read_from

LOOK_S: Final = 1.0
"""The longest time between two looks, whatever the system tells of changes."""

DEAD_S: Final = 15.0
"""How long a session must be seen dead before it is given up: longer than a writer's patience."""

_HASH_PREFIX: Final = "sha256:"


@dataclass(frozen=True, slots=True)
class Tail:
    """Holds where to read: the session's row, its file, and the byte where the wanted lines begin.

    `matches` tells whether the file is what the session's exit says it was; None when it says
    nothing of it.
    """

    session: Row
    path: Path
    position: int
    matches: bool | None


def find_tail(log: SessionLog, ref: str, lines: int) -> Tail:
    """Find the last lines of a session's output. Raises NotFoundError, or GitSessionError."""
    row = log.session_row(ref)
    path = log.log_file(row["session_id"])
    if path is None:
        raise NotFoundError(
            f"no output of {row['session_id']} is saved here",
            "git session run --log saves it, on the host it runs on",
        )
    try:
        return Tail(row, path, find_last_lines(path, lines), _matches(row, path))
    except OSError as error:
        raise GitSessionError(f"cannot read {path}: {error.strerror}") from error


def read_tail(tail: Tail) -> Iterator[bytes]:
    """Read to the end of the file as it is now. Raises GitSessionError."""
    try:
        yield from read_from(tail.path, tail.position)
    except OSError as error:
        raise GitSessionError(f"cannot read {tail.path}: {error.strerror}") from error


def follow_tail(log: SessionLog, tail: Tail) -> Iterator[bytes]:
    """Read on, whatever comes, until the session is over. Raises GitSessionError.

    Over is one that has exited, and one that has been dead for a while: its end may be told yet.
    """
    ref = f"{tail.session['grite_issue_id']}/{tail.session['session_id']}"
    refs = (log.common_dir / names.WAL_REF).parent
    dead_at: float | None = None
    with Watcher([tail.path.parent, refs, log.common_dir]) as watcher:
        is_over = False
        while not is_over:
            row = log.session_row(ref)
            is_dead = row["liveness"]["verdict"] == "dead"
            dead_at = (dead_at or time.monotonic()) if is_dead else None
            is_over = row["state"] == "exit" or (
                dead_at is not None and time.monotonic() - dead_at > DEAD_S
            )
            # What was said before the exit is in the file before the exit is in the log.
            for piece in read_tail(tail):
                tail = replace(tail, position=tail.position + len(piece))
                yield piece
            if not is_over:
                watcher.wait(LOOK_S)


def _matches(row: Row, path: Path) -> bool | None:
    told: str | None = row["last_output_ref"]
    if told is None or not told.startswith(_HASH_PREFIX):
        return None
    return hash_output(path) == told.removeprefix(_HASH_PREFIX)
