"""A log is read whole, once and newest first, whichever reader does it and whatever is broken."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import psutil
import pygit2
import pytest
from pygit2.enums import ObjectType

from git_session.core.wire import names
from git_session.core.wire.commit import LogCommit, Meta, format_meta
from git_session.errors import DamagedLogError
from git_session.git.program import stream_commits
from git_session.git.repository import objects, walk
from git_session.git.repository.commits import MAX_DEPTH, MAX_ENTRIES
from git_session.git.repository.objects import ObjectStore
from tests.conftest import git
from tests.support.stores import make_log

WAL: Final = names.WAL_REF
LONG: Final = 3 * walk.WINDOW
"""Commits: enough for git to be asked."""

BUNDLES: Final = ["all-kinds", "brat-witness", "diverged-b", "lifecycle", "signed"]


def read(path: Path, head: str | None = None) -> list[LogCommit]:
    """Reads a log in which nothing is wrong."""

    def fail(commit: str, where: str, what: str) -> None:
        pytest.fail(f"{commit} {where}: {what}")

    store = ObjectStore.open(path)
    return list(store.read_commits(head or git(path, "rev-parse", WAL), on_fault=fail))


def read_damaged(
    path: Path, head: str | None = None
) -> tuple[list[LogCommit], list[tuple[str, str, str]]]:
    faults: list[tuple[str, str, str]] = []
    commits = ObjectStore.open(path).read_commits(
        head or git(path, "rev-parse", WAL), on_fault=lambda *fault: faults.append(fault)
    )
    return list(commits), faults


def first_parents(path: Path, head: str = WAL) -> list[str]:
    return git(path, "rev-list", "--first-parent", head).splitlines()


def oids(commits: Iterable[LogCommit]) -> list[str]:
    return [commit.oid for commit in commits]


def drop(path: Path, *lost: str) -> None:
    """Packs a repository anew without some of its objects, as damage leaves it."""
    listed = git(path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    kept = [oid for oid in listed.splitlines() if oid not in lost]
    objects_dir = Path(git(path, "rev-parse", "--absolute-git-dir")) / "objects"
    old = [entry for entry in objects_dir.iterdir() if entry.name != "info"]
    git(path, "pack-objects", "--quiet", str(objects_dir / "pack-kept"), stdin="\n".join(kept))
    for entry in old:
        shutil.rmtree(entry)
    (objects_dir / "pack").mkdir()
    for entry in objects_dir.glob("pack-kept-*"):
        entry.rename(objects_dir / "pack" / entry.name.replace("pack-kept-", "pack-"))


def write(
    store: ObjectStore,
    parents: list[str],
    prev_wal: str | None,
    name: str,
    chunks: dict[str, bytes] | None = None,
) -> str:
    """Writes a log commit; without `chunks` laid out as grite does it."""
    files = {"events/2026/11/22/" + name.rjust(64, "0") + ".bin": name.encode()}
    meta = format_meta(Meta(1, "a" * 32, "b" * 64, prev_wal))
    return store.write_commit(
        files={"meta.json": meta, **(files if chunks is None else chunks)},
        parents=parents,
        message=f"WAL: {name}",
        time=1795000000,
    )


def write_line(store: ObjectStore, count: int, onto: str | None = None, name: str = "") -> str:
    for number in range(count):
        onto = write(store, [onto] if onto else [], onto, f"{name}{number}")
    assert onto is not None
    return onto


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> list[LogCommit | str]:
    """Records what git was asked for and gave; it still is the real one."""
    items: list[LogCommit | str] = []

    def record(git_dir: Path, start: str) -> object:
        for item in stream_commits(git_dir, start):
            items.append(item)
            yield item

    monkeypatch.setattr(objects, "stream_commits", record)
    return items


# -- a first read: all of it at once, before libgit2 is loaded


def read_at_once(path: Path, head: str) -> tuple[list[LogCommit], list[tuple[str, str, str]]]:
    faults: list[tuple[str, str, str]] = []
    commits = ObjectStore.open(path).read_commits(
        head, on_fault=lambda *fault: faults.append(fault), is_whole=True
    )
    return list(commits), faults


@pytest.mark.parametrize("name", BUNDLES)
def test_a_first_read_finds_what_grite_wrote(bundle: Callable[[str], Path], name: str) -> None:
    path = bundle(name)
    assert read_at_once(path, git(path, "rev-parse", WAL)) == (read(path), [])


@pytest.mark.parametrize("loose", [True, False])
def test_a_first_read_does_without_libgit2(tmp_path: Path, loose: bool) -> None:
    log = make_log(tmp_path / "log", 60, 5, loose=loose)
    store = ObjectStore.open(log.path)
    head = store.read_ref(WAL)
    assert head == log.head
    assert list(store.read_commits(head, is_whole=True)) == read(log.path)
    assert "_repository" not in vars(store)


def test_a_first_read_of_many_loose_commits_is_left_to_libgit2(
    tmp_path: Path, streamed: list[LogCommit | str]
) -> None:
    log = make_log(tmp_path / "log", LONG, 20, loose=True)
    commits, _ = read_at_once(log.path, log.head)
    assert oids(commits) == first_parents(log.path)
    assert streamed == []


@pytest.mark.parametrize("at", [0, 1, 30, 59])
@pytest.mark.parametrize("lost", ["", "events", "meta.json", "chunk", "commit"])
def test_a_first_read_of_a_damaged_log_finds_and_tells_the_same(
    tmp_path: Path, at: int, lost: str
) -> None:
    log = make_log(tmp_path / "log", 60, 5)
    damaged = read(log.path)[at]
    path = damaged.chunks[0][0] if lost == "chunk" else lost
    drop(
        log.path,
        damaged.oid if lost == "commit" else git(log.path, "rev-parse", f"{damaged.oid}:{path}"),
    )
    if at == 0 and lost == "commit":
        with pytest.raises(DamagedLogError):
            read_at_once(log.path, log.head)
    else:
        assert read_at_once(log.path, log.head) == read_damaged(log.path)


def test_a_first_read_without_git_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(tmp_path / "log", 60, 5)
    whole = read(log.path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_at_once(log.path, log.head) == (whole, [])


def test_where_pipes_cannot_grow_a_first_read_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    for name in ("F_SETPIPE_SZ", "F_GETPIPE_SZ"):
        monkeypatch.delattr(fcntl, name, raising=False)
    assert read_at_once(log.path, log.head) == (read(log.path), [])


@pytest.mark.parametrize("loose", [True, False])
def test_the_time_of_a_commit_is_told_without_libgit2(tmp_path: Path, loose: bool) -> None:
    log = make_log(tmp_path / "log", 60, 5, loose=loose)
    store = ObjectStore.open(log.path)
    assert store.commit_time(log.head) == int(git(log.path, "log", "-1", "--format=%ct", WAL))
    assert "_repository" not in vars(store)
    for missing in ("0" * 40, git(log.path, "rev-parse", f"{WAL}:meta.json")):
        with pytest.raises(DamagedLogError):
            store.commit_time(missing)


# -- both readers


@pytest.mark.parametrize("name", BUNDLES)
def test_git_and_libgit2_read_the_same_from_what_grite_wrote(
    bundle: Callable[[str], Path], name: str
) -> None:
    path = bundle(name)
    git(path, "repack", "-adq")
    by_libgit2 = read(path)
    assert oids(by_libgit2) == first_parents(path)
    assert list(stream_commits(path, by_libgit2[0].oid)) == by_libgit2


@pytest.mark.parametrize("per_commit", [1, 40])
def test_a_long_packed_log_is_read_by_git_and_the_same(
    tmp_path: Path, streamed: list[LogCommit | str], per_commit: int
) -> None:
    log = make_log(tmp_path / "log", LONG * per_commit, 20, per_commit=per_commit)
    commits = read(log.path, log.head)
    assert oids(commits) == first_parents(log.path)
    assert streamed == commits[walk.WINDOW :]
    git(log.path, "-c", "core.bigFileThreshold=1k", "repack", "-adfq")
    assert read(log.path, log.head) == commits


def test_a_long_loose_log_is_read_by_libgit2_and_the_same(
    tmp_path: Path, streamed: list[LogCommit | str]
) -> None:
    log = make_log(tmp_path / "log", LONG, 20, loose=True)
    commits = read(log.path, log.head)
    assert streamed == []
    git(log.path, "repack", "-adq")
    assert read(log.path, log.head) == commits
    assert streamed == commits[walk.WINDOW :]


def test_a_loose_log_on_top_of_a_packed_one_is_read_once(
    tmp_path: Path, streamed: list[LogCommit | str]
) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    store = ObjectStore.open(log.path)
    head = write_line(store, walk.WINDOW + 5, log.head)
    assert oids(read(log.path, head)) == first_parents(log.path, head)
    assert len(streamed) == LONG + 5 - walk.WINDOW


def test_what_is_not_laid_out_as_grite_does_it_is_read_too(
    tmp_path: Path, streamed: list[LogCommit | str]
) -> None:
    """Several chunks, chunks elsewhere, none, one that another commit has too, a long message."""
    log = make_log(tmp_path / "log", LONG, 20)
    store = ObjectStore.open(log.path)
    head = log.head
    chunk = f"events/2026/11/22/{'c' * 64}.bin"
    same = f"events/2026/11/22/{'d' * 64}.bin"
    for number, chunks in enumerate(
        [
            {},
            {chunk: b"one", same: b"two"},
            {same: b"two"},
            {same: b"two", f"events/2025/01/02/{'e' * 64}.bin": b"three"},
            {"top.bin": b"four", "events/deep/er/and/deeper.bin": b"five"},
            {"events/note.txt": b"no chunk", same: b""},
            {f"events/2026/11/22/{'é' * 32}.bin": b"six"},
            {chunk: b"x" * 3_000_000},
            {chunk: f"{'0' * 40} commit 5\nhello\n".encode()},
        ]
    ):
        head = write(store, [head], head, str(number), chunks)
    long = store.write_commit(
        files={"meta.json": b"{}", chunk: b"seven"},
        parents=[head],
        message="words\n" * 2000,
        time=0,
    )
    head = write_line(store, walk.WINDOW, long)
    by_libgit2, _ = read_damaged(log.path, head)
    git(log.path, "update-ref", WAL, head)
    git(log.path, "repack", "-adq")
    streamed.clear()
    by_git, _ = read_damaged(log.path, head)
    assert by_git == by_libgit2
    assert oids(by_git) == first_parents(log.path, head)
    assert len(streamed) == LONG + 10
    assert len([item for item in streamed if isinstance(item, str)]) == 7


def test_a_message_that_plays_a_whole_commit_deceives_nobody(
    tmp_path: Path, streamed: list[LogCommit | str]
) -> None:
    """The message goes on as git would go on after a commit, with a chunk of its own."""
    log = make_log(tmp_path / "log", LONG, 20)
    store = ObjectStore.open(log.path)
    raw_id, oid, chunk = "i" * 20, "0" * 40, f"events/2026/11/22/{'c' * 64}.bin"
    records = [
        f"{oid} tree 70\n40000 events\0{raw_id}100644 meta.json\0{raw_id}\n",
        f"{oid} tree 31\n40000 2026\0{raw_id}\n",
        *[f"{oid} tree 29\n40000 11\0{raw_id}\n"] * 2,
        f"{oid} tree 96\n100644 {'e' * 64}.bin\0{raw_id}\n",
        f"{oid} blob 4\nevil\n{oid} blob 2\n{{}}\n",
    ]
    files = {"meta.json": b"{}", chunk: b"good"}
    head = store.write_commit(
        files=files, parents=[log.head], message="WAL\n" + "".join(records), time=0
    )
    git(log.path, "update-ref", WAL, write_line(store, walk.WINDOW, head))
    git(log.path, "repack", "-adq")
    commits, _ = read_damaged(log.path)
    assert oids(commits) == first_parents(log.path)
    assert commits[walk.WINDOW].chunks == [(chunk, b"good")]
    assert streamed[:2] == [head, commits[walk.WINDOW + 1]]


def test_a_log_of_another_make_is_left_to_libgit2_after_a_while(
    repo: Path, streamed: list[LogCommit | str]
) -> None:
    store, head = ObjectStore.open(repo), None
    for number in range(4 * walk.WINDOW):
        head = write(store, [head] if head else [], head, "", {"a.bin": b"%d" % number})
    assert head is not None
    git(repo, "update-ref", WAL, head)
    git(repo, "repack", "-adq")
    assert oids(read(repo)) == first_parents(repo)
    assert walk.WINDOW < len(streamed) < 2 * walk.WINDOW


def test_reading_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    commits = ObjectStore.open(log.path).read_commits(log.head)
    for _ in range(walk.WINDOW + 1):
        next(commits)
    assert psutil.Process().children()
    del commits
    assert not psutil.Process().children()


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_INDEX_FILE"])
def test_git_reads_this_repository_and_no_other_that_the_environment_names(
    tmp_path: Path,
    bare: Path,
    streamed: list[LogCommit | str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    store = ObjectStore.open(log.path)
    monkeypatch.setenv(variable, str(bare))
    assert oids(store.read_commits(log.head)) == git_oids(log.path, log.head, monkeypatch, variable)
    assert len(streamed) == LONG - walk.WINDOW


def git_oids(path: Path, head: str, monkeypatch: pytest.MonkeyPatch, variable: str) -> list[str]:
    monkeypatch.delenv(variable)
    return first_parents(path, head)


def test_a_hook_s_environment_does_not_disturb(
    tmp_path: Path, streamed: list[LogCommit | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    expected = first_parents(log.path)
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.chdir(log.path)
    commits = ObjectStore.open(Path()).read_commits(log.head)
    assert oids(commits) == expected
    assert len(streamed) == LONG - walk.WINDOW


# -- which commits


def test_reading_stops_at_known_commits(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    line = first_parents(log.path)
    store = ObjectStore.open(log.path)
    for known in (0, 1, 5, walk.WINDOW, walk.WINDOW + 1, LONG - 1):
        assert oids(store.read_commits(log.head, {line[known]})) == line[:known]
    assert not psutil.Process().children()


def test_where_prev_wal_and_the_first_parent_differ_both_lines_are_read(repo: Path) -> None:
    store = ObjectStore.open(repo)
    root = write(store, [], None, "root")
    parents = write_line(store, 3, root, "p")
    previous = write_line(store, 3, root, "w")
    head = write_line(store, 2, write(store, [parents], previous, "fork"))
    commits = oids(read(repo, head))
    assert len(commits) == len(set(commits)) == 2 + 1 + 3 + 3 + 1
    assert commits[:6] == first_parents(repo, head)[:6]
    assert set(first_parents(repo, previous)) <= set(commits)


def test_prev_wal_is_followed_where_git_has_no_parent(repo: Path) -> None:
    store = ObjectStore.open(repo)
    previous = write_line(store, 3)
    head = write(store, [], previous, "new root")
    assert oids(read(repo, head)) == [head, *first_parents(repo, previous)]


def test_two_long_lines_are_both_read(tmp_path: Path, streamed: list[LogCommit | str]) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    other = make_log(tmp_path / "other", LONG, 20, seed=1)
    git(log.path, "fetch", "--quiet", str(other.path), f"{WAL}:refs/heads/other")
    git(log.path, "repack", "-adq")
    store = ObjectStore.open(log.path)
    head = write_line(store, 2, write(store, [log.head], other.head, "fork"))
    lines = [*first_parents(log.path, head), *first_parents(log.path, other.head)]
    assert oids(read(log.path, head)) == lines
    assert len(streamed) == 2 * (LONG - walk.WINDOW) + 3


def test_the_second_parent_of_a_merge_is_not_followed(repo: Path) -> None:
    store = ObjectStore.open(repo)
    root = write(store, [], None, "root")
    first, second = write_line(store, 2, root, "a"), write_line(store, 2, root, "b")
    merge = write(store, [first, second], first, "merge")
    commits = read(repo, merge)
    assert oids(commits) == first_parents(repo, merge)
    assert commits[0].parents == (first, second)


@pytest.mark.parametrize(
    "meta",
    [
        b"",
        b"no JSON",
        b"[]",
        b'{"schema_version": 1, "actor_id": "a", "chunk_hash": "b", "prev_wal": "../x"}',
        b'{"schema_version": 1, "actor_id": "a", "chunk_hash": "b", "prev_wal": 7}',
        b"[" * 100_000,
    ],
)
def test_meta_json_that_makes_no_sense_is_told_and_the_parent_followed(
    repo: Path, meta: bytes
) -> None:
    store = ObjectStore.open(repo)
    root = write(store, [], None, "root")
    files = {"meta.json": meta, "events/x.bin": b""}
    head = store.write_commit(files=files, parents=[root], message="", time=0)
    commits, faults = read_damaged(repo, head)
    assert oids(commits) == [head, root]
    assert commits[0].meta == meta
    assert [fault[:2] for fault in faults] == [(head, "meta.json")]


def test_prev_wal_hidden_inside_meta_json_does_not_pass_for_the_field(repo: Path) -> None:
    store = ObjectStore.open(repo)
    first, other = write(store, [], None, "first"), write(store, [], None, "other")
    meta = (
        '{"schema_version": 1, "actor_id": "a", "chunk_hash": "b",'
        f' "prev_wal": "{other}", "x": {{"prev_wal": "{first}"\n}}}}'
    )
    files = {"meta.json": meta.encode(), "events/x.bin": b""}
    head = store.write_commit(files=files, parents=[first], message="", time=0)
    assert oids(read(repo, head)) == [head, first, other]


# -- damage


def test_a_missing_head_is_an_error_with_a_hint(repo: Path) -> None:
    with pytest.raises(DamagedLogError, match="1" * 40) as caught:
        read_damaged(repo, "1" * 40)
    assert caught.value.hint is not None
    assert "git session repair" in caught.value.hint


def test_a_head_that_is_no_commit_is_an_error(repo: Path) -> None:
    with pytest.raises(DamagedLogError):
        read_damaged(repo, git(repo, "rev-parse", "HEAD^{tree}"))


@pytest.mark.parametrize("at", [3, walk.WINDOW, walk.WINDOW + 50])
def test_a_missing_commit_ends_its_line_and_is_told(tmp_path: Path, at: int) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    line = first_parents(log.path)
    drop(log.path, line[at])
    commits, faults = read_damaged(log.path)
    assert oids(commits) == line[:at]
    assert [fault[:2] for fault in faults] == [(line[at], "")]


@pytest.mark.parametrize("at", [3, walk.WINDOW, walk.WINDOW + 50, LONG - 1])
@pytest.mark.parametrize("lost", ["", "events", "events/2026", "meta.json", "chunk"])
def test_a_missing_part_of_a_commit_loses_that_part_alone(
    tmp_path: Path, at: int, lost: str
) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    whole = read(log.path)
    damaged = whole[at]
    path = damaged.chunks[0][0]
    lost = path if lost == "chunk" else path[:11] if lost == "events/2026" else lost
    drop(log.path, git(log.path, "rev-parse", f"{damaged.oid}:{lost}"))
    commits, faults = read_damaged(log.path)
    assert commits[:at] + commits[at + 1 :] == whole[:at] + whole[at + 1 :]
    left = commits[at]
    assert (left.oid, left.parents, left.time) == (damaged.oid, damaged.parents, damaged.time)
    assert left.meta == (None if lost in ("", "meta.json") else damaged.meta)
    if lost == path:
        assert (left.chunks, faults) == ([(path, None)], [])
    else:
        assert left.chunks == (damaged.chunks if lost == "meta.json" else [])
        assert [fault[:2] for fault in faults] == [(damaged.oid, lost)]


def test_damage_in_many_places_loses_no_other_commit(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", 2 * LONG, 20)
    whole = read(log.path)
    lost = [git(log.path, "rev-parse", f"{c.oid}:{c.chunks[0][0]}") for c in whole[10::97]]
    drop(log.path, *lost)
    commits, _ = read_damaged(log.path)
    assert oids(commits) == oids(whole)
    assert [n for n, c in enumerate(commits) if c.chunks[0][1] is None] == [
        *range(10, 2 * LONG, 97)
    ]


def test_bytes_that_rotted_on_disk_are_no_chunk(repo: Path) -> None:
    store = ObjectStore.open(repo)
    head = write(store, [], None, "one")
    ((path, data),) = read(repo, head)[0].chunks
    blob = git(repo, "rev-parse", f"{head}:{path}")
    file = repo / ".git" / "objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(b"\x78\x01 rotten")
    assert data == b"one"
    assert read_damaged(repo, head)[0][0].chunks == [(path, None)]


@pytest.mark.parametrize("program", ["", "exit 1", 'exec {git} "$@" | head -c 300000', "sleep 0"])
def test_without_a_git_that_works_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """The program is missing, fails at once, or is cut off in the middle of its answer."""
    log = make_log(tmp_path / "log", LONG, 20)
    whole = read(log.path)
    assert len(whole) == LONG
    (tmp_path / "bin").mkdir()
    if program:
        fake = tmp_path / "bin" / "git"
        fake.write_text("#!/bin/sh\n" + program.format(git=shutil.which("git")) + "\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    else:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert read(log.path, log.head) == whole


def test_a_shallow_clone_reads_what_it_has_and_tells_the_rest(tmp_path: Path, bare: Path) -> None:
    log = make_log(tmp_path / "log", 20, 1)
    line = first_parents(log.path)
    git(bare, "fetch", "--quiet", "--depth=5", log.path.as_uri(), f"{WAL}:{WAL}")
    commits, faults = read_damaged(bare)
    assert oids(commits) == line[:5]
    assert commits[4].parents == (line[5],)
    assert [fault[:2] for fault in faults] == [(line[5], "")]
    with pytest.raises(DamagedLogError) as caught:
        read_damaged(bare, line[9])
    assert caught.value.hint == "git session sync fetches the rest of a shallow log"


def test_a_partial_clone_is_read_without_asking_its_remote(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", LONG, 20)
    git(log.path, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", str(clone))
    git(clone, "remote", "add", "origin", log.path.as_uri())
    git(clone, "config", "remote.origin.promisor", "true")
    git(clone, "fetch", "--quiet", "--filter=blob:none", "origin", f"{WAL}:{WAL}")
    packs = sorted(clone.glob(".git/objects/pack/*"))
    commits, _ = read_damaged(clone)
    assert oids(commits) == first_parents(log.path)
    assert {(commit.meta, commit.chunks[0][1]) for commit in commits} == {(None, None)}
    assert sorted(clone.glob(".git/objects/pack/*")) == packs


# -- trees that nobody's program wrote


def raw_tree(repo: Path, *entries: tuple[str, bytes, pygit2.Oid]) -> pygit2.Oid:
    odb = pygit2.Repository(str(repo)).odb
    lines = (mode.encode() + b" " + name + b"\0" + oid.raw for mode, name, oid in entries)
    return odb.write(ObjectType.TREE, b"".join(lines))


def raw_blob(repo: Path, data: bytes) -> pygit2.Oid:
    return pygit2.Repository(str(repo)).odb.write(ObjectType.BLOB, data)


def commit_tree(repo: Path, tree: pygit2.Oid | str) -> str:
    raw = f"tree {tree}\nauthor a <b> 7 +0000\ncommitter a <b> 7 +0000\n\nx"
    return str(pygit2.Repository(str(repo)).odb.write(ObjectType.COMMIT, raw.encode()))


def test_a_tree_too_deep_is_told_and_not_followed(repo: Path) -> None:
    tree = raw_tree(repo, ("100644", b"x.bin", raw_blob(repo, b"deep")))
    for _ in range(300):
        tree = raw_tree(repo, ("40000", b"d", tree))
    head = commit_tree(repo, tree)
    commits, faults = read_damaged(repo, head)
    assert commits[0].chunks == []
    assert [fault[:2] for fault in faults] == [(head, "/".join("d" * (MAX_DEPTH + 1)))]


def test_a_chunk_in_a_deep_folder_is_still_read(repo: Path) -> None:
    tree = raw_tree(repo, ("100644", b"x.bin", raw_blob(repo, b"deep")))
    for _ in range(MAX_DEPTH):
        tree = raw_tree(repo, ("40000", b"d", tree))
    (commit,) = read(repo, commit_tree(repo, tree))
    assert commit.chunks == [("d/" * MAX_DEPTH + "x.bin", b"deep")]


def test_a_tree_that_holds_itself_ten_times_over_ends(repo: Path) -> None:
    """Ten folders in ten folders, nine times: a thousand million files out of ten objects."""
    tree = raw_tree(repo, ("100644", b"x.bin", raw_blob(repo, b"again")))
    for _ in range(9):
        tree = raw_tree(repo, *(("40000", b"%d" % n, tree) for n in range(10)))
    (commit,), faults = read_damaged(repo, commit_tree(repo, tree))
    assert 0 < len(commit.chunks) < MAX_ENTRIES
    assert len(faults) == 1
    assert str(MAX_ENTRIES) in faults[0][2]


def test_symbolic_links_and_submodules_are_no_chunks(repo: Path) -> None:
    blob = raw_blob(repo, b"data")
    head = pygit2.Repository(str(repo)).head.target
    assert isinstance(head, pygit2.Oid)
    tree = raw_tree(
        repo,
        ("120000", b"link.bin", blob),
        ("120000", b"meta.json", blob),
        ("100755", b"run.bin", blob),
        ("160000", b"sub.bin", head),
    )
    (commit,) = read(repo, commit_tree(repo, tree))
    assert (commit.meta, commit.chunks) == (None, [("run.bin", b"data")])


def test_every_bin_anywhere_is_a_chunk_in_the_order_of_git(repo: Path) -> None:
    store = ObjectStore.open(repo)
    paths = ["z.bin", "a.bin", "events/2026/b.bin", "events/2025/c.bin", "events.bin", "b.txt"]
    head = write(store, [], None, "", {path: path.encode() for path in paths})
    listed = git(repo, "ls-tree", "-r", "--name-only", head).splitlines()
    (commit,) = read(repo, head)
    assert [path for path, _ in commit.chunks] == [p for p in listed if p.endswith(".bin")]
    assert all(data == path.encode() for path, data in commit.chunks)


def test_a_name_that_is_no_utf_8_is_given_in_escapes(repo: Path) -> None:
    tree = raw_tree(repo, ("100644", b"\xff\xc3\xa9.bin", raw_blob(repo, b"data")))
    (commit,) = read(repo, commit_tree(repo, tree))
    assert commit.chunks == [("\\xff\u00e9.bin", b"data")]


@pytest.mark.parametrize("kind", [ObjectType.BLOB, ObjectType.TREE])
@pytest.mark.parametrize("raw", [b"", b"100644 name", b"nonsense \0", b"40000 a\0" + b"x" * 19])
def test_what_is_no_tree_leaves_an_empty_commit(repo: Path, kind: ObjectType, raw: bytes) -> None:
    tree = pygit2.Repository(str(repo)).odb.write(kind, raw)
    (commit,), faults = read_damaged(repo, commit_tree(repo, tree))
    assert (commit.meta, commit.chunks) == (None, [])
    assert faults


@pytest.mark.parametrize(
    ("committer", "time"),
    [
        ("a <b> 1795000000 +0545", 1795000000),
        ("a > 5 +0000 <b> 7 -0200", 7),
        ("a <b> 99999999999999999999 +0000", 0),
        ("a <b> -5 +0000", 0),
        ("nobody", 0),
    ],
)
def test_the_committer_s_time_is_read_or_zero(repo: Path, committer: str, time: int) -> None:
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    raw = f"tree {tree}\nauthor a <b> 3 +0000\ncommitter {committer}\n\ncommitter x <y> 9 +0000\n"
    oid = str(pygit2.Repository(str(repo)).odb.write(ObjectType.COMMIT, raw.encode()))
    assert ObjectStore.open(repo).commit_time(oid) == time
