"""The text of the installed hooks: plain shell that leaves at once when there is nothing to do.

Everything here is pure but for reading the parts, which lie beside this module. A hook is ours
when its second line says so, and unchanged when the sum that stands there is that of its bytes:
so one that an older version made is known as well.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from git_session.core.liveness import QUIET_AFTER_MS

HOOKS: Final = ("prepare-commit-msg", "post-commit", "pre-push")
KEPT_ENDING: Final = ".before-git-session"
"""What the name of a hook that stood there before ends with."""

_FORM: Final = 1
_PARTS: Final = {
    "prepare-commit-msg": ("head", "chain", "place", "session", "prepare-commit-msg"),
    "post-commit": ("head", "chain", "place", "session", "post-commit"),
    "pre-push": ("head", "chain-stdin", "pre-push"),
}
_FOLDER: Final = Path(__file__).parent / "shims"
_NO_SUM: Final = "0" * 16
_MARK: Final = re.compile(
    rb"#!/bin/sh\n# git-session's hook ([a-z-]+), form [0-9]+, sum ([0-9a-f]{16}); "
)
_PROGRAM_LINE: Final = re.compile(r'^program\(\) \{ (.+) "\$@"; \}$', re.MULTILINE)


def format_shim(hook: str, program: Sequence[str]) -> str:
    """Form the text of one hook, which calls `program` (its words, an absolute path first)."""
    text = "\n".join(_read_part(part) for part in _PARTS[hook])
    words = {
        "@HOOK@": hook,
        "@KEPT@": KEPT_ENDING,
        "@FORM@": str(_FORM),
        "@SUM@": _NO_SUM,
        "@QUIET@": str(QUIET_AFTER_MS),
        "@PROGRAM@": shlex.join(program),
        "@PATH@": shlex.quote(program[0]),
    }
    filled = re.sub("|".join(words), lambda found: words[found[0]], text)
    return filled.replace(_NO_SUM, _compute_sum(filled.encode(errors="surrogateescape")), 1)


def is_shim(data: bytes) -> bool:
    """Return whether a file's content says that it is one of our hooks."""
    return _MARK.match(data) is not None


def parse_program(data: bytes) -> list[str]:
    """Return the words of the program that one of our hooks calls; none where it was changed."""
    found = _PROGRAM_LINE.search(data.decode(errors="surrogateescape"))
    try:
        return shlex.split(found[1]) if found else []
    except ValueError:
        return []


def is_unchanged(data: bytes, hook: str) -> bool:
    """Return whether a file's content is what this or another version made for a hook."""
    found = _MARK.match(data)
    if found is None or found[1].decode() != hook or not parse_program(data):
        return False
    bare = data[: found.start(2)] + _NO_SUM.encode() + data[found.end(2) :]
    return _compute_sum(bare) == found[2].decode()


def encode_shim(hook: str, program: Sequence[str]) -> bytes:
    """Form the bytes of one hook."""
    return format_shim(hook, program).encode(errors="surrogateescape")


def _compute_sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[: len(_NO_SUM)]


@cache
def _read_part(name: str) -> str:
    return (_FOLDER / f"{name}.sh").read_text("utf-8")
