"""One lost object does not shut a clone in: what is sound goes on, and what is lost is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from git_session.core.answers.log import RepairReport
from git_session.core.wire import names
from git_session.git.repository.objects import ObjectStore
from git_session.health.repair.plan import apply_repair, plan_repair
from git_session.sync.snapshot import write_snapshot_row
from tests.conftest import Cli, Grite, git, run
from tests.health.test_repair import repair
from tests.support.damage import find_errors, replace
from tests.support.fleet import Clone, is_ancestor, read_head, set_head
from tests.support.forge import forget_kept
from tests.support.stores import WAL

TRACKING: Final = names.tracking_ref("origin", WAL)


def find_tree(path: Path, commit: str) -> str:
    return git(path, "rev-parse", f"{commit}^{{tree}}")


def find_chunk(path: Path, commit: str) -> str:
    """Give the id of a commit's chunk."""
    listed = git(path, "ls-tree", "-r", commit).splitlines()
    return next(line.split()[2] for line in listed if line.endswith(".bin"))


def find_commit(_path: Path, commit: str) -> str:
    return commit


LOST: Final[dict[str, Callable[[Path, str], str]]] = {
    "tree": find_tree,
    "chunk": find_chunk,
    "commit": find_commit,
}


@pytest.fixture
def clone(tmp_path: Path, bare: Path) -> Clone:
    """Give a clone whose task is at the hub, and whose four later comments are not."""
    clone = Clone.make(tmp_path / "clone", origin=bare)
    return comment_on(clone, is_synced=True)


@pytest.fixture
def lonely(tmp_path: Path) -> Clone:
    """Give the same without a remote."""
    return comment_on(Clone.make(tmp_path / "lonely"), is_synced=False)


def comment_on(clone: Clone, *, is_synced: bool) -> Clone:
    task = clone.task("one task")
    if is_synced:
        clone.sync_well()
    for number in range(4):
        clone.log.comment_row(task, f"comment {number}")
        clone._note_head()
    forget_kept(clone.path / ".git")
    return clone


