"""What is damaged here and good elsewhere comes back, and nothing is rewritten for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.errors import NotFoundError
from git_session.git.repository.objects import ObjectStore
from git_session.health.repair.plan import apply_repair, plan_repair, report_row
from git_session.log.session_log import SessionLog
from git_session.sync.snapshot import write_snapshot_row
from tests.conftest import Cli, git
from tests.support.damage import (
    Specimen,
    Workshop,
    find_errors,
    flip,
    loose_files,
    make_specimen,
    oid_of,
    read,
    replace,
)
from tests.support.forge import Forge, block, comment
from tests.support.stores import WAL

TRACKING: Final = "refs/git-session/remotes/hub/grite/wal"


@pytest.fixture
def specimen(bare: Path) -> Specimen:
    return make_specimen(bare)


@pytest.fixture
def hub(specimen: Specimen) -> Path:
    """Gives a copy of the log elsewhere, which the damaged repository knows as `hub`."""
    path = specimen.path.parent / "hub.git"
    git(path.parent, "clone", "--quiet", "--mirror", str(specimen.path), str(path))
    git(specimen.path, "remote", "add", "hub", "../hub.git")
    return path


def repair(path: Path, *, remote: str | None = None, is_applied: bool = True) -> Any:
    """Repairs, and gives the report."""
    store = ObjectStore.open(path)
    plan = plan_repair(store, remote=remote)
    applied = apply_repair(store, plan) if is_applied else None
    return report_row(store, plan, applied, done=is_applied)


def lose(path: Path, oid: str) -> None:
    (path / "objects" / oid[:2] / oid[2:]).unlink()


def chunk_of(path: Path, commit: str) -> str:
    """Gives the id of a commit's chunk."""
    names = git(path, "ls-tree", "-r", commit).splitlines()
    return next(line.split()[2] for line in names if line.endswith(".bin"))


def require_whole(specimen: Specimen) -> None:
    """Requires that the log reads as it did, and that fsck finds no damage any more."""
    found = read(specimen.path)
    assert (found.answers, found.events) == (specimen.sound.answers, specimen.sound.events)
    assert find_errors(specimen.path) == []


# -- nothing to do


def test_a_sound_log_is_left_alone(specimen: Specimen, hub: Path) -> None:
    for remote in (None, "hub"):
        report = repair(specimen.path, remote=remote)
        assert report["head_state"] == "sound"
        assert not any(report[key] for key in ("objects", "events", "damage", "lost_events"))
    assert git(specimen.path, "rev-parse", WAL) == specimen.commits[-1]


def test_where_there_was_never_a_log_none_is_made(bare: Path) -> None:
    report = repair(bare)
    assert (report["head_state"], report["commit"]) == ("none", None)
    assert git(bare, "for-each-ref") == ""


def test_what_a_remote_has_more_is_for_a_sync_to_bring(specimen: Specimen, hub: Path) -> None:
    ahead = Forge(hub)
    ahead.head = specimen.commits[-1]
    head = ahead.commit(comment("news", 40))
    git(specimen.path, "fetch", "--quiet", str(hub), f"{head}:{TRACKING}")
    for remote in (None, "hub"):
        assert repair(specimen.path, remote=remote)["events"] == []


def test_what_was_dropped_or_lost_a_race_is_not_brought_back(specimen: Specimen) -> None:
    """Commits that nothing leads to were mostly never recorded: a refused claim, a lost race."""
    forge = Forge(specimen.path)
    forge.head = specimen.commits[-2]
    forge.commit(block("spawned", 30))
    git(specimen.path, "update-ref", WAL, specimen.commits[-1])
    write_snapshot_row(SessionLog.open(specimen.path))
    assert repair(specimen.path)["events"] == []
    lose(specimen.path, chunk_of(specimen.path, specimen.commits[0]))
    repair(specimen.path)
    require_whole(specimen)


# -- from a remote


def test_whichever_object_is_damaged_a_remote_makes_the_log_whole_again(
    specimen: Specimen, hub: Path
) -> None:
    for number, file in enumerate(loose_files(specimen.path)):
        if number % 2:
            replace(file, flip(file.read_bytes(), 99))
        else:
            file.unlink()
        proposed = repair(specimen.path, remote="hub", is_applied=False)
        assert proposed["objects"] == 1
        assert not file.exists() or number % 2
        done = repair(specimen.path, remote="hub")
        assert (done["objects"], done["events"], done["commit"]) == (1, [], None)
        require_whole(specimen)
    assert git(specimen.path, "rev-parse", WAL) == specimen.commits[-1]
    assert git(specimen.path, "fsck", "--strict") == ""


def test_with_every_object_damaged_a_remote_makes_the_log_whole_again(
    specimen: Specimen, hub: Path
) -> None:
    files = loose_files(specimen.path)
    for file in files:
        replace(file, file.read_bytes()[:20])
    assert repair(specimen.path, remote="hub")["objects"] == len(files)
    require_whole(specimen)


