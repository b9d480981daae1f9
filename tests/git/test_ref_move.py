"""A ref's lock that a dead process left behind is told from one in use, and removed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from git_session.git.place import UnclearError
from git_session.git.repository import ref_move
from git_session.git.repository.objects import ObjectStore
from git_session.git.repository.ref_move import clear_dead_locks, move_ref
from tests.conftest import git
from tests.support.stores import WAL

HOLDER: Final = """
import sys
from pathlib import Path
from git_session.git.repository.ref_move import _holding
with _holding(Path(sys.argv[1]), sys.argv[2], "1" * 40, is_durable=False) as is_held:
    print("held" if is_held else "not held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def common_dir(repo: Path) -> Path:
    return repo / ".git"


@pytest.fixture
def commits(repo: Path) -> list[str]:
    git(repo, "commit", "--quiet", "--allow-empty", "--message=Second")
    return git(repo, "rev-list", "HEAD").split()


def start_holder(common_dir: Path, ref: str) -> subprocess.Popen[str]:
    """Starts a process that holds a ref's lock until it is told to end, or is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(common_dir), ref],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def holder(common_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Gives a process that holds the log's lock until it is told to end, or is killed."""
    with start_holder(common_dir, WAL) as process:
        yield process
        process.kill()


def lock_of(common_dir: Path) -> Path:
    return common_dir / f"{WAL}.lock"


def marks(common_dir: Path) -> list[Path]:
    return sorted(p for p in (common_dir / "git-session" / "locks").rglob("*") if p.is_file())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.wait(30) == -signal.SIGKILL


def test_a_ref_is_begun_and_moved_and_nothing_is_left(
    repo: Path, common_dir: Path, commits: list[str]
) -> None:
    assert move_ref(common_dir, WAL, None, commits[1])
    assert move_ref(common_dir, WAL, commits[1], commits[0])
    assert not move_ref(common_dir, WAL, commits[1], commits[0])
    assert not move_ref(common_dir, WAL, None, commits[0])
    assert git(repo, "rev-parse", WAL) == commits[0]
    assert (common_dir / WAL).stat().st_nlink == 1
    assert not lock_of(common_dir).exists()
    assert marks(common_dir) == []


def test_a_packed_ref_is_moved_from_where_it_is(
    repo: Path, common_dir: Path, commits: list[str]
) -> None:
    git(repo, "update-ref", WAL, commits[1])
    git(repo, "pack-refs", "--all", "--prune")
    assert not move_ref(common_dir, WAL, None, commits[0])
    assert move_ref(common_dir, WAL, commits[1], commits[0])
    assert git(repo, "rev-parse", WAL) == commits[0]


def test_a_lock_in_use_keeps_everybody_out(
    common_dir: Path, commits: list[str], holder: subprocess.Popen[str]
) -> None:
    assert not move_ref(common_dir, WAL, None, commits[0])
    assert not clear_dead_locks(common_dir)
    assert lock_of(common_dir).exists()


def test_git_honours_the_lock(
    repo: Path, commits: list[str], holder: subprocess.Popen[str]
) -> None:
    ran = subprocess.run(
        ["git", "update-ref", WAL, commits[0]],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert "cannot lock ref" in ran.stderr


def test_the_lock_of_a_killed_process_is_in_nobodys_way(
    repo: Path, common_dir: Path, commits: list[str], holder: subprocess.Popen[str]
) -> None:
    kill(holder)
    assert lock_of(common_dir).exists()
    assert move_ref(common_dir, WAL, None, commits[0])
    assert git(repo, "rev-parse", WAL) == commits[0]
    assert marks(common_dir) == []


def test_waiting_in_the_queue_clears_what_is_dead_for_git_too(
    repo: Path, common_dir: Path, commits: list[str], holder: subprocess.Popen[str]
) -> None:
    kill(holder)
    with ObjectStore.open(repo).queue():
        git(repo, "update-ref", WAL, commits[0])
    assert marks(common_dir) == []


def test_a_lock_of_git_is_left_alone(repo: Path, common_dir: Path, commits: list[str]) -> None:
    """Nobody can tell whether the program that made it is still at work."""
    lock_of(common_dir).parent.mkdir(parents=True)
    lock_of(common_dir).touch()
    assert not move_ref(common_dir, WAL, None, commits[0])
    assert lock_of(common_dir).exists()


def test_a_dead_mark_removes_no_lock_but_its_own(
    common_dir: Path, holder: subprocess.Popen[str]
) -> None:
    """Since it was made its lock was taken away, and somebody else has the ref's lock now."""
    kill(holder)
    lock_of(common_dir).unlink()
    lock_of(common_dir).write_text("of git\n")
    assert clear_dead_locks(common_dir)
    assert lock_of(common_dir).read_text() == "of git\n"
    assert marks(common_dir) == []


@pytest.mark.parametrize(
    ("host", "boot", "is_cleared"),
    [
        ("mine", "now", True),
        ("mine", "before", True),
        ("other", "now", True),
        ("other", "before", False),
        ("other", "", False),
    ],
)
def test_only_locks_of_this_machine_are_judged(
    common_dir: Path,
    holder: subprocess.Popen[str],
    *,
    host: str,
    boot: str,
    is_cleared: bool,
) -> None:
    """Over a shared file system another machine's flock may not be seen; a container's is."""
    kill(holder)
    (mark,) = marks(common_dir)
    mine, _, now = mark.parent.name.rpartition("~")
    name = f"{mine if host == 'mine' else host}~{now if boot == 'now' else boot}"
    mark.parent.rename(mark.parent.with_name(name))
    assert clear_dead_locks(common_dir) is is_cleared
    assert lock_of(common_dir).exists() is not is_cleared


def test_a_mark_that_names_another_file_removes_nothing(common_dir: Path) -> None:
    """What lies in the folder is no path before it was looked at."""
    folder = common_dir / "git-session" / "locks" / ref_move._name_machine()
    folder.mkdir(parents=True)
    victim = common_dir / "victim.lock"
    victim.write_text("kept\n")
    os.link(victim, folder / "refs%2F..%2Fvictim~1")
    os.link(victim, folder / "victim~1")
    assert not clear_dead_locks(common_dir)
    assert victim.exists()


def test_what_is_no_plain_ref_is_left_to_libgit2(
    repo: Path, common_dir: Path, commits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repo, "update-ref", f"{WAL}/below", commits[0])
    git(repo, "pack-refs", "--all", "--prune")
    with pytest.raises(UnclearError):
        move_ref(common_dir, WAL, None, commits[0])
    with pytest.raises(UnclearError):
        move_ref(common_dir, f"{WAL}/below/more", None, commits[0])
    with pytest.raises(UnclearError):
        move_ref(common_dir, "refs/heads/main/more", None, commits[0])
    assert marks(common_dir) == []


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP])
def test_without_hard_links_libgit2_moves_the_ref(
    repo: Path, commits: list[str], monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "link", refuse)
    store = ObjectStore.open(repo)
    assert store.advance_ref(WAL, None, commits[1], "test")
    assert store.advance_ref(WAL, commits[1], commits[0], "test")
    assert git(repo, "rev-parse", WAL) == commits[0]


