"""Measures what a log costs an ordinary git server: `python benchmarks/hub_cost.py`.

Bytes, objects, fetch sizes, round trips and a race of real clones, all with real git; the race
stands beside the same one played by fleet.py, which shows what that is worth.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

# The benchmarks are no installed package, nor are the tests: found from this file's place.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Bench
from benchmarks.slow_network import FETCHED, measure_race, measure_trips, run
from git_session import SessionLog
from git_session.sync.rounds import sync_log
from tests.support.stores import WAL, make_log

_TRACKED: Final = "refs/git-session/remotes/origin/grite/wal"
_BEATS: Final = 500
_PUSHES: Final = 50
_TURNS: Final = 100

Row = tuple[object, ...]


def main() -> None:
    """Reads the command line, measures and prints a table for each section."""
    parser = argparse.ArgumentParser(description="Measure what a log costs a git server.")
    parser.add_argument("--transitions", type=int, default=100_000, help="of the long log")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one section, or more")
    wanted = parser.parse_args()
    for name in wanted.only or SECTIONS:
        with tempfile.TemporaryDirectory(prefix="hub-cost-") as directory:
            bench = Bench(Path(directory), 1, is_quick=False)
            os.environ.clear()
            os.environ.update(bench.environment)
            title, columns, measure = SECTIONS[name]
            print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{' ---: |' * len(columns)}")
            for row in measure(bench, wanted.transitions):
                print(f"| {' | '.join(map(str, row))} |", flush=True)


def measure_weight(bench: Bench, transitions: int) -> Iterator[Row]:
    """Weighs transitions: objects, bytes in a file each, bytes in a pack."""
    own = bench.directory / "own"
    bench.git(bench.directory, "init", "--quiet", str(own))
    bench.git(own, "config", "gc.auto", "0")
    log = SessionLog.open(own)
    session = log.start(log.add_task("Weigh a beat").task.task_id).session.session_id
    for state in ("ready", *["running"] * _BEATS):
        log.advance(session, state)
    yield ("git-session's beat", *_weigh(bench, own))
    yield ("two clones in turn", *_weigh(bench, _sync_in_turn(bench)))
    made = bench.directory / "made"
    make_log(made, 1000, 40, loose=True)
    yield ("brat's block or a label", *_weigh(bench, made))
    long = bench.directory / "long"
    make_log(long, transitions, transitions // 25)
    yield ("the same", *_weigh(bench, long))


def measure_fetch(bench: Bench, transitions: int) -> Iterator[Row]:
    """Fetches what is new from a hub by path: the pack, and what is said around it."""
    hub = _init_bare(bench, "hub")
    make_log(hub, transitions, transitions // 25)
    bench.git(hub, "config", "uploadpack.allowAnySHA1InWant", "true")
    for new in (0, 1, 10, 100, 1000):
        clone = bench.directory / f"clone-{new}"
        bench.git(bench.directory, "init", "--quiet", str(clone))
        old = bench.git(hub, "rev-parse", f"{WAL}~{new}")
        bench.git(clone, "fetch", "--quiet", str(hub), f"{old}:{_TRACKED}")
        pack, talk = clone / "pack.trace", clone / "talk.trace"
        traces = {"GIT_TRACE_PACKFILE": str(pack), "GIT_TRACE_PACKET": str(talk)}
        run(bench.environment | traces, clone, "git", "fetch", "--quiet", str(hub), FETCHED)
        size = pack.stat().st_size if pack.exists() else 0
        each = f"{size / new:.0f}" if new else "-"
        yield f"{new:,}", f"{size:,}", each, f"{_count_talk(talk):,}"


def measure_refs(bench: Bench, _transitions: int) -> Iterator[Row]:
    """Counts what the server says of its refs before anything is fetched or pushed."""
    hub, clone = _init_bare(bench, "hub"), bench.directory / "clone"
    head = make_log(hub, 100, 4).head
    bench.git(bench.directory, "init", "--quiet", str(clone))
    bench.git(clone, "fetch", "--quiet", str(hub), FETCHED)
    for branches in (0, 1_000, 10_000):
        lines = [f"update refs/heads/feature/number-{n} {head}\n" for n in range(branches)]
        command = ["git", "-C", str(hub), "update-ref", "--stdin"]
        subprocess.run(command, input="".join(lines), text=True, check=True)
        bench.git(hub, "pack-refs", "--all")
        talk = clone / f"talk-{branches}"
        run(
            bench.environment | {"GIT_TRACE_PACKET": str(talk)},
            *(clone, "git", "fetch", "--quiet", str(hub), FETCHED),
        )
        pushed = len(subprocess.check_output(["git", "receive-pack", "--advertise-refs", hub]))
        yield f"{branches + 1:,}", f"{_count_talk(talk):,}", f"{pushed:,}"


def measure_pushes(bench: Bench, _transitions: int) -> Iterator[Row]:
    """Pushes one commit after another to a hub by path: what git itself needs for each."""
    hub, clone = _init_bare(bench, "hub"), bench.directory / "clone"
    make_log(clone, 10_000 + _PUSHES, 400)
    commits = bench.git(clone, "rev-list", f"--max-count={_PUSHES}", "--reverse", WAL).split()
    bench.git(clone, "push", "--quiet", str(hub), f"{commits[0]}~1:{WAL}")
    began = time.perf_counter()
    for commit in commits:
        bench.git(clone, "push", "--quiet", str(hub), f"{commit}:{WAL}")
    seconds = (time.perf_counter() - began) / _PUSHES
    yield f"{_PUSHES}", f"{seconds * 1000:.0f} ms", f"{60 / seconds:,.0f}"


def _sync_in_turn(bench: Bench) -> Path:
    """Makes a log in which two clones write and sync by turns, which takes merges."""
    hub = _init_bare(bench, "turn")
    paths = [bench.directory / f"turn-{name}" for name in "ab"]
    for path in paths:
        bench.git(bench.directory, "init", "--quiet", str(path))
        bench.git(path, "remote", "add", "origin", str(hub))
    logs = [SessionLog.open(path) for path in paths]
    session = logs[0].start(logs[0].add_task("Take turns").task.task_id).session.session_id
    for log in logs:
        sync_log(log)
    for _ in range(_TURNS):
        for log in logs:
            log.advance(session, "running", is_forced=True)
        for log in logs:
            sync_log(log)
    sync_log(logs[0])
    return paths[1]


def _weigh(bench: Bench, store: Path) -> Row:
    """Weighs a log as it lies there, then packed anew with its index: all for one transition."""
    commits, merges = (
        int(bench.git(store, "rev-list", "--count", *more, WAL)) for more in ([], ["--merges"])
    )
    transitions = commits - merges
    files = [path.stat() for path in store.glob(".git/objects/??/*")]
    bench.git(store, "repack", "-adfq")
    packs = list(store.glob(".git/objects/pack/pack-*"))
    size = sum(path.stat().st_size for path in packs)
    said = dict(line.split(": ") for line in bench.git(store, "count-objects", "-v").splitlines())
    return (
        f"{transitions:,}",
        f"{merges:,}",
        f"{int(said['in-pack']) / transitions:.1f}",
        f"{sum(file.st_size for file in files) / transitions:,.0f}" if files else "-",
        f"{sum(file.st_blocks for file in files) * 512 / transitions:,.0f}" if files else "-",
        f"{size / transitions:,.0f}",
        f"{size / transitions / 10:,.0f} MB",
    )


def _count_talk(trace: Path) -> int:
    """Counts the bytes of packets, both ways, without the pack; four of each are its length."""
    size = 0
    for line in trace.read_text(errors="replace").splitlines():
        _, found, said = line.partition("fetch> ")
        if not found:
            _, found, said = line.partition("fetch< ")
        if found:
            size += 4 if said in ("0000", "0001", "0002") else len(said) + 5
    return size


def _init_bare(bench: Bench, name: str) -> Path:
    path = bench.directory / f"{name}.git"
    bench.git(bench.directory, "init", "--quiet", "--bare", str(path))
    return path


Measure = Callable[[Bench, int], Iterator[Row]]

SECTIONS: Final[Mapping[str, tuple[str, tuple[str, ...], Measure]]] = {
    "weight": (
        "What a transition weighs (one event, one commit; a merge's weight is its transition's)",
        (
            "written by",
            "transitions",
            "merges",
            "objects",
            "loose, bytes",
            "on disk",
            "packed",
            "100,000 packed",
        ),
        measure_weight,
    ),
    "fetch": (
        "What a fetch by path brings",
        ("new transitions", "pack, bytes", "each", "talk, bytes"),
        measure_fetch,
    ),
    "refs": (
        "What the server says first, in bytes",
        ("refs on the server", "fetch of refs/grite/*", "push"),
        measure_refs,
    ),
    "pushes": (
        "Pushes by path, one after the other, no network",
        ("pushes", "each", "a minute"),
        measure_pushes,
    ),
    "trips": (
        "Round trips of a call",
        ("transport", "push", "fetch of one", "fetch of nothing"),
        lambda bench, _: measure_trips(bench),
    ),
    "race": (
        "Six clones sync at one moment, 300 ms round trips, http",
        ("played by", "attempts of each", "until all were in"),
        lambda bench, _: measure_race(bench),
    ),
}


if __name__ == "__main__":
    main()
