"""One commit of the log as it is stored: `meta.json` and the chunks beside it.

Source: the grite store format, section "A WAL commit".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from git_session.core.wire import names
from git_session.core.wire.chunk import MAGIC, encode_chunk, hash_chunk
from git_session.core.wire.git_object import LARGEST_OTHER
from git_session.errors import WireError

File = bytes | str
"""A file to write: its bytes, or the id of a blob that is there (40 hex digits)."""

MISSING: Final = "missing or damaged"
"""How a sentence ends about an object that should be in the repository and cannot be read."""

TOO_LARGE: Final = "too large to be read"
"""How a sentence ends about an object that is there and is not read."""


@dataclass(slots=True)
class LogCommit:
    """Holds what the store read of one commit, undecoded.

    `oid` and `parents` are 40 hex digits; `time` is the committer's, in seconds since the
    epoch; `meta` is None when the blob is not there; `chunks` pairs each path that ends in
    `.bin` with its bytes, or with None when the blob is missing; `large` pairs it with the id of a
    blob that is too large to be read.
    """

    oid: str
    parents: tuple[str, ...]
    time: int
    meta: bytes | None
    chunks: list[tuple[str, bytes | None]]
    large: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Meta:
    """Holds the fields of `meta.json`, in grite's order."""

    schema_version: int
    actor_id: str
    chunk_hash: str
    prev_wal: str | None


def format_meta(meta: Meta) -> bytes:
    """Write `meta.json` as grite does: two-space indent, no final newline."""
    fields = {
        "schema_version": meta.schema_version,
        "actor_id": meta.actor_id,
        "chunk_hash": meta.chunk_hash,
        "prev_wal": meta.prev_wal,
    }
    # Not by `indent`, for which json has no C code: ten times as long.
    lines = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in fields.items())
    return f"{{\n{lines}\n}}".encode()


def form_files(
    raw_events: Iterable[bytes], *, actor_id: str, first_ts: int | None, head: str | None
) -> dict[str, bytes]:
    """Form the files of a commit after `head`: `meta.json` first, and the chunk of its events.

    `first_ts` is the first event's time in ms since the epoch, None without an event.
    """
    chunk = encode_chunk(raw_events)
    chunk_hash = hash_chunk(chunk)
    return {
        names.META_PATH: format_meta(Meta(1, actor_id, chunk_hash, head)),
        names.chunk_path(first_ts, chunk_hash): chunk,
    }


def is_of_log(commit: LogCommit) -> bool:
    """Return whether a commit is one of a log: it has a `meta.json` as grite's, or a chunk.

    One that could not be read, or is too large for it, counts as a chunk.
    """
    if commit.meta is not None:
        with suppress(WireError):
            return bool(parse_meta(commit.meta))
    has_chunk = any(data is None or data.startswith(MAGIC) for _, data in commit.chunks)
    return has_chunk or bool(commit.large)


def parse_meta(data: bytes) -> Meta:
    """Read `meta.json`; unknown keys are ignored.

    Raises WireError when it is not a JSON object, is too large for one, or a field has the wrong
    type.
    """
    if len(data) > LARGEST_OTHER:
        raise WireError("meta.json is too large")
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError("meta.json is not JSON") from error
    if not isinstance(fields, dict):
        raise WireError("meta.json is not an object")
    version, prev = fields.get("schema_version"), fields.get("prev_wal")
    actor, chunk_hash = fields.get("actor_id"), fields.get("chunk_hash")
    if (
        not isinstance(version, int)
        or not isinstance(actor, str)
        or not isinstance(chunk_hash, str)
    ):
        raise WireError("meta.json lacks schema_version, actor_id or chunk_hash")
    if prev is not None and not isinstance(prev, str):
        raise WireError("meta.json has a prev_wal that is neither text nor null")
    return Meta(version, actor, chunk_hash, prev)
