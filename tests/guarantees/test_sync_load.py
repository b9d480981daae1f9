"""Many clones that record and sync to one hub at once: nobody fails, and all end on one head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Cli, Ran, git
from tests.support import servers
from tests.support.fleet import WAL, Clone, is_ancestor, make_diverged, read_head
from tests.support.racing import new_session, start_program
from tests.support.servers import Hub

hub = servers.path_hub


def play_clone(clone: Clone, task: str, transitions: int, cli: Cli) -> list[Ran]:
    """Takes a session from its start through its beats, and syncs after each transition."""
    ran = [cli(clone.path, "start", task)]
    session = ran[0].stdout.strip()
    clone.heads.append(clone.head or "")
    for number in range(transitions):
        if number:
            ran.append(cli(clone.path, "ready" if number == 1 else "running", session))
        ran.append(cli(clone.path, "sync"))
        clone.heads.append(clone.head or "")
    return ran


def assert_all_end_together(tmp_path: Path, hub: Hub, cli: Cli, count: int, length: int) -> None:
    git(hub.path, "config", "core.logAllRefUpdates", "always")
    clones = [Clone.make(tmp_path / f"clone{number}", origin=hub.path) for number in range(count)]
    task = clones[0].task()
    for clone in clones:
        clone.sync_well()
    with ThreadPoolExecutor(count) as pool:
        played = list(pool.map(lambda clone: play_clone(clone, task, length, cli), clones))
    assert [ran for runs in played for ran in runs if ran.code != 0] == []
    assert [ran for runs in played for ran in runs if ran.stderr] == []
    for _ in range(2):
        for clone in clones:
            clone.sync_well()
    (head,) = {clone.head for clone in clones}
    assert head == read_head(hub.path)
    assert head is not None
    log = clones[0].log
    assert len(log.session_rows()) == count
    assert len(log.transition_rows()) == count * length
    landed = len(git(hub.path, "reflog", "show", "--format=%h", WAL).split())
    assert int(git(hub.path, "rev-list", "--merges", "--count", WAL)) <= landed
    for clone in clones:
        assert all(is_ancestor(hub.path, one, head) for one in clone.heads)


def test_a_few_clones_that_sync_at_once_end_on_one_head(tmp_path: Path, hub: Hub, cli: Cli) -> None:
    assert_all_end_together(tmp_path, hub, cli, 4, 4)


WRITER: Final = """
import select, sys
from git_session import SessionLog
path, session = sys.argv[1:]
log = SessionLog.open(path)
print("ready", flush=True)
sys.stdin.readline()
while not select.select([sys.stdin], [], [], 0)[0]:
    log.advance_row(session, "running")
"""
"""A program that records in one session without a pause, until told to end."""


@contextmanager
def writing(path: Path, sessions: Sequence[str]) -> Iterator[None]:
    """Run a process for each session that records without a pause while the block runs."""
    programs = [start_program(WRITER, path, session) for session in sessions]
    try:
        for program in programs:
            assert program.stdout is not None
            assert program.stdin is not None
            assert program.stdout.readline() == "ready\n", program.communicate()[1]
            program.stdin.write("go\n")
            program.stdin.flush()
        yield
        ended = [program.communicate("end\n", timeout=60) for program in programs]
        assert [program.returncode for program in programs] == [0] * len(programs), ended
    finally:
        for program in programs:
            program.kill()
            program.wait()


def test_sync_beside_two_writers_without_a_pause_ends_well(
    tmp_path: Path, hub: Hub, cli: Cli
) -> None:
    one, other = make_diverged(tmp_path, hub.path)
    other.sync_well()
    one.sync_well()
    theirs = other.log.session_rows()[0]["session_id"]
    sessions = [new_session(one.log) for _ in range(2)]
    with writing(one.path, sessions):
        for _ in range(3):
            other.beat(theirs)
            other.sync_well()
            before = read_head(hub.path)
            ran = cli(one.path, "sync")
            assert (ran.code, ran.stderr) == (0, "")
            merges = git(hub.path, "rev-list", "--merges", "--count", f"{before}..{WAL}")
            assert int(merges) <= 2
    one.sync_well()
    other.sync_well()
    assert one.head == other.head == read_head(hub.path)
    assert one.events == other.events


@pytest.mark.heavy
def test_eight_clones_of_25_transitions_each_end_on_one_head(
    tmp_path: Path, hub: Hub, cli: Cli
) -> None:
    assert_all_end_together(tmp_path, hub, cli, 8, 25)
