"""Reconciling proposes; told to, it records the end of what is dead by evidence, no other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_session.health.reconcile import reconcile_log
from git_session.log.beat import write_beat
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git


@pytest.fixture
def log(repo: Path) -> SessionLog:
    """Gives the log of a repository with one task and nobody on it."""
    log = SessionLog.open(repo)
    log.add_task("Fix the flaky test")
    return log


def _task(log: SessionLog) -> str:
    return log.tasks()[0].task_id


@pytest.fixture
def living() -> Iterator[int]:
    """Gives the pid of a process that lives as long as the test."""
    process = subprocess.Popen(["sleep", "600"])
    yield process.pid
    process.kill()
    process.wait()


def _start_dead(log: SessionLog, session_id: str, **details: object) -> None:
    process = subprocess.Popen(["sleep", "600"])
    log.start(_task(log), session_id=session_id, pid=process.pid, **details)
    process.kill()
    process.wait()


def _names(found: list[dict[str, dict[str, object]]]) -> list[object]:
    return [one["session"]["session_id"] for one in found]


def test_only_what_is_dead_gets_an_end_and_only_when_told_to(log: SessionLog, living: int) -> None:
    log.start(_task(log), session_id="s-alive", pid=living)
    log.start(_task(log), session_id="s-unknown")
    _start_dead(log, "s-dead")
    head = log.head()
    proposed = reconcile_log(log)
    assert log.head() == head
    assert _names(proposed["dead"]) == ["s-dead"]
    assert proposed["dead"][0]["commit"] is None
    applied = reconcile_log(log, is_applied=True)
    assert applied["dead"][0]["commit"] == log.head()
    ended = log.session("s-dead")
    assert (ended.state, ended.exit_code, ended.exit_reason) == ("exit", -1, "crash-recovery")
    assert {row.session_id for row in log.sessions()} == {"s-alive", "s-unknown"}
    assert reconcile_log(log, is_applied=True)["dead"] == []


def test_a_later_beat_revokes_the_end_that_was_presumed(log: SessionLog, repo: Path) -> None:
    _start_dead(log, "s-dead")
    reconcile_log(log, is_applied=True)
    write_beat(repo, "s-dead")
    assert [row.session_id for row in SessionLog.open(repo).sessions()] == ["s-dead"]


def test_the_session_of_another_host_is_never_dead_however_old(log: SessionLog) -> None:
    evidence = {"host": "elsewhere", "boot_id": "0" * 8, "pid_ns": 1, "pid_start": 1}
    old = SessionLog.open(log.common_dir, clock=lambda: 1_700_000_000_000)
    old.start(_task(log), session_id="s-far", extras=evidence)
    report = reconcile_log(log, is_applied=True)
    assert report["dead"] == []
    assert [row["session_id"] for row in report["unclear"]] == ["s-far"]


def test_sessions_that_share_a_task_are_named_and_the_dead_do_not_count(
    log: SessionLog, living: int
) -> None:
    log.start(_task(log), session_id="s-1", pid=living)
    _start_dead(log, "s-2")
    assert reconcile_log(log)["duplicates"] == []
    log.start(_task(log), session_id="s-3", pid=os.getpid())
    (found,) = reconcile_log(log)["duplicates"]
    assert (found["task_id"], found["sessions"]) == (_task(log), ["s-1", "s-3"])


def test_work_in_the_checkout_of_a_dead_session_is_named_and_left_alone(
    log: SessionLog, repo: Path, worktree: Path, living: int
) -> None:
    (worktree / "unsaved").write_text("work")
    _start_dead(log, "s-dead", worktree=str(worktree))
    report = reconcile_log(log, is_applied=True)
    (left,) = report["worktrees"]
    assert (left["path"], left["branch"]) == (str(worktree.resolve()), "side")
    assert (left["uncommitted"], left["sessions"]) == (1, ["s-dead"])
    assert (worktree / "unsaved").read_text() == "work"
    # Somebody is at work there now: it is theirs.
    log.start(_task(log), session_id="s-next", worktree=str(worktree), pid=living)
    assert reconcile_log(log)["worktrees"] == []


def test_a_path_of_the_log_that_git_does_not_list_is_not_looked_at(
    log: SessionLog, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    git(tmp_path, "init", "--quiet", str(elsewhere))
    (elsewhere / "unsaved").write_text("work")
    _start_dead(log, "s-dead", worktree=str(elsewhere))
    assert reconcile_log(log)["worktrees"] == []


def test_an_end_that_could_not_be_recorded_is_a_failure(log: SessionLog, cli: Cli) -> None:
    _start_dead(log, "s-dead")
    lock = log.common_dir / "refs" / "grite" / "wal.lock"
    lock.touch()
    ran = cli(log.common_dir.parent, "reconcile", "--apply")
    lock.unlink()
    assert ran.code == 1
    assert "(not recorded)" in ran.stdout
    assert "the end of s-dead is not recorded: " in ran.stderr


def test_people_read_a_line_for_each_finding_and_how_to_go_on(log: SessionLog, cli: Cli) -> None:
    top = log.common_dir.parent
    assert cli(top, "reconcile").stdout == "the log and this host agree\n"
    _start_dead(log, "s-dead")
    ran = cli(top, "reconcile")
    assert ran.code == 0
    assert ran.stdout.startswith(f"dead       s-dead on {_task(log)}: pid gone")
    assert "reconcile --apply" in ran.stderr
    applied = cli(top, "reconcile", "--apply", "--json").json()["data"]
    assert applied["is_applied"]
    assert applied["dead"][0]["session"]["session_id"] == "s-dead"


def test_what_cannot_be_told_comes_with_what_to_do_about_it(log: SessionLog, cli: Cli) -> None:
    log.start(_task(log), session_id="s-unknown")
    ran = cli(log.common_dir.parent, "reconcile")
    assert "git session exit ID --reason" in ran.stderr
    assert "--pid" in ran.stderr
