"""Repositories are found as git finds them, refs move by compare-and-swap, commits are grite's."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pygit2
import pytest

from git_session.core.wire import git_object, names
from git_session.core.wire.commit import parse_meta
from git_session.errors import (
    DamagedLogError,
    EnvironmentFaultError,
    GitSessionError,
    NotARepositoryError,
    UnsupportedRepositoryError,
    WireError,
)
from git_session.git.repository.objects import ObjectStore
from git_session.host.files.queue import try_lock, wait_in_queue
from tests.conftest import git, run

WAL: Final = names.WAL_REF
WRITERS: Final = 8


def write(store: ObjectStore, text: str, parent: str | None = None) -> str:
    """Writes a commit that holds `text`."""
    return store.write_commit(
        files={"meta.json": text.encode()},
        parents=[parent] if parent else [],
        message=text,
        time=1795000000,
    )


def found(path: Path) -> tuple[Path, Path | None]:
    store = ObjectStore.open(path)
    return store.common_dir, store.worktree


# -- finding the repository


def test_a_checkout_is_found_from_a_folder_inside_it(repo: Path) -> None:
    inside = repo / "a" / "b"
    inside.mkdir(parents=True)
    assert found(inside) == (repo / ".git", repo)


def test_a_linked_worktree_leads_to_the_main_repository(repo: Path, worktree: Path) -> None:
    assert found(worktree) == (repo / ".git", worktree)


def test_a_bare_repository_has_no_checkout(bare: Path) -> None:
    assert found(bare) == (bare, None)
    assert ObjectStore.open(bare).is_bare


def test_a_separate_git_dir_is_found_from_its_checkout(tmp_path: Path) -> None:
    top, git_dir = tmp_path / "top", tmp_path / "elsewhere"
    git(tmp_path, "init", "--quiet", f"--separate-git-dir={git_dir}", str(top))
    assert found(top) == (git_dir, top)


def test_no_folder_passes_for_the_checkout_of_a_git_dir_that_it_only_contains(
    tmp_path: Path,
) -> None:
    git_dir = tmp_path / "elsewhere"
    git(tmp_path, "init", "--quiet", f"--separate-git-dir={git_dir}", str(tmp_path / "top"))
    assert found(git_dir) == (git_dir, None)


def test_a_submodule_is_a_repository_of_its_own(repo: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    git(tmp_path, "init", "--quiet", str(outer))
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repo), "in")
    assert found(outer / "in") == (outer / ".git" / "modules" / "in", outer / "in")


def test_git_dir_of_a_hook_wins_over_the_folder(
    repo: Path, worktree: Path, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repo / ".git" / "worktrees" / "worktree"))
    assert found(bare) == (repo / ".git", worktree)


def test_a_relative_git_dir_counts_from_the_folder(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", ".git")
    assert found(repo) == (repo / ".git", repo)


def test_with_git_dir_elsewhere_the_folder_is_the_checkout(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(bare, "config", "core.bare", "false")
    monkeypatch.setenv("GIT_DIR", str(bare))
    monkeypatch.chdir(tmp_path)
    assert found(Path()) == (bare, tmp_path)


def test_git_common_dir_and_git_work_tree_are_honoured(
    repo: Path, worktree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repo / ".git" / "worktrees" / "worktree"))
    monkeypatch.setenv("GIT_COMMON_DIR", str(repo / ".git"))
    assert found(repo) == (repo / ".git", worktree)
    monkeypatch.setenv("GIT_WORK_TREE", "..")
    assert found(repo) == (repo / ".git", tmp_path)


def test_the_search_stops_at_a_ceiling(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = repo / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repo / "a"))
    with pytest.raises(NotARepositoryError):
        ObjectStore.open(inside)


@pytest.mark.parametrize("place", [".", "missing"])
def test_no_repository_is_named_as_such(tmp_path: Path, place: str) -> None:
    with pytest.raises(NotARepositoryError, match="no git repository") as caught:
        ObjectStore.open(tmp_path / place)
    assert caught.value.exit_code == 5


def test_a_git_dir_that_is_none_is_no_repository(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "empty").mkdir()
    monkeypatch.setenv("GIT_DIR", str(repo / "empty"))
    with pytest.raises(NotARepositoryError):
        ObjectStore.open(repo)


def test_sha256_is_refused_by_name(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "new")
    with pytest.raises(UnsupportedRepositoryError, match="sha256"):
        ObjectStore.open(tmp_path / "new")


def test_reftable_is_refused_by_name_from_a_worktree_too(repo: Path, worktree: Path) -> None:
    git(repo, "config", "core.repositoryFormatVersion", "1")
    with (repo / ".git" / "config").open("a") as config:
        config.write("[extensions]\n\trefStorage = reftable\n")
    for path in (repo, worktree):
        with pytest.raises(UnsupportedRepositoryError, match="reftable"):
            ObjectStore.open(path)


def test_another_unknown_extension_is_an_environment_fault(repo: Path) -> None:
    git(repo, "config", "core.repositoryFormatVersion", "1")
    git(repo, "config", "extensions.fromTheFuture", "true")
    with pytest.raises(EnvironmentFaultError, match="fromthefuture"):
        ObjectStore.open(repo)


def test_a_partial_clone_opens(repo: Path) -> None:
    git(repo, "config", "core.repositoryFormatVersion", "1")
    git(repo, "config", "extensions.partialClone", "origin")
    assert found(repo) == (repo / ".git", repo)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_repository_of_somebody_else_opens_once_it_is_trusted(repo: Path, home: Path) -> None:
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 65534, 65534)
    with pytest.raises(EnvironmentFaultError, match="another user") as caught:
        ObjectStore.open(repo)
    assert caught.value.hint is not None
    command = caught.value.hint.partition(": ")[2]
    subprocess.run(command, shell=True, check=True)
    assert "directory" in (home / ".gitconfig").read_text()
    assert found(repo) == (repo / ".git", repo)


# -- refs


def test_a_ref_reads_the_same_loose_packed_and_absent(repo: Path) -> None:
    store = ObjectStore.open(repo)
    assert store.read_ref(WAL) is None
    oid = write(store, "one")
    git(repo, "update-ref", WAL, oid)
    assert store.read_ref(WAL) == oid
    git(repo, "pack-refs", "--all")
    assert not (repo / ".git" / WAL).exists()
    assert store.read_ref(WAL) == oid


def test_a_move_by_another_program_is_seen_at_once(repo: Path) -> None:
    store = ObjectStore.open(repo)
    for number in range(5):
        oid = write(store, f"commit {number}")
        git(repo, "update-ref", WAL, oid)
        if number % 2:
            git(repo, "pack-refs", "--all")
        assert store.read_ref(WAL) == oid


@pytest.mark.parametrize("content", ["ref: refs/heads/main\n", "nonsense\n", ""])
def test_a_ref_that_holds_no_commit_id_is_named(repo: Path, content: str) -> None:
    store = ObjectStore.open(repo)
    (repo / ".git" / WAL).parent.mkdir(parents=True)
    (repo / ".git" / WAL).write_text(content)
    with pytest.raises(DamagedLogError, match=WAL):
        store.read_ref(WAL)
    with pytest.raises(DamagedLogError, match=WAL):
        store.advance_ref(WAL, None, write(store, "one"), "test")


def test_refs_are_listed_by_prefix_without_what_is_no_commit_id(repo: Path) -> None:
    store = ObjectStore.open(repo)
    oid = write(store, "one")
    for name in ("refs/grite/snapshots/1", "refs/grite/snapshots/2", WAL):
        git(repo, "update-ref", name, oid)
    git(repo, "pack-refs", "--all")
    git(repo, "update-ref", "refs/grite/snapshots/3", oid)
    git(repo, "symbolic-ref", "refs/grite/snapshots/4", WAL)
    (repo / ".git/refs/grite/snapshots/5").write_text("nonsense\n")
    (repo / ".git/refs/grite/snapshots/6").symlink_to("/nowhere/at/all")
    assert store.list_refs(names.SNAPSHOT_PREFIX) == {
        f"refs/grite/snapshots/{number}": oid for number in (1, 2, 3)
    }


def test_refs_that_cannot_be_listed_are_an_error_with_a_message(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repo / ".git"))  # libgit2 opens what a variable names
    store = ObjectStore.open(repo)
    git(repo, "update-ref", WAL, write(store, "one"))
    assert list(store.list_refs("refs/grite/")) == [WAL]
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        with pytest.raises(GitSessionError, match="the refs cannot be listed"):
            store.list_refs("refs/grite/")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("packed", [False, True])
def test_a_ref_moves_only_from_where_it_is_expected(repo: Path, *, packed: bool) -> None:
    store = ObjectStore.open(repo)
    one, two = write(store, "one"), write(store, "two")
    assert not store.advance_ref(WAL, one, two, "test")
    assert store.read_ref(WAL) is None
    assert store.advance_ref(WAL, None, one, "test")
    if packed:
        git(repo, "pack-refs", "--all")
    assert not store.advance_ref(WAL, None, two, "test")
    assert not store.advance_ref(WAL, two, two, "test")
    assert git(repo, "rev-parse", WAL) == one
    assert store.advance_ref(WAL, one, two, "test")
    assert git(repo, "rev-parse", WAL) == two


def test_a_ref_moves_from_a_linked_worktree_and_in_a_bare_repository(
    repo: Path, worktree: Path, bare: Path
) -> None:
    for path, main in ((worktree, repo), (bare, bare)):
        store = ObjectStore.open(path)
        oid = write(store, "one")
        assert store.advance_ref(WAL, None, oid, "test")
        assert git(main, "rev-parse", WAL) == oid


def test_the_reflog_says_who_moved_the_ref_where_one_is_kept(repo: Path) -> None:
    git(repo, "config", "core.logAllRefUpdates", "always")
    store = ObjectStore.open(repo)
    assert store.advance_ref(WAL, None, write(store, "one"), "WAL: one")
    assert git(repo, "reflog", "show", "--format=%gs", WAL) == "WAL: one"


def test_a_lock_left_behind_keeps_the_ref_and_is_named(repo: Path) -> None:
    store = ObjectStore.open(repo)
    one, two = write(store, "one"), write(store, "two")
    assert store.advance_ref(WAL, None, one, "test")
    assert store.held_lock(WAL) is None
    lock = repo / ".git" / f"{WAL}.lock"
    lock.touch()
    assert not store.advance_ref(WAL, one, two, "test")
    assert store.held_lock(WAL) == lock
    lock.unlink()
    assert store.advance_ref(WAL, one, two, "test")
    assert store.held_lock(WAL) is None


def test_a_ref_below_another_ref_is_a_failure_and_no_lost_race(repo: Path) -> None:
    store = ObjectStore.open(repo)
    oid = write(store, "one")
    git(repo, "update-ref", f"{WAL}/below", oid)
    with pytest.raises(GitSessionError, match="cannot move"):
        store.advance_ref(WAL, None, oid, "test")


RACER: Final = """
import sys
from pathlib import Path
from git_session.git.repository.objects import ObjectStore
path, number, times, queued = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "queued"
store = ObjectStore.open(Path(path))
print("ready", flush=True)
sys.stdin.readline()
import contextlib
won = 0
for turn in range(times or 1):
    with store.queue() if queued else contextlib.nullcontext():
        while True:
            head = store.read_ref("refs/grite/wal") if times else None
            files = {"meta.json": f"{number} {turn}".encode()}
            parents = [head] if head else []
            oid = store.write_commit(files=files, parents=parents, message="race", time=None)
            if store.advance_ref("refs/grite/wal", head, oid, "race"):
                won += 1
                break
            if not times:
                break
