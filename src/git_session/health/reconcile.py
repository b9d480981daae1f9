"""Compare what the log says of sessions with what this host knows of their processes.

It proposes. Told to apply, it records the end of dead sessions by evidence, and of no other:
never by age, never from another host. No process is killed and no worktree is touched. An end that
is recorded so is a presumption, which the next record of that session revokes.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from git_session.core.fold.rows import Row
from git_session.errors import ConflictError, EnvironmentFaultError
from git_session.git.worktrees import Worktree
from git_session.log.session_log import SessionLog
from git_session.log.spool import record_spooled
from git_session.views.checkouts import Checkouts, describe_unread

CODE: Final = -1
REASON: Final = "crash-recovery"
"""What brat's own recovery records, so that every reader knows it for a presumption."""


def reconcile_log(log: SessionLog, *, is_applied: bool = False) -> Row:
    """Find what is out of step, and record the end of dead sessions if told to.

    Ends that were seen and that the log did not take are recorded in any case. Gives the row of a
    ReconcileReport.
    """
    unspooled = record_spooled(log)
    recorded, warnings = unspooled.recorded, list(unspooled.warnings)
    rows = log.session_rows(include_exited=True)
    live = [row for row in rows if row["state"] != "exit"]
    dead = [row for row in live if _verdict(row) == "dead"]
    commits = {_key(row): _record_end(log, row, warnings) for row in dead} if is_applied else {}
    return {
        "dead": [
            {
                "session": row,
                "reasons": row["liveness"]["reasons"],
                "commit": commits.get(_key(row)),
            }
            for row in dead
        ],
        "unclear": [row for row in live if _verdict(row) in ("quiet", "unknown")],
        "duplicates": _find_duplicates([row for row in live if _verdict(row) != "dead"]),
        "worktrees": _find_left_work(log, rows, warnings),
        "recorded": recorded,
        "is_applied": is_applied,
        "warnings": warnings,
    }


def _record_end(log: SessionLog, row: Row, warnings: list[str]) -> str | None:
    """Record one presumed end; None when the session moved meanwhile, or it cannot be written."""
    ref = "/".join(_key(row))
    now = log.session_row(ref)
    if now["event_id"] != row["event_id"] or _verdict(now) != "dead":
        return None
    try:
        note = f"found dead: {', '.join(row['liveness']['reasons'])}"
        commit: str = log.exit_row(ref, code=CODE, reason=REASON, note=note)["commit"]
    except (ConflictError, EnvironmentFaultError) as error:
        warnings.append(f"the end of {row['session_id']} is not recorded: {error.message}")
        return None
    return commit


def _find_duplicates(rows: Sequence[Row]) -> list[Row]:
    """Find the tasks that more than one of these sessions works on."""
    tasks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        tasks[row["task_id"], row["grite_issue_id"]].append(row["session_id"])
    return [
        {"task_id": task_id, "grite_issue_id": issue_id, "sessions": found}
        for (task_id, issue_id), found in tasks.items()
        if len(found) > 1
    ]


def _find_left_work(log: SessionLog, rows: Sequence[Row], warnings: list[str]) -> list[Row]:
    """Find the checkouts of sessions that are dead or over in which there is work left."""
    checkouts = Checkouts(log)
    named: dict[Worktree, list[Row]] = defaultdict(list)
    for row in rows:
        place = checkouts.find(row) if row["worktree"] else None
        if place is not None:
            named[place].append(row)
    found = []
    for place, sessions in named.items():
        if any(_verdict(row) not in ("dead", "exited") for row in sessions):
            continue
        state = checkouts.look(place)
        if state is None:
            warnings.append(describe_unread(os.fspath(place.path)))
        elif state.has_work:
            found.append(
                {
                    "path": os.fspath(place.path),
                    "branch": state.branch,
                    "uncommitted": state.uncommitted,
                    "unpushed": state.unpushed,
                    "sessions": [row["session_id"] for row in sessions],
                }
            )
    return found


def _verdict(row: Mapping[str, Any]) -> str:
    return str(row["liveness"]["verdict"])


def _key(row: Row) -> tuple[str, str]:
    return row["grite_issue_id"], row["session_id"]
