"""kill -9 of the supervisor at any moment: what it reported is recorded, nothing is damaged."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from git_session.log.session_log import SessionLog
from git_session.log.spool import has_spooled
from tests.conftest import TIMEOUT, Cli

ROUNDS: Final = 200
AT_ONCE: Final = 4


class Round(NamedTuple):
    """Holds what came of one run: the code that it was to end with, and whether it told so."""

    number: int
    code: int
    is_reported: bool


def play(repo: Path, task: str, number: int) -> Round:
    """Runs a command and kills its supervisor at some moment, which may come too late."""
    rng = random.Random(number)
    code = rng.choice([0, 1, 7, 200])
    ending = repo / f"ending-{number}"
    options = ("--engine", f"e{number}", *(("--log",) if number % 4 == 3 else ()))
    words = (sys.executable, "-m", "git_session", "run", task, *options)
    script = f"sleep 0.1; : >{ending.name}; exit {code}"
    process = subprocess.Popen(
        [*words, "--", "sh", "-c", script],
        cwd=repo,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    if number % 2:
        # At any moment of its life, or at one around the end, where most can be lost.
        time.sleep(rng.uniform(0, 1.5))
    else:
        end = time.monotonic() + TIMEOUT
        while not ending.exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.4))
    process.kill()
    told = process.wait(TIMEOUT)
    with process.stderr as stderr:
        assert told in (code, -9), stderr.read()
    return Round(number, code, told == code)


@pytest.mark.heavy
def test_no_exit_that_was_reported_is_lost_whenever_the_supervisor_is_killed(
    cli: Cli, repo: Path
) -> None:
    tasks = [cli(repo, "task", "add", f"Task {n}").stdout.strip() for n in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rounds = list(pool.map(lambda n: play(repo, tasks[n % AT_ONCE], n), range(ROUNDS)))
    counts: Counter[str] = Counter()
    # The next command that writes finishes what was spooled.
    assert cli(repo, "task", "add", "Another").code == 0
    assert not has_spooled(repo / ".git")
    assert cli(repo, "fsck", "--json").json()["data"]["findings"] == []
    log = SessionLog.open(repo)
    rows = {row["engine"]: row for row in log.session_rows(include_exited=True)}
    for round_ in rounds:
        row = rows.get(f"e{round_.number}")
        if round_.is_reported:
            assert row is not None
            assert row["state"] == "exit"
        if row is None or row["state"] != "exit":
            counts["not reported"] += 1
            continue
        counts["reported" if round_.is_reported else "recorded"] += 1
        assert row["exit_code"] == round_.code
        steps = log.transition_rows(f"{row['grite_issue_id']}/{row['session_id']}")
        assert [step["to_state"] for step in steps].count("exit") == 1
        assert not any(step["is_late"] for step in steps)
        counts["finished by another"] += any(step["note"] for step in steps)
    # All of it has been met, or this would prove little.
    for what in ("reported", "recorded", "not reported", "finished by another"):
        assert counts[what], counts
    # Of the rest nothing lives any more, which is seen by evidence and then recorded.
    report = cli(repo, "reconcile", "--apply", "--json").json()["data"]
    assert report["unclear"] == []
    assert len(report["dead"]) == sum(row["state"] != "exit" for row in rows.values())
    assert log.session_rows() == []
    assert list((repo / ".git/git-session/beats").iterdir()) == []
