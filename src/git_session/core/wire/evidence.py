"""What is written down of a session's process, so that others can tell later whether it lives.

It stands in a beat file, and as extra keys in a session's block; the pid is the block's own. It is
about the process and not about who writes: a block repeats it, wherever it is written.
Source: the design, section "Alive or not".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from git_session.core.wire.names import is_attribute_name, require_attribute_name
from git_session.core.wire.words import ATTRIBUTE_PREFIX
from git_session.errors import UsageError

if TYPE_CHECKING:
    from git_session.core.wire.block import Extra

PARENT_KEY: Final = "parent_session"
EVIDENCE_KEYS: Final = ("host", "machine", "boot_id", "pid_ns", "pid_start")

_TEXTS: Final = frozenset({"host", "machine", "boot_id"})
# As many digits as any reader of a block takes, and none that a number would lose.
_WHOLE: Final = r"-?[1-9][0-9]{0,17}|0"
_LARGEST_PID: Final = 2**31 - 1


class Evidence(NamedTuple):
    """Holds what tells one process from all others; None is what is not known.

    `machine` is a hash of the machine's id: two hosts can have one name. `pid` counts inside the
    pid namespace `pid_ns` (an inode number; None where there is no such thing), and `pid_start` is
    when the process began, in ticks since boot, or in whatever the system counts that no change of
    the clock moves.
    """

    host: str | None = None
    machine: str | None = None
    boot_id: str | None = None
    pid_ns: int | None = None
    pid: int | None = None
    pid_start: int | None = None


def parse_evidence(values: Mapping[str, Any], pid: Any) -> Evidence:
    """Read evidence out of extra keys or a beat file; a value of a wrong type is not known."""
    found = {key: _pick(key, values.get(key)) for key in EVIDENCE_KEYS}
    is_pid = isinstance(pid, int) and not isinstance(pid, bool) and 0 < pid <= _LARGEST_PID
    return Evidence(**found, pid=pid if is_pid else None)


def format_evidence(evidence: Evidence) -> dict[str, Extra]:
    """Form the extra keys of a block; what is not known is left out."""
    pairs = ((key, getattr(evidence, key)) for key in EVIDENCE_KEYS)
    return {key: value for key, value in pairs if value is not None}


def host_of(extras: Mapping[str, Any]) -> str | None:
    """Give the host that a block names, None without one."""
    host: str | None = _pick("host", extras.get("host"))
    return host


def attributes_of(extras: Mapping[str, Extra]) -> dict[str, Extra]:
    """Pick the attributes out of a block's extra keys, under the names that people gave them."""
    found = (
        (key.removeprefix(ATTRIBUTE_PREFIX), value)
        for key, value in extras.items()
        if key.startswith(ATTRIBUTE_PREFIX)
    )
    return {key: value for key, value in found if is_attribute_name(key)}


def parse_attribute(text: str) -> tuple[str, Extra]:
    """Read `KEY=VALUE`; a value that is a whole number is one. Raises UsageError."""
    key, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"not an attribute: {text!r}", "example: --set tokens=48210")
    require_attribute_name(key)
    is_number = re.fullmatch(_WHOLE, value) is not None
    return key, int(value) if is_number else value


def format_attributes(attributes: Mapping[str, Extra]) -> dict[str, Extra]:
    """Form the extra keys that carry attributes in a block."""
    return {ATTRIBUTE_PREFIX + key: value for key, value in attributes.items()}


def _pick(key: str, value: Any) -> Any:
    if key in _TEXTS:
        return value if isinstance(value, str) and value else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
