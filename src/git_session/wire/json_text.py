"""JSON as every command prints it and as the index keeps it: the same bytes in both places."""

from __future__ import annotations

import json
from typing import Any


def format_json(document: Any, *, indent: int | None = None) -> bytes:
    """Writes a document as UTF-8 on one line, or indented.

    No line break stands in it unless it is indented. A lone surrogate, which is no UTF-8, becomes
    a backslash and its number: the same to every reader of JSON.
    """
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    return text.encode(errors="backslashreplace")
