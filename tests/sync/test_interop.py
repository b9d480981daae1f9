"""Clones that the real grite uses: what it wedged is healed, it reads all of it, and syncs on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_session.core.wire import names
from git_session.core.wire.chunk import encode_chunk, hash_chunk
from git_session.log.merge import compare_heads, write_merge
from tests.conftest import Cli, Grite, git
from tests.support import events
from tests.support.fleet import WAL, Clone, read_head, set_head, write_commit

Checkout = Callable[[str], Path]


@pytest.fixture
def wedged(bundle: Checkout, checkout_of: Checkout, grite: Grite) -> tuple[Path, Clone, Clone]:
    """Gives a hub and two clones that grite's own sync cannot bring together any more."""
    hub = bundle("diverged-hub")
    clones = []
    for name in ("diverged-a", "diverged-b"):
        path = checkout_of(name)
        if "origin" not in git(path, "remote").split():
            git(path, "remote", "add", "origin", str(hub))
        grite(path, "init", "--no-agents-md")
        clones.append(Clone(path))
    return hub, clones[0], clones[1]


def read_all(clone: Clone, grite: Grite) -> int:
    """Lets grite read the log whole into its cache, and gives how many events it found."""
    count: int = grite.json(clone.path, "snapshot", "create")["event_count"]
    grite(clone.path, "rebuild", "--from-snapshot")
    return count


def issue_of(clone: Clone) -> str:
    row, *_ = clone.log.task_rows()
    issue: str = row["grite_issue_id"]
    return issue


def sync_by_grite(clone: Clone, grite: Grite) -> dict[str, Any]:
    """Syncs by the real grite, which must succeed."""
    data: dict[str, Any] = grite.json(clone.path, "sync")
    assert data["push_success"] is True
    return data


def assert_grite_goes_on(hub: Path, one: Clone, other: Clone, grite: Grite, issue: str) -> None:
    """Asserts that grite appends and syncs in both clones, and that we read what it wrote."""
    for clone, word in ((one, "from one"), (other, "from the other")):
        sync_by_grite(clone, grite)
        read_all(clone, grite)
        grite(clone.path, "issue", "comment", issue, "--body", word)
        sync_by_grite(clone, grite)
        assert clone.head == read_head(hub)
    one.sync_well()
    bodies = [row["body"] for row in one.log.task_row(issue)["comments"]]
    assert {"from one", "from the other"} <= set(bodies)


def test_grite_alone_stops_at_clones_that_diverged(
    wedged: tuple[Path, Clone, Clone], grite: Grite
) -> None:
    _, _, b = wedged
    ran = grite.run(b.path, "sync")
    assert ran.code != 0
    assert "non-fastforwardable" in ran.stdout + ran.stderr


def test_clones_that_grite_has_wedged_are_healed_and_grite_goes_on(
    wedged: tuple[Path, Clone, Clone], grite: Grite, cli: Cli
) -> None:
    hub, a, b = wedged
    for clone in (b, a):
        ran = cli(clone.path, "sync")
        assert ran.code == 0, ran
    assert a.head == b.head == read_head(hub)
    for clone in (a, b):
        assert len(clone.events) == 36
        assert len(cli(clone.path, "list", "--all", "--json").json()["data"]["sessions"]) == 2
        assert read_all(clone, grite) == 36
    assert_grite_goes_on(hub, a, b, grite, issue_of(a))


def test_grite_sees_what_arrived_by_our_snapshot(
    wedged: tuple[Path, Clone, Clone], grite: Grite, cli: Cli
) -> None:
    _, a, b = wedged
    issue = issue_of(a)
    comments = len(a.log.task_row(issue)["comments"])
    b.sync_well()
    a.sync_well()
    ran = cli(a.path, "snapshot", "--json")
    again = cli(a.path, "snapshot", "--json").json()["data"]
    assert again == ran.json()["data"] | {"is_new": False}
    assert ran.json()["data"]["events"] == 36
    assert grite.json(a.path, "rebuild", "--from-snapshot")["event_count"] == 36
    shown = grite.json(a.path, "issue", "show", issue)
    bodies = [event for event in shown["events"] if "CommentAdded" in json.dumps(event["kind"])]
    assert len(bodies) > comments
    # The snapshot goes to the other clone with the next syncs, and grite takes it there, too.
    a.sync_well()
    assert b.sync_well()["snapshots_in"] == 1
    assert grite.json(b.path, "rebuild", "--from-snapshot")["event_count"] == 36
    assert grite.json(b.path, "issue", "show", issue)["issue"] == shown["issue"]


