"""The entry of `git session`, `git-session` and `python -m git_session`."""

from __future__ import annotations

import gc
import os
import sys
from typing import Final, NoReturn

_CALLED_BACK: Final = ["hook", "run", "--called-back"]
"""How the shell of an installed hook calls; see hooks/shims."""
_GARBAGE: Final = 1_000_000
"""Objects from which on to look for cycles among them: more than any but the longest read makes.

A command is over before it pays, and to look through a long log takes longer than to fold it.
"""


def main() -> None:
    """Runs the command line and exits with its code."""
    gc.set_threshold(_GARBAGE)
    try:
        code = _finish_hook(sys.argv[4:]) if sys.argv[1:4] == _CALLED_BACK else _run(sys.argv[1:])
    except KeyboardInterrupt:  # while the first modules were still being loaded
        code = 130
    _leave(code)


def _run(args: list[str]) -> int:
    from git_session.cli.boundary import run_command_line

    return run_command_line(args)


def _finish_hook(args: list[str]) -> int:
    """Finishes an installed hook, which a commit waits for: without the command line's 30 ms."""
    from git_session.hooks.run import finish_hook

    def on_failure(sentence: str) -> None:
        from git_session.cli.streams import say

        say(f"git-session: {sentence}")

    finish_hook(args, os.environ, on_failure)
    return 0


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
