"""Every ref name, label, id form and stored path: made and parsed here only.

Source: the grite store format (refs, chunk paths, locks) and brat's labels and ids.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from git_session.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

_EPOCH: Final = 719_163
"""1 January 1970, in days as datetime counts them."""

_DAY_MS: Final = 86_400_000

GRITE_PREFIX: Final = "refs/grite/"
OWN_PREFIX: Final = "refs/git-session/"
WAL_REF: Final = "refs/grite/wal"
SNAPSHOT_PREFIX: Final = "refs/grite/snapshots/"
LOCK_PREFIX: Final = "refs/grite/locks/"
TRACKING_PREFIX: Final = "refs/git-session/remotes/"

META_PATH: Final = "meta.json"
EVENTS_DIR: Final = "events"
GRITE_IDENTITY: Final = "grite <grit@local>"
"""Author and committer of grite's commits."""

SESSION_DIR: Final = "git-session"
BEATS_DIR: Final = "beats"
GRITE_DIR: Final = "grite"
LOGS_DIR: Final = ".grite/logs"
WORKTREES_DIR: Final = ".grite/worktrees"

COMMITTER_KEY: Final = "session.committer"
SECRETS_KEY: Final = "session.secrets"
SECRETS_ALLOW_KEY: Final = "session.secretsAllow"
"""git's settings of what is done about credentials, and which lines are no matter of them."""

NEWEST_TS: Final = 253402300799999
"""The last millisecond of the year 9999; events beyond it are carried but not folded."""

PROJECT_CONTEXT_ID: Final = b"\xff" * 16

# Patterns are compiled where they are used: most who need a name here never ask for its form.
_SESSION_ID: Final = r"s-\d{8}-[0-9a-f]{4}"
_TASK_ID: Final = r"t-\d{8}-[0-9a-f]{4}"
_HEX_DIGITS: Final = frozenset("0123456789abcdef")
_SAFE_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_SNAPSHOT_REF: Final = r"refs/grite/snapshots/\d{1,15}"
_IDENTITY: Final = r"[^<>\s](?:[^<>]*[^<>\s])? <[^<>\s]+>"
_MESSAGE: Final = rb"(WAL: \d{1,9} events from [0-9a-f]{8}|Snapshot: \d{1,9} events at \d{1,15})\n?"
_ATTRIBUTE: Final = r"[a-z][a-z0-9_]*"

TASK_LABEL: Final = "task:"
CONVOY_LABEL: Final = "convoy:"
STATUS_LABEL: Final = "status:"
SESSION_LABEL: Final = "session:"
ENGINE_LABEL: Final = "engine:"
TYPE_TASK_LABEL: Final = "type:task"
TYPE_CONVOY_LABEL: Final = "type:convoy"


def format_session_id(ts: int, suffix: str) -> str:
    """Form `s-YYYYMMDD-<suffix>` for a time in ms since the epoch (UTC date)."""
    return f"s-{_date(ts)}-{suffix}"


def format_task_id(ts: int, suffix: str) -> str:
    """Form `t-YYYYMMDD-<suffix>` for a time in ms since the epoch (UTC date)."""
    return f"t-{_date(ts)}-{suffix}"


def format_convoy_id(ts: int, suffix: str) -> str:
    """Form `c-YYYYMMDD-<suffix>` for a time in ms since the epoch (UTC date)."""
    return f"c-{_date(ts)}-{suffix}"


def is_session_id(text: str) -> bool:
    """Return whether `text` has the form that brat gives a session id."""
    return re.fullmatch(_SESSION_ID, text) is not None


def is_task_id(text: str) -> bool:
    """Return whether `text` has the form that brat gives a task id."""
    return re.fullmatch(_TASK_ID, text) is not None


def is_actor_id(text: str) -> bool:
    """Return whether `text` is 32 lower-case hex digits."""
    return len(text) == 32 and _HEX_DIGITS.issuperset(text)


def is_safe_id(text: str) -> bool:
    """Return whether an id can stand in a label and a file name: no slash, no leading dot."""
    return re.fullmatch(_SAFE_ID, text) is not None and ".." not in text


