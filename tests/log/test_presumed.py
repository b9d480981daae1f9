"""A session that another clone presumed dead is alive again with its next record."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.errors import TransitionError
from git_session.host.beats import Beats
from git_session.host.clock import read_clock
from git_session.log.beat import write_beat
from git_session.log.index.format import SCHEMA
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git, list_imports, run
from tests.support.fleet import Clone, make_diverged

MARK: Final[dict[str, Any]] = {"code": -1, "reason": "crash-recovery"}
MINUTE: Final = 60_000


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Clone, Clone, str]:
    """Give two clones of a hub, and a session that runs in the first and both know of."""
    git(tmp_path, "init", "--quiet", "--bare", "hub.git")
    desk, server = make_diverged(tmp_path, tmp_path / "hub.git")
    session = desk.start(desk.task("Port the lexer"), pid=os.getpid())
    for state in ("ready", "running"):
        desk.log.advance_row(session, state)
    share(desk, server, desk)
    return desk, server, session


def share(*clones: Clone) -> None:
    for clone in clones:
        clone.sync_well()


def presume(pair: tuple[Clone, Clone, str]) -> None:
    """Let the second clone presume the session dead, and the first one hear of it."""
    desk, server, session = pair
    share(server)
    server.log.exit_row(session, **MARK)
    share(server, desk)
    assert state_of(desk, session) == ("exit", -1)


def state_of(clone: Clone, session: str) -> tuple[str, int | None]:
    row = clone.log.session_row(session)
    return row["state"], row["exit_code"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("running", ("running", None)),
        ("handoff", ("handoff", None)),
        ("beat", ("running", None)),
        ("exit --code 0", ("exit", 0)),
        ("exit --code 1", ("exit", 1)),
    ],
)
def test_presumed_exit_is_revoked_by_the_next_command(
    pair: tuple[Clone, Clone, str], cli: Cli, words: str, expected: tuple[str, int | None]
) -> None:
    desk, server, session = pair
    presume(pair)
    command, *options = words.split()
    ran = cli(desk.path, command, session, *options)
    assert (ran.code, ran.stderr) == (0, "")
    assert state_of(desk, session) == expected
    share(desk, server)
    assert state_of(server, session) == expected
    assert "forced" not in cli(desk.path, "log", session).stdout


def test_presumed_exit_is_not_presumed_twice(pair: tuple[Clone, Clone, str], cli: Cli) -> None:
    desk, _, session = pair
    presume(pair)
    words = ("exit", session, "--code", "-1", "--reason", "crash-recovery")
    ran = cli(desk.path, *words)
    assert (ran.code, "already exited" in ran.stderr) == (4, True)


def test_presumed_exit_is_revoked_by_a_tick_and_reported_exit_is_not(
    pair: tuple[Clone, Clone, str],
) -> None:
    desk, server, session = pair
    presume(pair)
    ticks = [write_beat(desk.path, session, is_work=False, environ={}).commit for _ in range(2)]
    assert (ticks[0] is not None, ticks[1]) == (True, None)
    assert state_of(desk, session) == ("running", None)
    share(desk, server)
    server.log.exit_row(session, code=0)
    share(server, desk)
    with pytest.raises(TransitionError, match="already exited"):
        write_beat(desk.path, session, environ={})
    assert session not in [ref for _, ref in Beats(desk.log.common_dir).refs()]


def test_presumed_exit_is_revoked_by_an_agents_event(pair: tuple[Clone, Clone, str]) -> None:
    desk, server, _ = pair

    def tell(event: str) -> None:
        document = {"session_id": "abc", "hook_event_name": event, "cwd": str(desk.path)}
        command = (sys.executable, "-m", "git_session", "hook", "run", "agent", "claude")
        env = {"CLAUDE_PID": str(os.getpid())}
        assert run(desk.path, *command, stdin=json.dumps(document), env=env).code == 0

    tell("SessionStart")
    session = desk.log.session_rows()[-1]["session_id"]
    share(desk)
    presume((desk, server, session))
    tell("UserPromptSubmit")
    assert state_of(desk, session)[0] == "ready"
    tell("PostToolUse")
    assert state_of(desk, session)[0] == "running"
    share(desk)
    presume((desk, server, session))
    tell("PostToolUse")
    assert state_of(desk, session)[0] == "running"


def test_presumed_exit_of_a_run_is_revoked_by_its_tick(
    cli: Cli, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_session.run.session.BEAT_EVERY_S", 0.2)
    task = cli(repo, "task", "add", "Port the lexer").stdout.strip()
    gs = f"{sys.executable} -m git_session"
    script = f"""
        beats=.git/git-session/beats
        {gs} wait $GIT_SESSION_ID --state running
        cp -r $beats kept  # an exit that comes by a sync leaves them
        {gs} exit --code -1 --reason crash-recovery
        cp kept/*.json $beats
        head=$(git rev-parse refs/grite/wal) n=0
        until [ $(git rev-parse refs/grite/wal) != $head ] || [ $n = 300 ]; do
            n=$((n+1)); sleep 0.1
        done
        exit 5
    """
    assert cli(repo, "run", task, "--", "sh", "-c", script).code == 5
    rows = SessionLog.open(repo).transition_rows()
    steps = [row["to_state"] for row in reversed(rows)]
    assert steps == ["spawned", "ready", "running", "exit", "running", "exit"]
    assert all(row["is_legal"] for row in rows)


@pytest.mark.parametrize("skew", [-3 * 24 * 60 * MINUTE, -5 * MINUTE, 5 * MINUTE, 4320 * MINUTE])
def test_presumed_exit_of_a_wrong_clock_loses_to_what_it_did_not_know(
    pair: tuple[Clone, Clone, str], skew: int
) -> None:
    desk, server, session = pair
    wrong = SessionLog.open(server.path, clock=lambda: read_clock() + skew)
    wrong.exit_row(session, **MARK)
    desk.log.advance_row(session, "running", note="in ignorance")
    share(desk, server, desk)
    for clone in (desk, server):
        assert state_of(clone, session) == ("running", None)
        answers = list(read_each_way(clone))
        assert answers.count(answers[0]) == len(answers)
    desk.log.advance_row(session, "handoff")
    share(desk, server)
    assert state_of(server, session) == ("handoff", None)
    # Whoever knows of it all may presume again.
    server.log.exit_row(session, **MARK)
    assert state_of(server, session) == ("exit", -1)


def read_each_way(clone: Clone) -> list[list[dict[str, Any]]]:
    """Read the sessions whole, from the index, and with the last commits added to an index."""
    answers = []
    index = clone.path / ".git" / "git-session" / f"index-{SCHEMA}.db"
    index.unlink(missing_ok=True)
    for _ in range(2):
        with clone.log as log:
            rows = log.session_rows(include_exited=True)
        answers.append([{**row, "liveness": None, "heartbeat_age_ms": None} for row in rows])
    assert index.exists()
    return answers


def test_beat_asks_the_log_only_when_its_head_moved(pair: tuple[Clone, Clone, str]) -> None:
    desk, _, session = pair
    words = ("beat", session)
    slow = {"git_session.log.session_log", "sqlite3", "pathlib", "pygit2"}
    list_imports(desk.path, *words)  # the first one may have to ask
    assert list_imports(desk.path, *words).isdisjoint(slow)
    desk.task("Something else")
    assert "git_session.log.session_log" in list_imports(desk.path, *words)
    assert list_imports(desk.path, *words).isdisjoint(slow)


def test_beat_of_a_log_that_cannot_be_read_is_a_warning(pair: tuple[Clone, Clone, str]) -> None:
    desk, _, session = pair
    git(desk.path, "update-ref", "-d", "refs/grite/wal")
    (desk.path / ".git" / "refs" / "grite" / "wal").write_text("0" * 39 + "1\n")
    done = write_beat(desk.path, session, environ={})
    assert (done.commit, len(done.warnings)) == (None, 1)
    assert "was not asked" in done.warnings[0]
