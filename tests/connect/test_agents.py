"""An agent reports itself: its whole life is in the log, and it never notices."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_session.health.reconcile import reconcile_log
from git_session.host.agent_sessions import AgentSessions
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, Ran, git, run


@pytest.fixture
def ready(repo: Path, cli: Cli) -> Path:
    """Gives a repository that was made ready for sessions, on the branch `topic`."""
    assert cli(repo, "init").code == 0
    git(repo, "checkout", "--quiet", "-b", "topic")
    return repo


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[bytes]]:
    """Gives a process that stands for the agent's own."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


Tell = Callable[..., Ran]


@pytest.fixture
def tell(ready: Path, owner: subprocess.Popen[bytes]) -> Tell:
    """Gives a way to send an event as Claude Code does; nothing may ever come back."""

    def send(event: str, *, session: str = "abc", env: Any = None, **fields: Any) -> Ran:
        document = {"session_id": session, "hook_event_name": event, "cwd": str(ready), **fields}
        return _send(
            ready, "claude", json.dumps(document), {"CLAUDE_PID": str(owner.pid), **(env or {})}
        )

    return send


def _send(path: Path, agent: str, text: str, env: dict[str, str]) -> Ran:
    command = (sys.executable, "-m", "git_session", "hook", "run", "agent", agent)
    ran = run(path, *command, stdin=text, env=env)
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
    return ran


def _sessions(path: Path) -> list[dict[str, Any]]:
    return SessionLog.open(path).session_rows(include_exited=True)


def test_a_whole_life_is_told_truly_at_each_step(
    ready: Path, tell: Tell, owner: subprocess.Popen[bytes]
) -> None:
    tell("SessionStart", source="startup", model="large-1")
    (row,) = _sessions(ready)
    assert (row["state"], row["activity"], row["engine"]) == ("ready", "idle", "claude")
    assert row["liveness"]["verdict"] == "alive"
    assert row["pid"] == owner.pid
    assert row["attributes"] == {"agent": "claude", "agent_session": "abc", "model": "large-1"}
    assert row["task_title"] == "Work on topic"

    tell("UserPromptSubmit", prompt="do it")
    tell("UserPromptSubmit", prompt="do it")  # may come twice
    (row,) = _sessions(ready)
    assert (row["state"], row["activity"]) == ("running", "working")

    head = SessionLog.open(ready).head()
    tell("PermissionRequest", tool_name="Bash")
    assert _sessions(ready)[0]["activity"] == "waiting"
    tell("PostToolUse", tool_name="Bash", tool_response="x" * 100_000)
    assert _sessions(ready)[0]["activity"] == "working"
    assert SessionLog.open(ready).head() == head, "a tool call is no commit"

    tell("SubagentStart", agent_id="sub-1", agent_type="explorer")
    parent, child = _sessions(ready)
    assert child["parent_session"] == parent["session_id"]
    assert (child["state"], child["attributes"]["agent_type"]) == ("running", "explorer")
    tell("PostToolUse", tool_name="Read", agent_id="sub-1")
    tell("SubagentStop", agent_id="sub-1")
    parent, child = _sessions(ready)
    assert (parent["state"], child["state"], child["exit_code"]) == ("running", "exit", 0)

    tell("Stop")
    assert _sessions(ready)[0]["activity"] == "idle"
    tell("Notification", notification_type="idle_prompt")  # comes after Stop
    assert _sessions(ready)[0]["activity"] == "waiting"
    tell("UserPromptSubmit", prompt="go on")
    assert _sessions(ready)[0]["activity"] == "working"

    tell("SessionEnd", reason="prompt_input_exit")
    tell("SessionEnd", reason="prompt_input_exit")
    row = _sessions(ready)[0]
    assert (row["state"], row["exit_code"], row["exit_reason"]) == ("exit", 0, "user-stop")


