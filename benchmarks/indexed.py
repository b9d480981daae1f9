"""The rows about the index: lists and transitions that do not grow with the log."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

from benchmarks.measure import Bench, Budget, Program, Result, Sample, Side, race
from benchmarks.peers import BRAT_MISSING, GIT_BUG_MISSING, prepare_brat, prepare_git_bug
from git_session.log.session_log import SessionLog
from tests.support.stores import make_log

_SMALL, _MIDDLE, _LARGE = 1_000, 10_200, 100_000
_SESSIONS = 40
"""As many in the small log as in the large one, so that only the log's size differs."""

_LIBRARIES = "import click, sqlite3, json, subprocess"
_BASE = "importing click, sqlite3, json, subprocess"
_MB = 1_000_000


def measure_fresh_list(bench: Bench) -> list[Result]:
    """Row j: what a prompt or a status line asks, several times a second."""
    store = bench.directory / "fresh"
    made = make_log(store, bench.size(_MIDDLE), bench.size(400))
    sides = [Side(bench.program(store, sys.executable, "-c", _LIBRARIES).run)]
    bugs, name = prepare_git_bug(bench), f"`git-bug bug`, {bench.size(100)} bugs"
    if bugs is not None:
        sides.append(Side(bugs.run))
    results = []
    for command in (("list", "--all", "--json"), ("list", "--count")):
        ours = bench.ours(store, *command)
        ours.run()
        sample, base, *others = race([Side(ours.run, weigh=ours.weigh), *sides], bench.runs * 2)
        peer = others[0] if others else None
        work = f"`{' '.join(command)}`, fresh index, {made.events:,} events"
        budget, half_more = Budget("1.1x", factor=1.1), Budget("1.5x", factor=1.5)
        results += [
            Result(work, sample, _BASE, base, budget, bench.runs * 2),
            Result(work, sample, name, peer, half_more, bench.runs * 2, GIT_BUG_MISSING),
        ]
    return [*results, _measure_against_brat(bench, store)]


