"""The forms that --format takes: git's placeholders where they mean the same, and JSON's fields.

A form is taken apart once and filled in for each line; nothing of the store is ever taken for one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from git_session.cli.ui.describe import format_changes, format_step, short_commit
from git_session.cli.ui.text import format_ago
from git_session.core.wire.plain_text import strip_controls
from git_session.errors import UsageError

Row = Mapping[str, Any]
Part = Callable[[Row, int], str]

FIELDS: Final = (
    *("session_id", "task_id", "grite_issue_id", "commit", "event_id", "parent", "ts", "actor"),
    *("from_state", "to_state", "is_late", "is_fork", "is_legal", "changes", "note"),
)
_SHORT: Final[dict[str, Part]] = {
    "H": lambda row, _: str(row["commit"]),
    "h": lambda row, _: short_commit(row["commit"]),
    "at": lambda row, _: str(row["ts"] // 1000),
    "aI": lambda row, _: datetime.fromtimestamp(row["ts"] // 1000, UTC).isoformat(),
    "ar": lambda row, now: format_ago(now - row["ts"]),
    "s": lambda row, _: format_step(row),
    "b": lambda row, _: str(row["note"]),
}
_PLACEHOLDER: Final = re.compile(
    r"%(?:(%|n)|x([0-7][0-9a-fA-F])|\(([^()]*)\)|(a[tIr]|[Hhsb])|(.?))"
)


class Format:
    """Holds a form that was understood."""

    def __init__(self, form: str) -> None:
        self._parts: list[str | Part] = []
        end = 0
        for found in _PLACEHOLDER.finditer(form):
            self._parts += [form[end : found.start()], _understand(found, form)]
            end = found.end()
        self._parts.append(form[end:])

    def fill(self, row: Row, now: int) -> str:
        """Fill in one transition; `now` is in ms since the epoch.

        What comes from the store stands on one line, without control characters.
        """
        return "".join(
            part if isinstance(part, str) else strip_controls(part(row, now))
            for part in self._parts
        )


def _understand(found: re.Match[str], form: str) -> str | Part:
    sign, byte, field, short, unknown = found.groups()
    if sign is not None:
        return "\n" if sign == "n" else "%"
    if byte is not None:
        return chr(int(byte, 16))
    if short is not None:
        return _SHORT[short]
    if field in FIELDS:
        return lambda row, _: _format_field(row, field)
    name = f"%({field})" if field is not None else f"%{unknown}"
    similar = difflib.get_close_matches(field or "", FIELDS, n=1)
    raise UsageError(
        f"unknown placeholder {name} in {form!r}",
        f"did you mean %({similar[0]})?"
        if similar
        else "%H %h %at %aI %ar %s %b %n %% %xNN, and %(FIELD) of what --json prints",
    )


def _format_field(row: Row, field: str) -> str:
    value = row[field]
    if field == "changes":
        return format_changes(row, is_whole=True)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
