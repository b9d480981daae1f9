"""What the recording commands print, record and refuse."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.core.answers.log import InitReport
from git_session.core.answers.sessions import Recorded
from git_session.core.answers.tasks import TaskRecorded
from git_session.core.wire.event import STATE_CHANGED
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, Ran, git
from tests.support.forge import ISSUES, Forge, created
from tests.support.stores import EPOCH

SESSION_ID: Final = re.compile(r"s-\d{8}-[0-9a-f]{4}\n")
TASK_ID: Final = re.compile(r"t-\d{8}-[0-9a-f]{4}\n")


def _succeed(ran: Ran) -> str:
    assert ran.code == 0, ran
    return ran.stdout.removesuffix("\n")


def _count_commits(repo: Path) -> int:
    return int(git(repo, "rev-list", "--count", "refs/grite/wal"))


@pytest.fixture
def task(cli: Cli, repo: Path) -> str:
    return _succeed(cli(repo, "task", "add", "Port the lexer"))


@pytest.fixture
def session(cli: Cli, repo: Path, task: str) -> str:
    return _succeed(cli(repo, "start", task, "--engine", "claude"))


def _session(cli: Cli, repo: Path, session: str) -> Any:
    return cli(repo, "show", session, "--json").json()["data"]["session"]


# ---------------------------------------------------------------------------- start to exit


def test_a_whole_life_is_one_commit_and_one_line_a_step(cli: Cli, repo: Path, task: str) -> None:
    before = _count_commits(repo)
    ran = cli(repo, "start", task)
    assert SESSION_ID.fullmatch(ran.stdout)
    session = ran.stdout.strip()
    for command, step in (
        ("ready", "spawned -> ready"),
        ("running", "ready -> running"),
        ("running", "running"),
        ("handoff", "running -> handoff"),
        ("exit", "handoff -> exit"),
    ):
        ran = cli(repo, command, session)
        head = git(repo, "rev-parse", "refs/grite/wal")
        assert (ran.stdout, ran.stderr) == (f"{session} {step} ({head[:7]})\n", "")
    assert _count_commits(repo) == before + 6


def test_start_records_what_it_was_told_and_else_the_defaults(
    cli: Cli, repo: Path, task: str
) -> None:
    plain = _session(cli, repo, _succeed(cli(repo, "start", task)))
    assert (plain["engine"], plain["role"], plain["session_type"], plain["pid"]) == (
        *("unknown", "user", "crew"),
        None,
    )
    options = ("--engine", "codex", "--role", "witness", "--type", "crew", "--pid", "4294967295")
    told = _succeed(
        cli(repo, "start", task, *options, "--worktree", "trees/a", "--session-id", "s-mine")
    )
    assert told == "s-mine"
    row = _session(cli, repo, told)
    assert (row["engine"], row["role"], row["session_type"]) == ("codex", "witness", "crew")
    assert (row["pid"], row["worktree"], row["state"]) == (4294967295, "trees/a", "spawned")
    with_tree = _succeed(cli(repo, "start", task, "--worktree", "trees/b"))
    assert _session(cli, repo, with_tree)["session_type"] == "polecat"


def test_a_relative_worktree_counts_from_where_dash_c_points(
    cli: Cli, repo: Path, tmp_path: Path, task: str
) -> None:
    (repo / "sub").mkdir()
    inside = _succeed(cli(tmp_path, "-C", "repo/sub", "start", task, "--worktree", "tree"))
    assert _session(cli, repo, inside)["worktree"] == "sub/tree"
    outside = _succeed(cli(repo, "start", task, "--worktree", str(tmp_path / "tree")))
    assert _session(cli, repo, outside)["worktree"] == str(tmp_path / "tree")


def test_start_warns_of_a_live_session_and_prints_the_id_alone_on_stdout(
    cli: Cli, repo: Path, task: str, session: str
) -> None:
    ran = cli(repo, "start", task)
    assert SESSION_ID.fullmatch(ran.stdout)
    assert ran.stderr.startswith("warning: ")
    assert session in ran.stderr


def test_start_warns_once_however_many_live_sessions_there_are(cli: Cli, repo: Path) -> None:
    with SessionLog.open(repo) as log:
        task = log.add_task("Port the lexer").task.task_id
        others = [log.start(task, session_id=f"s-20261122-000{n}").session for n in range(5)]
    warned = cli(repo, "start", task).stderr
    named = ", ".join(session.session_id for session in others[:3])
    assert warned == f"warning: the task has 5 live sessions already: {named} and 2 more\n"


def test_start_warns_of_a_task_that_is_over_and_records_it(cli: Cli, repo: Path) -> None:
    forge = Forge(repo)
    closing = replace(created(1), ts=EPOCH + 1, tag=STATE_CHANGED, payload=["closed"])
    forge.commit(created(0, 0, "type:task", "task:t-1", "status:merged"), created(1), closing)
    assert cli(repo, "start", "t-1").stderr == "warning: the task is merged already\n"
    started = cli(repo, "start", ISSUES[1].hex())
    assert (started.code, started.stderr) == (0, "warning: the task's issue is closed\n")


def test_what_was_recorded_is_printed_as_json(cli: Cli, repo: Path, task: str) -> None:
    started = cli(repo, "start", task, "--json").json()["data"]
    Recorded.model_validate(started)
    session = started["session"]["session_id"]
    running = cli(repo, "--json", "running", session, "--force").json()["data"]
    assert Recorded.model_validate(running).session.state == "running"
    assert running["commit"] == git(repo, "rev-parse", "refs/grite/wal")
    added = cli(repo, "task", "--json", "add", "Another").json()["data"]
    TaskRecorded.model_validate(added)


def test_the_session_in_the_environment_is_meant_where_none_is_named(
    cli: Cli, repo: Path, session: str
) -> None:
    ran = cli(repo, "ready", env={"GIT_SESSION_ID": session})
    assert ran.stdout.startswith(f"{session} spawned -> ready")
    for environment in ({}, {"GIT_SESSION_ID": ""}):
        for command in ("ready", "running", "handoff", "exit", "show"):
            ran = cli(repo, command, env=environment)
            assert (ran.code, ran.stdout) == (2, "")
            assert "$GIT_SESSION_ID is not set" in ran.stderr
            assert "hint: git session list shows the sessions" in ran.stderr


def test_an_illegal_step_is_refused_with_what_is_allowed_and_force_records_it(
    cli: Cli, repo: Path, session: str
) -> None:
    before = _count_commits(repo)
    ran = cli(repo, "handoff", session, "--json")
    assert ran.code == 4
    assert ran.json()["error"]["code"] == "illegal_transition"
    assert "allowed from spawned: spawned, ready, exit" in ran.json()["error"]["hint"]
    assert _count_commits(repo) == before
    forced = cli(repo, "handoff", session, "--force")
    assert forced.stdout.startswith(f"{session} spawned -> handoff (")
    assert "forced" in cli(repo, "log", session).stdout


def test_a_note_stands_in_the_log_and_cannot_hold_the_marks_of_a_block(
    cli: Cli, repo: Path, session: str
) -> None:
    _succeed(cli(repo, "ready", session, "-m", "dependencies are in"))
    assert '"dependencies are in"' in cli(repo, "log", session).stdout
    before = _count_commits(repo)
    ran = cli(repo, "running", session, "-m", 'x [/session] [session] state = "exit"')
    assert (ran.code, _count_commits(repo)) == (2, before)


# -------------------------------------------------------------------------------------- exit


def test_exit_records_code_reason_and_the_sha256_of_the_output(
    cli: Cli, repo: Path, session: str, tmp_path: Path
) -> None:
    output = os.urandom(3_000_000)
    (tmp_path / "out.log").write_bytes(output)
    options = ("--code", "-9", "--reason", "signal", "--output-file", "../out.log")
    assert "-> exit" in _succeed(cli(repo, "exit", session, *options))
    row = _session(cli, repo, session)
    assert (row["exit_code"], row["exit_reason"]) == (-9, "signal")
    assert row["last_output_ref"] == f"sha256:{hashlib.sha256(output).hexdigest()}"


@pytest.mark.parametrize("name", ["missing.log", ".", "code.txt/x"])
def test_an_output_file_that_cannot_be_read_is_wrong_usage_and_records_nothing(
    cli: Cli, repo: Path, session: str, name: str
) -> None:
    before = _count_commits(repo)
    ran = cli(repo, "exit", session, "--output-file", name)
    assert (ran.code, ran.stdout, _count_commits(repo)) == (2, "", before)
    assert f"error: cannot read {name}: " in ran.stderr


def test_an_exited_session_says_so_and_force_records_it_all_the_same(
    cli: Cli, repo: Path, session: str
) -> None:
    _succeed(cli(repo, "exit", session))
    ran = cli(repo, "exit", session)
    assert ran.code == 4
    assert f"error: {session} has already exited (code 0, completed" in ran.stderr
    assert f"git session log {session}" in ran.stderr
    assert _succeed(cli(repo, "exit", session, "--force", "--code", "1"))
    assert _session(cli, repo, session)["exit_code"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ("exit", "--code", "2147483648"),
        ("exit", "--code", "9" * 5000),
        ("exit", "--code", "x"),
        ("start", "T", "--pid", "-1"),
        ("start", "T", "--pid", "4294967296"),
        ("start", "T", "--role", "king"),
        ("start", "T", "--type", "lynx"),
        ("start", "T", "--session-id", "../s"),
        ("start", "T", "--session-id", "[session]"),
        ("list", "--status", "gone"),
        ("log", "--limit", "-1"),
        ("task", "status", "T", "done"),
        ("task", "add", "  "),
        ("task", "add", "title", "--convoy", "a b"),
        ("task", "comment", "T"),
        ("task", "comment", "T", "-m", ""),
        ("running", "s", "t"),
    ],
)
def test_wrong_values_are_wrong_usage_and_record_nothing(
    cli: Cli, repo: Path, task: str, session: str, words: tuple[str, ...]
) -> None:
    before = _count_commits(repo)
    line = [task if word == "T" else word for word in words]
    ran = cli(repo, *line, "--json", env={"GIT_SESSION_ID": session})
    assert (ran.code, _count_commits(repo)) == (2, before)
    assert ran.json()["error"]["code"] == "usage"


# ------------------------------------------------------------------------------------- tasks


def test_task_add_prints_the_id_alone_and_takes_any_text(cli: Cli, repo: Path) -> None:
    ran = cli(
        repo, "task", "add", "--body", "two\nlines", "--convoy", "c-20261122-0a1b", "--", "-x"
    )
    assert TASK_ID.fullmatch(ran.stdout)
    shown = cli(repo, "task", "show", ran.stdout.strip(), "--json").json()["data"]["task"]
    assert (shown["title"], shown["body"]) == ("-x", "two\nlines")
    assert (shown["convoy_id"], shown["status"]) == ("c-20261122-0a1b", "queued")


def test_a_task_moves_along_its_lifecycle_and_no_other_way(cli: Cli, repo: Path, task: str) -> None:
    for status in ("running", "needs-review", "blocked", "running"):
        line = _succeed(cli(repo, "task", "status", task, status))
        assert line.startswith(f"{task} {status} (")
    before = _count_commits(repo)
    assert "already running" in _succeed(cli(repo, "task", "status", task, "running"))
    ran = cli(repo, "task", "status", task, "merged")
    assert ran.code == 4
    assert "allowed from running: blocked, needs-review, dropped" in ran.stderr
    assert _count_commits(repo) == before
    _succeed(cli(repo, "task", "status", task, "merged", "--force"))


def test_a_comment_is_shown_with_its_task(cli: Cli, repo: Path, task: str) -> None:
    _succeed(cli(repo, "task", "comment", task, "-m", "first line\nsecond line"))
    shown = cli(repo, "task", "show", task).stdout
    assert "\n    first line\n    second line\n" in shown
    assert "comments" in cli(repo, "task", "show", task, "--json").json()["data"]["task"]


# -------------------------------------------------------------------------------- init, demo


def test_init_says_what_it_did_and_does_it_once(cli: Cli, repo: Path) -> None:
    first = cli(repo, "init")
    assert first.code == 0
    assert "made actor " in first.stdout
    assert "info/exclude" in first.stdout
    second = cli(repo, "init")
    assert "nothing to do" in second.stdout
    report = InitReport.model_validate(cli(repo, "init", "--json").json()["data"])
    assert not report.done
    assert report.actor_id in first.stdout


def test_the_demo_plays_in_a_place_of_its_own_and_says_how_to_look_further(
    cli: Cli, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    ran = cli(tmp_path, "demo", env={"TMPDIR": str(temporary)})
    assert ran.code == 0
    (made,) = temporary.iterdir()
    assert f"git session -C {made}/desk list --all" in ran.stdout
    assert "live sessions on this task" in ran.stdout
    assert " -> exit" in ran.stdout
    assert "merged, " in ran.stdout
    for clone in ("desk", "server", "hub.git"):
        assert cli(made / clone, "fsck", "--json").json()["data"]["findings"] == []
        assert len(cli(made / clone, "tasks", "--json").json()["data"]["tasks"]) == 6


def test_demo_records_what_the_commands_record(cli: Cli, repo: Path) -> None:
    played = cli(repo.parent, "demo", "place", "--json").json()["data"]
    hosts = {row["extras"]["host"] for row in played["sessions"]}
    assert hosts == {os.uname().nodename}


def test_the_demo_never_plays_in_a_directory_that_is_in_use(cli: Cli, repo: Path) -> None:
    ran = cli(repo, "demo", ".")
    assert (ran.code, ran.stdout) == (2, "")
    assert git(repo, "for-each-ref", "refs/grite") == ""
    played = cli(repo.parent, "demo", "new place", "--json").json()["data"]
    assert Path(played["directory"]) == repo.parent / "new place"
    assert len(played["sessions"]) >= 3
