"""Times things side by side: interleaved, in one run, so that a busy machine slows all alike."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import psutil

_PROGRAM: Final = "from git_session.__main__ import main\n\nmain()\n"
# A process takes over what its starter held at most; so the starter must be a small one.
_WEIGH: Final = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
    "stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
_PATIENCE_S: Final = 60.0
_KEPT: Final = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TMPDIR")
_KIB: Final = 1024 if sys.platform == "darwin" else 1


@dataclass(frozen=True, slots=True)
class Sample:
    """Holds a measurement: wall time and processor time in s, and the most memory one process held.

    The processor time is what is left to compare on a machine that others use too.
    """

    seconds: float
    rss_kib: int | None = None
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """Holds a program that is run to its end; a failure raises RuntimeError with its stderr.

    A failure is an exit code that is not one of `codes`.
    """

    command: Sequence[str | Path]
    cwd: Path
    environment: Mapping[str, str]
    codes: Collection[int] = frozenset({0})

    def run(self) -> Sample:
        """Times one run, to the moment from which nobody has to wait for it."""
        with tempfile.TemporaryFile() as errors:
            spent, start = _read_cpu_of_children(), time.perf_counter()
            code = subprocess.call(
                self.command,
                cwd=self.cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            seconds = time.perf_counter() - start
            cpu_s = _read_cpu_of_children() - spent
            if code not in self.codes:
                errors.seek(0)
                said = errors.read().decode(errors="replace")
                raise RuntimeError(f"{self.command} in {self.cwd} ended with {code}: {said}")
        self._wait_for_copy()
        return Sample(seconds, cpu_s=cpu_s)

    def weigh(self) -> int:
        """Measures the most memory, in KiB, that it or a process it started held in one run."""
        command = [sys.executable, "-I", "-S", "-c", _WEIGH, *self.command]
        found = subprocess.check_output(command, cwd=self.cwd, env=self.environment)
        self._wait_for_copy()
        return int(found) // _KIB

    def _wait_for_copy(self) -> None:
        """Waits for the copy of the program that writes an index after a long first read.

        Otherwise it would be in the way of the next run, or answer for it.
        """
        command = [os.fspath(word) for word in self.command]
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end and any(
            process.info["cmdline"] == command for process in psutil.process_iter(["cmdline"])
        ):
            time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Side:
    """Holds one way to do the work, and what has to be done before each time, which is not timed.

    With `weigh` one more run tells the memory.
    """

    run: Callable[[], Sample]
    prepare: Callable[[], None] | None = None
    weigh: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """Holds how long the work may take: `factor` times what the peer takes, and `extra_s` more."""

    text: str
    factor: float = 0.0
    extra_s: float = 0.0

    def limit(self, peer: Sample | None) -> float | None:
        """Gives the limit in s; None where it hangs on a peer that is missing."""
        if peer is None:
            return None if self.factor else self.extra_s
        return self.factor * peer.seconds + self.extra_s


@dataclass(frozen=True, slots=True)
class Result:
    """Holds one line of the table; without `peer` the note says why, if there should be one.

    `unit` is `B` where sizes in bytes stand for seconds, and a word where a number of things does.
    """

    work: str
    ours: Sample
    peer_name: str
    peer: Sample | None
    budget: Budget
    runs: int
    note: str = ""
    unit: str = "s"


class Bench:
    """Holds what the rows share: a folder of their own, how often to run, and the environment.

    `environment` is a machine of its own: no settings of the caller's, and compiled modules kept
    in the folder, as an installed program has them.
    """

    def __init__(self, directory: Path, runs: int, *, is_quick: bool) -> None:
        self.directory = directory
        self.runs = runs
        self.is_quick = is_quick
        self.environment = _make_environment(directory)
        self.launcher = directory / "launcher.py"
        self.launcher.write_text(_PROGRAM)

    def size(self, number: int) -> int:
        """Gives the size of a store: the one that the budget speaks of, or a tenth to be quick."""
        return number // 10 if self.is_quick else number

    def program(self, cwd: Path, *command: str | Path) -> Program:
        """Makes a program to run in `cwd`."""
        return Program(command, cwd, self.environment)

    def ours(self, cwd: Path, *args: str) -> Program:
        """Makes the program `git session ARGS`."""
        return self.program(cwd, sys.executable, self.launcher, *args)

    def git(self, cwd: Path, *args: str) -> str:
        """Runs git, untimed, and gives what it prints."""
        command = ["git", "-C", str(cwd), *args]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode().strip()


def timed(work: Callable[[], object]) -> Callable[[], Sample]:
    """Makes a run of a function in this process."""

    def run() -> Sample:
        spent, start = time.process_time(), time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        return Sample(seconds, cpu_s=time.process_time() - spent)

    return run


def race(sides: Sequence[Side], runs: int) -> list[Sample]:
    """Runs all sides in turn, `runs` times after one to warm up; gives the medians of each.

    Who goes first changes each time.
    """
    samples: list[list[Sample]] = [[] for _ in sides]
    for number in range(runs + 1):
        order = range(len(sides)) if number % 2 else reversed(range(len(sides)))
        for place in order:
            _prepare(sides[place])
            sample = sides[place].run()
            if number > 0:
                samples[place].append(sample)
    return [_summarise(side, found) for side, found in zip(sides, samples, strict=True)]


def _summarise(side: Side, found: Sequence[Sample]) -> Sample:
    spent = [sample.cpu_s for sample in found if sample.cpu_s is not None]
    return Sample(
        median(sample.seconds for sample in found), _weigh(side), median(spent) if spent else None
    )


def _read_cpu_of_children() -> float:
    """Reads the processor time, in s, that ended processes of this one took, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _prepare(side: Side) -> None:
    if side.prepare is not None:
        side.prepare()


def _weigh(side: Side) -> int | None:
    if side.weigh is None:
        return None
    _prepare(side)
    return side.weigh()


def _make_environment(directory: Path) -> dict[str, str]:
    home = directory / "home"
    home.mkdir()
    name, email = "Ada Bench", "ada@example.org"
    kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
    return kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "LC_ALL": "C.UTF-8",
        "PYTHONPYCACHEPREFIX": str(directory / "compiled"),
        "TZ": "UTC",
    }
