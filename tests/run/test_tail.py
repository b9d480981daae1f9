"""`tail`: what a session's command said last, from the file that keeps it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.run.output import create_output, find_last_lines, hash_output, read_from
from tests.conftest import TIMEOUT, Cli, Ran
from tests.run.test_session import last
from tests.support.processes import read_terminal


@pytest.fixture
def task(cli: Cli, repo: Path) -> str:
    return cli(repo, "task", "add", "Port the lexer").stdout.strip()


@pytest.fixture
def session(cli: Cli, repo: Path, task: str) -> str:
    """Gives a session that has said twelve lines, with escapes in the last, and has exited."""
    script = r"seq 11; printf '\033]0;title\007\033[31mred\033[0m\r\nend'"
    assert cli(repo, "run", task, "--log", "--", "sh", "-c", script).code == 0
    return str(last(cli, repo)["session_id"])


# ------------------------------------------------------------------------------- the file


@given(st.lists(st.sampled_from([b"", b"a", b"bc\r"]), max_size=9), st.integers(0, 10))
def test_the_last_lines_are_those_between_newlines(lines: list[bytes], count: int) -> None:
    text = b"\n".join(lines)
    whole = [line + b"\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        start = find_last_lines(Path(file.name), count)
    assert text[start:] == b"".join(whole[max(len(whole) - count, 0) :])


def test_long_lines_are_found_across_blocks(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a" * 200_000 + b"\n" + b"b" * 70_000 + b"\nc\n")
    assert find_last_lines(path, 1) == 270_002
    assert find_last_lines(path, 2) == 200_001
    assert find_last_lines(path, 3) == find_last_lines(path, 9) == 0
    assert b"".join(read_from(path, 200_001)) == b"b" * 70_000 + b"\nc\n"


def test_a_file_of_output_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "one.log"
    os.close(create_output(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert hash_output(path).startswith("e3b0c44298fc1c14")
    with pytest.raises(FileExistsError):
        create_output(path)


# ------------------------------------------------------------------------------ the command


def test_the_last_ten_lines_come_as_they_are_in_a_pipe(cli: Cli, repo: Path, session: str) -> None:
    ran = cli(repo, "tail", session)
    lines = [str(n) for n in range(4, 12)]  # the carriage return goes where the test reads
    assert ran.stdout.split("\n") == [*lines, "\x1b]0;title\x07\x1b[31mred\x1b[0m", "end"]
    assert (ran.code, ran.stderr) == (0, "")
    assert cli(repo, "tail", session, "-n", "1").stdout == "end"
    assert cli(repo, "tail", session, "-n", "0").stdout == ""


def test_json_tells_whether_the_file_is_what_was_recorded(
    cli: Cli, repo: Path, session: str
) -> None:
    data = cli(repo, "tail", session, "-n", "2", "--json").json()["data"]
    assert (data["matches"], data["lines"][-1]) == (True, "end")
    path = Path(data["log_file"])
    with path.open("a") as file:
        file.write("added later")
    ran = cli(repo, "tail", session, "--json")
    assert ran.json()["data"]["matches"] is False
    assert ran.stderr.startswith(f"warning: {path} differs from the recorded output: sha256:")


def test_on_a_terminal_nothing_is_obeyed(repo: Path, session: str) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "git_session", "tail", session, "-n", "2"]
    process = subprocess.Popen(words, cwd=repo, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert read_terminal(ours, process, TIMEOUT) == "red\r\nend\r\n"


def test_what_is_not_kept_here_is_not_found(cli: Cli, repo: Path, task: str) -> None:
    session = cli(repo, "start", task).stdout.strip()
    ran: Ran = cli(repo, "tail", session)
    assert (ran.code, ran.stdout) == (3, "")
    assert f"no output of {session} is saved here" in ran.stderr
    assert cli(repo, "tail", "-f", session, "--json").code == 2


def test_following_shows_all_until_the_session_exits(cli: Cli, repo: Path, task: str) -> None:
    os.mkfifo(repo / "go")
    words = [sys.executable, "-m", "git_session"]
    script = "echo one; read line <go; printf two; exit 3"
    run = subprocess.Popen(
        [*words, "run", task, "--log", "--", "sh", "-c", script],
        cwd=repo,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    with run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"one\n"
        session = last(cli, repo)["session_id"]
        with subprocess.Popen(
            [*words, "tail", "-f", session], cwd=repo, stdout=subprocess.PIPE
        ) as tail:
            assert tail.stdout is not None
            assert tail.stdout.readline() == b"one\n"
            (repo / "go").write_text("go\n")
            assert tail.stdout.read() == b"two"
            assert tail.wait(TIMEOUT) == 0
        assert run.wait(TIMEOUT) == 3


def test_ctrl_c_ends_following_without_a_word(repo: Path, cli: Cli, task: str) -> None:
    session = cli(repo, "start", task).stdout.strip()
    (repo / ".grite/logs").mkdir(parents=True)
    (repo / ".grite/logs" / f"{session}.log").write_text("one\n")
    words = [sys.executable, "-m", "git_session", "tail", "-f", session]
    with subprocess.Popen(words, cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline() == b"one\n"
        tail.send_signal(signal.SIGINT)
        assert tail.wait(TIMEOUT) == 130
        assert tail.stderr is not None
        assert tail.stderr.read() == b""
