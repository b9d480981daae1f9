"""`git session show`: one session with all it is known by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from git_session.cli.opening import open_past, say_problems
from git_session.cli.options import Settings, command, require_session, session_argument
from git_session.cli.ui.describe import format_exit, transition_cells, transition_columns
from git_session.cli.ui.moments import at_option, moment_data, say_moment
from git_session.cli.ui.output import print_data, print_lines, print_table
from git_session.cli.ui.table import format_pairs
from git_session.cli.ui.text import format_time
from git_session.core.agents import format_resume
from git_session.core.wire.evidence import EVIDENCE_KEYS, PARENT_KEY, host_of
from git_session.core.wire.plain_text import strip_controls
from git_session.core.wire.words import ATTRIBUTE_PREFIX

_LAST: Final = 5
"""Transitions that are shown."""


@command("show", "git session show s-20261122-4f1b", "git session show s-20261122-4f1b --json")
@session_argument()
@at_option
def show_command(settings: Settings, session: str | None, at: str | None) -> None:
    """Show everything known about one session.

    The output holds its fields, its task, the path of its output log, and its last transitions.
    """
    log = open_past(at)
    row = log.session_row(require_session(session))
    ref = f"{row['grite_issue_id']}/{row['session_id']}"
    transitions = log.transition_rows(ref, limit=_LAST)
    log_file = log.log_file(row["session_id"])
    say_problems(log)
    if settings.is_json:
        found = None if log_file is None else str(log_file)
        data = {"session": row, "transitions": transitions, "log_file": found}
        print_data(data | moment_data(log))
        return
    now = log.clock()
    print_lines(format_pairs(_session_pairs(row, log_file, now)))
    for title, values in (("attributes", row["attributes"]), ("further keys", _others(row))):
        if values:
            pairs = [(strip_controls(key), str(value)) for key, value in values.items()]
            print_lines(["", f"{title}:", *(f"  {line}" for line in format_pairs(pairs))])
    print_lines(["", "last transitions:"])
    cells = [transition_cells(step, now, has_session=False) for step in transitions]
    print_table(transition_columns(has_session=False), cells)
    say_moment(log)


def _others(row: Mapping[str, Any]) -> dict[str, str | int]:
    """Return the block's keys that are shown nowhere else."""
    shown = {PARENT_KEY, *EVIDENCE_KEYS, *(ATTRIBUTE_PREFIX + key for key in row["attributes"])}
    return {key: value for key, value in row["extras"].items() if key not in shown}


def _format_life(row: Mapping[str, Any]) -> str:
    """Form the verdict with its reasons, and on what host: `dead: pid gone (boxA)`."""
    told = row["liveness"]
    host = told["evidence"].get("host")
    reasons = f"{told['verdict']}: {', '.join(told['reasons'])}"
    return f"{reasons} ({host})" if host else reasons


def _session_pairs(
    row: Mapping[str, Any], log_file: Path | None, now: int
) -> list[tuple[str, str]]:
    beat = row["liveness"]["evidence"].get("beat_ts", row["last_heartbeat_ts"])
    ended = format_exit(row["exit_code"], row["exit_reason"])
    told = row["attributes"]
    resume = format_resume(str(told.get("agent")), str(told.get("agent_session")))
    pairs = [
        ("session", row["session_id"]),
        ("task", f"{row['task_id']}  {row['task_title']}"),
        ("issue", row["grite_issue_id"]),
        ("state", row["state"]),
        ("exit", ended) if row["state"] == "exit" else ("life", _format_life(row)),
        ("role", row["role"]),
        ("type", row["session_type"]),
        ("engine", row["engine"]),
        ("worktree", row["worktree"]),
        ("host", host_of(row["extras"]) or ""),
        ("pid", "" if row["pid"] is None else str(row["pid"])),
        ("started", format_time(row["started_ts"], now)),
        ("heartbeat", "" if beat is None else format_time(beat, now)),
        *([("activity", row["activity"])] if row["activity"] else []),
        *([("parent", row["parent_session"])] if row["parent_session"] else []),
        *([("resume", resume)] if resume else []),
        ("recorded", format_time(row["updated_ts"], now)),
        ("actor", row["actor"]),
        ("commit", row["commit"]),
        ("event", row["event_id"]),
        ("output", row["last_output_ref"] or ""),
        ("log file", "" if log_file is None else str(log_file)),
    ]
    live = row["live_on_task"]
    if live > 1 and row["state"] != "exit":
        pairs.append(("note", f"{live} live sessions on this task"))
    return pairs
