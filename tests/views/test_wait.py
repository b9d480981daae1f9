"""A wait ends when what it waits for has come, and says so when it cannot come any more."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from git_session.errors import UnreachableError, UsageError, WaitTimeoutError
from git_session.log.session_log import SessionLog
from git_session.views import wait
from git_session.views.wait import Goal, Waiting, judge_reach
from tests.conftest import Cli, git


@pytest.fixture
def log(repo: Path) -> SessionLog:
    """Gives the log of a repository with one task and one session, `s-1`, on it."""
    log = SessionLog.open(repo)
    task = log.add_task("Fix the flaky test").task.task_id
    log.start(task, session_id="s-1")
    return log


def _task(log: SessionLog) -> str:
    return log.tasks()[0].task_id


@contextmanager
def _meanwhile(log: SessionLog, *steps: Callable[[SessionLog], object]) -> Iterator[None]:
    """Takes steps in another thread, on a log of its own, while the block runs."""

    def take() -> None:
        other = SessionLog.open(log.common_dir)
        for step in steps:
            step(other)

    timer = threading.Timer(0.2, take)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_an_exit_that_another_program_records_ends_the_wait(log: SessionLog) -> None:
    with _meanwhile(log, lambda other: other.exit("s-1", code=3)):
        row = Waiting(SessionLog.open(log.common_dir), Goal(["s-1"], timeout_s=60)).run()
    (waited,) = row["sessions"]
    assert waited["has_reached"]
    assert waited["session"]["exit_code"] == 3


def test_a_state_that_was_passed_counts_as_reached(log: SessionLog) -> None:
    for state in ("ready", "running"):
        log.advance("s-1", state)
    log.exit("s-1")
    row = Waiting(log, Goal(["s-1"], state="ready", timeout_s=0.1)).run()
    assert row["sessions"][0]["has_reached"]


def test_an_exit_before_the_state_was_reached_is_refused_and_not_waited_for(
    log: SessionLog,
) -> None:
    log.exit("s-1")
    with pytest.raises(UnreachableError, match="s-1 has exited without having been handoff"):
        Waiting(log, Goal(["s-1"], state="handoff")).run()


def test_a_session_reopened_by_force_is_waited_for_again(log: SessionLog) -> None:
    log.exit("s-1")
    log.advance("s-1", "ready", is_forced=True)
    _, life = log.find_session("s-1")
    reaches = [judge_reach(life, state) for state in ("spawned", "ready", "running", "exit")]
    assert reaches == ["reached", "reached", "waiting", "waiting"]


def test_when_the_time_is_up_it_says_what_is_still_missing(log: SessionLog) -> None:
    with pytest.raises(WaitTimeoutError, match=r"s-1 is still spawned after 0\.2 s") as caught:
        Waiting(log, Goal(["s-1"], timeout_s=0.2)).run()
    assert caught.value.exit_code == 124


def test_any_of_several_is_enough_and_all_are_needed_otherwise(log: SessionLog) -> None:
    log.start(_task(log), session_id="s-2")
    log.exit("s-2")
    row = Waiting(log, Goal(["s-1", "s-2"], is_any=True)).run()
    assert [one["has_reached"] for one in row["sessions"]] == [False, True]
    with pytest.raises(WaitTimeoutError):
        Waiting(log, Goal(["s-1", "s-2"], timeout_s=0.1)).run()


def test_any_goes_on_while_one_can_still_get_there(log: SessionLog) -> None:
    log.start(_task(log), session_id="s-2")
    log.exit("s-2")
    with pytest.raises(WaitTimeoutError):
        Waiting(log, Goal(["s-1", "s-2"], state="running", is_any=True, timeout_s=0.1)).run()
    log.exit("s-1")
    with pytest.raises(UnreachableError):
        Waiting(log, Goal(["s-1", "s-2"], state="running", is_any=True)).run()


def test_a_session_that_joins_the_task_is_waited_for_too(log: SessionLog) -> None:
    task = _task(log)
    steps: list[Callable[[SessionLog], object]] = [
        lambda other: other.start(task, session_id="s-2"),
        lambda other: other.exit("s-1"),
        lambda other: other.exit("s-2"),
    ]
    with _meanwhile(log, *steps):
        row = Waiting(SessionLog.open(log.common_dir), Goal(task=task, timeout_s=60)).run()
    assert {one["session"]["session_id"] for one in row["sessions"]} == {"s-1", "s-2"}


def test_a_task_that_is_over_and_that_nobody_works_on_is_not_waited_for(log: SessionLog) -> None:
    task = log.add_task("Never begun").task.task_id
    with pytest.raises(WaitTimeoutError, match="no session has begun"):
        Waiting(log, Goal(task=task, timeout_s=0.1)).run()
    log.set_task_status_row(task, "dropped")
    with pytest.raises(UnreachableError, match="is dropped"):
        Waiting(log, Goal(task=task)).run()


def test_a_session_whose_process_is_gone_is_given_up_after_a_while(
    log: SessionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen(["sleep", "600"])
    log.start(_task(log), session_id="s-dead", pid=process.pid)
    process.kill()
    process.wait()
    monkeypatch.setattr(wait, "DEAD_S", 0.0)
    with pytest.raises(UnreachableError, match="s-dead is dead: pid gone") as caught:
        Waiting(log, Goal(["s-dead"])).run()
    assert "reconcile --apply" in (caught.value.hint or "")


def test_at_the_time_limit_a_process_that_is_gone_is_no_mere_timeout(log: SessionLog) -> None:
    process = subprocess.Popen(["sleep", "600"])
    log.start(_task(log), session_id="s-dead", pid=process.pid)
    process.kill()
    process.wait()
    with pytest.raises(UnreachableError, match="s-dead is dead: pid gone"):
        Waiting(log, Goal(["s-dead"], timeout_s=0.1)).run()
    log.start(_task(log), session_id="s-other")
    with pytest.raises(WaitTimeoutError):
        Waiting(log, Goal(["s-dead", "s-other"], is_any=True, timeout_s=0.1)).run()


def test_refs_that_git_packs_meanwhile_are_no_end_of_listening(log: SessionLog) -> None:
    """Packing removes the folder `refs/grite` itself, and with it what was listened to."""
    steps: list[Callable[[SessionLog], object]] = [
        lambda other: git(other.common_dir, "pack-refs", "--all"),
        lambda other: other.advance("s-1", "ready"),
        lambda other: git(other.common_dir, "pack-refs", "--all"),
        lambda other: other.exit("s-1"),
    ]
    with _meanwhile(log, *steps):
        row = Waiting(SessionLog.open(log.common_dir), Goal(["s-1"], timeout_s=60)).run()
    assert row["sessions"][0]["has_reached"]


def test_with_sync_it_sees_what_another_clone_pushes(
    log: SessionLog, tmp_path: Path, bare: Path, cli: Cli
) -> None:
    git(log.top or tmp_path, "remote", "add", "origin", str(bare))
    assert cli(log.top or tmp_path, "sync").code == 0
    git(tmp_path, "clone", "--quiet", str(bare), "other")
    other = tmp_path / "other"
    for args in (("sync",), ("exit", "s-1"), ("sync",)):
        assert cli(other, *args).code == 0
    row = Waiting(log, Goal(["s-1"], timeout_s=60, is_synced=True)).run()
    assert row["sessions"][0]["has_reached"]


def test_a_remote_that_cannot_be_reached_is_said_once_and_waited_on_without(
    log: SessionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "SYNC_S", 0.0)
    said: list[str] = []
    goal = Goal(["s-1"], timeout_s=0.3, is_synced=True)
    with pytest.raises(WaitTimeoutError):
        Waiting(log, goal, on_warning=said.append).run()
    (warning,) = said
    assert "the remote cannot be looked at" in warning


def test_a_wait_on_nothing_is_wrong_usage(log: SessionLog) -> None:
    with pytest.raises(UsageError, match="nothing to wait for"):
        Waiting(log, Goal())


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["s-1", "--timeout", "1s"], 124),
        (["s-none"], 3),
        ([], 2),
        (["s-1", "--timeout", "soon"], 2),
        (["s-1", "--for", "ready", "--propagate"], 2),
        (["s-ended", "--for", "handoff"], 4),
        (["s-ended"], 0),
        (["s-ended", "--propagate"], 7),
        (["s-ended", "s-fine", "--propagate"], 7),
        (["s-fine", "--propagate"], 0),
    ],
)
def test_the_exit_code_tells_how_the_wait_ended(
    args: list[str], code: int, log: SessionLog, cli: Cli
) -> None:
    for name, ended in (("s-ended", 7), ("s-fine", 0)):
        log.start(_task(log), session_id=name)
        log.exit(name, code=ended)
    ran = cli(log.common_dir.parent, "wait", *args, "--json")
    assert ran.code == code
    assert ran.json()["ok"] is (code in (0, 7))
