"""What the reading commands say of stores that grite and brat wrote, and of hostile ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pydantic
import pytest

from git_session.core.answers.log import FsckReport
from git_session.core.answers.sessions import SessionList, SessionShown, TransitionList
from git_session.core.answers.tasks import TaskList, TaskShown
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git
from tests.support.stores import COMMENT_ADDED, EPOCH, ISSUE_CREATED, Event, format_block, write_log

Checkout = Callable[[str], Path]

PUBLISHED: Final = [
    *("session_id", "task_id", "grite_issue_id", "role", "session_type", "engine", "worktree"),
    *("pid", "status", "started_ts", "last_heartbeat_ts", "exit_code", "exit_reason"),
    "last_output_ref",
]
HOSTILE: Final = "Lexer\x1b]0;owned\x07 \x1b[31mred\x1b[0m\nsecond \u202eline\x9b2J"
SHOWN: Final = "Lexer red second line"


def _data(cli: Cli, path: Path, *args: str) -> Any:
    ran = cli(path, *args, "--json")
    assert ran.code == 0, ran
    envelope = ran.json()
    assert list(envelope) == ["schema_version", "ok", "data"]
    assert (envelope["schema_version"], envelope["ok"]) == (1, True)
    return envelope["data"]


@pytest.fixture
def lifecycle(checkout_of: Checkout) -> Path:
    return checkout_of("lifecycle")


@pytest.fixture
def hostile(repo: Path) -> Path:
    """Gives a repository with one task and session, all of whose texts attack a terminal."""
    issue, actor = b"\x07" * 16, b"\x08" * 16
    labels = ["status:queued", f"task:{HOSTILE}", "type:task"]
    block = format_block("running", f"s-{HOSTILE}", engine=HOSTILE, worktree=HOSTILE)
    events = [
        Event(issue, actor, EPOCH, ISSUE_CREATED, [HOSTILE, HOSTILE, labels]),
        Event(issue, actor, EPOCH + 1, COMMENT_ADDED, [f"{HOSTILE}\n{block}\n{HOSTILE}"]),
        Event(issue, actor, EPOCH + 2, COMMENT_ADDED, [HOSTILE]),
    ]
    write_log(repo, [events])
    return repo


# -------------------------------------------------------------------------------------- list


def test_list_shows_the_active_sessions_and_says_how_many_have_exited(
    cli: Cli, lifecycle: Path
) -> None:
    ran = cli(lifecycle, "list")
    assert ran.code == 0
    heading, row = ran.stdout.splitlines()
    assert heading.split() == ["SESSION", "STATE", "SEEN", "TASK", "TITLE", "ENGINE", "WORKTREE"]
    assert row.startswith("s-20261122-4f1b  running  ")
    assert "t-20261122-4f12  Fix the flaky test  claude  .grite/worktrees/s-20261122-4f1b" in row
    assert ran.stderr == "1 active, 2 exited (--all shows them)\n"


def test_what_is_said_comes_after_what_was_printed_where_both_go_one_way(lifecycle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "git_session", "list"],
        cwd=lifecycle,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "1 active, 2 exited (--all shows them)"


def test_list_all_shows_how_the_exited_ones_ended(cli: Cli, lifecycle: Path) -> None:
    ran = cli(lifecycle, "list", "--all")
    rows = {line.split()[0]: line for line in ran.stdout.splitlines()[1:]}
    assert list(rows) == ["s-20261122-4f1a", "s-20261122-4f1b", "s-20261122-4f1c"]
    assert "exit     code 0, completed" in rows["s-20261122-4f1a"]
    assert "exit     code -1, crash-recovery" in rows["s-20261122-4f1c"]
    assert ran.stderr == "1 active, 2 exited\n"


def test_list_json_holds_the_published_fields_first_and_what_is_ours_after(
    cli: Cli, lifecycle: Path
) -> None:
    data = _data(cli, lifecycle, "list", "--all")
    assert (data["total"], data["exited"]) == (3, 2)
    assert [row["session_id"] for row in data["sessions"]] == [
        "s-20261122-4f1a",
        "s-20261122-4f1b",
        "s-20261122-4f1c",
    ]
    for row in data["sessions"]:
        assert list(row)[:16] == [*PUBLISHED, "state", "heartbeat_age_ms"]
        assert row["state"] == row["status"]
    SessionList.model_validate(data)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), ["s-20261122-4f1b"]),
        (("--status", "exit"), ["s-20261122-4f1a", "s-20261122-4f1c"]),
        (
            ("--status", "exit", "--status", "running"),
            ["s-20261122-4f1a", "s-20261122-4f1b", "s-20261122-4f1c"],
        ),
        (("--status", "handoff"), []),
        (("--task", "t-20261122-4f11", "--all"), ["s-20261122-4f1a", "s-20261122-4f1c"]),
        (("--task", "t-20261122-4f13", "--all"), []),
        (("--engine", "claude"), ["s-20261122-4f1b"]),
        (("--engine", "codex"), []),
        (("--role", "witness"), ["s-20261122-4f1b"]),
        (("--role", "mayor", "--all"), []),
    ],
)
def test_list_filters(
    cli: Cli, lifecycle: Path, options: tuple[str, ...], found: list[str]
) -> None:
    data = _data(cli, lifecycle, "list", *options)
    assert [row["session_id"] for row in data["sessions"]] == found
    assert data["total"] == len(found)
    assert cli(lifecycle, "list", "--count", *options).stdout == f"{len(found)}\n"
    assert "sessions" not in _data(cli, lifecycle, "list", "--count", *options)


def test_list_says_on_stderr_that_nobody_is_active_and_how_many_have_exited(
    cli: Cli, lifecycle: Path
) -> None:
    ran = cli(lifecycle, "list", "--engine", "codex")
    assert (ran.code, ran.stdout) == (0, "")
    told = "the 1 active session does not match, 2 exited (--all shows them)\n"
    assert ran.stderr == told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--engine", "nosuch"), "none of the 1 active and 2 exited sessions matches"),
        (("--role", "mayor", "--all"), "none of the 1 active and 2 exited sessions matches"),
        (("--grep", "nosuch"), "none of the 1 active and 2 exited sessions matches"),
        (("--grep", "nosuch", "--count"), "none of the 1 active and 2 exited sessions matches"),
        (("--since", "1s", "--all"), "none of the 1 active and 2 exited sessions matches"),
        (("--status", "handoff"), "the 1 active session does not match"),
        (("--status", "exit"), "2 exited"),
        (("--status", "exit", "--status", "running"), "1 running, 2 exited"),
        (("--status", "running"), "1 running, 2 exited"),
        ((), "1 active, 2 exited (--all shows them)"),
    ],
)
def test_the_line_under_a_list_is_true_whatever_was_looked_for(
    cli: Cli, lifecycle: Path, options: tuple[str, ...], told: str
) -> None:
    assert cli(lifecycle, "list", *options).stderr == f"{told}\n"


def test_two_live_sessions_on_one_task_are_marked(cli: Cli, checkout_of: Checkout) -> None:
    """The witness of brat started two agents on each of two tasks without seeing the first two."""
    path = checkout_of("brat-witness")
    rows = cli(path, "list").stdout.splitlines()[1:]
    assert len(rows) == 4
    assert all(row.endswith("(2 live sessions on this task)") for row in rows)
    assert [row["live_on_task"] for row in _data(cli, path, "list")["sessions"]] == [2, 2, 2, 2]


def test_only_of_a_live_session_it_is_noted_that_others_live_beside_it(
    cli: Cli, repo: Path
) -> None:
    with SessionLog.open(repo) as log:
        task = log.add_task("Port the lexer").task.task_id
        ended, live, _ = [log.start(task).session.session_id for _ in range(3)]
        log.exit(ended)
    assert "2 live sessions on this task" in cli(repo, "show", live).stdout
    assert "live sessions" not in cli(repo, "show", ended).stdout
    history = cli(repo, "task", "show", task).stdout.splitlines()
    assert len({line.index("[session ") for line in history if "[session " in line}) == 1


def test_waiting_is_told_once_in_a_wide_list(cli: Cli, repo: Path) -> None:
    with SessionLog.open(repo) as log:
        session = log.start(log.add_task("Port the lexer").task.task_id).session.session_id
    assert cli(repo, "beat", session, "--activity", "waiting").code == 0
    assert cli(repo, "list", "--wide").stdout.count("waiting") == 1
    assert cli(repo, "list").stdout.count("waiting") == 1


def test_a_length_of_time_is_so_long_ago_wherever_a_moment_is_asked_for(
    cli: Cli, repo: Path
) -> None:
    with SessionLog.open(repo) as log:
        log.start(log.add_task("Port the lexer").task.task_id)
    assert cli(repo, "list", "--at", "2h", "--count").stdout == "0\n"
    for words in (("timeline", "--since", "2h"), ("export", "--since", "1d")):
        assert cli(repo, *words, "--json").json()["data"]["total"] == 1
    assert cli(repo, "export", "--until", "10m").json()["data"]["total"] == 0


def test_an_ended_session_is_not_marked_for_the_live_ones_beside_it(cli: Cli, repo: Path) -> None:
    task = cli(repo, "task", "add", "Port the lexer").stdout.strip()
    first, *others = (cli(repo, "start", task).stdout.strip() for _ in range(3))
    cli(repo, "exit", first)
    rows = {line.split()[0]: line for line in cli(repo, "list", "--all").stdout.splitlines()}
    assert "live sessions" not in rows[first]
    assert all("(2 live sessions on this task)" in rows[other] for other in others)


def test_no_log_yet_is_an_empty_list_and_says_how_to_begin(cli: Cli, repo: Path) -> None:
    for command in ("list", "log", "tasks"):
        ran = cli(repo, command)
        assert (ran.code, ran.stdout) == (0, "")
        assert "there is no session log in this repository yet" in ran.stderr
        assert "git session task add" in ran.stderr
    assert _data(cli, repo, "list") == {"sessions": [], "total": 0, "exited": 0}
    assert _data(cli, repo, "log") == {"transitions": [], "total": 0}
    assert _data(cli, repo, "tasks") == {"tasks": [], "total": 0}
    assert cli(repo, "list", "--count").stdout == "0\n"


@pytest.mark.parametrize(
    "words",
    [("show", "s-1"), ("log", "s-1"), ("task", "show", "t-1"), ("list", "--task", "t-1")],
)
def test_asking_for_something_of_a_log_that_is_not_there_says_so(
    cli: Cli, repo: Path, words: tuple[str, ...]
) -> None:
    ran = cli(repo, *words)
    assert (ran.code, ran.stdout) == (3, "")
    assert "error: there is no log yet" in ran.stderr


# -------------------------------------------------------------------------------------- show


def test_show_tells_all_fields_the_task_and_the_last_transitions(cli: Cli, lifecycle: Path) -> None:
    out = cli(lifecycle, "show", "s-20261122-4f1a").stdout
    fields, _, transitions = out.partition("\nlast transitions:\n")
    pairs = dict(line.split(":", 1) for line in fields.splitlines())
    pairs = {key: value.strip() for key, value in pairs.items()}
    assert pairs["task"] == "t-20261122-4f11  Port the lexer"
    assert pairs["exit"] == "code 0, completed"
    assert pairs["pid"] == "4001"
    assert pairs["started"].startswith("2026-11-18 11:06:40 UTC (")
    assert pairs["output"].startswith("sha256:")
    assert pairs["log file"] == "-"
    assert len(transitions.splitlines()) == 5
    assert "handoff -> exit" in transitions.splitlines()[0]


def test_show_names_the_log_file_that_is_there(cli: Cli, lifecycle: Path) -> None:
    log = lifecycle / ".grite" / "logs" / "s-20261122-4f1b.log"
    log.parent.mkdir(parents=True)
    log.write_text("last lines\n")
    data = _data(cli, lifecycle, "show", "s-20261122-4f1b")
    assert Path(data["log_file"]).samefile(log)
    SessionShown.model_validate(data)
    assert str(data["log_file"]) in cli(lifecycle, "show", "s-20261122-4f1b").stdout


def test_a_unique_prefix_names_a_session_and_the_environment_does(
    cli: Cli, lifecycle: Path
) -> None:
    by_id = _data(cli, lifecycle, "show", "s-20261122-4f1b")
    ran = cli(lifecycle, "show", "--json", env={"GIT_SESSION_ID": "s-20261122-4f1b"})
    assert ran.json()["data"]["session"]["event_id"] == by_id["session"]["event_id"]
    assert cli(lifecycle, "show", "t-20261122-4f12/s-2").stdout.startswith("session:   s-20261122")


def test_an_ambiguous_prefix_lists_the_candidates(cli: Cli, lifecycle: Path) -> None:
    ran = cli(lifecycle, "show", "s-20261122", "--json")
    assert ran.code == 2
    assert ran.json()["error"]["code"] == "ambiguous"
    for session in ("4f1a", "4f1b", "4f1c"):
        assert f"/s-20261122-{session} " in ran.stderr


# --------------------------------------------------------------------------------------- log


def test_log_tells_a_whole_life_newest_first(cli: Cli, lifecycle: Path) -> None:
    lines = cli(lifecycle, "log", "s-20261122-4f1a").stdout.splitlines()
    worktree = ".grite/worktrees/s-20261122-4f1a"
    steps = [
        "handoff -> exit     code 0, completed, output sha256:9f86d081",
        "running -> handoff",
        "running             beat",
        "ready -> running",
        "spawned -> ready",
        f"-> spawned          witness, polecat, engine codex, worktree {worktree}, pid 4001",
    ]
    assert [line.split("  baa14c6e  ")[1] for line in lines] == steps
    commits = git(lifecycle, "rev-list", "refs/grite/wal").split()
    assert all(any(oid.startswith(line.split()[0]) for oid in commits) for line in lines)


def test_log_of_everybody_names_the_session_on_each_line(cli: Cli, lifecycle: Path) -> None:
    lines = cli(lifecycle, "log").stdout.splitlines()
    assert len(lines) == 10
    assert all(line.split("  ")[2].startswith("s-20261122-4f1") for line in lines)
    assert "spawned -> running  forced" in next(line for line in lines if "running  f" in line)


def test_log_is_limited_to_a_task_and_to_a_number(cli: Cli, lifecycle: Path) -> None:
    data = _data(cli, lifecycle, "log", "--task", "t-20261122-4f12")
    assert [row["to_state"] for row in data["transitions"]] == ["running", "spawned"]
    TransitionList.model_validate(data)
    assert _data(cli, lifecycle, "log", "--limit", "3")["total"] == 3
    assert cli(lifecycle, "log", "-n", "0").stdout == ""
    of_both = _data(cli, lifecycle, "log", "s-20", "--task", "t-20261122-4f12")
    assert of_both == data


# ------------------------------------------------------------------------------------- tasks


def test_tasks_tell_how_their_sessions_stand(cli: Cli, lifecycle: Path) -> None:
    ran = cli(lifecycle, "tasks")
    assert [line.rstrip() for line in ran.stdout.splitlines()] == [
        "TASK             STATUS  TITLE                 SESSIONS",
        "t-20261122-4f11  queued  Port the lexer        2 exit",
        "t-20261122-4f12  queued  Fix the flaky test    1 running",
        "t-20261122-4f13  queued  Nobody works on this",
    ]
    assert ran.stderr == "3 tasks\n"
    data = _data(cli, lifecycle, "tasks", "--status", "queued")
    assert data["total"] == 3
    TaskList.model_validate(data)
    assert _data(cli, lifecycle, "tasks", "--status", "merged")["total"] == 0


def test_task_show_folds_each_block_to_a_line_unless_raw(cli: Cli, lifecycle: Path) -> None:
    folded = cli(lifecycle, "task", "show", "t-20261122-4f12").stdout
    assert "[session s-20261122-4f1b spawned]\n" in folded
    assert "    flaky on CI\n" in folded
    assert "    a note that speaks of [session] without a block\n" in folded
    assert "[/session]" not in folded
    raw = cli(lifecycle, "task", "show", "t-20261122-4f12", "--raw").stdout
    assert raw.count('    session_id = "s-20261122-4f1b"\n') == 2
    TaskShown.model_validate(_data(cli, lifecycle, "task", "show", "t-20261122-4f12"))


# ----------------------------------------------------------------------------- hostile, damaged


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("log",),
        ("timeline",),
        ("export", "--format", "csv"),
        ("diff", "1970-01-02"),
        ("tasks",),
        ("show", "s-"),
        ("task", "show", "0707"),
        ("task", "show", "0707", "--raw"),
        ("fsck",),
    ],
)
def test_no_control_character_of_the_store_reaches_plain_output(
    cli: Cli, hostile: Path, words: tuple[str, ...]
) -> None:
    ran = cli(hostile, *words)
    assert ran.code == 0
    plain = ran.stdout + ran.stderr
    assert not {char for char in plain if char != "\n" and not char.isprintable()}
    assert "owned" not in plain
    assert words == ("fsck",) or "Lexer red" in plain


def test_a_hostile_title_stays_on_its_line_and_exact_in_json(cli: Cli, hostile: Path) -> None:
    assert SHOWN in cli(hostile, "list").stdout.splitlines()[1]
    (row,) = _data(cli, hostile, "list")["sessions"]
    assert row["task_title"] == HOSTILE


def test_what_was_left_out_is_said_on_stderr_and_the_rest_is_shown(
    cli: Cli, lifecycle: Path
) -> None:
    head = git(lifecycle, "rev-parse", "refs/grite/wal")
    issue, actor = b"\x07" * 16, b"\x08" * 16
    unknown = [Event(issue, actor, EPOCH + n, 99, ["from the future"]) for n in range(5)]
    write_log(lifecycle, [[event] for event in unknown], onto=head)
    ran = cli(lifecycle, "list", "--json")
    assert (ran.code, ran.json()["data"]["total"]) == (0, 1)
    *warnings, more, hint = ran.stderr.splitlines()
    assert len(warnings) == 3
    assert all(line.startswith("warning: event ") and "kind" in line for line in warnings)
    assert more == "warning: and 2 more like these"
    assert hint == "hint: git session fsck lists them all"


def test_fsck_names_each_finding_on_a_line_and_strict_makes_warnings_count(
    cli: Cli, lifecycle: Path
) -> None:
    ran = cli(lifecycle, "fsck")
    assert ran.code == 0
    (line,) = ran.stdout.splitlines()
    severity, code, commit, event, _ = line.split(" ", 4)
    assert (severity, code, len(commit), len(event)) == ("warning", "transition", 12, 12)
    assert ran.stderr.splitlines()[-1] == "0 errors, 1 warning"
    assert cli(lifecycle, "fsck", "--strict").code == 1
    strict = cli(lifecycle, "fsck", "--strict", "--json")
    assert (strict.code, strict.json()["ok"]) == (1, True)
    FsckReport.model_validate(strict.json()["data"])


def test_fsck_of_a_damaged_log_exits_with_1(cli: Cli, lifecycle: Path) -> None:
    issue, actor = b"\x07" * 16, b"\x08" * 16
    head = git(lifecycle, "rev-parse", "refs/grite/wal")
    write_log(
        lifecycle, [[Event(issue, actor, EPOCH, COMMENT_ADDED, ["x"])]], onto=head, loose=True
    )
    tree = git(lifecycle, "ls-tree", "-r", "refs/grite/wal").splitlines()
    chunk = next(line.split()[2] for line in tree if line.endswith(".bin"))
    (lifecycle / ".git" / "objects" / chunk[:2] / chunk[2:]).unlink()
    ran = cli(lifecycle, "fsck")
    assert ran.code == 1
    assert ran.stdout.startswith("error ")
    assert cli(lifecycle, "list", "--count").stdout == "1\n"


def test_fsck_of_no_log_finds_nothing(cli: Cli, repo: Path) -> None:
    ran = cli(repo, "fsck")
    assert (ran.code, ran.stdout) == (0, "")
    assert "no session log" in ran.stderr


# ------------------------------------------------------------------------------------ schema


def test_every_schema_is_listed_and_printed(cli: Cli, tmp_path: Path) -> None:
    names = cli(tmp_path, "schema").stdout.split()
    assert {"session", "block", "event", "envelope", "list", "task-show", "fsck"} <= set(names)
    assert _data(cli, tmp_path, "schema") == {"names": names}
    bare = cli(tmp_path, "schema", "session").json()
    assert list(bare["properties"])[:14] == PUBLISHED
    assert _data(cli, tmp_path, "schema", "session") == bare


def test_an_unknown_schema_names_those_that_are_similar(cli: Cli, tmp_path: Path) -> None:
    ran = cli(tmp_path, "schema", "sesion")
    assert ran.code == 3
    assert "did you mean session" in ran.stderr


def test_a_model_refuses_a_row_that_the_commands_do_not_print(cli: Cli, lifecycle: Path) -> None:
    """The validations above mean something: a field more or less is an error."""
    data = _data(cli, lifecycle, "list")
    with pytest.raises(pydantic.ValidationError):
        SessionList.model_validate(data | {"more": 1})
