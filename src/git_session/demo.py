"""Plays a small fleet's day into fresh repositories, through the same code as everybody's.

Two clones of one bare hub record on their own, diverge, and sync: the play of `git session demo`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from git_session.errors import UsageError
from git_session.fold.rows import Row
from git_session.log import SessionLog
from git_session.queries import read_clock
from git_session.store.objects import ObjectStore
from git_session.sync import sync_log

MINUTE_MS: Final = 60_000
_CLONES: Final = ("desk", "server")


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
    """Holds what the play made: where, the clones' logs by name, and what the last syncs did."""

    directory: Path
    logs: dict[str, SessionLog]
    tasks: list[str] = field(default_factory=list)
    syncs: list[tuple[str, Row]] = field(default_factory=list)


def play_demo(directory: Path) -> Played:
    """Makes a hub and two clones in `directory` and records three tasks and five sessions in them.

    The last three hours are played; the log ends now. Raises UsageError when `directory` holds
    anything already.
    """
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty", "name a directory that does not exist yet")
    day = _Day(read_clock() - 180 * MINUTE_MS)
    hub = ObjectStore.create(directory / "hub.git", is_bare=True)
    logs = {}
    for name in _CLONES:
        ObjectStore.create(directory / name).add_remote("origin", str(hub.common_dir))
        logs[name] = SessionLog.open(directory / name, clock=day.read, environ={})
    played = Played(directory, logs)
    _play_the_morning(played, day)
    _play_apart(played, day)
    for name in (*_CLONES, _CLONES[0]):
        _sync(played, name)
    for log in logs.values():
        log.save()
    return played


def _play_the_morning(played: Played, day: _Day) -> None:
    """Lets the desk plan the tasks and do the first; both clones know of it."""
    desk = played.logs["desk"]
    for title in ("Fix the flaky test", "Port the lexer", "Write the release notes"):
        row = desk.add_task_row(title, convoy="c-20260101-de30")
        played.tasks.append(row["task"]["task_id"])
        day.pass_minutes(1)
    task = played.tasks[0]
    desk.set_task_status_row(task, "running")
    session = _start(desk, task, engine="codex", worktree=".grite/worktrees/flaky")
    day.pass_minutes(2)
    desk.advance_row(session, "ready")
    day.pass_minutes(1)
    desk.advance_row(session, "running", note="reproduced it: a race in the teardown")
    day.pass_minutes(25)
    desk.advance_row(session, "running")
    day.pass_minutes(10)
    desk.advance_row(session, "handoff")
    day.pass_minutes(4)
    desk.exit_row(session, code=0)
    desk.set_task_status_row(task, "needs-review")
    for name in _CLONES:
        _sync(played, name)
    played.syncs.clear()


def _play_apart(played: Played, day: _Day) -> None:
    """Lets both clones record on their own, without a word between them."""
    desk, server = played.logs["desk"], played.logs["server"]
    lexer, notes = played.tasks[1:]
    server.set_task_status_row(lexer, "running")
    crashed = _start(server, lexer, engine="claude", worktree=".grite/worktrees/lexer")
    day.pass_minutes(3)
    for state in ("ready", "running"):
        server.advance_row(crashed, state)
    day.pass_minutes(30)
    server.exit_row(crashed, code=-1, reason="crash-recovery")
    second = _start(server, lexer, engine="claude", worktree=".grite/worktrees/lexer-2")
    day.pass_minutes(2)
    for state in ("ready", "running"):
        server.advance_row(second, state)
    day.pass_minutes(20)
    third = _start(desk, lexer, engine="gemini", worktree=".grite/worktrees/lexer-3")
    day.pass_minutes(1)
    desk.advance_row(third, "ready", note="does anybody work on this?")
    day.now = read_clock() - 2 * MINUTE_MS
    _start(desk, notes, engine="codex", role="witness")
    day.now = read_clock()
    server.advance_row(second, "running")


def _start(
    log: SessionLog, task: str, *, engine: str, role: str = "user", worktree: str | None = None
) -> str:
    path = str(log.common_dir.parent / worktree) if worktree else None
    row = log.start_row(task, engine=engine, role=role, worktree=path)
    session_id: str = row["session"]["session_id"]
    return session_id


def _sync(played: Played, name: str) -> None:
    row, error = sync_log(played.logs[name])
    if error is not None:
        raise error
    played.syncs.append((name, row))
