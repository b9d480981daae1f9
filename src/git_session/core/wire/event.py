"""Events: the CBOR arrays of the log, their ids, and what makes one good.

Source: the grite store format, sections "A chunk" and "Vectors for event_id".
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import cbor2

from git_session.core.wire.cbor import MAX_DEPTH, end_of_item, split_array
from git_session.core.wire.names import NEWEST_TS
from git_session.errors import WireError

ISSUE_CREATED: Final = 1
ISSUE_UPDATED: Final = 2
COMMENT_ADDED: Final = 3
LABEL_ADDED: Final = 4
LABEL_REMOVED: Final = 5
STATE_CHANGED: Final = 6
LINK_ADDED: Final = 7
ASSIGNEE_ADDED: Final = 8
ASSIGNEE_REMOVED: Final = 9
ATTACHMENT_ADDED: Final = 10
DEPENDENCY_ADDED: Final = 11
DEPENDENCY_REMOVED: Final = 12
CONTEXT_UPDATED: Final = 13
PROJECT_CONTEXT_UPDATED: Final = 14

KIND_NAMES: Final = {
    ISSUE_CREATED: "IssueCreated",
    ISSUE_UPDATED: "IssueUpdated",
    COMMENT_ADDED: "CommentAdded",
    LABEL_ADDED: "LabelAdded",
    LABEL_REMOVED: "LabelRemoved",
    STATE_CHANGED: "StateChanged",
    LINK_ADDED: "LinkAdded",
    ASSIGNEE_ADDED: "AssigneeAdded",
    ASSIGNEE_REMOVED: "AssigneeRemoved",
    ATTACHMENT_ADDED: "AttachmentAdded",
    DEPENDENCY_ADDED: "DependencyAdded",
    DEPENDENCY_REMOVED: "DependencyRemoved",
    CONTEXT_UPDATED: "ContextUpdated",
    PROJECT_CONTEXT_UPDATED: "ProjectContextUpdated",
}

ISSUE_STATES: Final = ("open", "closed")
DEPENDENCY_KINDS: Final = ("blocks", "depends_on", "related_to")

BAD_EVENT_ID: Final = "event_id"
UNKNOWN_KIND: Final = "unknown_kind"
UNKNOWN_PAYLOAD: Final = "unknown_payload"
BEYOND_TIME: Final = "beyond_time"

_TS_LIMIT: Final = 1 << 64
_KIND_LIMIT: Final = 1 << 32
_LONG: Final = 1 << 20
"""Bytes of an event; what is longer can hold more items than memory has room for."""


@dataclass(slots=True)
class Event:
    """Holds one event as it is stored; treat it as immutable.

    `ts` is ms since the epoch; ids are raw bytes (32, 16, 16); `payload` is the decoded
    array, or None where `fault` says that it cannot be folded; `raw` is the event's own
    bytes as they lie in the chunk; `fault` is empty for an event that may be folded.
    """

    event_id: bytes
    issue_id: bytes
    actor: bytes
    ts: int
    parent: bytes | None
    kind: int
    payload: list[Any] | None
    sig: bytes | None
    raw: bytes
    fault: str = ""

    @property
    def order(self) -> tuple[int, bytes, bytes]:
        """Return the key of the fold order: time, actor, event id."""
        return (self.ts, self.actor, self.event_id)


def decode_event(raw: bytes) -> Event:
    """Decode the bytes of one event and judge it; `raw` holds that one item and no more.

    The id is recomputed from the raw bytes of items 1 to 6, never from re-encoded values.
    Raises WireError when the bytes are not an array of eight items of the right types.
    """
    items, end = split_array(raw)
    if end != len(raw) or len(items) != 8:
        raise WireError(f"event is an array of {len(items)} items, not 8")
    head = [_decode_item(item) for item in items[:6]]
    sig = _decode_item(items[7])
    _require_types(head, sig)
    event_id, issue_id, actor, ts, parent, kind = head
    event = Event(event_id, issue_id, actor, ts, parent, kind, None, sig, raw)
    body = b"".join(items[1:7])
    if hash_body(body) != event_id:
        event.fault = BAD_EVENT_ID
    elif kind not in KIND_NAMES:
        event.fault = UNKNOWN_KIND
    else:
        event.payload = _decode_payload(kind, items[6])
        if event.payload is None:
            event.fault = UNKNOWN_PAYLOAD
        elif ts > NEWEST_TS:
            event.fault = BEYOND_TIME
    return event


def decode_sound_event(raw: bytes) -> Event | None:
    """Decode an event that is in the layout everybody writes and is sound, else gives None.

    It is the quick way for the many: what it does not recognise, decode_event judges.
    """
    # Array of 8, then byte strings of 32, 16 and 16: fixed offsets up to the timestamp.
    if raw[:3] != b"\x88\x58\x20" or raw[35:36] != b"\x50" or raw[52:53] != b"\x50":
        return None
    stream = io.BytesIO(raw)
    try:
        if len(raw) > _LONG:
            end_of_item(raw, 0)
        items = cbor2.load(
            stream, str_errors="replace", max_depth=MAX_DEPTH, semantic_decoders=_NO_TAGS
        )
    except (cbor2.CBORError, ValueError, MemoryError, WireError):
        return None
    if stream.tell() != len(raw):
        return None  # an id can be made that is right for what comes after the item, too
    event_id, issue_id, actor, ts, parent, kind, payload, sig = items
    end = len(raw) - (1 if sig is None else 66)
    shape = _PAYLOAD_SHAPES.get(kind) if type(kind) is int else None
    if (
        shape is None
        or (sig is not None and (type(sig) is not bytes or len(sig) != 64))
        or hashlib.blake2b(b"\x87\x01" + raw[35:end], digest_size=32).digest() != event_id
        or type(ts) is not int
        or not 0 <= ts <= NEWEST_TS
        or (parent is not None and (type(parent) is not bytes or len(parent) != 32))
        or type(payload) is not list
        or not shape(payload)
    ):
        return None
    return Event(event_id, issue_id, actor, ts, parent, kind, payload, sig, raw)


def hash_body(body: bytes) -> bytes:
    """Compute an event id: BLAKE2b-256 of 0x87 0x01 and the raw items 1 to 6."""
    return hashlib.blake2b(b"\x87\x01" + body, digest_size=32).digest()


def build_event(
    issue_id: bytes,
    actor: bytes,
    ts: int,
    kind: int,
    payload: list[Any],
    parent: bytes | None = None,
    sign: Callable[[bytes], bytes] | None = None,
) -> Event:
    """Make an event with its id and, where `sign` is given, its signature over the raw id.

    Raises WireError when a value does not fit the format.
    """
    shape = _PAYLOAD_SHAPES.get(kind)
    if shape is None or not shape(payload):
        raise WireError(f"no event of kind {kind} has such a payload")
    try:
        items = [issue_id, actor, ts, parent, kind, payload]
        body = cbor2.dumps(items)[1:]  # without the array's header, one byte for up to 23 items
    except (cbor2.CBOREncodeError, UnicodeEncodeError) as error:
        raise WireError("text is not valid Unicode") from error
    event_id = hash_body(body)
    sig = sign(event_id) if sign else None
    raw = b"\x88" + cbor2.dumps(event_id) + body + cbor2.dumps(sig)
    event = Event(event_id, issue_id, actor, ts, parent, kind, payload, sig, raw)
    _require_types([event_id, issue_id, actor, ts, parent, kind], sig)
    return event


def _decode_item(item: bytes) -> Any:
    try:
        return cbor2.loads(
            item, str_errors="replace", max_depth=MAX_DEPTH, semantic_decoders=_NO_TAGS
        )
    except (cbor2.CBORError, ValueError, MemoryError) as error:
        raise WireError("event holds a value that does not decode") from error


def _decode_payload(kind: int, item: bytes) -> list[Any] | None:
    try:
        payload = _decode_item(item)
    except WireError:
        return None
    return payload if type(payload) is list and _PAYLOAD_SHAPES[kind](payload) else None


def _require_types(head: list[Any], sig: Any) -> None:
    event_id, issue_id, actor, ts, parent, kind = head
    for name, value, length in (
        ("event_id", event_id, 32),
        ("issue_id", issue_id, 16),
        ("actor", actor, 16),
    ):
        if type(value) is not bytes or len(value) != length:
            raise WireError(f"event has an {name} that is not {length} bytes")
    if type(ts) is not int or not 0 <= ts < _TS_LIMIT:
        raise WireError("event has a timestamp that is not an unsigned integer")
    if type(kind) is not int or not 0 <= kind < _KIND_LIMIT:
        raise WireError("event has a kind that is not an unsigned integer")
    if parent is not None and (type(parent) is not bytes or len(parent) != 32):
        raise WireError("event has a parent that is not 32 bytes")
    if sig is not None and type(sig) is not bytes:
        raise WireError("event has a signature that is not a byte string")


def _refuse_tag(*_: object) -> NoReturn:
    # No event holds a CBOR tag; decoding one could build a regex, a date or a huge decimal.
    raise cbor2.CBORDecodeError("tagged value")


_NO_TAGS: Final = dict.fromkeys(
    (
        0,
        1,
        2,
        3,
        4,
        5,
        25,
        28,
        29,
        30,
        35,
        36,
        37,
        52,
        54,
        100,
        256,
        258,
        260,
        261,
        1004,
        43000,
        55799,
    ),
    _refuse_tag,
)


def _is_text(*values: Any) -> bool:
    return all(type(value) is str for value in values)


def _is_optional_text(*values: Any) -> bool:
    return all(value is None or type(value) is str for value in values)


def _is_creation(p: list[Any]) -> bool:
    return len(p) == 3 and _is_text(p[0], p[1]) and type(p[2]) is list and _is_text(*p[2])


def _is_dependency(p: list[Any]) -> bool:
    return len(p) == 2 and type(p[0]) is bytes and len(p[0]) == 16 and p[1] in DEPENDENCY_KINDS


def _is_attachment(p: list[Any]) -> bool:
    return len(p) == 3 and _is_text(p[0], p[2]) and type(p[1]) is bytes and len(p[1]) == 32


def _is_context(p: list[Any]) -> bool:
    return (
        len(p) == 5
        and _is_text(p[0], p[1], p[3])
        and type(p[2]) is list
        and all(type(s) is list and len(s) == 4 and _is_text(*s[:2]) for s in p[2])
        and type(p[4]) is bytes
        and len(p[4]) == 32
    )


def _is_one_text(p: list[Any]) -> bool:
    return len(p) == 1 and type(p[0]) is str


_PAYLOAD_SHAPES: Final[dict[int, Callable[[list[Any]], bool]]] = {
    ISSUE_CREATED: _is_creation,
    ISSUE_UPDATED: lambda p: len(p) == 2 and _is_optional_text(*p),
    COMMENT_ADDED: _is_one_text,
    LABEL_ADDED: _is_one_text,
    LABEL_REMOVED: _is_one_text,
    STATE_CHANGED: lambda p: len(p) == 1 and p[0] in ISSUE_STATES,
    LINK_ADDED: lambda p: len(p) == 2 and _is_text(p[0]) and _is_optional_text(p[1]),
    ASSIGNEE_ADDED: _is_one_text,
    ASSIGNEE_REMOVED: _is_one_text,
    ATTACHMENT_ADDED: _is_attachment,
    DEPENDENCY_ADDED: _is_dependency,
    DEPENDENCY_REMOVED: _is_dependency,
    CONTEXT_UPDATED: _is_context,
    PROJECT_CONTEXT_UPDATED: lambda p: len(p) == 2 and _is_text(*p),
}
