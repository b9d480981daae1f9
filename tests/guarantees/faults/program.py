"""Runs git-session under faults: stopped or failed at a chosen system call, which strace counts.

A fault is fired at the n-th call of one name. Which calls there are is seen in a run without fault
before; the log of the run under fault tells what was hit in truth.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent.parent

CHANGING: Final = (
    *("write", "pwrite64", "writev", "ftruncate", "fallocate", "fchmod", "chmod"),
    *("mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat"),
    *("rename", "renameat", "renameat2", "fsync", "fdatasync", "sync_file_range"),
)
"""Calls that change files, or make sure that a change lasts; `openat` does when it creates."""

_TRACED: Final = ",".join(("openat", *CHANGING))
_CALL: Final = re.compile(r"(?P<name>[a-z0-9_]+)\((?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Call:
    """Holds one system call of a run: the `number`-th of its name."""

    name: str
    number: int
    text: str

    @property
    def is_change(self) -> bool:
        """Tells whether the call changes a file, or means to."""
        return self.name != "openat" or "O_CREAT" in self.text


@dataclass(frozen=True, slots=True)
class Fault:
    """Says what happens at a call: the process is killed, or the call fails with `error`.

    `is_lasting`: so do all later calls of this name.
    """

    call: Call
    error: str | None = None
    is_lasting: bool = False

    def expression(self) -> str:
        """Forms what strace is told."""
        effect = "signal=KILL" if self.error is None else f"error={self.error}"
        return f"inject={self.call.name}:{effect}:when={self.call.number}{'+' * self.is_lasting}"

    def __str__(self) -> str:
        effect = self.error or "killed"
        return f"{effect} at {self.call.name} {self.call.number}: {self.call.text[:150]}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Holds what a run left behind; `code` is negative for a signal, None when it was hanging."""

    args: tuple[str, ...]
    code: int | None
    stdout: str
    stderr: str
    calls: tuple[Call, ...]
    was_hit: bool


class Program:
    """Starts git-session by tests.guarantees.faults.launcher."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        scratch.mkdir(exist_ok=True)
        self._launcher = subprocess.Popen(
            [sys.executable, "-m", "tests.guarantees.faults.launcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": "0"},
            text=True,
        )
        assert self._read() == "ready"

    def close(self) -> None:
        """Ends the launcher."""
        self._launcher.communicate(timeout=30)

    def __call__(
        self,
        cwd: Path,
        *args: str,
        now: int,
        fault: Fault | None = None,
        is_traced: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Runs `git-session ARGS` in `cwd`, at `now` ms since the epoch."""
        paths = {name: str(self._scratch / name) for name in ("stdout", "stderr", "log")}
        Path(paths["log"]).unlink(missing_ok=True)
        trace: list[str] = []
        if fault is not None or is_traced:
            trace = ["-s", "0", "-e", f"trace={_TRACED}"]
        if fault is not None:
            trace += ["-e", fault.expression()]
        environment = os.environ | {"GIT_SESSION_TEST": "faults"} | dict(env or {})
        asked = {"args": args, "cwd": str(cwd), "env": environment, "trace": trace, "now_ms": now}
        assert self._launcher.stdin is not None
        self._launcher.stdin.write(json.dumps({**asked, **paths}) + "\n")
        self._launcher.stdin.flush()
        answer = json.loads(self._read())
        assert answer["is_over"], f"something that {args} started had to be ended"
        stdout, stderr = (Path(paths[name]).read_text("utf-8") for name in ("stdout", "stderr"))
        log = Path(paths["log"]).read_text("utf-8", "replace") if trace else ""
        calls = tuple(_parse_log(log))
        was_hit = "(INJECTED)" in log or "killed by SIGKILL" in log
        return Outcome(args, answer["code"], stdout, stderr, calls, was_hit)

    def _read(self) -> str:
        assert self._launcher.stdout is not None
        return self._launcher.stdout.readline().rstrip("\n")


@contextmanager
def started(scratch: Path) -> Iterator[Program]:
    """Gives a Program while the block runs."""
    program = Program(scratch)
    try:
        yield program
    finally:
        program.close()


def why_not() -> str | None:
    """Says why no fault can be injected here, if so."""
    if shutil.which("strace") is None:
        return "strace is not on PATH; .ci/run installs it"
    probe = subprocess.run(
        ["strace", "-e", "trace=rmdir", "-e", "inject=rmdir:error=EIO", "rmdir", "/nothing"],
        capture_output=True,
        check=False,
        text=True,
    )
    return None if "(INJECTED)" in probe.stderr else f"strace cannot inject: {probe.stderr}"


def _parse_log(log: str) -> Iterator[Call]:
    counts: Counter[str] = Counter()
    for line in log.splitlines():
        found = _CALL.match(line)
        if found is not None:
            name = found["name"]
            counts[name] += 1
            yield Call(name, counts[name], line)
