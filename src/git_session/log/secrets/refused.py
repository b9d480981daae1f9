"""Why the last push to each remote was refused, kept for doctor until a push lands.

A JSON file in the common git directory; without it, no push was refused.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from git_session.core.wire import names
from git_session.errors import GitSessionError
from git_session.host.files.config_file import replace_note
from git_session.host.files.regular_file import read_regular

_FILE: Final = "refused.json"
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Refused:
    """Hold why a push was refused, with the server's words, and what to do about it."""

    message: str
    hint: str | None


def read_refused(common_dir: Path, remote: str) -> Refused | None:
    """Read why the remote (named as its tracking refs are) refused the last push, if it did."""
    found = _read(common_dir).get(remote)
    if not isinstance(found, dict) or not isinstance(message := found.get("message"), str):
        return None
    hint = found.get("hint")
    return Refused(message, hint if isinstance(hint, str) else None)


def write_refused(common_dir: Path, remote: str, error: GitSessionError) -> None:
    """Store why a push was refused; never fail."""
    refused = Refused(error.message, error.hint)
    _write(common_dir, _read(common_dir) | {remote: asdict(refused)})


def forget_refused(common_dir: Path, remote: str) -> None:
    """Forget a refused push, as a later one has landed; never fail."""
    found = _read(common_dir)
    if found.pop(remote, None) is not None:
        _write(common_dir, found)


def _read(common_dir: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(common_dir / names.SESSION_DIR / _FILE, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(common_dir: Path, found: dict[str, Any]) -> None:
    path = common_dir / names.SESSION_DIR / _FILE
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        replace_note(path, json.dumps(found).encode())
