"""Put ends that were seen into the log: at once, or what the log did not take then, once.

The file is there before the log is written to and goes when the log has it, so that nothing is
lost to a kill in between; that the log has it is found in the log itself, so nothing comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from git_session.core.fold import plan
from git_session.core.fold.rows import Row
from git_session.core.fold.sessions import Life
from git_session.core.wire.block import Extra, SessionState
from git_session.core.wire.plain_text import quote_word
from git_session.errors import GitSessionError, TransitionError
from git_session.host.beats import Beats
from git_session.host.spool import SeenExit, SpoolSlot, list_spooled, read_spooled

if TYPE_CHECKING:
    from git_session.log.session_log import SessionLog

_NOTE = "recorded afterwards: the log did not take it then"


@dataclass(slots=True)
class Unspooled:
    """Holds what came of the exits that lay beside the beats: session ids, and warnings."""

    recorded: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def has_spooled(common_dir: Path) -> bool:
    """Return whether an exit waits to be recorded, without looking at the log."""
    for path in list_spooled(Beats(common_dir)):
        with suppress(OSError, ValueError):
            if read_spooled(path) is not None:
                return True
    return False


def record_spooled(log: SessionLog) -> Unspooled:
    """Record the exits that the log did not take when they were seen; never fails.

    Called by whatever writes to the log. An exit that the log does not take now either stays.
    """
    result = Unspooled()
    for path in list_spooled(Beats(log.common_dir)):
        try:
            seen = read_spooled(path)
        except (OSError, ValueError) as error:
            result.warnings.append(f"{path} cannot be used, and stays: {error}")
            continue
        if seen is None:
            continue  # the space for a session that still runs
        try:
            if record_end(log, seen, note=_NOTE) is not None:
                result.recorded.append(seen.session_id)
        except GitSessionError as error:
            result.warnings.append(f"the exit of {seen.session_id} still waits: {error.message}")
            continue
        with suppress(OSError):
            path.unlink()
    return result


def record_end(log: SessionLog, seen: SeenExit, note: str | None = None) -> Row | None:
    """Record an end that was seen, whatever was presumed before; None when the log has it.

    Raises what keeps the log from being written, and NotFoundError.
    """
    changes = {
        "exit_code": seen.exit_code,
        "exit_reason": seen.exit_reason,
        "last_output_ref": seen.last_output_ref,
        "last_heartbeat_ts": seen.ended_ts,
    }

    def choose(life: Life, _: Row, news: Mapping[str, Extra]) -> SessionState:
        return plan.plan_end(life, changes=changes, extras=news)

    try:
        return log.recorder.record(f"{seen.grite_issue_id}/{seen.session_id}", choose, note)
    except TransitionError:
        log.keeper.beats.remove(seen.grite_issue_id, seen.session_id)
        return None


def record_or_spool(
    log: SessionLog, seen: SeenExit, slot: SpoolSlot | None
) -> tuple[str | None, str | None]:
    """Record an end that was seen, or leave it in its place for whoever writes next.

    Gives the commit, None when there is none by now, and a warning when the log did not take it.
    """
    is_spooled = slot is not None and _spool(slot, seen)
    try:
        row = record_end(log, seen)
    except (GitSessionError, OSError) as error:
        why = str(error)
    else:
        if slot is not None:
            slot.clear()
        return (None if row is None else row["commit"]), None
    if slot is not None and is_spooled:
        with suppress(OSError):
            slot.settle()
        return None, f"the exit waits for the next command that writes to the log: {why}"
    command = f"git session exit {quote_word(seen.session_id)} --code {seen.exit_code}"
    return None, (
        f"the exit is recorded nowhere: {why};"
        f" {command} --reason {quote_word(seen.exit_reason)} records it"
    )


def _spool(slot: SpoolSlot, seen: SeenExit) -> bool:
    try:
        slot.write(seen)
    except OSError:
        return False
    return True
