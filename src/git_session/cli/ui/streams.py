"""The program's streams: what is said on stderr, and stdout written to its end.

Loaded by every command line, `--version` included, so it imports next to nothing.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import NoReturn, TextIO

from git_session.errors import EnvironmentFaultError, GitSessionError


def say(*lines: str) -> None:
    """Say lines on stderr, after what was printed before where both go the same way.

    A line break in one makes no further line: text from the store cannot pass for one of ours.
    """
    flush_output()
    if sys.stderr is not None:
        # 2 ms, for those who have to say something.
        from git_session.core.wire.plain_text import strip_controls

        print("\n".join(map(strip_controls, lines)), file=sys.stderr)


def say_warning(line: str) -> None:
    """Say on stderr what the user should know although the command went on."""
    say(f"warning: {line}")


def say_error(error: GitSessionError) -> None:
    """Say on stderr what went wrong, and what to type next."""
    # Its message has no line breaks but its own.
    say(*f"error: {error.message}".split("\n"), *([f"hint: {error.hint}"] if error.hint else []))


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def has_colors() -> bool:
    """Return whether colours are wanted: a terminal that has them, and no NO_COLOR."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return is_terminal(sys.stdout)


def tolerate_encodings() -> None:
    """Make text that the terminal's encoding lacks come out as `?` and not as a failure."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def flush_output() -> None:
    """Make sure that all was written. Raises EnvironmentFaultError, or BrokenPipeError."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            _refuse(error)


def close_output() -> None:
    """Return up on stdout, so that the interpreter does not complain about it at its end."""
    with suppress(OSError, AttributeError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def write_out(data: bytes | str) -> None:
    """Write to stdout. Raises EnvironmentFaultError, or BrokenPipeError for a reader gone."""
    if sys.stdout is None:
        return
    try:
        if isinstance(data, str):
            sys.stdout.write(data)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    if error.errno == errno.EPIPE:
        raise error
    close_output()
    raise EnvironmentFaultError(f"cannot write the output: {error.strerror}") from error
