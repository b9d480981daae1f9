"""`run`: a command as a session, which feels nothing of it; with real commands and real signals."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from git_session.core.answers.sessions import RunReport
from tests.conftest import TIMEOUT, Cli, git, run

WAL: Final = "refs/grite/wal"


@pytest.fixture
def task(cli: Cli, repo: Path) -> str:
    return cli(repo, "task", "add", "Port the lexer").stdout.strip()


def sessions(cli: Cli, repo: Path) -> list[dict[str, Any]]:
    """Lists all sessions as the log tells them, the oldest first."""
    found: list[dict[str, Any]] = cli(repo, "list", "--all", "--json").json()["data"]["sessions"]
    return found


def last(cli: Cli, repo: Path) -> dict[str, Any]:
    return sessions(cli, repo)[-1]


def test_what_keeps_a_run_from_beginning_is_told_by_code_and_hint(
    cli: Cli, repo: Path, task: str
) -> None:
    """A log that cannot be made is the environment's fault, as all that cannot be written."""
    (repo / ".grite").write_text("in the way")
    ran = cli(repo, "run", task, "--log", "--", "true")
    assert ran.code == 5
    assert "without --log" in ran.stderr


def test_run_new_worktree_without_a_commit(cli: Cli, tmp_path: Path) -> None:
    """A newer git begins an orphan branch there; an older one refuses, and the hint says why."""
    empty, other = tmp_path / "empty", tmp_path / "other"
    for path in (empty, other):
        git(tmp_path, "init", "--quiet", str(path))
    can_begin = run(other, "git", "worktree", "add", "--quiet", "worktree").code == 0
    task = cli(empty, "task", "add", "Begin").stdout.strip()
    ran = cli(empty, "run", task, "--new-worktree", "--", "true")
    assert (ran.code == 0) is can_begin
    assert ("git commit --allow-empty" in ran.stderr) is not can_begin


def ended(cli: Cli, repo: Path) -> tuple[str, int, str]:
    row = last(cli, repo)
    return row["state"], row["exit_code"], row["exit_reason"]


def beat_files(repo: Path) -> list[str]:
    return sorted(path.name for path in (repo / ".git/git-session/beats").glob("*"))


class Started:
    """Is a run that goes on; its command is a script for sh, which has said that it is up."""

    def __init__(self, repo: Path, task: str, script: str, options: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "git_session", "run", task, *options),
                *("--", "sh", "-c", script.replace("READY", "echo up $$")),
            ],
            cwd=repo,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.pid = int(self.process.stdout.readline().split()[1])

    def wait(self) -> tuple[int, str]:
        """Waits for its end; gives the exit code and what was printed after `up`."""
        out, err = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, out + err

    def wait_for_state(self, cli: Cli, repo: Path, state: str) -> dict[str, Any]:
        """Waits until the log has got so far, and gives the session's row."""
        end = time.monotonic() + TIMEOUT
        while (row := last(cli, repo))["state"] != state:
            assert time.monotonic() < end
            time.sleep(0.05)
        return row


Starter = Callable[..., Started]


@pytest.fixture
def start(repo: Path, task: str) -> Iterator[Starter]:
    """Gives a starter of runs that go on; what is left of them in the end is killed."""
    made: list[Started] = []

    def begin(script: str, *options: str) -> Started:
        made.append(Started(repo, task, script, options))
        return made[-1]

    yield begin
    for started in made:
        for pid in (started.process.pid, started.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        started.process.wait()
        for stream in (started.process.stdout, started.process.stderr):
            assert stream is not None
            stream.close()


# ------------------------------------------------------------------------------ a whole life


def test_a_command_is_a_session_from_spawned_to_exit(cli: Cli, repo: Path, task: str) -> None:
    script = 'echo "$GIT_SESSION_ID $GIT_SESSION_TASK"; exit 3'
    options = ("--role", "witness", "--set", "branch=main")
    ran = cli(repo, "run", task, *options, "--", "sh", "-c", script)
    row = last(cli, repo)
    assert (ran.code, ran.stdout, ran.stderr) == (3, f"{row['session_id']} {task}\n", "")
    assert (row["exit_code"], row["exit_reason"]) == (3, "crash")
    assert (row["engine"], row["role"], row["session_type"]) == ("sh", "witness", "crew")
    assert row["extras"]["attr_branch"] == "main"
    steps = cli(repo, "log", row["session_id"], "--json").json()["data"]["transitions"]
    assert [step["to_state"] for step in reversed(steps)] == ["spawned", "ready", "running", "exit"]
    assert all(step["is_legal"] and not step["is_late"] for step in steps)
    assert beat_files(repo) == []
    assert cli(repo, "fsck").code == 0


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exit 0", 0, "completed"),
        ("exit 255", 255, "crash"),
        ("kill -KILL $$", 137, "signal"),
        ("kill -INT $$", 130, "user-stop"),
    ],
)
def test_the_exit_code_is_the_commands_and_the_reason_says_why(
    cli: Cli, repo: Path, task: str, script: str, code: int, reason: str
) -> None:
    assert cli(repo, "run", task, "--", "sh", "-c", script).code == code
    assert ended(cli, repo) == ("exit", code, reason)


