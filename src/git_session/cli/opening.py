"""Open the log for a command, and say on stderr what reading it left out."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from git_session.cli.ui.output import add_warning
from git_session.cli.ui.progress import Progress
from git_session.cli.ui.streams import say, say_warning
from git_session.cli.ui.text import count
from git_session.errors import GitSessionError, LostLogError, NotARepositoryError

if TYPE_CHECKING:
    from pathlib import Path

    from git_session.git.repository.objects import ObjectStore
    from git_session.log.session_log import SessionLog

_MOST_WARNINGS: Final = 3
_MANY: Final = 1000
"""Commits; to remember fewer takes less time than to start a process."""

_SECOND_MS: Final = 1000
"""A moment counts to the end of its second."""

_MISSING: Final = "missing_object"
_opened: list[SessionLog] = []
_told: list[ObjectStore] = []
"""Those of which it was said that the log is incomplete."""


def open_log() -> SessionLog:
    """Open the log of the repository that the current directory lies in.

    Raises NotARepositoryError, UnsupportedRepositoryError or ConfigError.
    """
    return _open(find_here())


def open_queries(path: Path | None = None) -> SessionLog:
    """Open the log for a command that only asks, and begin to read it.

    It is that of the repository that `path` lies in; default: the current directory.
    """
    place = path or find_here()
    _begin_reading(place)
    return _open(place)


def open_past(words: str | None, path: Path | None = None) -> SessionLog:
    """Open the log as open_queries does, as it was at a moment if words for one are given."""
    log = open_queries(path)
    if words is None:
        return log
    past = log.at(words)
    if past.moment is not None and past.moment.ts > log.clock() + _SECOND_MS:
        say_warning(f"{words} is in the future: the current state is shown, with ages as of then")
    return past


def _open(path: Path) -> SessionLog:
    from git_session.log.session_log import SessionLog

    log = SessionLog.open(path)
    log.reader.progress = Progress("read")
    _opened.append(log)
    return log


def _begin_reading(path: Path) -> None:
    """Let git begin on a log that was never read, while the modules that go on are loaded."""
    from git_session.core.wire import names
    from git_session.git.place import UnclearError, find_place
    from git_session.git.repository.ref_files import read_ref_file
    from git_session.host.files.regular_file import require_regular

    place = find_place(path, os.environ)
    if place is None or any((place.common_dir / names.SESSION_DIR).glob("index-*.db")):
        return
    require_regular(place.git_dir, place.common_dir)
    with suppress(UnclearError):
        head = read_ref_file(place.common_dir, names.WAL_REF)
        if head is not None:
            from git_session.git.program import begin_stream, has_packed

            if has_packed(place.common_dir, head):
                begin_stream(place.common_dir, head)


def save_logs() -> None:
    """Remember in the index what the command read, once its answer is out.

    After a long first read a copy of this process does it, and nobody waits for it.
    """
    while _opened:
        log = _opened.pop()
        with suppress(GitSessionError, OSError):
            if log.reader.unsaved < _MANY:
                log.save()
                continue
            from git_session.git.child import go_on_alone

            if go_on_alone():
                try:
                    log.save()
                finally:
                    os._exit(0)


def find_here() -> Path:
    """Find the current directory. Raises NotARepositoryError when it was removed meanwhile."""
    from pathlib import Path  # 2 ms, for those who do more than a prompt asks

    return Path(name_here())


def name_here() -> str:
    """Find the same as find_here, for those who can do without a Path."""
    try:
        return os.getcwd()  # noqa: PTH109 - as above
    except OSError as error:
        raise NotARepositoryError("the current directory no longer exists") from error


def say_problems(log: SessionLog) -> None:
    """Say in a few lines what was left out while reading, if anything was."""
    problems = log.problems
    if is_incomplete(log):
        problems = [problem for problem in problems if problem.code != _MISSING]
    for problem in problems[:_MOST_WARNINGS]:
        place = f" (commit {problem.commit[:7]})" if problem.commit else ""
        say_warning(f"{problem.message}{place}")
    if len(problems) > _MOST_WARNINGS:
        say_warning(f"and {len(problems) - _MOST_WARNINGS} more like these")
    unread = log.unread_blocks()
    if unread:
        left_out = count(unread, "session block")
        say_warning(f"{left_out} left out: a state, role or type that this version does not know")
    if problems or unread:
        say("hint: git session fsck lists them all")


def is_incomplete(log: SessionLog) -> bool:
    """Tell whether git has left parts of the log at a remote, and say once what fetches them."""
    missing = sum(problem.code == _MISSING for problem in log.problems)
    if not missing:
        return False
    from git_session.log.absence import explain_gaps

    told = explain_gaps(log.store, missing)
    if told is None:
        return False
    if log.store not in _told:
        message, hint = told
        add_warning("incomplete_log", message, hint)
        say_warning(message)
        say(f"hint: {hint}")
        _told.append(log.store)
    return True


def say_no_log(log: SessionLog) -> bool:
    """Say that the repository has no log, and what to do; return whether it may have lost one."""
    from git_session.log.absence import explain_absence

    error = explain_absence(log.store)
    if isinstance(error, LostLogError):
        say_warning(error.message)
    else:
        say("there is no session log in this repository yet")
    say(f"hint: {error.hint}")
    return isinstance(error, LostLogError)


def say_after_recording(log: SessionLog, warnings: list[str]) -> None:
    """Do what follows a transition, and say what there is to say of it."""
    say_problems(log)
    from git_session.sync.follow_up import follow_up

    for warning in [*warnings, *follow_up(log)]:
        say_warning(warning)
