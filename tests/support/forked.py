"""Runs git-session as a process of its own without a new Python, whose start is most of the time.

A server (`python -m tests.support.forked SOCKET`) imports what commands import and forks for each
request: the child is git-session from the first line of its `main` on, which never returns. A
request is a line of JSON, with the command's stdin, stdout and stderr beside it; the answer is the
child's pid and, when it has ended, its exit code. One server serves all tests of a worker.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import pygit2
from pygit2.enums import ConfigLevel

ROOT: Final = Path(__file__).resolve().parent.parent.parent
_LEFT_OUT: Final = frozenset({"git_session.__main__", "git_session.connect.mcp_server"})
_OTHERS: Final = ("pydantic", "rich.table", "tempfile", "traceback", "tomllib")
"""What commands import of others when they come to need it."""

_DECIDED_AT_START: Final = ("PYTHON", "LC_", "LANG", "LD_")
_LARGEST: Final = 1 << 20


class Done(NamedTuple):
    """Holds what a command left behind; `code` is negative for a signal."""

    code: int
    stdout: bytes
    stderr: bytes


def can_fork(env: Mapping[str, str]) -> bool:
    """Tells whether a command in that environment is the same without a new Python."""
    return not any(name.startswith(_DECIDED_AT_START) for name in env) and hasattr(os, "fork")


def run_forked(
    args: Sequence[str], cwd: Path, stdin: bytes, env: Mapping[str, str], timeout: float
) -> Done:
    """Runs `git-session ARGS` to its end, in the environment `env`.

    Raises subprocess.TimeoutExpired after killing it.
    """
    request = {"args": list(args), "cwd": os.fspath(cwd), "env": dict(env)}
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(_server())
        pipes = [os.pipe() for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], theirs)
        answers = connection.makefile("r")
        pid = int(answers.readline())
        for fd in theirs:
            os.close(fd)
        readers = [_Reader(pipes[1][0]), _Reader(pipes[2][0])]
        _Writer(pipes[0][1], stdin)
        connection.settimeout(timeout)
        code = None
        with suppress(TimeoutError):
            code = int(answers.readline())
        for reader in readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        if code is None or any(reader.is_alive() for reader in readers):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(args), timeout)
    return Done(code, readers[0].data, readers[1].data)


class _Reader(threading.Thread):
    def __init__(self, fd: int) -> None:
        super().__init__(daemon=True)
        self._fd = fd
        self.data = b""
        self.start()

    def run(self) -> None:
        with os.fdopen(self._fd, "rb") as file:
            self.data = file.read()


class _Writer(threading.Thread):
    def __init__(self, fd: int, data: bytes) -> None:
        super().__init__(daemon=True)
        self._fd, self._data = fd, data
        self.start()

    def run(self) -> None:
        with suppress(BrokenPipeError), os.fdopen(self._fd, "wb") as file:
            file.write(self._data)


@cache
def _server() -> str:
    """Starts the server of this process; it ends with it."""
    path = f"{tempfile.mkdtemp(prefix='forked-')}/socket"
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "tests.support.forked", path]
    server = subprocess.Popen(
        command, cwd=ROOT, stdin=ours, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    os.close(ours)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    server.communicate()
    _held.append(theirs)
    return path


_held: Final[list[int]] = []
"""The end of the pipe that closes when this process ends, and ends the server."""


def serve(path: str) -> None:
    """Answers requests until the pipe on stdin is closed by whoever started this.

    As nobody's child, for tests look at what children there are.
    """
    if os.fork():
        os._exit(0)
    import_commands()
    parent = os.dup(0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for commands
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        os.write(1, b"ready\n")
        for stream in range(3):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        threading.Thread(target=_end_with, args=(parent, path), daemon=True).start()
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(connection)
            connection.close()


def _end_with(parent: int, path: str) -> None:
    os.read(parent, 1)
    shutil.rmtree(Path(path).parent, ignore_errors=True)
    os._exit(0)


def _answer(connection: socket.socket) -> None:
    """Runs one command, as the process that waits for it."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        data, streams, _, _ = socket.recv_fds(connection, _LARGEST, 3)
        while not data.endswith(b"\n"):
            data += connection.recv(_LARGEST)
        child = os.fork()
        if child == 0:
            connection.close()
            _become(json.loads(data), streams)
        for stream in streams:
            os.close(stream)
        connection.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    finally:
        os._exit(0)


def _become(request: dict[str, Any], streams: Sequence[int]) -> None:
    try:
        for stream, fd in enumerate(streams):
            os.dup2(fd, stream)
            os.close(fd)
        sys.stdin, sys.stdout, sys.stderr = map(_reopen, (sys.stdin, sys.stdout, sys.stderr))
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        time.tzset()
        # libgit2 looked for its settings when it was loaded.
        home = request["env"]["HOME"]
        pygit2.settings.search_path[ConfigLevel.GLOBAL] = home
        pygit2.settings.search_path[ConfigLevel.XDG] = f"{home}/.config/git"
        gc.unfreeze()
        entry = import_module("git_session.__main__")
        sys.argv = [str(entry.__file__), *request["args"]]
        entry.main()
    except BaseException:  # noqa: BLE001 - so that the test shows it
        traceback.print_exc()
    finally:  # main never returns
        os._exit(99)


def _reopen(stream: Any) -> Any:
    """Opens one of the three streams as Python does at its start, in the same encoding."""
    return open(
        stream.fileno(),
        stream.mode,
        1 if stream is sys.stderr else -1,
        encoding=stream.encoding,
        errors=stream.errors,
        closefd=False,
    )


def import_commands() -> None:
    """Imports what commands import, for a process that is to fork for each."""
    import git_session

    for module in pkgutil.walk_packages(git_session.__path__, "git_session."):
        if module.name not in _LEFT_OUT:
            import_module(module.name)
    for name in _OTHERS:
        import_module(name)
    # What a child's collector does not look at, no child has to copy.
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    serve(sys.argv[1])
