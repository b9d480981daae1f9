"""Where every failure ends: a message, a hint, with --json an envelope, and the exit code.

Exit codes are grite's: 1 any other failure, 2 wrong usage, 3 not found, 4 conflict, 5
environment; 130 is Ctrl-C and 141 a reader that went away, as with git.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Sequence
from typing import Final

import click

from git_session.cli import group
from git_session.cli.options import Settings
from git_session.cli.ui.streams import (
    close_output,
    flush_output,
    say,
    say_error,
    tolerate_encodings,
)
from git_session.errors import INTERRUPTED, EnvironmentFaultError, GitSessionError, UsageError

READER_GONE: Final = 141
_PROGRAM: Final = "git session"
_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})


def run_command_line(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; every failure is told here."""
    tolerate_encodings()
    settings = Settings()
    try:
        code = _run(args, settings)
        flush_output()
        return code
    except BrokenPipeError:
        close_output()
        return READER_GONE
    except (KeyboardInterrupt, EOFError, click.Abort):
        return _tell(args, settings, GitSessionError("interrupted"), "interrupted", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        if _wants_json(args, settings):
            return _tell_usage(args, settings, click.UsageError("Missing command.", error.ctx))
        say(*error.format_message().split("\n"))
        return error.exit_code
    except click.ClickException as error:
        return _tell_usage(args, settings, error)
    except GitSessionError as error:
        return _tell(args, settings, error, error.code, error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last one to know: nobody may see a traceback
        if (fault := _find_fault(error)) is not None:
            return _tell(args, settings, fault, fault.code, fault.exit_code)
        hint = "this is a bug in git-session; run it again with --debug for a traceback"
        message = f"internal error: {type(error).__name__}: {error}"
        return _tell(args, settings, GitSessionError(message, hint), "internal", 1)
    finally:
        _save_logs()


def _find_fault(error: Exception) -> EnvironmentFaultError | None:
    """Find what the machine lacks that any line of the program may run into."""
    if isinstance(error, OSError) and error.errno in _NO_DESCRIPTORS:
        return EnvironmentFaultError(
            f"the limit on open files is too low: {error.strerror}",
            "raise it: ulimit -n 64 is enough",
        )
    if isinstance(error, OverflowError):
        try:
            time.time()
        except OverflowError:
            return EnvironmentFaultError(
                "the system clock is past the year 2262, which Python cannot handle",
                "date shows it; correct it",
            )
    return None


def _run(args: Sequence[str], settings: Settings) -> int:
    for number, arg in enumerate(args, 1):
        if not _is_text(arg):
            raise UsageError(f"argument {number} is not valid UTF-8: {arg!a}")
    try:
        with group.make_context(_PROGRAM, list(args), obj=settings) as context:
            result = group.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return result if isinstance(result, int) else 0


def _save_logs() -> None:
    """Let the commands that opened a log remember what they read; others load nothing for it."""
    opening = sys.modules.get("git_session.cli.opening")
    if opening is not None:
        opening.save_logs()


def _tell_usage(args: Sequence[str], settings: Settings, error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else _PROGRAM
    meant = _guess_meant(args, context, error)
    hint = f"did you mean {meant}?" if meant else f"{path} -h shows how it is used"
    told = UsageError(_format_usage(error), hint)
    return _tell(args, settings, told, told.code, error.exit_code)


def _guess_meant(
    args: Sequence[str], context: click.Context | None, error: click.ClickException
) -> str | None:
    """Guess what was meant by a command or an option that is not there, or a word too many."""
    if isinstance(error, click.NoSuchOption):
        return " or ".join(error.possibilities or ()) or None
    if context is None:
        return None
    from git_session.cli.ui.did_you_mean import guess_command

    path = context.command_path
    if isinstance(error, click.NoSuchCommand):
        similar = " or ".join(f"{path} {name}" for name in error.possibilities or ())
        return guess_command(path, [error.command_name]) or similar or None
    is_group = isinstance(context.command, click.Group)
    return None if is_group or type(error) is not click.UsageError else guess_command(path, args)


def _format_usage(error: click.ClickException) -> str:
    """Give the parser's own sentence, in lower case and without a full stop."""
    message = error.format_message()
    if isinstance(error, (click.NoSuchCommand, click.NoSuchOption)):
        message = error.message
    elif isinstance(error, click.BadParameter) and error.param is not None and error.message:
        message = f"Invalid value for {_name_parameter(error.param)}: {error.message}"
    return message[:1].lower() + message[1:].removesuffix(".")


def _name_parameter(parameter: click.Parameter) -> str:
    is_option = isinstance(parameter, click.Option)
    return " or ".join(parameter.opts) if is_option else (parameter.name or "").upper()


def _tell(
    args: Sequence[str], settings: Settings, error: GitSessionError, code: str, exit_code: int
) -> int:
    """Report the failure that is being handled and return `exit_code`."""
    if settings.is_debug or _stands_in(args, "--debug"):
        import traceback

        say(*traceback.format_exc().rstrip().split("\n"))
    try:
        say_error(error)
        if _wants_json(args, settings):
            from git_session.cli.ui.output import print_failure

            print_failure(code, error.message, error.hint)
        flush_output()
    except (OSError, GitSessionError):
        close_output()  # nobody is left to be told
    return exit_code


def _wants_json(args: Sequence[str], settings: Settings) -> bool:
    return settings.is_json or _stands_in(args, "--json")


def _stands_in(args: Sequence[str], option: str) -> bool:
    """Look for an option on a line that may be too wrong to be parsed."""
    before = args[: args.index("--")] if "--" in args else args
    return option in before


def _is_text(arg: str) -> bool:
    try:
        arg.encode()
    except UnicodeEncodeError:
        return False
    return True
