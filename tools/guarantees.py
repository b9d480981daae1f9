"""Tries all that docs/guarantees.md promises, and prints how much that was.

`python tools/guarantees.py [--write] [--jobs N] [--fuzz-seconds N] [PART...]`. A part is one
section of the page; all of them take about 40 minutes on two processors. With --write the tables of
the parts that held are put into the page. Ends with 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "guarantees.md"

TESTS: Final[dict[str, Sequence[str]]] = {
    "kills": ("-m", "exhaustive", "-k", "killed", "tests/guarantees/test_crash.py"),
    "errors": ("-m", "exhaustive", "-k", "not killed", "tests/guarantees/test_crash.py"),
    "load": ("-m", "exhaustive", "tests/guarantees/test_load.py"),
    # The samples stand for the whole where there is no time for it.
    "damage": (
        "-m",
        "",
        "-k",
        "not sample",
        "tests/guarantees/test_damage.py",
        "tests/guarantees/test_damaged_refs.py",
    ),
}
"""What pytest is told for each part that it tries."""

FUZZ: Final = "fuzz"
PARTS: Final = (*TESTS, FUZZ)
FUZZ_SECONDS: Final = 600.0

_FUZZED: Final = re.compile(r"^(\w+) +([\d,]+) executions +(\d+) findings$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tried:
    """Holds what a part came to: figures by what they count, and how long it took in s."""

    figures: Mapping[str, int]
    seconds: float
    is_good: bool


def try_tests(part: str, jobs: int) -> Tried:
    """Runs the tests of a part, and reads what they have counted."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "figures.json")
        # A test of this length is none that hangs.
        options = ("-n", str(jobs), "-o", "faulthandler_timeout=0", "--figures", str(path))
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *options, *TESTS[part]], cwd=ROOT, check=False
        )
        figures = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return Tried(figures, time.monotonic() - begin, ran.returncode == 0)


def try_fuzz(jobs: int, seconds: float) -> Tried:
    """Runs the fuzzer, and reads the table that it prints."""
    begin = time.monotonic()
    options = ("--seconds", str(seconds), "--jobs", str(jobs))
    ran = subprocess.run(
        [sys.executable, "-m", "tests.guarantees.fuzz", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(ran.stdout, end="")
    lines = _FUZZED.findall(ran.stdout)
    figures = {}
    for name, executions, findings in lines:
        if name == "all":
            figures["fuzz: readers fuzzed"] = len(lines) - 1
            figures["fuzz: inputs run"] = int(executions.replace(",", ""))
            figures["fuzz: findings that are not mended"] = int(findings)
    return Tried(figures, time.monotonic() - begin, ran.returncode == 0 and bool(figures))


def format_table(tried: Tried) -> str:
    """Forms a part's table and the line that says where its figures were seen."""
    rows = [
        f"| {what.partition(': ')[2]} | {number:,} |"
        for what, number in sorted(tried.figures.items())
    ]
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    seen = (
        f"Seen on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}, in {tried.seconds / 60:.0f}"
        f" minutes, on {os.cpu_count()} processors: {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}, {git.strip().replace(' version', '')}."
    )
    return "\n".join(["| what | how many |", "| --- | ---: |", *rows, "", seen])


def put_table(text: str, part: str, table: str) -> str:
    """Puts a part's table into the text of the page."""
    marks = f"<!-- figures: {part} -->", f"<!-- end: {part} -->"
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise SystemExit(f"{PAGE} has no place for the figures of {part}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def main() -> int:
    """Tries the parts that are named, else all."""
    parser = argparse.ArgumentParser(description="Try all that docs/guarantees.md promises.")
    parser.add_argument(
        "parts", nargs="*", choices=[[], *PARTS], metavar="PART", help="|".join(PARTS)
    )
    parser.add_argument("--write", dest="is_write", action="store_true", help="put it in the page")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fuzz-seconds", type=float, default=FUZZ_SECONDS)
    wanted = parser.parse_args()
    is_good = True
    for part in wanted.parts or PARTS:
        print(f"==> {part}", flush=True)
        is_fuzz = part == FUZZ
        jobs = wanted.jobs
        tried = try_fuzz(jobs, wanted.fuzz_seconds) if is_fuzz else try_tests(part, jobs)
        is_good &= tried.is_good
        table = format_table(tried)
        print(f"\n{table}\n" if tried.is_good else f"\n{part} does not hold\n", flush=True)
        if tried.is_good and wanted.is_write:
            PAGE.write_text(put_table(PAGE.read_text("utf-8"), part, table), encoding="utf-8")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
