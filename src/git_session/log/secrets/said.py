"""Which home directories this clone has said that it sends: each is worth one warning.

A file of lines in the common git directory; without it each is said once more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from git_session.core.wire import names
from git_session.host.files.config_file import replace_note
from git_session.host.files.regular_file import read_regular

_FILE: Final = "homes-sent"


def read_said(common_dir: Path) -> set[str]:
    """Read the home directories that were said."""
    try:
        text = os.fsdecode(read_regular(common_dir / names.SESSION_DIR / _FILE))
    except OSError:
        return set()
    return set(text.split("\n"))


def write_said(common_dir: Path, homes: Iterable[str]) -> None:
    """Write down that home directories were said, those before them kept; fails never."""
    path = common_dir / names.SESSION_DIR / _FILE
    lines = sorted(read_said(common_dir).union(homes) - {""})
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        replace_note(path, os.fsencode("\n".join(lines) + "\n"))
