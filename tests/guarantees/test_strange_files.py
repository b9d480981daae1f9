"""A FIFO, a socket, a folder or a device in the place of a file holds nobody up."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from git_session.cli.boundary import run_command_line
from git_session.log.index.format import SCHEMA
from git_session.log.session_log import SessionLog
from tests.conftest import git
from tests.support.every_command import Answer, collect_lines, end_readers

SESSION: Final = "s-20261122-4f1b"
PATIENCE_S: Final = 20.0
"""Longer than any command takes, and shorter than git is waited for."""

LOOKING: Final = ("list --json", "list --all", f"show {SESSION}", "fsck")
WRITING: Final = ("task add x", f"ready {SESSION}", f"exit {SESSION}")

FILES: Final[dict[str, tuple[str, ...]]] = {
    "refs/grite/wal": (*LOOKING, *WRITING, "repair", "sync", "stats"),
    "refs/grite/locks/0123456789abcdef": (*LOOKING, *WRITING),
    "refs/grite/snapshots/1795000000000": ("snapshot", "repair"),
    "refs/git-session/remotes/origin/grite/wal": ("list --all", "sync", f"commits {SESSION}"),
    "refs/heads/strange": ("list --all", "sync", f"commits {SESSION}"),
    "packed-refs": (*LOOKING, *WRITING, "sync", "repair"),
    "shallow": (*LOOKING, *WRITING, "sync"),
    "config": ("list --json", "list --all", "task add x", "doctor"),
    "HEAD": ("list --json", "list --all"),
    "objects/info/alternates": (*LOOKING, *WRITING, "repair"),
    f"objects/ab/{'c' * 38}": ("list --all", "fsck", "stats", "repair", "sync", "task add x"),
    "logs/refs/grite/wal": ("repair", *WRITING),
    "info/exclude": ("init",),
    "grite/config.toml": ("list --json", "list --count", "list --all", "actor list"),
    "grite/actors/ACTOR/config.toml": ("list --all", "task add x", "actor list"),
    f"git-session/index-{SCHEMA}.db": (*LOOKING, "task add x"),
    f"git-session/index-{SCHEMA}.db-wal": (*LOOKING, "task add x"),
    "git-session/append.lock": WRITING,
    "git-session/beats.lock": (f"beat {SESSION}", f"ready {SESSION}"),
    "git-session/sync.lock": ("sync",),
    "git-session/homes-sent": ("sync",),
    "git-session/autosync.json": ("task add x", "list"),
    "git-session/agents/failure.json": ("doctor",),
    "git-session/beats/ISSUE.SESSION.json": (*LOOKING, f"beat {SESSION}", f"exit {SESSION}"),
    "git-session/beats/ISSUE.SESSION.commit": (*LOOKING, f"beat {SESSION}", "reconcile"),
    "git-session/beats/ISSUE.SESSION.spool.json": (*LOOKING, "reconcile", *WRITING),
    "hooks/post-commit": ("hook status", "hook install", "doctor"),
    "../.grite/logs/SESSION.log": (f"tail {SESSION}", f"show {SESSION}"),
}
"""What in the git directory may be something else, and commands that read it."""


def _make_linked_fifo(path: Path) -> None:
    os.mkfifo(path.parent / "fifo~")
    path.symlink_to(path.parent / "fifo~")


def _make_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(before)


KINDS: Final[dict[str, Callable[[Path], object]]] = {
    "a FIFO": os.mkfifo,
    "a link to a FIFO": _make_linked_fifo,
    "a socket": _make_socket,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}

Ask = Callable[[str], Answer]


@pytest.fixture
def ask(
    checkout_of: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Ask:
    """Gives what runs a line in a checkout that has a remote and a live session."""
    repo = checkout_of("lifecycle")
    git(tmp_path, "init", "--quiet", "--bare", "hub.git")
    git(repo, "remote", "add", "origin", str(tmp_path / "hub.git"))
    monkeypatch.chdir(repo)

    def run(line: str) -> Answer:
        code = run_command_line(shlex.split(line))
        end_readers()
        return Answer(code, *capsysbinary.readouterr())

    assert run("list").code == 0  # makes the index
    assert run(f"beat {SESSION}").code == 0
    return run


@pytest.fixture
def alarm() -> Iterator[None]:
    """Lets the test fail where something waits."""

    def ring(_number: int, _frame: object) -> None:
        pytest.fail("it waits for ever")

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def put(name: str, make: Callable[[Path], object]) -> Path:
    """Puts something in the place of a file of the current repository."""
    (session,) = SessionLog.open(".").sessions(states=["running"])
    actor = next((Path.cwd() / ".git" / "grite" / "actors").iterdir()).name
    for word, value in (("SESSION", SESSION), ("ISSUE", session.grite_issue_id), ("ACTOR", actor)):
        name = name.replace(word, value)
    path = Path.cwd() / ".git" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)
    return path


def require_answers(ask: Ask, lines: tuple[str, ...], path: Path) -> None:
    """Requires that each line comes to an end, and that none falls over."""
    for line in lines:
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
        answer = ask(line)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert answer.code in {0, 1, 2, 3, 4, 5}, (path, line, answer)
        assert b"internal error" not in answer.stderr, (path, line, answer)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("name", FILES)
def test_a_fifo_in_the_place_of_a_file_holds_no_command_up(ask: Ask, name: str) -> None:
    require_answers(ask, FILES[name], put(name, KINDS["a FIFO"]))


@pytest.mark.heavy
@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a FIFO"])
def test_nothing_else_in_its_place_does_either(ask: Ask, name: str, kind: str) -> None:
    require_answers(ask, FILES[name], put(name, KINDS[kind]))


@pytest.mark.exhaustive
@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("name", FILES)
def test_no_command_at_all_waits_for_a_fifo(ask: Ask, name: str) -> None:
    path = put(name, KINDS["a FIFO"])
    values = {"session": SESSION, "task": "t-20261122-4f12", "status": "dropped", "before": "HEAD"}
    for line in collect_lines(values):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(path)
        require_answers(ask, (line, f"{line} --json"), path)


@pytest.mark.usefixtures("alarm")
def test_a_log_that_was_never_read_is_read_beside_an_object_that_is_no_file(ask: Ask) -> None:
    expected = ask("list --all")
    put(f"objects/ab/{'c' * 38}", KINDS["a FIFO"])
    for index in Path(".git/git-session").glob("index-*"):
        index.unlink()
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    assert ask("list --all") == expected


@pytest.mark.usefixtures("alarm")
def test_what_is_no_file_is_named_with_what_to_do(ask: Ask) -> None:
    path = put("shallow", KINDS["a FIFO"])
    answer = ask("list")
    assert answer.code == 5
    said = f"error: {path} is not a regular file: git would fail on it or hang\n"
    assert answer.stderr.decode() == f"{said}hint: if it is not needed: rm {path}\n"
    path.unlink()
    assert ask("list").code == 0
    path = put("refs/grite/wal", KINDS["a FIFO"])
    answer = ask("list")
    assert answer.code == 1
    assert b"refs/grite/wal is not a file" in answer.stderr
    shutil.rmtree(path.parent)
