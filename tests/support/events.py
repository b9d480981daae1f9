"""Make events for tests of the pure modules, as brat, grite and git-session would write them."""

from __future__ import annotations

from typing import Any

from git_session.core.fold.issues import fold_issue
from git_session.core.fold.sessions import Life, fold_sessions
from git_session.core.wire import event as kinds
from git_session.core.wire.block import SessionState, format_block
from git_session.core.wire.event import Event, build_event

ISSUE = bytes(range(16))
ACTOR_A = b"\xaa" * 16
ACTOR_B = b"\xbb" * 16
T0 = 1_795_000_000_000


def event(kind: int, payload: list[Any], ts: int, actor: bytes = ACTOR_A, **more: Any) -> Event:
    """Makes an event of the one issue; `ts` counts from T0."""
    return build_event(more.pop("issue", ISSUE), actor, T0 + ts, kind, payload, **more)


def created(ts: int = 0, *labels: str, **more: Any) -> Event:
    """Makes the issue's creation."""
    return event(kinds.ISSUE_CREATED, ["Title", "Body", sorted(labels)], ts, **more)


def comment(text: str, ts: int, **more: Any) -> Event:
    """Makes a comment."""
    return event(kinds.COMMENT_ADDED, [text], ts, **more)


def block(state: str, ts: int, parent: Event | None = None, **fields: Any) -> Event:
    """Makes a comment that holds a session block."""
    actor = fields.pop("actor", ACTOR_A)
    values: dict[str, Any] = {
        "session_id": "s-20261122-0001",
        "role": "user",
        "session_type": "crew",
        "engine": "codex",
        "worktree": "",
        "started_ts": T0,
        **fields,
    }
    text = format_block(SessionState(state=state, **values))
    return comment(text, ts, actor=actor, parent=parent.event_id if parent else None)


def live(*events: Event) -> Life:
    """Folds the issue of these events and gives its only session."""
    sessions = fold_sessions(fold_issue(ISSUE, [created(), *events]))
    (life,) = sessions.lives.values()
    return life
