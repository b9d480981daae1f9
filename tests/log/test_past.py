"""Time travel: what the log told at a moment, and what words for a moment mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.core.answers.base import Model
from git_session.core.answers.sessions import SessionList, SessionShown
from git_session.core.answers.tasks import TaskList, TaskShown
from git_session.core.answers.views import DiffReport
from git_session.errors import NotFoundError, UsageError
from git_session.git.dates import Moments
from git_session.log.session_log import SessionLog
from git_session.views.diff import compare_sessions, compare_tasks
from tests.conftest import Cli, git
from tests.support.stores import (
    COMMENT_ADDED,
    EPOCH,
    ISSUE_CREATED,
    WAL,
    Event,
    format_block,
    write_log,
)
from tests.support.stores import make_log as make_long_log

Checkout = Callable[[str], Path]

HOUR: Final = 3_600_000
ISSUE: Final = b"\x07" * 16
DESK, SERVER = b"\x01" * 16, b"\x02" * 16
THREE: Final = EPOCH + 3 * HOUR
LEXER: Final = "t-20261118-0001"


def _task(actor: bytes = DESK) -> Event:
    labels = ["status:queued", f"task:{LEXER}", "type:task"]
    return Event(ISSUE, actor, EPOCH, ISSUE_CREATED, ["Port the lexer", "", labels])


def _block(actor: bytes, ts: int, state: str, session: str, parent: Event | None = None) -> Event:
    code, reason = (0, "completed") if state == "exit" else (None, None)
    body = format_block(state, session, started_ts=EPOCH, exit_code=code, exit_reason=reason)
    return Event(ISSUE, actor, ts, COMMENT_ADDED, [body], parent.id() if parent else None)


@pytest.fixture
def night(repo: Path) -> Path:
    """Gives a log of one night: `s-early` runs from 1 to 4, `s-late` begins at 5."""
    begun = _block(DESK, EPOCH + HOUR, "running", "s-early")
    ended = _block(DESK, EPOCH + 4 * HOUR, "exit", "s-early", begun)
    late = _block(SERVER, EPOCH + 5 * HOUR, "running", "s-late")
    write_log(repo, [[_task()], [begun], [ended], [late]])
    return repo


def _states(log: SessionLog) -> dict[str, str]:
    return {row["session_id"]: row["state"] for row in log.session_rows(include_exited=True)}


def _iso(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1000, UTC).isoformat()


# ------------------------------------------------------------------------------- the state then


def test_at_a_time_the_sessions_are_as_the_log_then_told_them(night: Path) -> None:
    log = SessionLog.open(night)
    assert _states(log) == {"s-early": "exit", "s-late": "running"}
    assert _states(log.at(_iso(THREE))) == {"s-early": "running"}
    (session,) = log.at(_iso(THREE)).sessions()
    assert (session.state, session.exit_code, session.live_on_task) == ("running", None, 1)
    assert session.heartbeat_age_ms == 2 * HOUR + 999
    with pytest.raises(NotFoundError):
        log.at(_iso(THREE)).session("s-late")


def test_a_time_counts_to_the_end_of_its_second_and_ms_are_exact(night: Path) -> None:
    log = SessionLog.open(night)
    assert _states(log.at(_iso(EPOCH + HOUR)[:19] + "Z")) == {"s-early": "running"}
    assert _states(log.at(str(EPOCH + HOUR))) == {"s-early": "running"}
    assert _states(log.at(str(EPOCH + HOUR - 1))) == {}


def test_what_another_clone_recorded_then_and_sent_later_is_there(night: Path) -> None:
    """At 3 the server had begun `s-far`; it came here hours later, in a commit on top."""
    head = git(night, "rev-parse", WAL)
    far = _block(SERVER, EPOCH + 2 * HOUR, "running", "s-far")
    write_log(night, [[far]], onto=head)
    log = SessionLog.open(night)
    assert _states(log.at(_iso(THREE))) == {"s-early": "running", "s-far": "running"}
    assert "s-far" not in _states(log.at(head))


def test_at_a_commit_ref_or_remote_the_log_is_what_that_commit_holds(night: Path) -> None:
    log = SessionLog.open(night)
    head = git(night, "rev-parse", WAL)
    begun = git(night, "rev-parse", f"{WAL}~2")
    git(night, "update-ref", "refs/git-session/remotes/hub/grite/wal", begun)
    git(night, "update-ref", "refs/heads/kept", f"{WAL}~3")
    for words in (begun, begun[:10], "grite/wal~2", "hub"):
        past = log.at(words)
        assert _states(past) == {"s-early": "running"}
        assert past.head() == begun
    assert _states(log.at("kept")) == {}
    assert _states(log.at(head)) == _states(log)


def test_a_commit_of_the_code_is_refused_with_the_way_to_its_time(night: Path) -> None:
    with pytest.raises(UsageError, match="not a commit of a session log") as caught:
        SessionLog.open(night).at("HEAD")
    assert "git show -s --format=%cI" in (caught.value.hint or "")


def _moments(path: Path) -> Iterator[tuple[str, int]]:
    """Gives some commits of a log, each with its time in s, where the next one is later."""
    lines = git(path, "log", "--format=%H %ct", WAL).splitlines()
    commits = [(line.split()[0], int(line.split()[1])) for line in lines]
    for (_, later), (oid, seconds) in pairwise(commits):
        if later > seconds:
            yield oid, seconds


@pytest.mark.parametrize("is_indexed", [False, True])
def test_where_clocks_agree_a_time_and_the_commit_of_that_time_tell_the_same(
    tmp_path: Path, is_indexed: bool
) -> None:
    path = tmp_path / "r"
    make_long_log(path, 400, 14)
    if is_indexed:
        with SessionLog.open(path) as first:
            first.replay()
    log = SessionLog.open(path)
    for oid, seconds in list(_moments(path))[::40]:
        by_time, by_commit = log.at(str(seconds * 1000 + 999)), log.at(oid)
        for name in ("session_rows", "task_rows", "transition_rows"):
            found = [getattr(past, name)() for past in (by_time, by_commit)]
            assert found[0] == found[1]
    assert (log.replay().source is not None) is is_indexed


def test_looking_back_is_remembered_by_no_index(night: Path) -> None:
    log = SessionLog.open(night)
    past = log.at(_iso(THREE))
    assert len(past.session_rows()) == 1
    past.save()
    assert not list((night / ".git" / "git-session").glob("index*"))
    log.save()
    assert _states(SessionLog.open(night)) == {"s-early": "exit", "s-late": "running"}


def test_log_as_it_was_takes_nothing_new(night: Path) -> None:
    log = SessionLog.open(night)
    head = log.head()
    past = log.at(_iso(THREE))
    with pytest.raises(UsageError, match="an earlier state of the log is read-only"):
        past.exit("s-early")
    with pytest.raises(UsageError, match="an earlier state of the log is read-only"):
        past.add_task("Port the parser")
    assert log.head() == head


# -------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("words", "ago"),
    [
        ("now", 0),
        ("yesterday", 86400),
        ("2 hours ago", 7200),
        ("2.hours.ago", 7200),
        ("one week ago", 7 * 86400),
        ("  90 minutes ago ", 5400),
    ],
)
def test_a_time_counted_from_now_is_what_git_takes_it_for(repo: Path, words: str, ago: int) -> None:
    before = int(time.time())
    assert before <= Moments(repo / ".git").find_time(words) + ago <= int(time.time())


@pytest.mark.parametrize(
    ("words", "iso"),
    [
        ("2026-11-22 03:00", "2026-11-22T03:00:00+00:00"),
        ("2026-11-22T03:00:00Z", "2026-11-22T03:00:00+00:00"),
        ("2026-11-22T03:00:00+02:00", "2026-11-22T01:00:00+00:00"),
        ("2026-11-22 03:00 CET", "2026-11-22T02:00:00+00:00"),
        ("Sun, 22 Nov 2026 03:00:00 +0000", "2026-11-22T03:00:00+00:00"),
        ("@1795000000", "2026-11-18T11:06:40+00:00"),
        ("1795000000", "2026-11-18T11:06:40+00:00"),
    ],
)
def test_a_time_of_the_calendar_is_what_git_takes_it_for(repo: Path, words: str, iso: str) -> None:
    assert Moments(repo / ".git").find_time(words) == datetime.fromisoformat(iso).timestamp()


@pytest.mark.parametrize(
    "words",
    [
        *("", " ", "nonsense", "tomorrow", "this morning", "a week ago", "HEAD~3", "ago", "never"),
        *("20261122", "2026-13-45", "2026-02-30", "2100-01-01", "--all", "2 hours\nago", "2 hrs"),
        *("s-20261122-4f1a", "\x1b[31m3", "3 blind mice"),
    ],
)
def test_what_git_would_silently_take_for_now_is_refused(repo: Path, words: str) -> None:
    with pytest.raises(UsageError, match="neither a commit or ref nor a time"):
        SessionLog.open(repo).at(words)


# -------------------------------------------------------------------------------------- diff


def test_a_comparison_tells_begun_moved_ended_gone_and_no_beats() -> None:
    def row(name: str, state: str, ts: int = 0) -> dict[str, Any]:
        fields = dict.fromkeys(("task_id", "task_title", "engine", "exit_code", "exit_reason"))
        return {
            **fields,
            "grite_issue_id": "0" * 32,
            "session_id": name,
            "state": state,
            "updated_ts": ts,
        }

    before = [row("beat", "running"), row("moves", "ready"), row("ends", "running")]
    before += [row("wakes", "exit"), row("goes", "ready")]
    after = [row("beat", "running", 9), row("moves", "running"), row("ends", "exit")]
    after += [row("wakes", "running", 1), row("new", "exit"), row("newer", "ready", -1)]
    changes = compare_sessions(before, after)
    assert [(c["change"], c["session_id"], c["from_state"], c["to_state"]) for c in changes] == [
        ("begun", "newer", None, "ready"),
        ("begun", "new", None, "exit"),
        ("moved", "moves", "ready", "running"),
        ("moved", "wakes", "exit", "running"),
        ("ended", "ends", "running", "exit"),
        ("gone", "goes", "ready", None),
    ]
    assert compare_sessions(before, before) == []


def test_a_comparison_of_tasks_tells_added_moved_and_gone_by_status_and_state() -> None:
    def row(name: str, status: str | None, state: str = "open") -> dict[str, Any]:
        ids = {"grite_issue_id": name, "task_id": name, "title": name}
        return {**ids, "status": status, "state": state, "updated_ts": 1}

    before = [row("a", "queued"), row("b", None), row("c", "merged"), row("d", "queued")]
    after = [row("a", "running"), row("b", None, "closed"), row("c", "merged"), row("e", "queued")]
    found = [(c["change"], c["task_id"]) for c in compare_tasks(before, after)]
    assert found == [("moved", "a"), ("moved", "b"), ("added", "e"), ("gone", "d")]


def test_diff_tells_what_happened_between_two_times(cli: Cli, night: Path) -> None:
    ran = cli(night, "diff", _iso(THREE), _iso(EPOCH + 6 * HOUR))
    assert ran.code == 0
    begun, ended = ran.stdout.splitlines()
    assert begun.split()[:5] == ["begun", "s-late", "->", "running", LEXER]
    assert ended.split()[:6] == ["ended", "s-early", "running", "->", "exit", LEXER]
    assert (begun.split()[-1], ended.split()[-1]) == ("codex", "completed")
    assert ran.stderr == (
        "2 sessions (1 begun, 1 ended) - 2026-11-18 14:06:40 UTC to 2026-11-18 17:06:40 UTC\n"
    )
    nothing = cli(night, "diff", "yesterday")
    assert (nothing.stdout, nothing.stderr.partition(" - ")[0]) == ("", "nothing changed")


def test_two_times_the_wrong_way_round_are_refused_and_one_still_to_come_is_said(
    cli: Cli, night: Path
) -> None:
    ran = cli(night, "diff", _iso(EPOCH + 6 * HOUR), _iso(THREE))
    assert (ran.code, ran.stdout) == (2, "")
    assert "put the earlier moment first" in ran.stderr
    ran = cli(night, "list", "--at", "2090-01-01")
    assert ran.code == 0
    assert "2090-01-01 is in the future" in ran.stderr
    assert "in the future" not in cli(night, "list", "--at", "now").stderr


def test_diff_against_a_remote_tells_what_it_was_not_seen_to_have(cli: Cli, night: Path) -> None:
    git(night, "update-ref", "refs/git-session/remotes/hub/grite/wal", f"{WAL}~3")
    report = DiffReport.model_validate(cli(night, "diff", "hub", "--json").json()["data"])
    assert [(c.change, c.session_id) for c in report.sessions] == [
        ("begun", "s-early"),
        ("begun", "s-late"),
    ]
    assert report.before.commit == git(night, "rev-parse", f"{WAL}~3")
    assert report.after.commit is None
    reverse = cli(night, "diff", "now", "hub").stdout.splitlines()
    assert [line.split()[:4] for line in reverse] == [
        ["gone", "s-early", "exit", "->"],
        ["gone", "s-late", "running", "->"],
    ]


# -------------------------------------------------------------------------------- the commands


def test_list_show_and_tasks_look_back_and_say_to_when(cli: Cli, night: Path) -> None:
    at = ("--at", _iso(THREE))
    listed = cli(night, "list", *at)
    assert listed.stdout.splitlines()[1].split()[:4] == ["s-early", "running", "2h", "ago"]
    assert listed.stderr == "1 active, 0 exited - as of 2026-11-18 14:06:40 UTC\n"
    assert cli(night, "list", "--count", *at).stdout == "1\n"
    shown = cli(night, "show", "s-e", *at)
    assert "\nstate:     running\n" in shown.stdout
    assert shown.stderr == "as of 2026-11-18 14:06:40 UTC\n"
    tasks = cli(night, "tasks", *at)
    assert tasks.stdout.splitlines()[1].endswith("1 running")
    commit = git(night, "rev-parse", "--short=7", f"{WAL}~2")
    assert f"1 task - as of commit {commit}, " in cli(night, "tasks", "--at", commit).stderr
    assert "1 session:" in cli(night, "task", "show", LEXER, *at).stdout
    assert len(cli(night, "log", *at).stdout.splitlines()) == 1
    refused = cli(night, "list", "--at", "nonsense")
    assert (refused.code, refused.stdout) == (2, "")


def test_json_tells_the_moment_that_was_asked_about(cli: Cli, night: Path) -> None:
    words = "@1795010800"
    asked: list[tuple[type[Model], tuple[str, ...]]] = [
        (SessionList, ("list",)),
        (SessionShown, ("show", "s-early")),
        (TaskList, ("tasks",)),
        (TaskShown, ("task", "show", LEXER)),
    ]
    for model, args in asked:
        data = cli(night, *args, "--at", words, "--json").json()["data"]
        assert data["at"] == {"words": words, "ts": 1795010800999, "commit": None}
        model.model_validate(data)
    assert "at" not in cli(night, "list", "--json").json()["data"]