def test_a_snapshot_leaves_out_what_grite_cannot_rebuild_from(
    wedged: tuple[Path, Clone, Clone], grite: Grite, cli: Cli
) -> None:
    _, a, _ = wedged
    before = len(a.events)
    issue = bytes.fromhex(issue_of(a))
    new = b"\x55" * 16
    told = [
        events.comment("x", 50, issue=issue).raw.replace(b"\x03\x81ax", b"\x18\x63\x81ax"),
        events.comment("of no issue", 51, issue=b"\x77" * 16).raw,
        events.created(60, issue=new).raw,
        events.created(61, issue=new).raw,
        events.comment("before its issue", 59, issue=new).raw,
        events.comment("after its issue", 62, issue=new).raw,
    ]
    append(a, *told)
    # Each of them, put in as it is, makes grite's own way fail.
    assert grite.run(a.path, "snapshot", "create").code != 0
    ran = cli(a.path, "snapshot")
    assert ran.code == 0
    assert "4 events that grite cannot rebuild from were left out" in ran.stderr
    assert grite.json(a.path, "rebuild", "--from-snapshot")["event_count"] == before + 2
    assert len(grite.json(a.path, "issue", "list")["issues"]) == 2


@pytest.mark.parametrize("order", ["early", "again", "orphan"])
def test_grite_does_fail_at_what_a_snapshot_leaves_out(
    order: str, repo: Path, grite: Grite
) -> None:
    grite(repo, "init", "--no-agents-md")
    told = {
        "early": [events.comment("early", 5), events.created(10)],
        "again": [events.created(10), events.created(11)],
        "orphan": [events.created(10), events.comment("x", 12, issue=b"\x77" * 16)],
    }[order]
    clone = Clone(repo)
    append(clone, *(event.raw for event in told))
    grite(repo, "snapshot", "create")
    assert grite.run(repo, "rebuild", "--from-snapshot").code != 0


def append(clone: Clone, *raws: bytes) -> str:
    """Appends a commit of events, whatever they are, and gives the new head."""
    chunk = encode_chunk(raws)
    head = clone.head
    meta = {"schema_version": 1, "actor_id": "ab" * 16, "chunk_hash": hash_chunk(chunk)}
    files = {
        "meta.json": json.dumps(meta | {"prev_wal": head}, indent=2).encode(),
        names.chunk_path(events.T0, hash_chunk(chunk)): chunk,
    }
    new = write_commit(clone.path, files, *([head] if head else []))
    set_head(clone.path, new)
    return new


@pytest.fixture
def pair(tmp_path: Path, grite: Grite) -> tuple[Path, Clone, Clone, str]:
    """Gives a hub, two clones that grite is ready in, and the issue that they share."""
    hub = tmp_path / "hub.git"
    git(tmp_path, "init", "--quiet", "--bare", str(hub))
    one, other = (Clone.make(tmp_path / name, origin=hub) for name in ("one", "other"))
    for clone in (one, other):
        git(clone.path, "commit", "--quiet", "--allow-empty", "--message=First")
        grite(clone.path, "init", "--no-agents-md")
    grite(one.path, "issue", "create", "--title", "Shared", "--body", "")
    one.sync_well()
    other.sync_well()
    read_all(other, grite)
    return hub, one, other, issue_of(one)


def tell(clone: Clone, issue: str, word: str, count: int) -> list[bytes]:
    """Makes comments that come after the issue's creation, as grite needs it."""
    (row,) = clone.log.task_rows()
    begin = row["created_ts"] - events.T0 + 1
    ident = bytes.fromhex(issue)
    return [events.comment(f"{word} {n}", begin + n, issue=ident).raw for n in range(count)]


def tell_issues(begin: bytes, count: int, length: int) -> list[bytes]:
    """Makes issues of `length` events each; grite takes long over many events of one issue."""
    issues = [begin + number.to_bytes(15, "big") for number in range(count)]
    return [
        events.created(0, issue=issue).raw if n == 0 else events.comment("x", n, issue=issue).raw
        for issue in issues
        for n in range(length)
    ]


