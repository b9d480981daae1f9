"""Whoever mistypes an id is asked whether it was that one."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_session.core.fold.find import suggest_session, suggest_task
from git_session.log.session_log import SessionLog
from tests.conftest import Cli

ISSUES = [bytes([number]) * 16 for number in range(3)]
TASKS = [
    (ISSUES[0], "t-20261122-4f12", "Fix the flaky test"),
    (ISSUES[1], "t-20261122-7c15", "Port the lexer"),
    (ISSUES[2], ISSUES[2].hex(), "A plain issue"),
]
SESSIONS = [(ISSUES[0], "s-20261122-4f1b"), (ISSUES[1], "s-20261122-7c2e")]


@pytest.mark.parametrize(
    ("ref", "hint"),
    [
        ("t-20261122-4f13", "did you mean t-20261122-4f12?"),
        ("t-20261122-f412", "did you mean t-20261122-4f12?"),
        ("t-20261212-4f1", "did you mean t-20261122-4f12?"),
        ("flaky", "did you mean t-20261122-4f12?"),
        ("PORT THE", "did you mean t-20261122-7c15?"),
        ("s-20261122-7c2e", "that is a session, of task t-20261122-7c15"),
        ("7c15", "did you mean t-20261122-7c15?"),
        ("nothing like it", None),
        ("", None),
    ],
)
def test_a_task_is_guessed_by_its_id_its_title_or_its_session(ref: str, hint: str | None) -> None:
    assert suggest_task(ref, TASKS, SESSIONS) == hint


@pytest.mark.parametrize(
    ("ref", "hint"),
    [
        ("s-20261122-4f1c", "did you mean s-20261122-4f1b?"),
        ("S-20261122-7c2e", "did you mean s-20261122-7c2e?"),
        (
            "t-20261122-4f12",
            "that is a task: git session list --task t-20261122-4f12 lists its sessions",
        ),
        ("4f1b", "did you mean s-20261122-4f1b?"),
        ("s-202..7c2e", "did you mean s-20261122-7c2e?"),
        ("x", None),
    ],
)
def test_a_session_is_guessed_by_its_id_or_known_for_a_task(ref: str, hint: str | None) -> None:
    assert suggest_session(ref, SESSIONS, TASKS) == hint


def test_commands_ask_whether_that_was_meant(cli: Cli, repo: Path) -> None:
    task = SessionLog.open(repo).add_task("Fix the flaky test").task.task_id
    session = SessionLog.open(repo).start(task, session_id="s-20261122-4f1b").session.session_id
    asked = {
        ("show", "s-20261122-4f1c"): f"hint: did you mean {session}?",
        ("start", "flaky"): f"hint: did you mean {task}?",
        ("show", task): "hint: that is a task",
    }
    for words, hint in asked.items():
        ran = cli(repo, *words)
        assert (ran.code, ran.stdout) == (3, "")
        assert hint in ran.stderr
    assert "hint: did you mean git session list?" in cli(repo, "lst").stderr
    assert "did you mean --status" in cli(repo, "list", "--stauts", "ready").stderr
