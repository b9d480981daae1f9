"""Read, record and sync agent sessions on grite tasks, straight from git refs.

The names below are loaded when they are first used, so that a command pays only for what it
needs.

    >>> from git_session import SessionLog
    >>> with SessionLog.open("path/to/repository") as log:
    ...     [session.session_id for session in log.sessions()]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from git_session.core.answers.log import Finding, FsckReport, InitReport
    from git_session.core.answers.sessions import Recorded, Session, Transition
    from git_session.core.answers.tasks import Comment, Task, TaskDetail, TaskRecorded
    from git_session.errors import (
        AmbiguousError,
        ConfigError,
        ConflictError,
        ContendedError,
        DamagedLogError,
        EnvironmentFaultError,
        GitSessionError,
        LockedError,
        NotARepositoryError,
        NotFoundError,
        ReadOnlyError,
        TransitionError,
        UnsupportedRepositoryError,
        UsageError,
        WireError,
    )
    from git_session.log.session_log import SessionLog

__version__ = "0.1.0"

__all__ = [
    "AmbiguousError",
    "Comment",
    "ConfigError",
    "ConflictError",
    "ContendedError",
    "DamagedLogError",
    "EnvironmentFaultError",
    "Finding",
    "FsckReport",
    "GitSessionError",
    "InitReport",
    "LockedError",
    "NotARepositoryError",
    "NotFoundError",
    "ReadOnlyError",
    "Recorded",
    "Session",
    "SessionLog",
    "Task",
    "TaskDetail",
    "TaskRecorded",
    "Transition",
    "TransitionError",
    "UnsupportedRepositoryError",
    "UsageError",
    "WireError",
    "__version__",
]

_HOMES: Final = {
    **dict.fromkeys(("Recorded", "Session", "Transition"), "core.answers.sessions"),
    **dict.fromkeys(("Comment", "Task", "TaskDetail", "TaskRecorded"), "core.answers.tasks"),
    **dict.fromkeys(("Finding", "FsckReport", "InitReport"), "core.answers.log"),
    "SessionLog": "log.session_log",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module that it lives in."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_home_of(name)), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})


def _home_of(name: str) -> str:
    return f"{__name__}.{_HOMES.get(name, 'errors')}"
