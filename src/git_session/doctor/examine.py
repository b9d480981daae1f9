"""Looks at all that has to be well for sessions to be recorded and shared: `git session doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from git_session.doctor.check import Check
from git_session.doctor.hooks import check_agents, check_hooks
from git_session.doctor.remotes import check_remotes
from git_session.doctor.repository import check_repository
from git_session.errors import GitSessionError
from git_session.log import SessionLog


def examine(log: SessionLog, program: Sequence[str], *, is_fired: bool = False) -> Iterator[Check]:
    """Gives one line after the other; `program` is what hooks are to call.

    With `is_fired` a commit is made through everybody's hooks, in a checkout made for it.
    """
    yield from check_repository(log)
    yield from check_hooks(log, list(program), is_fired=is_fired)
    yield from check_agents(log, list(program))
    yield from check_remotes(log)


def mend(check: Check) -> dict[str, Any]:
    """Mends what can be mended safely, and gives the row of the line as it then stands."""
    if check.status == "ok" or check.mend is None:
        return check.row()
    try:
        check.mend()
    except (GitSessionError, OSError) as error:
        return check.row() | {"message": f"{check.message} (not mended: {error})"}
    return check.row(is_mended=True)
