"""The commands that change anything, and the repositories that faults find them in.

A new command is one line in COMMANDS. Where it needs something that no stage has, a stage gets
another step.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.conftest import git
from tests.guarantees.faults.program import Program

EPOCH: Final = 1_790_000_000_000
"""When the stages begin, in ms since the Unix epoch; their steps are a second apart."""

NOW: Final = EPOCH + 3_600_000
"""When the command under fault runs."""

LATER: Final = NOW + 3_600_000
"""When the next one runs."""


@dataclass(frozen=True, slots=True)
class Command:
    """Holds a command line, where it runs, and what must work after it whatever became of it.

    Words in braces are names that the stage has given out. What comes after it is the same again
    unless said otherwise, and may end with each code of `again_codes`: what is done cannot always
    be done a second time. `is_stepwise`: it records one change after the other, and each of them is
    whole or not there. `is_concurrent`: it waits for others, and so makes its calls in an order of
    its own each time. `settled_task`: each session of this task has ended after `reconcile
    --apply`. `is_like_running`: it changes files by the same calls as `running` does.
    """

    name: str
    stage: str
    args: tuple[str, ...]
    again: tuple[str, ...] | None = None
    again_codes: tuple[int, ...] = (0,)
    is_stepwise: bool = False
    is_concurrent: bool = False
    settled_task: str | None = None
    is_like_running: bool = False

    def line(self, names: dict[str, str]) -> tuple[str, ...]:
        """Forms the command line."""
        return tuple(word.format_map(names) for word in self.args)

    def next_line(self, names: dict[str, str]) -> tuple[str, ...]:
        """Forms the line of the next command, the same unless another is given."""
        return tuple(word.format_map(names) for word in self.again or self.args)


@dataclass
class Stage:
    """Holds a folder in which `repo` is the repository that commands run in, and what is named."""

    folder: Path
    names: dict[str, str] = field(default_factory=dict)
    _steps: int = 0

    @property
    def repo(self) -> Path:
        """Gives the repository that commands run in."""
        return self.folder / "repo"

    @property
    def home(self) -> Path:
        """Gives the user's home."""
        return self.folder / "home"

    @property
    def env(self) -> dict[str, str]:
        """Gives what commands find in their environment."""
        named = {"HOME": "", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share"}
        return {name: str(self.home / place) for name, place in named.items()}

    @property
    def repositories(self) -> list[Path]:
        """Lists all repositories of the stage."""
        return [path for path in sorted(self.folder.iterdir()) if path != self.home]

    def do(self, program: Program, *args: str, where: str = "repo") -> str:
        """Runs one command that has to work, and gives what it printed."""
        self._steps += 1
        now = EPOCH + 1000 * self._steps
        ran = program(self.folder / where, *args, now=now, env=self.env)
        assert ran.code == 0, ran
        return ran.stdout.strip()


def make_empty(stage: Stage, _: Program) -> None:
    """Makes a repository that has never seen a session."""
    _init(stage.repo)


def make_working(stage: Stage, program: Program) -> None:
    """Makes a repository with a task, and a session in each state but the last."""
    _init(stage.repo)
    stage.do(program, "init")
    _add_sessions(stage, program)
    _settle(stage)


def make_unread(stage: Stage, program: Program) -> None:
    """Makes a repository that nobody has read yet: there is no index of it."""
    make_working(stage, program)
    shutil.rmtree(stage.repo / ".git" / "git-session")


def make_patient(stage: Stage, program: Program) -> None:
    """Makes a repository in which beats stay out of the log for a day."""
    make_working(stage, program)
    git(stage.repo, "config", "session.beatInterval", "1d")


def make_hooked(stage: Stage, program: Program) -> None:
    """Makes a repository with our hooks."""
    make_working(stage, program)
    stage.do(program, "hook", "install")


def make_durable(stage: Stage, program: Program) -> None:
    """Makes a repository in which everything waits for the disk."""
    make_working(stage, program)
    git(stage.repo, "config", "session.fsync", "true")


def make_deserted(stage: Stage, program: Program) -> None:
    """Makes a repository with a session whose process is gone, and nobody has recorded it."""
    make_working(stage, program)
    with subprocess.Popen(["sleep", "60"]) as process:
        stage.do(program, "start", stage.names["free"], "--pid", str(process.pid))
        process.kill()


def make_apart(stage: Stage, program: Program) -> None:
    """Makes two clones and their hub: `repo` lacks what `other` has sent, and has more to send."""
    git(stage.folder, "init", "--quiet", "--bare", "hub.git")
    for name in ("repo", "other"):
        _init(stage.folder / name)
        git(stage.folder / name, "remote", "add", "origin", "../hub.git")
    stage.do(program, "init")
    stage.do(program, "init", where="other")
    _add_sessions(stage, program)
    stage.do(program, "sync")
    stage.do(program, "sync", where="other")
    stage.do(program, "ready", stage.names["spawned"], "-m", "there", where="other")
    stage.do(program, "snapshot", where="other")
    stage.do(program, "sync", where="other")
    stage.do(program, "running", stage.names["running"], "-m", "here")
    _settle(stage)


def _init(path: Path) -> None:
    (path.parent / "home").mkdir(exist_ok=True)
    git(path.parent, "init", "--quiet", "--template=", "--initial-branch=main", str(path))


def _add_sessions(stage: Stage, program: Program) -> None:
    stage.names["task"] = stage.do(program, "task", "add", "Port the lexer")
    stage.names["free"] = stage.do(program, "task", "add", "Nobody works on this one")
    for state, steps in {
        "spawned": (),
        "ready": ("ready",),
        "running": ("ready", "running"),
        "handoff": ("ready", "running", "handoff"),
    }.items():
        session = stage.do(program, "start", stage.names["task"], "--session-id", f"s-{state}")
        stage.names[state] = session
        for step in steps:
            stage.do(program, step, session)


def _settle(stage: Stage) -> None:
    """Packs all, so that a copy is a matter of few files."""
    for path in stage.repositories:
        git(path, "repack", "-adq")
        for folder in (path / ".git" / "objects", path / "objects"):
            if folder.is_dir():
                for fan in folder.glob("??"):
                    fan.rmdir()


STAGES: Final[dict[str, Callable[[Stage, Program], None]]] = {
    "empty": make_empty,
    "working": make_working,
    "unread": make_unread,
    "patient": make_patient,
    "durable": make_durable,
    "deserted": make_deserted,
    "hooked": make_hooked,
    "apart": make_apart,
}

COMMANDS: Final = (
    Command("init", "empty", ("init",)),
    Command("first task", "empty", ("task", "add", "The first one")),
    Command("task add", "working", ("task", "add", "Another"), is_like_running=True),
    Command(
        "task status",
        "working",
        ("task", "status", "{task}", "running", "--force"),
        is_like_running=True,
    ),
    Command(
        "task comment",
        "working",
        ("task", "comment", "{task}", "-m", "So it is"),
        is_like_running=True,
    ),
    Command("start", "working", ("start", "{task}", "--engine", "codex"), is_like_running=True),
    Command("ready", "working", ("ready", "{spawned}"), is_like_running=True),
    Command("running", "working", ("running", "{ready}", "-m", "reading")),
    Command("running with session.fsync", "durable", ("running", "{ready}")),
    Command("handoff", "working", ("handoff", "{running}"), is_like_running=True),
    Command("exit", "working", ("exit", "{handoff}"), again_codes=(0, 4), is_like_running=True),
    Command("snapshot", "working", ("snapshot",)),
    Command("list", "unread", ("list",)),
    Command("beat in a file", "patient", ("beat", "{running}", "--activity", "waiting")),
    Command(
        "beat in the log",
        "working",
        ("beat", "{running}", "--set", "tokens=12"),
        is_stepwise=True,
        is_like_running=True,
    ),
    Command(
        "reconcile",
        "deserted",
        ("reconcile", "--apply"),
        is_stepwise=True,
        is_like_running=True,
    ),
    Command(
        "run",
        "working",
        ("run", "{free}", "--", "true"),
        is_stepwise=True,
        is_concurrent=True,
        settled_task="{free}",
    ),
    Command("doctor --fix", "working", ("doctor", "--fix")),
    Command("actor new", "working", ("actor", "new", "--use"), is_stepwise=True),
    Command("hook install", "working", ("hook", "install")),
    Command("hook uninstall", "hooked", ("hook", "uninstall")),
    Command("hook install --agent", "working", ("hook", "install", "--agent", "claude")),
    Command("completion install", "working", ("completion", "install", "fish")),
    Command("export", "working", ("export", "--output", "out.html")),
    Command("sync", "apart", ("sync",)),
    Command("sync --fetch", "apart", ("sync", "--fetch")),
    Command("start --exclusive", "apart", ("start", "{free}", "--exclusive"), again_codes=(0, 4)),
)
"""Each command that changes anything."""