def test_an_agent_that_is_killed_is_dead_and_one_that_comes_back_lives(
    ready: Path, tell: Tell, owner: subprocess.Popen[bytes]
) -> None:
    tell("UserPromptSubmit", prompt="the first event that is seen")
    owner.kill()
    owner.wait()
    (row,) = _sessions(ready)
    assert (row["state"], row["liveness"]["verdict"]) == ("running", "dead")
    assert len(reconcile_log(SessionLog.open(ready), is_applied=True)["dead"]) == 1
    with subprocess.Popen(["sleep", "600"]) as process:
        tell("SessionStart", source="resume", env={"CLAUDE_PID": str(process.pid)})
        tell("UserPromptSubmit", prompt="again", env={"CLAUDE_PID": str(process.pid)})
        (row,) = _sessions(ready)
        process.kill()
    assert row["state"] == "running"


def test_a_session_that_told_its_end_goes_on_when_it_is_resumed(ready: Path, tell: Tell) -> None:
    tell("UserPromptSubmit")
    tell("SessionEnd", reason="other")
    tell("SessionStart", source="resume")
    (row,) = _sessions(ready)
    assert (row["state"], row["exit_code"]) == ("running", None)
    tell("SessionEnd", reason="other")
    assert _sessions(ready)[0]["state"] == "exit"


def test_what_it_was_is_found_in_the_log_when_the_files_are_gone(ready: Path, tell: Tell) -> None:
    tell("UserPromptSubmit")
    folder = ready / ".git" / "git-session"
    for path in [*folder.glob("agents/*.json"), *folder.glob("beats/*")]:
        path.unlink()
    tell("Stop")
    assert len(_sessions(ready)) == 1


def test_an_agent_inside_a_session_is_that_session(ready: Path, tell: Tell, cli: Cli) -> None:
    task = cli(ready, "task", "add", "Port the lexer").stdout.strip()
    session = cli(ready, "start", task).stdout.strip()
    env = {"GIT_SESSION_ID": session}
    tell("SessionStart", source="startup", env=env)
    tell("PermissionRequest", env=env)
    (row,) = _sessions(ready)
    assert (row["session_id"], row["activity"]) == (session, "waiting")
    assert row["attributes"]["agent_session"] == "abc"
    tell("SessionEnd", reason="other", env=env)
    assert _sessions(ready)[0]["state"] == "spawned", "its end is for whoever started it to tell"


def test_the_task_is_the_one_named_else_the_branchs_else_one_for_the_branch(
    ready: Path, tell: Tell, cli: Cli
) -> None:
    tasks = [cli(ready, "task", "add", title).stdout.strip() for title in ("A", "B", "C")]
    tell("SessionStart", session="1", env={"GIT_SESSION_TASK": tasks[0]})
    git(ready, "config", "session.task", tasks[1])
    tell("SessionStart", session="2")
    git(ready, "config", "session.task", "t-20200101-0000")
    git(ready, "checkout", "--quiet", "-b", f"fix/{tasks[2]}-lexer")
    tell("SessionStart", session="3")
    git(ready, "checkout", "--quiet", "topic")
    tell("SessionStart", session="4")
    tell("SessionStart", session="5")
    found = [row["task_title"] for row in _sessions(ready)]
    assert found == ["A", "B", "C", "Work on topic", "Work on topic"]


def test_two_events_side_by_side_open_one_session(ready: Path) -> None:
    command = [sys.executable, "-m", "git_session", "hook", "run", "agent", "claude"]
    document = json.dumps({"session_id": "abc", "hook_event_name": "PostToolUse"}).encode()
    started = [subprocess.Popen(command, cwd=ready, stdin=subprocess.PIPE) for _ in range(4)]
    for process in started:
        process.communicate(document)
    assert [process.returncode for process in started] == [0] * 4
    assert len(_sessions(ready)) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"session_id": 7}', '{"session_id": "a", "hook_event_name": "Nope"}']
)
def test_whatever_comes_the_agent_hears_nothing(text: str, ready: Path) -> None:
    _send(ready, "claude", text, {})


def test_nothing_is_recorded_where_nobody_asked_for_it(repo: Path, tmp_path: Path) -> None:
    document = json.dumps({"session_id": "abc", "hook_event_name": "SessionStart"})
    _send(repo, "claude", document, {})
    _send(tmp_path, "claude", document, {})
    assert git(repo, "for-each-ref", "refs/grite") == ""


