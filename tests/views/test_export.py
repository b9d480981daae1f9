"""What other programs get: the same columns in every format, and nothing that a cell could run."""

from __future__ import annotations

import csv
import json
import re
import stat
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.core.answers.views import (
    Exported,
    ExportedSession,
    ExportedTransition,
    ExportReport,
)
from git_session.core.wire.plain_text import strip_controls
from git_session.log.session_log import SessionLog
from git_session.views import export
from tests.conftest import Cli, git
from tests.support.stores import COMMENT_ADDED, EPOCH, ISSUE_CREATED, Event, format_block, write_log

Checkout = Callable[[str], Path]

ROOT: Final = Path(__file__).resolve().parent.parent.parent

SESSION_COLUMNS: Final = re.findall(
    r"\w+",
    "session_id task_id grite_issue_id task_title task_status role session_type engine worktree "
    "host pid state started started_ts ended ended_ts duration_ms last_heartbeat_ts exit_code "
    "exit_reason last_output_ref updated_ts actor commit event_id parent_session verdict activity "
    "attributes extras",
)
TRANSITION_COLUMNS: Final = re.findall(
    r"\w+",
    "time ts session_id task_id grite_issue_id from_state to_state is_late is_fork is_legal note "
    "changes actor commit event_id parent",
)


@pytest.fixture
def lifecycle(checkout_of: Checkout) -> Path:
    return checkout_of("lifecycle")


def test_the_columns_are_these_and_stay() -> None:
    """Scripts and spreadsheets count on them: a new one goes to the end."""
    assert list(export.SESSION_COLUMNS) == SESSION_COLUMNS
    assert list(export.TRANSITION_COLUMNS) == TRANSITION_COLUMNS
    assert list(ExportedSession.model_fields) == SESSION_COLUMNS
    assert list(ExportedTransition.model_fields) == TRANSITION_COLUMNS


def test_the_documentation_lists_the_columns_in_their_order() -> None:
    page = (ROOT / "docs" / "looking.md").read_text(encoding="utf-8")
    _, sessions, transitions = re.split(r"\| columns of a [a-z]+ \|", page)
    for table, columns in ((sessions, SESSION_COLUMNS), (transitions, TRANSITION_COLUMNS)):
        cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
        assert re.findall(r"\w+", " ".join(cells)) == columns


@pytest.mark.parametrize("kind", ["sessions", "transitions"])
def test_json_jsonl_and_csv_tell_the_same(cli: Cli, lifecycle: Path, kind: str) -> None:
    def out(form: str) -> str:
        ran = cli(lifecycle, "export", "--of", kind, "--format", form)
        assert (ran.code, ran.stderr) == (0, "")
        return ran.stdout

    data = json.loads(out("json"))["data"]
    Exported.model_validate(data)
    records: list[dict[str, Any]] = data[kind]
    assert data["total"] == len(records) == {"sessions": 3, "transitions": 10}[kind]
    assert [json.loads(line) for line in out("jsonl").splitlines()] == records
    table = list(csv.DictReader(StringIO(out("csv"))))
    assert list(table[0]) == list(records[0])
    for row, record in zip(table, records, strict=True):
        for name, value in record.items():
            assert row[name] == _as_cell(value)


def _as_cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value) if value else ""
    return "" if value is None else str(value)


def test_a_session_has_times_for_people_beside_those_for_programs(lifecycle: Path) -> None:
    ended, *_ = export.session_records(SessionLog.open(lifecycle), since=None, until=None)
    assert ended["ended_ts"] - ended["started_ts"] == ended["duration_ms"]
    assert ended["started"].startswith("2026-11-22T")
    assert ended["started"].endswith("Z")
    assert ended["ended"] > ended["started"]


def test_a_range_keeps_what_lived_in_it_and_the_past_is_as_it_was_told(
    cli: Cli, repo: Path
) -> None:
    issue, actor = b"\x07" * 16, b"\x08" * 16
    hour = 3_600_000

    def block(name: str, state: str, ts: int) -> Event:
        body = format_block(state, name, started_ts=ts)
        return Event(issue, actor, ts, COMMENT_ADDED, [body])

    events = [Event(issue, actor, EPOCH, ISSUE_CREATED, ["Port the lexer", "", []])]
    events += [block("s-1", "running", EPOCH + hour), block("s-1", "exit", EPOCH + 2 * hour)]
    events += [block("s-2", "running", EPOCH + 3 * hour)]
    write_log(repo, [events])

    def ids(*args: str) -> list[tuple[str, str]]:
        data = cli(repo, "export", *args).json()["data"]["sessions"]
        return [(row["session_id"], row["state"]) for row in data]

    assert ids() == [("s-1", "exit"), ("s-2", "running")]
    assert ids("--since", "@1795010000") == [("s-2", "running")]
    assert ids("--until", "@1795005000") == [("s-1", "exit")]
    assert ids("--at", "@1795005000") == [("s-1", "running")]
    transitions = cli(repo, "export", "--of", "transitions", "--until", "@1795005000").json()
    assert [row["to_state"] for row in transitions["data"]["transitions"]] == ["running"]


