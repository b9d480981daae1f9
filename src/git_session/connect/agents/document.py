"""Read one JSON document from a stream that may never be closed.

Agents leave the pipe of a hook open, and some are slow: the document's own end counts, and a
deadline. All that comes is taken, so that whoever writes never meets a closed pipe.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any, Final

_PIECE: Final = 1 << 20
_LARGEST: Final = 1 << 27
"""Bytes; more than that is taken in and let go."""

_LULL_S: Final = 0.002


def read_document(fd: int, timeout_s: float) -> Any:
    """Read until one whole JSON document has come, the stream ends, or the time is up.

    None when there is none. A document counts as whole when nothing more is there to read at once.
    """
    deadline = time.monotonic() + timeout_s
    data = bytearray()
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([fd], [], [], _LULL_S if _may_be_whole(data) else left)[0]:
            document = _parse(data) if _may_be_whole(data) else None
            if document is not None:
                return document
            if not select.select([fd], [], [], max(deadline - time.monotonic(), 0))[0]:
                break
        try:
            piece = os.read(fd, _PIECE)
        except OSError:
            break
        if not piece:
            break
        if len(data) + len(piece) <= _LARGEST:
            data += piece
    return _parse(data)


def _may_be_whole(data: bytearray) -> bool:
    return data[-64:].rstrip().endswith(b"}")


def _parse(data: bytearray) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
