"""Do what follows a transition, whoever recorded it: a command, `run`, MCP or an agent's hook.

Exits that waited are recorded, git's maintenance is started when it is due, and a background sync
where `session.autoSync` says so. Nothing here waits for the network, and no transition fails for
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_session.errors import GitSessionError
from git_session.log.gc import start_maintenance
from git_session.log.spool import record_spooled

if TYPE_CHECKING:
    from git_session.log.session_log import SessionLog


def follow_up(
    log: SessionLog, *, is_recorded: bool = True, is_synced: bool = False, is_heard: bool = True
) -> list[str]:
    """Do what follows a transition, and return the warnings that there are.

    Where the log did not take it, not `is_recorded`, the exits that wait are not tried either.
    `is_synced` starts a sync whatever the settings say. Without `is_heard` nobody reads the
    warnings: what the last background sync could not do, or found, is kept for one who does.
    """
    warnings = record_spooled(log).warnings if is_recorded else []
    start_maintenance(log)
    try:
        if is_synced or log.store.settings.read_flag("session.autoSync", default=False):
            from git_session.sync.background import start_background

            failure = start_background(log, is_heard=is_heard)
            warnings += [failure] if failure else []
    except (GitSessionError, OSError) as error:
        warnings.append(str(error))
    return warnings
