"""What only a newer version reads is kept, named as that, and nobody is sent to repair it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from git_session.core.wire.names import named_hash
from git_session.git.repository.objects import ObjectStore
from git_session.health.fsck import check_log
from git_session.health.repair.plan import plan_repair
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git
from tests.support.forge import SESSION, Forge, block, comment, created
from tests.support.stores import WAL, Event, format_block

WORDS: Final = "newer version needed: chunk is of version 2 with codec cbor-v2"


def newer_chunk(text: str = "") -> bytes:
    """Make a chunk that this version cannot read."""
    return b"GRITECNK\x02\x00\x07cbor-v2 what only next year's version reads" + text.encode()


@pytest.fixture
def newer(bare: Path) -> str:
    """Give the commit of a newer chunk between two sound ones."""
    forge = Forge(bare)
    forge.commit(created(), comment("before", 1))
    commit = forge.commit(chunk=newer_chunk())
    forge.commit(comment("after", 2))
    return commit


def test_fsck_says_that_a_newer_version_is_needed(bare: Path, newer: str, cli: Cli) -> None:
    ran = cli(bare, "fsck")
    assert ran.code == 0
    assert ran.stdout == f"warning newer {newer[:12]} - {WORDS}\n"
    assert ran.stderr.splitlines()[-1] == (
        "hint: update git-session to read what a newer version wrote"
    )
    assert "repair" not in ran.stderr
    assert cli(bare, "fsck", "--strict").code == 1


def test_fsck_offers_repair_for_a_newer_chunk_that_is_damaged(bare: Path, cli: Cli) -> None:
    forge = Forge(bare)
    forge.commit(created())
    forge.commit(chunk=newer_chunk(), name="0" * 64)
    ran = cli(bare, "fsck")
    assert ran.code == 1
    assert [line.split()[1] for line in ran.stdout.splitlines()] == ["chunk", "chunk_hash"]
    assert "hint: git session repair" in ran.stderr
    assert "hint: update" not in ran.stderr


def test_list_says_that_a_newer_version_is_needed(bare: Path, newer: str, cli: Cli) -> None:
    for _ in range(2):  # at first from git, then from the index
        ran = cli(bare, "list")
        assert ran.code == 0
        assert f"warning: {WORDS} (commit {newer[:7]})" in ran.stderr.splitlines()
        assert "repair" not in ran.stderr


UNKNOWN: Final = [
    ('state = "spawned"', 'state = "paused"'),
    ('role = "witness"', 'role = "auditor"'),
    ('session_type = "polecat"', 'session_type = "drone"'),
]
LEFT_OUT: Final = "left out: a state, role or type that this version does not know"


def unknown_block(old: str, new: str, ts: int = 5, number: int = 0) -> Event:
    """Make a session's comment with a word of tomorrow."""
    text = format_block("spawned", f"{SESSION}{number}")
    assert text.count(old) == 1
    return comment(text.replace(old, new), ts, number)


@pytest.mark.parametrize(("old", "new"), UNKNOWN)
def test_list_says_that_a_block_with_an_unknown_word_is_left_out(
    bare: Path, cli: Cli, old: str, new: str
) -> None:
    Forge(bare).commit(created(), unknown_block(old, new))
    for words in (("list",), ("list",), ("list", "--json"), ("list", "--count"), ("tasks",)):
        ran = cli(bare, *words)
        assert ran.code == 0
        said = ran.stderr.splitlines()
        assert f"warning: 1 session block {LEFT_OUT}" in said
        assert "hint: git session fsck lists them all" in said
    assert "this version does not know" in cli(bare, "fsck").stdout


def test_blocks_with_unknown_words_are_counted_as_the_log_grows(bare: Path, cli: Cli) -> None:
    forge = Forge(bare)
    forge.commit(created(0), created(1), block("spawned", 2), unknown_block(*UNKNOWN[0]))
    steps = [
        (comment("nothing new", 6), f"1 session block {LEFT_OUT}"),
        (unknown_block(*UNKNOWN[1], ts=7), f"2 session blocks {LEFT_OUT}"),
        (unknown_block(*UNKNOWN[2], ts=8, number=1), f"3 session blocks {LEFT_OUT}"),
    ]
    for event, words in steps:
        assert cli(bare, "list").code == 0
        forge.commit(event)
        assert f"warning: {words}" in cli(bare, "list").stderr.splitlines()
    shutil.rmtree(bare / "git-session")
    assert f"warning: 3 session blocks {LEFT_OUT}" in cli(bare, "list").stderr.splitlines()


def test_comment_that_merely_speaks_of_a_block_is_not_counted(bare: Path, cli: Cli) -> None:
    text = '[session]\nstate = "...", and so on\n[/session]'
    Forge(bare).commit(created(), block("spawned", 1), comment(text, 2))
    assert "left out" not in cli(bare, "list").stderr


def test_doctor_warns_of_a_newer_chunk(bare: Path, newer: str, cli: Cli) -> None:
    lines = cli(bare, "doctor", "--json").json()["data"]["lines"]
    (line,) = [line for line in lines if line["name"] == "log"]
    assert (line["status"], line["command"]) == ("warning", "git session fsck")
    assert WORDS in line["message"]


def test_repair_finds_no_damage_in_a_newer_chunk(bare: Path, newer: str) -> None:
    """The event that a sound one names as its parent may be in there."""
    unseen = block("spawned", 3)
    forge_on(bare).commit(block("ready", 4, parent=unseen))
    plan = plan_repair(ObjectStore.open(bare))
    assert (plan.damage, plan.lost, plan.events, plan.objects) == ([], set(), {}, {})


def test_repair_still_finds_damage_beside_a_newer_chunk(bare: Path, newer: str) -> None:
    raw = comment("changed", 5).encode().replace(b"changed", b"chained")
    forge_on(bare).commit(raw)
    plan = plan_repair(ObjectStore.open(bare))
    assert [found.code for found in plan.damage] == ["event_id"]
    assert plan.lost == {comment("changed", 5).id()}


def forge_on(path: Path) -> Forge:
    """Go on with the log that is there."""
    forge = Forge(path)
    forge.head = git(path, "rev-parse", WAL)
    return forge


def test_clones_with_a_newer_chunk_each_come_to_one_log(tmp_path: Path, cli: Cli) -> None:
    """Each keeps both, and names each once however many merges hold it."""
    hub, clones = tmp_path / "hub.git", [tmp_path / "one", tmp_path / "other"]
    git(tmp_path, "init", "-q", "--bare", str(hub))
    Forge(hub).commit(created())
    for clone in clones:
        git(tmp_path, "clone", "-q", str(hub), str(clone))
        assert cli(clone, "sync").code == 0
        forge_on(clone).commit(comment(clone.name, 1))
        forge_on(clone).commit(chunk=newer_chunk(clone.name))
    for clone in (*clones, clones[0]):
        ran = cli(clone, "sync")
        assert ran.code == 0, ran
    assert len({git(path, "rev-parse", WAL) for path in (hub, *clones)}) == 1
    objects = git(hub, "rev-list", "--objects", WAL)
    for clone in clones:
        log = SessionLog.open(clone)
        findings = check_log(log)["findings"]
        assert [row["code"] for row in findings] == ["newer", "newer"]
        assert len({named_hash(row["path"]) for row in findings}) == 2
        assert all(named_hash(row["path"]) in objects for row in findings)
        assert [problem.code for problem in log.problems] == ["newer", "newer"]
