"""The lines of a commit's message that name the session it was made in, ours and other tools'.

Source: git-interpret-trailers(1). Other tools' values are ids of their own, web addresses of a
session, or `tool:id`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from git_session.core.wire.words import TRAILER

KEYS: Final = (
    TRAILER,
    *("Claude-Session", "Claude-Session-Id", "Entire-Session"),
    *("Agent-Session-Id", "Session-Id", "AI-Session"),
)
"""The keys that are read, in any case."""

_BY_LOWER: Final = {key.lower(): key for key in KEYS}
_LINE: Final = re.compile(rf"[ \t]*({'|'.join(KEYS)})[ \t]*:[ \t]*(\S+)[ \t]*", re.IGNORECASE)


class Mention(NamedTuple):
    """Holds one line that names a session.

    A squash merge buries the trailers of its commits in the middle of the message, where git does
    not see them: such a line is no trailer, and could also be quoted.
    """

    key: str
    value: str
    is_trailer: bool


def parse_mentions(message: str, trailers: str) -> list[Mention]:
    """Read the lines that name a session; `trailers` is what git takes for them, unfolded."""
    found = (_parse_trailer(line) for line in trailers.split("\n"))
    mentions = dict.fromkeys(mention for mention in found if mention is not None)
    for line in message.split("\n"):
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is not None:
            key, value = _BY_LOWER[match[1].lower()], match[2]
            if Mention(key, value, is_trailer=True) not in mentions:
                mentions[Mention(key, value, is_trailer=False)] = None
    return list(mentions)


def possible_ids(value: str) -> tuple[str, ...]:
    """Return the possible ids of a session in a value: all of it, or what a tool put before it."""
    found = (value, value.rstrip("/").rpartition("/")[2], value.partition(":")[2])
    return tuple(dict.fromkeys(text for text in found if text))


def _parse_trailer(line: str) -> Mention | None:
    key, colon, value = line.partition(":")
    known = _BY_LOWER.get(key.strip().lower())
    if known is None or not colon or not value.strip():
        return None
    return Mention(known, value.strip(), is_trailer=True)