HOSTILE: Final = st.text(max_size=20) | st.sampled_from(
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", " =1", "\t=1", "\r=1", "\x1b[31m=1", "a\n=b"]
)


@given(HOSTILE, st.integers())
def test_no_text_of_the_store_is_computed_by_a_spreadsheet(text: str, number: int) -> None:
    written = export.format_csv(
        ["text", "number"], [{"text": text, "number": number}], strip_controls
    )
    header, row = csv.reader(StringIO(written))
    assert header == ["text", "number"]
    assert not row[0].lstrip().startswith(("=", "+", "-", "@"))
    assert row[0] in (strip_controls(text), f"'{strip_controls(text)}")
    assert row[1] == str(number)
    assert "\x1b" not in written


def test_csv_is_a_line_for_each_record_and_jsonl_too_whatever_the_notes_hold(
    cli: Cli, repo: Path
) -> None:
    issue, actor = b"\x07" * 16, b"\x08" * 16
    nasty = "=1\u2028two\x85three\nfour \x1b[31mred\u202e"
    body = f"{nasty}\n{format_block('running', 's-1', engine='-1')}"
    events = [Event(issue, actor, EPOCH, ISSUE_CREATED, [nasty, "", []])]
    events += [Event(issue, actor, EPOCH + 1, COMMENT_ADDED, [body])]
    write_log(repo, [events])
    lines = cli(repo, "export", "--of", "transitions", "--format", "csv").stdout.split("\n")
    assert len(lines) == 3
    assert "'=1 two three four red" in lines[1]
    lines = cli(repo, "export", "--of", "transitions", "--format", "jsonl").stdout.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["note"] == nasty
    (row,) = csv.DictReader(StringIO(cli(repo, "export", "--format", "csv").stdout))
    assert (row["engine"], row["task_title"][:3]) == ("'-1", "'=1")


# -------------------------------------------------------------------------------------- files


def test_a_file_is_written_whole_and_its_ending_names_the_format(
    cli: Cli, lifecycle: Path, tmp_path: Path
) -> None:
    for ending, begin in {
        "csv": "session_id,",
        "jsonl": '{"session_id"',
        "json": "{",
        "html": "<!",
    }.items():
        target = tmp_path / f"sessions.{ending}"
        ran = cli(lifecycle, "export", "-o", str(target))
        assert (ran.code, ran.stdout) == (0, "")
        assert ran.stderr == f"3 sessions written to {target}\n"
        assert target.read_text().startswith(begin)
    report = cli(lifecycle, "export", "-o", str(tmp_path / "t.CSV"), "--json").json()["data"]
    ExportReport.model_validate(report)
    assert report["records"] == 3
    assert report["bytes"] == (tmp_path / "t.CSV").stat().st_size
    assert sorted(p.name for p in tmp_path.glob(".*")) == []


def test_a_file_that_was_there_keeps_its_mode_and_a_link_its_target(
    cli: Cli, lifecycle: Path, tmp_path: Path
) -> None:
    target, link = tmp_path / "real.csv", tmp_path / "link.csv"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert cli(lifecycle, "export", "-o", str(link)).code == 0
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.read_text().startswith("session_id,")


def test_what_is_no_file_is_written_to_and_not_replaced(cli: Cli, lifecycle: Path) -> None:
    ran = cli(lifecycle, "export", "--format", "csv", "-o", "/dev/stdout")
    assert ran.stdout.startswith("session_id,")
    assert cli(lifecycle, "export", "--format", "csv", "-o", "-").stdout == ran.stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("-o", "sessions.txt"), 2, "cannot guess the format of"),
        (("--format", "csv", "--json"), 2, "cannot both write to stdout"),
        (("--format", "html", "--of", "transitions"), 2, "--format html exports sessions only"),
        (("--format", "csv", "-o", "."), 5, "it is a directory"),
        (("-o", "nowhere/a.csv"), 5, "mkdir -p nowhere"),
        (("--since", "now", "--until", "yesterday"), 2, "is later than"),
    ],
)
def test_what_cannot_be_is_refused_and_said(
    cli: Cli, lifecycle: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    ran = cli(lifecycle, "export", *args)
    assert (ran.code, words in ran.stderr) == (code, True)
    assert '"ok": true' not in ran.stdout


def test_a_store_without_a_log_has_no_records(cli: Cli, repo: Path) -> None:
    ran = cli(repo, "export", "--format", "csv")
    assert ran.stdout.rstrip("\n") == ",".join(SESSION_COLUMNS)
    assert "no session log" in ran.stderr
    assert git(repo, "status", "--porcelain") == ""
