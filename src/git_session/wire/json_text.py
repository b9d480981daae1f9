"""JSON as every command prints it and as the index keeps it: the same bytes in both places."""

from __future__ import annotations

import json
from typing import Any


def format_json(document: Any, *, indent: int | None = None) -> bytes:
    """Writes a document as UTF-8 on one line, or indented.

    No line break stands in it unless it is indented. What a terminal would obey or not show, and a
    lone surrogate, which is no UTF-8, stand as escapes: the same to every reader of JSON.
    """
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    if not text.isascii() or "\x7f" in text:
        from git_session.wire.plain_text import escape_json  # for the few texts that may need it

        text = escape_json(text)
    return text.encode(errors="backslashreplace")
