"""Replace this process by another program, without loading what starts one beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

from git_session.errors import EnvironmentFaultError


def become_program(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become `command`, found on PATH; streams and directory stay.

    Raises EnvironmentFaultError.
    """
    try:
        os.execvpe(command[0], list(command), dict(environ))  # noqa: S606 - no shell is wanted
    except OSError as error:
        message = f"cannot run {command[0]}: {error.strerror}"
        raise EnvironmentFaultError(message, f"{command[0]} must be on PATH") from error
