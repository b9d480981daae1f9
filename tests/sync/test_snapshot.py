"""`git session snapshot`: what it writes. In test_interop.py the real grite reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_session.core.wire import names
from git_session.core.wire.chunk import encode_chunk, hash_chunk, split_chunk
from git_session.core.wire.event import decode_event
from git_session.errors import ConflictError, NotFoundError
from git_session.log.session_log import SessionLog
from git_session.sync.snapshot import write_snapshot_row
from tests.conftest import Cli, git, run
from tests.support import events
from tests.support.fleet import WAL, read_blob, read_head, set_head, write_commit
from tests.support.stores import make_log

CLOCK = 1_800_000_000_000


def open_log(path: Path) -> SessionLog:
    return SessionLog.open(path, clock=lambda: CLOCK)


def read_snapshot(path: Path, ref: str) -> tuple[dict[str, Any], list[bytes]]:
    """Reads a snapshot as the format describes it: its description and its events."""
    description = json.loads(git(path, "show", f"{ref}:snapshot.json"))
    raws = []
    for part in description["chunks"]:
        data = read_blob(path, f"{ref}:{part['path']}")
        assert hash_chunk(data) == part["chunk_hash"]
        found = split_chunk(data)
        assert len(found) == part["event_count"] <= 1000
        raws += found
    return description, raws


def append(path: Path, *raws: bytes) -> None:
    """Appends events to the log, whatever they are."""
    head = read_head(path)
    chunk = encode_chunk(raws)
    meta = {"schema_version": 1, "actor_id": "ab" * 16, "chunk_hash": hash_chunk(chunk)}
    files = {
        "meta.json": json.dumps(meta | {"prev_wal": head}).encode(),
        names.chunk_path(events.T0, hash_chunk(chunk)): chunk,
    }
    set_head(path, write_commit(path, files, *([head] if head else [])))


def test_a_snapshot_holds_the_whole_log_in_parts_of_a_thousand(tmp_path: Path) -> None:
    made = make_log(tmp_path / "r", 2300, 40, per_commit=100)
    row = write_snapshot_row(open_log(made.path))
    assert row == {
        "ref": f"refs/grite/snapshots/{CLOCK}",
        "commit": read_head(made.path, f"refs/grite/snapshots/{CLOCK}"),
        "events": 2300,
        "left_out": 0,
        "chunks": 3,
        "is_new": True,
    }
    description, raws = read_snapshot(made.path, row["ref"])
    assert list(description) == [
        "schema_version",
        "created_ts",
        "wal_head",
        "event_count",
        "chunks",
    ]
    assert description["schema_version"] == 1
    assert description["created_ts"] == CLOCK
    assert description["wal_head"] == made.head
    assert description["event_count"] == len(raws) == 2300
    assert [part["path"] for part in description["chunks"]] == [
        "events/0000.bin",
        "events/0001.bin",
        "events/0002.bin",
    ]
    assert len(set(raws)) == 2300


def test_the_commit_is_laid_out_as_grite_does_it(bundle: Callable[[str], Path]) -> None:
    path = bundle("lifecycle")
    row = write_snapshot_row(open_log(path))
    shown = git(path, "cat-file", "commit", row["commit"])
    assert "\nparent " not in shown
    assert "\nauthor grite <grit@local> " in shown
    assert run(path, "git", "cat-file", "commit", row["commit"]).stdout.endswith(
        f"\n\nSnapshot: 77 events at {CLOCK}"
    )
    assert git(path, "ls-tree", "-r", "--format=%(objectmode) %(path)", row["commit"]).split(
        "\n"
    ) == [
        "100644 events/0000.bin",
        "100644 snapshot.json",
    ]
    raw = git(path, "show", f"{row['ref']}:snapshot.json")
    assert raw.startswith('{\n  "schema_version": 1,\n')


def test_each_issues_creation_stands_before_all_else(bundle: Callable[[str], Path]) -> None:
    path = bundle("lifecycle")
    _, raws = read_snapshot(path, write_snapshot_row(open_log(path))["ref"])
    kinds = [decode_event(raw).kind for raw in raws]
    assert kinds == [1] * 3 + [kind for kind in kinds if kind != 1]


def test_what_grite_cannot_rebuild_from_is_left_out_and_counted(repo: Path) -> None:
    creation = events.created(10)
    again = events.created(20)
    early = events.comment("before its issue", 5)
    orphan = events.comment("of no issue", 30, issue=b"\x77" * 16)
    late = events.comment("sound", 40)
    unknown = events.comment("x", 50).raw.replace(b"\x03\x81ax", b"\x18\x63\x81ax")
    forged = late.raw[:3] + b"\0" * 32 + late.raw[35:]
    append(repo, creation.raw, again.raw, early.raw, orphan.raw)
    append(repo, late.raw, late.raw, unknown, forged, unknown)
    row = write_snapshot_row(open_log(repo))
    _, raws = read_snapshot(repo, row["ref"])
    assert raws == [creation.raw, late.raw]
    # The second creation, what came before its issue, what has none, and two that are not read.
    assert (row["events"], row["left_out"]) == (2, 5)


def test_context_events_are_in_it(bundle: Callable[[str], Path]) -> None:
    path = bundle("all-kinds")
    row = write_snapshot_row(open_log(path))
    _, raws = read_snapshot(path, row["ref"])
    assert {decode_event(raw).kind for raw in raws} == set(range(1, 15))
    assert (row["events"], row["left_out"]) == (23, 0)


def test_a_snapshot_from_the_index_is_the_same(bundle: Callable[[str], Path], cli: Cli) -> None:
    path = bundle("all-kinds")
    _, before = read_snapshot(path, write_snapshot_row(open_log(path))["ref"])
    for _ in range(2):
        assert cli(path, "list").code == 0
    _, after = read_snapshot(path, write_snapshot_row(open_log(path), is_forced=True)["ref"])
    assert after == before


def test_its_name_is_later_than_any_other(bundle: Callable[[str], Path]) -> None:
    path = bundle("lifecycle")
    refs = [write_snapshot_row(open_log(path), is_forced=True)["ref"] for _ in range(3)]
    assert refs == [f"refs/grite/snapshots/{CLOCK + number}" for number in range(3)]
    future = CLOCK + 10**10
    set_head(path, read_head(path, refs[0]) or "", f"refs/grite/snapshots/{future}")
    assert (
        write_snapshot_row(open_log(path), is_forced=True)["ref"]
        == f"refs/grite/snapshots/{future + 1}"
    )


def test_what_the_newest_one_holds_already_is_not_written_again(repo: Path, cli: Cli) -> None:
    """Each would go to every remote; but one that only says so is not believed."""
    for raw in (events.created(10).raw, events.comment("one", 20).raw):
        append(repo, raw)
    first = write_snapshot_row(open_log(repo))
    again = write_snapshot_row(open_log(repo))
    assert (first["is_new"], again) == (True, first | {"is_new": False})
    ran = cli(repo, "snapshot")
    assert (ran.code, ran.stdout.split(":")[0]) == (0, first["ref"])
    assert "the newest snapshot is complete" in ran.stderr
    append(repo, events.comment("two", 30).raw)
    assert write_snapshot_row(open_log(repo))["events"] == 3
    newest = write_snapshot_row(open_log(repo))["ref"]
    described = git(repo, "show", f"{newest}:snapshot.json")
    files = {"snapshot.json": described.encode(), "events/0000.bin": b"other"}
    set_head(repo, write_commit(repo, files), f"refs/grite/snapshots/{CLOCK + 50}")
    assert write_snapshot_row(open_log(repo))["ref"] == f"refs/grite/snapshots/{CLOCK + 51}"


def test_names_that_are_taken_and_not_listed_are_passed_over(
    bundle: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundle("lifecycle")
    for _ in range(2):
        write_snapshot_row(open_log(path), is_forced=True)
    log = open_log(path)
    monkeypatch.setattr(log.store, "list_refs", lambda _: {})
    assert write_snapshot_row(log)["ref"] == f"refs/grite/snapshots/{CLOCK + 2}"


@pytest.mark.parametrize("name", ["999999999999999", "9999999999999999999999"])
def test_a_name_that_nothing_can_come_after_is_refused(
    name: str, bundle: Callable[[str], Path]
) -> None:
    path = bundle("lifecycle")
    set_head(path, read_head(path) or "", f"refs/grite/snapshots/{name}")
    with pytest.raises(ConflictError) as caught:
        write_snapshot_row(open_log(path))
    assert f"git update-ref -d refs/grite/snapshots/{name}" in (caught.value.hint or "")
    git(path, "update-ref", "-d", f"refs/grite/snapshots/{name}")
    assert write_snapshot_row(open_log(path))["events"] == 77


def test_names_that_are_no_times_are_passed_over(bundle: Callable[[str], Path]) -> None:
    path = bundle("lifecycle")
    for name in ("later", "-5", "x/1"):
        set_head(path, read_head(path) or "", f"refs/grite/snapshots/{name}")
    assert write_snapshot_row(open_log(path))["ref"] == f"refs/grite/snapshots/{CLOCK}"


def test_without_a_log_or_with_nothing_for_grite_in_it_there_is_none(repo: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no log"):
        write_snapshot_row(open_log(repo))
    append(repo, events.comment("of no issue", 1).raw)
    with pytest.raises(NotFoundError, match="nothing for grite to rebuild from"):
        write_snapshot_row(open_log(repo))
    assert git(repo, "for-each-ref", "refs/grite/snapshots") == ""


def test_the_command_says_what_it_wrote_and_how_grite_takes_it(
    checkout_of: Callable[[str], Path], cli: Cli
) -> None:
    path = checkout_of("lifecycle")
    ran = cli(path, "snapshot")
    assert ran.code == 0
    assert ran.stdout.startswith("refs/grite/snapshots/")
    assert ran.stdout.endswith(": 77 events in 1 chunk\n")
    assert ran.stderr == "hint: grite rebuild --from-snapshot reads it\n"
    data = cli(path, "snapshot", "--json").json()["data"]
    assert (data["events"], data["left_out"], data["chunks"]) == (77, 0, 1)
    append(path, events.comment("of no issue", 1, issue=b"\x77" * 16).raw)
    ran = cli(path, "snapshot")
    assert "1 event that grite cannot rebuild from was left out" in ran.stderr
    assert read_head(path, WAL) is not None
