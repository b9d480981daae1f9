"""The library, as other programs use it: a session's life is recorded, and read as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cbor2
import pytest

from git_session import (
    AmbiguousError,
    ConflictError,
    DamagedLogError,
    GitSessionError,
    NotARepositoryError,
    NotFoundError,
    SessionLog,
    TransitionError,
    UnsupportedRepositoryError,
    UsageError,
)
from git_session.core.answers.sessions import Session
from git_session.core.wire.chunk import hash_chunk
from git_session.health.fsck import check_log
from tests.conftest import git
from tests.support import stores
from tests.support.forge import forget_kept
from tests.support.stores import WAL

T0: Final = 1_795_000_000_000
"""When the tests' clocks begin: 2026-11-18, in ms since the epoch."""

STRUCT: Final = (
    *("session_id", "task_id", "grite_issue_id", "role", "session_type", "engine", "worktree"),
    *("pid", "status", "started_ts", "last_heartbeat_ts", "exit_code", "exit_reason"),
    "last_output_ref",
)
"""The published struct's fields in its order."""


@dataclass
class Clock:
    """Holds the time that a log is told, in ms; each look moves it on by `step`."""

    now: int = T0
    step: int = 0

    def __call__(self) -> int:
        self.now += self.step
        return self.now


def open_log(path: Path, clock: Clock | None = None) -> SessionLog:
    """Opens a log whose clock moves on by a second whenever it is asked."""
    return SessionLog.open(path, clock=clock or Clock(step=1000))


def count_commits(path: Path) -> int:
    """Counts the log's commits, by git."""
    return int(git(path, "rev-list", "--count", WAL))


def new_task(log: SessionLog, title: str = "Fix the flaky test", **more: Any) -> str:
    """Records a task and gives its id."""
    return log.add_task(title, **more).task.task_id


def new_session(log: SessionLog, **details: Any) -> str:
    """Records a task with one session and gives the session's id."""
    return log.start(new_task(log), **details).session.session_id


# -- every layout of a repository


@pytest.fixture
def separate(tmp_path: Path) -> Path:
    """Gives a checkout whose git directory lies elsewhere."""
    path = tmp_path / "checkout"
    git(tmp_path, "init", "--quiet", f"--separate-git-dir={tmp_path / 'elsewhere'}", str(path))
    return path


@pytest.fixture(params=["checkout", "folder", "git_dir", "worktree", "bare", "separate"])
def place(request: pytest.FixtureRequest) -> Path:
    """Gives a path that a repository is opened by, in every layout there is."""
    if request.param in {"worktree", "bare", "separate"}:
        found: Path = request.getfixturevalue(request.param)
        return found
    repo: Path = request.getfixturevalue("repo")
    if request.param == "git_dir":
        return repo / ".git"
    if request.param == "folder":
        (repo / "a" / "b").mkdir(parents=True)
        return repo / "a" / "b"
    return repo


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_a_whole_life_is_one_commit_a_step_and_reads_back(place: Path, packed: bool) -> None:
    def record(step: Callable[[SessionLog], Any]) -> Any:
        """Records by a log that is opened for this step alone, as commands do."""
        if packed and log.head():
            git(place, "pack-refs", "--all", "--prune")
            git(place, "gc", "--quiet")
        before = count_commits(place) if log.head() else 0
        done = step(open_log(place, clock))
        assert count_commits(place) == before + 1
        assert done.commit == git(place, "rev-parse", WAL) == log.head()
        return done

    clock = Clock(step=1000)
    log = open_log(place, clock)
    task = record(lambda log: log.add_task("Fix the flaky test")).task.task_id
    started = record(lambda log: log.start(task, engine="claude", pid=77)).session
    session = started.session_id
    for state in ("ready", "running", "running", "handoff"):
        assert record(lambda log: log.advance(session, state)).session.state == state  # noqa: B023
    ended = record(lambda log: log.exit(session, code=0)).session

    assert log.session(session).model_dump(exclude={"heartbeat_age_ms"}) == ended.model_dump(
        exclude={"heartbeat_age_ms"}
    )
    assert (ended.state, ended.exit_code, ended.exit_reason) == ("exit", 0, "completed")
    assert (ended.engine, ended.pid, ended.role, ended.session_type) == (
        *("claude", 77, "user", "crew"),
    )
    assert started.started_ts == ended.started_ts < (ended.last_heartbeat_ts or 0)
    steps = log.history(session)[::-1]
    assert [step.to_state for step in steps] == [
        *("spawned", "ready", "running", "running", "handoff", "exit")
    ]
    assert [step.commit for step in steps] == git(
        place, "rev-list", "--reverse", "--skip=0", WAL
    ).split()[1:]
    assert all(step.is_legal and not step.is_late and not step.is_fork for step in steps)
    assert check_log(log)["findings"] == []


