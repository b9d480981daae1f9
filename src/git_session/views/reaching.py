"""Whether a session has reached a state, may still reach it, or cannot any more."""

from __future__ import annotations

from typing import Literal

from git_session.core.fold.lifecycle import rank_of
from git_session.core.fold.sessions import Life

Reach = Literal["reached", "waiting", "missed"]


def judge_reach(life: Life, state: str) -> Reach:
    """Tells whether a session has been in `state`, or in one further along but for its exit.

    A late block tells of what was, too; an exit that was revoked does not count.
    """
    if life.state.is_exit:
        return "reached" if state == "exit" or _has_passed(life, state) else "missed"
    return "reached" if state != "exit" and _has_passed(life, state) else "waiting"


def _has_passed(life: Life, state: str) -> bool:
    return any(
        rank_of(step.state.state) >= rank_of(state) and not step.state.is_exit
        for step in life.steps
    )
