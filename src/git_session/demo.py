"""Plays a small fleet's day into a fresh repository, through the same code as everybody's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from git_session.errors import UsageError
from git_session.log import SessionLog
from git_session.queries import read_clock
from git_session.store.objects import ObjectStore

MINUTE_MS: Final = 60_000


@dataclass(slots=True)
class _Day:
    """Holds a clock that the play sets: ms since the epoch."""

    now: int

    def read(self) -> int:
        return self.now

    def pass_minutes(self, minutes: float) -> None:
        self.now += int(minutes * MINUTE_MS)


@dataclass(slots=True)
class Played:
    """Holds what the play made: the repository, its log, the ids to look further with."""

    directory: Path
    log: SessionLog
    tasks: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)


def play_demo(directory: Path) -> Played:
    """Makes a repository in `directory` and records three tasks and five sessions in it.

    The last three hours are played; the log ends now. Raises UsageError when `directory` is
    there already.
    """
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty", "name a directory that does not exist yet")
    ObjectStore.create(directory)
    day = _Day(read_clock() - 180 * MINUTE_MS)
    log = SessionLog.open(directory, clock=day.read)
    played = Played(directory, log)
    titles = ("Fix the flaky test", "Port the lexer", "Write the release notes")
    for title in titles:
        played.tasks.append(log.add_task_row(title, convoy="c-20260101-de30")["task"]["task_id"])
        day.pass_minutes(1)
    _play_a_whole_life(played, day)
    _play_a_crash_and_a_second_try(played, day)
    _play_work_in_progress(played, day)
    return played


def _play_a_whole_life(played: Played, day: _Day) -> None:
    log, task = played.log, played.tasks[0]
    log.set_task_status_row(task, "running")
    session = _start(played, task, engine="codex", worktree=".grite/worktrees/flaky")
    day.pass_minutes(2)
    log.advance_row(session, "ready")
    day.pass_minutes(1)
    log.advance_row(session, "running", note="reproduced it: a race in the teardown")
    day.pass_minutes(25)
    log.advance_row(session, "running")
    day.pass_minutes(10)
    log.advance_row(session, "handoff")
    day.pass_minutes(4)
    log.exit_row(session, code=0)
    log.set_task_status_row(task, "needs-review")


def _play_a_crash_and_a_second_try(played: Played, day: _Day) -> None:
    log, task = played.log, played.tasks[1]
    log.set_task_status_row(task, "running")
    first = _start(played, task, engine="claude", worktree=".grite/worktrees/lexer")
    day.pass_minutes(3)
    log.advance_row(first, "ready")
    log.advance_row(first, "running")
    day.pass_minutes(30)
    log.exit_row(first, code=-1, reason="crash-recovery")
    day.pass_minutes(5)
    second = _start(played, task, engine="claude", worktree=".grite/worktrees/lexer-2")
    day.pass_minutes(2)
    log.advance_row(second, "ready")
    log.advance_row(second, "running")


def _play_work_in_progress(played: Played, day: _Day) -> None:
    log = played.log
    day.pass_minutes(20)
    third = _start(played, played.tasks[1], engine="gemini", worktree=".grite/worktrees/lexer-3")
    day.pass_minutes(1)
    log.advance_row(third, "ready", note="two at once: they will have to agree")
    day.now = read_clock() - 2 * MINUTE_MS
    _start(played, played.tasks[2], engine="codex", role="witness")
    day.now = read_clock()
    log.advance_row(played.sessions[2], "running")


def _start(
    played: Played, task: str, *, engine: str, role: str = "user", worktree: str | None = None
) -> str:
    path = str(played.directory / worktree) if worktree else None
    row = played.log.start_row(task, engine=engine, role=role, worktree=path)
    session_id: str = row["session"]["session_id"]
    played.sessions.append(session_id)
    return session_id
