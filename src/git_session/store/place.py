"""Finds a repository and reads its refs without libgit2, which takes longer to load than to ask.

Only what is plain is answered here. At the first sign of anything else the answer is that it is
unclear, and libgit2 decides; it also has the words for what is wrong. One thing is not looked at:
the user's own settings, where a syntax error makes libgit2 refuse every repository.
Source: gitrepository-layout, git-config ("CONFIGURATION FILE"), git-pack-refs; libgit2 1.9.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

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

_SECTION: Final = re.compile(rb'\[([A-Za-z0-9.-]+)([ \t]+"(?:[^"\\]|\\.)*")?\]')
_SETTING: Final = re.compile(
    rb"([A-Za-z][A-Za-z0-9-]*)[ \t]*"
    rb'(?:=[ \t]*((?:[^"\\#;]|\\[nbt"\\]|"(?:[^"\\]|\\[nbt"\\])*")*)(?:[#;].*)?)?'
)
_TRUTH: Final = {
    **dict.fromkeys((b"true", b"yes", b"on", b"1"), True),
    **dict.fromkeys((b"false", b"no", b"off", b"0"), False),
}

_LOOSE: Final = re.compile(rb"([0-9a-f]{40})\s*")
_PACKED: Final = re.compile(rb"([0-9a-f]{40}) (refs/[^\s]+)")
_OF_ONE_WORKTREE: Final = ("refs/bisect/", "refs/rewritten/", "refs/worktree/")
_LONGEST_REF: Final = 1024
_TRIES: Final = 5


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


def find_place(path: Path, environ: Mapping[str, str]) -> Place | None:
    """Finds the repository that `path` lies in; None when libgit2 has to say, or to refuse."""
    if not _VARIABLES.isdisjoint(environ):
        return None
    try:
        start = os.path.realpath(path, strict=True)
        start.encode()
        return _find_upward(start)
    except (OSError, UnclearError, UnicodeError):
        return None


def read_ref_file(common_dir: Path, name: str) -> str | None:
    """Reads the commit id that a ref holds on disk at this moment; None without the ref.

    Raises UnclearError for a symbolic ref, a damaged one, and refs that are not in files.
    """
    _require_ref_files(common_dir, name)
    # git packs a ref before it removes the ref's own file: whoever misses the file finds the ref
    # packed, unless the packed ones that were read are those of before.
    try:
        for _ in range(_TRIES):
            before = _read_stamp(common_dir)
            found = _read_loose(common_dir, name)
            if found is None:
                found = dict(_read_packed(common_dir, name)).get(name)
            if found is not None or _read_stamp(common_dir) == before:
                return found
    except (OSError, UnicodeError) as error:
        raise UnclearError(str(error)) from error
    raise UnclearError("the refs are packed again and again")


def read_ref_files(common_dir: Path, prefix: str) -> dict[str, str]:
    """Reads the refs below `prefix`, which ends in a slash: names and commit ids.

    Raises UnclearError as read_ref_file does.
    """
    _require_ref_files(common_dir, prefix)
    try:
        # In this order: what is packed in between is then read twice, not missed.
        names = list(_list_loose(os.fspath(common_dir), prefix))
        loose = {name: oid for name in names if (oid := _read_loose(common_dir, name)) is not None}
        return dict(_read_packed(common_dir, prefix)) | loose
    except (OSError, UnicodeError) as error:
        raise UnclearError(str(error)) from error


# -- the repository


def _find_upward(folder: str) -> Place:
    """Looks as libgit2 does: in each folder for `.git`, then at the folder itself."""
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


def _open_folder(git_dir: str) -> Place:
    """Opens a git directory met on the way: that of a main checkout, or a bare one."""
    if _has(git_dir, "commondir") or _has(git_dir, "gitdir"):
        raise UnclearError("the git directory of a linked worktree")
    if _read_bareness(git_dir, git_dir):
        _require_own(git_dir)
        return Place(Path(git_dir), Path(git_dir), None)
    worktree, name = os.path.split(git_dir)
    if name != ".git":
        raise UnclearError("neither bare nor part of a checkout")
    _require_own(git_dir, worktree)
    return Place(Path(git_dir), Path(git_dir), Path(worktree))


def _open_link(worktree: str, link: str) -> Place:
    """Follows a `.git` that is a file: of a linked worktree, or of a git directory elsewhere."""
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
    return Place(Path(git_dir), Path(common_dir), Path(worktree))


def _require_own(*paths: str) -> None:
    """Raises UnclearError for what git trusts only if `safe.directory` says so."""
    if any(os.lstat(path).st_uid != os.geteuid() for path in paths):
        raise UnclearError("it belongs to somebody else")


def _read_bareness(git_dir: str, common_dir: str) -> bool:
    """Tells whether a repository calls itself bare. Raises UnclearError for an uncommon one."""
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
    """Reads two sections of a file of git's settings, the last value of each.

    A value that is quoted in part or has escapes stays as it is spelt.
    """
    settings: dict[str, bytes] = {}
    section = ""
    for line in Path(path).read_bytes().split(b"\n"):
        text = line.strip()
        header = _SECTION.match(text)
        if header is not None:
            section = header[1].decode().lower()
            if section.startswith("include"):
                raise UnclearError("settings in other files")
            if header[2]:
                section = ""  # none that matters has a second name
            text = text[header.end() :].lstrip()
        if not text or text[:1] in b"#;":
            continue
        setting = _SETTING.fullmatch(text)
        if setting is None:
            raise UnclearError("not a plain setting")
        if section in {"core", "extensions"}:
            value = setting[2]
            key = f"{section}.{setting[1].decode().lower()}"
            settings[key] = b"true" if value is None else value.strip().lower()
    return settings


def _read_line(path: str) -> str:
    return os.fsdecode(Path(path).read_bytes()).rstrip()


def _has(folder: str, name: str) -> bool:
    return os.path.lexists(os.path.join(folder, name))


# -- refs


def _require_ref_files(common_dir: Path, name: str) -> None:
    if not name.startswith("refs/") or name.startswith(_OF_ONE_WORKTREE):
        raise UnclearError("not a ref that all worktrees share")
    if _has(os.fspath(common_dir), "reftable"):
        raise UnclearError("the refs are not in files")


def _read_loose(common_dir: Path, name: str) -> str | None:
    how = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(os.path.join(common_dir, name), how)
    except FileNotFoundError:
        return None
    try:
        found = _LOOSE.fullmatch(os.read(fd, _LONGEST_REF))
    finally:
        os.close(fd)
    if found is None:
        raise UnclearError(f"{name} holds no commit id")
    return found[1].decode()


def _read_packed(common_dir: Path, prefix: str) -> Iterator[tuple[str, str]]:
    """Reads the packed refs whose names begin with `prefix`."""
    try:
        data = (common_dir / "packed-refs").read_bytes()
    except FileNotFoundError:
        return
    wanted = b" " + prefix.encode()
    place = data.find(wanted)
    while place >= 0:
        end = data.find(b"\n", place)
        found = _PACKED.fullmatch(data[data.rfind(b"\n", 0, place) + 1 : end])
        if found is None or end < 0:
            raise UnclearError("a line of packed-refs is damaged")
        yield found[2].decode(), found[1].decode()
        place = data.find(wanted, end)


def _read_stamp(common_dir: Path) -> tuple[int, int, int] | None:
    """Reads what tells the file of the packed refs from the one before it."""
    try:
        found = os.stat(common_dir / "packed-refs")
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _list_loose(common_dir: str, prefix: str) -> Iterator[str]:
    for folder, _, files in os.walk(os.path.join(common_dir, prefix), onerror=_refuse):
        for file in files:
            if not file.endswith(".lock"):
                yield os.path.relpath(os.path.join(folder, file), common_dir)


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