def test_a_linked_worktree_and_the_main_checkout_have_one_log(repo: Path, worktree: Path) -> None:
    session = new_session(open_log(worktree))
    assert open_log(repo).session(session).state == "spawned"
    open_log(repo).advance(session, "ready")
    assert open_log(worktree).session(session).state == "ready"
    assert open_log(worktree).common_dir == open_log(repo).common_dir


def test_a_new_actor_is_made_once_and_writes_from_then_on(place: Path) -> None:
    log = open_log(place)
    session = new_session(log)
    again = open_log(place).advance(session, "ready").session
    assert {step.actor for step in log.history()} == {again.actor}
    (actor,) = (log.common_dir / "grite" / "actors").iterdir()
    assert actor.name == again.actor


# -- what is stored, read without the package


def stored_events(path: Path) -> list[list[Any]]:
    """Reads all events of a log with git and cbor2 alone, oldest first; checks each commit."""
    events = []
    parent = None
    for commit in git(path, "rev-list", "--reverse", WAL).split():
        names = git(path, "ls-tree", "-r", "--name-only", commit).splitlines()
        (chunk_name,) = [name for name in names if name != "meta.json"]
        raw = subprocess.run(
            ["git", "cat-file", "blob", f"{commit}:{chunk_name}"],
            cwd=path,
            capture_output=True,
            check=True,
        ).stdout
        assert raw[:18] == b"GRITECNK\x01\x00\x07cbor-v1"
        found = cbor2.loads(raw[18:])
        meta = git(path, "cat-file", "blob", f"{commit}:meta.json")
        actor = found[0][2].hex()
        wanted = {"schema_version": 1, "actor_id": actor, "chunk_hash": hash_chunk(raw)}
        assert meta == json.dumps(wanted | {"prev_wal": parent}, indent=2)
        day = git(path, "log", "-1", "--format=%P%n%an <%ae>%n%cn <%ce>%n%B", commit).split("\n")
        assert day[0] == (parent or "")
        assert day[1] == day[2] == "grite <grit@local>"
        assert day[3] == f"WAL: {len(found)} events from {actor[:8]}"
        assert chunk_name == f"events/2026/11/18/{hash_chunk(raw)}.bin"
        parent = commit
        events += found
    return events


def test_what_is_stored_is_what_grite_would_have_stored(repo: Path) -> None:
    log = open_log(repo)
    session = new_session(log, engine="claude")
    log.advance(session, "ready")
    log.exit(session)
    events = stored_events(repo)
    for event_id, issue, actor, ts, parent, tag, payload, sig in events:
        assert stores.Event(issue, actor, ts, tag, payload, parent).id() == event_id
        assert sig is None
    assert [event[5] for event in events if event[5] != 3] == [1, 4, 4, 4, 5, 4, 5, 4]
    chain = [event for event in events if event[5] == 3]
    assert [event[4] for event in chain] == [None, chain[0][0], chain[1][0]]
    assert [event[3] for event in events] == sorted(event[3] for event in events)


def read_as_brat_does(comment: str) -> dict[str, Any]:
    """Reads a session comment by brat's rules: first `=`, quotes stripped, null is nothing."""
    inside = comment.split("[session]", 1)[1].split("[/session]", 1)[0]
    found: dict[str, Any] = {}
    for line in inside.split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            text = value.strip().strip('"')
            number = key.strip() in {"pid", "started_ts", "last_heartbeat_ts", "exit_code"}
            found[key.strip()] = None if text == "null" else int(text) if number else text
    return found


def test_a_brat_like_reader_sees_the_same_14_fields_at_every_step(repo: Path) -> None:
    log = open_log(repo)
    session = new_session(
        log, engine="claude", role="witness", worktree=str(repo / ".grite/worktrees/x"), pid=4001
    )
    seen = [log.session(session)]
    seen += [log.advance(session, state).session for state in ("ready", "running", "handoff")]
    seen.append(log.exit(session, code=-9, reason="user-stop", output_ref="sha256:00").session)
    comments = [event[6][0] for event in stored_events(repo) if event[5] == 3]
    assert len(comments) == len(seen) == 5
    evidence = list(seen[0].extras)
    for comment, shown in zip(comments, seen, strict=True):
        lines = comment.split("\n")
        assert [line.split(" = ")[0] for line in lines[1:-1]] == [
            *("state", "session_id", "role", "session_type", "engine", "worktree", "pid"),
            *("started_ts", "last_heartbeat_ts", "exit_code", "exit_reason", "last_output_ref"),
            *evidence,  # which brat leaves aside
        ]
        brats = read_as_brat_does(comment)
        assert brats.pop("state") == shown.status
        assert {key: brats.pop(key) for key in evidence} == shown.extras
        beside = {"task_id", "grite_issue_id", "status"}  # brat has these from the issue
        assert brats == {name: getattr(shown, name) for name in STRUCT if name not in beside}


