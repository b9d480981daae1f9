"""Find a repository without libgit2, which takes longer to load than to ask.

Only what is plain is answered here. At the first sign of anything else the answer is that it is
unclear, and libgit2 decides; it also has the words for what is wrong. One thing is not looked at:
the user's own settings, where a syntax error makes libgit2 refuse every repository.
Source: gitrepository-layout, git-config ("CONFIGURATION FILE"); libgit2 1.9.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from git_session.host.files.regular_file import read_regular

if TYPE_CHECKING:
    from pathlib import Path

_VARIABLES: Final = frozenset(
    {
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_COMMON_DIR"),
        *("GIT_DIR", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY"),
        "GIT_WORK_TREE",
    }
)
"""Variables that change what libgit2 finds."""

_HARMLESS: Final = ("noop", "partialclone", "preciousobjects", "worktreeconfig")
"""Extensions that change nothing about where a repository and its refs are."""

# Patterns are compiled where they are used: most of what is here is never asked.
_SECTION: Final = rb'\[([A-Za-z0-9.-]+)([ \t]+"(?:[^"\\]|\\.)*")?\]'
_SETTING: Final = (
    rb"([A-Za-z][A-Za-z0-9-]*)[ \t]*"
    rb'(?:=[ \t]*((?:[^"\\#;]|\\[nbt"\\]|"(?:[^"\\]|\\[nbt"\\])*")*)(?:[#;].*)?)?'
)
_TRUTH: Final = {
    **dict.fromkeys((b"true", b"yes", b"on", b"1"), True),
    **dict.fromkeys((b"false", b"no", b"off", b"0"), False),
}

LOCAL_VARIABLES: Final = frozenset(
    {
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DIR"),
        *("GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE"),
        *("GIT_INTERNAL_SUPER_PREFIX", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY"),
        *("GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE"),
    }
)
"""What `git rev-parse --local-env-vars` lists, without the two that carry `git -c` settings."""


class UnclearError(Exception):
    """Reports what only libgit2 can tell."""


class Place(NamedTuple):
    """Tells where a repository is, in the words of the object store."""

    git_dir: Path
    common_dir: Path
    worktree: Path | None


Directories = tuple[str, str, str | None]
"""A repository's git directory, the one that all its worktrees share, and the checkout."""


def find_place(path: Path, environ: Mapping[str, str]) -> Place | None:
    """Find the repository that `path` lies in; None when libgit2 has to say, or to refuse."""
    found = find_directories(path, environ)
    if found is None:
        return None
    from pathlib import Path

    git_dir, common_dir, worktree = found
    return Place(Path(git_dir), Path(common_dir), None if worktree is None else Path(worktree))


def find_directories(
    path: str | os.PathLike[str], environ: Mapping[str, str]
) -> Directories | None:
    """Find what find_place finds, for those who can do without the 2 ms that paths take."""
    if not _VARIABLES.isdisjoint(environ):
        return None
    try:
        start = os.path.realpath(path, strict=True)
        start.encode()
        return _find_upward(start)
    except (OSError, UnclearError, ValueError):  # a path that no file can have is a ValueError
        return None


def find_common_dir_of_hook(environ: Mapping[str, str]) -> str | None:
    """Find the git directory that all worktrees share, from where git runs a hook; None if unclear.

    That is the top of a checkout, or a bare repository. git sets GIT_DIR where `.git` is no folder.
    Source: githooks(5).
    """
    git_dir = environ.get("GIT_DIR") or ".git"
    try:
        if os.path.isfile(git_dir):
            git_dir = _read_line(git_dir).removeprefix("gitdir: ")
        common_dir = environ.get("GIT_COMMON_DIR") or git_dir
        if common_dir == git_dir and _has(git_dir, "commondir"):
            common_dir = os.path.join(git_dir, _read_line(os.path.join(git_dir, "commondir")))
    except OSError:
        return None
    return common_dir if os.path.isdir(os.path.join(common_dir, "objects")) else None


# -- the repository


def _find_upward(folder: str) -> Directories:
    """Look as libgit2 does: in each folder for `.git`, then at the folder itself."""
    device = None
    while True:
        for candidate in (os.path.join(folder, ".git"), folder):
            try:
                found = os.lstat(candidate)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if found.st_dev != (device or found.st_dev):
                raise UnclearError("another file system begins here")
            device = found.st_dev
            if candidate == folder:
                if _has(folder, "HEAD"):
                    return _open_folder(folder)
            elif stat.S_ISDIR(found.st_mode):
                return _open_folder(candidate)
            elif stat.S_ISREG(found.st_mode):
                return _open_link(folder, candidate)
            else:
                raise UnclearError(".git is neither a folder nor a file")
        above = os.path.dirname(folder)
        if above == folder:
            raise UnclearError("there is no repository")
        folder = above


