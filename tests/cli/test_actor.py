"""Actors are made, shown and chosen as grite does it, and a private key stays where it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_session.errors import AmbiguousError, NotFoundError
from git_session.git.repository.objects import ObjectStore
from git_session.log.actors.actors import create_actor
from git_session.log.actors.config import read_config
from git_session.log.manage_actors import list_actor_rows, make_actor_row, use_actor_row
from git_session.log.session_log import SessionLog
from tests.conftest import FIXTURES, Cli, Grite, git

LOW, HIGH = "0" * 32, "f" * 32


def rows_of(path: Path) -> dict[str, Any]:
    log = SessionLog.open(path, environ={})
    return {row["actor_id"]: row for row in list_actor_rows(log, {}, with_log=True)}


def make(path: Path, **how: Any) -> tuple[Any, str | None]:
    return make_actor_row(ObjectStore.open(path), {}, now=1, **how)


def test_a_new_actor_has_a_key_that_only_its_owner_can_read(bare: Path) -> None:
    row, _ = make(bare, label="build box")
    file = bare / "grite" / "actors" / row["actor_id"] / "signing_key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert row["can_sign"] is True
    (key,) = row["keys"]
    assert key["line"] == f"{row['actor_id']} ed25519 {key['public_key']} build box"
    assert file.read_text() not in str(row)


def test_the_first_actor_is_the_one_that_writes_and_later_ones_are_not(bare: Path) -> None:
    first, _ = make(bare)
    assert first["is_writer"] is True
    for _ in range(4):
        later, _ = make(bare)
        assert later["is_writer"] is False
    assert [row["is_writer"] for row in rows_of(bare).values()].count(True) == 1
    assert rows_of(bare)[first["actor_id"]]["is_writer"] is True


@pytest.mark.parametrize("standing", [LOW, HIGH])
def test_where_the_smallest_id_decides_a_new_actor_does_not_take_over(
    bare: Path, standing: str
) -> None:
    create_actor(bare, now=0, actor_id=standing, make_default=False)
    row, pinned = make(bare)
    assert row["is_writer"] is False
    assert pinned == (HIGH if standing == HIGH else None)
    assert read_config(bare).default_actor == pinned


def test_an_actor_that_is_to_write_does(bare: Path) -> None:
    create_actor(bare, now=0, actor_id=LOW, make_default=True)
    row, pinned = make(bare, makes_default=True)
    assert (row["is_writer"], row["is_default"], pinned) == (True, True, None)
    back = use_actor_row(ObjectStore.open(bare), "000", {})
    assert (back["actor_id"], back["is_writer"]) == (LOW, True)


def test_an_actor_is_found_by_a_unique_prefix(bare: Path) -> None:
    store = ObjectStore.open(bare)
    for actor_id in ("ab" * 16, "ac" * 16):
        create_actor(bare, now=0, actor_id=actor_id, make_default=False)
    assert use_actor_row(store, "AB", {})["actor_id"] == "ab" * 16
    with pytest.raises(AmbiguousError, match="ac" * 16):
        use_actor_row(store, "a", {})
    for nobody in ("d", "", "../ab"):
        with pytest.raises(NotFoundError):
            use_actor_row(store, nobody, {})


def test_only_an_actor_of_this_clone_can_write_here(bundle: Callable[[str], Path]) -> None:
    path = bundle("signed")
    key = re.findall(r'"(\w{64})"', (FIXTURES / "signed.actor.toml").read_text())[0]
    git(path, "config", "session.trustedKey", f"{'ab' * 16} ed25519 {key}")
    with pytest.raises(NotFoundError, match="not in this clone"):
        use_actor_row(ObjectStore.open(path), "ab", {})


def test_those_who_wrote_are_listed_with_what_came_of_their_signatures(
    bundle: Callable[[str], Path],
) -> None:
    path = bundle("signed")
    toml = (FIXTURES / "signed.actor.toml").read_text()
    signer, key = (re.findall(rf'{name} = "(\w+)"', toml)[0] for name in ("actor_id", "public_key"))
    assert rows_of(path)[signer]["events"]["unknown_key"] == 8
    assert rows_of(path)[signer]["keys"] == []
    git(path, "config", "session.trustedKey", f"{signer} ed25519 {key} theirs")
    row = rows_of(path)[signer]
    assert (row["events"]["valid"], row["label"], row["is_own"]) == (8, "theirs", False)


def test_a_key_that_cannot_be_used_is_said(bare: Path) -> None:
    for fault in ("open", "other"):
        row, _ = make(bare)
        file = bare / "grite" / "actors" / row["actor_id"] / "signing_key"
        if fault == "open":
            file.chmod(0o644)
        else:
            file.write_text("07" * 32)
        found = rows_of(bare)[row["actor_id"]]
        assert found["can_sign"] is False
        assert {"open": "other users", "other": "belong together"}[fault] in found["key_fault"]


def test_the_private_key_is_printed_only_when_it_is_asked_for(cli: Cli, repo: Path) -> None:
    actor = cli(repo, "actor", "new", "--label", "it's me").stdout.strip()
    seed = (repo / ".git" / "grite" / "actors" / actor / "signing_key").read_text()
    for words in (
        ["list"],
        ["list", "--log", "--json"],
        ["show"],
        ["show", "--json"],
        ["key"],
        ["key", "--json"],
        ["use", actor, "--json", "--debug"],
    ):
        ran = cli(repo, "actor", *words)
        assert ran.code == 0, ran
        assert actor in ran.stdout
        assert seed not in ran.stdout + ran.stderr
    ran = cli(repo, "actor", "key", "--export-private")
    assert ran.stdout == f"{seed}\n"
    assert "anyone with this key" in ran.stderr


def test_the_hint_that_spreads_a_key_works_as_it_is_typed(cli: Cli, repo: Path) -> None:
    ran = cli(repo, "actor", "new", "--label", "it's $(touch owned) me")
    (hint,) = re.findall(r"git config .*", ran.stderr)
    sh = shutil.which("sh")
    assert sh is not None
    git(repo, "-c", f"alias.typed=!{hint}", "typed")
    assert not (repo / "owned").exists()
    line = cli(repo, "actor", "key").stdout
    assert git(repo, "config", "session.trustedKey") == line.strip()


def test_a_clone_that_trusts_another_reads_it_under_require(cli: Cli, repo: Path) -> None:
    cli(repo, "actor", "new", "--use")
    task = cli(repo, "task", "add", "Port the lexer").stdout.strip()
    session = cli(repo, "start", task).stdout.strip()
    other = repo.parent / "other"
    git(repo.parent, "clone", "--quiet", str(repo), str(other))
    assert cli(other, "sync", "--fetch").code == 0
    (other / ".git" / "grite").mkdir()
    (other / ".git" / "grite" / "config.toml").write_text('verify_signatures = "require"\n')
    ran = cli(other, "list")
    assert session not in ran.stdout
    assert "not trusted here" in ran.stderr
    line = cli(repo, "actor", "key").stdout.strip()
    git(other, "config", "--add", "session.trustedKey", line)
    ran = cli(other, "list", "--json")
    assert [row["session_id"] for row in ran.json()["data"]["sessions"]] == [session]
    assert ran.stderr == ""


def test_the_real_grite_knows_our_actor_and_finds_its_signatures_good(
    repo: Path, grite: Grite, cli: Cli
) -> None:
    grite(repo, "init", "--no-agents-md")
    before = grite.json(repo, "actor", "current")["actor_id"]
    made = cli(repo, "actor", "new", "--label", "build box", "--json").json()["data"]["actor"]
    actors = {actor["actor_id"]: actor for actor in grite.json(repo, "actor", "list")["actors"]}
    assert actors[made["actor_id"]]["label"] == "build box"
    assert grite.json(repo, "actor", "current")["actor_id"] == before
    shown = grite.json(repo, "actor", "show", made["actor_id"])["actor"]
    assert shown["public_key"] == made["keys"][0]["public_key"]
    cli(repo, "actor", "use", made["actor_id"])
    assert grite.json(repo, "actor", "current")["actor_id"] == made["actor_id"]
    task = cli(repo, "task", "add", "Signed by us").stdout.strip()
    cli(repo, "start", task)
    grite(repo, "issue", "create", "--title", "Signed by grite with our key", "--body", "b")
    cli(repo, "snapshot")
    grite(repo, "rebuild", "--from-snapshot")
    verified = grite.json(repo, "db", "verify")
    assert verified["error_count"] == 0
    assert verified["signatures_valid"] == verified["events_checked"] > 3
    (repo / ".git" / "grite" / "config.toml").write_text(
        f'default_actor = "{made["actor_id"]}"\nverify_signatures = "require"\n'
    )
    log = SessionLog.open(repo, environ={})
    assert {task.title for task in log.tasks(include_all=True)} == {
        "Signed by us",
        "Signed by grite with our key",
    }
    assert log.problems == []
