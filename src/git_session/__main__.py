"""The entry of `git session`, `git-session` and `python -m git_session`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> None:
    """Runs the command line and exits with its code."""
    try:
        from git_session.cli.boundary import run_command_line

        code = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:  # while the first modules were still being loaded
        code = 130
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Ends the process without taking the interpreter apart, which would take 10 to 30 ms."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            code = code or 5
    os._exit(code)


if __name__ == "__main__":
    main()
