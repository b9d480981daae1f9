"""Make a repository ready for sessions: an actor, grite's config, and the ignore rule."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from git_session.core.fold.rows import Row
from git_session.errors import ReadOnlyError
from git_session.git.repository.objects import ObjectStore
from git_session.host.clock import read_clock
from git_session.host.files.regular_file import read_regular
from git_session.log.actors.actors import ensure_actor, resolve_actor

_EXCLUDE_RULE: Final = "/.grite/"
_SAME_RULES: Final = frozenset({"/.grite/", ".grite/", "/.grite", ".grite"})


def make_ready(
    path: str | Path = ".",
    *,
    actor_id: str | None = None,
    clock: Callable[[], int] = read_clock,
    environ: Mapping[str, str] = os.environ,
) -> Row:
    """Return the repository what it lacks and say what it did; doing it twice changes nothing.

    What grite made is left as it is. Raises NotARepositoryError, ReadOnlyError or ConfigError.
    """
    store = ObjectStore.open(Path(path))
    done: list[str] = []
    kept: list[str] = []
    actor = resolve_actor(store.common_dir, actor_id=actor_id, environ=environ)
    if actor is None:
        actor = ensure_actor(
            store.common_dir,
            now=clock(),
            new_actor_id=secrets.token_hex(16),
            actor_id=actor_id,
            environ=environ,
        )
        done.append(f"made actor {actor.actor_id} and set it as the default")
    else:
        kept.append(f"actor {actor.actor_id}")
    if store.worktree is not None:
        if exclude_own_files(store.common_dir):
            done.append(f"added {_EXCLUDE_RULE} to info/exclude")
        else:
            kept.append(f"{_EXCLUDE_RULE} in info/exclude")
    return {
        "common_dir": str(store.common_dir),
        "actor_id": actor.actor_id,
        "done": done,
        "kept": kept,
    }


def exclude_own_files(common_dir: Path) -> bool:
    """Add the rule for logs and worktrees at the end of git's own list of what to ignore.

    False when it is there already. Raises ReadOnlyError.
    """
    path = common_dir / "info" / "exclude"
    try:
        text = read_regular(path) if path.exists() else b""
        if any(line.rstrip().decode(errors="replace") in _SAME_RULES for line in text.split(b"\n")):
            return False
        path.parent.mkdir(exist_ok=True)
        # Appended, not rewritten: other programs edit this file too.
        with path.open("ab") as file:
            file.write((b"" if not text or text.endswith(b"\n") else b"\n") + b"/.grite/\n")
    except OSError as error:
        raise ReadOnlyError(f"cannot write {path}: {error.strerror}") from error
    return True
