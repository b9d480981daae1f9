"""The stores that grite and brat wrote read as what they are: fixtures/README.md, fact by fact."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.core.answers.log import FsckReport
from git_session.core.fold.issues import Issue
from git_session.core.fold.replay import Replay
from git_session.core.wire.event import KIND_NAMES, Event
from git_session.git.repository.objects import ObjectStore
from git_session.health.fsck import check_log
from git_session.log.session_log import SessionLog
from tests.conftest import FIXTURES, git

BUNDLES: Final = {
    "all-kinds": (23, 2, 0, 0),
    "brat-witness": (37, 3, 2, 4),
    "lifecycle": (77, 3, 3, 3),
    "signed": (8, 1, 1, 1),
    "diverged-hub": (15, 1, 1, 1),
    "diverged-a": (15, 1, 1, 1),
    "diverged-b": (22, 1, 1, 1),
}
"""Commits (each holds one event), issues, tasks, sessions."""

VIEWS: Final = sorted(path.name.partition(".")[0] for path in FIXTURES.glob("*.grite.json"))
DAY: Final = "20261122"
LIFECYCLE: Final = {
    f"s-{DAY}-4f1a t-{DAY}-4f11 exit polecat codex 4001 1795000000000 1795000062000 0 completed",
    f"s-{DAY}-4f1b t-{DAY}-4f12 running crew claude 4002 1795000002500 1795000063000 None None",
    f"s-{DAY}-4f1c t-{DAY}-4f11 exit polecat codex 4003 1795000070000 None -1 crash-recovery",
}
"""The fields that LIFECYCLE_FIELDS names, of each session."""

LIFECYCLE_FIELDS: Final = (
    *("session_id", "task_id", "status", "session_type", "engine", "pid"),
    *("started_ts", "last_heartbeat_ts", "exit_code", "exit_reason"),
)

Bundle = Callable[[str], Path]


def read_view(name: str) -> Any:
    """Reads grite's own view of a store."""
    return json.loads((FIXTURES / f"{name}.grite.json").read_text("utf-8"))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads all sessions of a store, as one clock would always show them."""
    return SessionLog.open(path, clock=lambda: 0).session_rows(include_exited=True)


def test_every_bundle_and_every_view_is_looked_at_here() -> None:
    bundles = {path.name.removesuffix(".bundle") for path in FIXTURES.glob("*.bundle")}
    assert bundles == set(BUNDLES)
    assert set(VIEWS) == bundles - {"diverged-hub"}


@pytest.mark.parametrize("name", BUNDLES)
def test_a_store_holds_as_much_as_it_should_and_no_damage(bundle: Bundle, name: str) -> None:
    path = bundle(name)
    events, issues, tasks, sessions = BUNDLES[name]
    log = SessionLog.open(path)
    report = FsckReport.model_validate(check_log(log))
    assert report.commits == int(git(path, "rev-list", "--count", "refs/grite/wal")) == events
    assert (report.events, report.chunks) == (events, events)
    assert (report.issues, report.sessions) == (issues, sessions)
    assert report.errors == 0
    # Some of these sessions were told from the middle of their lives, with a transition left out.
    assert {finding.code for finding in report.findings} <= {"transition"}
    assert sum(folded.issue.is_task for folded in log.replay().issues()) == tasks
    assert len(log.sessions(include_exited=True)) == sessions
    assert log.problems == []


@pytest.mark.parametrize("name", BUNDLES)
def test_packed_and_loose_objects_and_refs_read_alike(bundle: Bundle, name: str) -> None:
    path = bundle(name)
    before = read_rows(path)
    git(path, "gc", "--quiet", "--prune=now")
    git(path, "pack-refs", "--all", "--prune")
    assert not (path / "refs" / "grite" / "wal").exists()
    assert not list((path / "objects").glob("[0-9a-f][0-9a-f]"))
    assert read_rows(path) == before
    loose = path.parent / "loose.git"
    git(path.parent, "init", "--quiet", "--bare", str(loose))
    git(loose, "config", "receive.unpackLimit", "1000000")
    git(path, "push", "--quiet", str(loose), "refs/grite/wal")
    assert not list((loose / "objects" / "pack").glob("*.pack"))
    assert read_rows(loose) == before


@pytest.mark.parametrize("name", VIEWS)
def test_issues_fold_to_what_grite_makes_of_them(bundle: Bundle, name: str) -> None:
    replay = SessionLog.open(bundle(name)).replay()
    view = read_view(name)
    assert [entry["issue"] for entry in view["issues"]] == view["list"]
    folded = [describe_issue(f.issue) for f in replay.issues() if f.issue.is_created]
    assert sorted(folded, key=lambda row: row["issue_id"]) == sorted(
        view["list"], key=lambda row: row["issue_id"]
    )


@pytest.mark.parametrize("name", VIEWS)
def test_each_event_of_an_issue_is_the_one_that_grite_shows(bundle: Bundle, name: str) -> None:
    replay = SessionLog.open(bundle(name)).replay()
    for entry in read_view(name)["issues"]:
        held = replay.events[bytes.fromhex(entry["issue"]["issue_id"])]
        assert len(held) == len(entry["events"])
        shown = {event["event_id"]: event for event in entry["events"]}
        for event in held:
            assert (
                describe_event(event, shown[event.event_id.hex()]["kind"])
                == shown[event.event_id.hex()]
            )


def describe_issue(issue: Issue) -> dict[str, Any]:
    """Describes an issue in the words of `grite issue list --json`."""
    return {
        "issue_id": issue.hex,
        "title": issue.title,
        "state": issue.state,
        "labels": sorted(issue.labels),
        "assignees": sorted(issue.assignees),
        "comment_count": len(issue.comments),
        "created_ts": issue.created_ts,
        "updated_ts": issue.updated_ts,
    }


def describe_event(event: Event, like: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Describes an event in the words of `grite issue show --json`; `like` gives their order."""
    ((_, fields),) = like.items()
    assert event.payload is not None
    order = PAYLOAD_ORDER.get(KIND_NAMES[event.kind], tuple(fields))
    values = dict(zip(order, [plain(value) for value in event.payload], strict=True))
    if "labels" in values:  # grite shows them as they were given, and stores them sorted
        assert values["labels"] == sorted(fields["labels"])
        values["labels"] = fields["labels"]
    return {
        "event_id": event.event_id.hex(),
        "issue_id": event.issue_id.hex(),
        "actor": event.actor.hex(),
        "ts_unix_ms": event.ts,
        "parent": event.parent.hex() if event.parent else None,
        "kind": {KIND_NAMES[event.kind]: values},
    }


