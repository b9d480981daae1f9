"""Beside the real grite: it reads what we write, we read what it writes, and both go on."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from git_session import SessionLog
from git_session.health.doctor import grite as grite_check
from git_session.health.doctor.grite import check_grite
from git_session.health.fsck import check_log
from git_session.log.setup import make_ready
from git_session.sync.snapshot import write_snapshot_row
from tests.conftest import Cli, Grite, git
from tests.support import events
from tests.support.stores import WAL
from tests.sync.test_snapshot import append

pytestmark = pytest.mark.interop

STATES = ("spawned", "ready", "running", "handoff", "exit")


def count_commits(path: Path) -> int:
    """Counts the log's commits, by git."""
    return int(git(path, "rev-list", "--count", WAL))


def rebuild(grite: Grite, path: Path) -> None:
    """Has grite read everything that is in git into its own cache."""
    grite(path, "snapshot", "create")
    grite(path, "rebuild", "--from-snapshot")


def live(log: SessionLog, issue: str) -> str:
    """Records a whole life and gives the session's id; each step is one commit."""
    session = log.start(issue, engine="claude").session.session_id
    for state in STATES[1:-1]:
        log.advance(session, state)
    log.exit(session)
    return session


@pytest.fixture
def made(repo: Path, grite: Grite) -> Path:
    """Gives a repository that grite initialised."""
    grite(repo, "init", "--no-agents-md")
    return repo


def create_issue(grite: Grite, path: Path, title: str, *labels: str) -> str:
    """Has grite create an issue and gives its id."""
    options = [option for label in labels for option in ("--label", label)]
    issue: str = grite.json(path, "issue", "create", "--title", title, *options)["issue_id"]
    return issue


def view(log: SessionLog) -> list[dict[str, Any]]:
    """Describes our view of all issues in the words of `grite issue list --json`."""
    folded = [f.issue for f in log.replay().issues() if f.issue.is_created]
    rows = [
        {
            "issue_id": issue.hex,
            "title": issue.title,
            "state": issue.state,
            "labels": sorted(issue.labels),
            "assignees": sorted(issue.assignees),
            "created_ts": issue.created_ts,
            "updated_ts": issue.updated_ts,
            "comment_count": len(issue.comments),
        }
        for issue in folded
    ]
    return sorted(rows, key=lambda row: str(row["issue_id"]))


def grites_view(grite: Grite, path: Path) -> list[dict[str, Any]]:
    """Asks grite for all issues."""
    rows = grite.json(path, "issue", "list")["issues"]
    for row in rows:
        row["labels"].sort()
        row["assignees"].sort()
    return sorted(rows, key=lambda row: str(row["issue_id"]))


def test_a_life_in_grites_repository_is_five_commits_that_grite_reads(
    made: Path, grite: Grite
) -> None:
    issue = create_issue(grite, made, "Fix the flaky test", "type:task", "task:t-20261122-4f1c")
    before = count_commits(made)
    log = SessionLog.open(made)
    session = live(log, "t-20261122-4f1c")
    assert count_commits(made) == before + 5
    assert log.session(session).grite_issue_id == issue

    rebuild(grite, made)
    shown = grite.json(made, "issue", "show", issue)
    assert shown["issue"]["comment_count"] == 5
    assert {"engine:claude", "session:crew", "session:exit"} <= set(shown["issue"]["labels"])
    comments = [event for event in shown["events"] if "CommentAdded" in event["kind"]]
    for comment, state in zip(comments, STATES, strict=True):
        assert f'state = "{state}"' in comment["kind"]["CommentAdded"]["body"]
    assert [comment["parent"] for comment in comments] == [
        *(None, *(comment["event_id"] for comment in comments[:-1]))
    ]
    checked = grite.json(made, "db", "check", "--verify-parents")
    assert checked["events_checked"] == checked["events_valid"] == log.replay().event_count
    assert (checked["corrupt_count"], checked["errors"]) == (0, [])
    assert view(log) == grites_view(grite, made)


