"""What lists and `show` say of a session's life: with real processes, and never by age alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.core.fold.find import find_task
from git_session.core.fold.plan import Draft
from git_session.core.fold.replay import Replay
from git_session.core.fold.rows import session_row
from git_session.core.liveness import NO_EVIDENCE, judge
from git_session.core.wire import event as kinds
from git_session.core.wire.block import SessionState, format_block
from git_session.core.wire.evidence import Evidence, format_evidence, parse_evidence
from git_session.host.beats import Beats
from git_session.host.processes import (
    is_in_first_pid_ns,
    look_at,
    read_here,
    read_host,
    read_machine,
    read_process,
)
from git_session.log import row_liveness as vitals
from git_session.log.beat import write_beat
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git

HOUR: Final = 3_600_000
_PATIENCE_S: Final = 20.0


@pytest.fixture
def task(repo: Path) -> str:
    return SessionLog.open(repo).add_task("Port the lexer").task.task_id


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Gives a process that lives until it is killed."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def _verdict(repo: Path, session: str) -> tuple[str, ...]:
    told = SessionLog.open(repo).session(session).liveness
    return (told.verdict, *told.reasons)


def _start(repo: Path, task: str, **details: Any) -> str:
    return SessionLog.open(repo).start(task, **details).session.session_id


def _rewrite(repo: Path, session: str, **changes: Any) -> None:
    """Changes the evidence in a session's beat file, which is then later than its block."""
    beats = Beats(SessionLog.open(repo).common_dir)
    (held,) = [beat for beat in beats.read_all() if beat.session_id == session]
    beats.write(held._replace(evidence=held.evidence._replace(**changes), ts=held.ts + 1000))


def test_a_session_lives_while_its_process_does_and_is_dead_when_it_is_killed(
    repo: Path, task: str, child: subprocess.Popen[bytes]
) -> None:
    session = _start(repo, task, pid=child.pid)
    assert _verdict(repo, session) == ("alive", "its process runs")
    child.kill()
    # Nobody has asked for its exit yet: a zombie is gone all the same.
    end = time.monotonic() + _PATIENCE_S
    while look_at(child.pid).is_running and time.monotonic() < end:
        time.sleep(0.01)
    assert child.returncode is None
    assert _verdict(repo, session) == ("dead", "pid gone")
    child.wait()
    assert _verdict(repo, session) == ("dead", "pid gone")


def test_a_stopped_process_is_alive(repo: Path, task: str, child: subprocess.Popen[bytes]) -> None:
    session = _start(repo, task, pid=child.pid)
    child.send_signal(signal.SIGSTOP)
    assert _verdict(repo, session) == ("alive", "its process runs")


