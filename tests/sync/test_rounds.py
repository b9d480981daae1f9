"""What a sync does: five scenarios, several remotes, races; each with real repositories by path."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from git_session.core.wire import names
from git_session.errors import (
    ConflictError,
    ContendedError,
    LockedError,
    NotFoundError,
    UsageError,
)
from git_session.git.repository.objects import ObjectStore
from git_session.sync.rounds import sync_log
from git_session.sync.snapshot import write_snapshot_row
from tests.conftest import Cli, git, run
from tests.support import servers
from tests.support.fleet import WAL, Clone, MeddledGit, is_ancestor, read_head, set_head
from tests.support.servers import Hub

hub = servers.path_hub
TRACKED = names.tracking_ref("origin", WAL)


@pytest.fixture
def make(tmp_path: Path, hub: Hub) -> Callable[..., Clone]:
    """Gives a maker of clones of the hub, by name; more remotes are given by name."""

    def make(name: str, **remotes: Path | str) -> Clone:
        return Clone.make(tmp_path / name, origin=hub.path, **remotes)

    return make


@pytest.fixture
def pair(make: Callable[..., Clone]) -> tuple[Clone, Clone, str]:
    """Gives two clones that share a log of one task, and the task."""
    one, other = make("one"), make("other")
    task = one.task()
    one.sync_well()
    other.sync_well()
    assert one.head == other.head
    return one, other, task


@pytest.fixture
def diverged(pair: tuple[Clone, Clone, str]) -> tuple[Clone, Clone, str]:
    """Gives two clones of which each holds a session (4 events) that the other lacks.

    The session of `one` is at the hub.
    """
    one, other, task = pair
    one.start(task, engine="codex")
    other.start(task, engine="claude")
    one.sync_well()
    return pair


def tell(report: dict[str, object]) -> tuple[object, ...]:
    return report["outcome"], report["events_in"], report["events_out"]


# -- the five scenarios


def test_nothing_on_either_side_is_nothing_to_do(make: Callable[..., Clone]) -> None:
    clone = make("one")
    report = clone.sync_well()
    assert tell(report) == ("empty", 0, 0)
    assert report["head"] is None
    assert clone.head is None


def test_a_new_log_is_sent_and_another_clone_receives_it(
    make: Callable[..., Clone], hub: Hub
) -> None:
    one, other = make("one"), make("other")
    one.task()
    assert tell(one.sync_well()) == ("sent", 0, 1)
    assert read_head(hub.path) == one.head
    assert tell(other.sync_well()) == ("received", 1, 0)
    assert other.head == one.head
    assert read_head(other.path, TRACKED) == one.head
    assert [row["title"] for row in other.log.task_rows()] == ["Fix the flaky test"]


def test_the_same_log_on_both_sides_is_left_as_it_is(pair: tuple[Clone, Clone, str]) -> None:
    one, _, _ = pair
    before = one.head
    row, error = one.sync()
    (report,) = row["remotes"]
    assert error is None
    assert tell(report) == ("same", 0, 0)
    assert report["attempts"] == 1
    assert (row["head"], row["merges"]) == (before, 0)


def test_who_is_ahead_sends_and_who_is_behind_receives(
    pair: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, task = pair
    one.start(task)
    report = one.sync_well()
    assert tell(report) == ("sent", 0, 4)
    assert report["unsent"] == 0
    assert tell(other.sync_well()) == ("received", 4, 0)
    assert one.head == other.head == read_head(hub.path)


def test_logs_that_diverged_become_one_with_all_that_both_told(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = diverged
    told = one.events | other.events
    mine = other.head
    row, error = other.sync()
    (report,) = row["remotes"]
    assert error is None
    assert tell(report) == ("merged", 4, 4)
    assert row["merges"] == 1
    assert other.events == told
    assert git(other.path, "rev-list", "--parents", "-1", WAL).split()[0] == other.head
    assert set(git(other.path, "rev-list", "--parents", "-1", WAL).split()[1:]) == {mine, one.head}
    assert tell(one.sync_well()) == ("received", 4, 0)
    assert one.head == other.head == read_head(hub.path)
    assert len(one.log.session_rows()) == 2


def test_unrelated_logs_become_one(make: Callable[..., Clone], hub: Hub) -> None:
    one, other = make("one"), make("other")
    one.task("Here")
    other.task("There")
    one.sync_well()
    assert tell(other.sync_well()) == ("merged", 1, 1)
    one.sync_well()
    assert one.head == other.head == read_head(hub.path)
    assert {row["title"] for row in one.log.task_rows()} == {"Here", "There"}


def test_clones_that_merge_the_same_pair_apart_meet_in_one_commit(
    diverged: tuple[Clone, Clone, str], hub: Hub, tmp_path: Path
) -> None:
    one, other, _ = diverged
    # A second hub holds the other head: each clone meets what the other one has, elsewhere.
    second = tmp_path / "second.git"
    git(tmp_path, "init", "--quiet", "--bare", str(second))
    other.sync_well(str(second))
    assert tell(one.sync_well(str(second))) == ("merged", 4, 4)
    assert tell(other.sync_well()) == ("merged", 4, 4)
    assert one.head == other.head


# -- directions


def test_fetch_takes_in_and_sends_nothing(diverged: tuple[Clone, Clone, str], hub: Hub) -> None:
    one, other, _ = diverged
    there = read_head(hub.path)
    report = other.sync_well(direction="fetch")
    assert tell(report) == ("merged", 4, 0)
    assert report["unsent"] == 1
    assert other.events >= one.events
    assert read_head(hub.path) == there
    assert tell(other.sync_well(direction="fetch")) == ("same", 0, 0)


def test_push_sends_and_takes_in_nothing(pair: tuple[Clone, Clone, str], hub: Hub) -> None:
    one, other, task = pair
    one.start(task)
    assert tell(one.sync_well(direction="push")) == ("sent", 0, 4)
    before = other.head
    assert tell(other.sync_well(direction="push")) == ("same", 0, 0)
    assert other.head == before != read_head(hub.path)


def test_push_of_a_log_that_diverged_is_refused_and_names_the_way(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    _, other, _ = diverged
    before, there = other.head, read_head(hub.path)
    row, error = other.sync(direction="push")
    assert isinstance(error, ConflictError)
    assert error.hint == "git session sync origin brings both together"
    assert row["remotes"][0]["outcome"] == "failed"
    assert (other.head, read_head(hub.path)) == (before, there)
    assert tell(other.sync_well()) == ("merged", 4, 4)


@pytest.mark.parametrize(
    ("direction", "expected"), [("both", ("merged", 4, 4)), ("fetch", ("merged", 4, 0))]
)
def test_a_dry_run_says_what_is_due_and_moves_no_ref_of_the_log(
    direction: str, expected: tuple[object, ...], diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    _, other, _ = diverged
    write_snapshot_row(other.log)
    before, there = other.head, git(hub.path, "for-each-ref")
    dry, error = other.sync(direction=direction, is_dry_run=True)
    assert error is None
    assert (other.head, git(hub.path, "for-each-ref")) == (before, there)
    assert (dry["is_dry_run"], dry["merges"]) == (True, 0)
    real, _ = other.sync(direction=direction)
    for row in (dry, real):
        assert tell(row["remotes"][0]) == expected
        assert row["remotes"][0]["snapshots_out"] == (direction == "both")


def test_a_dry_run_of_a_push_says_what_would_be_sent(
    pair: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, _, task = pair
    one.start(task)
    there = read_head(hub.path)
    assert tell(one.sync_well(direction="push", is_dry_run=True)) == ("sent", 0, 4)
    assert read_head(hub.path) == there
    assert tell(one.sync_well(direction="push")) == ("sent", 0, 4)


# -- several remotes


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Gives a second hub."""
    git(tmp_path, "init", "--quiet", "--bare", str(tmp_path / "backup.git"))
    return tmp_path / "backup.git"


