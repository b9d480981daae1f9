"""Wait until sessions reach a state: on the refs, and on the processes of this host.

Nothing here decides by time alone but the caller's own limit. A session whose process is gone and
that told no exit is waited for a while longer, within that limit, as whoever supervises it may be
recording one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from git_session.core.fold.find import find_session, find_task
from git_session.core.fold.lifecycle import is_final_status, rank_of
from git_session.core.fold.replay import FoldedIssue
from git_session.core.fold.rows import Row
from git_session.core.fold.sessions import Life
from git_session.core.wire.plain_text import quote_word
from git_session.core.wire.words import STATES, require_words
from git_session.errors import GitSessionError, UnreachableError, UsageError, WaitTimeoutError
from git_session.host.files.watcher import Watcher
from git_session.log.session_log import SessionLog

Reach = Literal["reached", "waiting", "missed"]

LOOK_S: Final = 1.0
"""The longest time between two looks, whatever the system tells of changes."""

DEAD_S: Final = 15.0
"""How long a session must be seen dead before it is given up: longer than a writer's patience."""

SYNC_S: Final = 5.0
"""The pause between two looks at the remote, so that slower clones can push in between."""

_SYNC_TIMEOUT_S: Final = 30.0
_TICK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Goal:
    """Holds what is waited for; `timeout_s` is None to wait for ever."""

    sessions: Sequence[str] = ()
    task: str | None = None
    state: str = "exit"
    is_any: bool = False
    timeout_s: float | None = None
    is_synced: bool = False

    def require_sense(self) -> None:
        """Raise UsageError for a wait on nothing, or for a state that is none."""
        require_words([self.state], STATES, "state")
        if not self.sessions and self.task is None:
            raise UsageError(
                "nothing to wait for: no session or task given",
                "git session wait s-20261122-4f1b, or git session wait --task t-20261122-4f12",
            )


class _Known(NamedTuple):
    """Holds a session that is waited for as it is now."""

    folded: FoldedIssue
    life: Life
    reach: str
    reason: str