def test_grites_next_comment_is_appended_to_ours_and_read_here(made: Path, grite: Grite) -> None:
    issue = create_issue(grite, made, "Shared")
    log = SessionLog.open(made)
    session = live(log, issue)
    ours = git(made, "rev-parse", WAL)
    head = grite.json(made, "issue", "comment", issue, "--body", "thanks")["wal_head"]
    assert git(made, "rev-parse", WAL, f"{head}^").split() == [head, ours]
    assert [c.body for c in log.task(issue).comments][-1] == "thanks"
    assert log.session(session).state == "exit"
    assert check_log(log)["findings"] == []
    log.comment_row(issue, "you are welcome")
    assert git(made, "rev-parse", f"{WAL}^") == head


def test_grite_and_we_agree_on_every_issue_after_working_by_turns(made: Path, grite: Grite) -> None:
    log = SessionLog.open(made)
    theirs = create_issue(grite, made, 'Say "no" · Größe 🚀', "bug")
    ours = log.add_task("Ours", body="tab\tnewline\n", convoy="c-20261122-0001").task
    live(log, theirs)
    grite(made, "issue", "label", "remove", theirs, "--label", "session:exit")
    grite(made, "issue", "assignee", "add", theirs, "--user", "alice")
    session = log.start(theirs, engine="codex", worktree="elsewhere").session.session_id
    grite(made, "issue", "close", theirs)
    log.set_task_status_row(ours.task_id, "running")
    log.comment_row(ours.task_id, "x" * 100_000)
    grite(made, "issue", "update", theirs, "--title", "Renamed")
    log.advance(session, "ready")
    rebuild(grite, made)
    assert view(log) == grites_view(grite, made)
    assert [task.title for task in log.tasks()] == ["Renamed", "Ours"]

    grite(made, "export", "--format", "json")
    export = json.loads((made / ".grite" / "export.json").read_text())
    exported = sorted(export["issues"], key=lambda row: str(row["issue_id"]))
    for row in exported:
        row["labels"].sort()
        row["assignees"].sort()
    assert exported == view(log)
    assert {event["event_id"] for event in export["events"]} == {
        event_id.hex() for event_id in log.replay().origin
    }


def test_a_block_that_needs_escapes_passes_through_grite_unchanged(
    made: Path, grite: Grite
) -> None:
    log = SessionLog.open(made)
    issue = create_issue(grite, made, "Odd")
    engine = 'a "quoted"\n[/session] engine \x1b[31m'
    session = log.start(issue, engine=engine, note="two\nlines").session.session_id
    rebuild(grite, made)
    (comment,) = [
        event["kind"]["CommentAdded"]["body"]
        for event in grite.json(made, "issue", "show", issue)["events"]
        if "CommentAdded" in event["kind"]
    ]
    assert comment == log.task(issue).comments[0].body
    assert log.session(session).engine == engine
    # grite's copy, written by grite as a comment of its own, is the same block again.
    grite(made, "issue", "comment", issue, "--body", comment)
    assert log.session(session).engine == engine
    assert len(log.history(session)) == 2


def test_sessions_in_brats_text_written_by_grite_are_read_and_gone_on_with(
    made: Path, grite: Grite
) -> None:
    issue = create_issue(grite, made, "Brat's", "type:task", "task:t-20261122-0001")
    text = (
        '[session]\nstate = "running"\nsession_id = "s-20250117-7b3d"\nrole = "witness"\n'
        'session_type = "polecat"\nengine = "codex"\nworktree = ".grite/worktrees/x"\n'
        "pid = 12345\nstarted_ts = 1700000000000\nlast_heartbeat_ts = 1700000005000\n"
        "exit_code = null\nexit_reason = null\nlast_output_ref = null\n[/session]"
    )
    grite(made, "issue", "comment", issue, "--body", text)
    log = SessionLog.open(made)
    session = log.session("s-20250117-7b3d")
    assert (session.status, session.role, session.pid) == ("running", "witness", 12345)
    assert session.task_id == "t-20261122-0001"
    ended = log.exit("s-20250117-7b3d", code=1).session
    assert (ended.worktree, ended.started_ts) == (session.worktree, session.started_ts)
    rebuild(grite, made)
    assert "session:exit" in grite.json(made, "issue", "show", issue)["issue"]["labels"]