def test_a_child_that_outlives_its_killed_parent_is_alive(repo: Path, task: str) -> None:
    """The supervisor may go by kill -9: what is judged is the agent's own process."""
    code = (
        "import subprocess, time\n"
        "print(subprocess.Popen(['sleep', '600']).pid, flush=True)\n"
        "time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout as told:
        pid = int(told.readline())
    try:
        session = _start(repo, task, pid=pid)
        parent.kill()
        parent.wait()
        assert _verdict(repo, session) == ("alive", "its process runs")
    finally:
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + _PATIENCE_S
    while look_at(pid).is_running and time.monotonic() < end:
        time.sleep(0.01)
    assert _verdict(repo, session) == ("dead", "pid gone")


def test_a_pid_that_another_process_got_is_no_sign_of_life(
    repo: Path, task: str, child: subprocess.Popen[bytes]
) -> None:
    session = _start(repo, task, pid=child.pid)
    start = look_at(child.pid).start
    assert start is not None
    _rewrite(repo, session, pid_start=start - 1)
    assert _verdict(repo, session) == ("dead", "pid reused")


def test_after_a_reboot_every_session_of_before_is_dead(
    repo: Path, task: str, child: subprocess.Popen[bytes]
) -> None:
    for pid in (child.pid, None):
        session = _start(repo, task, pid=pid)
        _rewrite(repo, session, boot_id="the boot before")
        assert _verdict(repo, session) == ("dead", "rebooted")


def test_a_machine_of_the_same_name_is_another_host(
    repo: Path, task: str, child: subprocess.Popen[bytes]
) -> None:
    if read_machine() is None:
        pytest.skip("this system has no machine id")
    session = _start(repo, task, pid=child.pid)
    _rewrite(repo, session, boot_id="its own boot", machine="0123456789abcdef")
    assert _verdict(repo, session) == ("unknown", "other host")


def test_another_hosts_session_is_never_dead_here_however_old(
    repo: Path, task: str, child: subprocess.Popen[bytes]
) -> None:
    session = _start(repo, task, pid=child.pid)
    _rewrite(repo, session, host="boxB")
    child.kill()
    child.wait()
    assert _verdict(repo, session) == ("unknown", "other host")
    later = SessionLog.open(repo, clock=lambda: int(time.time() * 1000) + 3 * HOUR)
    told = later.session(session).liveness
    assert (told.verdict, told.reasons) == ("quiet", ["old beat", "other host"])


def test_a_container_of_this_host_is_unknown(
    repo: Path, task: str, child: subprocess.Popen[bytes]
) -> None:
    session = _start(repo, task, pid=child.pid)
    _rewrite(repo, session, pid_ns=1)
    assert _verdict(repo, session) == ("unknown", "other pid namespace")


def test_without_a_pid_age_alone_decides_nothing(repo: Path, task: str) -> None:
    session = _start(repo, task)
    later = SessionLog.open(repo, clock=lambda: int(time.time() * 1000) + 1000 * HOUR)
    assert later.session(session).liveness.verdict == "unknown"
    assert later.session(session).liveness.reasons == ["no pid"]


def test_a_process_that_is_not_there_and_a_missing_checkout_are_said_at_once(
    repo: Path, task: str, cli: Cli
) -> None:
    """No refusal: the process may be in another container, the checkout be made later."""
    ran = cli(repo, "start", task, "--pid", "2147483000", "--worktree", "../nowhere", "--json")
    assert ran.code == 0
    assert "there is no process 2147483000 here" in ran.stderr
    assert "nowhere" in ran.stderr
    session = ran.json()["data"]["session"]["session_id"]
    assert _verdict(repo, session) == ("unknown", "pid never seen")
    ran = cli(repo, "start", task, "--pid", str(os.getpid()), "--worktree", ".")
    assert "there is no" not in ran.stderr


def test_the_block_alone_tells_what_its_clone_on_the_same_host_may_judge(
    repo: Path, task: str, child: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    session = _start(repo, task, pid=child.pid)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(repo), str(other))
    git(other, "fetch", "--quiet", "origin", "refs/grite/wal:refs/grite/wal")
    assert _verdict(other, session) == ("alive", "its process runs")
    child.kill()
    child.wait()
    assert _verdict(other, session) == ("dead", "pid gone")


def test_the_later_evidence_counts_and_a_beat_without_a_process_takes_none_away(
    repo: Path, task: str, child: subprocess.Popen[bytes]
) -> None:
    session = _start(repo, task, pid=os.getpid())
    _rewrite(repo, session, pid=None, pid_start=None)
    # Only the block knows a process, the file only that it beats here.
    assert _verdict(repo, session) == ("alive", "its process runs")
    write_beat(repo, session, pid=child.pid)
    assert _verdict(repo, session) == ("alive", "its process runs")
    child.kill()
    child.wait()
    assert _verdict(repo, session) == ("dead", "pid gone")


def test_a_clock_that_jumped_back_an_hour_makes_nothing_dead_and_no_age_negative(
    repo: Path, task: str, child: subprocess.Popen[bytes]
) -> None:
    session = _start(repo, task, pid=child.pid)
    before = SessionLog.open(repo, clock=lambda: int(time.time() * 1000) - HOUR)
    row = before.session_row(session)
    assert row["liveness"]["verdict"] == "alive"
    assert row["heartbeat_age_ms"] == row["liveness"]["evidence"]["beat_age_ms"] == 0


def test_torn_empty_and_foreign_beat_files_leave_the_log_to_tell(
    repo: Path, task: str, child: subprocess.Popen[bytes], cli: Cli
) -> None:
    session = _start(repo, task, pid=child.pid)
    beats = Beats(SessionLog.open(repo).common_dir)
    ((issue, _),) = beats.refs()
    path = beats.path(issue, session)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\0" * 100, b"[]"):
        path.write_bytes(content)
        assert _verdict(repo, session) == ("alive", "its process runs")
        listed = cli(repo, "list")
        assert (listed.code, "alive" in listed.stdout) == (0, True)


def test_an_exit_ends_all_verdicts(repo: Path, task: str) -> None:
    session = _start(repo, task, pid=os.getpid())
    SessionLog.open(repo).exit(session, code=-1, reason="crash-recovery")
    assert _verdict(repo, session) == ("exited", "exit presumed")
    session = _start(repo, task, pid=os.getpid())
    SessionLog.open(repo).exit(session)
    assert _verdict(repo, session) == ("exited", "exit recorded")


def test_where_there_is_no_evidence_the_short_way_says_what_the_judge_says() -> None:
    for pid, beat in ((None, None), (4711, 5), (2**32 - 1, None)):
        row: dict[str, Any] = {"state": "running", "grite_issue_id": "0" * 32, "session_id": "s"}
        row |= {"pid": pid, "last_heartbeat_ts": beat, "updated_ts": 7, "extras": {}}
        told = vitals.Vitals(Path("nowhere")).complete(row, 10)
        seen = 7 if beat is None else beat
        judged = judge(parse_evidence({}, pid), read_here(), beat_ts=seen, now=10).as_row()
        if pid == 2**32 - 1:
            judged["evidence"] = {"pid": pid, **judged["evidence"]}
        assert told["liveness"] == judged
        assert told["heartbeat_age_ms"] == 10 - seen
    assert vitals.NO_EVIDENCE == NO_EVIDENCE


def test_looking_back_judges_nobody(repo: Path, task: str) -> None:
    session = _start(repo, task, pid=os.getpid())
    told = SessionLog.open(repo).at("refs/grite/wal").session(session).liveness
    assert (told.verdict, told.reasons) == ("unknown", ["looking back"])


# ------------------------------------------------------------------- what the host itself tells


def test_a_process_is_known_by_its_pid_and_its_start() -> None:
    mine = read_process(os.getpid())
    assert mine is not None
    here = read_here()
    assert (mine.pid, mine.host, mine.boot_id) == (os.getpid(), here.host, here.boot_id)
    assert mine.pid_start == look_at(os.getpid()).start
    if sys.platform == "linux":
        assert mine.pid_ns == Path("/proc/self/ns/pid").stat().st_ino
        assert len(mine.boot_id or "") == 36


@pytest.mark.skipif(sys.platform != "linux", reason="psutil is the way elsewhere")
def test_proc_and_psutil_agree_on_what_runs(child: subprocess.Popen[bytes]) -> None:
    from git_session.host.processes import _look_by_psutil

    assert _look_by_psutil(child.pid).is_running is look_at(child.pid).is_running is True
    child.kill()
    end = time.monotonic() + _PATIENCE_S
    while look_at(child.pid).is_running and time.monotonic() < end:
        time.sleep(0.01)
    assert _look_by_psutil(child.pid).is_running is look_at(child.pid).is_running is False
    child.wait()
    assert _look_by_psutil(child.pid).is_running is look_at(child.pid).is_running is False


def test_a_command_whose_name_looks_like_a_status_is_read_right(tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "600"])
    try:
        assert look_at(process.pid).is_running
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**32])
def test_what_is_no_pid_is_asked_of_nobody(pid: int) -> None:
    assert look_at(pid).is_running is None
    assert read_process(pid) is None


