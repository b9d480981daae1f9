"""Real git servers behind a network that is as slow as wanted, on this machine: for hub_cost.py."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from benchmarks.fleet_figures import Settings
from benchmarks.measure import Bench
from benchmarks.simulated_fleet import Game
from git_session import SessionLog
from git_session.sync.rounds import sync_log
from tests.support import servers
from tests.support.stores import make_log

FETCHED: Final = "+refs/grite/*:refs/git-session/remotes/origin/grite/*"
Row = tuple[object, ...]

KINDS: Final = ("ssh", "ssh, shared connection", "http")

_BLOCK: Final = 65536
_HTTP_TRIPS: Final = 2.0


@dataclass(frozen=True, slots=True)
class SlowHub:
    """Holds an empty repository behind a server; `kind` is how it is reached."""

    kind: str
    server: servers.Hub

    @contextmanager
    def reach(self, bench: Bench, round_trip_s: float) -> Iterator[tuple[str, dict[str, str]]]:
        """Gives the address that leads there in this time, and the environment for it."""
        environment = bench.environment | self.server.environment
        if self.server.kind == "http":
            place, path = self.server.url.removeprefix("http://").split("/", 1)
            with _relay(int(place.rpartition(":")[2]), round_trip_s) as port:
                login = f"{servers.USER}:{servers.PASSWORD}"
                yield f"http://{login}@{servers.HOST}:{port}/{path}", environment
            return
        config = (self.server.folder / "ssh_config").read_text().split()
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        if self.kind != "ssh":
            # The shared connection ends by itself, with the relay.
            control = self.server.folder / f"shared-{round_trip_s}"
            options += ["ControlMaster=auto", "ControlPersist=60", f"ControlPath={control}"]
        with _relay(int(config[config.index("Port") + 1]), round_trip_s) as port:
            words = [environment["GIT_SSH_COMMAND"], f"-p {port}", *(f"-o {o}" for o in options)]
            yield self.server.url, environment | {"GIT_SSH_COMMAND": " ".join(words)}


@contextmanager
def serve(kind: str, bench: Bench) -> Iterator[SlowHub | None]:
    """Serves an empty repository; None where the server is not installed."""
    folder, home = (
        bench.directory / kind.replace(", ", "-").replace(" ", "-"),
        Path(bench.environment["HOME"]),
    )
    try:
        with servers.serve(kind.partition(",")[0], folder, home) as server:
            yield SlowHub(kind, server)
    except pytest.skip.Exception:
        yield None


def measure_trips(bench: Bench) -> Iterator[Row]:
    """Counts round trips: what a call takes longer at 200 ms than at none, median of three."""
    for kind in KINDS:
        with serve(kind, bench) as hub:
            if hub is None:
                yield kind, "its server is not installed", "", ""
                continue
            far, near = (_time_calls(bench, hub, trip) for trip in (0.2, 0.0))
            yield (
                kind,
                *(f"{(one - other) / 0.2:.1f}" for one, other in zip(far, near, strict=True)),
            )


def measure_race(bench: Bench) -> Iterator[Row]:
    """Lets six clones sync at one moment over 300 ms, for real and played."""
    clones, trip = 6, 0.3
    with serve("http", bench) as hub:
        if hub is None:
            yield "real", "its server is not installed", ""
        else:
            for _ in range(2):
                attempts, seconds = _race(bench, hub, clones, trip)
                yield "real git", " ".join(map(str, attempts)), f"{seconds:.1f} s"
    for seed in range(3):
        played = Settings(
            clones=clones,
            latency_s=trip,
            connect_trips=_HTTP_TRIPS,
            jitter=0.05,
            is_burst=True,
            seed=seed,
        )
        figures = Game(played).play()
        attempts = sorted(figures.attempts)
        yield f"played, seed {seed}", " ".join(map(str, attempts)), f"{max(figures.to_hub):.1f} s"


def run(environment: Mapping[str, str], cwd: Path, *command: str) -> None:
    """Runs a program to its end; its failure is an error."""
    subprocess.run(command, cwd=cwd, env=environment, check=True, stdin=subprocess.DEVNULL)


def _time_calls(bench: Bench, hub: SlowHub, trip: float) -> list[float]:
    """Times a push of one commit, a fetch of it and a fetch of nothing; medians."""
    here, there = (bench.directory / f"{hub.kind}-{trip}-{name}" for name in ("here", "there"))
    for clone in (here, there):
        bench.git(bench.directory, "init", "--quiet", str(clone))
    ref = f"refs/grite/trip-{trip}"
    log = make_log(here, 100, 4)
    commits = bench.git(here, "rev-list", "--max-count=4", log.head).split()
    samples: list[list[float]] = []
    with hub.reach(bench, trip) as (url, environment):
        for commit in reversed(commits):
            calls = (
                (here, "push", "--quiet", url, f"{commit}:{ref}"),
                (there, "fetch", "--quiet", url, FETCHED),
                (there, "fetch", "--quiet", url, FETCHED),
            )
            times = []
            for cwd, *command in calls:
                began = time.perf_counter()
                run(environment, cwd, "git", *command)
                times.append(time.perf_counter() - began)
            samples.append(times)
    return [sorted(column)[1] for column in zip(*samples[1:], strict=True)]


def _race(bench: Bench, hub: SlowHub, clones: int, trip: float) -> tuple[list[int], float]:
    with tempfile.TemporaryDirectory(dir=bench.directory) as folder:
        paths = [Path(folder, str(number)) for number in range(clones)]
        for path in paths:
            bench.git(bench.directory, "init", "--quiet", str(path))
            bench.git(path, "remote", "add", "origin", str(hub.server.path))
        logs = [SessionLog.open(path) for path in paths]
        task = logs[0].add_task("Race").task.task_id
        for log in logs:
            sync_log(log)
        for log in logs:
            log.start(task)
        with hub.reach(bench, trip) as (url, environment):
            command = [sys.executable, "-m", "git_session", "sync", "--json"]
            for path in paths:
                bench.git(path, "remote", "set-url", "origin", url)
            began = time.perf_counter()
            running = [
                subprocess.Popen(command, cwd=path, env=environment, stdout=subprocess.PIPE)
                for path in paths
            ]
            said = [json.loads(process.communicate()[0]) for process in running]
            seconds = time.perf_counter() - began
    return sorted(one["data"]["remotes"][0]["attempts"] for one in said), seconds


@contextmanager
def _relay(port: int, round_trip_s: float) -> Iterator[int]:
    """Gives a port that leads to `port`, each byte half a round trip late in either direction."""
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(_listen(port, round_trip_s))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(listening), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _listen(port: int, round_trip_s: float) -> asyncio.Server:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip_s)  # TCP's own greeting
        there, back = await asyncio.open_connection(servers.HOST, port)
        ways = (_pass_on(reader, back, round_trip_s), _pass_on(there, writer, round_trip_s))
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*ways, return_exceptions=True)
        back.close()
        writer.close()

    return await asyncio.start_server(connect, servers.HOST, 0)


async def _end(listening: asyncio.Server) -> None:
    listening.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, round_trip_s: float
) -> None:
    """Passes bytes on, each block when its time has come, and the end as well."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        data = b"-"
        while data:
            due, data = await waiting.get()
            await asyncio.sleep(due - loop.time())
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    delivery = loop.create_task(deliver())
    data = b"-"
    while data:
        data = await reader.read(_BLOCK)
        waiting.put_nowait((loop.time() + round_trip_s / 2, data))
    await delivery