def test_all_remotes_come_to_the_same_log(
    make: Callable[..., Clone], backup: Path, hub: Hub
) -> None:
    one, other = make("one"), make("other", backup=backup)
    task = one.task()
    one.sync_well()
    other.sync_well("origin")
    other.sync_well("backup")
    one.start(task)
    one.sync_well()
    third = make("third", backup=backup)
    third.sync_well("backup")
    third.start(task)
    third.sync_well("backup")
    other.start(task)
    row, error = other.sync("origin", "backup")
    assert error is None
    assert [tell(report) for report in row["remotes"]] == [("merged", 4, 8), ("merged", 4, 8)]
    assert other.head == read_head(hub.path) == read_head(backup)
    assert len(other.log.session_rows()) == 3
    assert row["merges"] == 2


def test_the_configuration_names_the_remotes(make: Callable[..., Clone], backup: Path) -> None:
    clone = make("one", backup=backup)
    clone.task()
    row, _ = clone.sync()
    assert [report["remote"] for report in row["remotes"]] == ["origin"]
    git(clone.path, "config", "session.remote", "backup")
    git(clone.path, "config", "--add", "session.remote", "origin")
    row, _ = clone.sync()
    assert [report["remote"] for report in row["remotes"]] == ["backup", "origin"]
    row, _ = clone.sync("origin", "origin")
    assert [report["remote"] for report in row["remotes"]] == ["origin"]


