"""With `session.fsync` the disk has a transition before anybody is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_session.git.repository.refs import syncs_loose_objects
from tests.conftest import Cli, git
from tests.guarantees.faults.commands import NOW
from tests.guarantees.faults.program import Outcome, Program, started, why_not
from tests.support.stores import WAL

needs_strace = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture
def session(repo: Path, cli: Cli) -> str:
    task = cli(repo, "task", "add", "Port the lexer").stdout.strip()
    return cli(repo, "start", task).stdout.strip()


@pytest.fixture
def trace(repo: Path, tmp_path: Path, session: str) -> Outcome:
    """Gives the calls of one transition with session.fsync."""
    git(repo, "config", "session.fsync", "true")
    with started(tmp_path / "program") as program:
        return record(program, repo, session)


def record(program: Program, repo: Path, session: str) -> Outcome:
    ran = program(repo, "ready", session, now=NOW, is_traced=True)
    assert ran.code == 0, ran
    return ran


def count_waits(ran: Outcome) -> int:
    return sum(call.name in {"fsync", "fdatasync"} for call in ran.calls)


@needs_strace
def test_every_object_and_the_ref_is_on_the_disk_before_the_answer(
    trace: Outcome, repo: Path
) -> None:
    lines = [call.text for call in trace.calls]
    (told,) = [n for n, line in enumerate(lines) if line.startswith("write(1,")]
    (moved,) = [n for n, line in enumerate(lines) if f'{WAL}.lock", ' in line and "rename" in line]
    made = [n for n, line in enumerate(lines) if "tmp_obj_" in line and "O_CREAT" in line]
    objects = [n for n in made if "ENOENT" not in lines[n]]  # without the folder it is made first
    assert len(objects) == 8
    for start, end in zip(objects, [*objects[1:], moved], strict=True):
        steps = [line.partition("(")[0] for line in lines[start:end]]
        # The file's content, its name, and the folder that holds the name.
        assert steps.index("write") < steps.index("fsync") < steps.index("rename")
        assert "fsync" in steps[steps.index("rename") :]
    before = [line.partition("(")[0] for line in lines[objects[-1] : moved]]
    assert before.count("fsync") == 4, "the commit, its folder, the folders of objects, the lock"
    after = [line for line in lines[moved:told] if line.startswith("fsync")]
    assert len(after) == 2, "the folders refs/grite and refs"
    assert moved < told


@needs_strace
def test_nothing_waits_for_the_disk_unless_asked(repo: Path, tmp_path: Path, session: str) -> None:
    """As git itself does with the loose objects of a commit, and with refs."""
    with started(tmp_path / "program") as program:
        assert count_waits(record(program, repo, session)) == 0
        git(repo, "config", "core.fsync", "committed")
        assert count_waits(record(program, repo, session)) > 16
        git(repo, "config", "session.fsync", "false")
        assert count_waits(record(program, repo, session)) == 0


@pytest.mark.parametrize(
    ("setting", "is_on"),
    [
        ("", False),
        ("none", False),
        ("pack,commit-graph", False),
        ("reference", False),
        ("loose-object", True),
        ("committed", True),
        ("committed,-loose-object", False),
        ("-all, objects", True),
        ("all,none", False),
        ("added,-index", True),
    ],
)
def test_gits_own_setting_counts_where_ours_is_not_set(setting: str, *, is_on: bool) -> None:
    """Source: git-config(1), core.fsync."""
    assert syncs_loose_objects(setting) is is_on


def test_what_is_neither_yes_nor_no_records_nothing_and_hinders_no_reader(
    repo: Path, cli: Cli, session: str
) -> None:
    """Who asked for durability must not believe that it is on."""
    git(repo, "config", "session.fsync", "maybe")
    before = git(repo, "rev-parse", "refs/grite/wal")
    ran = cli(repo, "ready", session)
    assert ran.code == 5
    assert "session.fsync is 'maybe'" in ran.stderr
    assert "git config session.fsync true" in ran.stderr
    assert git(repo, "rev-parse", "refs/grite/wal") == before
    assert cli(repo, "list").code == 0


def test_a_setting_about_less_than_that_keeps_nothing_from_being_recorded(
    repo: Path, cli: Cli, session: str
) -> None:
    for key in ("session.autoSync", "session.beatInterval", "session.pushTimeout"):
        git(repo, "config", key, "x")
    assert cli(repo, "ready", session).code == 0
