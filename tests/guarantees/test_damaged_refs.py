"""A ref that holds something else than a commit stops no more than what needs it, and is named."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from git_session.cli.boundary import run_command_line
from tests.conftest import git
from tests.support.damage import Specimen, make_specimen
from tests.support.every_command import Answer, collect_lines, end_readers
from tests.support.figures import Figures
from tests.support.forge import NOW, SESSION
from tests.support.stores import WAL

VALUES: Final = {"session": f"{SESSION}0", "task": "t-1", "status": "blocked", "before": WAL}
LOCK: Final = "refs/grite/locks/0123456789abcdef"
SNAPSHOT: Final = "refs/grite/snapshots/1795000000000"
TRACKING: Final = "refs/git-session/remotes/origin/grite"
OTHERS: Final = (LOCK, SNAPSHOT, f"{TRACKING}/wal", f"{TRACKING}/locks/x", f"{TRACKING}/x y")


def _make_folder(path: Path) -> None:
    path.mkdir()
    (path / "file").write_text("not a ref\n")


GARBAGE: Final[dict[str, Callable[[Path], object]]] = {
    "nothing": lambda path: path.write_bytes(b""),
    "words": lambda path: path.write_bytes(b"no id at all\n"),
    "an id cut short": lambda path: path.write_bytes(b"a" * 39 + b"\n"),
    "an id with more": lambda path: path.write_bytes(b"a" * 40 + b"b\n"),
    "zeros": lambda path: path.write_bytes(b"0" * 40 + b"\n"),
    "the id of nothing": lambda path: path.write_bytes(b"1" * 40 + b"\n"),
    "bytes": lambda path: path.write_bytes(bytes(range(256))),
    "far too much": lambda path: path.write_bytes(b"a" * 10_000_000),
    "another ref": lambda path: path.write_bytes(b"ref: refs/heads/main\n"),
    "itself": lambda path: path.write_bytes(b"ref: refs/grite/wal\n"),
    "a way out": lambda path: path.write_bytes(b"ref: ../../../../etc/passwd\n"),
    "escapes": lambda path: path.write_bytes(b"ref: refs/\x1b[2J\n"),
    "a folder": _make_folder,
    "a link to nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
}

Ask = Callable[[str], Answer]


@pytest.fixture
def specimen(bare: Path, little_memory: None) -> Specimen:
    git(bare, "remote", "add", "origin", str(bare))
    return make_specimen(bare)


@pytest.fixture
def ask(
    specimen: Specimen, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Ask:
    """Gives what runs a line in the repository, at one moment, and without a trace of it there."""
    monkeypatch.chdir(specimen.path)
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1_000_000)

    def run(line: str) -> Answer:
        shutil.rmtree(specimen.path / "git-session", ignore_errors=True)
        code = run_command_line(line.split())
        end_readers()
        return Answer(code, *capsysbinary.readouterr())

    return run


def put(repository: Path, ref: str, garbage: Callable[[Path], object]) -> None:
    """Puts something in the place of a ref."""
    path = repository / ref
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    garbage(path)


def require_sense(answer: Answer) -> None:
    """Fails on what nobody may see."""
    said = answer.stdout + answer.stderr
    assert answer.code in {0, 1, 2, 3, 4, 5}, answer
    assert b"internal error" not in said, answer
    assert b"Traceback" not in said, answer
    assert b"ut of memory" not in said, answer
    assert b"\x1b" not in said, answer


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_a_broken_head_is_an_error_that_names_it_and_says_what_to_do(
    specimen: Specimen, ask: Ask, garbage: Callable[[Path], object]
) -> None:
    put(specimen.path, WAL, garbage)
    for line in ("list", "list --count", "fsck", "task add x"):
        answer = ask(line)
        require_sense(answer)
        if answer.code:
            assert b"wal" in answer.stderr or b"log's commit" in answer.stderr, answer
            assert b"hint: " in answer.stderr, answer


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_other_broken_refs_change_no_answer_about_sessions(
    specimen: Specimen, ask: Ask, garbage: Callable[[Path], object]
) -> None:
    lines = ("list --all", "list --json", f"show {SESSION}0", "log", "tasks", "fsck")
    expected = {line: ask(line) for line in lines}
    for ref in OTHERS:
        put(specimen.path, ref, garbage)
    for line, answer in expected.items():
        assert ask(line) == answer


@pytest.mark.heavy
@pytest.mark.parametrize("line", list(collect_lines(VALUES)))
def test_no_command_falls_over_a_broken_ref(
    specimen: Specimen, ask: Ask, figures: Figures, line: str
) -> None:
    head = (specimen.path / WAL).read_bytes()
    for ref in (WAL, *OTHERS):
        for garbage in GARBAGE.values():
            put(specimen.path, ref, garbage)
            require_sense(ask(line))
            require_sense(ask(f"{line} --json"))
            figures.add("damage: commands run while a ref holds something else", 2)
            path = specimen.path / ref
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        (specimen.path / WAL).write_bytes(head)


def test_a_commit_missing_in_the_middle_is_said_and_what_came_after_it_is_read(
    specimen: Specimen, ask: Ask
) -> None:
    lost = specimen.commits[2]
    (specimen.path / "objects" / lost[:2] / lost[2:]).unlink()
    answer = ask("list --all")
    require_sense(answer)
    assert f"{SESSION}0  exit".encode() in answer.stdout
    assert lost[:7].encode() in answer.stderr
    found = ask("fsck")
    assert found.code == 1
    assert f"error missing_commit {lost[:12]}".encode() in found.stdout
