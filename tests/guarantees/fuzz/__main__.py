"""Fuzz all targets: `python -m tests.guarantees.fuzz [--seconds N] [--jobs N] [TARGET]...`.

Prints how many inputs each target ran and what was found, and ends with 1 if anything was. An
input that was found is kept in the folder that is named, and `python -m tests.guarantees.fuzz.one
TARGET FILE` shows it again. Where atheris is not installed it says so, and ends with 0.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.guarantees.fuzz.corpus import write_corpus
from tests.guarantees.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).resolve().parent.parent.parent.parent
SECONDS: Final = 600.0

_DONE: Final = re.compile(r"^stat::number_of_executed_units: (\d+)$", re.MULTILINE)
_STEP: Final = re.compile(r"^#(\d+)\s", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """Holds what fuzzing one target came to; `findings` are the inputs that were kept."""

    name: str
    executions: int
    findings: tuple[Path, ...]
    output: str


def fuzz(name: str, corpus: Path, kept: Path, seconds: float) -> Fuzzed:
    """Fuzzes one target for `seconds`."""
    kept.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.guarantees.fuzz.one", name, str(corpus)),
            *(f"-max_total_time={max(1, round(seconds))}", "-timeout=30", "-rss_limit_mb=2048"),
            *(f"-artifact_prefix={kept}/", "-print_final_stats=1", "-seed=1", "-max_len=8192"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds + 300,
    )
    output = done.stdout + done.stderr
    counts = _DONE.findall(output) or _STEP.findall(output) or ["0"]
    findings = tuple(sorted(kept.iterdir()))
    if done.returncode != 0 and not findings:
        raise SystemExit(f"{name} could not be fuzzed:\n{output[-3000:]}")
    return Fuzzed(name, int(counts[-1]), findings, output)


def fuzz_all(wanted: Sequence[str], seconds: float, jobs: int, kept: Path) -> list[Fuzzed]:
    """Fuzzes targets for `seconds` in all, `jobs` of them at a time."""
    share = seconds * min(jobs, len(wanted)) / len(wanted)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        corpus = write_corpus(Path(scratch))
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda name: fuzz(name, corpus[name], kept / name, share), wanted))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Fuzzes and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.guarantees.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all targets together")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--keep", type=Path, help="where inputs that were found are kept")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        _say("fuzzing: skipped, atheris is not installed (pip install -e '.[fuzz]')")
        return 0
    wanted = options.targets or list(TARGETS)
    kept = options.keep or Path(tempfile.mkdtemp(prefix="fuzz-findings-"))
    fuzzed = fuzz_all(wanted, options.seconds, options.jobs, kept)
    for one in fuzzed:
        _say(f"{one.name:<14}{one.executions:>12,} executions{len(one.findings):>5} findings")
        for path in one.findings:
            _say(f"    {path}\n    {one.output[-1500:]}")
    found = sum(len(one.findings) for one in fuzzed)
    _say(f"{'all':<14}{sum(one.executions for one in fuzzed):>12,} executions{found:>5} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