def test_the_machine_is_told_by_a_hash_and_not_by_its_id() -> None:
    machine = read_machine()
    path = Path("/etc/machine-id")
    if machine is not None and path.exists():
        assert machine not in path.read_text()
        assert len(machine) == 16


# --------------------------------------------------------------------------- what people see


def test_the_list_says_alive_dead_quiet_and_who_waits(
    repo: Path, task: str, child: subprocess.Popen[bytes], cli: Cli
) -> None:
    alive, dead, waiting, other = [_start(repo, task, pid=child.pid) for _ in range(4)]
    _rewrite(repo, dead, pid_start=1)
    write_beat(repo, waiting, activity="waiting")
    _rewrite(repo, other, host="boxB\x1b[31m")
    lines = cli(repo, "list").stdout.splitlines()
    seen = {line.split()[0]: line.split("  ")[2:] for line in lines[1:]}
    cells = {name: next(cell for cell in cells if cell).strip() for name, cells in seen.items()}
    assert cells[alive].startswith("alive ")
    assert cells[dead] == "dead: pid reused"
    assert cells[waiting].endswith(", waiting")
    assert cells[other].endswith(" ago, boxB")
    assert "4 active (1 dead, 1 waiting), 0 exited" in cli(repo, "list").stderr


def test_show_tells_the_verdict_the_attributes_and_the_parent(
    repo: Path, task: str, cli: Cli
) -> None:
    parent = _start(repo, task)
    words = ("start", task, "--pid", str(os.getpid()), "--set", "tokens=5", "--set", "model=a=b")
    session = cli(repo, *words, env={"GIT_SESSION_ID": parent}).stdout.strip()
    assert cli(repo, "beat", session, "--activity", "idle", "--set", "tokens=7").code == 0
    shown = cli(repo, "show", session).stdout
    for line in (
        "life:      alive: its process runs",
        "activity:  idle",
        f"parent:    {parent}",
        "attributes:\n  tokens: 7\n  model:  a=b",
    ):
        assert line in shown
    assert "further keys" not in shown
    row = cli(repo, "show", session, "--json").json()["data"]["session"]
    assert row["attributes"] == {"tokens": 7, "model": "a=b"}
    assert row["extras"]["attr_tokens"] == 5
    assert row["parent_session"] == parent
    assert row["liveness"]["verdict"] == "alive"


