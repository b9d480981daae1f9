"""What is too large to be read is left out and named, whoever reads it and however it is stored."""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Final

import pytest

from git_session.core.wire import names
from git_session.core.wire.chunk import decode_chunk, encode_chunk, hash_chunk
from git_session.core.wire.commit import File, Meta, format_meta
from git_session.core.wire.event import decode_sound_event
from git_session.core.wire.git_object import LARGEST, LARGEST_OTHER
from git_session.errors import DamagedLogError, TooLargeError
from git_session.git.repository.objects import ObjectStore
from git_session.health.fsck import check_log
from git_session.health.repair.plan import plan_repair
from git_session.log.merge import compare_heads, write_merge
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, Ran, git, run
from tests.support.damage import replace
from tests.support.forge import ISSUES, Forge, comment, created
from tests.support.stores import WAL, Event

MIB: Final = 1 << 20
OVER: Final = LARGEST + MIB
LITTLE_MEMORY: Final = 1_000_000
"""KiB of address space; the program with its libraries takes a third of it."""

Store = Callable[[Path], None]


def _keep(_path: Path) -> None:
    """Leaves each object in a file of its own."""


def _pack(path: Path) -> None:
    git(path, "repack", "-adq")


def _pack_with_damaged_index(path: Path) -> None:
    """Lets git read, one object at a time: libgit2 could not be trusted with this."""
    _pack(path)
    (index,) = (path / "objects" / "pack").glob("*.idx")
    replace(index, index.read_bytes()[:-1] + b"\0")


STORED: Final = {"loose": _keep, "packed": _pack, "damaged index": _pack_with_damaged_index}


def _make_log(path: Path, large: bytes, store: Store = _keep) -> str:
    """Makes a log with a large file between two sound commits, and gives the commit of it."""
    forge = Forge(path)
    forge.commit(created(), comment("before", 1))
    commit = forge.commit(chunk=large)
    forge.commit(comment("after", 2))
    store(path)
    return commit


def _texts(log: SessionLog) -> list[str]:
    return [one.body for one in log.task(ISSUES[0].hex()).comments]


@pytest.mark.parametrize("store", STORED.values(), ids=STORED)
@pytest.mark.parametrize("fill", [b"\0", b"GRITECNK\x01\x00\x07cbor-v1\x9a"], ids=["0", "chunk"])
def test_large_file_is_left_out_and_named(bare: Path, store: Store, fill: bytes) -> None:
    commit = _make_log(bare, fill.ljust(OVER, b"\0"), store)
    log = SessionLog.open(bare)
    assert _texts(log) == ["before", "after"]
    (problem,) = log.problems
    assert (problem.code, problem.commit) == ("too_large", commit)
    assert problem.message.endswith(".bin is left out: it is larger than 64 MiB")
    report = check_log(SessionLog.open(bare))
    (finding,) = report["findings"]
    assert (finding["code"], finding["severity"]) == ("too_large", "warning")
    assert (report["commits"], report["chunks"]) == (3, 3)
    assert plan_repair(ObjectStore.open(bare)).damage == []


def test_largest_file_that_is_read(bare: Path) -> None:
    """One byte more is too large; this one is no chunk, and reading says so."""
    _make_log(bare, b"\0" * LARGEST)
    assert [problem.code for problem in SessionLog.open(bare).problems] == ["chunk"]