def _open_folder(git_dir: str) -> Directories:
    """Open a git directory met on the way: that of a main checkout, or a bare one."""
    if _has(git_dir, "commondir") or _has(git_dir, "gitdir"):
        raise UnclearError("the git directory of a linked worktree")
    if _read_bareness(git_dir, git_dir):
        _require_own(git_dir)
        return git_dir, git_dir, None
    worktree, name = os.path.split(git_dir)
    if name != ".git":
        raise UnclearError("neither bare nor part of a checkout")
    _require_own(git_dir, worktree)
    return git_dir, git_dir, worktree


def _open_link(worktree: str, link: str) -> Directories:
    """Follow a `.git` that is a file: of a linked worktree, or of a git directory elsewhere."""
    named = _read_line(link)
    if not named.startswith("gitdir: "):
        raise UnclearError(".git is no link")
    git_dir = os.path.realpath(os.path.join(worktree, named[len("gitdir: ") :]), strict=True)
    common_dir = git_dir
    is_linked = _has(git_dir, "commondir")
    if is_linked:
        common = _read_line(os.path.join(git_dir, "commondir"))
        common_dir = os.path.realpath(os.path.join(git_dir, common), strict=True)
        if common_dir == git_dir or _read_line(os.path.join(git_dir, "gitdir")) != link:
            raise UnclearError("the worktree has moved")
    elif _has(git_dir, "gitdir"):
        raise UnclearError("half a worktree")
    if _read_bareness(git_dir, common_dir) and not is_linked:
        raise UnclearError("a bare repository with a checkout")
    _require_own(worktree, link, git_dir)
    return git_dir, common_dir, worktree


def _require_own(*paths: str) -> None:
    """Raise UnclearError for what git trusts only if `safe.directory` says so."""
    if any(os.lstat(path).st_uid != os.geteuid() for path in paths):
        raise UnclearError("it belongs to somebody else")


def _read_bareness(git_dir: str, common_dir: str) -> bool:
    """Return whether a repository calls itself bare. Raises UnclearError for an uncommon one."""
    if not os.path.isfile(os.path.join(git_dir, "HEAD")):
        raise UnclearError("no repository")
    for name in ("objects", "refs"):
        if not os.path.isdir(os.path.join(common_dir, name)):
            raise UnclearError("no repository")
    settings = _read_settings(os.path.join(common_dir, "config"))
    if "extensions.worktreeconfig" in settings and _has(git_dir, "config.worktree"):
        settings |= _read_settings(os.path.join(git_dir, "config.worktree"))
    for name, value in settings.items():
        section, _, key = name.partition(".")
        is_plain = key in _HARMLESS or (key, value) == ("objectformat", b"sha1")
        if name == "core.worktree" or (section == "extensions" and not is_plain):
            raise UnclearError(name)
    if settings.get("core.repositoryformatversion", b"0") not in {b"0", b"1"}:
        raise UnclearError("another version of the format")
    is_bare = _TRUTH.get(settings.get("core.bare", b"false"))
    if is_bare is None:
        raise UnclearError("neither bare nor not")
    return is_bare


def _read_settings(path: str) -> dict[str, bytes]:
    """Read two sections of a file of git's settings, the last value of each.

    A value that is quoted in part or has escapes stays as it is spelt.
    """
    settings: dict[str, bytes] = {}
    section = ""
    data = read_regular(path)
    if b"\0" in data:
        raise UnclearError("not a text file")
    for line in data.split(b"\n"):
        text = line.strip()
        header = re.match(_SECTION, text) if text[:1] == b"[" else None
        if header is not None:
            section = header[1].decode().lower()
            if section.startswith("include"):
                raise UnclearError("settings in other files")
            if header[2]:
                section = ""  # none that matters has a second name
            text = text[header.end() :].lstrip()
        if not text or text[:1] in b"#;":
            continue
        setting = re.fullmatch(_SETTING, text)
        if setting is None:
            raise UnclearError("not a plain setting")
        if section in {"core", "extensions"}:
            value = setting[2]
            key = f"{section}.{setting[1].decode().lower()}"
            settings[key] = b"true" if value is None else value.strip().lower()
    return settings


def _read_line(path: str) -> str:
    return os.fsdecode(read_regular(path)).rstrip()


def _has(folder: str, name: str) -> bool:
    return os.path.lexists(os.path.join(folder, name))
