"""`git session ready`, `running` and `handoff`: a session goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from git_session.cli.opening import open_log, say_after_recording
from git_session.cli.options import (
    Settings,
    command,
    force_option,
    note_option,
    require_session,
    session_argument,
)
from git_session.cli.ui.describe import format_step, short_commit
from git_session.cli.ui.output import print_data, print_line

if TYPE_CHECKING:
    from git_session.log.session_log import SessionLog


@command("ready", "git session ready s-20261122-4f1b", 'git session ready -m "dependencies are in"')
@session_argument()
@force_option
@note_option
def ready_command(settings: Settings, session: str | None, force: bool, note: str | None) -> None:
    """Record that a session is ready to work."""
    _advance(settings, session, "ready", force, note)


@command("running", "git session running s-20261122-4f1b", "git session running --json")
@session_argument()
@force_option
@note_option
def running_command(settings: Settings, session: str | None, force: bool, note: str | None) -> None:
    """Record that a session is working, or still working.

    Recording the same state again is a heartbeat in the log, as one more commit.
    """
    _advance(settings, session, "running", force, note)


@command(
    "handoff",
    "git session handoff s-20261122-4f1b",
    'git session handoff -m "tests pass, please review"',
)
@session_argument()
@force_option
@note_option
def handoff_command(settings: Settings, session: str | None, force: bool, note: str | None) -> None:
    """Record that a session hands over its work."""
    _advance(settings, session, "handoff", force, note)


def print_recorded(settings: Settings, log: SessionLog, recorded: Mapping[str, Any]) -> None:
    """Print what was recorded of a session: `s-... running -> handoff (5b1e0c2)`."""
    say_after_recording(log, recorded["warnings"])
    if settings.is_json:
        print_data(recorded)
        return
    session = recorded["session"]
    ref = f"{session['grite_issue_id']}/{session['session_id']}"
    steps = [row for row in log.transition_rows(ref) if row["commit"] == recorded["commit"]]
    step = format_step(steps[0]) if steps else session["state"]
    print_line(f"{session['session_id']} {step} ({short_commit(recorded['commit'])})")


def _advance(
    settings: Settings, session: str | None, state: str, is_forced: bool, note: str | None
) -> None:
    ref = require_session(session)
    log = open_log()
    recorded = log.advance_row(ref, state, is_forced=is_forced, note=note)
    print_recorded(settings, log, recorded)