def test_the_repository_is_the_projects_and_not_the_one_that_git_names(
    ready: Path, bare: Path, tmp_path: Path
) -> None:
    document = json.dumps({"session_id": "abc", "hook_event_name": "UserPromptSubmit"})
    env = {"GIT_DIR": str(bare), "CLAUDE_PROJECT_DIR": str(ready)}
    _send(tmp_path, "claude", document, env)
    assert len(_sessions(ready)) == 1
    assert git(bare, "for-each-ref") == ""


def test_what_cannot_be_done_is_kept_for_the_doctor_and_forgotten_when_it_works(
    ready: Path, tell: Tell
) -> None:
    lock = ready / ".git" / "git-session" / "agents"
    lock.parent.mkdir(exist_ok=True)
    lock.mkdir()
    (lock / "lock").mkdir()  # stands where the queue wants a file
    tell("SessionStart")
    sessions = AgentSessions(ready / ".git")
    failure = sessions.read_failure()
    assert failure is not None
    assert failure["event"] == "SessionStart"
    (lock / "lock").rmdir()
    tell("SessionStart")
    assert sessions.read_failure() is None


# -- settings files


def test_entries_go_into_the_projects_settings_once_and_come_out_again(
    repo: Path, cli: Cli, home: Path
) -> None:
    path = repo / ".claude" / "settings.local.json"
    first = cli(repo, "hook", "install", "--agent", "claude")
    assert (first.code, first.stdout) == (0, f"claude: installed, {path}\n")
    text = path.read_text()
    again = cli(repo, "hook", "install", "--agent", "claude")
    assert again.stdout == f"claude: already installed, {path}\n"
    assert path.read_text() == text
    assert not (repo / ".git" / "hooks" / "post-commit").exists()
    status = cli(repo, "hook", "status", "--json").json()["data"]["agents"]
    assert [row["state"] for row in status if row["path"] == str(path)] == ["installed"]
    # The entry is run as the agent would run it.
    command = json.loads(text)["hooks"]["SessionStart"][0]["hooks"][0]["command"]
    document = json.dumps({"session_id": "abc", "hook_event_name": "SessionStart"})
    ran = run(repo, "sh", "-c", command, stdin=document)
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
    assert len(_sessions(repo)) == 1
    assert cli(repo, "hook", "uninstall", "--agent", "claude").code == 0
    assert not path.exists()


def test_the_users_settings_are_taken_by_a_flag_and_keep_their_mode_and_their_link(
    repo: Path, cli: Cli, home: Path
) -> None:
    real = home / "dotfiles.json"
    real.write_text('{"model": "large"}')
    real.chmod(0o600)
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").symlink_to(real)
    assert cli(repo, "hook", "install", "--agent", "claude", "--user").code == 0
    assert (home / ".claude" / "settings.json").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert json.loads(real.read_text())["model"] == "large"
    assert cli(repo, "hook", "uninstall", "--agent", "claude", "--user").code == 0
    assert json.loads(real.read_text()) == {"model": "large"}


def test_a_settings_file_that_is_no_json_is_left_as_it_is_and_said(repo: Path, cli: Cli) -> None:
    path = repo / ".codex" / "hooks.json"
    path.parent.mkdir()
    path.write_text("{ not json")
    ran = cli(repo, "hook", "install", "--agent", "codex")
    assert ran.code == 5
    assert str(path) in ran.stderr
    assert path.read_text() == "{ not json"
    manual = cli(repo, "hook", "install", "--agent", "codex", "--manual")
    assert manual.code == 0
    assert "hook run agent codex" in manual.stdout


@pytest.mark.parametrize(
    "args", [["--agent", "nobody"], ["--user"], ["--user", "--hook", "post-commit"]]
)
def test_wrong_words_are_wrong_usage(args: list[str], repo: Path, cli: Cli) -> None:
    assert cli(repo, "hook", "install", *args).code == 2


def test_show_says_how_to_take_an_agents_session_up_again(
    ready: Path, tell: Tell, cli: Cli
) -> None:
    tell("SessionStart", session="0f3a-77")
    (row,) = _sessions(ready)
    shown = cli(ready, "show", row["session_id"])
    assert "claude --resume 0f3a-77" in shown.stdout