class Waiting:
    """Looks again and again until a goal is reached, or cannot be any more."""

    def __init__(
        self,
        log: SessionLog,
        goal: Goal,
        *,
        on_warning: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        goal.require_sense()
        self._log = log
        self._goal = goal
        self._on_warning = on_warning
        self._now = now
        self._dead_since: dict[tuple[bytes, str], float] = {}
        self._sync_at = now()
        self._has_warned = False
        self._refs: list[tuple[bytes, str]] = []

    def run(self) -> Row:
        """Wait, and return the row of a WaitReport.

        Raises WaitTimeoutError, UnreachableError, and NotFoundError or AmbiguousError for what is
        named and not there.
        """
        timeout_s = self._goal.timeout_s
        deadline = None if timeout_s is None else self._now() + timeout_s
        folders = [self._log.common_dir / "refs", self._beats_folder()]
        with Watcher(folders) as watcher:
            self._sync_if_due(deadline)
            self._refs = [self._find(ref) for ref in self._goal.sessions]
            while True:
                known = self._look()
                if self._is_reached(known):
                    return self._report(known)
                self._refuse_if_hopeless(known)
                if deadline is not None and self._now() >= deadline:
                    self._refuse_if_hopeless(self._look(is_last=True))
                    raise self._timed_out(known)
                watcher.wait(self._next_look(deadline))
                self._sync_if_due(deadline)

    def _beats_folder(self) -> Path:
        from git_session.host.beats import Beats

        return Beats(self._log.common_dir).directory

    def _find(self, ref: str) -> tuple[bytes, str]:
        folded, life = find_session(self._log.reader.require(), ref)
        return folded.issue.issue_id, life.session_id

    def _look(self, *, is_last: bool = False) -> list[_Known]:
        """Check every session that is waited for; the last time what is dead is so at once."""
        replay = self._log.reader.require()
        found: list[tuple[FoldedIssue, Life]] = []
        for issue_id, session_id in self._refs:
            folded = replay.issue(issue_id)
            if folded is not None and session_id in folded.sessions.lives:
                found.append((folded, folded.sessions.lives[session_id]))
        if self._goal.task is not None:
            folded = find_task(replay, self._goal.task)
            named = {life.session_id for other, life in found if other is folded}
            lives = folded.sessions.lives.values()
            found.extend((folded, life) for life in lives if life.session_id not in named)
        patience_s = 0.0 if is_last else DEAD_S
        return [self._judge(folded, life, patience_s) for folded, life in found]

    def _judge(self, folded: FoldedIssue, life: Life, patience_s: float) -> _Known:
        reach = judge_reach(life, self._goal.state)
        if reach == "missed":
            return _Known(folded, life, reach, f"has exited without having been {self._goal.state}")
        if reach == "reached" or not (reason := self._find_death(folded, life, patience_s)):
            return _Known(folded, life, reach, "")
        return _Known(folded, life, "dead", reason)

    def _find_death(self, folded: FoldedIssue, life: Life, patience_s: float) -> str:
        """Report why a session is taken for dead, once it was seen so for long enough; else ""."""
        key = folded.issue.issue_id, life.session_id
        liveness = self._log.session_row(f"{folded.issue.hex}/{life.session_id}")["liveness"]
        if liveness["verdict"] != "dead":
            self._dead_since.pop(key, None)
            return ""
        since = self._dead_since.setdefault(key, self._now())
        return f"is dead: {liveness['reasons'][0]}" if self._now() - since >= patience_s else ""

    def _is_reached(self, known: Sequence[_Known]) -> bool:
        reached = [one.reach == "reached" for one in known]
        return any(reached) if self._goal.is_any else bool(reached) and all(reached)

    def _refuse_if_hopeless(self, known: Sequence[_Known]) -> None:
        """Raise UnreachableError when the goal cannot be reached any more."""
        lost = [one for one in known if one.reach in ("missed", "dead")]
        if lost and (len(lost) == len(known) or not self._goal.is_any):
            first = lost[0]
            name = first.life.session_id
            hint = (
                "git session reconcile --apply records the end of what is dead"
                if first.reach == "dead"
                else f"git session log {quote_word(name)} shows its life"
            )
            raise UnreachableError(f"{name} {first.reason}", hint)
        if known or self._goal.task is None:
            return
        issue = find_task(self._log.reader.require(), self._goal.task).issue
        if is_final_status(issue.status) or issue.state == "closed":
            status = issue.status if is_final_status(issue.status) else issue.state
            raise UnreachableError(
                f"task {issue.task_id} is {status}, and no session works on it",
                f"git session task show {quote_word(issue.task_id)}",
            )

    def _next_look(self, deadline: float | None) -> float:
        left = LOOK_S if deadline is None else min(LOOK_S, deadline - self._now())
        return max(left, _TICK_S)

    def _sync_if_due(self, deadline: float | None) -> None:
        """Take in what the remote has, now and then; a failure is said once."""
        if not self._goal.is_synced or self._now() < self._sync_at:
            return
        from git_session.sync.rounds import sync_log

        left = _SYNC_TIMEOUT_S if deadline is None else deadline - self._now()
        timeout = min(max(left, LOOK_S), _SYNC_TIMEOUT_S)
        try:
            _, error = sync_log(self._log.store, direction="fetch", timeout=timeout)
        except GitSessionError as failure:
            error = failure
        if error is not None and not self._has_warned:
            self._has_warned = True
            self._on_warning(f"the remote cannot be looked at: {error.message}")
        self._sync_at = self._now() + SYNC_S

    def _timed_out(self, known: Sequence[_Known]) -> WaitTimeoutError:
        waiting = [one.life for one in known if one.reach != "reached"]
        if not waiting:
            who = f"no session has begun on {self._goal.task}"
        elif len(waiting) == 1:
            who = f"{waiting[0].session_id} is still {waiting[0].state.state}"
        else:
            who = f"{len(waiting)} sessions have not come to {self._goal.state}"
        return WaitTimeoutError(
            f"{who} after {self._goal.timeout_s:g} s", "git session list shows the current states"
        )

    def _report(self, known: Sequence[_Known]) -> Row:
        rows: list[dict[str, Any]] = []
        for one in known:
            row = self._log.session_row(f"{one.folded.issue.hex}/{one.life.session_id}")
            rows.append({"session": row, "has_reached": one.reach == "reached"})
        return {"state": self._goal.state, "sessions": rows}


def judge_reach(life: Life, state: str) -> Reach:
    """Return whether a session has been in `state`, or in one further along but for its exit.

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
