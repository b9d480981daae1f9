"""Notices that the log's ref cannot be moved here, and says by whom it is held."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from git_session.core.wire import names
from git_session.errors import ContendedError
from git_session.git.repository.refs import PATIENCE_S, unlock_hint

if TYPE_CHECKING:
    from git_session.git.repository.objects import ObjectStore


class Standstill:
    """Watches one lock on the log's ref, from one try to move it to the next."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock: tuple[int, int] | None = None
        self._since = 0.0
        self.is_hopeless = False
        """Whether one and the same lock has been in the way for 10 s: nobody lets go of it."""

    def note_failure(self) -> None:
        """Looks at the lock that kept the ref from being moved."""
        lock, now = self._identify_lock(), time.monotonic()
        if lock != self._lock:
            self._lock, self._since = lock, now
        self.is_hopeless = lock is not None and now - self._since > PATIENCE_S

    def explain(self) -> ContendedError:
        """Forms the error of a log that could not be moved until the end."""
        held = self._store.held_lock(names.WAL_REF)
        end = f"for {PATIENCE_S:.0f} s" if self.is_hopeless else "until the time was up"
        if held is not None:
            return ContendedError(
                f"{names.WAL_REF} stayed locked by {held} {end}", unlock_hint(held)
            )
        return ContendedError(
            f"the log here kept moving {end}: other programs moved {names.WAL_REF} each time",
            "git session sync tries again; --timeout gives it longer",
        )

    def _identify_lock(self) -> tuple[int, int] | None:
        held = self._store.held_lock(names.WAL_REF)
        if held is None:
            return None
        try:
            found = os.lstat(held)
        except OSError:  # let go of at this moment
            return None
        return found.st_ino, found.st_mtime_ns