def test_a_repository_that_we_made_ready_is_grites_as_well(repo: Path, grite: Grite) -> None:
    actor = make_ready(repo)["actor_id"]
    log = SessionLog.open(repo)
    task = log.add_task("Ours").task
    live(log, task.task_id)
    issue = create_issue(grite, repo, "Theirs")
    (event,) = log.replay().events[bytes.fromhex(issue)]
    assert event.actor.hex() == actor
    assert grite.json(repo, "actor", "current")["actor_id"] == actor
    rebuild(grite, repo)
    assert {row["title"] for row in grites_view(grite, repo)} == {"Ours", "Theirs"}
    assert view(log) == grites_view(grite, repo)
    assert grite.json(repo, "db", "check")["corrupt_count"] == 0
    assert check_log(log)["findings"] == []


def test_a_log_that_we_began_without_init_is_grites_as_well(repo: Path, grite: Grite) -> None:
    log = SessionLog.open(repo)
    task = log.add_task("Ours").task
    head = grite.json(repo, "issue", "create", "--title", "Theirs")["wal_head"]
    assert git(repo, "rev-list", WAL).split()[0] == head
    assert count_commits(repo) == 2
    rebuild(grite, repo)
    assert view(log) == grites_view(grite, repo)
    assert log.task(task.task_id).title == "Ours"


def test_in_a_linked_worktree_both_use_the_main_log(
    made: Path, worktree: Path, grite: Grite
) -> None:
    issue = create_issue(grite, worktree, "From the worktree")
    session = live(SessionLog.open(worktree), issue)
    rebuild(grite, worktree)
    assert view(SessionLog.open(made)) == grites_view(grite, worktree)
    assert SessionLog.open(made).session(session).state == "exit"


def test_packed_by_git_both_go_on(made: Path, grite: Grite) -> None:
    issue = create_issue(grite, made, "Packed")
    log = SessionLog.open(made)
    session = log.start(issue).session.session_id
    git(made, "gc", "--quiet", "--prune=now")
    git(made, "pack-refs", "--all", "--prune")
    log.advance(session, "ready")
    git(made, "pack-refs", "--all", "--prune")
    assert grite.json(made, "issue", "comment", issue, "--body", "x")["wal_head"]
    assert SessionLog.open(made).advance(session, "running").session.state == "running"
    rebuild(grite, made)
    assert view(SessionLog.open(made)) == grites_view(grite, made)


def test_what_a_snapshot_of_grite_holds_is_read_from_the_log(made: Path, grite: Grite) -> None:
    """A snapshot may be older or newer than anybody thinks; the log is the only truth."""
    issue = create_issue(grite, made, "Snapped")
    grite(made, "snapshot", "create")
    session = live(SessionLog.open(made), issue)
    assert SessionLog.open(made).session(session).state == "exit"
    assert len(SessionLog.open(made).history(session)) == 5


def test_a_larger_log_of_ours_is_read_by_grite_event_for_event(made: Path, grite: Grite) -> None:
    log = SessionLog.open(made)
    for number in range(6):
        live(log, log.add_task(f"Task {number}").task.task_id)
    rebuild(grite, made)
    stats = grite.json(made, "db", "stats")
    assert stats["event_count"] == log.replay().event_count
    assert stats["issue_count"] == 6
    assert view(log) == grites_view(grite, made)


# -- doctor and grite's cache


def ask_doctor(path: Path) -> list[tuple[str, str]]:
    """Gives the status and message of the doctor's lines about grite's cache."""
    return [(check.status, check.message) for check in check_grite(SessionLog.open(path))]