PAYLOAD_ORDER: Final = {
    "IssueCreated": ("title", "body", "labels"),
    "IssueUpdated": ("title", "body"),
    "LinkAdded": ("url", "note"),
    "AttachmentAdded": ("name", "sha256", "mime"),
    "DependencyAdded": ("target", "dep_type"),
    "DependencyRemoved": ("target", "dep_type"),
}


def plain(value: Any) -> Any:
    """Turns bytes into the list of numbers that grite's JSON shows."""
    return list(value) if isinstance(value, bytes) else value


def test_lifecycle_reads_as_its_table(bundle: Bundle) -> None:
    log = SessionLog.open(bundle("lifecycle"))
    sessions = log.sessions(include_exited=True)
    assert {
        " ".join(str(getattr(session, name)) for name in LIFECYCLE_FIELDS) for session in sessions
    } == LIFECYCLE
    assert all(session.state == session.status for session in sessions)
    assert [s.session_id for s in log.sessions()] == ["s-20261122-4f1b"]
    assert [s.live_on_task for s in sessions] == [0, 1, 0]


def test_lifecycle_tells_every_step_of_a_life(bundle: Bundle) -> None:
    log = SessionLog.open(bundle("lifecycle"))
    steps = log.history("s-20261122-4f1a")[::-1]
    assert [step.to_state for step in steps] == [
        *("spawned", "ready", "running", "running", "handoff", "exit")
    ]
    assert [step.from_state for step in steps] == [
        *(None, "spawned", "ready", "running", "running", "handoff")
    ]
    assert all(step.is_legal and not step.is_late and not step.is_fork for step in steps)
    assert "state" not in steps[3].changes
    assert "last_heartbeat_ts" in steps[3].changes
    assert steps[5].changes["exit_code"] == 0


def test_lifecycle_has_a_task_without_session_and_a_comment_without_block(bundle: Bundle) -> None:
    log = SessionLog.open(bundle("lifecycle"))
    assert {task.task_id: task.sessions for task in log.tasks()} == {
        "t-20261122-4f11": {"exit": 2},
        "t-20261122-4f12": {"running": 1},
        "t-20261122-4f13": {},
    }
    (talk,) = [c for c in log.task("t-20261122-4f12").comments if c.session_id is None]
    assert "[session]" in talk.body
    assert not [event for folded in log.replay().issues() for event in folded.sessions.unparsed]


