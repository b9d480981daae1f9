"""`run` at a real terminal with a real shell: whoever sits there feels nothing of it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from tests.conftest import TIMEOUT, Cli
from tests.run.test_session import ended, last
from tests.support.tmux import Terminal, open_terminal

DIRECT_AND_KEPT: Final = [
    pytest.param("", id="direct"),
    pytest.param("--log", id="kept", marks=pytest.mark.heavy),
]

# Says how large its screen is, whenever that changes; ends at q.
_SIZES: Final = """
import curses
def main(screen):
    while True:
        screen.erase()
        screen.addstr(0, 0, "size %d %d" % screen.getmaxyx())
        if screen.getch() == ord("q"):
            return
curses.wrapper(main)
"""


# Takes Ctrl-C twice, and then ends by itself.
_CATCH: Final = """
import signal, sys
caught = []
def catch(*_):
    caught.append(1)
    print("caught", len(caught), flush=True)
signal.signal(signal.SIGINT, catch)
print("up", flush=True)
while len(caught) < 2:
    signal.pause()
sys.exit(9)
"""


class Shell:
    """Is bash on a terminal, with job control; `gs` is the program under test there."""

    def __init__(self, terminal: Terminal, repo: Path, tmp_path: Path) -> None:
        self._terminal = terminal
        program = f"{shlex.quote(sys.executable)} -m git_session"
        as_git_finds_it = tmp_path / "bin" / "git-session"
        as_git_finds_it.parent.mkdir()
        as_git_finds_it.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        as_git_finds_it.chmod(0o755)
        self.settings = tmp_path / "bashrc"
        self.settings.write_text(
            f'PS1="${{LEVEL:=outer}}> "\nexport LEVEL=inner\nalias gs={shlex.quote(program)}\n'
            f"PATH={shlex.quote(str(as_git_finds_it.parent))}:$PATH\nunset HISTFILE\n"
        )
        command = ("bash", "--noprofile", "--rcfile", str(self.settings), "-i")
        terminal.start(repo, *command, env={}, columns=100, lines=30)
        self.wait_for_prompt()

    def line(self, text: str) -> None:
        """Types a line at the prompt, on a screen that is empty before."""
        self.wait_for(r"(outer|inner)>\Z")
        self.press("C-l")
        self._terminal.type(text)
        self.press("Enter")

    def press(self, *keys: str) -> None:
        self._terminal.press(*keys)

    def resize(self, columns: int, lines: int) -> None:
        self._terminal.resize(columns, lines)

    def close(self) -> None:
        self._terminal.end()

    def wait_for(self, pattern: str) -> str:
        """Waits until a line of the screen is as the pattern says; gives the screen."""
        end = time.monotonic() + TIMEOUT
        while not re.search(pattern, screen := self._terminal.screen().rstrip(), re.MULTILINE):
            assert time.monotonic() < end, f"{pattern!r} never came:\n{screen}"
            time.sleep(0.02)
        return screen

    def wait_for_prompt(self, level: str = "outer") -> None:
        # Behind a ^C the prompt may stand in the same line.
        self.wait_for(rf"{level}>\Z")

    def code(self) -> int:
        """Asks the shell for the exit code of the last command."""
        self.wait_for_prompt()
        self.line("echo code=$?")
        found = re.search(
            r"^code=(\d+)", self.wait_for(r"^code=\d+\n(.*\n)*outer>\Z"), re.MULTILINE
        )
        assert found is not None
        return int(found[1])


@pytest.fixture
def task(cli: Cli, repo: Path) -> str:
    return cli(repo, "task", "add", "Port the lexer").stdout.strip()


@pytest.fixture
def shell(repo: Path, tmp_path: Path) -> Iterator[Shell]:
    with open_terminal() as terminal:
        yield Shell(terminal, repo, tmp_path)


def find_supervisor(row: dict[str, Any]) -> psutil.Process:
    """Finds the process that `run` is, above the command and what may keep its output."""
    return [parent for parent in psutil.Process(row["pid"]).parents() if "run" in parent.cmdline()][
        -1
    ]


def wait_for_exit(cli: Cli, repo: Path) -> None:
    end = time.monotonic() + TIMEOUT
    while last(cli, repo)["state"] != "exit":
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("option", DIRECT_AND_KEPT)
def test_each_way_to_stop_a_command_leaves_its_reason(
    cli: Cli, repo: Path, task: str, shell: Shell, option: str
) -> None:
    up = f"gs run {task} {option} -- sh -c 'echo up; exec sleep 300'"
    shell.line(f"for n in 1 2 3; do {up}; done")
    shell.wait_for("^up$")
    shell.press("C-c")
    # A loop in the shell ends at Ctrl-C, as it does without us.
    assert shell.code() == 130
    assert ended(cli, repo) == ("exit", 130, "user-stop")
    shell.line(up)
    shell.wait_for("^up$")
    shell.press("C-z")
    shell.wait_for(r"^\[1\]\+ +Stopped .* run ")
    shell.wait_for_prompt()
    row = last(cli, repo)
    for process in (psutil.Process(row["pid"]), find_supervisor(row)):
        assert process.status() == psutil.STATUS_STOPPED
    shell.line("fg")
    shell.wait_for("^/.* run ")
    end = time.monotonic() + TIMEOUT
    while psutil.Process(row["pid"]).status() == psutil.STATUS_STOPPED:
        assert time.monotonic() < end
        time.sleep(0.01)
    find_supervisor(row).send_signal(signal.SIGTERM)
    assert shell.code() == 143
    assert ended(cli, repo) == ("exit", 143, "signal")
    shell.line(up)
    shell.wait_for("^up$")
    shell.close()
    wait_for_exit(cli, repo)
    assert ended(cli, repo) == ("exit", 129, "user-stop")


@pytest.mark.parametrize("option", DIRECT_AND_KEPT)
def test_a_shell_inside_has_its_own_jobs_and_can_be_suspended(
    cli: Cli, repo: Path, task: str, shell: Shell, option: str
) -> None:
    settings = shlex.quote(str(shell.settings))
    shell.line(f"stty -a >before; gs run {task} {option} -- bash --rcfile {settings} -i")
    shell.wait_for_prompt("inner")
    shell.line("sh -c 'echo up; exec sleep 300'")
    shell.wait_for("^up$")
    shell.press("C-z")
    shell.wait_for(r"^\[1\]\+ +Stopped +sh -c")
    # Without the wait bash may miss that the job is over, and would not end with a job stopped.
    shell.line("kill %1; wait %1; echo $GIT_SESSION_ID")
    shell.wait_for(f"^{last(cli, repo)['session_id']}$")
    shell.line("suspend")
    shell.wait_for(r"^\[1\]\+ +Stopped .* run ")
    shell.wait_for_prompt()
    shell.line("fg")
    shell.wait_for("^.* run .* bash")
    shell.press("Enter")
    shell.wait_for_prompt("inner")
    # What is typed at the prompt and given up is no end of the shell.
    shell.press("x")
    shell.wait_for(r"inner> x\Z")
    shell.press("C-c")
    # bash throws away what is typed before it prompts anew.
    shell.wait_for(r"x(\^C)?\s*inner>\Z")
    shell.line("exit 5")
    assert shell.code() == 5
    assert ended(cli, repo) == ("exit", 5, "crash")
    shell.line("stty -a >after")
    shell.wait_for_prompt()
    assert (repo / "before").read_text() == (repo / "after").read_text()


@pytest.mark.heavy
@pytest.mark.parametrize("option", ["", "--log"])
def test_full_screen_programs_behave_as_without_us(
    cli: Cli, repo: Path, task: str, shell: Shell, option: str
) -> None:
    if shutil.which("vim") is None:
        pytest.skip("vim is not on PATH; .ci/run installs it")
    # Without vim's questions to the terminal: a late answer would be taken for text.
    quiet = "--cmd 'set t_u7= t_RV= t_RF= t_RB='"
    shell.line(f"gs run {task} {option} -- vim -u NONE -N -n {quiet} text")
    shell.wait_for("^~$")
    shell.press("i")
    shell.wait_for("^-- INSERT --")
    shell.press("h", "i")
    shell.wait_for("^hi$")
    shell.press("Escape", "C-z")
    shell.wait_for(r"^\[1\]\+ +Stopped .* run ")
    shell.wait_for_prompt()
    shell.line("fg")
    shell.wait_for("^hi$")
    shell.press(":", "w", "q", "Enter")
    assert shell.code() == 0
    assert (repo / "text").read_text() == "hi\n"
    (repo / "sizes.py").write_text(_SIZES)
    shell.line(f"gs run {task} {option} -- {sys.executable} sizes.py")
    shell.wait_for("^size 30 100")
    shell.resize(60, 20)
    shell.wait_for("^size 20 60")
    shell.press("q")
    assert shell.code() == 0
    # One that is killed cannot put the terminal back as it was.
    shell.line(f"stty -a >before; gs run {task} {option} -- {sys.executable} sizes.py")
    shell.wait_for("^size")
    os.kill(last(cli, repo)["pid"], signal.SIGKILL)
    shell.wait_for_prompt()
    shell.line("stty -a >after; echo code=$?")
    shell.wait_for("^code=0")
    assert (repo / "before").read_text() == (repo / "after").read_text()
    assert ended(cli, repo) == ("exit", 137, "signal")


@pytest.mark.heavy
@pytest.mark.parametrize("option", ["", "--log"])
def test_git_between_the_shell_and_us_changes_nothing(
    cli: Cli, repo: Path, task: str, shell: Shell, option: str
) -> None:
    (repo / "catch.py").write_text(_CATCH)
    shell.line(f"git session run {task} {option} -- {sys.executable} catch.py")
    shell.wait_for("^up$")
    shell.press("C-c")
    shell.wait_for("caught 1$")
    # Were it told twice, it would have ended by now.
    time.sleep(0.5)
    assert last(cli, repo)["state"] == "running"
    shell.press("C-c")
    shell.wait_for("caught 2$")
    shell.wait_for_prompt()
    assert ended(cli, repo) == ("exit", 9, "user-stop")
    # One that stops itself and nobody else, as some do after they have tidied up the screen.
    shell.line(f"git session run {task} {option} -- sh -c 'kill -STOP $$; echo on; exit 4'")
    shell.wait_for(r"^\[1\]\+ +Stopped .* run ")
    shell.wait_for_prompt()
    shell.line("fg")
    shell.wait_for("^on$")
    assert shell.code() == 4


# Not among the heavy ones: one run in twenty waits in vain for `code=3`, and why is not known yet.
@pytest.mark.exhaustive
@pytest.mark.parametrize("option", ["", "--log"])
def test_a_job_that_goes_on_in_the_background_leaves_the_keys_to_the_shell(
    cli: Cli, repo: Path, task: str, shell: Shell, option: str
) -> None:
    os.mkfifo(repo / "go")
    shell.line(f"gs run {task} {option} -- sh -c 'echo up; read line <go; exit 3'")
    shell.wait_for("^up$")
    shell.press("C-z")
    shell.wait_for(r"^\[1\]\+ +Stopped .* run ")
    shell.line("bg")
    shell.wait_for(r"&\nouter>\Z")
    shell.line("echo mine >go; wait %1; echo code=$?")
    shell.wait_for("^code=3")
    assert ended(cli, repo) == ("exit", 3, "crash")


@pytest.mark.heavy
def test_a_command_on_a_copy_of_the_terminal_outlives_its_supervisor(
    cli: Cli, repo: Path, task: str, shell: Shell
) -> None:
    os.mkfifo(repo / "go")
    shell.line(f"gs run {task} --log -- sh -c 'echo up; read line <go; seq 2000; exec sleep 300'")
    shell.wait_for("^up$")
    end = time.monotonic() + TIMEOUT
    while (row := last(cli, repo))["state"] != "running":
        assert time.monotonic() < end
        time.sleep(0.05)
    find_supervisor(row).kill()
    shell.wait_for_prompt()
    shell.line("echo typed")
    shell.wait_for("^typed$")
    shell.line("echo on >go")
    kept = repo / ".grite/logs" / f"{row['session_id']}.log"
    while b"\n2000\r\n" not in kept.read_bytes():
        assert time.monotonic() < end
        time.sleep(0.05)
    command = psutil.Process(row["pid"])
    assert last(cli, repo)["liveness"]["verdict"] == "alive"
    command.kill()
    while (row := last(cli, repo))["liveness"]["verdict"] != "dead":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert row["liveness"]["reasons"] == ["pid gone"]
