"""In the real bash, zsh and fish, as installed for a user, a Tab completes `git session`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from git_session.log.session_log import SessionLog
from tests.conftest import Cli
from tests.support.tmux import Terminal, open_terminal

BASH_COMPLETION: Final = Path("/usr/share/bash-completion/bash_completion")
PROMPT: Final = "ready>"
STARTS: Final = {
    "bash": (["bash", "-i"], ".bashrc", f"PS1='{PROMPT} '\nsource {BASH_COMPLETION}\n"),
    "zsh": (["zsh", "-i"], ".zshrc", f"PS1='{PROMPT} '\n"),
    "fish": (
        ["fish"],
        ".config/fish/config.fish",
        f"set -g fish_greeting\nfunction fish_prompt\n    echo -n '{PROMPT} '\nend\n",
    ),
}
"""How each shell is started, and what its user has in which file."""

TITLE: Final = "$(touch owned) `touch owned` %F{red} 'x \"y ; touch owned"


@pytest.fixture(params=list(STARTS))
def shell(
    request: pytest.FixtureRequest, cli: Cli, repo: Path, home: Path, tmp_path: Path
) -> Iterator[Terminal]:
    """Gives a terminal on which a shell runs in a repository, after `completion install`."""
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on PATH; .ci/run installs it")
    if name == "bash" and not BASH_COMPLETION.exists():
        pytest.skip("bash-completion is not installed; .ci/run installs it")
    command, startup, text = STARTS[name]
    path = home / startup
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert cli(repo, "completion", "install", name).code == 0
    program = tmp_path / "bin" / "git-session"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m git_session "$@"\n')
    program.chmod(0o755)
    with open_terminal() as terminal:
        search = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        terminal.start(repo, *command, env={"PATH": search}, columns=160, lines=40)
        terminal.wait_for(PROMPT)
        yield terminal


def _complete(shell: Terminal, line: str, wanted: str) -> None:
    """Types a line and a Tab, waits for what it becomes, and empties the line again."""
    shell.type(line)
    shell.press("Tab")
    shell.wait_for(f"{PROMPT} {wanted}")
    shell.press("C-u")


def test_a_tab_completes_ids_commands_and_options(
    shell: Terminal, repo: Path, request: pytest.FixtureRequest
) -> None:
    log = SessionLog.open(repo)
    task = log.add_task(TITLE).task.task_id
    first, second = sorted(
        log.start(task, session_id=f"s-20261122-{end}").session.session_id
        for end in ("4f1b", "7c2e")
    )
    log.save()
    _complete(shell, "git session show s-20261122-4", f"git session show {first}")
    _complete(shell, "git-session show s-20261122-7", f"git-session show {second}")
    _complete(shell, f"git -C {repo} session handof", f"git -C {repo} session handoff")
    _complete(shell, "git session task show t-", f"git session task show {task}")
    _complete(shell, "git session list --status=hand", "git session list --status=handoff")
    # Of two that begin alike the common part comes, and then both are shown, with what they are.
    # bash lists at a Tab that follows one which changed nothing.
    shell.type("git session show s-")
    shell.press("Tab")
    shell.wait_for("s-20261122-")
    shell.press("Tab", "Tab")
    shell.wait_for("4f1b")
    screen = shell.wait_for("7c2e")
    assert ("$(touch owned) `touch owned`" in screen) is (request.node.callspec.id != "bash")
    assert not list(repo.glob("owned*"))
