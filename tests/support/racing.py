"""Lets many processes record in one repository at once, and counts what is there afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from git_session import SessionLog
from tests.conftest import git
from tests.support.stores import WAL

RECORDER: Final = """
import sys
from git_session import SessionLog
path, session, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
log = SessionLog.open(path)
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    print(log.advance_row(session, "running", note=f"{number}")["commit"], flush=True)
"""


def count_commits(path: Path) -> int:
    """Counts the log's commits, by git."""
    return int(git(path, "rev-list", "--count", WAL))


def new_session(log: SessionLog) -> str:
    """Records a task with one session that is running, and gives the session's id."""
    session = log.start(log.add_task("Title").task.task_id).session.session_id
    log.advance(session, "ready")
    log.advance(session, "running")
    return session


def start_program(script: str, *args: object) -> subprocess.Popen[str]:
    """Starts a script in a process of its own, up to where it waits for the word to go."""
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def race(programs: Sequence[subprocess.Popen[str]]) -> list[list[str]]:
    """Lets the programs go all at once and gives the lines that each one then said."""
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n", program.communicate()[1]
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("go\n")
        program.stdin.flush()
    said = [program.communicate(timeout=900) for program in programs]
    assert [program.returncode for program in programs] == [0] * len(programs), said
    return [out.split() for out, _ in said]


def require_all(path: Path, acknowledged: Sequence[str]) -> None:
    """Checks that every commit which was told of is in the log, on its one line."""
    assert len(set(acknowledged)) == len(acknowledged)
    line = git(path, "rev-list", "--first-parent", WAL).split()
    assert set(acknowledged) <= set(line)
    assert len(line) == count_commits(path)
