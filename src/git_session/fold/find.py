"""Finds the task or session that a person means: an id, a unique prefix of one, or TASK/SESSION."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from git_session.errors import AmbiguousError, NotFoundError
from git_session.fold.replay import FoldedIssue, Replay
from git_session.fold.sessions import Life

_MOST_CANDIDATES: Final = 10

T = TypeVar("T")
Found = tuple[FoldedIssue, Life]


def find_task(replay: Replay, ref: str) -> FoldedIssue:
    """Finds a task by task id, issue id, or a unique prefix of either.

    Raises NotFoundError, or AmbiguousError with the candidates.
    """
    created = [folded for folded in replay.issues() if folded.issue.is_created]
    return _pick(
        ref,
        created,
        lambda folded: (folded.issue.task_id, folded.issue.hex),
        lambda folded: (
            f"{folded.issue.task_id} (issue {folded.issue.hex[:8]}) {folded.issue.title}"
        ),
        "task",
        "git session tasks --all lists them",
    )


def find_session(replay: Replay, ref: str) -> Found:
    """Finds a session by its id, a unique prefix of it, or `TASK/SESSION` where two share one.

    Raises NotFoundError, or AmbiguousError with the candidates.
    """
    task_ref, slash, session_ref = ref.rpartition("/")
    folds: Iterable[FoldedIssue] = [find_task(replay, task_ref)] if slash else replay.issues()
    return _pick(
        session_ref,
        [(folded, life) for folded in folds for life in folded.sessions.lives.values()],
        lambda found: (found[1].session_id,),
        lambda found: f"{found[0].issue.hex[:8]}/{found[1].session_id} {found[1].state.state}",
        "session",
        "git session list --all lists them",
    )


def _pick(
    ref: str,
    things: list[T],
    ids: Callable[[T], tuple[str, ...]],
    describe: Callable[[T], str],
    word: str,
    hint: str,
) -> T:
    found = [thing for thing in things if ref in ids(thing)]
    if not found and ref:
        found = [thing for thing in things if any(name.startswith(ref) for name in ids(thing))]
    if not found:
        raise NotFoundError(f"no such {word}: {ref or '(empty)'}", hint)
    if len(found) > 1:
        lines = [f"  {describe(thing)}" for thing in found[:_MOST_CANDIDATES]]
        if len(found) > _MOST_CANDIDATES:
            lines.append(f"  ... and {len(found) - _MOST_CANDIDATES} more")
        raise AmbiguousError(
            f"{word} {ref} is ambiguous:\n" + "\n".join(lines), "type more of the id"
        )
    return found[0]