def test_a_remote_that_is_not_there_is_an_error_and_nothing_changes(specimen: Specimen) -> None:
    with pytest.raises(NotFoundError):
        repair(specimen.path, remote="nowhere")


# -- from what is here


def test_a_chunk_is_rebuilt_to_the_byte_from_a_snapshot(specimen: Specimen) -> None:
    write_snapshot_row(SessionLog.open(specimen.path))
    for oid in {chunk_of(specimen.path, commit) for commit in specimen.commits}:
        lose(specimen.path, oid)
    lost = [row["code"] for row in find_errors(specimen.path)]
    assert lost == ["missing_object"] * 5
    report = repair(specimen.path)
    # The side and the merge have the same chunk.
    assert (report["objects"], report["events"], report["damage"]) == (4, [], [])
    require_whole(specimen)


def test_a_lost_commits_events_come_back_from_a_snapshot(specimen: Specimen) -> None:
    write_snapshot_row(SessionLog.open(specimen.path))
    lose(specimen.path, specimen.commits[2])
    report = repair(specimen.path)
    ready = block("ready", 6, parent=block("spawned", 1)).id().hex()
    assert [row["source"] for row in report["events"] if row["event_id"] == ready] == [
        next_snapshot(specimen.path)
    ]
    found = read(specimen.path)
    assert (found.answers, found.events) == (specimen.sound.answers, specimen.sound.events)
    head = git(specimen.path, "rev-parse", WAL)
    assert git(specimen.path, "rev-parse", f"{head}^") == specimen.commits[1]
    assert report["commit"] == head
    # What is gone is said: nobody can tell that it held no more.
    assert [row["commit"] for row in report["damage"]] == [specimen.commits[2]]
    again = repair(specimen.path)
    assert (again["events"], again["damage"], again["commit"]) == ([], [], None)


def next_snapshot(path: Path) -> str:
    """Gives the one snapshot's ref."""
    return git(path, "for-each-ref", "--format=%(refname)", "refs/grite/snapshots")


def test_a_changed_event_comes_back_from_the_other_side_of_a_merge(specimen: Specimen) -> None:
    workshop = Workshop(specimen)
    merge = specimen.commits[3]
    ((oid, content),) = [
        (oid, content)
        for commit, oid, _, content in workshop.parts()
        if commit == merge and content.startswith(b"GRITECNK")
    ]
    changed = content.replace(b"beside it", b"beside us")
    # The side has the same chunk: only the merge's copy, the later one, is changed.
    side = specimen.commits[1]
    workshop._parts = [(c, parts) for c, parts in workshop._parts if c != side]
    workshop.change(oid, changed, is_consistent=True)
    assert read(specimen.path).events < specimen.sound.events
    report = repair(specimen.path)
    assert [row["source"] for row in report["events"]] == ["the other side of a merge"]
    assert report["lost_events"] == []
    assert read(specimen.path).answers == specimen.sound.answers
    assert repair(specimen.path)["events"] == []


def test_what_is_known_to_be_missing_and_is_nowhere_is_named(specimen: Specimen) -> None:
    """A transition names the one before it, so a lost one is known by its id."""
    lost = block("ready", 6, parent=block("spawned", 1)).id().hex()
    lose(specimen.path, chunk_of(specimen.path, specimen.commits[2]))
    report = repair(specimen.path)
    assert report["lost_events"] == [lost]
    assert [row["commit"] for row in report["damage"]] == [specimen.commits[2]]
    assert repair(specimen.path)["lost_events"] == [lost]


def test_an_event_known_to_be_missing_is_taken_from_a_commit_that_nothing_leads_to(
    specimen: Specimen,
) -> None:
    ready = block("ready", 6, parent=block("spawned", 1))
    forge = Forge(specimen.path)
    forge.head = specimen.commits[0]
    forge.commit(comment("never recorded", 20), ready, comment("nor this", 21))
    git(specimen.path, "update-ref", WAL, specimen.commits[-1])
    lose(specimen.path, chunk_of(specimen.path, specimen.commits[2]))
    repair(specimen.path)
    require_whole(specimen)


# -- the ref


@pytest.mark.parametrize("elsewhere", ["tracking", "backup", "nowhere"])
def test_a_ref_that_is_gone_is_made_again(specimen: Specimen, elsewhere: str) -> None:
    ref = {"tracking": TRACKING, "backup": "refs/backup/wal"}.get(elsewhere)
    if ref is not None:
        git(specimen.path, "update-ref", ref, specimen.commits[2])
    git(specimen.path, "update-ref", "-d", WAL)
    proposed = repair(specimen.path, is_applied=False)
    assert proposed["candidates"][0]["commit"] == specimen.commits[-1]
    assert not (specimen.path / WAL).exists()
    repair(specimen.path)
    assert git(specimen.path, "rev-parse", WAL) == specimen.commits[-1]
    require_whole(specimen)


