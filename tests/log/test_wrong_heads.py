"""Nothing is written on a head that is lost or is no log's, and what mends it is said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_session.errors import DamagedLogError
from git_session.git.repository.objects import ObjectStore
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git, run
from tests.log.test_index import as_one_without_privileges
from tests.support import servers
from tests.support.fleet import WAL, Clone, read_head, set_head, write_commit
from tests.support.forge import forget_kept
from tests.support.servers import Hub

hub = servers.path_hub


@pytest.fixture
def clone(tmp_path: Path, hub: Hub) -> Clone:
    """Gives a clone whose log is at the hub, and whose index is fresh."""
    clone = Clone.make(tmp_path / "clone", origin=hub.path)
    clone.start(clone.task())
    clone.sync_well()
    clone.log.session_rows()
    with clone.log as log:
        log.session_rows()
    forget_kept(clone.path / ".git")
    return clone


def write_code(path: Path) -> str:
    """Writes a commit as a project has them, with files that look a little like a log's."""
    return write_commit(path, {"main.c": b"int main;", "meta.json": b"{}", "rom.bin": b"\x90"})


def loose_file(path: Path, oid: str) -> Path:
    return path / ".git" / "objects" / oid[:2] / oid[2:]


def damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[20] ^= 0xFF
    file.unlink()
    file.write_bytes(data)


# -- a head that is no log's


def test_nothing_is_written_on_a_commit_that_is_none_of_a_log(clone: Clone, cli: Cli) -> None:
    task = clone.log.task_rows()[0]["task_id"]
    code = write_code(clone.path)
    set_head(clone.path, code)
    for line in ("task add x", f"start --exclusive {task}", f"start {task}", f"run {task} -- true"):
        ran = cli(clone.path, *line.split())
        assert ran.code != 0, ran
        assert read_head(clone.path) == code
        if "no such task" not in ran.stderr:
            assert f"{code}, which is not a commit of a log" in ran.stderr, ran
            assert "hint: git session repair" in ran.stderr, ran
    with pytest.raises(DamagedLogError, match="not a commit of a log"):
        clone.log.add_task_row("x")


def test_a_wrong_head_is_not_synced_and_the_side_that_is_wrong_is_named(
    clone: Clone, hub: Hub, cli: Cli
) -> None:
    there, code = read_head(hub.path), write_code(clone.path)
    set_head(clone.path, code)
    ran = cli(clone.path, "sync")
    assert ran.code == 1
    assert ran.stderr.startswith(f"error: {WAL} holds {code}, which is not a commit of a log")
    assert "hint: git session repair" in ran.stderr
    assert (read_head(clone.path), read_head(hub.path)) == (code, there)
    ran = cli(clone.path, "repair", "--json")
    assert ran.json()["data"]["head_command"] == f"git update-ref {WAL} {there} {code}"


def test_an_index_is_never_made_of_what_is_no_log(clone: Clone) -> None:
    set_head(clone.path, write_code(clone.path))
    for _ in range(2):
        with clone.log as log:
            log.session_rows()
        with pytest.raises(DamagedLogError):
            clone.log.add_task_row("x")


# -- a head that only the index still knows


@pytest.mark.parametrize("harm", [damage, Path.unlink], ids=["damaged", "lost"])
def test_nothing_is_written_on_a_head_that_only_the_index_still_knows(
    clone: Clone, cli: Cli, harm: Callable[[Path], object]
) -> None:
    session, head = clone.log.session_rows()[0]["session_id"], clone.head or ""
    harm(loose_file(clone.path, head))
    ran = cli(clone.path, "ready", session)
    assert (ran.code, clone.head) == (1, head)
    assert f"the log's commit {head} cannot be read" in ran.stderr
    checks = cli(clone.path, "doctor", "--json").json()["data"]["lines"]
    line = next(check for check in checks if check["name"] == "log")
    assert (line["status"], line["command"].split(" searches")[0]) == (
        "failing",
        "git session repair",
    )
    assert cli(clone.path, "repair", "--from", "origin", "--apply").code == 0
    assert cli(clone.path, "ready", session).code == 0