def test_a_command_that_cannot_be_started_is_a_session_that_crashed(
    cli: Cli, repo: Path, task: str
) -> None:
    (repo / "plain").write_text("echo no\n")
    for word, code, message in (
        ("no-such-program", 127, "no-such-program: command not found"),
        ("./plain", 126, "./plain: Permission denied"),
    ):
        ran = cli(repo, "run", task, "--", word, "--option")
        assert (ran.code, ran.stdout) == (code, "")
        assert ran.stderr.startswith(f"error: {message}\nhint: git session show s-")
        assert ended(cli, repo) == ("exit", code, "crash")


def test_a_script_that_names_no_interpreter_is_run_by_sh_as_a_shell_would(
    cli: Cli, repo: Path, task: str
) -> None:
    script = repo / "script"
    script.write_text('echo "$# $1"; exit 4\n')
    script.chmod(0o755)
    ran = cli(repo, "run", task, "--", "./script", "a b")
    assert (ran.code, ran.stdout) == (4, "1 a b\n")


def test_what_cannot_be_run_is_refused_before_anything_is_recorded(
    cli: Cli, repo: Path, task: str
) -> None:
    head = git(repo, "rev-parse", WAL)
    for words, code in (
        ((task,), 2),
        ((task, "--timeout", "soon", "--", "true"), 2),
        ((task, "--worktree", "missing", "--", "true"), 2),
        ((task, "--worktree", ".", "--new-worktree", "--", "true"), 2),
        (("t-20200101-0000", "--log", "--", "true"), 3),
    ):
        assert cli(repo, "run", *words).code == code
    assert git(repo, "rev-parse", WAL) == head
    assert list(repo.glob(".grite/logs/*")) == []


def test_with_json_the_report_alone_is_on_stdout(cli: Cli, repo: Path, task: str) -> None:
    for options in ((), ("--log",)):
        ran = cli(repo, "run", task, "--json", *options, "--", "sh", "-c", "echo out; kill -9 $$")
        assert (ran.code, ran.stderr) == (137, "out\n")
        report = RunReport.model_validate(ran.json()["data"])
        assert (report.exit_code, report.exit_reason, report.signal) == (137, "signal", 9)
        assert report.commit == git(repo, "rev-parse", WAL)


def test_a_command_that_told_its_end_itself_has_the_last_word(
    cli: Cli, repo: Path, task: str
) -> None:
    program = shlex.join([sys.executable, "-m", "git_session"])
    script = f"{program} handoff --force; {program} exit --code 0 --reason done; exit 1"
    ran = cli(repo, "run", task, "--", "sh", "-c", script)
    assert ran.code == 1
    row = last(cli, repo)
    assert (row["exit_code"], row["exit_reason"]) == (0, "done")
    assert beat_files(repo) == []


# --------------------------------------------------------------- what the command finds and feels


def test_the_commands_streams_and_open_files_are_its_own(
    cli: Cli, repo: Path, task: str, tmp_path: Path
) -> None:
    kept = tmp_path / "third"
    with kept.open("w") as third:
        command = ["bash", "-c", f"cat; echo err >&2; echo third >&{third.fileno()}"]
        done = subprocess.run(
            [sys.executable, "-m", "git_session", "run", task, "--", *command],
            cwd=repo,
            input="typed",
            capture_output=True,
            text=True,
            check=True,
            pass_fds=[third.fileno()],
        )
    assert (done.stdout, done.stderr, kept.read_text()) == ("typed", "err\n", "third\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("TERM", "signal"), ("INT", "user-stop"), ("HUP", "user-stop"), ("USR1", "crash")],
)
def test_a_signal_to_the_supervisor_reaches_the_command_once(
    cli: Cli, repo: Path, start: Starter, name: str, reason: str
) -> None:
    # sh acts on a trap when its child has ended; a second signal would be a second line.
    script = f"trap 'echo {name}' {name}; READY; for i in 1 2 3 4 5 6 7; do sleep 0.1; done; exit 5"
    started = start(script)
    started.process.send_signal(getattr(signal, f"SIG{name}"))
    assert started.wait() == (5, f"{name}\n")
    assert ended(cli, repo) == ("exit", 5, reason)