def test_a_session_serialises_as_the_published_struct_and_then_ours(repo: Path) -> None:
    log = open_log(repo)
    dumped = log.session(new_session(log)).model_dump()
    assert tuple(dumped)[:14] == STRUCT
    assert "state" in list(dumped)[14:]
    assert tuple(Session.model_fields) == tuple(dumped)


@pytest.mark.parametrize(
    "engine",
    [
        'say "no"',
        "two\nlines",
        "back\\slash",
        '[/session]\n[session]\nstate = "exit"',
        "\x1b[31mred\x1b[0m",
        "null",
        "",
        " spaces around ",
        "Größe 🚀",
        "x" * 1_000_000,
    ],
    ids=[
        *("quote", "newline", "backslash", "marks", "terminal", "null", "empty", "spaces"),
        *("unicode", "megabyte"),
    ],
)
def test_any_text_comes_back_as_it_went_in(repo: Path, engine: str) -> None:
    log = open_log(repo)
    session = new_session(log, engine=engine)
    log.exit(session, reason=engine)
    shown = open_log(repo).session(session)
    assert (shown.engine, shown.exit_reason) == (engine, engine)
    assert len(log.sessions(include_exited=True)) == 1
    assert check_log(log)["findings"] == []


def test_text_that_is_no_unicode_is_refused_and_leaves_nothing(repo: Path) -> None:
    log = open_log(repo)
    task = new_task(log)
    for attempt in (
        lambda: log.start(task, engine="\udcff"),
        lambda: log.add_task("\udcff"),
        lambda: log.comment_row(task, "\udcff"),
    ):
        with pytest.raises(GitSessionError):
            attempt()
    assert count_commits(repo) == 1


# -- starting


def test_a_session_is_spawned_with_what_it_is_given(repo: Path) -> None:
    log = open_log(repo)
    task = new_task(log)
    plain = log.start(task).session
    assert (plain.state, plain.engine, plain.role, plain.session_type) == (
        *("spawned", "unknown", "user", "crew"),
    )
    assert (plain.worktree, plain.pid, plain.last_heartbeat_ts) == ("", None, None)
    given = log.start(
        task,
        engine="codex",
        role="refinery",
        worktree="/somewhere/else",
        session_id="my-own.id_1",
        extras={"parent_session": plain.session_id, "attr_tokens": 12},
    ).session
    assert given.session_id == "my-own.id_1"
    assert (given.session_type, given.worktree) == ("polecat", "/somewhere/else")
    told = {"parent_session": plain.session_id, "attr_tokens": 12}
    assert told.items() <= given.extras.items()
    assert log.advance("my-own.id_1", "ready").session.extras == given.extras


