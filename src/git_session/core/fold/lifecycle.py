"""Which transition is allowed, for sessions and for tasks.

Source: the grite store format, section "Tasks and session comments".
"""

from __future__ import annotations

from typing import Final

from git_session.core.wire.words import STATES

TASK_STATUSES: Final = ("queued", "running", "blocked", "needs-review", "merged", "dropped")

_RANK: Final = {state: number for number, state in enumerate(STATES)}
_NEXT_STATE: Final = {
    "spawned": ("spawned", "ready", "exit"),
    "ready": ("ready", "running", "exit"),
    "running": ("running", "handoff", "exit"),
    "handoff": ("handoff", "exit"),
    "exit": (),
}
_NEXT_STATUS: Final = {
    "queued": ("running", "dropped"),
    "running": ("blocked", "needs-review", "dropped"),
    "blocked": ("running", "dropped"),
    "needs-review": ("merged", "blocked", "dropped"),
    "merged": (),
    "dropped": (),
}


def rank_of(state: str) -> int:
    """Return how far along a session state is: spawned 0, exit 4."""
    return _RANK[state]


def next_states(state: str | None) -> tuple[str, ...]:
    """List the session states allowed from `state`; a session begins as spawned."""
    return ("spawned",) if state is None else _NEXT_STATE[state]


def is_allowed(before: str | None, after: str) -> bool:
    """Return whether a session may go from one state to another; the same again is a beat."""
    return after in next_states(before)


def next_statuses(status: str | None) -> tuple[str, ...]:
    """List the task statuses allowed from `status`; a task without one may take any."""
    return TASK_STATUSES if status is None else _NEXT_STATUS.get(status, TASK_STATUSES)


def is_final_status(status: str | None) -> bool:
    """Return whether a task of this status is over."""
    return status in ("merged", "dropped")
