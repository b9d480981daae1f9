"""The options that every command takes, and the way a command is made of a function."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import click

from git_session.core.wire.words import ROLES, SESSION_TYPES, SESSION_VARIABLE
from git_session.errors import EnvironmentFaultError, NotARepositoryError, UsageError

CONTEXT_SETTINGS: Final = {"help_option_names": ["-h", "--help"]}


class Settings:
    """Holds what the shared options said, wherever on the line they stood."""

    def __init__(self) -> None:
        self.is_json = False
        self.is_debug = False


def completes(kind: str) -> Any:
    """Make what a parameter's `shell_complete` is: the candidates of a kind, found at a Tab.

    Kinds: session, task, engine, remote, file, directory. What finds them is loaded by then.
    """

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Any:
        return import_module("git_session.cli.candidates").find_of_kind(kind, incomplete)

    return complete


def shared_options() -> list[click.Parameter]:
    """Make the options that stand before a command as well as after it."""
    return [
        click.Option(
            ["-C", "run_in"],
            metavar="PATH",
            multiple=True,
            is_eager=True,
            expose_value=False,
            callback=_enter_directories,
            shell_complete=completes("directory"),
            help="Run as if started in PATH.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_set_json,
            help="Print one JSON document.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_set_debug,
            help="Print the traceback of an error.",
        ),
    ]


def command(name: str, *examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function that takes the Settings and then its own parameters.

    The function's docstring is the help; `examples` are lines to type, shown below it.
    """

    def make(function: Callable[..., Any]) -> click.Command:
        made = click.command(
            name, epilog=format_examples(*examples), context_settings=dict(CONTEXT_SETTINGS)
        )(click.pass_obj(function))
        made.params.extend(shared_options())
        return made

    return make


def format_examples(*examples: str) -> str:
    """Form the end of a help text: each example on a line of its own, not wrapped."""
    title = "Example:" if len(examples) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {example}" for example in examples)])


class TimeLimit(click.ParamType[float]):
    """Reads how long something may take, in seconds, as `run` and `wait` write it: `90`, `2h`."""

    name = "time"

    def convert(
        self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None
    ) -> float:
        """Return the seconds. Raises UsageError for what is no length of time, or none at all."""
        if isinstance(value, float):
            return value
        from git_session.core.wire.duration import parse_duration  # for those who limit something

        seconds = parse_duration(value) / 1000
        if seconds <= 0:
            raise UsageError("--timeout must be greater than 0", "examples: 90, 90s, 10m, 2h")
        return seconds


def session_argument(
    otherwise: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the SESSION argument; without it the environment names one, and then `otherwise`."""
    default = f"${SESSION_VARIABLE}" + (f", else {otherwise}" if otherwise else "")
    return click.argument(
        "session",
        required=False,
        shell_complete=completes("session"),
        help=f"Session id, unique prefix, or TASK/SESSION; default: {default}.",
    )


def task_argument() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the TASK argument."""
    return click.argument(
        "task",
        shell_complete=completes("task"),
        help="Task id, issue id, or a unique prefix.",
    )


def session_options(
    *, engine: str, worktree: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the options that say what a new session is; the texts tell what each command does."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    options = (
        click.option(
            "--engine",
            metavar="NAME",
            shell_complete=completes("engine"),
            help=f"Set the engine (what runs the session); default: {engine}.",
        ),
        click.option(
            "--role", type=click.Choice(ROLES), default="user", help="Set the role; default: user."
        ),
        click.option(
            "--type",
            "session_type",
            type=click.Choice(SESSION_TYPES),
            help="Set the type; default: polecat with a worktree, else crew.",
        ),
        click.option(
            "--worktree", metavar="PATH", shell_complete=completes("directory"), help=worktree
        ),
    )
    return add


def require_session(session: str | None) -> str:
    """Return the session that was named, or the one in the environment. Raises UsageError."""
    found = session or os.environ.get(SESSION_VARIABLE)
    if not found:
        raise UsageError(
            f"no session given, and ${SESSION_VARIABLE} is not set",
            "git session list shows the sessions",
        )
    return found


force_option = click.option(
    "--force", is_flag=True, help="Record it even if the lifecycle does not allow it."
)
exclusive_option = click.option(
    "--exclusive",
    "is_exclusive",
    is_flag=True,
    help="Start only if no other session is active on the task, here or at the remote.",
)
note_option = click.option(
    "-m", "--message", "note", metavar="NOTE", help="Add a note to the log entry."
)
Attributes = tuple[tuple[str, str | int], ...]


def _parse_attributes(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> Attributes:
    if not given:
        return ()
    from git_session.core.wire.evidence import parse_attribute

    return tuple(parse_attribute(text) for text in given)


set_option = click.option(
    "--set",
    "attributes",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_parse_attributes,
    help="Set an attribute, such as tokens, cost or branch; repeatable.",
)


def _enter_directories(
    _context: click.Context, _parameter: click.Parameter, paths: tuple[str, ...]
) -> None:
    # As git does: each -C is relative to the one before, and so is every other path on the line.
    for path in paths:
        if not path:
            continue
        try:
            os.chdir(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotARepositoryError(f"no such directory: {path}") from error
        except OSError as error:
            raise EnvironmentFaultError(f"cannot change to {path}: {error.strerror}") from error


def _set_json(context: click.Context, _parameter: click.Parameter, is_set: bool) -> None:
    if is_set:
        context.ensure_object(Settings).is_json = True


def _set_debug(context: click.Context, _parameter: click.Parameter, is_set: bool) -> None:
    if is_set:
        context.ensure_object(Settings).is_debug = True
