"""`git session demo`: sessions to look at, before there are any of one's own."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import click

from git_session.cli.commands.listing import print_active
from git_session.cli.commands.log import print_transitions
from git_session.cli.commands.sync import describe_remote
from git_session.cli.options import Settings, command, completes
from git_session.cli.ui.output import print_data, print_line, print_lines
from git_session.cli.ui.streams import flush_output
from git_session.core.fold.rows import Row
from git_session.errors import EnvironmentFaultError, UsageError
from git_session.git.repository.objects import ObjectStore
from git_session.host.clock import read_clock
from git_session.log.session_log import SessionLog
from git_session.sync.rounds import sync_log

MINUTE_MS: Final = 60_000
_LENGTH: Final = 180
"""Minutes that are played; the last one is now."""

_CLONES: Final = ("desk", "server")
_TITLES: Final = (
    "Fix the flaky test",
    "Port the lexer",
    "Speed up the parser",
    "Drop Python 3.10",
    "Review the error messages",
    "Write the release notes",
)
FLAKY, LEXER, PARSER, PYTHON, ERRORS, NOTES = range(len(_TITLES))

_NEWEST: Final = 12
"""Transitions that are shown."""


@command("demo", "git session demo", "git session demo ~/try-sessions")
@click.argument(
    "place",
    metavar="[DIRECTORY]",
    required=False,
    shell_complete=completes("directory"),
    help="New or empty directory for the clones; default: a temporary one.",
)
def demo_command(settings: Settings, place: str | None) -> None:
    """Simulate a day of several agents in two throw-away clones.

    The clones and their hub are created in DIRECTORY, or in a temporary one. They stay for you to
    explore and remove.
    """
    played = play_demo(_make_directory(place))
    log, top = played.logs["desk"], str(played.directory)
    if settings.is_json:
        print_data({"directory": top, "sessions": log.session_rows(include_exited=True)})
        return
    where = f"git session -C {shlex.quote(top)}"
    print_lines(["Two clones of one hub, desk and server, have both recorded sessions.", ""])
    for name, row in played.syncs:
        print_line(f"$ {where}/{name} sync")
        print_lines([describe_remote(report) for report in row["remotes"]])
    print_lines(["", f"$ {where}/desk list"])
    flush_output()
    print_active(log)
    print_lines(["", f"$ {where}/desk log --limit {_NEWEST}"])
    newest = log.transition_rows(limit=_NEWEST)
    print_transitions(newest, log.clock(), has_session=True, is_paged=False)
    print_lines(["", "Look further:"])
    for more in (
        "desk list --all",
        "desk timeline",
        "desk export -o sessions.html",
        "hub.git fsck",
    ):
        print_line(f"  {where}/{more}")
    print_line("  git session -h")
    print_line(f"  rm -r {shlex.quote(top)}   # when you are done")


def _make_directory(place: str | None) -> Path:
    """Make the directory to play in. Raises EnvironmentFaultError where that cannot be."""
    try:
        if place is None:
            return Path(tempfile.mkdtemp(prefix="git-session-demo-"))
        path = Path(place).absolute()
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFaultError(
            f"cannot create {place or 'a temporary directory'}: {error.strerror}",
            "name a directory that is not there yet",
        ) from error
    return path


class _Agent(NamedTuple):
    """Holds who works on which task, and where; with a folder in a worktree of its own."""

    clone: str
    task: int
    engine: str
    role: str = "user"
    folder: str | None = None


class _Act(NamedTuple):
    """Holds what happens when: a minute, an agent, the state that its session is in then."""

    minute: int
    agent: str
    state: str
    note: str | None = None
    code: int = 0
    reason: str | None = None


_AGENTS: Final = {
    "fixer": _Agent("desk", FLAKY, "codex", folder="flaky"),
    "reader": _Agent("desk", FLAKY, "claude", role="witness"),
    "lost": _Agent("server", LEXER, "claude", folder="lexer"),
    "porter": _Agent("server", LEXER, "claude", folder="lexer-2"),
    "late": _Agent("desk", LEXER, "gemini", folder="lexer-3"),
    "greedy": _Agent("server", PARSER, "aider", folder="parser"),
    "thrifty": _Agent("desk", PARSER, "claude", folder="parser-2"),
    "sweeper": _Agent("desk", PYTHON, "gemini", folder="py311"),
    "critic": _Agent("server", ERRORS, "codex"),
    "editor": _Agent("server", ERRORS, "codex", folder="errors"),
    "author": _Agent("desk", NOTES, "codex", role="witness"),
}
_TOGETHER: Final = (
    _Act(4, "fixer", "spawned"),
    _Act(6, "fixer", "ready"),
    _Act(7, "fixer", "running", "reproduced it: a race in the teardown"),
    _Act(10, "sweeper", "spawned"),
    _Act(12, "sweeper", "ready"),
    _Act(13, "sweeper", "running"),
    _Act(32, "fixer", "running"),
    _Act(42, "fixer", "handoff"),
    _Act(46, "fixer", "exit"),
)
"""What happens at the desk before the server knows of any task."""

_APART: Final = (
    _Act(48, "lost", "spawned"),
    _Act(50, "reader", "spawned"),
    _Act(51, "lost", "ready"),
    _Act(51, "lost", "running"),
    _Act(51, "reader", "ready"),
    _Act(52, "reader", "running"),
    _Act(54, "greedy", "spawned"),
    _Act(57, "greedy", "ready"),
    _Act(58, "greedy", "running", "builds the whole table in memory"),
    _Act(63, "reader", "exit", "the fix holds in 500 runs"),
    _Act(66, "sweeper", "handoff"),
    _Act(72, "sweeper", "exit"),
    _Act(81, "lost", "exit", code=-1, reason="crash-recovery"),
    _Act(82, "porter", "spawned"),
    _Act(84, "porter", "ready"),
    _Act(85, "porter", "running"),
    _Act(97, "greedy", "exit", "killed: out of memory", code=137, reason="signal"),
    _Act(98, "critic", "spawned"),
    _Act(99, "critic", "ready"),
    _Act(100, "critic", "running"),
    _Act(104, "thrifty", "spawned"),
    _Act(105, "late", "spawned"),
    _Act(106, "late", "ready", "does anybody work on this?"),
    _Act(107, "thrifty", "ready"),
    _Act(109, "thrifty", "running", "streams it instead"),
    _Act(133, "critic", "exit", "12 messages lack a hint"),
    _Act(140, "editor", "spawned"),
    _Act(143, "editor", "ready"),
    _Act(144, "editor", "running"),
    _Act(168, "thrifty", "handoff", "3 times as fast, please review"),
    _Act(176, "editor", "running"),
    _Act(178, "author", "spawned"),
    _Act(180, "porter", "running"),
)
"""What happens in both clones without a word between them."""


@dataclass(slots=True)
class _Day:
    """Holds a clock that the play sets: ms since the epoch."""

    now: int

    def read(self) -> int:
        return self.now


@dataclass(slots=True)
class Played:
    """Holds what the play made: where, the clones' logs by name, and what the last syncs did.

    `sessions` are the ids by agent.
    """

    directory: Path
    logs: dict[str, SessionLog]
    tasks: list[str] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    syncs: list[tuple[str, Row]] = field(default_factory=list)


def play_demo(directory: Path) -> Played:
    """Make a hub and two clones in `directory` and record a few tasks and sessions in them.

    The last three hours are played; the log ends now. Raises UsageError when `directory` holds
    anything already.
    """
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty", "name a directory that does not exist yet")
    begin = read_clock() - _LENGTH * MINUTE_MS
    day = _Day(begin)
    hub = ObjectStore.create(directory / "hub.git", is_bare=True)
    logs = {}
    for name in _CLONES:
        ObjectStore.create(directory / name).add_remote("origin", str(hub.common_dir))
        logs[name] = SessionLog.open(directory / name, clock=day.read, environ={})
    played = Played(directory, logs)
    for title in _TITLES:
        row = logs["desk"].add_task_row(title, convoy="c-20260101-de30")
        played.tasks.append(row["task"]["task_id"])
    for acts in (_TOGETHER, _APART):
        for act in acts:
            day.now = begin + act.minute * MINUTE_MS
            _play(played, act)
        played.syncs.clear()
        for name in (*_CLONES, _CLONES[0]):
            _sync(played, name)
    for log in logs.values():
        log.save()
    return played


def _play(played: Played, act: _Act) -> None:
    """Let one thing happen: a session goes on, and its task with it."""
    agent = _AGENTS[act.agent]
    log, task = played.logs[agent.clone], played.tasks[agent.task]
    if act.state == "spawned":
        if log.task_row(task)["status"] == "queued":
            log.set_task_status_row(task, "running")
        played.sessions[act.agent] = _start(log, task, agent)
    elif act.state == "exit":
        session = played.sessions[act.agent]
        log.exit_row(session, code=act.code, reason=act.reason, note=act.note)
        if act.code == 0 and log.task_row(task)["status"] == "running":
            log.set_task_status_row(task, "needs-review")
    else:
        log.advance_row(played.sessions[act.agent], act.state, note=act.note)


def _start(log: SessionLog, task: str, agent: _Agent) -> str:
    path = None
    if agent.folder is not None:
        path = str(log.common_dir.parent / ".grite" / "worktrees" / agent.folder)
    row = log.start_row(
        task,
        engine=agent.engine,
        role=agent.role,
        worktree=path,
    )
    session_id: str = row["session"]["session_id"]
    return session_id


def _sync(played: Played, name: str) -> None:
    row, error = sync_log(played.logs[name])
    if error is not None:
        raise error
    played.syncs.append((name, row))