@pytest.mark.parametrize("order", [("broken", "origin"), ("origin", "broken")])
def test_a_remote_that_fails_does_not_keep_the_others_from_syncing(
    order: tuple[str, str], pair: tuple[Clone, Clone, str], tmp_path: Path, hub: Hub
) -> None:
    one, other, task = pair
    git(one.path, "remote", "add", "broken", str(tmp_path / "nowhere.git"))
    one.start(task)
    warnings: list[str] = []
    row, error = one.sync(*order, on_warning=warnings.append)
    reports = {report["remote"]: report for report in row["remotes"]}
    assert tell(reports["origin"]) == ("sent", 0, 4)
    assert reports["broken"]["outcome"] == "failed"
    assert reports["broken"]["unsent"] == 1
    assert error is not None
    assert "does not appear to be a git repository" in reports["broken"]["error"]
    assert reports["broken"]["error"] == error.message
    assert warnings == []
    assert tell(other.sync_well()) == ("received", 4, 0)


def test_each_failure_is_said(pair: tuple[Clone, Clone, str], tmp_path: Path) -> None:
    one, _, _ = pair
    for name in ("first", "second"):
        git(one.path, "remote", "add", name, str(tmp_path / f"{name}-nowhere.git"))
    warnings: list[str] = []
    _, error = one.sync("first", "second", on_warning=warnings.append)
    assert error is not None
    assert "first-nowhere" in error.message
    assert [word for word in warnings if "second-nowhere" in word] == warnings != []


