"""Remember which session an agent's own session is: a small file each, beside the beats.

They can be deleted: the agent's own id stands in the log as an attribute.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

from git_session.core.wire import names
from git_session.host.files.queue import wait_in_queue
from git_session.host.files.regular_file import read_regular

_FOLDER: Final = "agents"
_FAILURE: Final = "failure.json"
_PLAIN: Final = re.compile(r"[a-z]{1,16}\.[A-Za-z0-9_-]{1,100}")
_LARGEST: Final = 4096
_PATIENCE_S: Final = 2.0


class Known(NamedTuple):
    """Holds the session that an agent's own session is recorded as.

    `is_adopted` tells that somebody else started it and will tell its end; `is_running` that it is
    recorded as running, or further along.
    """

    issue_id: str
    session_id: str
    is_adopted: bool = False
    is_running: bool = False

    @property
    def ref(self) -> str:
        """Return the name by which every command finds it."""
        return f"{self.issue_id}/{self.session_id}"


class AgentSessions:
    """Reads and replaces the files of one repository; `common_dir` is its git directory."""

    def __init__(self, common_dir: Path) -> None:
        self._folder = common_dir / names.SESSION_DIR / _FOLDER

    def lock(self) -> AbstractContextManager[None]:
        """Let the events of one agent, which come side by side, open a session once.

        Raises ReadOnlyError.
        """
        return wait_in_queue(self._folder / "lock", _PATIENCE_S)

    def read(self, agent: str, session: str) -> Known | None:
        """Read what an agent's session is recorded as; None when that is not known."""
        try:
            values = json.loads(read_regular(self._path(agent, session), _LARGEST))
            known = Known(*(values[key] for key in Known._fields))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        is_good = names.is_actor_id(str(known.issue_id)) and names.is_safe_id(str(known.session_id))
        return known if is_good else None

    def write(self, agent: str, session: str, known: Known) -> None:
        """Remember what an agent's session is recorded as. Raises ReadOnlyError."""
        from git_session.host.files.config_file import (
            replace_file,
        )  # only for the few events that record

        path = self._path(agent, session)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(known._asdict()).encode())

    def forget(self, agent: str, session: str) -> None:
        """Forget an agent's session."""
        self._path(agent, session).unlink(missing_ok=True)

    def write_failure(self, agent: str, event: str, message: str, ts: int) -> None:
        """Keep what could not be done last, as the agent must not hear of it (`ts` in ms)."""
        told = {"ts": ts, "agent": agent, "event": event, "error": message}
        try:
            os.makedirs(self._folder, exist_ok=True)
            (self._folder / _FAILURE).write_text(json.dumps(told))
        except OSError:
            pass  # there is nobody left to tell

    def read_failure(self) -> dict[str, object] | None:
        """Read what could not be done last; None when there is nothing."""
        try:
            told = json.loads(read_regular(self._folder / _FAILURE, _LARGEST))
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def forget_failure(self) -> None:
        """Forget what could not be done, as it works again."""
        (self._folder / _FAILURE).unlink(missing_ok=True)

    def _path(self, agent: str, session: str) -> Path:
        if _PLAIN.fullmatch(f"{agent}.{session}"):
            return self._folder / f"{agent}.{session}.json"
        import hashlib  # some ms, for ids that no file can be called by

        digest = hashlib.sha256(f"{agent}\0{session}".encode(errors="surrogatepass")).hexdigest()
        return self._folder / f"{digest[:32]}.json"