def is_attribute_name(text: str) -> bool:
    """Return whether `text` may follow `attr_` as a key of a session block."""
    return re.fullmatch(_ATTRIBUTE, text) is not None


def require_attribute_name(text: str) -> None:
    """Raise UsageError for what no attribute can be called."""
    if not is_attribute_name(text):
        raise UsageError(
            f"{text!r} cannot be an attribute's name", "a-z, 0-9 and _, a letter first: tokens_in"
        )


def chunk_path(first_ts: int | None, chunk_hash: str) -> str:
    """Form `events/YYYY/MM/DD/<hash>.bin` from the first event's time; 1970/01/01 without one.

    A time beyond the year 9999 has no such date and is filed under its last day.
    """
    day = _day_of(min(first_ts or 0, NEWEST_TS))
    return f"{EVENTS_DIR}/{day.year:04}/{day.month:02}/{day.day:02}/{chunk_hash}.bin"


def named_hash(path: str) -> str:
    """Return the hash that the name of a chunk's file says."""
    return path.rpartition("/")[2].removesuffix(".bin")


def commit_message(count: int, actor: str) -> str:
    """Form grite's message of a log commit: `WAL: <n> events from <8 hex>`."""
    return f"WAL: {count} events from {actor[:8]}"


def is_of_grite(commit: bytes) -> bool:
    """Tell by message or author whether grite or git-session made a commit."""
    head, _, message = commit.partition(b"\n\n")
    is_known = re.fullmatch(_MESSAGE, message) is not None
    return is_known or f"\nauthor {GRITE_IDENTITY} ".encode() in head


def is_identity(text: str) -> bool:
    """Tell whether `text` is `Name <address>` as a git commit can hold it."""
    return re.fullmatch(_IDENTITY, text) is not None and text.isprintable()


def snapshot_message(count: int, ts: int) -> str:
    """Form grite's message of a snapshot commit."""
    return f"Snapshot: {count} events at {ts}"


def snapshot_ref(ts: int) -> str:
    """Form the ref of a snapshot created at `ts` (ms since the epoch)."""
    return f"{SNAPSHOT_PREFIX}{ts}"


def lock_ref(resource: str) -> str:
    """Form the ref of a lock: the first 16 hex digits of SHA-256 of the resource."""
    import hashlib  # 2 ms, for the few who ask about locks

    return LOCK_PREFIX + hashlib.sha256(resource.encode()).hexdigest()[:16]


def tracking_ref(remote: str, ref: str) -> str:
    """Form the local ref that remembers what `remote` holds under `refs/grite/...`."""
    return f"{TRACKING_PREFIX}{remote}/{ref.removeprefix('refs/')}"


def tracking_refspec(remote: str) -> str:
    """Form the refspec that fetches all of a remote's `refs/grite` into its tracking refs."""
    return f"+refs/grite/*:{TRACKING_PREFIX}{remote}/grite/*"


def tracked_remote(ref: str) -> str | None:
    """Return the remote whose log a tracking ref remembers; None for other refs, and addresses."""
    ending = WAL_REF.removeprefix("refs")
    if not ref.startswith(TRACKING_PREFIX) or not ref.endswith(ending):
        return None
    remote = ref[len(TRACKING_PREFIX) : -len(ending)]
    return None if remote.startswith("url-") else remote


def is_snapshot_ref(ref: str) -> bool:
    """Return whether a ref has the form of a snapshot's: the prefix and a time in ms."""
    return re.fullmatch(_SNAPSHOT_REF, ref) is not None


def label_value(label: str, prefix: str) -> str | None:
    """Return what follows `prefix` in a label, or None when it does not start so."""
    return label[len(prefix) :] if label.startswith(prefix) else None


def _date(ts: int) -> str:
    return f"{_day_of(min(max(ts, 0), NEWEST_TS)):%Y%m%d}"


def _day_of(ts: int) -> date:
    from datetime import date  # 2 ms, for those who write

    return date.fromordinal(_EPOCH + ts // _DAY_MS)