def test_a_worktree_inside_the_checkout_is_stored_relative_to_it(
    repo: Path, worktree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(worktree)
    task = new_task(log)
    monkeypatch.chdir(repo)
    inside = repo / ".grite" / "worktrees" / "x"
    for given, stored in {
        str(inside): ".grite/worktrees/x",
        ".grite/worktrees/x": ".grite/worktrees/x",
        "./a/../.grite/worktrees/x/": ".grite/worktrees/x",
        str(repo): ".",
        str(repo.parent / "repository"): str(repo.parent / "repository"),
        "..": str(repo.parent),
    }.items():
        assert log.start(task, worktree=given).session.worktree == stored


def test_a_link_to_the_checkout_counts_as_the_checkout(repo: Path) -> None:
    link = repo.parent / "link"
    link.symlink_to(repo)
    log = open_log(link)
    task = new_task(log)
    assert log.start(task, worktree=str(link / "x")).session.worktree == "x"
    assert log.start(task, worktree=str(repo / "y")).session.worktree == "y"


def test_a_live_session_on_the_task_is_warned_of_and_marked(repo: Path) -> None:
    log = open_log(repo)
    task = new_task(log)
    first = log.start(task)
    assert first.warnings == []
    second = log.start(task)
    assert len(second.warnings) == 1
    assert first.session.session_id in second.warnings[0]
    assert [session.live_on_task for session in log.sessions()] == [2, 2]
    log.exit(first.session.session_id)
    assert [session.live_on_task for session in log.sessions()] == [1]
    assert len(log.start(task).warnings) == 1


def test_an_id_that_the_task_has_already_is_refused(repo: Path) -> None:
    log = open_log(repo)
    task = new_task(log)
    log.start(task, session_id="mine")
    with pytest.raises(ConflictError, match="mine"):
        log.start(task, session_id="mine")
    assert count_commits(repo) == 2


@pytest.mark.parametrize(
    "details",
    [
        {"role": "king"},
        {"session_type": "dog"},
        {"pid": -1},
        {"pid": 2**32},
        {"session_id": ""},
        {"session_id": "../../etc"},
        {"session_id": "a/b"},
        {"session_id": "a b"},
        {"session_id": "-x"},
        {"session_id": "x" * 129},
        {"note": "[session]"},
        {"note": "[/session]"},
    ],
    ids=str,
)
def test_what_no_session_can_have_is_refused_and_leaves_nothing(
    repo: Path, details: dict[str, Any]
) -> None:
    log = open_log(repo)
    task = new_task(log)
    with pytest.raises(UsageError):
        log.start(task, **details)
    assert count_commits(repo) == 1


def test_an_id_that_is_drawn_twice_is_drawn_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids have 16 random bits a day: of 300 two are the same more often than not."""
    drawn = iter(["aaaa", "aaaa", "aaaa", "bbbb", "aaaa", "aaaa", "cccc"])
    log = open_log(repo)
    new_task(log)  # before the draws are fixed, so that the actor is there
    monkeypatch.setattr("git_session.log.recorder._draw_digits", lambda: next(drawn))
    tasks = [new_task(log), new_task(log)]
    assert [task[-4:] for task in tasks] == ["aaaa", "bbbb"]
    sessions = [log.start(task).session.session_id for task in tasks]
    assert [session[-4:] for session in sessions] == ["aaaa", "cccc"]


def test_an_issue_without_a_task_label_carries_sessions_too(bundle: Callable[[str], Path]) -> None:
    log = open_log(bundle("all-kinds"))
    (issue,) = log.tasks()
    started = log.start(issue.grite_issue_id[:8]).session
    assert started.task_id == started.grite_issue_id == issue.grite_issue_id
    assert log.task(issue.task_id).sessions == {"spawned": 1}


# -- going on


def test_each_step_says_what_changed(repo: Path) -> None:
    log = open_log(repo)
    session = new_session(log)
    log.advance(session, "ready", note="tests are green", changes={"pid": 12})
    newest, first = log.history(session)
    assert (newest.from_state, newest.to_state, newest.note) == (
        *("spawned", "ready", "tests are green"),
    )
    assert newest.changes == {
        "pid": 12,
        "last_heartbeat_ts": log.session(session).last_heartbeat_ts,
    }
    assert (first.from_state, first.to_state, first.note) == (None, "spawned", "")


def test_an_exit_says_how_it_ended(repo: Path) -> None:
    log = open_log(repo)
    task = new_task(log)

    def ended(**details: Any) -> tuple[int | None, str | None]:
        session = log.exit(log.start(task).session.session_id, **details).session
        return (session.exit_code, session.exit_reason)

    assert ended() == (0, "completed")
    assert ended(code=3) == (3, "crash")
    assert ended(code=None, reason="timeout") == (None, "timeout")
    assert ended(code=-1, reason="crash-recovery") == (-1, "crash-recovery")
    assert ended(code=2**31 - 1, reason="") == (2**31 - 1, "")
    for code in (2**31, -(2**31) - 1):
        with pytest.raises(UsageError):
            ended(code=code)


def test_an_illegal_step_is_refused_with_what_is_allowed_and_leaves_nothing(repo: Path) -> None:
    log = open_log(repo)
    session = new_session(log)
    before = count_commits(repo)
    with pytest.raises(TransitionError) as caught:
        log.advance(session, "handoff")
    assert caught.value.exit_code == 4
    assert "spawned, ready, exit" in (caught.value.hint or "")
    assert count_commits(repo) == before
    assert log.advance(session, "handoff", is_forced=True).session.state == "handoff"
    assert [step.is_legal for step in log.history(session)] == [False, True]


def test_nothing_leaves_exit_unless_forced_and_then_it_is_alive_again(repo: Path) -> None:
    log = open_log(repo)
    session = new_session(log)
    log.exit(session, code=3, reason="crash", output_ref="sha256:00")
    for state in ("exit", "running"):
        with pytest.raises(TransitionError, match=r"already exited \(code 3, crash\)"):
            log.advance(session, state)
    again = log.advance(session, "running", is_forced=True).session
    assert (again.state, again.exit_code, again.exit_reason, again.last_output_ref) == (
        *("running", None, None, None),
    )
    assert [s.session_id for s in log.sessions()] == [session]
    assert log.advance(session, "handoff").session.state == "handoff"


def test_an_unknown_word_is_refused_by_name(repo: Path) -> None:
    log = open_log(repo)
    session = new_session(log)
    for attempt in (
        lambda: log.advance(session, "sleeping"),
        lambda: log.sessions(states=["sleeping"]),
        lambda: log.sessions(role="king"),
        lambda: log.tasks(status="sleeping"),
        lambda: log.set_task_status_row(log.tasks()[0].task_id, "sleeping"),
    ):
        with pytest.raises(UsageError, match=r"sleeping|king") as caught:
            attempt()
        assert "known: " in (caught.value.hint or "")


def test_a_note_that_could_pass_for_a_block_is_refused(repo: Path) -> None:
    log = open_log(repo)
    session = new_session(log)
    for mark in ("[session]", "see [/session]"):
        with pytest.raises(UsageError):
            log.advance(session, "ready", note=mark)
    assert log.session(session).state == "spawned"


def test_labels_follow_the_session_and_change_only_when_they_must(repo: Path) -> None:
    log = open_log(repo)
    task = new_task(log)
    started = log.start(task, engine="codex")
    session = started.session.session_id

    def labels() -> list[str]:
        return [x for x in log.task(task).labels if x.startswith(("session:", "engine:"))]

    assert (started.events, labels()) == (4, ["engine:codex", "session:crew", "session:spawned"])
    assert log.advance(session, "ready").events == 3
    assert labels() == ["engine:codex", "session:crew", "session:ready"]
    assert log.advance(session, "ready").events == 1
    assert log.exit(session).events == 3
    assert labels() == ["engine:codex", "session:crew", "session:exit"]


# -- clocks


def test_steps_of_one_moment_keep_their_order(repo: Path) -> None:
    log = open_log(repo, Clock())
    session = new_session(log)
    for state in ("ready", "running", "handoff"):
        log.advance(session, state)
    steps = log.history(session)
    assert [step.to_state for step in steps] == ["handoff", "running", "ready", "spawned"]
    assert [step.ts for step in steps] == [T0 + 4, T0 + 3, T0 + 2, T0 + 1]


def test_a_clock_that_runs_behind_records_all_the_same(repo: Path) -> None:
    session = new_session(open_log(repo, Clock(T0)))
    behind = open_log(repo, Clock(T0 - 3_600_000))
    behind.advance(session, "ready")
    assert behind.session(session).state == "ready"
    assert check_log(open_log(repo, Clock(T0)))["findings"] == []


def test_one_clock_that_was_days_ahead_does_not_poison_the_task(repo: Path) -> None:
    log = open_log(repo, Clock(T0))
    session = new_session(log)
    open_log(repo, Clock(T0 + 3 * 86_400_000)).advance(session, "ready")
    later = log.advance(session, "running").session
    assert (later.state, later.updated_ts) == ("running", T0 + 2)
    assert log.advance(session, "handoff").session.state == "handoff"
    assert [step.is_fork or step.is_late for step in log.history(session)] == [False] * 4


def test_status_of_a_clock_days_ahead_is_refused_or_changed(repo: Path) -> None:
    clock = Clock(T0)
    log = open_log(repo, clock)
    task = new_task(log)
    open_log(repo, Clock(T0 + 2 * 86_400_000)).set_task_status_row(task, "running")
    before = count_commits(repo)
    for is_forced in (False, True):
        with pytest.raises(ConflictError, match="would still be running"):
            log.set_task_status_row(task, "blocked", is_forced=is_forced)
    assert log.set_task_status_row(task, "running")["commit"] is None
    assert count_commits(repo) == before
    log.comment_row(task, "others are recorded all the same")
    clock.now += 86_400_000
    assert log.set_task_status_row(task, "blocked")["task"]["status"] == "blocked"
    assert log.task(task).status == "blocked"


def test_the_age_of_the_last_sign_of_life_is_told_until_the_exit(repo: Path) -> None:
    clock = Clock()
    log = open_log(repo, clock)
    session = new_session(log)
    clock.now += 5000
    assert log.session(session).heartbeat_age_ms == 4999  # since the step, a ms past the task's
    log.advance(session, "ready")
    clock.now += 7000
    assert log.session(session).heartbeat_age_ms == 7000
    assert log.exit(session).session.heartbeat_age_ms is None


# -- asking


@pytest.fixture
def busy(repo: Path) -> SessionLog:
    """Gives a log of two tasks and a convoy's third with sessions in several states."""
    log = open_log(repo)
    tasks = [new_task(log, title) for title in ("One", "Two", "Three")]
    for number, (task, engine, role, states) in enumerate(
        [
            (tasks[0], "codex", "witness", ["ready", "running"]),
            (tasks[0], "claude", "user", []),
            (tasks[1], "codex", "user", ["ready", "exit"]),
        ]
    ):
        session_id = f"s-20261118-000{number}"
        log.start(task, engine=engine, role=role, session_id=session_id)
        for state in states:
            log.advance(session_id, state)
    return log


def test_sessions_are_filtered_by_what_is_asked(busy: SessionLog) -> None:
    def ids(**filters: Any) -> str:
        return "".join(session.session_id[-1] for session in busy.sessions(**filters))

    one, two, three = [task.task_id for task in busy.tasks()]
    assert ids() == "01"
    assert ids(include_exited=True) == "012"
    assert ids(task=one) == "01"
    assert ids(task=two) == ""
    assert ids(task=two, include_exited=True) == "2"
    assert ids(task=three, include_exited=True) == ""
    assert ids(engine="codex") == "0"
    assert ids(role="user", include_exited=True) == "12"
    assert ids(states=["exit"]) == "2"
    assert ids(states=["spawned", "running"]) == "01"
    assert ids(states=["handoff"]) == ""
    assert ids(engine="code") == ""


def test_transitions_are_listed_newest_first_and_limited(busy: SessionLog) -> None:
    everything = busy.history()
    assert [step.ts for step in everything] == sorted((s.ts for s in everything), reverse=True)
    assert len(everything) == 7
    assert busy.history(limit=2) == everything[:2]
    assert busy.history(limit=0) == []
    assert [step.to_state for step in busy.history("s-20261118-0002")] == [
        *("exit", "ready", "spawned")
    ]
    assert len(busy.history(task=busy.tasks()[0].task_id)) == 4


def test_tasks_are_told_with_their_sessions_by_state(busy: SessionLog) -> None:
    assert [(task.title, task.status, task.sessions) for task in busy.tasks()] == [
        ("One", "queued", {"running": 1, "spawned": 1}),
        ("Two", "queued", {"exit": 1}),
        ("Three", "queued", {}),
    ]


def test_a_task_is_moved_along_its_statuses(busy: SessionLog) -> None:
    task = busy.tasks()[0].task_id
    assert busy.set_task_status_row(task, "running")["task"]["status"] == "running"
    before = busy.head()
    unchanged = busy.set_task_status_row(task, "running")
    assert (unchanged["commit"], unchanged["events"], busy.head()) == (None, 0, before)
    with pytest.raises(TransitionError, match="from running to queued"):
        busy.set_task_status_row(task, "queued")
    busy.set_task_status_row(task, "merged", is_forced=True)
    assert [t.title for t in busy.tasks(status="merged")] == ["One"]
    assert [t.title for t in busy.tasks(status="queued")] == ["Two", "Three"]


def test_a_task_shows_its_text_and_all_its_comments_in_order(busy: SessionLog) -> None:
    task = busy.tasks()[1].task_id
    busy.comment_row(task, "looks good\n\x1b[2Jto me")
    detail = busy.task(task)
    assert [(c.session_id, c.state) for c in detail.comments] == [
        ("s-20261118-0002", "spawned"),
        ("s-20261118-0002", "ready"),
        ("s-20261118-0002", "exit"),
        (None, None),
    ]
    assert detail.comments[3].body == "looks good\n\x1b[2Jto me"
    assert detail.comments[0].body.startswith("[session]\n")
    assert [s.session_id for s in detail.session_list] == ["s-20261118-0002"]


def test_a_new_task_belongs_to_its_convoy_and_has_its_text(repo: Path) -> None:
    log = open_log(repo)
    made = log.add_task("Fix it", body="It is\nbroken", convoy="c-20261118-0001")
    assert (made.task.convoy_id, made.task.status, made.events) == ("c-20261118-0001", "queued", 1)
    assert log.task(made.task.task_id).body == "It is\nbroken"
    for title in ("", "  \n"):
        with pytest.raises(UsageError):
            log.add_task(title)


def test_convoys_and_closed_issues_without_sessions_are_no_tasks(repo: Path) -> None:
    issues = [bytes([number]) * 16 for number in range(4)]

    def event(number: int, tag: int, *payload: object) -> stores.Event:
        return stores.Event(issues[number], b"\xaa" * 16, T0 + tag, tag, list(payload))

    convoy = ["convoy:c-20261118-0001", "status:active", "type:convoy"]
    stores.write_log(
        repo,
        [
            [event(0, 1, "Convoy", "", convoy)],
            [event(1, 1, "Open issue", "", [])],
            [event(2, 1, "Closed issue", "", []), event(2, 6, "closed")],
            [event(3, 1, "Closed task", "", ["type:task"]), event(3, 6, "closed")],
        ],
    )
    log = open_log(repo)
    assert [task.title for task in log.tasks()] == ["Open issue", "Closed task"]
    assert [task.title for task in log.tasks(include_all=True)] == [
        *("Open issue", "Closed issue", "Closed task")
    ]


# -- naming things


def test_any_unique_prefix_names_a_session_or_a_task(busy: SessionLog) -> None:
    assert busy.session("s-20261118-0002").state == "exit"
    one = busy.tasks()[0]
    for ref in (one.task_id, one.grite_issue_id, one.grite_issue_id[:10]):
        assert busy.task(ref).title == "One"
    assert busy.session(f"{one.task_id}/s-20261118-0001").engine == "claude"
    assert busy.session(f"{one.grite_issue_id}/s-20261118-0001").engine == "claude"


def test_an_ambiguous_prefix_lists_the_candidates(busy: SessionLog) -> None:
    with pytest.raises(AmbiguousError) as caught:
        busy.session("s-20261118-")
    assert caught.value.exit_code == 2
    assert all(f"s-20261118-000{number}" in caught.value.message for number in range(3))
    with pytest.raises(AmbiguousError) as caught:
        busy.task("t-")
    assert all(task.task_id in caught.value.message for task in busy.tasks())
    assert all(task.title in caught.value.message for task in busy.tasks())


def test_a_whole_id_is_meant_even_if_it_begins_another(repo: Path) -> None:
    log = open_log(repo)
    task = new_task(log)
    log.start(task, session_id="agent-1")
    log.start(task, session_id="agent-10")
    assert log.session("agent-1").session_id == "agent-1"


def test_one_session_id_on_two_tasks_is_told_apart_by_the_task(repo: Path) -> None:
    log = open_log(repo)
    tasks = [new_task(log, title) for title in ("One", "Two")]
    for task in tasks:
        log.start(task, session_id="agent-1")
    with pytest.raises(AmbiguousError) as caught:
        log.advance("agent-1", "ready")
    candidates = [line.split()[0] for line in caught.value.message.splitlines()[1:]]
    assert {log.session(candidate).task_id for candidate in candidates} == set(tasks)
    log.advance(f"{tasks[1]}/agent-1", "ready")
    assert [session.state for session in log.sessions()] == ["spawned", "ready"]


@pytest.mark.parametrize("ref", ["", "nothing", "t-1/s-1", "/", "s-20261118-0002x"])
def test_what_is_not_there_is_not_found(busy: SessionLog, ref: str) -> None:
    for attempt in (
        lambda: busy.session(ref),
        lambda: busy.task(ref),
        lambda: busy.start(ref),
        lambda: busy.advance(ref, "ready"),
        lambda: busy.exit(ref),
        lambda: busy.history(ref),
        lambda: busy.sessions(task=ref),
        lambda: busy.comment_row(ref, "x"),
        lambda: busy.set_task_status_row(ref, "running"),
    ):
        with pytest.raises(NotFoundError) as caught:
            attempt()
        assert caught.value.exit_code == 3


def test_without_a_log_there_is_nothing_and_it_says_so(repo: Path) -> None:
    log = open_log(repo)
    assert log.head() is None
    assert (log.sessions(include_exited=True), log.tasks(include_all=True), log.history()) == (
        *([], [], []),
    )
    for attempt in (lambda: log.session("s"), lambda: log.task("t"), lambda: log.start("t")):
        with pytest.raises(NotFoundError, match="no log yet") as caught:
            attempt()
        assert "task add" in (caught.value.hint or "")
    assert not (log.common_dir / "grite").exists(), "asking makes nothing"


# -- a log that others write to meanwhile


def test_a_log_that_is_open_sees_what_others_record(repo: Path) -> None:
    one, other = open_log(repo), open_log(repo)
    session = new_session(one)
    assert other.session(session).state == "spawned"
    for log, state in ((other, "ready"), (one, "running"), (other, "running"), (one, "handoff")):
        log.advance(session, state)
    assert one.history(session) == other.history(session)
    assert len(one.history(session)) == 5
    with pytest.raises(TransitionError):
        other.advance(session, "running")


def test_what_somebody_took_back_is_forgotten(repo: Path) -> None:
    log = open_log(repo)
    session = new_session(log)
    old = git(repo, "rev-parse", WAL)
    log.advance(session, "ready")
    git(repo, "update-ref", WAL, old)
    assert log.session(session).state == "spawned"
    git(repo, "update-ref", "-d", WAL)
    assert log.sessions() == []
    assert log.tasks() == []
    new_task(log, "Anew")
    assert [task.title for task in log.tasks()] == ["Anew"]
    assert count_commits(repo) == 1


def test_a_log_that_was_replaced_is_read_anew(repo: Path) -> None:
    log = open_log(repo)
    new_session(log)
    git(repo, "update-ref", "-d", WAL)
    stores.make_log(repo, 40, 2)
    assert len(log.sessions(include_exited=True)) == 2
    assert {s.session_id for s in log.sessions(include_exited=True)} == {
        s.session_id for s in open_log(repo).sessions(include_exited=True)
    }


def test_merged_logs_are_read_on_without_losing_what_was_read(repo: Path) -> None:
    """After a merge the old head may be off the line of first parents."""
    log = open_log(repo)
    session = new_session(log)
    base = git(repo, "rev-parse", WAL)
    mine = log.advance(session, "ready").commit
    git(repo, "update-ref", WAL, base)
    theirs = open_log(repo, Clock(T0 + 50_000)).start(log.tasks()[0].task_id).commit
    git(repo, "update-ref", WAL, mine)
    assert len(log.history()) == 2
    chunk = git(repo, "rev-parse", f"{mine}^{{tree}}")
    merge = git(repo, "commit-tree", chunk, "-p", theirs, "-p", mine, "-m", "merge")
    git(repo, "update-ref", WAL, merge)
    assert len(log.history()) == 3
    assert sorted(s.state for s in log.sessions()) == ["ready", "spawned"]
    assert {s.event_id for s in log.history()} == {s.event_id for s in open_log(repo).history()}


def test_made_logs_of_any_shape_read_as_they_were_made(tmp_path: Path) -> None:
    for number, (per_commit, loose) in enumerate([(1, False), (1, True), (7, False)]):
        made = stores.make_log(
            tmp_path / f"made-{number}", 200, 12, per_commit=per_commit, loose=loose
        )
        log = open_log(made.path)
        found = {
            (s.session_id, s.task_id, s.grite_issue_id, s.state, len(log.history(s.session_id)))
            for s in log.sessions(include_exited=True)
        }
        assert found == {
            (s.session_id, s.task_id, s.issue_id, s.state, s.blocks) for s in made.sessions
        }
        assert len(log.tasks()) == made.tasks
        assert log.replay().event_count == made.events
        assert check_log(SessionLog.open(made.path))["findings"] == []


def test_two_clones_steps_from_one_block_are_marked_and_the_further_one_counts(
    repo: Path,
) -> None:
    issue, other = b"\1" * 16, b"\2" * 16

    def step(state: str, ts: int, actor: bytes, parent: stores.Event | None) -> stores.Event:
        text = stores.format_block(state, "s-20261118-0001", started_ts=T0)
        return stores.Event(issue, actor, T0 + ts, 3, [text], parent.id() if parent else None)

    start = step("ready", 1, issue, None)
    further = step("handoff", 2, issue, start)
    behind = step("running", 3, other, start)
    created = stores.Event(issue, issue, T0, 1, ["Title", "", []])
    stores.write_log(repo, [[created], [start], [further], [behind]])
    log = open_log(repo)
    assert log.session("s-20261118-0001").state == "handoff"
    assert [(s.to_state, s.is_fork, s.is_late) for s in log.history("s-20261118-0001")] == [
        ("running", True, True),
        ("handoff", False, False),
        ("ready", False, False),
    ]
    log.exit("s-20261118-0001")
    assert not log.history("s-20261118-0001")[0].is_fork


# -- places that hold no log


def test_a_place_outside_any_repository_says_so(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NotARepositoryError) as caught:
            SessionLog.open(path)
        assert caught.value.exit_code == 5


def test_repositories_of_another_kind_say_so(tmp_path: Path, repo: Path) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "sha256")
    git(repo, "config", "core.repositoryFormatVersion", "1")
    git(repo, "config", "extensions.refStorage", "reftable")
    for path, word in ((tmp_path / "sha256", "sha256"), (repo, "reftable")):
        with pytest.raises(UnsupportedRepositoryError, match=word) as caught:
            SessionLog.open(path)
        assert caught.value.exit_code == 5