def lose(clone: Clone, oid: str) -> None:
    (clone.path / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    forget_kept(clone.path / ".git")


def forget_index(clone: Clone) -> None:
    for path in (clone.path / ".git" / "git-session").glob("index-*"):
        path.unlink()


def lose_first(clone: Clone, what: str) -> str:
    """Lose an object of the first commit after the task's, and give that commit."""
    commit = clone.heads[-4]
    lose(clone, LOST[what](clone.path, commit))
    forget_index(clone)
    return commit


def comments(path: Path) -> list[str]:
    """List the comments that the log tells."""
    log = Clone(path).log
    (task,) = log.task_rows()
    return [comment["body"] for comment in log.task_row(task["task_id"])["comments"]]


def require_gc(path: Path) -> None:
    git(path, "gc", "--quiet")
    assert find_errors(path) == []


# -- what is done


@pytest.mark.parametrize("what", LOST)
def test_rebuild_lets_what_is_sound_leave(clone: Clone, bare: Path, cli: Cli, what: str) -> None:
    commit, head, at_hub = lose_first(clone, what), clone.head, read_head(bare)
    refused = cli(clone.path, "sync")
    assert refused.code == 1
    assert "git session repair --from origin" in refused.stderr
    proposed = cli(clone.path, "repair", "--json")
    assert (proposed.code, clone.head) == (1, head)
    assert proposed.json()["data"]["rebuild"] == {
        "base": at_hub,
        "source": "origin, as last seen",
        "events": 3,
        "held_by": [],
    }
    done = cli(clone.path, "repair", "--apply")
    assert done.code == 0
    assert f"lost: {'events/' if what == 'chunk' else 'the ' + what}" in done.stdout
    assert f"(commit {commit[:12]})" in done.stdout
    assert git(clone.path, "rev-parse", f"{WAL}^") == at_hub
    require_gc(clone.path)
    assert cli(clone.path, "sync").code == 0
    assert comments(bare) == comments(clone.path) == ["comment 1", "comment 2", "comment 3"]
    again = cli(clone.path, "repair")
    assert (again.code, again.stdout) == (0, "")


@pytest.mark.parametrize("what", LOST)
def test_rebuild_leaves_a_damaged_file_behind(clone: Clone, cli: Cli, what: str) -> None:
    oid = LOST[what](clone.path, clone.heads[-4])
    file = clone.path / ".git" / "objects" / oid[:2] / oid[2:]
    replace(file, file.read_bytes()[:20])
    forget_index(clone)
    refused = cli(clone.path, "sync")
    assert "git session repair --from origin" in refused.stderr
    assert cli(clone.path, "repair", "--from", "origin", "--apply").code == 0
    assert cli(clone.path, "sync").code == 0
    require_gc(clone.path)
    assert (clone.path / ".git" / "git-session" / "damaged" / oid).stat().st_size == 20


@pytest.mark.parametrize("what", ["tree", "chunk"])
def test_rebuild_without_a_remote_begins_below_the_loss(lonely: Clone, what: str) -> None:
    lost = lose_first(lonely, what)
    report = repair(lonely.path)
    assert [row["commit"] for row in report["damage"]] == [lost]
    assert report["rebuild"]["base"] == git(lonely.path, "rev-parse", f"{lost}^")
    assert git(lonely.path, "rev-parse", f"{WAL}^") == report["rebuild"]["base"]
    assert comments(lonely.path) == ["comment 1", "comment 2", "comment 3"]
    require_gc(lonely.path)


def test_rebuild_finds_the_log_below_a_lost_commit(lonely: Clone) -> None:
    lost = lose_first(lonely, "commit")
    report = repair(lonely.path)
    assert [row["commit"] for row in report["damage"]] == [lost]
    assert report["rebuild"]["base"] == lonely.heads[0]
    assert comments(lonely.path) == ["comment 1", "comment 2", "comment 3"]
    require_gc(lonely.path)


def test_rebuild_of_a_log_that_lost_its_first_commit_begins_anew(lonely: Clone) -> None:
    lose(lonely, find_tree(lonely.path, lonely.heads[0]))
    forget_index(lonely)
    report = repair(lonely.path)
    assert report["rebuild"]["base"] is None
    assert git(lonely.path, "rev-list", "--count", WAL) == "1"
    assert len(lonely.events) == 4
    git(lonely.path, "gc", "--quiet")


def test_rebuild_of_the_newest_commit_keeps_those_before_it(lonely: Clone) -> None:
    lose(lonely, find_chunk(lonely.path, lonely.heads[-1]))
    forget_index(lonely)
    report = repair(lonely.path)
    assert report["commit"] == lonely.head == lonely.heads[-2]
    require_gc(lonely.path)


def test_rebuild_makes_the_same_commit_in_each_copy(clone: Clone, tmp_path: Path) -> None:
    lose_first(clone, "tree")
    copy = tmp_path / "copy"
    assert run(tmp_path, "cp", "-a", str(clone.path), str(copy)).code == 0
    one, other = repair(clone.path), repair(copy)
    assert one["commit"] == other["commit"] == clone.head


def test_rebuild_is_read_by_grite(clone: Clone, grite: Grite) -> None:
    lose_first(clone, "chunk")
    repair(clone.path)
    assert grite.json(clone.path, "snapshot", "create")["event_count"] == len(clone.events)


def test_rebuild_notes_the_old_head_and_no_ref_keeps_it(clone: Clone) -> None:
    git(clone.path, "config", "core.logAllRefUpdates", "always")
    for number in range(4):
        clone.log.comment_row(clone.log.task_rows()[0]["task_id"], f"logged {number}")
        clone._note_head()
    lose_first(clone, "tree")
    old = str(clone.head)
    assert old in git(clone.path, "reflog", "show", "--no-abbrev", "--format=%H", WAL)
    report = repair(clone.path)
    noted = (clone.path / ".git" / "git-session" / "old-heads").read_text().split()
    assert noted[:2] == [old, report["commit"]]
    assert not is_ancestor(clone.path, old, str(clone.head))
    require_gc(clone.path)
    assert git(clone.path, "cat-file", "-t", old) == "commit"  # nothing is deleted


def test_rebuild_names_another_ref_that_leads_to_the_loss(clone: Clone, cli: Cli) -> None:
    lose_first(clone, "tree")
    set_head(clone.path, str(clone.head), "refs/backup/wal")
    ran = cli(clone.path, "repair", "--apply")
    assert "hint: git update-ref -d refs/backup/wal\n" in ran.stderr
    git(clone.path, "update-ref", "-d", "refs/backup/wal")
    require_gc(clone.path)


def test_rebuild_in_a_linked_worktree_is_for_all(clone: Clone, cli: Cli, tmp_path: Path) -> None:
    git(clone.path, "commit", "--quiet", "--allow-empty", "--message=code")
    git(clone.path, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    lose_first(clone, "tree")
    assert cli(tmp_path / "linked", "repair", "--apply").code == 0
    assert (clone.path / ".git" / "git-session" / "old-heads").exists()
    assert cli(clone.path, "sync").code == 0
    require_gc(clone.path)


def test_rebuild_takes_along_what_was_appended_meanwhile(clone: Clone) -> None:
    lose_first(clone, "tree")
    store = ObjectStore.open(clone.path)
    plan = plan_repair(store)
    clone.log.comment_row(clone.log.task_rows()[0]["task_id"], "meanwhile")
    apply_repair(store, plan)
    assert comments(clone.path)[-2:] == ["comment 3", "meanwhile"]
    require_gc(clone.path)


def test_rebuild_report_fits_its_model(clone: Clone) -> None:
    lose_first(clone, "tree")
    report = repair(clone.path, is_applied=False)
    assert RepairReport.model_validate(report).model_dump() == report


# -- what is known elsewhere is not lost


def test_rebuild_asks_a_remote_first_that_had_what_is_lost(
    clone: Clone, cli: Cli, bare: Path
) -> None:
    clone.sync_well()
    lose_first(clone, "tree")
    ran = cli(clone.path, "repair", "--apply", "--json")
    assert (ran.json()["data"]["rebuild"], ran.json()["data"]["ask"]) == (None, "origin")
    assert "hint: git session repair --from origin" in ran.stderr
    assert cli(clone.path, "repair", "--from", "origin", "--apply").code == 0
    assert clone.head == read_head(bare) == clone.heads[-1]
    require_gc(clone.path)


def test_rebuild_calls_no_event_lost_that_the_remote_has(clone: Clone, tmp_path: Path) -> None:
    """The hub has got the events in another commit than the one that is lost here."""
    session = clone.start(clone.log.task_rows()[0]["task_id"])
    started = str(clone.head)
    for state in ("ready", "running"):
        clone.log.advance_row(session, state)
    assert run(tmp_path, "cp", "-a", str(clone.path), str(tmp_path / "copy")).code == 0
    copy = Clone(tmp_path / "copy", clone.heads)
    lose(copy, find_tree(copy.path, clone.heads[1]))
    repair(copy.path)
    copy.sync_well()
    git(clone.path, "fetch", "--quiet", "origin", f"+{WAL}:{TRACKING}")
    lose(clone, find_tree(clone.path, started))
    forget_index(clone)
    report = repair(clone.path)
    assert report["rebuild"]["base"] == copy.head
    assert report["lost_events"] == []
    assert clone.log.session_row(session)["state"] == "running"
    require_gc(clone.path)


def test_rebuild_takes_in_what_turns_up_later(clone: Clone) -> None:
    commit = clone.heads[-4]
    tree = find_tree(clone.path, commit)
    kept = clone.path / ".git" / "objects" / tree[:2] / tree[2:]
    content = kept.read_bytes()
    lose_first(clone, "tree")
    repair(clone.path)
    kept.write_bytes(content)
    report = repair(clone.path)
    assert [row["source"] for row in report["events"]] == ["a head that was replaced"]
    assert comments(clone.path)[0] == "comment 0"


# -- snapshots


@pytest.mark.parametrize("what", LOST)
def test_snapshot_leaves_when_the_log_cannot(clone: Clone, bare: Path, cli: Cli, what: str) -> None:
    ref = write_snapshot_row(clone.log)["ref"]
    lose_first(clone, what)
    assert cli(clone.path, "sync").code == 1
    assert git(bare, "for-each-ref", "--format=%(refname)", "refs/grite/snapshots") == ref


def test_snapshot_leaves_when_the_head_is_lost(clone: Clone, bare: Path, cli: Cli) -> None:
    ref = write_snapshot_row(clone.log)["ref"]
    lose(clone, str(clone.head))
    assert cli(clone.path, "sync").code == 1
    assert git(bare, "for-each-ref", "--format=%(refname)", "refs/grite/snapshots") == ref


def test_snapshot_with_a_secret_stays_when_the_log_cannot_leave(
    clone: Clone, bare: Path, cli: Cli
) -> None:
    task = clone.log.task_rows()[0]["task_id"]
    clone.log.comment_row(task, "log in by " + "AKIA" + "IOSFODNN7" + "EXAMPLQ")
    write_snapshot_row(clone.log)
    lose(clone, clone.heads[-4])
    git(clone.path, "config", "session.secrets", "refuse")
    assert cli(clone.path, "sync").code == 1
    assert git(bare, "for-each-ref", "refs/grite/snapshots") == ""
    git(clone.path, "config", "session.secrets", "off")
    assert cli(clone.path, "sync").code == 1
    assert git(bare, "for-each-ref", "refs/grite/snapshots") != ""
