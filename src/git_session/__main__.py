"""The entry of `git session`, `git-session` and `python -m git_session`."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_CALLED_BACK: Final = ["hook", "run", "--called-back"]
"""How the shell of an installed hook calls; see connect/hooks/shims."""
_AGENT_TELLS: Final = ["hook", "run", "agent"]
"""How an agent calls, at every one of its events; see connect/agents/record.py."""
_GARBAGE: Final = 1_000_000
"""Objects from which on to look for cycles among them: more than any but the longest read makes.

A command is over before it pays, and to look through a long log takes longer than to fold it.
"""


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(_GARBAGE)
    try:
        code = _choose(sys.argv[1:4])(sys.argv)
    except KeyboardInterrupt:  # while the first modules were still being loaded
        code = 130
    _leave(code)


def _choose(words: list[str]) -> Callable[[list[str]], int]:
    """Choose what the line is for: the two that somebody waits for load no command line."""
    if words == _CALLED_BACK:
        return _finish_hook
    return _hear_agent if words == _AGENT_TELLS else _run


def _run(argv: list[str]) -> int:
    from git_session.cli.boundary import run_command_line

    return run_command_line(argv[1:])


def _hear_agent(argv: list[str]) -> int:
    """Record an agent's event; it must not notice, so there is no failure and no word."""
    if set(argv[4:]) & {"-h", "--help"} or len(argv) < 5:
        return _run(argv)
    from git_session.connect.agents.record import run_agent_hook

    run_agent_hook(argv[4:], os.environ)
    return 0


def _finish_hook(argv: list[str]) -> int:
    """Finish an installed hook, which a commit waits for: without the command line's 30 ms."""
    from git_session.connect.hooks.run import finish_hook

    def on_failure(sentence: str) -> None:
        from git_session.cli.ui.streams import say

        say(f"git-session: {sentence}")

    finish_hook(argv[4:], os.environ, on_failure)
    return 0


def _leave(code: int) -> NoReturn:
    """End the process without taking the interpreter apart, which would take 10 to 30 ms."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            code = code or 5
    os._exit(code)


if __name__ == "__main__":
    main()
