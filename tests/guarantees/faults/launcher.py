"""Starts git-session again and again in next to no time, with strace at its side if wanted.

Run as a program of its own (`python -m tests.guarantees.faults.launcher`). It imports what commands
import, and for each request forks: the child is git-session from its first line of `main` on, and
waits until strace, if wanted, holds it. A request is one line of JSON on stdin, an answer one on
stdout. Clock and chance are given, so that the same command makes the same calls, and the same
commits, in every run.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from tests.support.forked import import_commands

PATIENCE_S: Final = 60.0
"""What a command may take, and what it started; then it counts as hanging."""

_ADOPT_ORPHANS: Final = 36
_LET_BE_TRACED: Final = 0x59616D61
_BY_ANYBODY: Final = -1


def main() -> None:
    """Answers requests until stdin ends."""
    import_commands()
    # What a killed command leaves running becomes a child of this process, which can wait for it.
    _prctl(_ADOPT_ORPHANS, 1)
    _say("ready")
    for line in sys.stdin:
        _say(json.dumps(_launch(json.loads(line))))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _prctl(option: int, argument: int) -> None:
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, argument)


def _launch(request: dict[str, Any]) -> dict[str, Any]:
    """Runs one command to its end and tells its exit code, negative for a signal."""
    go, ready = os.eventfd(0, os.EFD_CLOEXEC), os.eventfd(0, os.EFD_CLOEXEC)
    child = os.fork()
    if child == 0:
        _become(request, ready, go)
    os.eventfd_read(ready)
    tracer = _attach(child, request["trace"], request["log"]) if request["trace"] else None
    os.eventfd_write(go, 1)
    os.close(go)
    os.close(ready)
    status = _wait_for(child)
    is_over = _wait_for_orphans(tracer)
    if tracer is not None:
        tracer.wait(PATIENCE_S)
    code = None if status is None else os.waitstatus_to_exitcode(status)
    return {"code": code, "is_over": is_over}


def _become(request: dict[str, Any], ready: int, go: int) -> None:
    """Turns this process into the command, which begins when it is told to."""
    try:
        os.setsid()
        _prctl(_LET_BE_TRACED, _BY_ANYBODY)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        for stream, path in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(fd, stream)
            os.close(fd)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(stream, mode, closefd=False) for stream, mode in enumerate("rww")
        )
        sys.argv = ["git-session", *request["args"]]
        _fix_chance(request["now_ms"])
        main = import_module("git_session.__main__").main
        os.eventfd_write(ready, 1)
        os.eventfd_read(go)
        main()
    finally:  # main never returns
        os.eventfd_write(ready, 1)
        os._exit(99)


def _fix_chance(now_ms: int) -> None:
    chance = random.Random(now_ms)
    random.seed(now_ms)
    given: tuple[tuple[ModuleType, str, Callable[..., Any]], ...] = (
        (secrets, "token_bytes", lambda count=32: chance.randbytes(count)),
        (secrets, "token_hex", lambda count=32: chance.randbytes(count).hex()),
        (secrets, "randbelow", chance.randrange),
        (time, "time", lambda: now_ms / 1000),
        (time, "time_ns", lambda: now_ms * 1_000_000),
    )
    for module, name, function in given:
        setattr(module, name, function)


def _attach(child: int, trace: list[str], log: str) -> subprocess.Popen[bytes]:
    tracer = subprocess.Popen(
        ["strace", "-o", log, *trace, "-p", str(child)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    status = Path(f"/proc/{child}/status")
    deadline = time.monotonic() + PATIENCE_S
    while "\nTracerPid:\t0\n" in status.read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            sys.exit("strace cannot trace what is started here")
        time.sleep(0.0005)
    return tracer


def _wait_for(child: int) -> int | None:
    """Waits until a process ends; None when it has to be ended."""
    deadline = time.monotonic() + PATIENCE_S
    pause = 0.0005
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(pause)
        pause = min(pause * 1.2, 0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _wait_for_orphans(tracer: subprocess.Popen[bytes] | None) -> bool:
    """Waits until all that the command started has ended; tells whether it did by itself."""
    deadline = time.monotonic() + PATIENCE_S
    while orphans := _list_children() - ({tracer.pid} if tracer else set()):
        for orphan in orphans:
            if time.monotonic() > deadline:
                os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, os.WNOHANG)
        time.sleep(0.002)
    return time.monotonic() < deadline


def _list_children() -> set[int]:
    me = os.getpid()
    return {int(pid) for pid in Path(f"/proc/{me}/task/{me}/children").read_text().split()}


if __name__ == "__main__":
    main()
