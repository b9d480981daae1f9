"""Lease locks: `lock.json` as grite stores it, and what stands in whose way.

Source: grite 0.5.3, libgrite-core lock.rs; the grite store format, section "Locks".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, NoReturn

from git_session.core.wire.git_object import LARGEST_OTHER
from git_session.errors import WireError

GLOBAL_RESOURCE: Final = "repo:global"

_U64_MAX: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Lock:
    """Holds one lock; `owner` is an actor id, `expires_unix_ms` is in ms since the epoch."""

    owner: str
    nonce: str
    expires_unix_ms: int
    resource: str


def issue_resource(issue_id: str) -> str:
    """Form the resource that stands for one issue."""
    return f"issue:{issue_id}"


def parse_lock(data: bytes) -> Lock:
    """Read `lock.json`; unknown keys are ignored.

    Raises WireError for what grite refuses too: no UTF-8 JSON object, a field that is missing,
    stands twice or has the wrong type.
    """
    if len(data) > LARGEST_OTHER:
        raise WireError("lock.json is too large")
    try:
        # Decoded here, because json.loads(bytes) would take UTF-16 and UTF-32 as well.
        fields = json.loads(
            data.decode(), object_pairs_hook=_fields, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise WireError("lock.json is not JSON") from error
    if not isinstance(fields, dict):
        raise WireError("lock.json is not an object")
    return Lock(
        owner=_text(fields, "owner"),
        nonce=_text(fields, "nonce"),
        expires_unix_ms=_milliseconds(fields, "expires_unix_ms"),
        resource=_text(fields, "resource"),
    )


def is_expired(lock: Lock, now: int) -> bool:
    """Return whether the lease is over at `now` (ms since the epoch), as it is in its last ms."""
    return now >= lock.expires_unix_ms


def conflicts(lock: Lock, resource: str, *, actor_id: str, now: int) -> bool:
    """Return whether `lock` keeps `actor_id` from `resource` at `now` (ms since the epoch).

    One's own lock and an expired one never do. `repo:` conflicts with everything, `path:` with
    an equal path or a folder above or below, `issue:` with the same issue.
    """
    if is_expired(lock, now) or lock.owner == actor_id:
        return False
    held_kind, _, held = lock.resource.partition(":")
    wanted_kind, _, wanted = resource.partition(":")
    if "repo" in (held_kind, wanted_kind):
        return True
    if held_kind == wanted_kind == "path":
        return _paths_overlap(held, wanted)
    return held_kind == wanted_kind == "issue" and lock.resource == resource


def _paths_overlap(one: str, other: str) -> bool:
    # As text, like grite: no "..", no "./" and no case is folded.
    above, below = one.rstrip("/") + "/", other.rstrip("/") + "/"
    return above.startswith(below) or below.startswith(above)


def _fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    for key in ("owner", "nonce", "expires_unix_ms", "resource"):
        if sum(name == key for name, _ in pairs) > 1:
            raise ValueError(f"{key} stands twice")
    return fields


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _text(fields: dict[str, object], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise WireError(f"lock.json has no text as its {key}")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can spell half a surrogate pair
        raise WireError(f"lock.json has a {key} that is not Unicode") from error
    return value


def _milliseconds(fields: dict[str, object], key: str) -> int:
    value = fields.get(key)
    # bool is an int to Python, not to JSON.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _U64_MAX:
        raise WireError(f"lock.json has no unsigned 64-bit number as its {key}")
    return value
