"""Guesses what a person meant by an id that nothing answers to, for the hint of the error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from git_session.core.wire.plain_text import quote_word

_MOST: Final = 3
_MOST_COMPARED: Final = 2000
"""Comparing takes some 20 us an id, and the newest are meant most often."""

_ENDING: Final = 4
"""Characters of an id that brat draws, after the day."""

_LIKENESS: Final = 0.85
"""Ids of one day share most of their letters: of 15, two may differ."""


def suggest_task(
    ref: str, tasks: Sequence[tuple[bytes, str, str]], sessions: Iterable[tuple[bytes, str]]
) -> str | None:
    """Forms a question or a pointer: the task of a session, of such a title, or of a similar id."""
    of_session = {issue_id for issue_id, session_id in sessions if ref == session_id}
    owners = [task_id for issue_id, task_id, _ in tasks if issue_id in of_session]
    if owners:
        listed = " or ".join(quote_word(task_id) for task_id in owners[:_MOST])
        return f"that is a session, of task {listed}"
    return _ask(
        [task_id for _, task_id, title in tasks if ref and ref.casefold() in title.casefold()]
        or _similar(ref, [task_id for _, task_id, _ in tasks])
    )


def suggest_session(
    ref: str, sessions: Iterable[tuple[bytes, str]], tasks: Iterable[tuple[bytes, str, str]]
) -> str | None:
    """Forms a question or a pointer: that it is a task, or the sessions of a similar id."""
    if any(ref in (task_id, issue_id.hex()) for issue_id, task_id, _ in tasks):
        return f"that is a task: git session list --task {quote_word(ref)} lists its sessions"
    return _ask(_similar(ref, [session_id for _, session_id in sessions]))


def _similar(ref: str, names: Sequence[str]) -> list[str]:
    """Finds the names that end in `ref`, as tables show them cut, else those that begin like it."""
    ending = ref.rpartition("..")[2]
    if len(ending) == _ENDING and (found := [n for n in names if n.endswith(f"-{ending}")]):
        return found
    from difflib import get_close_matches  # 1 ms, for those who mistyped an id

    begins: dict[str, str] = {}
    for name in sorted(names)[-_MOST_COMPARED:]:
        begins[name[: max(len(ref), 1)]] = name
    return [begins[found] for found in get_close_matches(ref, begins, _MOST, _LIKENESS)]


def _ask(names: Sequence[str]) -> str | None:
    listed = " or ".join(quote_word(name) for name in names[:_MOST])
    return f"did you mean {listed}?" if names else None
