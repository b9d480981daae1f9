"""The rows of those who wait on a session: an agent that reports an event, and `wait`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import Bench, Budget, Result, Sample, Side, race
from git_session.log.session_log import SessionLog

_SHELL = "/bin/sh -c :"


def measure_agent_events(bench: Bench) -> list[Result]:
    """Row v: what an agent's tool call waits for: an event that only beats, one that records."""
    store = _make(bench, "agent")
    bench.ours(store, "init").run()
    base = bench.program(store, "/bin/sh", "-c", ":")
    beat = _Event(bench, store, {"hook_event_name": "PostToolUse", "session_id": "abc"})
    beat.run()
    sample, peer = race([Side(beat.run), Side(base.run)], bench.runs * 2)
    results = [
        Result(
            "an agent's event that only beats",
            sample,
            _SHELL,
            peer,
            Budget("60 ms", extra_s=0.06),
            bench.runs * 2,
        )
    ]
    start = _Event(bench, store, {"hook_event_name": "SessionStart"})
    sample, peer = race([Side(start.run), Side(base.run)], bench.runs)
    budget = Budget("0.2 s", extra_s=0.2)
    work = "an agent's event that records: its session and a transition"
    return [*results, Result(work, sample, _SHELL, peer, budget, bench.runs)]


def measure_wait(bench: Bench) -> list[Result]:
    """Row w: from a transition's commit to the end of a wait for it, and what waiting takes."""
    store = _make(bench, "waited")
    log = SessionLog.open(store)
    task = log.add_task("Wait for me").task.task_id
    shares: list[float] = []

    def run() -> Sample:
        session = log.start(task).session.session_id
        command = [sys.executable, str(bench.launcher), "wait", session]
        with subprocess.Popen(
            command, cwd=store, env=bench.environment, stdout=subprocess.DEVNULL
        ) as process:
            watched = psutil.Process(process.pid)
            time.sleep(1.0)
            before = watched.cpu_times()
            time.sleep(2.0)
            after = watched.cpu_times()
            shares.append((after.user + after.system - before.user - before.system) / 2.0)
            log.exit(session)
            start = time.perf_counter()
            process.wait()
            return Sample(time.perf_counter() - start)

    (sample,) = race([Side(run)], max(bench.runs // 3, 2))
    share = sorted(shares)[len(shares) // 2]
    note = f"{share:.1%} of a core while it waits (budget 1 %)"
    work = "`wait`, from the transition to its end"
    return [Result(work, sample, "", None, Budget("0.2 s", extra_s=0.2), len(shares), note)]


@dataclass
class _Event:
    """Sends an agent's event as the agent would; without a session's id, of a new one each time."""

    bench: Bench
    store: Path
    document: Mapping[str, Any]
    number: int = 0

    def run(self) -> Sample:
        """Times one event, from its start to its end."""
        self.number += 1
        text = json.dumps({"session_id": f"new-{self.number}", **self.document}).encode()
        command = [sys.executable, str(self.bench.launcher), "hook", "run", "agent", "claude"]
        return _time(
            lambda: subprocess.run(
                command, cwd=self.store, env=self.bench.environment, input=text, check=True
            )
        )


def _time(work: Callable[[], object]) -> Sample:
    start = time.perf_counter()
    work()
    return Sample(time.perf_counter() - start)


def _make(bench: Bench, name: str) -> Path:
    store = bench.directory / name
    bench.git(bench.directory, "init", "--quiet", str(store))
    bench.git(store, "commit", "--quiet", "--allow-empty", "--message=first")
    return store
