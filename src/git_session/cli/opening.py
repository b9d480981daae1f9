"""Opens the log for a command, and says on stderr what reading it left out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from git_session.cli.progress import Progress
from git_session.cli.streams import say, say_warning
from git_session.errors import GitSessionError, NotARepositoryError

if TYPE_CHECKING:
    from git_session.log import SessionLog
    from git_session.queries import LogQueries

_MOST_WARNINGS: Final = 3

_opened: list[LogQueries] = []


def open_log() -> SessionLog:
    """Opens the log of the repository that the current directory lies in.

    Raises NotARepositoryError, UnsupportedRepositoryError or ConfigError.
    """
    from git_session.log import SessionLog

    log = SessionLog.open(find_here())
    log.reader.progress = Progress("read")
    _opened.append(log)
    return log


def open_queries() -> LogQueries:
    """Opens the log for a command that only asks, and loads nothing that records."""
    from git_session.queries import LogQueries

    log = LogQueries.open(find_here())
    log.reader.progress = Progress("read")
    _opened.append(log)
    return log


def save_logs() -> None:
    """Remembers in the index what the command read, once its answer is out."""
    while _opened:
        with suppress(GitSessionError):
            _opened.pop().save()


def find_here() -> Path:
    """Finds the current directory. Raises NotARepositoryError when it was removed meanwhile."""
    try:
        return Path.cwd()
    except OSError as error:
        raise NotARepositoryError("the current directory is not there any more") from error


def say_problems(log: LogQueries) -> None:
    """Says in a few lines what was left out while reading, if anything was."""
    problems = log.problems
    for problem in problems[:_MOST_WARNINGS]:
        place = f" (commit {problem.commit[:7]})" if problem.commit else ""
        say_warning(f"{problem.message}{place}")
    if len(problems) > _MOST_WARNINGS:
        say_warning(f"and {len(problems) - _MOST_WARNINGS} more like these")
    if problems:
        say("hint: git session fsck names them all")


def say_no_log() -> None:
    """Says that the repository has no log yet, and how one begins."""
    say("there is no session log in this repository yet")
    say("hint: git session init makes it ready, git session task add TITLE begins the log")


def say_after_recording(log: SessionLog, warnings: list[str]) -> None:
    """Says what there is to say after a transition, and starts the background sync if wanted."""
    say_problems(log)
    from git_session.maintenance import start_maintenance

    start_maintenance(log)
    failure = None
    if log.store.read_flag("session.autoSync", default=False):
        from git_session.autosync import start_background

        failure = start_background(log)
    for warning in [*warnings, *([failure] if failure else [])]:
        say_warning(warning)
