"""Measures what the budgets promise and prints one table: `python benchmarks/run.py`.

Each row runs the work and its peer in turn, in this one run, and compares the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

# The benchmarks are no installed package, nor are the tests: found from this file's place.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import hooking, indexed, living, reading, recording, reporting, syncing
from benchmarks.measure import Bench, Result, Sample

ROWS: Final[Mapping[str, Callable[[Bench], list[Result]]]] = {
    "a": reading.measure_packed_read,
    "b": reading.measure_loose_read,
    "c": recording.measure_transition,
    "d": recording.measure_version,
    "e": recording.measure_transition_process,
    "f": syncing.measure_idle_sync,
    "g": syncing.measure_crowd,
    "h": syncing.measure_merge,
    "i": syncing.measure_small_sync,
    "j": indexed.measure_fresh_list,
    "k": indexed.measure_growth,
    "l": indexed.measure_news,
    "m": indexed.measure_large_read,
    "n": indexed.measure_completion,
    "v": reporting.measure_agent_events,
    "w": reporting.measure_wait,
    "o": hooking.measure_commit,
    "p": hooking.measure_shims,
    "q": hooking.measure_push,
    "r": living.measure_beat,
    "s": living.measure_day,
}
_COLUMNS: Final = ("", "work", "ours", "peer", "ratio", "CPU", "budget", "verdict")
_RUNS: Final = 15
_QUICK_RUNS: Final = 3


def main() -> int:
    """Reads the command line, measures and prints; 1 when a budget was missed."""
    wanted = _parse_arguments()
    measured: list[tuple[str, Result]] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=wanted.directory) as directory:
        bench = Bench(Path(directory), wanted.runs, is_quick=wanted.is_quick)
        # What this process itself does is done as hermetically as what it starts.
        os.environ.clear()
        os.environ.update(bench.environment)
        for letter in wanted.rows:
            print(f"row {letter} ...", file=sys.stderr, flush=True)
            measured += [(letter, result) for result in ROWS[letter](bench)]
    if wanted.is_json:
        print(json.dumps([_make_record(letter, result) for letter, result in measured], indent=2))
    else:
        print("\n".join(_format_table([_format_cells(*pair) for pair in measured])))
    return int(any(_is_met(result) is False for _, result in measured))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what the budgets promise.")
    parser.add_argument("--rows", type=_parse_rows, default=list(ROWS), help="such as a,c")
    parser.add_argument("--runs", type=int, help=f"of each side ({_RUNS}; quick: {_QUICK_RUNS})")
    parser.add_argument("--quick", dest="is_quick", action="store_true", help="a tenth of all")
    parser.add_argument("--json", dest="is_json", action="store_true", help="JSON, no Markdown")
    parser.add_argument("--directory", type=Path, help="where the stores are made")
    wanted = parser.parse_args()
    wanted.runs = wanted.runs or (_QUICK_RUNS if wanted.is_quick else _RUNS)
    return wanted


def _parse_rows(text: str) -> list[str]:
    letters = [letter.strip() for letter in text.split(",")]
    unknown = [letter for letter in letters if letter not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no row {', '.join(unknown)}; known: {', '.join(ROWS)}")
    return letters


def _is_met(result: Result) -> bool | None:
    """Tells whether a row is within its budget; None where its peer is missing."""
    limit = result.budget.limit(result.peer)
    return None if limit is None else result.ours.seconds <= limit


def _make_record(letter: str, result: Result) -> dict[str, Any]:
    return {
        "row": letter,
        **asdict(result),
        "ratio": _ratio(result),
        "cpu_ratio": _cpu_ratio(result),
        "limit_s": result.budget.limit(result.peer),
        "is_met": _is_met(result),
    }


def _ratio(result: Result) -> float | None:
    return result.ours.seconds / result.peer.seconds if result.peer else None


def _cpu_ratio(result: Result) -> float | None:
    """Compares the processor time that both sides took, whatever else the machine did."""
    if result.peer is None or result.ours.cpu_s is None or not result.peer.cpu_s:
        return None
    return result.ours.cpu_s / result.peer.cpu_s


def _format_cells(letter: str, result: Result) -> tuple[str, ...]:
    limit, is_met = result.budget.limit(result.peer), _is_met(result)
    peer = f"{result.peer_name}: {_format_sample(result.peer)}" if result.peer_name else "-"
    budget = result.budget.text
    if limit is not None and result.budget.factor:
        budget += f" = {_format_seconds(limit)}"
    verdict = {True: "met", False: "MISSED", None: f"not known: {result.note}"}[is_met]
    return (
        letter,
        f"{result.work} (n = {result.runs})",
        _FORMS.get(result.unit, _format_count)(result.ours),
        peer,
        _format_ratio(_ratio(result)),
        _format_ratio(_cpu_ratio(result)),
        budget,
        verdict,
    )


def _format_ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _format_sample(sample: Sample | None) -> str:
    if sample is None:
        return "missing"
    memory = "" if sample.rss_kib is None else f", {sample.rss_kib / 1024:.0f} MiB"
    return _format_seconds(sample.seconds) + memory


def _format_size(sample: Sample) -> str:
    return f"{sample.seconds / 1_000_000:.1f} MB"


def _format_count(sample: Sample) -> str:
    return f"{sample.seconds:,.0f}"


def _format_seconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _format_table(rows: Sequence[Sequence[str]]) -> list[str]:
    table = [_COLUMNS, *rows]
    widths = [max(len(row[n]) for row in table) for n in range(len(_COLUMNS))]
    lines = [
        "| "
        + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        + " |"
        for row in table
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


_FORMS: Final[Mapping[str, Callable[[Sample], str]]] = {"s": _format_sample, "B": _format_size}


if __name__ == "__main__":
    sys.exit(main())