def test_a_log_of_which_only_a_snapshot_is_left_begins_anew_with_its_events(
    specimen: Specimen,
) -> None:
    write_snapshot_row(SessionLog.open(specimen.path))
    git(specimen.path, "update-ref", "-d", WAL)
    for commit in specimen.commits:
        lose(specimen.path, commit)
    report = repair(specimen.path)
    assert (report["head_state"], report["candidates"]) == ("missing", [])
    assert read(specimen.path).answers == specimen.sound.answers
    assert find_errors(specimen.path) == []


def test_a_log_that_is_gone_altogether_comes_from_a_remote(specimen: Specimen, hub: Path) -> None:
    for file in loose_files(specimen.path):
        file.unlink()
    git(specimen.path, "update-ref", "-d", WAL)
    assert repair(specimen.path)["head_state"] == "none"
    repair(specimen.path, remote="hub")
    assert git(specimen.path, "rev-parse", WAL) == specimen.commits[-1]
    require_whole(specimen)


BROKEN: Final[dict[str, Callable[[Path], object]]] = {
    "words": lambda path: path.write_text("no id at all\n"),
    "nothing": lambda path: path.write_text(""),
    "zeros": lambda path: path.write_text("0" * 40 + "\n"),
    "the id of nothing": lambda path: path.write_text("1" * 40 + "\n"),
    "another ref": lambda path: path.write_text("ref: refs/heads/main\n"),
    "itself": lambda path: path.write_text(f"ref: {WAL}\n"),
}


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN)
def test_a_broken_ref_is_left_as_it_is_and_the_command_that_mends_it_is_said(
    specimen: Specimen, cli: Cli, break_it: Callable[[Path], object], is_packed: bool
) -> None:
    if is_packed:
        git(specimen.path, "pack-refs", "--all")
    break_it(specimen.path / WAL)
    before = (specimen.path / WAL).read_bytes()
    ran = cli(specimen.path, "repair", "--apply", "--json")
    report = ran.json()["data"]
    assert ran.code == 1
    assert report["head_state"] == "unreadable"
    assert report["candidates"][0]["commit"] == specimen.commits[-1]
    assert (specimen.path / WAL).read_bytes() == before
    assert f"hint: {report['head_command']}\n" in ran.stderr
    git(specimen.path, "-c", f"alias.typed=!{report['head_command']}", "typed")
    assert git(specimen.path, "rev-parse", WAL) == specimen.commits[-1]
    require_whole(specimen)


def test_a_head_that_is_lost_is_replaced_by_hand_with_the_one_before_it(
    specimen: Specimen, cli: Cli
) -> None:
    lose(specimen.path, specimen.commits[-1])
    ran = cli(specimen.path, "repair", "--json")
    report = ran.json()["data"]
    assert report["candidates"][0]["commit"] == specimen.commits[-2]
    old, new = specimen.commits[-1], specimen.commits[-2]
    assert report["head_command"] == f"git update-ref {WAL} {new} {old}"


# -- the command


def test_the_command_proposes_first_and_does_then(specimen: Specimen, hub: Path, cli: Cli) -> None:
    lost = chunk_of(specimen.path, specimen.commits[0])
    lose(specimen.path, lost)
    ran = cli(specimen.path, "repair")
    assert ran.code == 1
    assert f"(commit {specimen.commits[0][:12]})" in ran.stdout
    assert "repair --from REMOTE" in ran.stderr
    ran = cli(specimen.path, "repair", "--from", "hub")
    assert (ran.code, ran.stdout) == (0, "1 object can be put back, byte for byte\n")
    assert "git session repair --from hub --apply" in ran.stderr
    assert not (specimen.path / "objects" / lost[:2] / lost[2:]).exists()
    ran = cli(specimen.path, "repair", "--from", "hub", "--apply")
    assert (ran.code, ran.stdout) == (0, "1 object put back, byte for byte\n")
    require_whole(specimen)
    ran = cli(specimen.path, "repair")
    assert (ran.code, ran.stdout) == (0, "")
    assert ran.stderr.endswith("there is nothing to repair\n")


def test_appending_goes_onto_whatever_the_head_is_by_then(specimen: Specimen) -> None:
    write_snapshot_row(SessionLog.open(specimen.path))
    lose(specimen.path, specimen.commits[2])
    store = ObjectStore.open(specimen.path)
    plan = plan_repair(store)
    SessionLog.open(specimen.path, environ={}).add_task("meanwhile")
    between = git(specimen.path, "rev-parse", WAL)
    commit = apply_repair(store, plan)
    assert git(specimen.path, "rev-parse", WAL) == commit != between
    found = read(specimen.path)
    assert len(found.answers[0]) == len(specimen.sound.answers[0]) + 1
    assert specimen.sound.events < found.events


def test_an_object_that_is_put_back_replaces_the_damaged_file(specimen: Specimen) -> None:
    store = ObjectStore.open(specimen.path)
    for file in loose_files(specimen.path):
        kind, content = store.files.read(oid_of(file)) or (0, b"")
        replace(file, b"no object at all")
        assert store.files.read(oid_of(file)) is None
        assert store.files.put(kind, content) == oid_of(file)
        assert store.files.read(oid_of(file)) == (kind, content)
    assert git(specimen.path, "fsck", "--strict") == ""
