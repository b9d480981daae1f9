"""Whatever became of the index, every command answers to the byte what it answers without one.

A new command is asked too, without a word here.
"""

from __future__ import annotations

import os
import random
import secrets
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from git_session.cli.boundary import run_command_line
from git_session.log.index import format as index_format
from git_session.log.index.format import SCHEMA
from git_session.log.session_log import SessionLog
from tests.conftest import FIXTURES, git
from tests.support.every_command import Answer, collect_lines, end_readers
from tests.support.stores import make_log

pytestmark = pytest.mark.heavy

NOW: Final = 1_795_400_000_000
INDEX: Final = f"index-{SCHEMA}.db"

VALUES: Final = {
    "session": "s-20261122-4f1b",
    "task": "t-20261122-4f12",
    "title": "Title",
    "text": "text",
    "status": "blocked",
    "before": "refs/grite/wal~20",
}
"""What is given for an argument of a name; for any other something, if it must be given."""

MORE: Final = (
    "list --all",
    "list --count",
    "list --status exit --engine codex",
    "list --task t-20261122-4f12 --all",
    "tasks --all",
    "log",
    "log --limit 3",
    "show s-20261122-4f1a",
    "show s-20261122-4f1",
    "show s-2",
    "show nobody",
    "exit s-20261122-4f1b --code 3 --reason crash",
)
"""Lines that say more than a command's arguments."""

ABOUT_THE_INDEX: Final = ("doctor",)
"""Lines that are asked how the index is, and say so."""

LINES: Final = [*collect_lines(VALUES), *MORE]

Ask = Callable[[str], Answer]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gives a folder with a clone, its hub, and in `indexes` what may stand for its index."""
    folder = tmp_path_factory.mktemp("template")
    for name, kind in (("hub.git", "--bare"), ("clone", "--quiet")):
        git(folder, "init", "--quiet", kind, "--initial-branch=main", name)
        bundle = str(FIXTURES / "lifecycle.bundle")
        git(folder / name, "fetch", "--quiet", "--update-head-ok", bundle, "+refs/*:refs/*")
    clone = folder / "clone"
    git(clone, "remote", "add", "origin", "../hub.git")
    log = SessionLog.open(clone, environ={})
    assert log.writer.actor.actor_id  # made now, every run writes as the same one
    log.replay()
    log.save()
    (folder / "indexes").mkdir()
    found = (clone / ".git" / "git-session" / INDEX).rename(folder / "indexes" / "fresh")
    content = bytearray(found.read_bytes())
    for place in random.Random(0).sample(range(100, len(content)), len(content) // 100):
        content[place] ^= 255
    (folder / "indexes" / "damaged").write_bytes(content)
    (folder / "indexes" / "cut short").write_bytes(found.read_bytes()[:-5000])
    make_log(folder / "other", 60, 4)
    _index(folder / "other").rename(folder / "indexes" / "another repository's")
    shutil.rmtree(folder / "other")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_format, "SCHEMA", SCHEMA + 1)  # as the seal says it
        newer = _index(clone)
    newer.rename(folder / "indexes" / "a newer version's")
    return folder


def _index(path: Path) -> Path:
    log = SessionLog.open(path, environ={})
    log.replay()
    log.save()
    return path / ".git" / "git-session" / INDEX


@pytest.fixture
def ask(
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Callable[[str, str | None], Answer]:
    """Gives what runs a line in a fresh copy, with one of the indexes or none, and at one moment.

    Nothing is drawn by chance: who records the same gets the same ids.
    """
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1_000_000)
    monkeypatch.setattr(time, "time", lambda: NOW / 1000)
    monkeypatch.setattr(os, "urandom", lambda size: b"\xc0" * size)
    monkeypatch.setattr(secrets, "token_bytes", lambda size: b"\xc0" * size)
    monkeypatch.setattr(secrets, "token_hex", lambda size: "c0" * size)
    place = tmp_path / "copy"
    home = {"HOME": "", "XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config"}
    for name, folder in home.items():
        monkeypatch.setenv(name, str(place / "home" / folder))

    def run(line: str, index: str | None) -> Answer:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(template, place, ignore=shutil.ignore_patterns("indexes"))
        if index is not None:
            shutil.copy(
                template / "indexes" / index, place / "clone" / ".git" / "git-session" / INDEX
            )
        monkeypatch.chdir(place / "clone")
        code = run_command_line(shlex.split(line))
        end_readers()
        return Answer(code, *capsysbinary.readouterr())

    return run


@pytest.mark.parametrize("line", [line for line in LINES if line not in ABOUT_THE_INDEX])
def test_every_command_answers_the_same_whatever_became_of_the_index(
    ask: Callable[[str, str | None], Answer], line: str
) -> None:
    for words in (line, f"{line} --json"):
        expected = ask(words, None)
        for index in ("fresh", "damaged", "cut short", "another repository's", "a newer version's"):
            if index == "fresh" or words != line:
                assert ask(words, index) == expected, (words, index)


def test_a_fresh_index_is_what_those_answers_come_from(
    ask: Callable[[str, str | None], Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the test above would hold anything against itself."""
    from git_session.core.fold.replay import Replay

    monkeypatch.setattr(Replay, "add", lambda *_: pytest.fail("the log was read"))
    for line in ("list --all --json", "tasks", "show s-20261122-4f1a"):
        assert ask(line, "fresh").code == 0
