"""The doctor is green when all is well, red when something is not, and says what mends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_session.connect.hooks.shim import encode_shim
from git_session.health.doctor.repository import judge_git
from git_session.health.doctor.settings import READERS
from git_session.host.agent_sessions import AgentSessions
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, Ran, git
from tools.reference import SETTINGS

pytestmark = pytest.mark.heavy


@pytest.fixture
def healthy(repo: Path, bare: Path, cli: Cli) -> Path:
    """Gives a repository in which all is well: hooks installed, in step with its remote."""
    git(repo, "remote", "add", "origin", str(bare))
    for words in (("init",), ("task", "add", "Fix the flaky test"), ("sync",), ("hook", "install")):
        assert cli(repo, *words).code == 0
    return repo


def _lines(ran: Ran) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in ran.json()["data"]["lines"]}


def test_all_is_well_where_all_was_set_up_and_our_hooks_were_seen_to_act(
    healthy: Path, cli: Cli
) -> None:
    ran = cli(healthy, "doctor", "--json")
    lines = _lines(ran)
    assert ran.code == 0, ran.stdout
    assert ran.json()["data"]["is_well"]
    for hook in ("prepare-commit-msg", "post-commit", "pre-push"):
        assert "tested, git-session" in lines[f"hook {hook}"]["message"]
    assert lines["remote origin"]["message"] == "reached, in sync"
    people = cli(healthy, "doctor")
    assert people.code == 0
    assert all(line.startswith("ok ") for line in people.stdout.splitlines())


def test_nothing_of_a_visit_is_left_in_the_repository(healthy: Path, cli: Cli) -> None:
    before = git(healthy, "for-each-ref"), git(healthy, "worktree", "list")
    files = _list_files(healthy)
    assert cli(healthy, "doctor", "--fire").code == 0
    assert (git(healthy, "for-each-ref"), git(healthy, "worktree", "list")) == before
    assert _list_files(healthy) == files


def _list_files(path: Path) -> list[Path]:
    """Lists what git-session keeps in a repository, the index aside."""
    found = (path / ".git" / "git-session").rglob("*")
    return sorted(path for path in found if not path.name.startswith("index-"))


Break = Callable[[Path], object]


def _empty(hook: Path) -> None:
    hook.write_text("")


def _overwrite(hook: Path) -> None:
    hook.write_text("#!/bin/sh\nexit 0\n")


def _edit(hook: Path) -> None:
    hook.write_text(hook.read_text().replace("exit 0", "exit 0 # mine", 1))


def _disable(hook: Path) -> None:
    hook.chmod(0o644)


def _remove_program(hook: Path) -> None:
    hook.write_bytes(encode_shim(hook.name, ["/nowhere/git-session"]))


def _bypass(hook: Path) -> None:
    elsewhere = hook.parent.parent / "elsewhere"
    elsewhere.mkdir()
    git(hook.parent.parent.parent, "config", "core.hooksPath", str(elsewhere))


@pytest.mark.parametrize(
    ("spoil", "is_mended"),
    [
        (_empty, True),
        (_overwrite, True),
        (_edit, False),
        (_disable, True),
        (_remove_program, True),
        (_bypass, True),
        (Path.unlink, True),
    ],
)
def test_a_hook_that_does_not_run_any_more_is_red_and_mended_where_that_is_safe(
    spoil: Break, is_mended: bool, healthy: Path, cli: Cli
) -> None:
    spoil(healthy / ".git" / "hooks" / "post-commit")
    ran = cli(healthy, "doctor", "--json")
    line = _lines(ran)["hook post-commit"]
    assert (ran.code, line["status"]) == (1, "failing")
    assert line["command"].startswith("git session hook install --hook post-commit")
    cli(healthy, "doctor", "--fix")
    after = cli(healthy, "doctor", "--json")
    assert (_lines(after)["hook post-commit"]["status"] == "ok") is is_mended


def test_a_hook_that_is_there_and_does_nothing_is_red(
    healthy: Path, cli: Cli, tmp_path: Path
) -> None:
    """The file is ours to the byte, but the program that it names is not what it was."""
    program = tmp_path / "git-session"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    hook = healthy / ".git" / "hooks" / "prepare-commit-msg"
    hook.write_bytes(encode_shim(hook.name, [str(program)]))
    line_of = _lines(cli(healthy, "doctor", "--json"))["hook prepare-commit-msg"]
    assert line_of["status"] == "failing"
    assert "it ran and did nothing" in line_of["message"]


def test_a_hook_of_somebody_else_that_stops_every_commit_is_found_by_firing(
    healthy: Path, cli: Cli
) -> None:
    hook = healthy / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    assert cli(healthy, "doctor").code == 0
    ran = cli(healthy, "doctor", "--fire", "--json")
    line = _lines(ran)["commit"]
    assert (ran.code, line["status"]) == (1, "failing")
    assert "not today" in line["message"]


def test_a_remote_that_is_ahead_behind_or_gone_is_named(
    healthy: Path, bare: Path, cli: Cli, tmp_path: Path
) -> None:
    head = git(healthy, "rev-parse", "refs/grite/wal")
    cli(healthy, "task", "add", "Another one")
    line = _lines(cli(healthy, "doctor", "--json"))["remote origin"]
    assert (line["status"], line["message"]) == (
        "warning",
        "reached; it lacks records of this clone",
    )
    assert cli(healthy, "sync").code == 0
    git(healthy, "update-ref", "refs/grite/wal", head)
    line = _lines(cli(healthy, "doctor", "--json"))["remote origin"]
    assert line["message"] == "reached; this clone lacks records of it"
    assert cli(healthy, "task", "add", "A third one").code == 0
    line = _lines(cli(healthy, "doctor", "--json"))["remote origin"]
    assert line["message"] == "reached; it and this clone each lack records of the other"
    bare.rename(tmp_path / "gone")
    line = _lines(cli(healthy, "doctor", "--json"))["remote origin"]
    assert line["status"] == "failing"


@pytest.mark.parametrize("key", sorted(READERS))
def test_a_setting_that_cannot_be_read_has_a_line_that_names_it(
    key: str, healthy: Path, cli: Cli
) -> None:
    git(healthy, "config", key, "perhaps")
    line = _lines(cli(healthy, "doctor", "--json"))[key]
    assert line["status"] == "failing"
    assert "perhaps" in line["message"] or "trusted key" in line["message"]
    assert line["command"].startswith("git ")


def test_every_setting_is_read_by_the_doctor_but_for_those_that_are_any_text() -> None:
    others = {"session.remote", "session.secrets", "session.secretsAllow"}
    any_text = {"session.task", "session.repo"}
    assert set(READERS) == {name for name, _ in SETTINGS} - others - any_text


def test_a_remote_that_only_the_setting_knows_is_named_as_the_settings_mistake(
    healthy: Path, cli: Cli
) -> None:
    git(healthy, "config", "session.remote", "nosuchremote")
    line = _lines(cli(healthy, "doctor", "--json"))["remote nosuchremote"]
    assert line["status"] == "failing"
    assert "session.remote names it" in line["message"]
    assert line["command"] == "git config session.remote origin"
    git(healthy, "remote", "remove", "origin")
    line = _lines(cli(healthy, "doctor", "--json"))["remote nosuchremote"]
    assert line["command"] == "git remote add nosuchremote URL"


def test_broken_settings_of_grite_are_one_failing_line_among_the_others(
    healthy: Path, cli: Cli
) -> None:
    path = healthy / ".git" / "grite" / "config.toml"
    told = path.read_text()
    path.write_text("[x\n")
    ran = cli(healthy, "doctor", "--json")
    lines = _lines(ran)
    assert ran.code == 1
    assert "line 1: is not TOML" in lines["grite's settings"]["message"]
    assert (lines["git"]["status"], lines["log"]["status"]) == ("ok", "ok")
    path.write_text(told + 'lock_policy = "strict"\n')
    line = _lines(cli(healthy, "doctor", "--json"))["grite's settings"]
    assert line["status"] == "warning"
    assert "strict" in line["message"] or "lock_policy" in line["message"]


def test_a_log_that_cannot_be_moved_or_read_and_a_wrong_clock_are_named(
    healthy: Path, cli: Cli
) -> None:
    lock = healthy / ".git" / "refs" / "grite" / "wal.lock"
    lock.touch()
    line = _lines(cli(healthy, "doctor", "--json"))["log"]
    assert (line["status"], line["command"]) == (
        "failing",
        f"if no git program is running: rm {lock}",
    )
    lock.unlink()
    log = SessionLog.open(healthy)
    ahead = SessionLog.open(healthy, clock=lambda: log.clock() + 3_600_000)
    ahead.start(log.tasks()[0].task_id)
    line = _lines(cli(healthy, "doctor", "--json"))["clocks"]
    assert line["status"] == "warning"


def test_a_lock_that_is_none_of_the_remotes_line_is_named(healthy: Path, cli: Cli) -> None:
    commits = [
        git(healthy, "commit-tree", "-m", name, git(healthy, "write-tree")) for name in ("a", "b")
    ]
    git(healthy, "update-ref", "refs/grite/locks/0123456789abcdef", commits[0])
    tracking = "refs/git-session/remotes/origin/grite/locks/0123456789abcdef"
    git(healthy, "update-ref", tracking, commits[1])
    line = _lines(cli(healthy, "doctor", "--json"))["locks"]
    assert line["status"] == "failing"
    assert "refs/grite/locks/0123456789abcdef" in line["command"]


def test_agents_settings_and_what_an_agent_could_not_record_are_named(
    healthy: Path, cli: Cli
) -> None:
    assert cli(healthy, "hook", "install", "--agent", "claude").code == 0
    assert _lines(cli(healthy, "doctor", "--json"))["agent claude"]["status"] == "ok"
    path = healthy / ".claude" / "settings.local.json"
    settings = json.loads(path.read_text())
    del settings["hooks"]["Stop"]
    path.write_text(json.dumps(settings))
    line = _lines(cli(healthy, "doctor", "--json"))["agent claude"]
    assert line["status"] == "failing"
    assert "Stop" in line["message"]
    cli(healthy, "doctor", "--fix")
    assert _lines(cli(healthy, "doctor", "--json"))["agent claude"]["status"] == "ok"
    AgentSessions(healthy / ".git").write_failure("claude", "Stop", "no room", 1)
    assert "no room" in _lines(cli(healthy, "doctor", "--json"))["agents"]["message"]


def test_a_fresh_repository_has_nothing_wrong_but_that_nobody_can_write(
    repo: Path, cli: Cli
) -> None:
    ran = cli(repo, "doctor", "--json")
    bad = [name for name, row in _lines(ran).items() if row["status"] != "ok"]
    assert (ran.code, bad) == (1, ["actor"])
    assert cli(repo, "doctor", "--fix").code == 0
    assert cli(repo, "doctor").code == 0


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("git version 2.39.5", "ok"),
        ("git version 3.0.1 (Apple Git-1)", "ok"),
        ("git version 2.38.1", "failing"),
        ("hub", "failing"),
    ],
)
def test_the_version_of_git_is_judged(version: str, status: str) -> None:
    assert judge_git(version).status == status


def test_outside_a_repository_it_says_so(tmp_path: Path, cli: Cli) -> None:
    assert cli(tmp_path, "doctor").code == 5
