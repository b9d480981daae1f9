"""The rows about two clones and more: nothing to do, a crowd at one hub, large merges."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.measure import Bench, Budget, Result, Sample, Side, race, timed
from git_session import SessionLog
from git_session.log.merge import compare_heads, write_merge
from tests.support.stores import WAL, Event, format_block, make_log, write_log

_CLONES: Final = 8
_TRANSITIONS: Final = 25
_COMMENT: Final = 3

_OURS_LOOP: Final = """
number=0
while [ $number -lt "$1" ]; do
    number=$((number + 1))
    "$2" "$3" running "$4" >/dev/null && "$2" "$3" sync >/dev/null || exit 1
done
"""
_GIT_LOOP: Final = """
number=0
while [ $number -lt "$1" ]; do
    number=$((number + 1))
    echo $number >"$2.txt" && git add "$2.txt" && git commit --quiet --message=$number || exit 1
    until git pull --quiet --rebase && git push --quiet; do :; done 2>/dev/null
done
"""


def measure_idle_sync(bench: Bench) -> list[Result]:
    """Row f: a sync that finds both sides together."""
    hub, clone = _make_hub(bench, "idle", 1), bench.directory / "idle-0"
    make_log(clone, bench.size(10_200), bench.size(400))
    bench.ours(clone, "sync").run()
    runs = bench.runs * 2
    ours, peer = race(
        [
            Side(bench.ours(clone, "sync").run),
            Side(bench.program(clone, "git", "ls-remote", str(hub)).run),
        ],
        runs,
    )
    budget = Budget("+ 1 round + 0.1 s", factor=2.0, extra_s=0.1)
    work = f"`sync` with nothing to do, {bench.size(10_200):,} events"
    return [Result(work, ours, "`git ls-remote`", peer, budget, runs)]


def measure_crowd(bench: Bench) -> list[Result]:
    """Row g: many clones that record and sync at one hub at the same time."""
    transitions = bench.size(_TRANSITIONS)
    runs = max(bench.runs // 5, 1)
    rounds = iter(range(10**6))
    sides = [
        Side(lambda: _crowd_ours(bench, transitions, f"crowd-{next(rounds)}")),
        Side(lambda: _crowd_git(bench, transitions, f"crowd-{next(rounds)}")),
    ]
    ours, peer = race(sides, runs)
    work = f"{_CLONES} clones x {transitions} transitions, all syncing to one hub at once"
    name = "as many commits by `git pull --rebase && git push`"
    return [Result(work, ours, name, peer, Budget("2x", factor=2.0), runs)]


def measure_merge(bench: Bench) -> list[Result]:
    """Row h: the merge of two clones that wrote apart, against reading what they wrote."""
    events = bench.size(5_000)
    _make_hub(bench, "apart", 2)
    clones = [bench.directory / f"apart-{number}" for number in range(2)]
    for number, clone in enumerate(clones):
        make_log(clone, events, events // 25, seed=number)
    here, there = clones
    bench.git(here, "fetch", "--quiet", str(there), f"{WAL}:refs/heads/theirs")
    theirs = bench.git(here, "rev-parse", "refs/heads/theirs")

    def merge() -> None:
        store = SessionLog.open(here).store
        write_merge(store, compare_heads(store, store.read_ref(WAL), theirs))

    def read() -> None:
        log = SessionLog.open(here)
        log.replay()
        log.reader.read_at(theirs)

    ours, peer = race([Side(timed(merge)), Side(timed(read))], bench.runs)
    work = f"merge of two clones that each wrote {events:,} events apart (library)"
    return [Result(work, ours, "reading them", peer, Budget("2x", factor=2.0), bench.runs)]


def measure_small_sync(bench: Bench) -> list[Result]:
    """Row i: one new event on each side of a long log and of a short one."""
    large, small = bench.size(100_000), 1_000
    pairs = [_NewOnBothSides(bench, events) for events in (large, small)]
    ours, peer = race([pair.side() for pair in pairs], bench.runs)
    work = f"`sync` of one new event on each side of {large:,} events"
    name = f"the same on {small:,}"
    return [Result(work, ours, name, peer, Budget("3x", factor=3.0), bench.runs)]


class _NewOnBothSides:
    """Brings one event into a hub and another one into a clone of it, again and again."""

    def __init__(self, bench: Bench, events: int) -> None:
        self._bench = bench
        name = f"both-{events}"
        self._hub, self._clone = _make_hub(bench, name, 1), bench.directory / f"{name}-0"
        make_log(self._hub, events, max(events // 25, 1))
        bench.git(self._clone, "fetch", "--quiet", "origin", f"{WAL}:{WAL}")
        self._now = int(bench.git(self._hub, "log", "-1", "--format=%ct", WAL)) * 1000

    def side(self) -> Side:
        sync = self._bench.ours(self._clone, "sync")
        return Side(sync.run, self._record, sync.weigh)

    def _record(self) -> None:
        for number, store in enumerate((self._hub, self._clone)):
            self._now += 1000
            name = f"s-20261122-{number:04x}"
            block = format_block("running", name, last_heartbeat_ts=self._now)
            event = Event(bytes(16), bytes([number]) * 16, self._now, _COMMENT, [block])
            head = self._bench.git(store, "rev-parse", WAL)
            write_log(store, [[event]], onto=head, loose=True)


def _make_hub(bench: Bench, name: str, clones: int) -> Path:
    """Makes a bare hub and clones of it, each with its own `origin`."""
    hub = bench.directory / f"{name}.git"
    bench.git(bench.directory, "init", "--quiet", "--bare", "--initial-branch=main", str(hub))
    for number in range(clones):
        clone = bench.directory / f"{name}-{number}"
        bench.git(bench.directory, "clone", "--quiet", str(hub), str(clone))
    return hub


def _crowd_ours(bench: Bench, transitions: int, name: str) -> Sample:
    hub = _make_hub(bench, name, _CLONES)
    starts: list[Callable[[], subprocess.Popen[bytes]]] = []
    for number in range(_CLONES):
        clone = bench.directory / f"{name}-{number}"
        log = SessionLog.open(clone)
        session = log.start(log.add_task(f"Task {number}").task.task_id).session.session_id
        log.advance(session, "ready")
        bench.ours(clone, "sync").run()
        arguments = (str(transitions), sys.executable, str(bench.launcher), session)
        starts.append(partial(_start, bench, clone, _OURS_LOOP, arguments))
    sample = _run_together(starts)
    rows = SessionLog.open(hub).transition_rows()
    beats = sum(row["to_state"] == "running" for row in rows)
    _clear(bench, name)
    if beats != _CLONES * transitions:
        raise RuntimeError(f"the hub has {beats} of {_CLONES * transitions} transitions")
    return sample


def _crowd_git(bench: Bench, transitions: int, name: str) -> Sample:
    hub = _make_hub(bench, name, 1)
    first = bench.directory / f"{name}-0"
    bench.git(first, "commit", "--quiet", "--allow-empty", "--message=First")
    bench.git(first, "push", "--quiet", "origin", "main")
    starts: list[Callable[[], subprocess.Popen[bytes]]] = []
    for number in range(_CLONES):
        clone = bench.directory / f"{name}-{number}"
        if number > 0:
            bench.git(bench.directory, "clone", "--quiet", str(hub), str(clone))
        starts.append(partial(_start, bench, clone, _GIT_LOOP, (str(transitions), str(number))))
    sample = _run_together(starts)
    commits = int(bench.git(hub, "rev-list", "--count", "main")) - 1
    _clear(bench, name)
    if commits != _CLONES * transitions:
        raise RuntimeError(f"the hub has {commits} of {_CLONES * transitions} commits")
    return sample


def _start(
    bench: Bench, clone: Path, script: str, arguments: Sequence[str]
) -> subprocess.Popen[bytes]:
    command = ["sh", "-c", script, "sh", *arguments]
    return subprocess.Popen(command, cwd=clone, env=bench.environment)


def _run_together(starts: Sequence[Callable[[], subprocess.Popen[bytes]]]) -> Sample:
    begun = time.perf_counter()
    codes = [process.wait() for process in [start() for start in starts]]
    sample = Sample(time.perf_counter() - begun)
    if any(codes):
        raise RuntimeError(f"the clones ended with {codes}")
    return sample


def _clear(bench: Bench, name: str) -> None:
    for path in bench.directory.glob(f"{name}*"):
        shutil.rmtree(path)
