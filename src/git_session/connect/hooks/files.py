"""One hook as a file of its own: put where another one may stand, and taken out again.

Whatever stood there is renamed, never read as text, never lost; the file put there calls it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from git_session.connect.hooks.hook_files import move_hook, read_hook, remove_hook, write_hook
from git_session.connect.hooks.shim import (
    KEPT_ENDING,
    encode_shim,
    is_shim,
    is_unchanged,
    parse_program,
)
from git_session.errors import ConflictError

State = Literal["installed", "absent", "foreign", "modified", "disabled", "gone", "pending"]
Action = Literal["installed", "updated", "kept", "removed", "restored", "none"]


@dataclass(frozen=True, slots=True)
class HookFile:
    """Is a place for one hook: a path that git, or a hook manager, runs."""

    hook: str
    path: Path

    @property
    def kept(self) -> Path:
        """Return where what stood there before is kept."""
        return self.path.with_name(self.hook + KEPT_ENDING)

    def has_kept(self) -> bool:
        """Return whether something stood there before, and is called."""
        return os.path.lexists(self.kept)

    def look(self) -> State:
        """Look what stands there now. Raises ConflictError when it is no file."""
        data = read_hook(self.path)
        if data is None:
            return "absent"
        if not is_shim(data):
            return "foreign"
        if not is_unchanged(data, self.hook):
            return "modified"
        if not os.access(self.path, os.X_OK):
            return "disabled"
        return "installed" if os.access(parse_program(data)[0], os.X_OK) else "gone"

    def program(self) -> list[str]:
        """Return the words of the program that the hook there calls; none where it is not ours."""
        data = read_hook(self.path)
        return parse_program(data) if data is not None and is_shim(data) else []

    def install(self, program: Sequence[str], *, is_forced: bool) -> Action:
        """Put the hook there, and keep what is there now so that it is called.

        Raises ConflictError when there is no room to keep it, unless forced: then it is set aside,
        not to be called any more. Raises ReadOnlyError.
        """
        wanted, state = encode_shim(self.hook, program), self.look()
        if state == "installed" and read_hook(self.path) == wanted:
            return "kept"
        if state == "foreign":
            move_hook(self.path, self._find_room(is_forced=is_forced))
        write_hook(self.path, wanted)
        return "installed" if state in ("absent", "foreign") else "updated"

    def uninstall(self) -> Action:
        """Take the hook out and put back what was there before; other people's hooks stay."""
        state = self.look()
        # Left alone, what was kept goes back under its own name, not one that a manager gave ours.
        is_left_alone = self.path.name == self.hook and self.has_kept()
        if state == "foreign" or (state == "absent" and not is_left_alone):
            return "none"
        if self.has_kept():
            move_hook(self.kept, self.path)
            return "restored"
        remove_hook(self.path)
        return "removed"

    def _find_room(self, *, is_forced: bool) -> Path:
        if not self.has_kept():
            return self.kept
        if not is_forced:
            raise ConflictError(
                f"{self.path} differs from the hook kept in {self.kept.name}",
                "--force sets it aside; it is no longer called",
            )
        number = 1
        while os.path.lexists(path := self.path.with_name(f"{self.hook}.set-aside-{number}")):
            number += 1
        return path
