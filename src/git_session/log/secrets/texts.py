"""The texts of events that are about to leave, and the home directories that they name.

Each text comes with what it is: a title, a comment, a line of a session block. What cannot be
decoded leaves too, so its bytes count as one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from git_session.core.wire import event as kinds
from git_session.core.wire.block import BLOCK_KEYS, ESCAPE_KEY, parse_block, split_comment
from git_session.core.wire.event import COMMENT_ADDED, Event, decode_event, decode_sound_event
from git_session.core.wire.evidence import EVIDENCE_KEYS, PARENT_KEY
from git_session.core.wire.words import ATTRIBUTE_PREFIX
from git_session.errors import WireError

_FIELDS: Final[dict[int, tuple[str, ...]]] = {
    kinds.ISSUE_CREATED: ("title", "body", "label"),
    kinds.ISSUE_UPDATED: ("title", "body"),
    kinds.LABEL_ADDED: ("label",),
    kinds.LABEL_REMOVED: ("label",),
    kinds.LINK_ADDED: ("link", "note"),
    kinds.ASSIGNEE_ADDED: ("assignee",),
    kinds.ASSIGNEE_REMOVED: ("assignee",),
    kinds.ATTACHMENT_ADDED: ("attachment", "hash", "type"),
    kinds.CONTEXT_UPDATED: ("path", "language", "symbols", "summary", "hash"),
    kinds.PROJECT_CONTEXT_UPDATED: ("key", "value"),
}
_NO_TEXT: Final = re.compile(r"(?:null|[+-]?[0-9]*)")
_KEYS: Final = frozenset({*BLOCK_KEYS, ESCAPE_KEY, *EVIDENCE_KEYS, PARENT_KEY})
_FREE: Final = ("engine", "worktree", "exit_reason", "last_output_ref")
"""The keys of a block whose values are any text."""

_ATTRIBUTE: Final = re.compile(rf"{ATTRIBUTE_PREFIX}[a-z0-9_]{{1,32}}")
_WHOLE: Final = "event"

# What stands before one is no part of a longer path, as in the address of a web page.
_HOMES: Final = (
    r"/home/(?![.])[\w.-]{1,64}|/Users/(?!Shared\b)[\w.-]{1,64}|/root(?=/\w)"
    r"|[A-Za-z]:\\{1,2}Users\\{1,2}(?!Public\b)[\w.-]{1,64}"
)
_SHORTEST_HOME: Final = 5
"""Characters; a home of `/` or `/tmp` tells nothing of anybody."""

_MOST_HOMES: Final = 16
"""How many different ones are looked for in one text."""


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """Holds one text of an event: `raw` the event's bytes, ids in hex, `field` what it is."""

    raw: bytes
    event_id: str
    issue_id: str
    session_id: str | None
    field: str
    text: str


def list_texts(events: Iterable[bytes]) -> list[OutgoingText]:
    """List the texts of events, given as their bytes, oldest event first."""
    decoded = sorted(((_decode(raw), raw) for raw in events), key=_order)
    return [text for event, raw in decoded for text in _read_texts(event, raw)]


def find_homes(text: str, home: str) -> list[tuple[str, int]]:
    """Find the home directories that a text names, and the line where each comes first, from 1.

    `home` is the user's own, wherever it is. Of a text that names very many the first are given.
    """
    found = {}
    for match in _compile_homes(home.rstrip("/")).finditer(text):
        if match[0] not in found:
            found[match[0]] = text.count("\n", 0, match.start()) + 1
        if len(found) == _MOST_HOMES:
            break
    return list(found.items())


@cache
def _compile_homes(home: str) -> re.Pattern[str]:
    # The user's own comes first: it may be one of the usual ones with more to it.
    own = rf"{re.escape(home)}(?![\w.-])|" if len(home) >= _SHORTEST_HOME else ""
    return re.compile(rf"(?<![\w.~-])(?:{own}{_HOMES})")


def _decode(raw: bytes) -> Event | None:
    try:
        return decode_sound_event(raw) or decode_event(raw)
    except WireError:
        return None


def _order(pair: tuple[Event | None, bytes]) -> tuple[Any, ...]:
    event, raw = pair
    return (0, b"", raw) if event is None else (*event.order, raw)


def _read_texts(event: Event | None, raw: bytes) -> Iterator[OutgoingText]:
    if event is None or event.payload is None:
        event_id, issue_id = ("", "") if event is None else (event.event_id.hex(), _issue_of(event))
        yield OutgoingText(raw, event_id, issue_id, None, _WHOLE, raw.decode(errors="replace"))
        return
    if event.kind == COMMENT_ADDED:
        session_id, pairs = _read_comment(event.payload[0])
    else:
        session_id, pairs = None, list(_read_payload(event.kind, event.payload))
    for field, text in pairs:
        if text:
            yield OutgoingText(raw, event.event_id.hex(), _issue_of(event), session_id, field, text)


def _issue_of(event: Event) -> str:
    return event.issue_id.hex()


def _read_payload(kind: int, payload: list[Any]) -> Iterator[tuple[str, str]]:
    for field, value in zip(_FIELDS.get(kind, ()), payload, strict=False):
        yield field, "\n".join(_flatten(value))


def _flatten(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _flatten(inner)


def _read_comment(text: str) -> tuple[str | None, list[tuple[str, str]]]:
    """Take a comment apart: the session that its block is of, and each text with its name.

    Every line of a block is looked at, also one that no reader takes for a field.
    """
    parts = split_comment(text)
    if parts is None:
        return None, [("comment", text)]
    before, inside, after = parts
    lines = list(_read_lines(inside))
    values = {field: line.partition("=")[2].strip().strip('"') for field, line in lines}
    pairs = [("comment", before), *lines, ("comment", after)]
    if values.get(ESCAPE_KEY) == "toml":
        pairs += _read_escaped(text)
    return values.get("session_id"), pairs


def _read_lines(inside: str) -> Iterator[tuple[str, str]]:
    """Read the lines of a block, each whole: what a key says of its value is worth something."""
    for line in inside.split("\n"):
        key, _, value = (part.strip() for part in line.partition("="))
        if key in _KEYS or _ATTRIBUTE.fullmatch(key):
            if not _NO_TEXT.fullmatch(value):
                yield key, line
        else:
            yield "comment", line.strip()


def _read_escaped(comment: str) -> Iterator[tuple[str, str]]:
    """Read the fields of a block that has escapes in it, as they are without them."""
    try:
        state = parse_block(comment)
    except WireError:
        return
    named = {field: getattr(state, field) for field in _FREE}
    for field, text in {**named, **state.extras}.items():
        if isinstance(text, str):
            yield field, f"{field} = {text}"
