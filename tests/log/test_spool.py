"""An exit that the log does not take waits beside the beats and comes into the log once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.host.beats import Beats
from git_session.host.spool import SeenExit, SpoolSlot, list_spooled, read_spooled
from git_session.log.session_log import SessionLog
from git_session.log.spool import has_spooled, record_end, record_spooled
from tests.conftest import Cli, Ran, git, run
from tests.run.test_session import beat_files, last
from tests.support import servers
from tests.support.fleet import Clone, read_head
from tests.support.servers import Hub

hub = servers.path_hub

WAL: Final = "refs/grite/wal"
LATE_NOTE: Final = "recorded afterwards: the log did not take it then"


@pytest.fixture
def log(repo: Path) -> SessionLog:
    made = SessionLog.open(repo)
    made.add_task_row("Port the lexer")
    return made


@pytest.fixture
def seen(log: SessionLog) -> SeenExit:
    """Gives the end of a session that runs, as it was seen a minute ago."""
    row = log.start_row(log.task_rows()[0]["task_id"])["session"]
    ended_ts = row["started_ts"] + 1000
    return SeenExit(row["grite_issue_id"], row["session_id"], 7, "crash", None, ended_ts)


def spool(log: SessionLog, seen: SeenExit) -> Path:
    slot = SpoolSlot(log.keeper.beats, seen.grite_issue_id, seen.session_id)
    slot.write(seen)
    return slot.path


def blocks(log: SessionLog, seen: SeenExit) -> list[tuple[str, str]]:
    rows = log.transition_rows(f"{seen.grite_issue_id}/{seen.session_id}")
    return [(row["to_state"], row["note"]) for row in reversed(rows)]


# --------------------------------------------------------------------------------- the file


def test_what_was_spooled_reads_back_and_the_space_alone_is_nothing(
    log: SessionLog, seen: SeenExit
) -> None:
    beats = log.keeper.beats
    slot = SpoolSlot(beats, seen.grite_issue_id, seen.session_id)
    (reserved,) = list_spooled(beats)
    assert (read_spooled(reserved), reserved.stat().st_size) == (None, 4096)
    assert not has_spooled(log.common_dir)
    slot.write(seen)
    slot.settle()
    assert list_spooled(beats) == [slot.path] == beats.spool_paths()
    assert read_spooled(slot.path) == seen
    assert slot.path.stat().st_size == 4096
    assert '\n"exit_code": 7,\n' in slot.path.read_text()
    slot.clear()
    assert list_spooled(beats) == []


def test_where_the_name_cannot_be_changed_the_exit_is_found_under_the_first_one(
    log: SessionLog, seen: SeenExit
) -> None:
    slot = SpoolSlot(log.keeper.beats, seen.grite_issue_id, seen.session_id)
    slot.path.mkdir()
    slot.write(seen)
    slot.path.rmdir()
    assert record_spooled(log).recorded == [seen.session_id]
    assert list_spooled(log.keeper.beats) == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "null",
        '{"schema": 1}',
        '{"schema": 2, "grite_issue_id": 5}',
        "GOOD/exit_code/1e400",
        'GOOD/session_id/"../../x"',
        'GOOD/grite_issue_id/"x"',
        "GOOD/ended_ts/null",
    ],
)
def test_a_file_that_cannot_be_used_stays_and_hinders_nobody(
    log: SessionLog, seen: SeenExit, text: str
) -> None:
    good = spool(log, seen)
    if text.startswith("GOOD/"):
        _, key, value = text.split("/", 2)
        values = {name: json.dumps(given) for name, given in seen._asdict().items()}
        values |= {"schema": "1", key: value}
        text = "{" + ", ".join(f'"{name}": {given}' for name, given in values.items()) + "}"
    bad = good.with_name(f"{'0' * 32}.s-bad.spool.json")
    bad.write_text(text)
    result = record_spooled(log)
    assert result.recorded == [seen.session_id]
    assert [warning.startswith(f"{bad} cannot be used") for warning in result.warnings] == [True]
    assert list_spooled(log.keeper.beats) == [bad]


def test_a_link_or_a_pipe_is_not_followed(log: SessionLog, seen: SeenExit, tmp_path: Path) -> None:
    path = spool(log, seen)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    os.mkfifo(path.with_name(f"{'0' * 32}.s-pipe.spool.json"))
    result = record_spooled(log)
    assert (result.recorded, len(result.warnings)) == ([], 2)


# ---------------------------------------------------------------------------------- the log


def test_a_spooled_exit_comes_into_the_log_once_with_the_time_of_its_end(
    log: SessionLog, seen: SeenExit
) -> None:
    spool(log, seen)
    assert record_spooled(log).recorded == [seen.session_id]
    row = log.session_row(seen.session_id)
    assert (row["exit_code"], row["exit_reason"]) == (7, "crash")
    assert row["last_heartbeat_ts"] == seen.ended_ts
    assert blocks(log, seen) == [("spawned", ""), ("exit", LATE_NOTE)]
    assert Beats(log.common_dir).refs() == []


def test_an_exit_that_the_log_has_already_is_not_recorded_again(
    log: SessionLog, seen: SeenExit
) -> None:
    """As after a kill between the log and the removal of the file."""
    assert record_end(log, seen) is not None
    path = spool(log, seen)
    assert record_spooled(log).recorded == []
    assert not path.exists()
    assert blocks(log, seen) == [("spawned", ""), ("exit", "")]
    # Nor when somebody reopened the session since: that was another end.
    log.advance_row(seen.session_id, "running", is_forced=True)
    spool(log, seen)
    assert record_spooled(log).recorded == []
    assert log.session_row(seen.session_id)["state"] == "running"


def test_a_seen_exit_counts_for_more_than_a_presumed_one(log: SessionLog, seen: SeenExit) -> None:
    log.exit_row(seen.session_id, code=-1, reason="crash-recovery")
    spool(log, seen)
    assert record_spooled(log).recorded == [seen.session_id]
    assert log.session_row(seen.session_id)["exit_code"] == 7


def test_an_exit_of_a_session_that_the_log_does_not_know_waits(
    log: SessionLog, seen: SeenExit
) -> None:
    path = spool(log, seen._replace(session_id="s-20261122-ffff"))
    result = record_spooled(log)
    assert (result.recorded, path.exists()) == ([], True)
    assert result.warnings[0].startswith("the exit of s-20261122-ffff still waits: ")


def test_a_sync_sends_what_was_spooled(tmp_path: Path, hub: Hub) -> None:
    clone = Clone.make(tmp_path / "clone", origin=hub.path)
    clone.task("Port the lexer")
    row = clone.log.start_row(clone.log.task_rows()[0]["task_id"])["session"]
    clone.sync_well()
    seen = SeenExit(row["grite_issue_id"], row["session_id"], 0, "completed", None, 5)
    spool(clone.log, seen)
    clone.sync_well()
    assert read_head(hub.path) == read_head(clone.path)
    assert clone.log.session_row(seen.session_id)["state"] == "exit"


def test_reconcile_records_what_was_spooled_and_presumes_nothing(
    cli: Cli, repo: Path, log: SessionLog, seen: SeenExit
) -> None:
    log.advance_row(seen.session_id, "ready", pid=4)
    spool(log, seen)
    report = cli(repo, "reconcile", "--apply", "--json").json()["data"]
    assert (report["dead"], report["warnings"]) == ([], [])
    assert log.session_row(seen.session_id)["exit_code"] == 7


# ---------------------------------------------------------- real runs that cannot be recorded


def _run(cli: Cli, repo: Path, script: str, *prefix: str) -> Ran:
    task = cli(repo, "tasks", "--json").json()["data"]["tasks"][0]["task_id"]
    words = [sys.executable, "-m", "git_session", "run", task, "--", "sh", "-c", script]
    return run(repo, *prefix, *words)


def _finish(cli: Cli, repo: Path) -> dict[str, Any]:
    """Lets another command write to the log, and gives the session's row."""
    before = int(git(repo, "rev-list", "--count", WAL))
    ran = cli(repo, "task", "add", "Something else")
    assert (ran.code, ran.stderr) == (0, "")
    assert int(git(repo, "rev-list", "--count", WAL)) == before + 2
    assert beat_files(repo) == []
    assert cli(repo, "fsck").code == 0
    return last(cli, repo)


