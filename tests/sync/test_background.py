"""`session.autoSync`: what was recorded gets to the remote by itself, and nobody waits for it."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from git_session.host.files.queue import try_lock
from git_session.sync import background as autosync
from git_session.sync.background import forget_failure, play_background, start_background
from tests.conftest import Cli, git, run
from tests.support import servers
from tests.support.fleet import Clone, read_head
from tests.support.servers import Hub

hub = servers.path_hub
PATIENCE_S = 30.0


@pytest.fixture
def clone(tmp_path: Path, hub: Hub) -> Iterator[Clone]:
    """Gives a clone with a task that syncs in the background; what it started ends with it."""
    made = Clone.make(tmp_path / "clone", origin=hub.path)
    made.task()
    made.sync_well()
    git(made.path, "config", "session.autoSync", "true")
    yield made
    for process in list_background(made):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def list_background(clone: Clone) -> list[psutil.Process]:
    """Lists the background syncs of a clone that run."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_its_own = process.cwd() == str(clone.path / ".git")
            if is_its_own and "--background" in process.cmdline():
                found.append(process)
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def task_of(clone: Clone) -> str:
    found: str = clone.log.task_rows()[0]["task_id"]
    return found


def mark(clone: Clone) -> Path:
    return clone.path / ".git" / "git-session" / "autosync.wanted"


def read_status(clone: Clone) -> str | None:
    """Reads what the last background sync could not do; fails the test when there was none."""
    path = clone.path / ".git" / "git-session" / "autosync.json"
    wait_until(path.exists)
    error: str | None = json.loads(path.read_text())["error"]
    return error


def test_it_is_off_unless_it_is_asked_for(clone: Clone, hub: Hub, cli: Cli) -> None:
    git(clone.path, "config", "--unset", "session.autoSync")
    there = read_head(hub.path)
    assert cli(clone.path, "start", task_of(clone)).code == 0
    assert list_background(clone) == []
    assert not mark(clone).exists()
    assert read_head(hub.path) == there


def test_a_transition_gets_to_the_remote_by_itself(clone: Clone, hub: Hub, cli: Cli) -> None:
    ran = cli(clone.path, "start", task_of(clone))
    assert (ran.code, ran.stderr) == (0, "")
    wait_until(lambda: read_head(hub.path) == clone.head)
    assert read_status(clone) is None


def test_agents_transition_gets_to_the_remote_by_itself(clone: Clone, hub: Hub) -> None:
    _send_event(clone, "SessionStart")
    wait_until(lambda: read_head(hub.path) == clone.head)
    assert [row["state"] for row in clone.log.session_rows()] == ["ready"]
    assert read_status(clone) is None


def test_agents_hook_waits_for_no_remote(clone: Clone, silent: str) -> None:
    git(clone.path, "remote", "set-url", "origin", silent)
    _send_event(clone, "SessionStart")
    # The hook has ended, and what it started still waits.
    assert len(list_background(clone)) == 1


def test_agents_beat_starts_no_sync_and_loads_nothing_for_it(clone: Clone) -> None:
    git(clone.path, "config", "session.autoSync", "false")
    _send_event(clone, "UserPromptSubmit")
    git(clone.path, "config", "session.autoSync", "true")
    loaded = _send_event(clone, "PostToolUse")
    assert "git_session.log.beat" in loaded
    assert "git_session.sync.follow_up" not in loaded
    assert not mark(clone).exists()


def test_agents_transition_leaves_the_words_to_a_reader(clone: Clone, cli: Cli) -> None:
    status = mark(clone).with_name("autosync.json")
    told = '{"error": null, "found": ["a token was sent"]}'
    status.write_text(told)
    git(clone.path, "remote", "set-url", "origin", str(clone.path / "gone"))
    with try_lock(mark(clone).with_name("autosync.lock")):  # no sync may come in between
        _send_event(clone, "SessionStart")
        assert mark(clone).exists()
        assert status.read_text() == told
        ran = cli(clone.path, "task", "comment", task_of(clone), "-m", "read")
    assert ran.stderr == "warning: the last background sync found: a token was sent\n"


def _send_event(clone: Clone, event: str) -> set[str]:
    """Sends an event as Claude Code does, which hears nothing; gives the modules it loaded."""
    document = {"session_id": "abc", "hook_event_name": event, "cwd": str(clone.path)}
    command = (sys.executable, "-X", "importtime", "-m", "git_session", "hook", "run", "agent")
    ran = run(clone.path, *command, "claude", stdin=json.dumps(document))
    lines = ran.stderr.splitlines()
    assert (ran.code, ran.stdout) == (0, "")
    assert all(line.startswith("import time:") for line in lines)
    return {line.rpartition("|")[2].strip() for line in lines}


def test_what_came_meanwhile_is_there_after_it(
    clone: Clone, hub: Hub, cli: Cli, tmp_path: Path
) -> None:
    other = Clone.make(tmp_path / "other", origin=hub.path)
    other.sync_well()
    session = other.start(task_of(other))
    other.sync_well()
    cli(clone.path, "task", "comment", task_of(clone), "-m", "here")
    wait_until(lambda: read_head(hub.path) == clone.head != other.head)
    assert [row["session_id"] for row in clone.log.session_rows()] == [session]