def test_where_git_keeps_a_log_of_the_ref_it_gets_its_line(repo: Path, commits: list[str]) -> None:
    git(repo, "config", "core.logAllRefUpdates", "always")
    store = ObjectStore.open(repo)
    assert store.advance_ref(WAL, None, commits[1], "begun")
    git(repo, "config", "--unset", "core.logAllRefUpdates")
    assert ObjectStore.open(repo).advance_ref(WAL, commits[1], commits[0], "moved on")
    said = git(repo, "reflog", "show", "--format=%gs", WAL).split("\n")
    assert said == ["moved on", "begun"]


def test_a_dead_lock_is_cleared_also_where_libgit2_moves_the_ref(
    repo: Path, common_dir: Path, commits: list[str]
) -> None:
    """A program of ours that lives long meets the lock of one that was killed meanwhile."""
    store = ObjectStore.open(repo)
    with store.queue():
        assert store.advance_ref(WAL, None, commits[1], "test")
    (common_dir / "logs" / WAL).parent.mkdir(parents=True, exist_ok=True)
    (common_dir / "logs" / WAL).touch()
    with start_holder(common_dir, WAL) as holder:
        kill(holder)
    assert lock_of(common_dir).exists()
    with store.queue():
        assert store.advance_ref(WAL, commits[1], commits[0], "test")
    assert git(repo, "rev-parse", WAL) == commits[0]
