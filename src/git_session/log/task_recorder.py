"""What can be recorded of tasks: each method appends one commit and answers in plain rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from functools import cached_property

from git_session.core.fold import plan
from git_session.core.fold.find import find_task, task_refs
from git_session.core.fold.lifecycle import TASK_STATUSES
from git_session.core.fold.replay import FoldedIssue, Replay
from git_session.core.fold.rows import Row, task_row
from git_session.core.wire import names
from git_session.errors import ConflictError, UsageError
from git_session.log.queries import LogQueries, require_words
from git_session.log.writer import Appended, LogWriter


class TaskRecorder(LogQueries):
    """Records tasks."""

    @cached_property
    def writer(self) -> LogWriter:
        """Gives the one that appends to the log."""
        return LogWriter(
            self.reader, clock=self.clock, actor_id=self._actor_id, environ=self._environ
        )

    def add_task_row(self, title: str, *, body: str = "", convoy: str | None = None) -> Row:
        """Records a new queued task, with the labels that brat gives one."""
        if not title.strip():
            raise UsageError("a task needs a title", 'git session task add "Fix the flaky test"')
        require_id(convoy)
        issue_id = os.urandom(16)

        def add(replay: Replay, now: int) -> tuple[bytes, Sequence[plan.Draft]]:
            taken = {task_id for _, task_id, _ in task_refs(replay)}
            task_id = new_id(names.format_task_id, now, taken)
            return issue_id, [plan.plan_task(title, body, task_id, convoy)]

        return self._task_recorded_row(self.writer.append(add))

    def set_task_status_row(self, task: str, status: str, *, is_forced: bool = False) -> Row:
        """Record a task's new status.

        Raises TransitionError, naming what is allowed, and ConflictError when the task would keep
        another status all the same, because of an event of a clock that is more than a day ahead.
        """
        require_words([status], TASK_STATUSES, "status")

        def move(replay: Replay, now: int) -> tuple[bytes, Sequence[plan.Draft]]:
            issue = find_task(replay, task).issue
            drafts = plan.plan_status(issue, status, is_forced=is_forced)
            events = replay.events_of(issue.issue_id)
            return issue.issue_id, plan.keep_effective(issue, status, drafts, events, now)

        self.reader.require()
        return self._task_recorded_row(self.writer.append(move))

    def comment_row(self, task: str, text: str) -> Row:
        """Records a comment on a task; a text that holds a session block's marks is refused."""
        draft = plan.plan_comment(text)
        self.reader.require()
        return self._task_recorded_row(
            self.writer.append(lambda replay, _: (find_task(replay, task).issue.issue_id, [draft]))
        )

    def folded(self, appended: Appended) -> FoldedIssue:
        """Gives the issue that was appended to, as it is since."""
        replay = self.reader.known
        if appended.commit is not None and appended.commit not in replay:
            replay = self.replay()  # a claim is moved in by a push
        folded = replay.issue(appended.issue_id)
        assert folded is not None
        return folded

    def _task_recorded_row(self, appended: Appended) -> Row:
        return {
            "task": task_row(self.folded(appended)),
            "commit": appended.commit,
            "events": appended.events,
            "warnings": list(appended.warnings),
        }


def new_id(form: Callable[[int, str], str], now: int, taken: Collection[str]) -> str:
    """Draws an id of brat's form that nobody has yet: 16 random bits a day are soon not unique."""
    for _ in range(1000):
        drawn = form(now, _draw_digits())
        if drawn not in taken:
            return drawn
    raise ConflictError("no free id is left for today", "choose one: --session-id ID")


def _draw_digits() -> str:
    return os.urandom(2).hex()


def require_id(given: str | None) -> None:
    """Raises UsageError for what cannot be an id."""
    if given is not None and not names.is_safe_id(given):
        raise UsageError(
            f"not an id: {given!r}", "use at most 128 letters, digits, '.', '_' and '-'"
        )
