"""Nobody is asked unless somebody can answer, and Ctrl-C ends all that was started."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import TIMEOUT, git
from tests.support import servers
from tests.support.processes import Marked
from tests.support.servers import PASSWORD, USER, Hub

hub = servers.hub

PROGRAM: Final = "fetch_on_a_terminal.py"
PASSPHRASE: Final = "open sesame"

# Starts as the leader of a session and takes the terminal; MODE is `ask`, `silent`, or
# `background`: may ask, but another one has the foreground. Stays when it has told its result: when
# the leader goes, the system itself ends what was left on the terminal.
_PROGRAM: Final = """
import fcntl, subprocess, sys, termios, time
from pathlib import Path
from git_session.errors import GitSessionError
from git_session.git.remote import Git

path, mode, timeout_s = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
if mode != "child":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if mode == "background":
    command = [sys.executable, sys.argv[0], str(path), "child", str(timeout_s)]
    sys.exit(subprocess.run(command, process_group=0).returncode)
here = Git(path / ".git", path, timeout_s=timeout_s, may_ask=mode != "silent")
try:
    here.fetch("origin", ["+refs/grite/*:refs/git-session/remotes/origin/grite/*"], prune=True)
    told = "fetched"
except GitSessionError as error:
    told = f"{error.code}: {error}"
except KeyboardInterrupt:
    told = "interrupted"
print(f"RESULT({told})TLUSER", flush=True)
time.sleep(0 if mode == "child" else 600)
"""


class Terminal:
    """Runs a fetch from `origin` on a terminal of its own, as MODE says."""

    def __init__(self, clone: Path, mode: str, timeout_s: float) -> None:
        program = clone.parent / PROGRAM
        program.write_text(_PROGRAM)
        self.shown = ""
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, str(program), str(clone), mode, str(timeout_s)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._end = time.monotonic() + TIMEOUT

    def answer(self, prompt: str, text: str) -> None:
        """Waits until `prompt` is shown, and types."""
        while prompt not in self.shown:
            assert self._read(), f"ended without asking: {self.shown}"
        self.type(text + "\n")

    def type(self, text: str) -> None:
        """Types, without waiting."""
        os.write(self._ours, text.encode())

    def result(self) -> str:
        """Waits for the end of the fetch and gives what came of it."""
        while ")TLUSER" not in self.shown:
            assert self._read(), f"ended without a result: {self.shown}"
        return self.shown.partition("RESULT(")[2].partition(")TLUSER")[0]

    def close(self) -> None:
        """Ends the program."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        assert time.monotonic() < self._end, f"hangs: {self.shown}"
        if select.select([self._ours], [], [], 0.05)[0]:
            try:
                piece = os.read(self._ours, 65536)
            except OSError:  # how Linux says that the other end of a terminal is closed
                return False
            self.shown += piece.decode(errors="replace")
            return bool(piece)
        return self._process.poll() is None


class _Opener:
    """Opens terminals, and closes them when the test is over."""

    def __init__(self, clone: Path) -> None:
        self.opened: list[Terminal] = []
        self._clone = clone

    def __call__(self, mode: str, timeout_s: float = TIMEOUT) -> Terminal:
        self.opened.append(Terminal(self._clone, mode, timeout_s))
        return self.opened[-1]


@pytest.fixture
def open_terminal(hub: Hub, repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Opener]:
    """Gives a starter of fetches from the hub on a terminal; git there may ask as it likes."""
    monkeypatch.delenv("GIT_TERMINAL_PROMPT")
    git(repo, "remote", "add", "origin", hub.url)
    opener = _Opener(repo)
    yield opener
    for terminal in opener.opened:
        terminal.close()


def _lock_key(hub: Hub) -> None:
    key = str(hub.folder / "id_client")
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", key]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("hub", ["http"], indirect=True)
def test_git_may_ask_for_a_login_where_somebody_can_answer(
    open_terminal: _Opener, hub: Hub, home: Path
) -> None:
    hub.save_login(home, None)
    terminal = open_terminal("ask")
    terminal.answer("Username for", USER)
    terminal.answer("Password for", PASSWORD)
    assert terminal.result() == "fetched"


@pytest.mark.parametrize("hub", ["ssh"], indirect=True)
def test_ssh_may_ask_for_a_passphrase_where_somebody_can_answer(
    open_terminal: _Opener, hub: Hub
) -> None:
    _lock_key(hub)
    terminal = open_terminal("ask")
    terminal.answer("Enter passphrase for key", PASSPHRASE)
    assert terminal.result() == "fetched"


@pytest.mark.parametrize("mode", ["silent", "background"])
@pytest.mark.parametrize("hub", ["http", "ssh"], indirect=True)
def test_nobody_is_asked_who_did_not_offer_or_cannot_answer(
    open_terminal: _Opener, hub: Hub, home: Path, mode: str
) -> None:
    """A terminal is there all the same; git and ssh must not find it."""
    if hub.kind == "http":
        hub.save_login(home, None)
    else:
        _lock_key(hub)
    terminal = open_terminal(mode)
    assert terminal.result().startswith("remote: cannot fetch from origin")
    assert terminal.shown.startswith("RESULT(")


@pytest.mark.parametrize("mode", ["silent", "ask"])
@pytest.mark.parametrize("hub", ["ssh", "http"], indirect=True)
def test_ctrl_c_ends_all_that_was_started(
    open_terminal: _Opener, hub: Hub, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = Marked(monkeypatch)
    hub.freeze()
    terminal = open_terminal(mode)
    marked.wait_for({"ssh": "git-upload-pack", "http": "git-remote-http"}[hub.kind])
    terminal.type("\x03")
    assert terminal.result() == "interrupted"
    assert marked.leftovers(PROGRAM) == []


@pytest.mark.parametrize("hub", ["ssh", "http"], indirect=True)
def test_the_time_limit_ends_all_that_was_started_on_a_terminal_too(
    open_terminal: _Opener, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the program's group is also ours, so it cannot be ended as a group."""
    marked = Marked(monkeypatch)
    hub.freeze()
    assert open_terminal("ask", timeout_s=0.7).result().startswith("timeout: ")
    assert marked.leftovers(PROGRAM) == []
