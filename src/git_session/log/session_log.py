"""SessionLog: the sessions recorded in a repository.

Reading folds the log in `refs/grite/wal`; every write is one commit appended to it. Nothing
here prints, and the time comes from `clock` (ms since the epoch). Each answer is to be had
as a model, or, by the methods whose names end in `_row` and `_rows`, as the plain rows that
the quick commands print.

    >>> from git_session import SessionLog
    >>> with SessionLog.open("path/to/repository") as log:
    ...     [session.session_id for session in log.sessions()]
    ...     [session.state for session in log.at("2 hours ago").sessions()]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from git_session.log.queries import LogQueries
from git_session.log.recorder import LogRecorder

if TYPE_CHECKING:
    from git_session.core.answers.sessions import Recorded, Session, Transition
    from git_session.core.answers.tasks import Task, TaskDetail, TaskRecorded


class LogModels(LogQueries):
    """Answers questions about the sessions of one repository in models."""

    def at(self, words: str) -> LogModels:
        """Gives the log as it was at a moment; see LogQueries.at."""
        return LogModels.of_moment(self, self.find_moment(words))

    def sessions(self, **filters: Any) -> list[Session]:
        """Lists sessions; the filters are those of session_rows."""
        from git_session.core.answers.sessions import Session

        return [Session.model_validate(row) for row in self.session_rows(**filters)]

    def session(self, ref: str) -> Session:
        """Finds one session by id, unique prefix, or TASK/SESSION."""
        from git_session.core.answers.sessions import Session

        return Session.model_validate(self.session_row(ref))

    def history(
        self, ref: str | None = None, *, task: str | None = None, limit: int | None = None
    ) -> list[Transition]:
        """Lists transitions, newest first."""
        from git_session.core.answers.sessions import Transition

        return [
            Transition.model_validate(row)
            for row in self.transition_rows(ref, task=task, limit=limit)
        ]

    def tasks(self, *, status: str | None = None, include_all: bool = False) -> list[Task]:
        """Lists tasks."""
        from git_session.core.answers.tasks import Task

        return [
            Task.model_validate(row)
            for row in self.task_rows(status=status, include_all=include_all)
        ]

    def task(self, ref: str) -> TaskDetail:
        """Finds one task by task id, issue id, or a unique prefix of either."""
        from git_session.core.answers.tasks import TaskDetail

        return TaskDetail.model_validate(self.task_row(ref))


class SessionLog(LogModels, LogRecorder):
    """Reads and records the sessions of one repository, in models."""

    def start(self, task: str, **details: Any) -> Recorded:
        """Records a new session; the details are those of start_row."""
        from git_session.core.answers.sessions import Recorded

        return Recorded.model_validate(self.start_row(task, **details))

    def advance(self, session: str, state: str, **details: Any) -> Recorded:
        """Records that a session is now in `state`; the details are those of advance_row."""
        from git_session.core.answers.sessions import Recorded

        return Recorded.model_validate(self.advance_row(session, state, **details))

    def exit(self, session: str, **details: Any) -> Recorded:
        """Records a session's end; the details are those of exit_row."""
        from git_session.core.answers.sessions import Recorded

        return Recorded.model_validate(self.exit_row(session, **details))

    def add_task(self, title: str, *, body: str = "", convoy: str | None = None) -> TaskRecorded:
        """Records a new queued task."""
        from git_session.core.answers.tasks import TaskRecorded

        return TaskRecorded.model_validate(self.add_task_row(title, body=body, convoy=convoy))