def _measure_against_brat(bench: Bench, store: Path) -> Result:
    """Holds a list of all sessions against brat's look-up of one."""
    ours, brat = bench.ours(store, "list", "--all", "--json"), prepare_brat(bench)
    runs = max(3, bench.runs // 3)
    sides = [Side(ours.run), *([Side(brat.run)] if brat is not None else [])]
    sample, *others = race(sides, runs)
    peer = others[0] if others else None
    work, name = "the same list", f"`brat session show`, {bench.size(200)} tasks"
    return Result(work, sample, name, peer, Budget("1/50", factor=1 / 50), runs, BRAT_MISSING)


def measure_completion(bench: Bench) -> list[Result]:
    """Row n: what a Tab waits for, from the line to the candidates."""
    store = bench.directory / "completed"
    made = make_log(store, bench.size(_MIDDLE), bench.size(400))
    bench.ours(store, "list").run()
    base = bench.program(store, sys.executable, "-c", _LIBRARIES)
    results = []
    for line in ("git session show ", "git session start ", "git session list --st"):
        ours = bench.ours(store, "completion", "candidates", line)
        sample, peer = race([Side(ours.run, weigh=ours.weigh), Side(base.run)], bench.runs * 2)
        work = f"a Tab after `{line}`, {made.events:,} events"
        budget = Budget("80 ms", extra_s=0.08)
        results.append(Result(work, sample, _BASE, peer, budget, bench.runs * 2))
    return results


def measure_growth(bench: Bench) -> list[Result]:
    """Row k: the same sessions in a small and in a large log: a list, and a transition."""
    small, large = (_make(bench, size) for size in (_SMALL, _LARGE))
    results = []
    lists = [bench.ours(store, "list", "--all", "--json") for store in (large, small)]
    for program in lists:
        program.run()
    sample, peer = race([Side(p.run, weigh=p.weigh) for p in lists], bench.runs * 2)
    work = f"`list --all --json`, {_SESSIONS} sessions, {bench.size(_LARGE):,} events"
    name = f"the same at {bench.size(_SMALL):,}"
    results.append(Result(work, sample, name, peer, Budget("1.2x", factor=1.2), bench.runs * 2))
    steps = [_make_transition(bench, store) for store in (large, small)]
    sample, peer = race([Side(p.run, weigh=p.weigh) for p in steps], bench.runs * 2)
    work = f"one transition as a process, {bench.size(_LARGE):,} events"
    results.append(Result(work, sample, name, peer, Budget("1.2x", factor=1.2), bench.runs * 2))
    results.append(Result(work, sample, "", None, Budget("0.2 s", extra_s=0.2), bench.runs * 2))
    return results


def measure_news(bench: Bench) -> list[Result]:
    """Row l: one new commit in a large log, then a list; against the list without news."""
    store = _make(bench, _LARGE)
    log = SessionLog.open(store)
    session = log.start(log.add_task("Row l").task.task_id).session.session_id
    for state in ("ready", "running"):
        log.advance(session, state)
    log.save()
    ours = bench.ours(store, "list", "--all", "--json")
    loading = bench.program(store, sys.executable, "-c", "import pygit2")
    bare = bench.program(store, sys.executable, "-c", "pass")
    sample, fresh, load, start = race(
        [
            Side(ours.run, partial(_append, store, session)),
            Side(ours.run, partial(_run, ours)),
            Side(loading.run),
            Side(bare.run),
        ],
        bench.runs,
    )
    extra = max(0.0, load.seconds - start.seconds)
    budget = Budget("1.5x + pygit2's import", factor=1.5, extra_s=extra)
    work = f"one new commit at {bench.size(_LARGE):,} events, then `list --all --json`"
    return [Result(work, sample, "the list without news", fresh, budget, bench.runs)]


def measure_large_read(bench: Bench) -> list[Result]:
    """Row m: the first read of a large log against one of a tenth; memory; the index's size."""
    stores = [_make(bench, size) for size in (_LARGE, _LARGE // 10)]
    reads = [bench.ours(store, "list", "--all", "--json") for store in stores]
    sides = [
        Side(read.run, partial(_forget, store), read.weigh)
        for read, store in zip(reads, stores, strict=True)
    ]
    runs = max(3, bench.runs // 5)
    sample, peer = race(sides, runs)
    work = f"first read of {bench.size(_LARGE):,} commits, packed"
    name = f"first read of {bench.size(_LARGE) // 10:,}"
    results = [Result(work, sample, name, peer, Budget("10x", factor=10.0), runs)]
    return [*results, *_weigh_figures(bench, stores[0], sample, runs)]


def _weigh_figures(bench: Bench, store: Path, sample: Sample, runs: int) -> list[Result]:
    """Puts two sizes into the table: bytes, where other rows have seconds."""
    index = sum(path.stat().st_size for path in (store / ".git" / "git-session").glob("index*"))
    memory = (sample.rss_kib or 0) * 1024
    large = f"{bench.size(_LARGE):,}"
    figures = (
        (f"memory of the first read of {large}", memory, 250),
        (f"index at {large} events", index, 60),
    )
    return [
        Result(
            work, Sample(size), "", None, Budget(f"{most} MB", extra_s=most * _MB), runs, unit="B"
        )
        for work, size, most in figures
    ]


def _make(bench: Bench, size: int) -> Path:
    store = bench.directory / f"log-{size}"
    if not store.exists():
        make_log(store, bench.size(size), _SESSIONS)
    return store


def _make_transition(bench: Bench, store: Path) -> Program:
    log = SessionLog.open(store)
    session = log.start(log.add_task("Row k").task.task_id).session.session_id
    for state in ("ready", "running"):
        log.advance(session, state)
    log.save()
    return bench.ours(store, "running", session, "--json")


def _run(program: Program) -> None:
    program.run()


def _append(store: Path, session: str) -> None:
    # The library does not save the index by itself: the next list finds a commit it does not know.
    SessionLog.open(store).advance(session, "running")


def _forget(store: Path) -> None:
    shutil.rmtree(store / ".git" / "git-session", ignore_errors=True)
