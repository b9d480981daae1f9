"""Other people's programs that answer like questions, each in a store of its own kind.

None of them is needed: a row that has no peer here says how to get it.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.measure import Bench, Program
from tests.support.stores import make_log

GIT_BUG_MISSING: Final = "git-bug is not on PATH (go install github.com/git-bug/git-bug@v0.10.1)"
BRAT_MISSING: Final = "brat or grite is not on PATH (cargo install brat --version 0.1.0 --locked)"

_BUGS: Final = 100
_TASKS: Final = 200
_EVENTS_A_TASK: Final = 10
_NOT_FOUND: Final = 8


def prepare_git_bug(bench: Bench) -> Program | None:
    """Makes a repository of 100 bugs and gives `git-bug bug`, which lists them; None without it."""
    program = _find(bench, "git-bug")
    if program is None:
        return None
    store = _init(bench, "bugs")
    words = ("--name", "Ada Bench", "--email", "ada@example.org")
    bench.program(store, program, "user", "new", "--non-interactive", *words).run()
    for number in range(bench.size(_BUGS)):
        words = ("--title", f"Bug {number}", "--message", "It does not do what it says.")
        bench.program(store, program, "bug", "new", "--non-interactive", *words).run()
    return bench.program(store, program, "bug")


def prepare_brat(bench: Bench) -> Program | None:
    """Makes a store of 200 tasks and gives `brat session show`; None without brat and grite.

    brat starts grite under its older name, and looks through all tasks for the session, which it
    then does not find: that is the look-up.
    """
    brat, grite = (_find(bench, name) for name in ("brat", "grite"))
    if brat is None or grite is None:
        return None
    tools = bench.directory / "tools"
    tools.mkdir()
    (tools / "grit").symlink_to(grite)
    path = f"{tools}:{bench.environment['PATH']}"
    store = bench.directory / "tasks"
    tasks = bench.size(_TASKS)
    made = make_log(store, tasks * _EVENTS_A_TASK, 2 * tasks)
    bench.ours(store, "snapshot").run()
    for command in (
        (grite, "--no-daemon", "init", "--no-agents-md"),
        (grite, "--no-daemon", "rebuild", "--from-snapshot"),
        (brat, "--no-daemon", "init", "--no-agents-md"),
    ):
        _with_path(bench.program(store, *command), path).run()
    show = bench.program(
        store, brat, "--no-daemon", "session", "show", made.sessions[-1].session_id
    )
    return replace(_with_path(show, path), codes={_NOT_FOUND})


def _with_path(program: Program, path: str) -> Program:
    environment = {**program.environment, "PATH": path, "GRITE_NO_DAEMON": "1"}
    return replace(program, environment=environment)


def _init(bench: Bench, name: str) -> Path:
    store = bench.directory / name
    bench.git(bench.directory, "init", "--quiet", "--initial-branch=main", str(store))
    return store


def _find(bench: Bench, name: str) -> str | None:
    return shutil.which(name, path=bench.environment["PATH"])
