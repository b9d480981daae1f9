"""Open and make repositories as git does, by libgit2."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import Option, RepositoryOpenFlag

from git_session.core.wire.git_object import require_small
from git_session.errors import ReadOnlyError
from git_session.git.discovery import explain_refusal, require_regular_above

_FROM_GIT_DIR: Final = (
    RepositoryOpenFlag.FROM_ENV | RepositoryOpenFlag.NO_SEARCH | RepositoryOpenFlag.NO_DOTGIT
)
ERRORS: Final = (pygit2.GitError, OSError, KeyError, ValueError)
"""What libgit2 raises."""


def open_repository(path: Path) -> pygit2.Repository:
    """Find the repository as git does: upward from `path`, or where GIT_DIR says.

    Raises NotARepositoryError, UnsupportedRepositoryError (SHA-256, reftable), and
    EnvironmentFaultError for one that belongs to somebody else or cannot be opened.
    """
    named = os.environ.get("GIT_DIR")
    place = Path(path, named) if named else Path(path)
    require_regular_above(place.absolute())
    return _open(place, _FROM_GIT_DIR if named else RepositoryOpenFlag.FROM_ENV)


def reopen_repository(git_dir: Path) -> pygit2.Repository:
    """Open the repository whose git directory was found before. Raises as open_repository."""
    return _open(git_dir, RepositoryOpenFlag.NO_SEARCH)


def make_refs_durable() -> None:
    """Let libgit2 wait, with each ref from now on, until the disk has it."""
    pygit2.option(Option.ENABLE_FSYNC_GITDIR, True)


def create_repository(path: Path, *, is_bare: bool) -> pygit2.Repository:
    """Make a new repository at `path`, whose folders are made too. Raises ReadOnlyError."""
    try:
        pygit2.init_repository(os.fspath(path), bare=is_bare, initial_head="main")
    except (pygit2.GitError, OSError) as error:
        raise ReadOnlyError(f"cannot create a repository at {path}: {error}") from error
    return _open(path, RepositoryOpenFlag.NO_SEARCH)


class Packs:
    """Reads the packs of object folders, without the objects that are files of their own."""

    def __init__(self, folders: Iterable[str]) -> None:
        pygit2.option(Option.ENABLE_CACHING, False)
        self._packs = pygit2.Odb()
        for folder in folders:
            self._packs.add_backend(pygit2.OdbBackendPack(folder), 1)

    def read(self, oid: str) -> tuple[int, bytes]:
        """Read an object: its kind and its bytes. Raises what is in ERRORS, and TooLargeError."""
        require_small(oid, *self._packs.read_header(oid))
        return self._packs.read(oid)


def find_worktree(repository: pygit2.Repository, path: Path) -> Path | None:
    """Find the top of the checkout; libgit2 takes the folder above any git directory for it."""
    named = os.environ.get("GIT_WORK_TREE")
    if named:
        return Path(path, named).resolve()
    if repository.is_bare:
        return None
    top = repository.workdir
    is_its_own = pygit2.discover_repository(top) == repository.path
    if is_its_own or "core.worktree" in repository.config:
        return Path(top)
    return Path(path).resolve() if "GIT_DIR" in os.environ else None


def _open(place: Path, flags: RepositoryOpenFlag) -> pygit2.Repository:
    # A log's objects are read once each; remembering them is a tenth of the work.
    pygit2.option(Option.ENABLE_CACHING, False)
    extensions = pygit2.option(Option.GET_EXTENSIONS)
    if "partialclone" not in extensions:
        # It only tells where missing objects can be had, and missing ones are borne here.
        supported = [*extensions, "partialclone"]
        pygit2.option(Option.SET_EXTENSIONS, supported, len(supported))
    try:
        return pygit2.Repository(os.fspath(place), flags)
    except ERRORS as error:
        git_dir, foreign = _discover(place, flags), _find_foreign(place, flags)
        raise explain_refusal(place, git_dir, foreign, reason=str(error)) from error


def _discover(place: Path, flags: RepositoryOpenFlag) -> Path | None:
    if flags & RepositoryOpenFlag.NO_SEARCH:
        return place if (place / "HEAD").exists() else None
    ceiling = os.environ.get("GIT_CEILING_DIRECTORIES", "")
    try:
        found = pygit2.discover_repository(os.fspath(place), False, ceiling)
    except ERRORS:
        return None
    return Path(found) if found else None


def _find_foreign(place: Path, flags: RepositoryOpenFlag) -> Path | None:
    """Find what is refused for its owner alone: a checkout, or a bare repository."""
    was_checked = pygit2.option(Option.GET_OWNER_VALIDATION)
    pygit2.option(Option.SET_OWNER_VALIDATION, False)
    try:
        repository = pygit2.Repository(os.fspath(place), flags)
    except ERRORS:
        return None
    finally:
        pygit2.option(Option.SET_OWNER_VALIDATION, was_checked)
    return Path(repository.path if repository.is_bare else repository.workdir)
