"""What changes is told once, as what it is; on a terminal it is a table that stays current."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_session.log.beat import write_beat
from git_session.log.session_log import SessionLog
from git_session.views.watch import Watch
from tests.conftest import git


@pytest.fixture
def log(repo: Path) -> SessionLog:
    """Gives the log of a repository with one task and one session, `s-1`, on it."""
    log = SessionLog.open(repo)
    task = log.add_task("Fix the flaky test").task.task_id
    log.start(task, session_id="s-1")
    return log


def _words(changes: list[dict[str, object]]) -> list[tuple[object, str]]:
    return [(found["change"], found["session"]["session_id"]) for found in changes]  # type: ignore[index]


def test_each_change_is_told_once_as_what_it_is(log: SessionLog) -> None:
    watch = Watch(log)
    assert _words(watch.look()) == [("present", "s-1")]
    assert watch.look() == []
    log.advance("s-1", "ready")
    assert _words(watch.look()) == [("state", "s-1")]
    log.advance("s-1", "ready")
    assert _words(watch.look()) == [("beat", "s-1")]
    log.start(log.tasks()[0].task_id, session_id="s-2")
    assert _words(watch.look()) == [("started", "s-2")]
    log.exit("s-1")
    assert _words(watch.look()) == [("state", "s-1")]
    assert [row["session_id"] for row in watch.rows] == ["s-2"]
    assert watch.exited == 1


def test_a_beat_and_an_activity_are_told_without_a_commit(log: SessionLog, repo: Path) -> None:
    watch = Watch(log)
    watch.look()
    head = log.head()
    write_beat(repo, "s-1", activity="waiting")
    assert _words(watch.look()) == [("activity", "s-1")]
    time.sleep(0.002)
    write_beat(repo, "s-1", activity="waiting")
    assert _words(watch.look()) == [("beat", "s-1")]
    assert log.head() == head


def test_a_process_that_goes_is_told_though_no_file_changed(log: SessionLog) -> None:
    process = subprocess.Popen(["sleep", "600"])
    log.start(log.tasks()[0].task_id, session_id="s-2", pid=process.pid)
    watch = Watch(log)
    watch.look()
    process.kill()
    process.wait()
    (change,) = watch.look()
    assert (change["change"], change["session"]["liveness"]["verdict"]) == ("verdict", "dead")


def test_sessions_of_a_log_that_was_moved_back_are_gone(log: SessionLog, repo: Path) -> None:
    before = log.head() or ""
    log.start(log.tasks()[0].task_id, session_id="s-2")
    watch = Watch(log)
    watch.look()
    git(repo, "update-ref", "refs/grite/wal", before)
    assert _words(watch.look()) == [("gone", "s-2")]


def test_in_a_pipe_each_change_is_a_line_of_json(log: SessionLog, repo: Path) -> None:
    command = [sys.executable, "-m", "git_session", "watch"]
    with subprocess.Popen(command, cwd=repo, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        log.advance("s-1", "ready")
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert (first["change"], second["change"]) == ("present", "state")
    assert second["session"]["state"] == "ready"


@pytest.fixture
def tmux(tmp_path: Path, repo: Path) -> Iterator[Callable[..., str]]:
    """Gives a tmux of the test's own, 100 columns wide."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not on PATH; .ci/run installs it")
    socket = f"/tmp/gs-watch-{os.getpid()}"

    def call(*args: str) -> str:
        command = ["tmux", "-u", "-S", socket, "-f", "/dev/null", *args]
        env = {key: value for key, value in os.environ.items() if key != "TMUX"}
        done = subprocess.run(
            command, cwd=repo, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout

    yield call
    call("kill-server")


def _wait_for_screen(tmux: Callable[..., str], is_right: Callable[[str], bool]) -> str:
    end = time.monotonic() + 60
    while True:
        screen = tmux("capture-pane", "-p", "-t", "t")
        if is_right(screen):
            return screen
        if time.monotonic() > end:
            pytest.fail(f"the screen never came to be right:\n{screen}")
        time.sleep(0.05)


def test_on_a_terminal_the_table_stays_current_and_ctrl_c_leaves_it_clean(
    log: SessionLog, tmux: Callable[..., str]
) -> None:
    program = f"echo before; {sys.executable} -m git_session watch; echo rc=$?; exec sleep 60"
    tmux("new-session", "-d", "-s", "t", "-x", "100", "-y", "12", program)
    _wait_for_screen(tmux, lambda screen: "s-1" in screen and "spawned" in screen)
    log.advance("s-1", "ready")
    _wait_for_screen(tmux, lambda screen: "ready" in screen)
    tmux("resize-window", "-t", "t", "-x", "60", "-y", "10")
    screen = _wait_for_screen(tmux, lambda screen: "ready" in screen and "Ctrl-C" in screen)
    assert all(len(line) <= 60 for line in screen.splitlines())
    tmux("send-keys", "-t", "t", "C-c")
    screen = _wait_for_screen(tmux, lambda screen: "rc=" in screen)
    assert screen.split() == ["before", "rc=130"]
    assert tmux("display-message", "-p", "-t", "t", "#{cursor_flag}#{alternate_on}").strip() == "10"


def test_a_terminal_that_cannot_draw_gets_the_table_anew_at_each_change(
    log: SessionLog, tmux: Callable[..., str]
) -> None:
    program = f"TERM=dumb {sys.executable} -m git_session watch; echo rc=$?; exec sleep 60"
    tmux("new-session", "-d", "-s", "t", "-x", "100", "-y", "30", program)
    _wait_for_screen(tmux, lambda screen: "spawned" in screen and "Ctrl-C" in screen)
    log.advance("s-1", "ready")
    screen = _wait_for_screen(tmux, lambda screen: "ready" in screen)
    assert screen.count("spawned") == 1
    tmux("send-keys", "-t", "t", "C-c")
    screen = _wait_for_screen(tmux, lambda screen: "rc=130" in screen)
    assert screen.count("SESSION") == 2