def test_a_config_that_does_not_parse_says_so_and_where(repo: Path) -> None:
    config = repo / ".git" / "grite" / "config.toml"
    config.parent.mkdir()
    config.write_text('lock_policy = "off"\nno toml\n')
    with pytest.raises(GitSessionError, match=r"config\.toml") as caught:
        SessionLog.open(repo)
    assert (caught.value.exit_code, caught.value.code) == (5, "config")
    assert "2" in caught.value.message


def test_a_damaged_head_is_no_crash_and_nothing_is_built_on_it(repo: Path) -> None:
    new_task(open_log(repo))
    head = git(repo, "rev-parse", WAL)
    (repo / ".git" / "objects" / head[:2] / head[2:]).unlink()
    forget_kept(repo / ".git")
    log = open_log(repo)
    for attempt in (log.sessions, log.tasks, lambda: log.add_task("x")):
        with pytest.raises(DamagedLogError, match=head):
            attempt()
    assert (repo / ".git" / WAL).read_text().strip() == head


# -- as a library


def test_the_library_is_used_without_the_command_line(repo: Path) -> None:
    script = (
        "import sys; from git_session import SessionLog; log = SessionLog.open(sys.argv[1]); "
        "task = log.add_task('Title').task.task_id; print(log.start(task).session.state); "
        "print([name for name in ('click', 'rich') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(repo)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "spawned\n[]\n"
    assert done.stderr == ""
