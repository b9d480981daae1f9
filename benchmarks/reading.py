"""The rows about reading: a first read of a long log, against grite reading the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Bench, Budget, Result, Side, race
from tests.support.stores import make_log

_EVENTS = 10_200
_SESSIONS = 400
_MISSING = "grite is not on PATH (cargo install grite --version 0.5.3 --locked)"


def measure_packed_read(bench: Bench) -> list[Result]:
    """Row a: the log in one pack."""
    return [_measure_read(bench, Budget("1.3x", factor=1.3), is_loose=False)]


def measure_loose_read(bench: Bench) -> list[Result]:
    """Row b: the log in a file an object."""
    return [_measure_read(bench, Budget("1.5x", factor=1.5), is_loose=True)]


def _measure_read(bench: Bench, budget: Budget, *, is_loose: bool) -> Result:
    layout = "loose" if is_loose else "packed"
    store = bench.directory / layout
    made = make_log(store, bench.size(_EVENTS), bench.size(_SESSIONS), loose=is_loose)
    # What an earlier read left behind would make the next one no first read.
    forget = partial(shutil.rmtree, store / ".git" / "git-session", ignore_errors=True)
    ours = bench.ours(store, "list", "--all", "--json")
    sides = [Side(ours.run, forget, ours.weigh)]
    grite = shutil.which("grite", path=bench.environment["PATH"])
    if grite is not None:
        # A snapshot that is there already is less work the next time: each one starts afresh.
        theirs = bench.program(store, grite, "--no-daemon", "snapshot", "create")
        theirs.run()
        sides.append(Side(theirs.run, _make_clearing(bench, store), theirs.weigh))
    sample, *peer = race(sides, bench.runs)
    return Result(
        f"first read of {made.commits:,} one-event commits, {layout}: `list --all --json`",
        sample,
        "`grite snapshot create`",
        peer[0] if peer else None,
        budget,
        bench.runs,
        "" if peer else _MISSING,
    )


def _make_clearing(bench: Bench, store: Path) -> Callable[[], None]:
    """Makes what takes away the snapshots in a store and all objects that they brought."""
    snapshots = store / ".git" / "refs" / "grite" / "snapshots"
    log = bench.git(store, "rev-list", "--objects", "--no-object-names", "refs/grite/wal")
    kept = frozenset(log.split())
    return partial(_clear, store / ".git" / "objects", snapshots, kept)


def _clear(objects: Path, snapshots: Path, kept: frozenset[str]) -> None:
    shutil.rmtree(snapshots, ignore_errors=True)
    for folder in objects.glob("[0-9a-f][0-9a-f]"):
        for path in folder.iterdir():
            if folder.name + path.name not in kept:
                path.unlink()