def test_large_file_is_judged_without_reading_it(bare: Path) -> None:
    """What is behind its size is gone, and makes no difference."""
    oid = git(bare, "hash-object", "-w", "--stdin", stdin="x" * OVER)
    file = bare / "objects" / oid[:2] / oid[2:]
    replace(file, file.read_bytes()[: MIB // 16] + b"garbage")
    with pytest.raises(TooLargeError, match="64 MiB"):
        ObjectStore.open(bare).files.read(oid)


@pytest.mark.heavy
def test_index_remembers_a_large_file(bare: Path, cli: Cli) -> None:
    _make_log(bare, bytes(OVER))
    said = {cli(bare, "tasks").stderr for _ in range(3)}
    assert len(said) == 1
    assert "is left out: it is larger than 64 MiB" in said.pop()


@pytest.mark.heavy
@pytest.mark.parametrize("is_packed", [False, True])
def test_gigabyte_of_zeros_takes_no_memory(tmp_path: Path, *, is_packed: bool) -> None:
    """Each command works with less memory than the file would take."""
    hub, clone = tmp_path / "hub.git", tmp_path / "clone"
    git(tmp_path, "init", "-q", "--bare", str(hub))
    git(tmp_path, "clone", "-q", str(hub), str(clone))
    oid = _write_zeros(clone, 1 << 30)
    forge = Forge(clone)
    parent = forge.commit(created(), comment("before", 1))
    meta = format_meta(Meta(1, "a" * 32, "0" * 64, parent))
    files: dict[str, File] = {"meta.json": meta, f"events/2026/11/22/{'0' * 64}.bin": oid}
    head = forge.store.write_commit(files=files, parents=[parent], message="x", time=9)
    git(clone, "update-ref", WAL, head)
    if is_packed:
        git(clone, "repack", "-adq", timeout=600)
        assert not (clone / ".git" / "objects" / oid[:2] / oid[2:]).exists()
    task = ISSUES[0].hex()
    for words in (
        ("tasks",),
        ("task", "comment", task, "-m", "after"),
        ("task", "show", task),
        ("fsck",),
        ("repair",),
        ("export", "--json"),
        ("snapshot",),
        ("sync",),
        ("start", task, "--exclusive"),
    ):
        ran = _run_in_little_memory(clone, *words)
        assert ran.code == 0, ran
        assert "internal error" not in ran.stderr


def _write_zeros(clone: Path, size: int) -> str:
    """Writes a blob of zeros as a file of its own, faster than git does."""
    sha, packer = hashlib.sha1(usedforsecurity=False), zlib.compressobj(1)
    written = clone / "written"
    with written.open("wb") as file:
        for piece in chain([b"blob %d\0" % size], repeat(bytes(MIB), size // MIB)):
            sha.update(piece)
            file.write(packer.compress(piece))
        file.write(packer.flush())
    oid = sha.hexdigest()
    place = clone / ".git" / "objects" / oid[:2] / oid[2:]
    place.parent.mkdir(exist_ok=True)
    written.rename(place)
    return oid


def _run_in_little_memory(cwd: Path, *words: str) -> Ran:
    limited = f'ulimit -v {LITTLE_MEMORY}; exec "$@"'
    command = ("sh", "-c", limited, "sh", sys.executable, "-m", "git_session", *words)
    return run(cwd, *command, timeout=600)


# -- what is read besides


def test_large_meta_json_is_left_out(bare: Path) -> None:
    forge = Forge(bare)
    forge.commit(created())
    forge.commit(comment("with it"), meta=b'{"a": "%b"}' % (b"x" * LARGEST_OTHER))
    assert _texts(SessionLog.open(bare)) == ["with it"]
    found = check_log(SessionLog.open(bare))["findings"]
    assert [row["message"] for row in found] == ["meta.json is too large"]


def test_large_tree_is_left_out_and_named(bare: Path) -> None:
    forge = Forge(bare)
    forge.commit(created(), comment("before", 1))
    entries = [f"100644 blob {'1' * 40}\t{number:0200}" for number in range(LARGEST_OTHER // 200)]
    tree = git(bare, "mktree", "--missing", stdin="\n".join(entries) + "\n")
    top = git(bare, "mktree", stdin=f"040000 tree {tree}\tevents\n")
    forge.head = git(bare, "commit-tree", top, "-p", forge.head or "", "-m", "x")
    forge.commit(comment("after", 2))
    log = SessionLog.open(bare)
    assert _texts(log) == ["before", "after"]
    assert "the folder events is too large to be read" in {one.message for one in log.problems}


def test_large_commit_ends_the_line_and_is_not_merged_over(bare: Path) -> None:
    forge = Forge(bare)
    base = forge.commit(created(), comment("before", 1))
    tree = git(bare, "rev-parse", f"{base}^{{tree}}")
    large = git(bare, "commit-tree", tree, "-p", base, stdin="x" * (LARGEST_OTHER + 1))
    side = forge.commit(comment("after", 2), parents=[large])
    log = SessionLog.open(bare)
    assert [problem.message for problem in log.problems] == ["the commit is too large to be read"]
    other = forge.commit(comment("other", 3), parents=[base])
    store = ObjectStore.open(bare)
    with pytest.raises(DamagedLogError):
        write_merge(store, compare_heads(store, side, other))
    git(bare, "update-ref", WAL, large)
    with pytest.raises(DamagedLogError):
        SessionLog.open(bare).tasks()


def test_large_lock_and_list_are_not_read(bare: Path) -> None:
    store = ObjectStore.open(bare)
    commit = store.write_commit(files={"a": bytes(OVER)}, parents=[], message="x", time=9)
    assert store.read_file_at(commit, "a") is None


@pytest.mark.parametrize("start", [b"\x9a" + (2_000_000).to_bytes(4, "big"), b"\x9f"])
def test_chunk_of_many_little_items_is_no_chunk(bare: Path, start: bytes) -> None:
    """Decoded, each of them would take up to a hundred bytes."""
    _make_log(bare, b"GRITECNK\x01\x00\x07cbor-v1" + start + b"\x80" * 2_000_000)
    log = SessionLog.open(bare)
    assert _texts(log) == ["before", "after"]
    assert [problem.code for problem in log.problems] == ["chunk"]


def test_event_of_many_little_items_is_no_event() -> None:
    event = Event(ISSUES[0], b"a" * 16, 1, 1, ["title", "", [""] * 2_000_000]).encode()
    assert decode_sound_event(event) is None
    fewer = Event(ISSUES[0], b"a" * 16, 1, 1, ["title", "", [""] * 900_000]).encode()
    assert decode_sound_event(fewer) is not None


# -- merging


def _diverge(path: Path, one: bytes, other: bytes, name: str | None = None) -> tuple[str, str]:
    """Makes two heads that share a beginning and hold a large file each."""
    forge = Forge(path)
    base = forge.commit(created())
    forge.commit(comment("one", 1), parents=[base])
    forge.commit(chunk=one, name=name)
    heads = [forge.commit(comment("more", 2))]
    forge.commit(comment("two", 3), parents=[base])
    heads.append(forge.commit(chunk=other, name=name))
    return heads[0], heads[1]


@pytest.mark.parametrize("name", [None, "0" * 64, "strange"])
def test_merge_carries_a_large_file_by_its_id(bare: Path, name: str | None) -> None:
    one, other = _diverge(bare, bytes(OVER), b"1" * OVER, name)
    store = ObjectStore.open(bare)
    merge = write_merge(store, compare_heads(store, one, other))
    assert write_merge(store, compare_heads(store, other, one)) == merge
    git(bare, "update-ref", WAL, merge)
    log = SessionLog.open(bare)
    assert _texts(log) == ["one", "more", "two"]
    assert [problem.code for problem in log.problems] == ["too_large", "too_large"]
    blobs = {blob for oid in git(bare, "rev-list", "--objects", merge).split() for blob in [oid]}
    assert git(bare, "hash-object", "--stdin", stdin="1" * OVER) in blobs
    for head in (one, other):
        assert compare_heads(store, merge, head).relation == "ahead"
    assert check_log(log)["errors"] == 0


def test_large_file_does_not_take_the_place_of_a_merged_chunk(bare: Path) -> None:
    """Whoever knows what will be merged can give the file the name of the merge's own chunk."""
    taken = hash_chunk(encode_chunk([comment("two", 3).encode()]))
    one, other = _diverge(bare, bytes(OVER), b"1" * OVER, taken)
    store = ObjectStore.open(bare)
    git(bare, "update-ref", WAL, write_merge(store, compare_heads(store, one, other)))
    log = SessionLog.open(bare)
    assert _texts(log) == ["one", "more", "two"]
    assert len(log.problems) == 2


@pytest.mark.heavy
def test_clones_with_a_large_file_each_come_to_one_log(tmp_path: Path, cli: Cli) -> None:
    hub, one, other = tmp_path / "hub.git", tmp_path / "one", tmp_path / "other"
    git(tmp_path, "init", "-q", "--bare", str(hub))
    Forge(hub).commit(created())
    heads = []
    for clone in (one, other):
        git(tmp_path, "clone", "-q", str(hub), str(clone))
        assert cli(clone, "sync").code == 0
        forge = Forge(clone)
        forge.head = git(clone, "rev-parse", WAL)
        forge.commit(comment(clone.name, 1))
        forge.commit(chunk=clone.name.encode() * (OVER // 3))
    for clone in (one, other, one):
        ran = cli(clone, "sync")
        assert ran.code == 0, ran
        heads.append(git(clone, "rev-parse", WAL))
    assert heads[1] == heads[2] == git(hub, "rev-parse", WAL)
    for clone in (one, other):
        log = SessionLog.open(clone)
        assert sorted(_texts(log)) == ["one", "other"]
        assert [problem.code for problem in log.problems] == ["too_large", "too_large"]


# -- writing


@pytest.mark.heavy
def test_merge_that_would_need_a_larger_chunk_ends_with_4(tmp_path: Path, cli: Cli) -> None:
    hub, clone = tmp_path / "hub.git", tmp_path / "clone"
    git(tmp_path, "init", "-q", "--bare", str(hub))
    forge = Forge(hub)
    base = forge.commit(created())
    git(tmp_path, "clone", "-q", str(hub), str(clone))
    assert cli(clone, "sync").code == 0
    for number in range(3):
        forge.commit(comment(chr(97 + number) * (LARGEST // 3), number))
    local = Forge(clone)
    local.head = base
    head = local.commit(*(comment(str(number), number) for number in range(4)))
    ran = cli(clone, "sync", "--json")
    error = json.loads(ran.stdout)["error"]
    assert (ran.code, error["code"]) == (4, "too_large")
    assert "64 MiB" in error["message"]
    assert git(clone, "rev-parse", WAL) == head
    assert git(hub, "rev-parse", WAL) == forge.head


def test_record_larger_than_a_chunk_is_refused(repo: Path) -> None:
    log = SessionLog.open(repo)
    log.add_task("Small")
    head = log.head()
    with pytest.raises(TooLargeError):
        log.add_task("Large", body="x" * OVER)
    assert log.head() == head


@pytest.mark.heavy
def test_snapshot_divides_what_one_chunk_does_not_hold(bare: Path, cli: Cli) -> None:
    forge = Forge(bare)
    forge.commit(created())
    for number in range(3):
        forge.commit(comment(chr(97 + number) * (LARGEST // 3), number + 1))
    assert cli(bare, "snapshot").code == 0
    (ref,) = git(bare, "for-each-ref", "--format=%(refname)", names.SNAPSHOT_PREFIX).split()
    described = json.loads(git(bare, "show", f"{ref}:snapshot.json"))
    assert [part["event_count"] for part in described["chunks"]] == [3, 1]
    store = ObjectStore.open(bare)
    commit = git(bare, "rev-parse", ref)
    parts = [store.read_file_at(commit, part["path"]) for part in described["chunks"]]
    assert sum(len(decode_chunk(part or b"")[0]) for part in parts) == 4
