"""Chunks: the files that hold events.

Layout: 8 bytes `GRITECNK`, a little-endian u16 version, one byte length and the codec's
name, then one CBOR array of events. Source: the grite store format, section "A chunk".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from git_session.core.wire.cbor import encode_array_header, split_array
from git_session.core.wire.event import Event, decode_event, decode_sound_event
from git_session.core.wire.git_object import LARGEST
from git_session.errors import NewerFormatError, TooLargeError, WireError

MAGIC: Final = b"GRITECNK"
VERSION: Final = 1
CODEC: Final = b"cbor-v1"
_HEADER: Final = MAGIC + VERSION.to_bytes(2, "little") + bytes([len(CODEC)]) + CODEC
_START: Final = len(_HEADER)
_CODEC_NAME: Final = re.compile(rb"[A-Za-z0-9._+-]+")
_LONGEST_HEADER: Final = 9
"""Bytes before the items of an array, at most."""


def encode_chunk(raw_events: Iterable[bytes]) -> bytes:
    """Write a chunk around events' own bytes, in the order given.

    Raises TooLargeError for more than is read.
    """
    slices = list(raw_events)
    size = _START + sum(map(len, slices)) + _LONGEST_HEADER
    if size > LARGEST:
        raise TooLargeError(
            f"the chunk of events would have more than the {LARGEST >> 20} MiB that are read"
        )
    return b"".join((_HEADER, encode_array_header(len(slices)), *slices))


def split_chunk(data: bytes) -> list[bytes]:
    """Cut a chunk into the byte slices of its events, judging none of them.

    Raises NewerFormatError for a later version or another codec, and WireError when it is no
    chunk or is cut short.
    """
    _require_header(data)
    items, end = split_array(data, _START)
    if end != len(data):
        raise WireError(f"chunk has {len(data) - end} bytes after its events")
    return items


def decode_chunk(data: bytes) -> tuple[list[Event], list[str]]:
    """Decode a chunk's events, and say of each that is no event what is wrong with it.

    Raises WireError as split_chunk does.
    """
    if data[: _START + 1] == _HEADER + b"\x81":
        # Nearly every chunk holds one event; its id proves that the slice is right.
        event = decode_sound_event(data[_START + 1 :])
        if event is not None:
            return [event], []
    events: list[Event] = []
    faults: list[str] = []
    for number, raw in enumerate(split_chunk(data)):
        try:
            events.append(decode_sound_event(raw) or decode_event(raw))
        except WireError as error:
            faults.append(f"event {number} of the chunk: {error.message}")
    return events, faults


def hash_chunk(data: bytes) -> str:
    """Compute `chunk_hash`: BLAKE2b-256 of the whole file, in hex."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def _require_header(data: bytes) -> None:
    if data[:8] != MAGIC:
        raise WireError("chunk does not begin with GRITECNK")
    if len(data) < 11:
        raise WireError("chunk is cut short in its header")
    version = int.from_bytes(data[8:10], "little")
    codec = data[11 : 11 + data[10]]
    if len(codec) < data[10]:
        raise WireError("chunk is cut short in its header")
    if version < VERSION or not _CODEC_NAME.fullmatch(codec):
        raise WireError("chunk has a header with no known version or no codec's name")
    if version != VERSION or codec != CODEC:
        raise NewerFormatError(
            f"newer version needed: chunk is of version {version} with codec {codec.decode()}"
        )
