"""What a log takes on disk is measured, and git's own maintenance keeps it small."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from git_session.core.answers.log import StatsReport
from git_session.core.wire import names
from git_session.log.gc import start_maintenance
from git_session.log.session_log import SessionLog
from git_session.views.stats import measure_log
from tests.conftest import Cli, git
from tests.support.stores import make_log


def _loose(path: Path) -> int:
    return int(git(path, "count-objects").split()[0])


def test_stats_count_what_is_there_loose_and_packed(tmp_path: Path) -> None:
    made = make_log(tmp_path / "r", 120, 6, loose=True)
    log = SessionLog.open(tmp_path / "r")
    report = StatsReport.model_validate(measure_log(log))
    assert (report.commits, report.events, report.sessions) == (120, 120, 6)
    assert report.head == made.head
    listed = git(tmp_path / "r", "rev-list", "--objects", names.WAL_REF).split("\n")
    assert report.loose.objects == len(listed)
    assert report.packed.objects == 0
    assert report.loose.bytes >= report.loose.objects * 512
    assert report.transitions == sum(day.transitions for day in report.transitions_per_day)
    git(tmp_path / "r", "gc", "--quiet")
    packed = StatsReport.model_validate(measure_log(SessionLog.open(tmp_path / "r")))
    assert (packed.loose.objects, packed.packed.objects) == (0, len(listed))
    assert packed.next_100000 is not None
    assert packed.next_100000.objects == round(len(listed) / 120 * 100_000)
    assert packed.packed.bytes < report.loose.bytes


def test_stats_of_a_repository_without_a_log_are_all_zero(cli: Cli, repo: Path) -> None:
    ran = cli(repo, "stats", "--json")
    report = StatsReport.model_validate(ran.json()["data"])
    assert (ran.code, report.commits, report.next_100000) == (0, 0, None)
    assert "there is no session log" in cli(repo, "stats").stderr


def test_stats_are_a_table_for_people(cli: Cli, tmp_path: Path) -> None:
    make_log(tmp_path / "r", 60, 3)
    shown = cli(tmp_path / "r", "stats").stdout
    assert "commits:" in shown
    assert "next 100,000 commits:" in shown


@pytest.mark.parametrize(
    ("setting", "value"), [("gc.auto", "0"), ("maintenance.auto", "false"), ("gc.auto", "100000")]
)
def test_maintenance_is_left_to_who_switched_it_off(
    tmp_path: Path, setting: str, value: str
) -> None:
    path = tmp_path / "r"
    make_log(path, 60, 3, loose=True)
    git(path, "config", setting, value)
    assert not start_maintenance(SessionLog.open(path))


def test_many_appends_are_packed_by_git_itself_and_nothing_waits_for_it(
    cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "r"
    made = make_log(path, 200, 3, loose=True)
    git(path, "config", "gc.auto", "300")
    before = _loose(path)
    assert cli(path, "task", "add", "one more").code == 0
    end = time.monotonic() + 60
    while _loose(path) > 300 and time.monotonic() < end:
        time.sleep(0.05)
    assert _loose(path) < before
    log = SessionLog.open(path)
    assert log.replay().event_count == made.events + 1
    # It is not started again at once, whether it helped or not.
    git(path, "config", "gc.auto", "1")
    assert not start_maintenance(log)


def test_progress_is_told_object_by_object(repo: Path) -> None:
    log = SessionLog.open(repo)
    log.start(log.add_task("Port the lexer").task.task_id)
    seen: list[int] = []
    report = StatsReport.model_validate(measure_log(log, seen.append))
    assert seen == list(range(1, report.loose.objects + report.packed.objects + 1))