print(won)
"""


def race(path: Path, times: int, *, queued: bool = False) -> list[int]:
    """Lets 8 processes loose on one ref at once; tells how often each moved it."""
    mode = "queued" if queued else "free"
    with contextlib.ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", RACER, str(path), str(number), str(times), mode],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(WRITERS)
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        return [int(racer.communicate("go\n", timeout=120)[0]) for racer in racers]


def test_of_8_processes_that_create_a_ref_at_once_exactly_one_wins(repo: Path) -> None:
    for _ in range(3):
        assert sorted(race(repo, 0)) == [0] * (WRITERS - 1) + [1]
        git(repo, "update-ref", "-d", WAL)


@pytest.mark.parametrize("queued", [True, False])
def test_8_processes_that_append_50_times_each_lose_none(repo: Path, *, queued: bool) -> None:
    assert race(repo, 50, queued=queued) == [50] * WRITERS
    texts = git(repo, "log", "--format=", "-p", "--diff-filter=AM", "-U0", WAL)
    written = [line[1:] for line in texts.splitlines() if line[:1] == "+" and line[:2] != "++"]
    assert sorted(written) == sorted(f"{n} {turn}" for n in range(WRITERS) for turn in range(50))


def test_no_update_is_lost_while_git_packs_the_refs(repo: Path) -> None:
    done = threading.Event()

    def pack() -> None:
        while not done.is_set():
            subprocess.run(["git", "-C", repo, "pack-refs", "--all"], check=False, stderr=-3)

    packer = threading.Thread(target=pack)
    packer.start()
    try:
        assert race(repo, 10, queued=True) == [10] * WRITERS
    finally:
        done.set()
        packer.join()
    assert git(repo, "rev-list", "--count", WAL) == str(10 * WRITERS)


# -- the queue


def test_two_writers_of_one_process_queue_too(repo: Path) -> None:
    store, inside, most = ObjectStore.open(repo), [0], [0]

    def work() -> None:
        for _ in range(20):
            with wait_in_queue(repo / ".git" / "git-session" / "append.lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0002)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    with store.queue():
        assert (repo / ".git" / "git-session" / "append.lock").exists()


def test_a_writer_that_hangs_holds_nobody_up_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "append.lock"
    with wait_in_queue(path), wait_in_queue(path, patience=0.05), try_lock(path) as is_free:
        assert not is_free  # and yet both came in


def test_a_dead_writer_leaves_the_queue_free(tmp_path: Path) -> None:
    path = tmp_path / "append.lock"
    code = (
        "import os, sys; from pathlib import Path; from git_session.host.files.queue import *\n"
        "wait_in_queue(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    with try_lock(path) as is_mine:
        assert is_mine


# -- writing


@pytest.mark.parametrize("name", ["all-kinds", "brat-witness", "lifecycle", "signed"])
def test_commits_are_written_byte_for_byte_as_grite_does(
    bundle: Callable[[str], Path], bare: Path, name: str
) -> None:
    """What grite wrote, written again into an empty repository, gets the same ids."""
    source = bundle(name)
    head = git(source, "rev-parse", WAL)
    target = ObjectStore.open(bare)
    for commit in list(ObjectStore.open(source).read_commits(head))[::-1]:
        message = git(source, "log", "-1", "--format=%B", commit.oid).removesuffix("\n")
        assert commit.meta is not None
        files = {"meta.json": commit.meta, **{path: data or b"" for path, data in commit.chunks}}
        oid = target.write_commit(
            files=files, parents=commit.parents, message=message, time=commit.time
        )
        assert oid == commit.oid
        assert target.commit_time(oid) == commit.time
    git(bare, "update-ref", WAL, head)
    git(bare, "fsck", "--strict")


def test_a_commit_is_written_in_utc_and_at_this_moment_unless_told(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    store = ObjectStore.open(repo)
    before = int(time.time())
    oid = store.write_commit(files={"a": b"x"}, parents=[], message="now", time=None)
    raw = git(repo, "cat-file", "commit", oid)
    assert before <= store.commit_time(oid) <= time.time()
    assert f"committer grite <grit@local> {store.commit_time(oid)} +0000" in raw
    monkeypatch.undo()
    time.tzset()


def test_writing_moves_no_ref(repo: Path) -> None:
    before = git(repo, "for-each-ref")
    write(ObjectStore.open(repo), "one")
    assert git(repo, "for-each-ref") == before


def test_names_sort_as_git_sorts_them(repo: Path) -> None:
    paths = ["a.b", "a/x", "a0", "a-b", "events/2026/11/22/x.bin", "events.bin", "é/ü.bin"]
    store = ObjectStore.open(repo)
    files = {path: path.encode() for path in paths}
    oid = store.write_commit(files=files, parents=[], message="names", time=0)
    git(repo, "update-ref", WAL, oid)
    git(repo, "fsck", "--strict")
    listed = git(repo, "-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", oid)
    assert sorted(listed.splitlines()) == sorted(paths)
    assert store.read_file_at(oid, "events/2026/11/22/x.bin") == b"events/2026/11/22/x.bin"
    assert store.read_file_at(oid, "events/2026") is None
    assert store.read_file_at(oid, "events/2025/x") is None


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/.git/b", "./a", "a/"])
def test_a_path_that_no_tree_can_hold_is_refused(repo: Path, path: str) -> None:
    with pytest.raises(WireError):
        ObjectStore.open(repo).write_commit(files={path: b""}, parents=[], message="", time=0)


def test_a_file_and_a_folder_of_one_name_are_refused(repo: Path) -> None:
    with pytest.raises(WireError):
        ObjectStore.open(repo).write_commit(
            files={"a": b"", "a/b": b""}, parents=[], message="", time=0
        )


def test_ancestry_follows_all_parents_and_ends_at_what_is_missing(repo: Path) -> None:
    store = ObjectStore.open(repo)
    root, other = write(store, "root"), write(store, "other")
    side = write(store, "side", root)
    merge = store.write_commit(files={"a": b""}, parents=[other, side], message="m", time=0)
    assert store.is_ancestor(root, merge)
    assert store.is_ancestor(merge, merge)
    assert not store.is_ancestor(merge, root)
    assert not store.is_ancestor("1" * 40, merge)
    assert not store.is_ancestor(root, "1" * 40)


def test_locks_are_read_by_resource(bundle: Callable[[str], Path]) -> None:
    """all-kinds holds one lock, taken by grite itself."""
    store = ObjectStore.open(bundle("all-kinds"))
    ((ref, commit),) = store.list_refs(names.LOCK_PREFIX).items()
    data = store.read_file_at(commit, "lock.json")
    assert data is not None
    resource = json.loads(data)["resource"]
    assert names.lock_ref(resource) == ref
    assert list(store.read_locks(["repo:global", resource, "path:nothing"])) == [data]


# -- repositories that cannot be written to

REFUSED: Final = """
import json, sys
from pathlib import Path
from git_session.errors import GitSessionError
from git_session.git.repository.objects import ObjectStore
store = ObjectStore.open(Path(sys.argv[1]))
head, main = store.read_ref("refs/grite/wal"), store.read_ref("refs/heads/main")
attempts = {
    "write": lambda: store.write_commit(
        files={"meta.json": b"new" * 999}, parents=[], message="", time=0),
    "advance": lambda: store.advance_ref("refs/grite/wal", head, main, "test"),
    "create": lambda: store.advance_ref("refs/grite/new", None, head, "test"),
    "queue": lambda: store.queue().__enter__(),
}
said = {}
for name, attempt in attempts.items():
    try:
        said[name] = repr(attempt())
    except GitSessionError as error:
        said[name] = [error.code, error.exit_code, error.message]