def test_what_was_ignored_stays_ignored(cli: Cli, repo: Path, task: str) -> None:
    """As under nohup: neither the command nor what stands beside it is ended by SIGHUP."""
    script = 'trap "" HUP; exec "$@"'
    command = "kill -HUP $PPID; kill -HUP $$; sleep 0.8; echo still here"
    words = [sys.executable, "-m", "git_session", "run", task, "--", "sh", "-c", command]
    done = subprocess.run(
        ["sh", "-c", script, "sh", *words], cwd=repo, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "still here\n")


def test_the_command_is_in_our_process_group_with_no_signal_blocked(
    cli: Cli, repo: Path, task: str
) -> None:
    code = (
        "import os, signal, sys; print(os.getpgrp() == os.getpgid(os.getppid()),"
        " sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),"
        " [s for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN])"
    )
    plain = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    for options in ((), ("--log",)):
        ran = cli(repo, "run", task, *options, "--", sys.executable, "-c", code)
        assert ran.stdout == plain


def test_a_command_that_forks_and_leaves_keeps_nobody_waiting(
    cli: Cli, repo: Path, task: str
) -> None:
    for options in ((), ("--log",)):
        script = "sleep 60 >/dev/null 2>&1 </dev/null & echo $!"
        ran = cli(repo, "run", task, *options, "--", "sh", "-c", script)
        psutil.Process(int(ran.stdout)).kill()
        assert ended(cli, repo) == ("exit", 0, "completed")


# ------------------------------------------------------------------------------------- time


def test_a_command_whose_time_is_up_ends_with_all_that_it_started(
    cli: Cli, repo: Path, start: Starter
) -> None:
    started = start("READY; sleep 300 & echo $!; wait; echo not reached", "--timeout", "1")
    assert started.process.stdout is not None
    sleeper = int(started.process.stdout.readline())
    assert started.wait() == (124, "")
    assert ended(cli, repo) == ("exit", 124, "timeout")
    assert not psutil.pid_exists(sleeper) or (
        psutil.Process(sleeper).status() == psutil.STATUS_ZOMBIE
    )


@pytest.mark.heavy
def test_a_command_that_will_not_end_is_killed_after_ten_seconds(
    cli: Cli, repo: Path, start: Starter
) -> None:
    started = start("trap '' TERM; READY; while :; do sleep 1; done", "--timeout", "1s")
    assert started.wait()[0] == 124
    assert ended(cli, repo) == ("exit", 124, "timeout")


# ------------------------------------------------------------------------------------ places


def test_a_command_starts_in_the_worktree_that_it_is_given(
    cli: Cli, repo: Path, worktree: Path, task: str
) -> None:
    ran = cli(repo, "run", task, "--worktree", "../worktree", "--", "pwd")
    assert Path(ran.stdout.strip()) == worktree
    row = last(cli, repo)
    assert (row["worktree"], row["session_type"]) == (str(worktree), "polecat")


def test_a_new_worktree_is_made_on_a_branch_of_its_own_and_stays(
    cli: Cli, repo: Path, task: str
) -> None:
    script = "echo change >>code.txt; git commit --quiet --all --message=Work; pwd"
    ran = cli(repo, "run", task, "--new-worktree", "--", "sh", "-c", script)
    row = last(cli, repo)
    made = repo / ".grite/worktrees" / row["session_id"]
    assert (ran.code, ran.stdout.strip()) == (0, str(made))
    said = f"session {row['session_id']} on branch {row['session_id']} in {made}"
    assert ran.stderr.splitlines() == [said]
    assert row["worktree"] == f".grite/worktrees/{row['session_id']}"
    assert git(repo, "log", "--format=%s", row["session_id"]).splitlines() == ["Work", "First"]
    assert git(repo, "status", "--porcelain") == ""
    assert "change" in (made / "code.txt").read_text()


def test_a_worktree_that_cannot_be_made_ends_the_session_and_runs_nothing(
    cli: Cli, repo: Path, task: str
) -> None:
    (repo / ".git" / "worktrees").write_text("in the way")
    ran = cli(repo, "run", task, "--new-worktree", "--", "sh", "-c", "echo ran")
    assert (ran.code, ran.stdout) == (1, "")
    assert "error: git worktree add failed: " in ran.stderr
    assert ended(cli, repo) == ("exit", 1, "crash")


# ------------------------------------------------------------------------------------ output