def assert_grite_reads_everything(clones: tuple[Clone, ...], grite: Grite) -> None:
    for clone in clones:
        assert read_all(clone, grite) == len(clone.events)


def test_grite_reads_criss_cross_merges(
    pair: tuple[Path, Clone, Clone, str], tmp_path: Path, grite: Grite
) -> None:
    hub, one, other, issue = pair
    backup = tmp_path / "backup.git"
    git(tmp_path, "init", "--quiet", "--bare", str(backup))
    for clone in (one, other):
        git(clone.path, "remote", "add", "backup", str(backup))
    one.sync_well("backup")
    for turn in range(3):
        for clone in (one, other):
            grite(clone.path, "issue", "comment", issue, "--body", f"{clone.path.name} {turn}")
        one.sync_well("origin")
        other.sync_well("backup")
        one.sync_well("backup")
        other.sync_well("origin")
    one.sync("origin", "backup")
    other.sync("origin", "backup")
    one.sync_well("origin")
    assert one.head == other.head == read_head(hub)
    assert int(git(one.path, "rev-list", "--merges", "--count", WAL)) >= 3
    assert_grite_reads_everything((one, other), grite)
    assert_grite_goes_on(hub, one, other, grite, issue)


def test_grite_reads_logs_that_began_apart(
    pair: tuple[Path, Clone, Clone, str], tmp_path: Path, grite: Grite
) -> None:
    hub, one, _, issue = pair
    third = Clone.make(tmp_path / "third", origin=hub)
    git(third.path, "commit", "--quiet", "--allow-empty", "--message=First")
    grite(third.path, "init", "--no-agents-md")
    grite(third.path, "issue", "create", "--title", "Apart", "--body", "")
    assert third.sync_well()["outcome"] == "merged"
    one.sync_well()
    assert_grite_reads_everything((one, third), grite)
    assert_grite_goes_on(hub, one, third, grite, issue)


def test_grite_reads_a_merge_without_an_event(
    pair: tuple[Path, Clone, Clone, str], grite: Grite
) -> None:
    hub, one, other, issue = pair
    base = one.head or ""
    pieces = tell(one, issue, "piece", 2)
    whole = append(one, *pieces)
    append(other, pieces[0])
    parts = append(other, pieces[1])
    one.sync_well()
    git(other.path, "fetch", "--quiet", "origin", f"{WAL}:refs/there")
    store = other.log.store
    merge = write_merge(store, compare_heads(store, parts, whole))
    assert git(other.path, "show", "--format=%s", "--no-patch", merge).startswith("WAL: 0 events")
    set_head(other.path, merge)
    assert other.sync_well()["outcome"] == "sent"
    one.sync_well()
    assert one.head == merge != base
    assert_grite_reads_everything((one, other), grite)
    assert_grite_goes_on(hub, one, other, grite, issue)


def test_grite_reads_a_merge_of_1500_events(
    pair: tuple[Path, Clone, Clone, str], grite: Grite
) -> None:
    hub, one, other, issue = pair
    append(one, *tell_issues(b"o", 100, 16))
    append(other, *tell_issues(b"t", 100, 15))
    one.sync_well()
    assert other.sync_well()["events_out"] == 1500
    one.sync_well()
    assert git(one.path, "show", "--format=%s", "--no-patch", WAL).startswith("WAL: 1500 events")
    assert_grite_reads_everything((one, other), grite)
    assert_grite_goes_on(hub, one, other, grite, issue)


def test_grite_syncs_on_where_its_head_is_a_second_parent(
    pair: tuple[Path, Clone, Clone, str], grite: Grite
) -> None:
    hub, one, other, issue = pair
    grite(one.path, "issue", "comment", issue, "--body", "one event")
    for number in range(3):
        grite(other.path, "issue", "comment", issue, "--body", f"{number} of three")
    one.sync_well()
    mine = one.head
    other.sync_well()
    assert git(other.path, "rev-parse", f"{WAL}^2") == mine
    assert_grite_goes_on(hub, one, other, grite, issue)
    assert_grite_reads_everything((one, other), grite)