def test_beat_says_what_it_wrote_in_json_and_is_quiet_else(repo: Path, task: str, cli: Cli) -> None:
    session = _start(repo, task)
    told = cli(repo, "beat", session, "--set", "tokens=1", "--json").json()["data"]
    assert (told["session_id"], told["attributes"], told["commit"]) == (
        session,
        {"tokens": 1},
        None,
    )
    quiet = cli(repo, "beat", env={"GIT_SESSION_ID": session})
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, "", "")
    guessed = cli(repo, "beat")
    assert (guessed.code, guessed.stdout, guessed.stderr) == (0, f"{session} beat\n", "")
    assert cli(repo, "beat", "--json").json()["data"]["session_id"] == session


@pytest.mark.parametrize("given", ["tokens", "=1", "Tokens=1", "a-b=1", ""])
def test_what_is_no_attribute_is_wrong_usage_and_records_nothing(
    repo: Path, task: str, cli: Cli, given: str
) -> None:
    head = SessionLog.open(repo).head()
    ran = cli(repo, "start", task, "--set", given)
    assert (ran.code, SessionLog.open(repo).head()) == (2, head)
    assert "hint:" in ran.stderr


def test_an_exit_takes_attributes(repo: Path, task: str, cli: Cli) -> None:
    session = _start(repo, task, attributes={"tokens": 1, "model": "big"})
    ran = cli(repo, "exit", session, "--set", "tokens=9", "--set", "cost=0.50", "--json")
    row = ran.json()["data"]["session"]
    assert row["attributes"] == {"tokens": 9, "model": "big", "cost": "0.50"}
    assert row["liveness"] == {"verdict": "exited", "reasons": ["exit recorded"], "evidence": {}}


def test_rows_are_made_without_a_clock(repo: Path, task: str) -> None:
    log = SessionLog.open(repo)
    folded, life = log.find_session(_start(repo, task, pid=os.getpid()))
    row = session_row(log.replay(), folded, life)
    assert (row["liveness"], row["heartbeat_age_ms"], row["activity"]) == (None, None, None)


# ------------------------------------------------------------------------------- on which host


def test_host_of_a_session_without_a_pid_is_recorded_and_never_kills_it(
    repo: Path, task: str, tmp_path: Path
) -> None:
    session = _start(repo, task)
    extras = SessionLog.open(repo).session(session).extras
    assert extras == format_evidence(read_host())
    assert set(extras) <= {"host", "machine"}
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(repo), str(other))
    git(other, "fetch", "--quiet", "origin", "refs/grite/wal:refs/grite/wal")
    assert _verdict(other, session) == ("unknown", "no pid")
    late = SessionLog.open(other, clock=lambda: int(time.time() * 1000) + 1000 * HOUR)
    assert late.session(session).liveness.verdict == "unknown"
    row = late.session_row(session)
    told = vitals.Vitals(tmp_path, here=Evidence("boxB", boot_id="of boxB"))
    judged = told.complete_with(row, None, row["updated_ts"] + HOUR)["liveness"]
    assert (judged["verdict"], judged["reasons"]) == ("quiet", ["old beat", "other host"])