def test_brat_witness_shows_the_four_sessions_that_brat_lost(bundle: Bundle) -> None:
    log = SessionLog.open(bundle("brat-witness"))
    brats = json.loads((FIXTURES / "brat-witness.brat-session-list.json").read_text())
    assert brats["data"]["total"] == 0
    sessions = log.sessions()
    assert [session.status for session in sessions] == ["spawned"] * 4
    assert [session.live_on_task for session in sessions] == [2] * 4
    tasks = log.tasks()
    assert {session.task_id for session in sessions} == {task.task_id for task in tasks}
    assert [(task.status, task.sessions) for task in tasks] == [("running", {"spawned": 2})] * 2
    (convoy,) = {task.convoy_id for task in tasks}
    assert convoy is not None
    assert re.fullmatch(r"c-\d{8}-[0-9a-f]{4}", convoy)


def test_all_kinds_holds_all_kinds_and_texts_as_they_were(bundle: Bundle) -> None:
    log = SessionLog.open(bundle("all-kinds"))
    replay = log.replay()
    found = {event.kind for event in map(replay.find_event, replay.origin) if event is not None}
    assert found == set(KIND_NAMES)
    assert log.sessions(include_exited=True) == []
    (shown,) = log.tasks()  # the other one is closed and has no session
    detail = log.task(shown.grite_issue_id)
    assert detail.task_id == detail.grite_issue_id
    assert detail.title == "Parser drops the final row · 4f1c"
    assert detail.assignees == ["bob"]
    assert [c.body for c in detail.comments] == [
        *("plain comment", "two\nlines\twith a tab", "after the snapshot")
    ]
    assert [task.state for task in log.tasks(include_all=True)] == ["open", "closed"]


def test_all_kinds_keeps_its_lock_and_its_snapshot_out_of_the_way(bundle: Bundle) -> None:
    path = bundle("all-kinds")
    before = SessionLog.open(path).task_rows(include_all=True)
    refs = git(path, "for-each-ref", "--format=%(refname)", "refs/grite").split()
    assert any(ref.startswith("refs/grite/locks/") for ref in refs)
    (snapshot,) = [ref for ref in refs if ref.startswith("refs/grite/snapshots/")]
    git(path, "update-ref", "-d", snapshot)
    assert SessionLog.open(path).task_rows(include_all=True) == before


def test_signed_is_good_to_one_who_knows_the_key_and_unknown_to_others(bundle: Bundle) -> None:
    path = bundle("signed")
    counts = check_log(SessionLog.open(path))["signatures"]
    assert counts == {"valid": 0, "wrong": 0, "unknown_key": 8, "unsigned": 0}
    toml = FIXTURES / "signed.actor.toml"
    (actor_id,) = re.findall(r'actor_id = "([0-9a-f]{32})"', toml.read_text())
    home = path / "grite" / "actors" / actor_id
    home.mkdir(parents=True)
    shutil.copyfile(toml, home / "config.toml")
    report = check_log(SessionLog.open(path))
    assert report["signatures"] == {"valid": 8, "wrong": 0, "unknown_key": 0, "unsigned": 0}
    assert report["findings"] == []


def test_diverged_logs_are_one_hub_and_two_clones(bundle: Bundle) -> None:
    heads = {
        name: git(bundle(f"diverged-{name}"), "rev-parse", "refs/grite/wal")
        for name in ("hub", "a", "b")
    }
    assert heads["hub"] == heads["a"] != heads["b"]
    refusal = json.loads((FIXTURES / "diverged-b.grite-sync.json").read_text())
    assert refusal["ok"] is False


def test_diverged_logs_hold_36_events_and_two_sessions_together(bundle: Bundle) -> None:
    heads = [bundle("diverged-a"), bundle("diverged-b")]
    unions = []
    for order in (heads, heads[::-1]):
        replay = Replay()
        for path in order:
            store = ObjectStore.open(path)
            head = store.read_ref("refs/grite/wal")
            assert head is not None
            replay.add(store.read_commits(head, known=replay.commits))
        assert replay.event_count == 36
        (folded,) = replay.issues()
        unions.append({life.session_id: life.state for life in folded.sessions.lives.values()})
    assert unions[0] == unions[1]
    assert set(unions[0]) == {"s-20261122-4f1e", "s-20261122-4f1f"}
