"""Wait for files to change: the only module that imports watchfiles.

Its own class is used and not `watch()`: that begins to listen only when it is asked for a change,
and what happens between the caller's look and then would be missed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_DEBOUNCE_MS: Final = 100
_STEP_MS: Final = 25
"""Between two looks whether the system told of something: 40 short wake-ups a second."""

_POLL_MS: Final = 250


class Watcher:
    """Listens for changes below folders, from its making on; a folder may come or go meanwhile.

    Where the system cannot tell of changes (no room for another watch), the folders are looked at
    four times a second.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._watched: list[str] = []
        self._notify: RustNotify | None = None
        self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def wait(self, timeout_s: float) -> bool:
        """Wait until something changed, or for so long; return whether something did.

        Raises KeyboardInterrupt for Ctrl-C.
        """
        if self._notify is None or self._watched != self._present():
            self._listen()
        if self._notify is None:
            time.sleep(min(timeout_s, _POLL_MS / 1000))
            return False
        # 0 would wait for ever.
        timeout_ms = max(1, round(timeout_s * 1000))
        found = self._notify.watch(_DEBOUNCE_MS, _STEP_MS, timeout_ms, None)
        if found == "signal":
            raise KeyboardInterrupt
        return not isinstance(found, str)

    def _present(self) -> list[str]:
        return [str(folder) for folder in self._folders if folder.is_dir()]

    def _listen(self) -> None:
        from watchfiles._rust_notify import RustNotify

        self._stop()
        self._watched = self._present()
        for is_polled in (False, True):
            try:
                self._notify = RustNotify(self._watched, False, is_polled, _POLL_MS, True, True)
                return
            except (OSError, RuntimeError):
                continue  # gone again, or no room for another watch

    def _stop(self) -> None:
        if self._notify is not None:
            self._notify.close()
            self._notify = None
