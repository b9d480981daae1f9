"""Check all that has to be well for sessions to be recorded and shared: `git session doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from git_session.errors import ConfigError, GitSessionError
from git_session.git.repository.objects import ObjectStore
from git_session.health.doctor.check import Check
from git_session.health.doctor.grite import check_grite
from git_session.health.doctor.hooks import check_agents, check_hooks
from git_session.health.doctor.remotes import check_remotes
from git_session.health.doctor.repository import check_repository
from git_session.health.doctor.settings import check_settings
from git_session.host.clock import read_clock
from git_session.log.actors.config import GriteConfig
from git_session.log.reader import LogReader
from git_session.log.session_log import SessionLog


def open_to_examine(path: Path) -> SessionLog:
    """Open the log to be examined, also under settings that no other command goes on by.

    Raises NotARepositoryError, UnsupportedRepositoryError.
    """
    try:
        return SessionLog.open(path)
    except ConfigError:
        # Which they are has a line of its own; all else is looked at as if they were not there.
        store = ObjectStore.open(path)
        reader = LogReader(store, GriteConfig())
        return SessionLog(store, actor_id=None, clock=read_clock, environ=os.environ, reader=reader)


def examine(log: SessionLog, program: Sequence[str], *, is_fired: bool = False) -> Iterator[Check]:
    """Return one line after the other; `program` is what hooks are to call.

    With `is_fired` a commit is made through everybody's hooks, in a checkout made for it.
    """
    yield from check_repository(log)
    yield from check_grite(log)
    yield from check_settings(log)
    yield from check_hooks(log, list(program), is_fired=is_fired)
    yield from check_agents(log, list(program))
    yield from check_remotes(log)


def mend(check: Check) -> dict[str, Any]:
    """Mend what can be mended safely, and return the row of the line as it then stands."""
    if check.status == "ok" or check.mend is None:
        return check.row()
    try:
        check.mend()
    except (GitSessionError, OSError) as error:
        return check.row() | {"message": f"{check.message} (not fixed: {error})"}
    return check.row(is_mended=True)