@pytest.fixture
def silent() -> Iterator[str]:
    """Gives the address of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"git://127.0.0.1:{listener.getsockname()[1]}/r.git"


def test_no_command_waits_for_a_remote_that_hangs(clone: Clone, silent: str, cli: Cli) -> None:
    git(clone.path, "remote", "set-url", "origin", silent)
    ran = cli(clone.path, "start", task_of(clone))
    assert (ran.code, ran.stderr) == (0, "")
    # The command has ended, and what it started still waits.
    assert len(list_background(clone)) == 1


def test_what_could_not_be_sent_is_said_by_the_next_command_and_by_list(
    clone: Clone, hub: Hub, cli: Cli
) -> None:
    hub.stop()
    session = cli(clone.path, "start", task_of(clone)).stdout.strip()
    assert "does not appear to be a git repository" in (read_status(clone) or "")
    ran = cli(clone.path, "ready", session)
    assert ran.code == 0
    assert "warning: the last background sync failed: cannot fetch from origin" in ran.stderr
    assert "2 transitions not yet on origin" in cli(clone.path, "list").stderr


def test_a_sync_by_hand_that_went_well_is_the_end_of_the_warning(
    clone: Clone, hub: Hub, cli: Cli
) -> None:
    hub.stop()
    cli(clone.path, "start", task_of(clone))
    assert read_status(clone)
    hub.path.with_name("gone.git").rename(hub.path)
    assert cli(clone.path, "sync").code == 0
    ran = cli(clone.path, "task", "comment", task_of(clone), "-m", "all is well")
    assert (ran.code, ran.stderr) == (0, "")


def test_a_sync_that_sends_nothing_leaves_the_warning(clone: Clone, cli: Cli) -> None:
    status = mark(clone).with_name("autosync.json")
    status.write_text('{"error": "no way"}')
    for options in (("--fetch",), ("--push",), ("--dry-run",), ("origin",)):
        assert cli(clone.path, "sync", *options).code == 0
        assert status.exists()
    assert cli(clone.path, "sync").code == 0
    assert not status.exists()


def test_one_background_sync_at_a_time_goes_round_while_more_is_recorded(
    clone: Clone, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps: list[float] = []
    sessions = [clone.start(task_of(clone))]

    def sleep(seconds: float) -> None:
        if seconds != autosync.PACE_S:
            return
        # Each round has sent what was there; only the first two find something new after it.
        assert read_head(hub.path) == clone.head
        sleeps.append(seconds)
        if len(sleeps) < 3:
            clone.beat(sessions[0])
            mark(clone).write_text(f"round {len(sleeps)}")

    monkeypatch.setattr("git_session.sync.background.time.sleep", sleep)
    mark(clone).write_text("begin")
    play_background(clone.log.store)
    assert sleeps == [autosync.PACE_S] * 3
    assert autosync.PACE_S >= 5
    assert read_head(hub.path) == clone.head


def test_a_second_background_sync_leaves_the_work_to_the_first(clone: Clone, hub: Hub) -> None:
    clone.start(task_of(clone))
    mark(clone).write_text("begin")
    there = read_head(hub.path)
    with try_lock(mark(clone).with_name("autosync.lock")) as is_held:
        assert is_held
        play_background(clone.log.store)
    assert read_head(hub.path) == there


def test_without_a_mark_there_is_nothing_to_do(clone: Clone, hub: Hub) -> None:
    clone.start(task_of(clone))
    there = read_head(hub.path)
    play_background(clone.log.store)
    assert read_head(hub.path) == there


def test_it_works_where_nothing_was_recorded_before(
    clone: Clone, hub: Hub, tmp_path: Path, cli: Cli
) -> None:
    fresh = Clone.make(tmp_path / "fresh", origin=hub.path)
    git(fresh.path, "config", "session.autoSync", "true")
    ran = cli(fresh.path, "start", task_of(clone), "--exclusive")
    assert (ran.code, ran.stderr) == (0, "")
    wait_until(lambda: read_status(fresh) is None)
    for process in list_background(fresh):
        process.kill()


def test_the_folder_for_its_marks_is_made(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autosync, "start_detached", lambda *_, **__: None)
    shutil.rmtree(mark(clone).parent)
    assert start_background(clone.log) is None
    assert mark(clone).exists()


def test_a_folder_that_cannot_be_written_to_is_said_and_stops_nothing(clone: Clone) -> None:
    folder = clone.path / ".git" / "git-session"
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("in the way")
    said = start_background(clone.log)
    assert said is not None
    assert said.startswith("no background sync could be started: ")
    forget_failure(clone.log.store)


def test_a_status_that_is_damaged_is_no_failure(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosync, "start_detached", lambda *_, **__: None)
    status = mark(clone).with_name("autosync.json")
    for text in ("{", "[]", '{"error": 5}', ""):
        status.write_text(text)
        assert start_background(clone.log) is None


def test_a_background_sync_imports_nothing_from_where_it_runs(
    clone: Clone, hub: Hub, cli: Cli
) -> None:
    (clone.path / ".git" / "git_session.py").write_text("raise SystemExit('imported')\n")
    cli(clone.path, "start", task_of(clone))
    wait_until(lambda: read_head(hub.path) == clone.head)
