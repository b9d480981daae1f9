"""The rows about sessions that live: a sign of life, and what a day of them leaves behind."""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.measure import Bench, Budget, Result, Sample, Side, race
from benchmarks.peers import GIT_BUG_MISSING, prepare_git_bug
from git_session.log.beat import write_beat
from git_session.log.session_log import SessionLog

_LIBRARIES: Final = "import click, sqlite3, json, subprocess"
_BASE: Final = "importing click, sqlite3, json, subprocess"
_PACE_MS: Final = 30_000
_DAY_MS: Final = 8 * 3_600_000
_MOST: Final = 300
_BEGIN: Final = 1_800_000_000_000


def measure_beat(bench: Bench) -> list[Result]:
    """Row r: a beat as a process, which writes a file and no object."""
    store = bench.directory / "beats"
    bench.git(bench.directory, "init", "--quiet", str(store))
    log = SessionLog.open(store)
    session = log.start(log.add_task("Row r").task.task_id).session.session_id
    ours = bench.ours(store, "beat", session, "--set", "tokens=48210")
    sides = [Side(bench.program(store, sys.executable, "-c", _LIBRARIES).run)]
    bugs = prepare_git_bug(bench)
    if bugs is not None:
        sides.append(Side(bugs.run))
    before = _count_objects(bench, "beats")
    sample, base, *others = race([Side(ours.run, weigh=ours.weigh), *sides], bench.runs * 2)
    written = _count_objects(bench, "beats") - before
    if written:
        raise RuntimeError(f"beats wrote {written} objects")
    peer, name = others[0] if others else None, f"`git-bug bug`, {bench.size(100)} bugs"
    half_more = Budget("1.5x", factor=1.5)
    return [
        Result("`beat`", sample, _BASE, base, Budget("1.1x", factor=1.1), bench.runs * 2),
        Result("`beat`", sample, name, peer, half_more, bench.runs * 2, GIT_BUG_MISSING),
    ]


def measure_day(bench: Bench) -> list[Result]:
    """Row s: an agent's day of 8 hours with a beat every 30 s, by a clock that is simulated."""
    store = bench.directory / "day"
    bench.git(bench.directory, "init", "--quiet", str(store))
    now = _BEGIN

    def clock() -> int:
        return now

    log = SessionLog.open(store, clock=clock)
    session = log.start(log.add_task("Row s").task.task_id).session.session_id
    before = _count_objects(bench, "day")
    beats = _DAY_MS // _PACE_MS
    for _ in range(beats):
        now += _PACE_MS
        write_beat(store, session, clock=clock, environ={})
    objects = Sample(_count_objects(bench, "day") - before)
    budget = Budget(f"{_MOST} objects", extra_s=_MOST)
    return [Result(f"a day of {beats} beats", objects, "", None, budget, 1, unit="objects")]


def _count_objects(bench: Bench, name: str) -> int:
    lines = bench.git(bench.directory / name, "count-objects", "-v").splitlines()
    counts = dict(line.split(": ") for line in lines)
    return int(counts["count"]) + int(counts["in-pack"])
