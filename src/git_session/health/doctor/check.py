"""What the doctor looks at, one thing a line: how it stands, and the command that mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from git_session.errors import GitSessionError

Status = Literal["ok", "warning", "failing"]


@dataclass(frozen=True, slots=True)
class Check:
    """Holds one line; `command` mends it, and `mend` does so without asking, where that is safe."""

    name: str
    status: Status
    message: str
    command: str | None = None
    mend: Callable[[], object] | None = None

    def row(self, *, is_mended: bool = False) -> dict[str, Any]:
        """Return the row of a DoctorLine."""
        return {
            "name": self.name,
            "status": self.status,
            "message": self.message,
            "command": self.command,
            "is_mended": is_mended,
        }


def fine(name: str, message: str, command: str | None = None) -> Check:
    """Form the line of something that is well; `command` is what else could be done."""
    return Check(name, "ok", message, command)


def fail(name: str, error: GitSessionError, command: str | None = None) -> Check:
    """Form the line of something that could not even be looked at."""
    return Check(name, "failing", error.message.partition("\n")[0], command or error.hint)