def test_host_of_a_session_without_a_pid_follows_its_records(repo: Path, task: str) -> None:
    far = {"host": "boxB", "machine": "0123456789abcdef", "boot_id": "b", "pid_start": 1}
    log = SessionLog.open(repo)
    session = _start(repo, task, extras=far)
    log.exit_row(session, code=-1, reason="crash-recovery")
    assert far.items() <= log.session_row(session)["extras"].items()
    log.beat_row(session)
    assert log.session_row(session)["extras"] == format_evidence(read_host())
    session = _start(repo, task, pid=os.getpid(), extras=far)
    log.advance_row(session, "ready")
    assert log.session_row(session)["extras"]["host"] == "boxB"


def test_host_of_a_session_taken_over_elsewhere_is_the_later_one(repo: Path, task: str) -> None:
    session = _start(repo, task)
    row = SessionLog.open(repo).session_row(session)
    (held,) = Beats(repo / ".git").read_all()
    row |= {"extras": {"host": "boxB"}, "updated_ts": held.ts + 1}
    for now, expected in ((held.ts, "unknown"), (held.ts + HOUR, "quiet")):
        told = vitals.Vitals(repo / ".git").complete_with(dict(row), held, now)["liveness"]
        assert (told["verdict"], told["evidence"]["host"]) == (expected, "boxB")


def test_host_is_shown_by_show_and_list_wide(repo: Path, task: str, cli: Cli) -> None:
    session = _start(repo, task)
    host = read_host().host
    assert f"\nhost:      {host}\n" in cli(repo, "show", session).stdout
    title, row = cli(repo, "list", "--wide").stdout.splitlines()
    assert row[title.index("HOST") :].split()[0] == host
    assert "HOST" not in cli(repo, "list").stdout
    SessionLog.open(repo).exit(session)
    assert f"\nhost:      {host}\n" in cli(repo, "show", session).stdout


def _record_as_brat(repo: Path, task: str, worktree: Path, pid: int) -> str:
    """Record a session as brat does: a pid, no parent and no evidence."""
    session = "s-20261122-4f1b"
    state = SessionState("running", session, "witness", "polecat", "claude", str(worktree), 5, pid)
    log = SessionLog.open(repo)

    def append(replay: Replay, _: int) -> tuple[bytes, list[Draft], None]:
        draft = Draft(kinds.COMMENT_ADDED, [format_block(state)])
        return find_task(replay, task).issue.issue_id, [draft], None

    log.writer.append(append)
    return session


def test_brats_session_in_this_clone_is_dead_when_its_pid_is_gone(
    repo: Path, task: str, child: subprocess.Popen[bytes], cli: Cli
) -> None:
    if not is_in_first_pid_ns():
        pytest.skip("in a container another process may have the pid")
    session = _record_as_brat(repo, task, repo / ".grite/worktrees/x", child.pid)
    assert _verdict(repo, session) == ("unknown", "no evidence")
    child.kill()
    child.wait()
    lost = ("dead", "pid gone", "worktree of this clone")
    assert _verdict(repo, session) == lost
    for _ in range(2):  # from the log, and then from the index
        (row,) = cli(repo, "list", "--json").json()["data"]["sessions"]
        assert (row["liveness"]["verdict"], *row["liveness"]["reasons"]) == lost
    # Whoever records it here or elsewhere repeats the pid, which proves nothing then.
    SessionLog.open(repo).advance_row(session, "running")
    assert _verdict(repo, session) == ("unknown", "no evidence")


@pytest.mark.parametrize("wrong", ["outside", "relative", "beside", "actor", "namespace"])
def test_brats_session_is_unknown_when_a_proof_is_missing(
    repo: Path,
    task: str,
    child: subprocess.Popen[bytes],
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child.kill()
    child.wait()
    places = {
        "outside": repo.parent / "x",
        "relative": Path(".grite/worktrees/x"),
        "beside": Path(f"{repo}-2/x"),
    }
    session = _record_as_brat(repo, task, places.get(wrong, repo / "x"), child.pid)
    if wrong == "actor":
        actor = SessionLog.open(repo).session_row(session)["actor"]
        folder = repo / ".git" / "grite" / "actors"
        (folder / actor).rename(folder / ("0" * 32))
    if wrong == "namespace":
        there = read_here()._replace(pid_ns=4026532000)
        monkeypatch.setattr("git_session.host.processes.read_here", lambda: there)
    assert _verdict(repo, session) == ("unknown", "no evidence")