def test_what_a_failing_remote_lacks_is_told_from_when_it_was_last_seen(
    pair: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, _, task = pair
    session = one.start(task)
    one.sync_well()
    one.beat(session)
    hub.stop()
    row, error = one.sync()
    assert error is not None
    assert row["remotes"][0]["unsent"] == 1
    assert one.log.unsent() == {"origin": 1}


def test_remotes_that_diverged_from_each_other_meet_by_fast_forwards(
    make: Callable[..., Clone], backup: Path, hub: Hub
) -> None:
    one, other = make("one"), make("other", backup=backup)
    task = one.task()
    one.sync_well()
    other.sync_well("origin")
    other.start(task)
    other.sync_well("backup")
    one.start(task)
    one.sync_well()
    for path in (hub.path, backup):
        git(path, "config", "receive.denyNonFastForwards", "true")
        git(path, "config", "core.logAllRefUpdates", "always")
    third = make("third", backup=backup)
    for remote in ("origin", "backup", "origin"):
        third.sync_well(remote)
    assert third.head == read_head(hub.path) == read_head(backup)
    for path in (hub.path, backup):
        moves = git(path, "reflog", "show", "--format=%H", WAL).split()[::-1]
        for earlier, later in pairwise(moves):
            assert is_ancestor(path, earlier, later)


# -- races


def meddle(clone: Clone, deeds: list[Callable[[], object]]) -> MeddledGit:
    """Lets one of the deeds happen before each of the clone's pushes, while there are any."""
    meddled = clone.git
    meddled.before_push = lambda: deeds.pop(0)() if deeds else None
    return meddled


def test_who_is_overtaken_merges_anew_and_leaves_no_merge_behind(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = diverged
    session = one.log.session_rows()[0]["session_id"]

    def overtake() -> None:
        one.beat(session)
        one.sync_well()

    row, error = other.sync(git=meddle(other, [overtake] * 3))
    (report,) = row["remotes"]
    assert error is None
    assert report["attempts"] == 4
    assert tell(report) == ("merged", 7, 4)
    assert row["merges"] == 1
    assert git(hub.path, "rev-list", "--merges", "--count", WAL) == "1"
    assert other.head == read_head(hub.path)


def test_what_is_recorded_during_a_sync_goes_with_it(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    _, other, _ = diverged
    session = other.log.session_rows()[0]["session_id"]
    row, error = other.sync(git=meddle(other, [lambda: other.beat(session)]))
    (report,) = row["remotes"]
    assert error is None
    assert tell(report) == ("merged", 4, 5)
    assert other.head == read_head(hub.path)
    assert len(other.log.transition_rows(session)) == 2
    assert report["unsent"] == 0


def test_sync_that_loses_a_race_here_asks_no_remote_again(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = diverged
    session = other.log.session_rows()[0]["session_id"]
    row, error = other.sync(git=meddle(other, [lambda: other.beat(session)] * 2))
    (report,) = row["remotes"]
    assert error is None
    assert tell(report) == ("merged", 4, 5)
    assert (report["attempts"], row["merges"], report["unsent"]) == (1, 2, 1)
    assert git(hub.path, "rev-list", "--merges", "--count", WAL) == "2"
    assert is_ancestor(other.path, read_head(hub.path) or "", other.head or "")
    assert tell(other.sync_well()) == ("sent", 0, 1)
    assert tell(one.sync_well())[0] == "received"
    assert one.head == other.head


def test_sync_fetch_that_loses_a_race_here_makes_one_merge(
    diverged: tuple[Clone, Clone, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, other, _ = diverged
    session = other.log.session_rows()[0]["session_id"]
    store = other.log.store
    overtake_moves(store, [lambda: other.beat(session)], monkeypatch)
    row, error = sync_log(store, direction="fetch")
    assert error is None
    assert tell(row["remotes"][0]) == ("merged", 4, 0)
    assert (row["merges"], row["remotes"][0]["attempts"]) == (1, 1)
    assert git(other.path, "rev-list", "--merges", "--count", WAL) == "1"


def test_sync_that_loses_every_race_here_names_the_log_here(
    diverged: tuple[Clone, Clone, str], hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, other, _ = diverged
    store = other.log.store

    def move_by_git() -> None:  # as a program does that knows nothing of our queue
        tree, head = git(other.path, "rev-parse", f"{WAL}^{{tree}}"), other.head or ""
        set_head(other.path, git(other.path, "commit-tree", tree, "-p", head, "-m", "WAL"))

    overtake_moves(store, [move_by_git] * 20, monkeypatch)
    row, error = sync_log(store, timeout=0.2)
    assert isinstance(error, ContendedError)
    assert error.message == (
        f"the log here kept moving until the time was up: other programs moved {WAL} each time"
    )
    assert row["remotes"][0]["error"] is None
    assert "origin" not in error.message
    assert row["remotes"][0]["outcome"] == "merged"


def overtake_moves(
    store: ObjectStore, deeds: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run one of the deeds before each move of the log here, while there are any."""
    move = store.advance_ref

    def advance_ref(name: str, expected: str | None, new: str, message: str) -> bool:
        if name == WAL and deeds:
            deeds.pop(0)()
        return move(name, expected, new, message)

    monkeypatch.setattr(store, "advance_ref", advance_ref)


def test_each_remotes_report_tells_what_all_its_rounds_did(
    diverged: tuple[Clone, Clone, str], backup: Path, hub: Hub
) -> None:
    one, other, _ = diverged
    git(other.path, "remote", "add", "backup", str(backup))
    session = one.log.session_rows()[0]["session_id"]

    def overtake() -> None:
        one.beat(session)
        one.sync_well()

    # The first push is to `backup` and lands, the second to `origin` and is overtaken.
    git_of_other = meddle(other, [lambda: None, overtake])
    row, error = other.sync("backup", "origin", git=git_of_other)
    reports = {report["remote"]: report for report in row["remotes"]}
    assert error is None
    assert tell(reports["origin"]) == ("merged", 5, 4)
    assert tell(reports["backup"]) == ("sent", 0, 10)
    assert other.head == read_head(hub.path) == read_head(backup)


def test_an_answer_that_was_lost_counts_when_somebody_built_on_the_push(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = diverged
    session = one.log.session_rows()[0]["session_id"]
    hub.write_hook("reference-transaction", 'test "$1" = committed && kill -9 $PPID; exit 0')

    def build_on_it() -> None:
        (hub.path / "hooks" / "reference-transaction").unlink()
        one.sync_well()
        one.beat(session)
        one.sync_well()

    meddled = other.git
    meddled.before_look_up = build_on_it
    row, error = other.sync(git=meddled)
    (report,) = row["remotes"]
    assert error is None
    assert report["attempts"] == 2
    assert tell(report) == ("merged", 5, 4)
    assert row["merges"] == 1
    assert other.head == read_head(hub.path) == one.head


def test_giving_up_keeps_the_merge_and_says_what_is_not_sent(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = diverged
    session = one.log.session_rows()[0]["session_id"]

    def overtake() -> None:
        one.beat(session)
        one.sync_well()

    meddled = other.git
    meddled.before_push = overtake
    row, error = other.sync(git=meddled, timeout=0.3)
    assert isinstance(error, ConflictError)
    assert error.exit_code == 4
    assert error.message.startswith("origin kept moving until the time was up: 1 transition ")
    (report,) = row["remotes"]
    assert (report["outcome"], report["unsent"], report["error"]) == ("failed", 1, error.message)
    # All but the last beats have come in, in one merge.
    assert row["merges"] == 1
    assert is_ancestor(other.path, read_head(other.path, TRACKED) or "", other.head or "")
    there = read_head(hub.path)
    assert tell(other.sync_well())[0] == "merged"
    assert is_ancestor(hub.path, there or "", read_head(hub.path) or "")


def test_two_syncs_at_once_in_one_clone_both_end_well(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = diverged
    told = one.events | other.events
    command = [sys.executable, "-m", "git_session", "sync"]
    running = [subprocess.Popen(command, cwd=other.path, stdout=subprocess.PIPE) for _ in range(4)]
    said = [process.communicate(timeout=60)[0].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert min(said).startswith("origin: ")
    assert other.events == told
    assert other.head == read_head(hub.path)


def test_every_head_that_any_clone_ever_had_leads_to_the_last_one(
    make: Callable[..., Clone], hub: Hub, backup: Path
) -> None:
    clones = [make(f"clone{number}", backup=backup) for number in range(3)]
    task = clones[0].task()
    for clone in clones:
        clone.sync_well("origin")
    sessions = [clone.start(task) for clone in clones]
    for turn in range(3):
        for number, clone in enumerate(clones):
            clone.beat(sessions[number])
            clone.sync_well(("origin", "backup")[(number + turn) % 2])
    for _ in range(2):
        for clone in clones:
            clone.sync("origin", "backup")
    (last,) = {clone.head for clone in clones} | {read_head(hub.path), read_head(backup)}
    assert last is not None
    for clone in clones:
        assert all(is_ancestor(clone.path, head, last) for head in clone.heads)


# -- who commits are by


def test_committer_setting_names_new_commits_and_leaves_merges_alike(
    diverged: tuple[Clone, Clone, str], hub: Hub, tmp_path: Path
) -> None:
    one, other, task = diverged
    for clone, name in ((one, "Ada"), (other, "Zoë B.")):
        git(clone.path, "config", "session.committer", f"{name} <{name[0]}@example.org>")
        clone.start(task)
    write_snapshot_row(other.log)
    for clone, name in ((one, "Ada"), (other, "Zoë B.")):
        for ref in (WAL, "--glob=refs/grite/snapshots") if clone is other else (WAL,):
            by = git(clone.path, "log", "-1", "--format=%an <%ae>|%cn <%ce>", ref).split("|")
            assert by == [f"{name} <{name[0]}@example.org>"] * 2
        assert git(clone.path, "fsck", "--strict") == ""
    # Each side merges the same two heads: one with the hub, the other with a second one.
    second = tmp_path / "second.git"
    git(tmp_path, "init", "--quiet", "--bare", str(second))
    one.sync_well()
    other.sync_well(str(second))
    one.sync_well(str(second))
    other.sync_well()
    assert one.head == other.head
    assert git(one.path, "log", "-1", "--merges", "--format=%an <%ae>|%cn <%ce>", WAL) == (
        "grite <grit@local>|grite <grit@local>"
    )


@pytest.mark.parametrize(
    "wrong", ["Ada", "<a@b>", "Ada <>", "Ada <a b>", "A<B <a@b>", "Ada <a@b> x", " Ada\n <a@b>"]
)
def test_committer_setting_that_is_wrong_is_refused_by_what_writes(
    wrong: str, pair: tuple[Clone, Clone, str], cli: Cli
) -> None:
    one, _, task = pair
    before = one.head
    git(one.path, "config", "session.committer", wrong)
    for command in (("task", "add", "Title"), ("start", task), ("snapshot",)):
        ran = cli(one.path, *command)
        assert ran.code == 5
        assert ran.stderr.startswith("error: session.committer is ")
        assert "\nhint: git config session.committer 'NAME <ADDRESS>'" in ran.stderr
    assert one.head == before
    assert (cli(one.path, "tasks").code, cli(one.path, "sync").code) == (0, 0)


def test_committer_setting_hides_no_lost_log_from_repair(tmp_path: Path, cli: Cli) -> None:
    clone = Clone.make(tmp_path / "alone")
    git(clone.path, "config", "session.committer", "Ada Tester <ada@example.org>")
    git(clone.path, "commit", "--quiet", "--allow-empty", "--message=WAL: no log")
    clone.task()
    head = clone.head
    git(clone.path, "update-ref", "-d", WAL)
    assert cli(clone.path, "repair", "--apply").code == 0
    assert clone.head == head


# -- snapshots and locks


def test_snapshots_are_exchanged_even_if_the_logs_are_together(
    pair: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = pair
    snapshot = write_snapshot_row(one.log)
    report = one.sync_well()
    assert (tell(report), report["snapshots_out"]) == (("same", 0, 0), 1)
    assert read_head(hub.path, snapshot["ref"]) == snapshot["commit"]
    report = other.sync_well()
    assert (tell(report), report["snapshots_in"]) == (("same", 0, 0), 1)
    assert read_head(other.path, snapshot["ref"]) == snapshot["commit"]
    for clone in (one, other):
        report = clone.sync_well()
        assert (report["snapshots_in"], report["snapshots_out"]) == (0, 0)


def test_snapshots_go_one_way_where_the_sync_does(pair: tuple[Clone, Clone, str], hub: Hub) -> None:
    one, other, _ = pair
    write_snapshot_row(one.log)
    assert one.sync_well(direction="fetch")["snapshots_out"] == 0
    assert one.sync_well(direction="push")["snapshots_out"] == 1
    assert other.sync_well(direction="push")["snapshots_in"] == 0
    assert other.sync_well(direction="fetch")["snapshots_in"] == 1


@pytest.mark.parametrize(
    "hook",
    [
        ("update", 'case "$1" in refs/grite/snapshots/*) exit 1;; esac'),
        ("pre-receive", "while read o n r; do case $r in *snapshots*) exit 1;; esac; done"),
    ],
)
def test_a_server_that_wants_no_snapshots_gets_the_log(
    hook: tuple[str, str], pair: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, _, task = pair
    hub.write_hook(*hook)
    snapshot = write_snapshot_row(one.log)
    one.start(task)
    warnings: list[str] = []
    row, error = one.sync(on_warning=warnings.append)
    assert error is None
    assert tell(row["remotes"][0]) == ("sent", 0, 4)
    assert row["remotes"][0]["snapshots_out"] == 0
    assert read_head(hub.path) == one.head
    assert read_head(hub.path, snapshot["ref"]) is None
    assert [word for word in warnings if snapshot["ref"] in word] == warnings != []


def test_a_snapshot_that_is_not_wanted_is_offered_once_a_sync(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = diverged
    hub.write_hook("update", 'case "$1" in refs/grite/snapshots/*) exit 1;; esac')
    write_snapshot_row(other.log)
    session = one.log.session_rows()[0]["session_id"]

    def overtake() -> None:
        one.beat(session)
        one.sync_well()

    warnings: list[str] = []
    row, error = other.sync(git=meddle(other, [overtake]), on_warning=warnings.append)
    assert error is None
    assert row["remotes"][0]["attempts"] == 2
    assert len(warnings) == 1


def test_a_snapshot_that_cannot_be_sent_alone_is_no_failure(
    pair: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, _, _ = pair
    hub.write_hook("pre-receive", "kill -9 $PPID")
    write_snapshot_row(one.log)
    warnings: list[str] = []
    _, error = one.sync(on_warning=warnings.append)
    assert error is None
    assert len(warnings) == 1


def test_what_is_no_snapshot_stays_where_it_is(pair: tuple[Clone, Clone, str], hub: Hub) -> None:
    one, _, _ = pair
    blob = git(hub.path, "hash-object", "-w", "--stdin", stdin="no commit")
    set_head(hub.path, blob, "refs/grite/snapshots/1790000000000")
    set_head(hub.path, read_head(hub.path) or "", "refs/grite/snapshots/later")
    warnings: list[str] = []
    row, error = one.sync(on_warning=warnings.append)
    assert error is None
    assert row["remotes"][0]["snapshots_in"] == 0
    assert git(one.path, "for-each-ref", "refs/grite/snapshots") == ""
    assert len(warnings) == 1


def write_lock(path: Path, resource: str, owner: str) -> str:
    """Writes a lease lock as grite does, and gives its ref."""
    text = (
        f'{{"owner": "{owner}", "nonce": "0", "expires_unix_ms": 4102444800000,'
        f' "resource": "{resource}"}}'
    )
    index = {"GIT_INDEX_FILE": str(path / "lock-index")}
    blob = git(path, "hash-object", "-w", "--stdin", stdin=text)
    entry = f"100644,{blob},lock.json"
    run(path, "git", "update-index", "--add", "--cacheinfo", entry, env=index)
    tree = run(path, "git", "write-tree", env=index).stdout.strip()
    ref = names.lock_ref(resource)
    set_head(path, git(path, "commit-tree", tree, "-m", "lock"), ref)
    return ref


def test_a_lock_at_the_remote_holds_here_and_goes_when_it_goes_there(
    pair: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, _, task = pair
    (one.path / ".git" / "grite" / "config.toml").write_text('lock_policy = "require"\n')
    ref = write_lock(hub.path, "repo:global", "cd" * 16)
    one.sync_well()
    assert read_head(one.path, ref) is None
    assert read_head(one.path, names.tracking_ref("origin", ref)) is not None
    with pytest.raises(LockedError, match="repo:global is locked by actor cdcdcdcd"):
        one.start(task)
    git(hub.path, "update-ref", "-d", ref)
    one.sync_well()
    assert read_head(one.path, names.tracking_ref("origin", ref)) is None
    assert one.start(task)


def test_locks_here_are_not_sent(pair: tuple[Clone, Clone, str], hub: Hub) -> None:
    one, _, _ = pair
    ref = write_lock(one.path, "repo:global", "cd" * 16)
    one.sync_well()
    assert read_head(hub.path, ref) is None
    assert read_head(one.path, ref) is not None


# -- what was fetched by others, and from where


def test_what_a_plain_git_fetch_brought_is_read(pair: tuple[Clone, Clone, str], cli: Cli) -> None:
    one, other, task = pair
    session = one.start(task)
    one.sync_well()
    git(other.path, "fetch", "--quiet", "origin", "refs/grite/*:refs/grite/*")
    (row,) = cli(other.path, "list", "--json").json()["data"]["sessions"]
    assert row["session_id"] == session
    assert cli(other.path, "show", session).code == 0
    assert session in cli(other.path, "log").stdout


def test_list_tells_what_is_not_yet_there(pair: tuple[Clone, Clone, str], cli: Cli) -> None:
    one, _, task = pair
    session = one.start(task)
    for _ in range(2):
        one.beat(session)
    assert "3 transitions not yet on origin" in cli(one.path, "list").stderr
    one.sync_well()
    assert "not yet on" not in cli(one.path, "list").stderr


def test_a_sync_works_from_a_linked_worktree_and_a_bare_repository(
    pair: tuple[Clone, Clone, str], hub: Hub, tmp_path: Path
) -> None:
    one, _, task = pair
    git(one.path, "commit", "--quiet", "--allow-empty", "--message=First")
    git(one.path, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = Clone(tmp_path / "linked")
    linked.start(task)
    assert tell(linked.sync_well()) == ("sent", 0, 4)
    bare = tmp_path / "bare.git"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    assert tell(Clone(bare).sync_well(str(hub.path))) == ("received", 5, 0)


def test_a_sync_from_inside_a_pre_push_hook_works(pair: tuple[Clone, Clone, str], hub: Hub) -> None:
    one, _, task = pair
    one.start(task)
    git(one.path, "commit", "--quiet", "--allow-empty", "--message=First")
    hook = one.path / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\nenv | grep -q ^GIT_DIR= || exit 9\n{sys.executable} -m git_session sync\n"
    )
    hook.chmod(0o755)
    pushed = run(one.path, "git", f"--git-dir={one.path}/.git", "push", "origin", "main")
    assert pushed.code == 0, pushed
    assert "origin: sent, 4 events out" in pushed.stdout + pushed.stderr
    assert read_head(hub.path) == one.head


def test_a_tracking_ref_that_was_damaged_is_named_and_can_be_removed(
    pair: tuple[Clone, Clone, str],
) -> None:
    one, other, task = pair
    (one.path / ".git" / TRACKED).write_text("no id\n")
    other.start(task)
    other.sync_well()
    _, error = one.sync()
    assert error is not None
    assert (error.hint or "").startswith(f"rm {one.path}/.git/{TRACKED}")
    (one.path / ".git" / TRACKED).unlink()
    assert tell(one.sync_well()) == ("received", 4, 0)


def test_refs_that_users_configured_to_be_fetched_do_not_overwrite_the_log(
    diverged: tuple[Clone, Clone, str],
) -> None:
    one, other, _ = diverged
    git(other.path, "config", "--add", "remote.origin.fetch", "+refs/grite/*:refs/grite/*")
    told = one.events | other.events
    other.sync_well()
    assert other.events == told


def test_no_remote_and_unknown_remotes_are_said(tmp_path: Path) -> None:
    alone = Clone.make(tmp_path / "alone")
    alone.task()
    with pytest.raises(NotFoundError, match="no remote to sync with"):
        alone.sync()
    _, error = alone.sync("nowhere")
    assert isinstance(error, NotFoundError)
    assert error.exit_code == 3
    with pytest.raises(UsageError):
        alone.sync("nowhere", timeout=float("nan"))


def test_a_sync_that_is_killed_at_any_time_leaves_a_log_that_the_next_one_finishes(
    diverged: tuple[Clone, Clone, str], hub: Hub
) -> None:
    one, other, _ = diverged
    told = one.events | other.events
    # The server kills who pushes to it: the sync dies between its push and its own ref.
    hub.write_hook("post-receive", "kill -9 $(cat victim)")
    process = subprocess.Popen(
        [
            "/bin/sh",
            "-c",
            f"echo $$ > {hub.path}/victim; exec {sys.executable} -m git_session sync",
        ],
        cwd=other.path,
    )
    assert process.wait(60) == -signal.SIGKILL
    (hub.path / "hooks" / "post-receive").unlink()
    assert read_head(hub.path) != other.head
    assert tell(other.sync_well())[0] == "received"
    assert other.events == told
    assert not os.path.lexists(other.path / ".git" / f"{WAL}.lock")
