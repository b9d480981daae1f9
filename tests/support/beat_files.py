"""Writes beat files as their contract says, without the package under test.

One key a line, so that plain shell can read them; the hooks' shell is held against these.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Final

from tests.conftest import git

ISSUE: Final = "a1" * 16
SESSION: Final = "s-20261122-4f1b"
TS: Final = int(time.time()) * 1000
"""Now: without a process only a fresh beat names its session."""


def write_beat(checkout: Path, session_id: str = SESSION, **changes: Any) -> Path:
    """Writes the beat of a session of this host that works in `checkout`; gives its `.commit`."""
    common = Path(git(checkout, "rev-parse", "--path-format=absolute", "--git-common-dir"))
    values: dict[str, Any] = {
        "schema": 1,
        "session_id": session_id,
        "grite_issue_id": ISSUE,
        "task_id": "t-20261122-4f12",
        "ts": TS,
        "recorded_ts": TS,
        "host": os.uname().nodename,
        "boot_id": None,
        "pid_ns": None,
        "pid": None,
        "pid_start": None,
        "worktree": os.path.realpath(checkout),
        "activity": None,
        "activity_ts": None,
        "attributes": {},
        "commit": None,
    }
    values |= changes
    stem = f"{values['grite_issue_id']}.{values['session_id']}"
    folder = common / "git-session" / "beats"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(values, indent=0, ensure_ascii=True, sort_keys=True)
    (folder / f"{stem}.json").write_text(text + "\n")
    return folder / f"{stem}.commit"
