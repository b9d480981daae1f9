"""JSON as every command prints it and as the index keeps it: the same bytes in both places."""

from __future__ import annotations

import json
from typing import Any, Final

_SHOWN: Final = bytes(range(0x7F))
"""ASCII without DEL. What is below the space stands in no string of JSON but as an escape."""


def format_json(document: Any, *, indent: int | None = None) -> bytes:
    """Write a document as UTF-8 on one line, or indented.

    No line break stands in it unless it is indented. What a terminal would obey or not show, and a
    lone surrogate, which is no UTF-8, stand as escapes: the same to every reader of JSON.
    """
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    data = text.encode(errors="backslashreplace")
    # Only the few characters that are left are looked at: most texts have nothing to escape.
    if data.translate(None, _SHOWN).decode().isprintable():
        return data
    from git_session.core.wire.plain_text import escape_json

    return escape_json(text).encode(errors="backslashreplace")
