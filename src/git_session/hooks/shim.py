"""The text of the installed hooks: plain shell that leaves at once when there is nothing to do.

Everything here is pure but for reading the parts, which lie beside this module. A hook is ours
when its second line says so; it is unchanged when it is, to the byte, what is made here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

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
_MARK: Final = re.compile(rb"#!/bin/sh\n# git-session's hook ([a-z-]+), form [0-9]+; ")
_PROGRAM_LINE: Final = re.compile(r'^program\(\) \{ (.+) "\$@"; \}$', re.MULTILINE)


def format_shim(hook: str, program: Sequence[str]) -> str:
    """Forms the text of one hook, which calls `program` (its words, an absolute path first)."""
    text = "\n".join(_read_part(part) for part in _PARTS[hook])
    words = {
        "@HOOK@": hook,
        "@KEPT@": KEPT_ENDING,
        "@FORM@": str(_FORM),
        "@PROGRAM@": shlex.join(program),
        "@PATH@": shlex.quote(program[0]),
    }
    return re.sub("|".join(words), lambda found: words[found[0]], text)


def is_shim(data: bytes) -> bool:
    """Tells whether a file's content says that it is one of our hooks."""
    return _MARK.match(data) is not None


def parse_program(data: bytes) -> list[str]:
    """Gives the words of the program that one of our hooks calls; none where it was changed."""
    found = _PROGRAM_LINE.search(data.decode(errors="surrogateescape"))
    try:
        return shlex.split(found[1]) if found else []
    except ValueError:
        return []


def is_unchanged(data: bytes, hook: str) -> bool:
    """Tells whether a file's content is what is made for a hook, whichever program it calls."""
    program = parse_program(data)
    return bool(program) and encode_shim(hook, program) == data


def encode_shim(hook: str, program: Sequence[str]) -> bytes:
    """Forms the bytes of one hook."""
    return format_shim(hook, program).encode(errors="surrogateescape")


@cache
def _read_part(name: str) -> str:
    return (_FOLDER / f"{name}.sh").read_text("utf-8")