def test_doctor_counts_what_grites_cache_lacks(made: Path, cli: Cli, grite: Grite) -> None:
    issue = create_issue(grite, made, "Theirs")
    fresh = ("ok", "its cache holds all events of the log")
    assert ask_doctor(made) == [fresh]
    cli(made, "task", "comment", issue, "-m", "ours")
    cli(made, "task", "comment", issue, "-m", "ours")
    lines = cli(made, "doctor", "--json").json()["data"]["lines"]
    (line,) = [line for line in lines if line["name"] == "grite"]
    assert line["status"] == "warning"
    assert line["message"].startswith("its cache lacks 2 of the log's 3 events")
    assert line["command"] == "git session snapshot && grite rebuild --from-snapshot"
    grite(made, "rebuild")
    assert ask_doctor(made)[0][0] == "warning"
    assert cli(made, "snapshot").code == 0
    grite(made, "rebuild", "--from-snapshot")
    assert ask_doctor(made) == [fresh]


def test_doctor_never_calls_a_rebuilt_cache_stale(made: Path, grite: Grite) -> None:
    (made / "code.py").write_text("def f():\n    pass\n")
    git(made, "add", "code.py")
    grite(made, "context", "index")
    comment = events.comment("twice", 20)
    orphan = events.comment("of no issue", 30, issue=b"\x77" * 16)
    early = events.comment("before its issue", 5)
    created = events.created(10), events.created(15)
    append(made, early.raw, *(event.raw for event in created), comment.raw, orphan.raw)
    append(made, comment.raw, comment.raw[:3] + b"\0" * 32 + comment.raw[35:])
    log = SessionLog.open(made)
    assert log.replay().context_events()
    assert ask_doctor(made)[0][0] == "warning"
    write_snapshot_row(log)
    grite(made, "rebuild", "--from-snapshot")
    assert grite.json(made, "db", "stats")["event_count"] < log.replay().event_count
    assert ask_doctor(made)[0][0] == "ok"


def test_doctor_asks_grite_in_worktree_and_bare_repository(
    made: Path, worktree: Path, bare: Path, grite: Grite
) -> None:
    create_issue(grite, made, "Theirs")
    SessionLog.open(made).add_task("Ours")
    assert [status for status, _ in ask_doctor(worktree)] == ["warning"]
    grite(bare, "init", "--no-agents-md")
    SessionLog.open(bare).add_task("Ours")
    assert [status for status, _ in ask_doctor(bare)] == ["warning"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock that grite and its daemon take on the cache."""
    with (path / ".git" / "grite" / "sled.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_doctor_is_silent_where_grite_does_not_answer(
    made: Path, repo: Path, grite: Grite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    SessionLog.open(made).add_task("Ours")
    assert len(ask_doctor(made)) == 1
    with locked(made):
        assert grite.run(made, "db", "stats").code == 5
        assert ask_doctor(made) == []
    program = tmp_path / "bin" / "grite"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(grite_check, "TIMEOUT_S", 0.5)
    for script in ("exec sleep 60", "echo [[", "echo '[]'", "echo '{\"data\": 1}'", "exit 3"):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert ask_doctor(made) == []
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert ask_doctor(made) == []


def test_doctor_makes_no_cache_for_grite(repo: Path, grite: Grite) -> None:
    SessionLog.open(repo).add_task("Ours")
    before = sorted((repo / ".git" / "grite").rglob("*"))
    assert ask_doctor(repo) == []
    assert sorted((repo / ".git" / "grite").rglob("*")) == before


def test_doctor_runs_no_grite_that_lies_in_the_checkout(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SessionLog.open(made).add_task("Ours")
    (made / "grite").write_text(f"#!/bin/sh\ntouch {made / 'ran'}\n")
    (made / "grite").chmod(0o755)
    monkeypatch.chdir(made)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")
    assert [status for status, _ in ask_doctor(made)] == ["warning"]
    assert not (made / "ran").exists()
