"""Why a command ended, in brat's words: from its exit code and from what it was told."""

from __future__ import annotations

from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM

import pytest

from git_session.run.supervisor import name_reason

CTRL_C, HANGUP, TERM = {SIGINT}, {SIGHUP}, {SIGTERM}


@pytest.mark.parametrize(
    ("code", "told", "reason"),
    [
        (0, set(), "completed"),
        # Whoever ends well has not been stopped, whatever it was told on the way.
        (0, CTRL_C, "completed"),
        (1, set(), "crash"),
        (-SIGINT, set(), "user-stop"),
        (-SIGHUP, HANGUP, "user-stop"),
        (-SIGQUIT, {SIGQUIT}, "user-stop"),
        (-SIGTERM, TERM, "signal"),
        (-SIGKILL, set(), "signal"),
        (-SIGKILL, CTRL_C, "signal"),
        # Those that catch it end with a code of their own choice.
        (130, set(), "user-stop"),
        (130, CTRL_C, "user-stop"),
        (1, CTRL_C, "user-stop"),
        (129, HANGUP, "user-stop"),
        (143, TERM, "signal"),
        (1, TERM, "signal"),
        (143, {SIGTERM, SIGINT}, "signal"),
        # git says so of wrong usage, and a shell of a signal that hit somebody else.
        (129, set(), "crash"),
        (139, set(), "crash"),
    ],
)
def test_the_reason_follows_from_the_code_and_what_it_was_told_lately(
    code: int, told: set[int], reason: str
) -> None:
    assert name_reason(code, set(told)) == reason