def _kept(repo: Path, row: dict[str, Any]) -> bytes:
    return (repo / ".grite/logs" / f"{row['session_id']}.log").read_bytes()


def test_the_output_is_kept_while_it_shows_and_recorded_by_its_hash(
    cli: Cli, repo: Path, task: str
) -> None:
    script = "cat; printf 'err' >&2; exit 6"
    ran = cli(repo, "run", task, "--log", "--", "sh", "-c", script, stdin="in\n" * 30_000)
    assert (ran.code, ran.stdout, ran.stderr) == (6, "in\n" * 30_000, "err")
    row = last(cli, repo)
    kept = _kept(repo, row)
    assert sorted(kept) == sorted(b"in\n" * 30_000 + b"err")
    assert row["last_output_ref"] == f"sha256:{hashlib.sha256(kept).hexdigest()}"
    assert git(repo, "status", "--porcelain") == ""


def test_both_streams_on_one_way_keep_their_order(cli: Cli, repo: Path, task: str) -> None:
    script = "; ".join(f"echo {n}; echo {n + 1} >&2" for n in range(0, 40, 2))
    words = [sys.executable, "-m", "git_session", "run", task, "--log", "--", "sh", "-c", script]
    done = subprocess.run(
        words, cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    )
    assert done.stdout.split() == [b"%d" % n for n in range(40)]
    assert _kept(repo, last(cli, repo)) == done.stdout


def test_a_reader_that_goes_away_ends_the_command_as_without_us(
    cli: Cli, repo: Path, task: str
) -> None:
    for options in ("", "--log"):
        line = f"{sys.executable} -m git_session run {task} {options} -- yes | head -n 1"
        assert subprocess.check_output(["sh", "-c", line], cwd=repo) == b"y\n"
        end = time.monotonic() + TIMEOUT
        while (row := last(cli, repo))["state"] != "exit":
            assert time.monotonic() < end
            time.sleep(0.05)
        assert (row["exit_code"], row["exit_reason"]) == (141, "signal")


def test_output_that_cannot_be_kept_still_shows_and_that_is_said(
    cli: Cli, repo: Path, task: str
) -> None:
    limited = 'ulimit -f 100; exec "$@"'
    words = [sys.executable, "-m", "git_session", "run", task, "--log", "--"]
    command = ["sh", "-c", "ulimit -f unlimited 2>/dev/null; seq 100000"]
    done = subprocess.run(
        ["bash", "-c", limited, "bash", *words, *command],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(n) for n in range(1, 100001)]
    assert "warning: not all of the output could be kept: File too large" in done.stderr
    row = last(cli, repo)
    assert row["last_output_ref"] == f"sha256:{hashlib.sha256(_kept(repo, row)).hexdigest()}"


# ---------------------------------------------------------------------------- kill -9, evidence


@pytest.mark.parametrize("options", [(), ("--log",)])
def test_a_command_goes_on_when_its_supervisor_is_killed_and_is_dead_when_it_is_as_well(
    cli: Cli, repo: Path, start: Starter, options: tuple[str, ...]
) -> None:
    os.mkfifo(repo / "go")
    started = start("READY; read line <go; seq 2000; echo on >on; exec sleep 60", *options)
    started.wait_for_state(cli, repo, "running")
    started.process.kill()
    started.process.wait()
    (repo / "go").write_text("go\n")
    row = last(cli, repo)
    assert (row["state"], row["pid"]) == ("running", started.pid)
    assert row["liveness"]["verdict"] == "alive"
    end = time.monotonic() + TIMEOUT
    while not (repo / "on").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert last(cli, repo)["liveness"]["evidence"]["pid_start"] == row["extras"]["pid_start"]
    os.kill(started.pid, signal.SIGKILL)
    while (row := last(cli, repo))["liveness"]["verdict"] != "dead":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (row["state"], row["liveness"]["reasons"]) == ("running", ["pid gone"])
    if options:
        assert b"\n2000\n" in _kept(repo, row)


def test_the_beat_file_names_the_command_before_it_begins(cli: Cli, repo: Path, task: str) -> None:
    script = "cat .git/git-session/beats/*.json; echo $$"
    ran = cli(repo, "run", task, "--", "sh", "-c", script)
    *_, pid = ran.stdout.split()
    assert f'"pid": {pid}' in ran.stdout


def test_a_killed_command_is_an_exit_by_signal(cli: Cli, repo: Path, start: Starter) -> None:
    started = start("READY; exec sleep 60")
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait()[0] == 137
    assert ended(cli, repo) == ("exit", 137, "signal")
