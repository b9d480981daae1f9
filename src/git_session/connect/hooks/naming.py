"""Whether a commit may name the session that `$GIT_SESSION_ID` gives: one that goes on.

A commit waits for this: a beat file or a fresh index answers, and only then is the log read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from git_session.core.liveness import PRESUMED_EXIT
from git_session.core.wire import names
from git_session.core.wire.words import SESSION_VARIABLE, TRIAL_SESSION
from git_session.errors import AmbiguousError, GitSessionError, NotFoundError, TransitionError
from git_session.git.place import find_common_dir_of_hook
from git_session.git.repository.ref_files import may_have_refs
from git_session.host.beats import Beats

_UNSET: Final = f"so this commit names no session: unset {SESSION_VARIABLE}"


def require_going_on(session: str, environ: Mapping[str, str]) -> str:
    """Give the whole id of a session, unless it is known to have exited or not to be there.

    A session with a beat file goes on here. An exit that is only presumed does not count: this
    commit shows that it was wrong. What this clone cannot know is taken as it is given (it has no
    log, or reading the log leaves something out), because a trailer that is missing cannot be added
    later, and one too many can be seen. Raises NotFoundError, AmbiguousError, TransitionError.
    """
    rows = _find_rows(session, environ)
    if rows is None:
        return session
    rows = [row for row in rows if row["session_id"] == session] or rows
    # The rest of a short id is text from the log, which any writer chose.
    found: set[str] = {name for row in rows if names.is_safe_id(name := row["session_id"])}
    if not found:
        raise NotFoundError(
            f"no session {session} is in this clone's log, {_UNSET}, or git session sync"
        )
    if len(found) > 1:
        raise AmbiguousError(f"{session} matches {len(found)} sessions, {_UNSET}")
    (name,) = found
    if all(row["state"] == "exit" and not _is_presumed(row) for row in rows):
        raise TransitionError(f"{name} has exited, {_UNSET}")
    return name


def _find_rows(session: str, environ: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """Find the sessions whose id begins so; None where nothing is known, or need be."""
    if session == TRIAL_SESSION:
        return None
    common_dir = find_common_dir_of_hook(environ)
    if common_dir is not None:
        if _is_settled(common_dir, session):
            return None
        from git_session.log.index_only import find_quickly

        rows = find_quickly(common_dir, session)
        if rows is not None:
            return rows
    return _find_slowly(session, environ)


def _is_settled(common_dir: str, session: str) -> bool:
    """Tell whether no log has to be asked: the session has a beat file, or there is no log."""
    has_beat = any(name == session for _, name in Beats(common_dir).refs())
    return has_beat or not may_have_refs(common_dir, names.WAL_REF)


def _is_presumed(row: Mapping[str, Any]) -> bool:
    return PRESUMED_EXIT in row["liveness"]["reasons"]


def _find_slowly(session: str, environ: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """Find the sessions whose id begins so by reading the log; None where that cannot tell."""
    from pathlib import Path

    from git_session.log.session_log import SessionLog

    try:
        log = SessionLog.open(Path.cwd(), environ=environ)
        rows = log.session_rows(include_exited=True)
        log.save()  # the next commit need not wait for this again
        is_whole = log.head() is not None and not (log.problems or log.unread_blocks())
    except GitSessionError:
        return None
    rows = [row for row in rows if row["session_id"].startswith(session)]
    return rows if rows or is_whole else None
