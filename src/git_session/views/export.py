"""Sessions and transitions for other programs: records with stable columns, and the page.

The columns are the fields of ExportedSession and ExportedTransition, in that order, in every
format.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

from git_session.core.fold.rows import Row, note_of
from git_session.core.wire.evidence import host_of
from git_session.log.session_log import SessionLog
from git_session.views.timeline import Work, bar_row, is_within, read_work, timeline_row

SESSION_COLUMNS: Final = (
    *("session_id", "task_id", "grite_issue_id", "task_title", "task_status", "role"),
    *("session_type", "engine", "worktree", "host", "pid", "state", "started", "started_ts"),
    *("ended", "ended_ts", "duration_ms", "last_heartbeat_ts", "exit_code", "exit_reason"),
    *("last_output_ref", "updated_ts", "actor", "commit", "event_id", "parent_session"),
    *("verdict", "activity", "attributes", "extras"),
)
TRANSITION_COLUMNS: Final = (
    *("time", "ts", "session_id", "task_id", "grite_issue_id", "from_state", "to_state"),
    *("is_late", "is_fork", "is_legal", "note", "changes", "actor", "commit", "event_id", "parent"),
)
_FORMULAS: Final = ("=", "+", "-", "@")


def session_records(log: SessionLog, *, since: int | None, until: int | None) -> list[Row]:
    """List the sessions that lived between two times (ms since the epoch), oldest first."""
    works = [work for work in read_work(log) if is_within(work.bar, since, until)]
    works.sort(key=lambda work: (work.bar.begin_ts, work.row["session_id"]))
    return [_session_record(work) for work in works]


def transition_records(log: SessionLog, *, since: int | None, until: int | None) -> list[Row]:
    """List the transitions between two times (ms since the epoch), oldest first."""
    records = []
    for row in reversed(log.transition_rows()):
        if (since is None or row["ts"] >= since) and (until is None or row["ts"] <= until):
            known = {**row, "time": _format_time(row["ts"])}
            records.append({name: known[name] for name in TRANSITION_COLUMNS})
    return records


def page_row(log: SessionLog, *, since: int | None, until: int | None) -> Row:
    """Make the timeline that a page shows: all there is between two times, with its marks."""
    return timeline_row(log, since=since, until=until, is_whole=True, describe=_page_bar)


def format_csv(columns: Sequence[str], records: Iterable[Row], clean: Callable[[str], str]) -> str:
    """Write records as CSV (RFC 4180, lines end in LF), the names of the columns first.

    `clean` takes from a text what no cell should hold. One that a spreadsheet would compute, for it
    begins with = + - @, gets an apostrophe in front. Objects are JSON; what is not there is empty.
    """
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow([_format_cell(record[name], clean) for name in columns])
    return out.getvalue()


def format_jsonl(records: Iterable[Row]) -> str:
    """Write records as JSON, one a line; what is not ASCII is escaped, so no line breaks early."""
    return "".join(f"{json.dumps(record)}\n" for record in records)


def clean_texts(value: Any, clean: Callable[[str], str]) -> Any:
    """Clean every text in rows, lists and their likes."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {key: clean_texts(inner, clean) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [clean_texts(inner, clean) for inner in value]
    return value


def _session_record(work: Work) -> Row:
    row, bar = work.row, work.bar
    until = bar.seen_ts if bar.end_ts is None else bar.end_ts
    known = {
        **row,
        "task_status": work.issue.status,
        "host": host_of(row["extras"]),
        "verdict": row["liveness"]["verdict"],
        "started": _format_time(bar.begin_ts),
        "started_ts": bar.begin_ts,
        "ended": None if bar.end_ts is None else _format_time(bar.end_ts),
        "ended_ts": bar.end_ts,
        "duration_ms": until - bar.begin_ts,
    }
    return {name: known[name] for name in SESSION_COLUMNS}


def _page_bar(work: Work) -> Row:
    marks = []
    for step in work.life.steps:
        is_move = step.before is None or step.before.state != step.state.state
        note = note_of(step.event)
        if not step.is_late and (is_move or note):
            marks.append({"ts": step.event.ts, "state": step.state.state, "note": note})
    spans = [list(span) for span in work.bar.spans]
    return {**bar_row(work), "spans": spans, "marks": marks}


def _format_cell(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        value = json.dumps(value) if value else None
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULAS) else text


def _format_time(ts: int) -> str:
    return (
        datetime.fromtimestamp(ts / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