def _drop_power() -> Sequence[str]:
    """Root may write whatever the modes say, unless it gives that up."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("as root this needs setpriv")
    power = "-dac_override,-dac_read_search"
    return "setpriv", f"--inh-caps={power}", f"--bounding-set={power}"


@pytest.mark.parametrize("folders", [".git/objects", ".git/objects .git/git-session/beats"])
def test_an_exit_that_may_not_be_written_is_finished_by_the_next_command(
    cli: Cli, repo: Path, log: SessionLog, folders: str
) -> None:
    start = time.time_ns() // 1_000_000
    # By then the supervisor has recorded all that comes before the exit.
    wait = "until [ $(git rev-list --count refs/grite/wal) = 4 ]; do sleep 0.05; done"
    script = f"{wait}; chmod 555 {folders}; chmod -R a-w .git/objects/??; exit 9"
    ran = _run(cli, repo, script, *_drop_power())
    for folder in ((repo / ".git/objects"), (repo / ".git/git-session/beats")):
        folder.chmod(0o755)
        for inner in folder.glob("??"):
            inner.chmod(0o755)
    assert (ran.code, ran.stdout) == (9, "")
    assert ran.stderr.startswith("warning: the exit waits for the next command that writes")
    assert has_spooled(repo / ".git")
    assert last(cli, repo)["state"] == "running"
    row = _finish(cli, repo)
    assert (row["exit_code"], row["exit_reason"]) == (9, "crash")
    assert start < row["last_heartbeat_ts"] <= time.time_ns() // 1_000_000


def test_an_exit_on_a_full_disk_is_finished_when_there_is_room_again(
    cli: Cli, repo: Path, log: SessionLog, tmp_path: Path
) -> None:
    if subprocess.run(["unshare", "--mount", "true"], check=False, stderr=-3).returncode != 0:
        pytest.skip("mounting needs root and unshare")
    full = tmp_path / "full"
    full.mkdir()
    task = log.task_rows()[0]["task_id"]
    wait = "until [ $(git rev-list --count refs/grite/wal) = 4 ]; do sleep 0.05; done"
    script = f"{wait}; cat /dev/zero >fill 2>/dev/null; exit 9"
    ran = run(
        tmp_path,
        *("unshare", "--mount", "sh", "-euc"),
        'mount -t tmpfs -o size=8m x "$1"; cp -r "$2" "$1/r"; cd "$1/r"\n'
        '"$3" -m git_session run "$4" -- sh -c "$5" && code=0 || code=$?\n'
        'rm fill; cp -r .git "$2/after"; exit $code',
        *("sh", str(full), str(repo), sys.executable, task, script),
    )
    assert ran.code == 9, ran
    assert "warning: the exit waits for the next command that writes" in ran.stderr
    assert "No space left on device" in ran.stderr
    shutil.rmtree(repo / ".git")
    (repo / "after").rename(repo / ".git")
    assert _finish(cli, repo)["exit_code"] == 9


@pytest.mark.heavy
def test_an_exit_that_met_a_lock_for_ten_seconds_is_finished_later(
    cli: Cli, repo: Path, log: SessionLog
) -> None:
    wait = "until [ $(git rev-list --count refs/grite/wal) = 4 ]; do sleep 0.05; done"
    ran = _run(cli, repo, f"{wait}; : >.git/refs/grite/wal.lock")
    assert (ran.code, "stayed locked" in ran.stderr) == (0, True)
    (repo / ".git/refs/grite/wal.lock").unlink()
    assert _finish(cli, repo)["exit_reason"] == "completed"
