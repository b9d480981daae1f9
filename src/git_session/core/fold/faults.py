"""What is said of what reading leaves out: events that are not what they claim, or not signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from git_session.core.wire import event as kinds
from git_session.core.wire import names
from git_session.core.wire.chunk import hash_chunk
from git_session.core.wire.event import Event
from git_session.core.wire.git_object import LARGEST
from git_session.errors import NewerFormatError, WireError

Policy = Literal["off", "warn", "require"]
"""Of signatures. off: only a wrong one is said, where keys are known; warn: a missing one too;
require: no event without a good one is read."""

_FAULTS: Final = {
    kinds.BAD_EVENT_ID: "its id is not the hash of its content",
    kinds.UNKNOWN_KIND: "its kind is not known to this version",
    kinds.UNKNOWN_PAYLOAD: "its payload has a shape this version does not know",
    kinds.BEYOND_TIME: "its timestamp lies beyond the year 9999",
}

NEWER: Final = "newer"
"""The code of a chunk that is sound, and in a format that only a newer version reads."""

_UNSIGNED: Final = ("unsigned", "is not signed")
_UNKNOWN: Final = ("unknown_key", "is signed with a key that is not trusted here")
_WRONG: Final = ("signature", "has a wrong signature")


class Fault(NamedTuple):
    """Names one fault: a stable code and a sentence.

    `actor` (32 hex digits) is set where the sentence speaks for more than one event.
    """

    code: str
    message: str
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Names one thing that reading left out: a stable code, where it is, and a sentence.

    `actor` (32 hex digits) is set where the sentence speaks for all events of one actor.
    """

    code: str
    message: str
    commit: str
    path: str = ""
    event_id: str = ""
    issue_id: str = ""
    actor: str = ""


def describe_fault(event: Event) -> Fault:
    """Describe why an event that has a `fault` cannot be folded; the code is the fault."""
    message = f"event {event.event_id.hex()[:12]} is left out: {_FAULTS[event.fault]}"
    return Fault(event.fault, message)


def describe_chunk(error: WireError, path: str, data: bytes) -> Fault:
    """Describe a chunk that does not decode: NEWER if its bytes have the hash that names it."""
    is_newer = isinstance(error, NewerFormatError) and names.named_hash(path) == hash_chunk(data)
    return Fault(NEWER if is_newer else "chunk", error.message)


def describe_large(path: str) -> str:
    """Describe a file that is too large to be read."""
    return f"{path} is left out: it is larger than {LARGEST >> 20} MiB"


def describe_doubt(event: Event, verdict: bool | None, policy: Policy) -> Fault | None:
    """Describe what is wrong with an event's signature, which is not good; None to say nothing.

    `verdict` is False for a wrong one, None where there is none or nobody knows the key. What is
    left out is named one by one; what merely lacks something is said once an actor.
    """
    code, fault = _WRONG if verdict is False else _UNSIGNED if event.sig is None else _UNKNOWN
    name = f"event {event.event_id.hex()[:12]}"
    if policy == "require":
        left_out = code if verdict is False else "untrusted"
        return Fault(left_out, f"a copy of {name} is left out: it {fault}")
    if verdict is False:
        return Fault(code, f"{name} {fault}")
    if policy == "warn":
        actor = event.actor.hex()
        return Fault(code, f"{name} of actor {actor[:8]}, and maybe more of them, {fault}", actor)
    return None