print(json.dumps(said))
"""


def run_mounted(command: str, *args: str) -> Any:
    """Runs `command` in a mount namespace of its own, which takes its mounts along at the end."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, stderr=-3).returncode != 0:
        pytest.skip("mounting needs root and unshare")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", command, "sh", *args],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def log(repo: Path) -> Iterator[Path]:
    store = ObjectStore.open(repo)
    assert store.advance_ref(WAL, None, write(store, "one"), "test")
    yield repo
    git(repo, "fsck", "--strict")


def test_a_read_only_file_system_is_named_by_every_write(log: Path) -> None:
    said = run_mounted(
        'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; "$2" -c "$3" "$1"',
        *(str(log), sys.executable, REFUSED),
    )
    assert [code for code, *_ in said.values()] == ["read_only"] * 4
    assert {exit_code for _, exit_code, _ in said.values()} == {5}
    assert all("Read-only file system" in message for *_, message in said.values())


def test_a_full_disk_is_named_by_every_write_of_content(log: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    said = run_mounted(
        'mount -t tmpfs -o size=1m x "$4"; cp -r "$1/.git" "$4/r"; cat /dev/zero >"$4/fill" || :\n'
        '"$2" -c "$3" "$4/r"',
        *(str(log), sys.executable, REFUSED, str(full)),
    )
    assert said.pop("queue") == "None"  # an empty file still finds its place
    assert [code for code, *_ in said.values()] == ["read_only"] * 3
    assert all("No space left" in message for *_, message in said.values())


@pytest.mark.parametrize(
    ("below", "codes"),
    [(".git", ["read_only"] * 4), (".git/objects/??", ["read_only", "True", "True", "None"])],
)
def test_missing_permission_is_named_by_every_write(
    log: Path, below: str, codes: list[str]
) -> None:
    # Root may write whatever the modes say, unless it gives that up.
    power = "-dac_override,-dac_read_search"
    drop = ["setpriv", f"--inh-caps={power}", f"--bounding-set={power}"]
    prefix = drop if os.geteuid() == 0 else []
    if prefix and shutil.which("setpriv") is None:
        pytest.skip("as root this needs setpriv")
    for number in range(256):
        (log / ".git" / "objects" / f"{number:02x}").mkdir(exist_ok=True)
    tops = list(log.glob(below))
    folders = tops + [path for top in tops for path in top.rglob("*") if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        ran = run(log, *prefix, sys.executable, "-c", REFUSED, str(log))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    said = [word if isinstance(word, str) else word[0] for word in ran.json().values()]
    assert said == codes, ran


def test_what_is_written_reads_back(repo: Path) -> None:
    store = ObjectStore.open(repo)
    meta = b'{"schema_version": 1, "actor_id": "a", "chunk_hash": "b", "prev_wal": null}'
    files = {"meta.json": meta, "events/2026/11/22/a.bin": b"\0\xff" * 9}
    oid = store.write_commit(files=files, parents=[], message="WAL: 1", time=1795000000)
    (commit,) = store.read_commits(oid)
    assert commit.oid == oid
    assert commit.chunks == [("events/2026/11/22/a.bin", b"\0\xff" * 9)]
    assert commit.meta is not None
    assert parse_meta(commit.meta).prev_wal is None


@pytest.mark.parametrize("size", [0, 1, 4080, 4090, 100_000])
def test_an_object_of_any_size_is_one_that_git_and_libgit2_read(repo: Path, size: int) -> None:
    files, content = ObjectStore.open(repo).files, bytes(range(256)) * (size // 256 + 1)
    oid = files.write(git_object.BLOB, content[:size])
    assert git(repo, "cat-file", "-s", oid) == str(size)
    blob = pygit2.Repository(str(repo))[oid]
    assert isinstance(blob, pygit2.Blob)
    assert blob.data == content[:size]
    assert files.read(oid) == (git_object.BLOB, content[:size])
    path = repo / ".git" / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert files.write(git_object.BLOB, content[:size]) == oid
    git(repo, "fsck", "--strict", "--full")
    assert path.stat().st_mode & 0o777 == 0o444
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("step", ["rename", "mkdir"])
def test_an_object_is_written_though_git_clears_it_away_meanwhile(
    repo: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """`git gc` removes files that somebody seems to have left half written, and empty folders."""
    real = getattr(os, step)
    cleared: list[str] = []

    def clear(path: str, *args: Any) -> None:
        if step == "mkdir":
            real(path, *args)
        if not cleared:
            cleared.append(path)
            remove = os.rmdir if step == "mkdir" else os.unlink
            remove(path)
        if step == "rename":
            real(path, *args)

    monkeypatch.setattr(f"git_session.git.repository.object_files.os.{step}", clear)
    oid = ObjectStore.open(repo).files.write(git_object.BLOB, b"content")
    assert cleared
    assert git(repo, "cat-file", "-p", oid) == "content"
    assert not list((repo / ".git" / "objects").glob("tmp_obj_*"))


def test_settings_are_read_as_git_reads_them_also_those_of_one_command(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in (("session.fsync", "false"), ("gc.auto", "7"), ("session.task", "t-1")):
        git(repo, "config", key, value)

    def read() -> tuple[bool, int, str, str]:
        store = ObjectStore.open(repo)
        return (
            store.settings.read_flag("session.fsync", default=True),
            store.settings.read_number("gc.auto", default=1),
            store.settings.read_text("session.task", default=""),
            store.settings.read_text("session.nothing", default="else"),
        )

    assert read() == (False, 7, "t-1", "else")
    once = ["'session.fsync'='yes'", "'gc.auto'='2k'", "'session.task'='t 2'"]
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", " ".join(once))
    assert read() == (True, 2048, "t 2", "else")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'session.fsync'='maybe' 'gc.auto'='many'")
    assert read() == (True, 1, "t-1", "else")
