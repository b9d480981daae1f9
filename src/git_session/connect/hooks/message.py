"""Whether a commit's message may get a session's trailer.

Everything here is pure. Messages are bytes, as a repository may use any encoding that has ASCII in
it. Sources: githooks(5) on prepare-commit-msg, git-commit(1) on --cleanup, git-config(1) on
core.commentChar.
"""

from __future__ import annotations

import re
from typing import Final

# Compiled where they are met: a commit waits for what happens at every start.
_SCISSORS: Final = rb"(?m)^[^\n]{1,8} -{24} >8 -{24}$"
_REVERT: Final = rb'\s*(?:Revert|Reapply) "[^\n]*\n\s*This reverts commit [0-9a-f]{7,64}\b'
_AUTOMATIC: Final = tuple(bytes([code]) for code in b"#;@!$%^&|:")
"""What `core.commentChar = auto` takes one of."""

_FREE: Final = (*range(1, 10), *range(11, 128))


def may_carry_trailer(message: bytes, source: str, comments: tuple[bytes, ...]) -> bool:
    """Return whether a trailer may be added to a message that git is about to use.

    `source` is where git has it from, empty when from nowhere; `comments` is what a line of
    comment may begin with. An empty message must stay empty and a template untouched, as that
    is how a person calls a commit off. What a revert undoes may be somebody else's.
    """
    if source == "template":
        return False
    if b"This reverts commit" in message and re.match(_REVERT, message):
        return False
    kept = re.split(_SCISSORS, message, maxsplit=1)[0] if b" >8 " in message else message
    return any(not line.startswith(comments) for line in kept.split(b"\n") if line.strip())


def choose_comments(configured: bytes | None) -> tuple[bytes, ...]:
    """Return what lines of comment may begin with under a `core.commentChar`."""
    return _AUTOMATIC if configured == b"auto" else (configured or b"#",)


def choose_unused(message: bytes) -> str:
    """Return a character that no line begins with.

    Without an editor git takes every line for what was meant; interpret-trailers must then take
    none for a comment, or the trailer would land above a last line that begins with `#`.
    """
    firsts = {line[:1] for line in message.split(b"\n")}
    return next(
        chr(code) for code in (*range(1, 10), *range(11, 128)) if bytes([code]) not in firsts
    )