def test_a_head_that_is_known_is_read_once_and_none_that_was_written_here(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    true = ObjectStore.commit_time

    def commit_time(store: ObjectStore, oid: str) -> int:
        looks.append(oid)
        return true(store, oid)

    monkeypatch.setattr(ObjectStore, "commit_time", commit_time)
    head, log = clone.head, SessionLog.open(clone.path)
    for title in "abc":
        log.add_task_row(title)
    assert looks == [head]


def test_what_git_says_of_a_damaged_object_comes_with_what_mends_it(
    clone: Clone, hub: Hub, cli: Cli, tmp_path: Path
) -> None:
    other = Clone.make(tmp_path / "other", origin=hub.path)
    other.sync_well()
    other.task()
    other.sync_well()
    damage(loose_file(clone.path, git(clone.path, "rev-parse", f"{WAL}^")))
    ran = cli(clone.path, "sync")
    assert ran.code == 1
    assert (
        "hint: an object of this clone is damaged or missing: git session repair --from origin"
        in (ran.stderr)
    )
    assert cli(clone.path, "repair", "--from", "origin", "--apply").code == 0
    assert cli(clone.path, "sync").code == 0


# -- a head that is gone


def test_a_log_whose_ref_is_gone_is_not_taken_for_one_that_never_was(
    clone: Clone, cli: Cli
) -> None:
    task = clone.task("Never sent")
    git(clone.path, "update-ref", "-d", WAL)
    for line, code in (
        ("list --json", 0),
        ("tasks", 0),
        ("fsck", 0),
        ("fsck --strict", 1),
        (f"start {task}", 3),
        ("task add Another", 3),
        ("snapshot", 3),
    ):
        ran = cli(clone.path, *line.split())
        assert ran.code == code, ran
        assert f"{WAL} is not there, but origin was seen here with a log" in ran.stderr
        assert "hint: git session repair" in ran.stderr
    checks = cli(clone.path, "doctor", "--json").json()["data"]["lines"]
    line = next(check for check in checks if check["name"] == "log")
    assert (line["status"], line["command"]) == ("warning", "git session repair")
    assert cli(clone.path, "repair", "--apply").code == 0
    assert [row["title"] for row in clone.log.task_rows()][-1] == "Never sent"


def test_where_there_was_no_log_yet_the_hint_names_the_remote_that_may_have_one(
    repo: Path, cli: Cli
) -> None:
    plain = cli(repo, "list").stderr
    assert "sync" not in plain
    assert "git session task add TITLE begins the log" in plain
    git(repo, "remote", "add", "origin", "https://nowhere.invalid/never-asked")
    for words in (("list",), ("show", "x")):
        said = cli(repo, *words).stderr
        assert "git session sync fetches the log of origin, if it has one" in said


# -- a part of a commit


def test_what_is_missing_in_a_commit_is_named_by_its_path(clone: Clone, cli: Cli) -> None:
    blob = git(clone.path, "rev-parse", f"{WAL}:meta.json")
    loose_file(clone.path, blob).unlink()
    for index in (clone.path / ".git" / "git-session").glob("index-*"):
        index.unlink()
    assert "meta.json is missing or damaged" in cli(clone.path, "list").stderr
    assert "meta.json is missing or damaged" in cli(clone.path, "fsck").stdout
    assert "meta.json is missing or damaged" in cli(clone.path, "repair").stdout
    tree = git(clone.path, "rev-parse", f"{WAL}:events")
    loose_file(clone.path, tree).unlink()
    assert "the folder events is missing or damaged" in cli(clone.path, "fsck").stdout


# -- what may not be read


@pytest.mark.parametrize(
    ("part", "lines"),
    [
        ("objects", ("list --count", "fsck", "repair", "sync", "ready {session}")),
        ("refs/grite", ("list", "repair", "ready {session}")),
    ],
)
def test_what_may_not_be_read_is_named_with_its_permission_and_is_no_damage(
    clone: Clone, part: str, lines: tuple[str, ...]
) -> None:
    session = clone.log.session_rows()[0]["session_id"]
    folder = clone.path / ".git" / part
    program = [*as_one_without_privileges(), sys.executable, "-m", "git_session"]
    (clone.path / ".git" / "git-session").rename(clone.path / "kept")
    folder.chmod(0)
    try:
        for line in lines:
            ran = run(clone.path, *program, *line.format(session=session).split())
            assert ran.code == 5, ran
            assert f"cannot read {folder}: Permission denied" in ran.stderr, ran
            assert f"hint: ls -ld {folder} " in ran.stderr, ran
            assert "git session repair" not in ran.stderr, ran
    finally:
        folder.chmod(0o755)
