"""Every failure ends in a sentence, a hint, one envelope with --json, and the right exit code."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from git_session import SessionLog
from git_session.cli import group
from git_session.cli.ui.did_you_mean import _MEANT
from git_session.errors import GitSessionError
from tests.conftest import TIMEOUT, Cli, Ran, git, run

Checkout = Callable[[str], Path]

PROGRAM: Final = (sys.executable, "-m", "git_session")
BUG: Final = """
import sys
from git_session.cli import boundary; from git_session.cli.commands import list as command
def fail(*_, **__):
    raise ZeroDivisionError("half\\x1b[31m of\\nnothing")
command.list_command.callback = fail
sys.exit(boundary.run_command_line(sys.argv[1:]))
"""
"""Runs a command line in a program with a bug, which no real command may have."""


def _assert_envelope(ran: Ran, code: str) -> None:
    envelope = ran.json()
    assert list(envelope) == ["schema_version", "ok", "error"]
    assert (envelope["schema_version"], envelope["ok"]) == (1, False)
    assert list(envelope["error"]) == ["code", "message", "hint"]
    assert envelope["error"]["code"] == code
    assert f"error: {envelope['error']['message']}\n" in ran.stderr
    assert ran.stdout.count("\n") == 1


def _make_sha256(path: Path) -> Path:
    git(path.parent, "init", "--quiet", "--object-format=sha256", str(path))
    return path


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("show", "s-none"), 3, "not_found"),
        (("task", "show", "t-none"), 3, "not_found"),
        (("start", "t-none"), 3, "not_found"),
        (("schema", "none"), 3, "not_found"),
        (("show", "s-2"), 2, "ambiguous"),
        (("running", "s-20261122-4f1a"), 4, "illegal_transition"),
        (("lsit",), 2, "usage"),
        (("task", "sohw"), 2, "usage"),
        (("list", "--bogus"), 2, "usage"),
        (("list", "extra"), 2, "usage"),
        (("show",), 2, "usage"),
        ((), 2, "usage"),
        (("-C", "/nowhere", "list"), 5, "not_a_repository"),
        (("list", "-C", "code.txt"), 5, "not_a_repository"),
    ],
)
def test_a_failure_has_its_code_in_the_envelope_and_its_exit_code(
    cli: Cli, checkout_of: Checkout, words: tuple[str, ...], exit_code: int, code: str
) -> None:
    path = checkout_of("lifecycle")
    before = cli(path, "--json", *words)
    assert before.code == exit_code
    _assert_envelope(before, code)
    plain = cli(path, *words)
    assert (plain.code, plain.stdout) == (exit_code, "")


def test_no_repository_and_a_repository_that_cannot_be_read_are_told_apart(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    ran = cli(tmp_path / "empty", "list", "--json", env={"GIT_CEILING_DIRECTORIES": "/"})
    assert ran.code == 5
    _assert_envelope(ran, "not_a_repository")
    assert str(tmp_path / "empty") in ran.stderr
    ran = cli(_make_sha256(tmp_path / "sha256"), "list", "--json")
    assert ran.code == 5
    _assert_envelope(ran, "unsupported_repository")


def test_a_current_directory_that_was_removed_is_no_repository(cli: Cli, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$0" && rmdir "$0" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, str(gone), *PROGRAM, "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert "no longer exists" in done.stderr
    assert cli(tmp_path, "list", "-C", "gone").code == 5


def test_a_mistyped_command_gets_the_one_that_was_meant(cli: Cli, tmp_path: Path) -> None:
    told = {
        ("lsit",): "no such command 'lsit'\nhint: did you mean git session list?",
        ("task", "sohw"): "no such command 'sohw'\nhint: did you mean git session task show?",
        ("list", "--engin", "x"): "no such option '--engin'\nhint: did you mean --engine?",
        ("task", "list"): "no such command 'list'\nhint: did you mean git session tasks?",
        ("finish",): "no such command 'finish'\nhint: did you mean git session exit?",
        ("help",): "no such command 'help'\nhint: did you mean git session -h?",
        ("tasks", "add"): "got unexpected extra argument (add)\nhint: did you mean git session task"
        " add?",
    }
    for words, expected in told.items():
        ran = cli(tmp_path, *words)
        assert (ran.code, ran.stderr) == (2, f"error: {expected}\n")


def test_every_guess_is_a_command_that_is_there(cli: Cli, tmp_path: Path) -> None:
    lines = {line for meant in _MEANT.values() for line in meant}
    for name in {line.split()[0] for line in lines if not line.startswith("-")}:
        assert name in group.list_commands(click.Context(group))
    for line in sorted(line for line in lines if len(line.split()) == 2):
        assert cli(tmp_path, *line.split(), "-h").code == 0


def test_a_value_that_cannot_be_taken_is_said_in_plain_words(cli: Cli, tmp_path: Path) -> None:
    told = {
        (
            "log",
            "-n",
            "abc",
        ): "invalid value for -n or --limit: 'abc' is not a valid integer range\n",
        ("log", "-n", "-4"): "invalid value for -n or --limit: -4 is not in the range x>=0\n",
        ("task", "status", "t-1", "no"): "invalid value for STATUS: 'no' is not one of 'queued',",
        ("sync", "--timeout", "soon"): "not a duration: 'soon'\n",
        ("start", "t-1", "--timeout", "0"): "--timeout must be greater than 0\n",
    }
    for words, expected in told.items():
        ran = cli(tmp_path, *words)
        assert ran.code == 2
        assert ran.stderr.startswith(f"error: {expected}")


def test_places_add_up_before_and_after_the_command_as_with_git(cli: Cli, repo: Path) -> None:
    (repo / "sub").mkdir()
    up = repo.parent
    assert cli(up, "-C", "repo", "-C", "sub", "list", "--count").stdout == "0\n"
    assert cli(up, "-C", "repo", "list", "--count", "-C", "sub").stdout == "0\n"
    assert cli(up, "list", "-C", "", "-C", str(repo), "--count").stdout == "0\n"
    assert cli(up, "-C", "sub", "-C", "repo", "list").code == 5


@pytest.mark.parametrize("words", [("list", b"\xff"), ("-C", b"re\xffpo", "list"), (b"\xff",)])
def test_arguments_that_are_not_utf_8_are_wrong_usage(
    repo: Path, words: tuple[str | bytes, ...]
) -> None:
    done = subprocess.run(
        [*PROGRAM, "--json", *words], cwd=repo, capture_output=True, check=False, timeout=TIMEOUT
    )
    assert done.returncode == 2
    assert b'"code": "usage"' in done.stdout
    assert b"is not valid UTF-8" in done.stderr


def test_json_that_is_the_value_of_an_option_does_not_turn_json_on(cli: Cli, repo: Path) -> None:
    task = cli(repo, "task", "add", "--", "--json").stdout.strip()
    assert task.startswith("t-")
    assert cli(repo, "task", "show", "--", "--json").stdout == ""
    commented = cli(repo, "task", "comment", task, "-m", "--json")
    assert commented.stdout.startswith(f"{task} commented (")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are always UTF-8")
@pytest.mark.parametrize("name", [b"caf\xe9", "caf\u202eé".encode()])
def test_json_stays_json_whatever_a_path_or_the_environment_holds(
    tmp_path: Path, name: bytes
) -> None:
    """A byte that is no UTF-8 becomes a lone surrogate, which UTF-8 cannot write."""
    place = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - a name that is no text
    os.mkdir(place)  # noqa: PTH102
    done = subprocess.run(
        [*PROGRAM, "show", "--json"],
        cwd=place,
        env={**os.environb, b"GIT_SESSION_ID": b"s-\xff"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 5
    message = json.loads(done.stdout.decode())["error"]["message"]
    assert os.fsdecode(name) in message
    assert "caf" in done.stderr.decode()
    assert "\u202e" not in done.stderr.decode()


# ------------------------------------------------------------------------------------- bugs


def _run_bug(path: Path, *args: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-c", BUG, *args], cwd=path, capture_output=True, text=True, check=False
    )
    return Ran(args, done.returncode, done.stdout, done.stderr)


def test_a_bug_is_one_line_and_a_hint_and_no_traceback(tmp_path: Path) -> None:
    ran = _run_bug(tmp_path, "list", "--json")
    assert ran.code == 1
    assert ran.json()["error"]["code"] == "internal"
    assert ran.stderr.startswith("error: internal error: ZeroDivisionError: half of")
    assert "hint: " in ran.stderr
    assert "--debug" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "\x1b" not in ran.stderr


@pytest.mark.parametrize("words", [("list", "--debug"), ("--debug", "list")])
def test_debug_shows_where_a_bug_is(tmp_path: Path, words: tuple[str, ...]) -> None:
    ran = _run_bug(tmp_path, *words)
    assert ran.code == 1
    assert "Traceback (most recent call last):" in ran.stderr
    assert "in fail" in ran.stderr
    assert "\x1b" not in ran.stderr


# ---------------------------------------------------------------------- signals and streams


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_goes_away_is_no_error_worth_a_word(
    checkout_of: Checkout, options: tuple[str, ...]
) -> None:
    path = checkout_of("lifecycle")
    process = subprocess.Popen(
        [*PROGRAM, "log", *options], cwd=path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(TIMEOUT) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_output_that_cannot_be_written_is_told(
    checkout_of: Checkout, options: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "log", *options],
            cwd=checkout_of("lifecycle"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 5
    assert done.stderr == f"error: cannot write the output: {os.strerror(errno.ENOSPC)}\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_break_nothing(checkout_of: Checkout, closed: str) -> None:
    for words in ("log", "log --json", "list", "fsck"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" -m git_session {words} {closed}', sys.executable],
            cwd=checkout_of("lifecycle") if words == "log" else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 5)


def _open_when_read(pipe: Path, reader: subprocess.Popen[str]) -> int:
    """Opens a named pipe for writing as soon as `reader` has opened it for reading."""
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if reader.poll() is not None:
            pytest.fail("the command ended without reading")
        time.sleep(0.01)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_ctrl_c_ends_a_command_with_130_and_records_nothing(
    cli: Cli, repo: Path, options: tuple[str, ...]
) -> None:
    """The command waits for a pipe that nobody fills, so the signal meets it at work."""
    task = cli(repo, "task", "add", "Wait").stdout.strip()
    session = cli(repo, "start", task).stdout.strip()
    head = git(repo, "rev-parse", "refs/grite/wal")
    pipe = repo.parent / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [*PROGRAM, "exit", session, "--output-file", str(pipe), *options],
        cwd=repo,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    writer = _open_when_read(pipe, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    os.close(writer)
    assert process.returncode == 130
    assert err == "error: interrupted\n"
    assert ('"code": "interrupted"' in out) is bool(options)
    assert git(repo, "rev-parse", "refs/grite/wal") == head


def test_text_that_the_locale_cannot_show_is_no_failure(cli: Cli, repo: Path) -> None:
    title = "Größe 🚀"
    cli(repo, "task", "add", title)
    latin = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    plain = cli(repo, "tasks", env=latin)
    assert plain.code == 0
    assert "Gr??e ?" in plain.stdout
    assert cli(repo, "tasks", "--json", env=latin).json()["data"]["tasks"][0]["title"] == title


def _list_kinds(kind: type[GitSessionError]) -> Iterator[tuple[str, int]]:
    yield kind.code, kind.exit_code
    for below in kind.__subclasses__():
        yield from _list_kinds(below)


def test_the_page_about_json_lists_every_code_with_its_exit_code() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "json.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (\d+) \|", page, re.MULTILINE)
    listed = [(code, int(number)) for codes, number in rows for code in re.findall(r"\w+", codes)]
    said_by_the_boundary = {("internal", 1), ("interrupted", 130)}
    assert sorted(listed) == sorted({*_list_kinds(GitSessionError), *said_by_the_boundary})


def test_too_few_descriptors_are_no_bug(repo: Path) -> None:
    task = SessionLog.open(repo).add_task("Title").task.task_id
    words = f"-m git_session task comment {task} -m hello"
    codes = set()
    for limit in range(5, 9):
        ran = run(repo, "sh", "-c", f'ulimit -n {limit}; exec "$0" {words}', sys.executable)
        codes.add(ran.code)
        assert ran.code == 0 or "Too many open files" in ran.stderr, ran
        assert "internal error" not in ran.stderr
    assert 5 in codes


@pytest.mark.parametrize("words", [["list"], ["task", "add", "Title"]], ids=" ".join)
def test_clock_later_than_python_can_tell_is_no_bug(words: list[str], repo: Path) -> None:
    SessionLog.open(repo).add_task("Title")
    if shutil.which("faketime") is None:
        pytest.skip("this needs faketime")
    command = ["faketime", "2500-01-01", sys.executable, "-m", "git_session"]
    ran = run(repo, *command, *words)
    assert ran.code == 5, ran
    assert ran.stderr.startswith("error: the system clock is past the year 2262")
