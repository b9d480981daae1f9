"""Find the task or session that a person means: an id, a unique prefix of one, or TASK/SESSION."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from git_session.core.fold.replay import FoldedIssue, Replay, changed_issues
from git_session.core.fold.sessions import Life
from git_session.core.wire.plain_text import quote_word
from git_session.errors import AmbiguousError, NotFoundError

_MOST: Final = 3
_MOST_COMPARED: Final = 2000
"""Comparing takes some 20 us an id, and the newest are meant most often."""

_ENDING: Final = 4
"""Characters of an id that brat draws, after the day."""

_LIKENESS: Final = 0.85
"""Ids of one day share most of their letters: of 15, two may differ."""

_MOST_CANDIDATES: Final = 10

T = TypeVar("T")
Found = tuple[FoldedIssue, Life]


def find_task(replay: Replay, ref: str) -> FoldedIssue:
    """Find a task by task id, issue id, or a unique prefix of either.

    Raises NotFoundError, or AmbiguousError with the candidates.
    """
    refs = task_refs(replay)
    issue_id, _, _ = _pick(
        ref,
        refs,
        lambda found: (found[1], found[0].hex()),
        lambda found: f"{found[1]} (issue {found[0].hex()[:8]}) {found[2]}",
        "task",
        lambda: (
            suggest_task(ref, refs, session_refs(replay)) or "git session tasks --all lists them"
        ),
    )
    folded = replay.issue(issue_id)
    assert folded is not None
    return folded


def find_session(replay: Replay, ref: str) -> Found:
    """Find a session by its id, a unique prefix of it, or `TASK/SESSION` where two share one.

    Raises NotFoundError, or AmbiguousError with the candidates.
    """
    exact = _find_exact(replay, ref)
    if exact is not None:
        return exact
    refs = session_refs(replay)
    task_ref, session_ref = _split(replay, ref, refs)
    if task_ref is not None:
        within = find_task(replay, task_ref).issue.issue_id
        refs = [found for found in refs if found[0] == within]
    issue_id, session_id = _pick(
        session_ref,
        refs,
        lambda found: (found[1],),
        lambda found: f"{found[0].hex()[:8]}/{found[1]} {_state_of(replay, found)}",
        "session",
        lambda: (
            suggest_session(session_ref, refs, task_refs(replay))
            or "git session list --all lists them"
        ),
    )
    folded = replay.issue(issue_id)
    assert folded is not None
    return folded, folded.sessions.lives[session_id]


def has_exited(replay: Replay, issue_id: str, session_id: str) -> bool:
    """Return whether the log knows a session, whose issue's id is in hex, and its end."""
    folded = replay.issue(bytes.fromhex(issue_id))
    life = None if folded is None else folded.sessions.lives.get(session_id)
    return life is not None and life.state.is_exit


def _split(replay: Replay, ref: str, refs: list[tuple[bytes, str]]) -> tuple[str | None, str]:
    """Split `TASK/SESSION`; without a task it is a session's id, as far as it is given.

    Ids that others made can hold slashes themselves, so those that are there decide: first a
    whole id of a task before the slash, then a session of that name.
    """
    if "/" not in ref:
        return None, ref
    tasks = task_refs(replay)
    for slash in re.finditer("/", ref):
        task_ref, session_ref = ref[: slash.start()], ref[slash.end() :]
        within = {found[0] for found in tasks if task_ref in (found[1], found[0].hex())}
        if any(name.startswith(session_ref) for issue_id, name in refs if issue_id in within):
            return task_ref, session_ref
    if any(name.startswith(ref) for _, name in refs):
        return None, ref
    task_ref, _, session_ref = ref.partition("/")
    return task_ref, session_ref


def _find_exact(replay: Replay, session_id: str) -> Found | None:
    """Find a session by its whole id without listing them all; None unless there is just one."""
    if replay.source is not None or "/" in session_id:
        return None
    found = replay.holders(session_id)
    if len(found) != 1:
        return None
    return found[0], found[0].sessions.lives[session_id]


def task_refs(replay: Replay) -> list[tuple[bytes, str, str]]:
    """List the issues that were created: issue id, task id and title."""
    remembered: list[tuple[bytes, str, str]] = replay.ask(lambda source: source.task_refs(), [])
    refs = [found for found in remembered if found[0] not in replay.changed]
    created = (folded.issue for folded in changed_issues(replay) if folded.issue.is_created)
    refs.extend((issue.issue_id, issue.task_id, issue.title) for issue in created)
    return refs


def session_refs(replay: Replay) -> list[tuple[bytes, str]]:
    """List the sessions: issue id and session id."""
    remembered: list[tuple[bytes, str]] = replay.ask(lambda source: source.session_refs(), [])
    refs = [found for found in remembered if found[0] not in replay.changed]
    refs += [
        (folded.issue.issue_id, name)
        for folded in changed_issues(replay)
        for name in folded.sessions.lives
    ]
    return refs


def _state_of(replay: Replay, ref: tuple[bytes, str]) -> str:
    folded = replay.issue(ref[0])
    return folded.sessions.lives[ref[1]].state.state if folded else "?"


def _pick(
    ref: str,
    things: list[T],
    ids: Callable[[T], tuple[str, ...]],
    describe: Callable[[T], str],
    word: str,
    hint: Callable[[], str],
) -> T:
    found = [thing for thing in things if ref in ids(thing)]
    if not found and ref:
        found = [thing for thing in things if any(name.startswith(ref) for name in ids(thing))]
    if not found:
        raise NotFoundError(f"no such {word}: {ref or '(empty)'}", hint())
    if len(found) > 1:
        lines = [describe(thing) for thing in found[:_MOST_CANDIDATES]]
        if len(found) > _MOST_CANDIDATES:
            lines.append(f"... and {len(found) - _MOST_CANDIDATES} more")
        raise AmbiguousError(f"{word} {ref} is ambiguous", "type more of the id", lines)
    return found[0]


def suggest_task(
    ref: str, tasks: Sequence[tuple[bytes, str, str]], sessions: Iterable[tuple[bytes, str]]
) -> str | None:
    """Form a question or a pointer: the task of a session, of such a title, or of a similar id."""
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
    """Form a question or a pointer: that it is a task, or the sessions of a similar id."""
    if any(ref in (task_id, issue_id.hex()) for issue_id, task_id, _ in tasks):
        return f"that is a task: git session list --task {quote_word(ref)} lists its sessions"
    return _ask(_similar(ref, [session_id for _, session_id in sessions]))


def _similar(ref: str, names: Sequence[str]) -> list[str]:
    """Find the names that end in `ref`, as tables show them cut, else those that begin like it."""
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
