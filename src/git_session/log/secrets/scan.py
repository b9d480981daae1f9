"""Has texts scanned for credentials, by a program apart: see `secret_finder.py`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from git_session.git.child import Ended, run_program
from git_session.git.program import git_environment

_COMMAND: Final = ("-m", "git_session.log.secrets.secret_finder")
_GRACE_S: Final = 5.0
"""Seconds for what the program's own time limit does not cover: it has to start."""


@dataclass(slots=True)
class Scanned:
    """Holds what a scan found: numbers of texts with kinds and lines, and those left unscanned.

    `failure` says why nothing, or not all, was looked at.
    """

    found: list[tuple[int, str, int]] = field(default_factory=list)
    unscanned: list[tuple[int, str]] = field(default_factory=list)
    failure: str = ""


def scan_texts(texts: Sequence[str], allowed: Sequence[str], timeout_s: float) -> Scanned:
    """Scan texts for credentials within `timeout_s` seconds; fails never, but says so.

    A line that one of the regular expressions in `allowed` is found in is passed over.
    """
    asked = {"texts": texts, "allowed": allowed, "timeout_s": timeout_s}
    try:
        ended = _run(json.dumps(asked).encode(), timeout_s + _GRACE_S)
    except OSError as error:
        return Scanned(failure=f"the scanner could not be started: {error.strerror}")
    scanned = Scanned()
    is_done = False
    for line in ended.stdout.splitlines():
        is_done = _take(line, scanned) or is_done
    if not is_done:
        scanned.failure = _explain(ended)
    return scanned


def _run(asked: bytes, timeout_s: float) -> Ended:
    # A file without a name, not a pipe: nobody has to write while nobody reads.
    with tempfile.TemporaryFile() as file:
        file.write(asked)
        file.seek(0)
        return run_program(
            [sys.executable, "-P", *_COMMAND],
            cwd=Path.cwd(),
            env=git_environment(),
            timeout_s=timeout_s,
            stdin=file.fileno(),
        )


def _take(line: bytes, scanned: Scanned) -> bool:
    """Take in one line of what the program says; True when it says that it is done."""
    try:
        word: list[Any] = json.loads(line)
        if word[0] == "found":
            scanned.found.append((int(word[1]), str(word[2]), int(word[3])))
        elif word[0] == "unscanned":
            scanned.unscanned.append((int(word[1]), str(word[2])))
        return bool(word[0] == "done")
    except (ValueError, LookupError, TypeError):
        return False


def _explain(ended: Ended) -> str:
    if ended.code is None:
        return "the scanner did not end in time"
    last = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    # Of a traceback only what cannot quote a text.
    name, _, said = last.partition(":")
    is_missing = name == "ModuleNotFoundError"
    words = f"{said.strip()}: pip install bc-detect-secrets" if is_missing else name[:100]
    return f"the scanner ended with code {ended.code}: {words}"
