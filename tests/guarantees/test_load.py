"""Under load nothing is lost: many processes in one repository, many clones with the real grite."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from git_session import SessionLog
from git_session.health.fsck import check_log
from tests.conftest import Grite, git
from tests.support.figures import Figures
from tests.support.fleet import Clone
from tests.support.racing import (
    RECORDER,
    count_commits,
    new_session,
    race,
    require_all,
    start_program,
)
from tests.support.stores import WAL

PROCESSES: Final = 16
TRANSITIONS: Final = 250
CLONES: Final = 8
ROUNDS: Final = 4
PER_ROUND: Final = 5
SYNC_S: Final = 20.0
"""What a sync may take while all others write."""

PAUSE_S: Final = 0.2
"""What each grite waits between two comments."""

SYNCER: Final = """
import sys
from git_session import SessionLog
from git_session.errors import ContendedError
from git_session.sync.rounds import sync_log
path, session, rounds, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
log = SessionLog.open(path)
print("ready", flush=True)
sys.stdin.readline()
def record(note):
    # On a slow machine others may be quicker until the time is up; then nothing is recorded.
    while True:
        try:
            return log.advance_row(session, "running", note=note)["commit"]
        except ContendedError:
            pass
for number in range(rounds):
    for step in range(steps):
        print(record(f"{number}.{step}"), flush=True)
    # So may the hub; that loses nothing, and the last sync of the test has to bring it all there.
    sync_log(log, timeout=float(sys.argv[5]))
"""


@pytest.mark.exhaustive
def test_sixteen_processes_in_four_worktrees_record_every_transition(
    repo: Path, figures: Figures
) -> None:
    """Half of them work on sessions of their own, half on one that they share."""
    places = [repo]
    for number in range(1, 4):
        places.append(repo.parent / f"worktree{number}")
        git(repo, "worktree", "add", "--quiet", "-b", f"side{number}", str(places[-1]))
    log = SessionLog.open(repo)
    shared = new_session(log)
    sessions = [shared if number % 2 else new_session(log) for number in range(PROCESSES)]
    before, history = count_commits(repo), len(log.history())
    said = race(
        [
            start_program(RECORDER, places[number % 4], session, TRANSITIONS)
            for number, session in enumerate(sessions)
        ]
    )
    told = [commit for lines in said for commit in lines]
    assert len(told) == PROCESSES * TRANSITIONS
    require_all(repo, told)
    assert count_commits(repo) == before + PROCESSES * TRANSITIONS
    log = SessionLog.open(repo)
    assert len(log.history()) == history + PROCESSES * TRANSITIONS
    for session in set(sessions):
        numbers = [int(step.note) for step in log.history(session) if step.note]
        assert sorted(numbers) == sorted([*range(TRANSITIONS)] * sessions.count(session))
    assert check_log(log)["findings"] == []
    git(repo, "fsck", "--strict", "--no-dangling", "--no-progress")
    figures.add("load: processes in one repository, in 4 worktrees", PROCESSES)
    figures.add("load: transitions recorded by them", len(told))
    figures.add("load: transitions lost", 0)


@contextmanager
def commenting(grite: Grite, path: Path, issue: str) -> Iterator[list[str]]:
    """Lets the real grite comment in a repository while the block runs; gives what it told."""
    told: list[str] = []
    is_over = threading.Event()

    def comment() -> None:
        for number in count():
            if is_over.is_set():
                return
            # Each comment makes the next one slower; without a pause there would be no end.
            is_over.wait(PAUSE_S)
            body = f"comment {number}"
            ran = grite.run(path, "issue", "comment", issue, "--body", body, "--json")
            # A failure acknowledges nothing, nor does a warning that the log was left out.
            if ran.code == 0 and (data := ran.json()["data"])["wal_head"]:
                told.append(data["event_id"])

    thread = threading.Thread(target=comment)
    thread.start()
    try:
        yield told
    finally:
        is_over.set()
        thread.join()


def require_held(clone: Clone, commits: Sequence[str], events: Sequence[str]) -> None:
    """Checks that a clone's log leads to all commits and holds all events that were told."""
    assert set(commits) <= set(git(clone.path, "rev-list", WAL).split())
    log = clone.log
    assert all(log.replay().find_event(bytes.fromhex(event)) for event in events)
    assert [
        finding for finding in check_log(log)["findings"] if finding["severity"] == "error"
    ] == []
    git(clone.path, "fsck", "--strict", "--no-dangling", "--no-progress")


@pytest.mark.exhaustive
def test_eight_clones_with_the_real_grite_in_each_come_to_one_log_that_holds_it_all(
    tmp_path: Path, grite: Grite, figures: Figures
) -> None:
    """In each clone one process records and syncs while grite writes into the same repository."""
    git(tmp_path, "init", "--quiet", "--bare", "hub.git")
    clones: list[Clone] = []
    issues, sessions = [], []
    for number in range(CLONES):
        clone = Clone.make(tmp_path / f"clone{number}", origin=tmp_path / "hub.git")
        git(clone.path, "commit", "--quiet", "--allow-empty", "--message=First")
        if clones:
            clone.sync_well()
        grite(clone.path, "init", "--no-agents-md")
        issue = grite.json(clone.path, "issue", "create", "--title", f"Of {number}")["issue_id"]
        issues.append(issue)
        sessions.append(new_session(clone.log))
        clone.sync_well()
        clones.append(clone)
    programs = [
        start_program(SYNCER, clone.path, session, ROUNDS, PER_ROUND, SYNC_S)
        for clone, session in zip(clones, sessions, strict=True)
    ]
    with ExitStack() as stack:
        by_grite = [
            stack.enter_context(commenting(grite, clone.path, issue))
            for clone, issue in zip(clones, issues, strict=True)
        ]
        said = race(programs)
    for _ in range(2):
        for clone in clones:
            clone.sync_well()
    (head,) = {clone.head for clone in clones}
    assert head is not None
    told = [commit for lines in said for commit in lines]
    assert len(told) == len(set(told)) == CLONES * ROUNDS * PER_ROUND
    events = [event for told_by_one in by_grite for event in told_by_one]
    assert all(by_grite), "each grite has written something"
    for clone in clones:
        require_held(clone, told, events)
    log = clones[0].log
    notes = sorted(f"{number}.{step}" for number in range(ROUNDS) for step in range(PER_ROUND))
    for session in sessions:
        assert sorted(step.note for step in log.history(session) if step.note) == notes
    figures.add("load: clones, each with one recorder and the real grite", CLONES)
    figures.add("load: transitions recorded in the clones", len(told))
    figures.add("load: events acknowledged by grite among them", len(events))
    figures.add("load: transitions lost", 0)
