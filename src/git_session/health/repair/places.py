"""Where the log may be found besides its own ref: other refs, reflogs, lost commits, a remote."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from git_session.core.wire import names
from git_session.core.wire.commit import LogCommit
from git_session.core.wire.plain_text import quote_word
from git_session.errors import DamagedLogError, EnvironmentFaultError
from git_session.git.child import run_program
from git_session.git.program import git_environment
from git_session.git.remote import Git
from git_session.git.repository import commits
from git_session.git.repository.commits import OnFault, ReadObject, ignore_fault
from git_session.git.repository.objects import ObjectStore
from git_session.git.repository.walk import Walk
from git_session.host.clock import read_clock
from git_session.host.files.config_file import cannot_write
from git_session.host.files.regular_file import (
    open_regular,
    read_regular,
    require_regular_objects,
)
from git_session.log.absence import is_of_grite

Kind = Literal["reflog", "remote", "tracking", "ref", "snapshot", "lost"]

AS_LAST_SEEN: Final = ", as last seen"
"""How the name of a place ends that is a remote's log as it was fetched last."""

_CODE_REFS: Final = ("refs/heads/", "refs/tags/", "refs/remotes/", "refs/notes/", "refs/stash")
_REFLOG_LINE: Final = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ")
_OLD_HEAD_LINE: Final = re.compile(rb"([0-9a-f]{40}) [0-9a-f]{40} \d+")
_OLD_HEADS: Final = "old-heads"
_NO_ID: Final = "0" * 40
_PATIENCE_S: Final = 600.0


class Place(NamedTuple):
    """Names a commit that the log, or a part of it, may be read from, and how it is known.

    `is_theirs` tells that a remote holds it, where there may be more than was ever here.
    """

    kind: Kind
    name: str
    commit: str
    is_theirs: bool = False


def read_line(
    read: ReadObject, head: str, on_fault: OnFault = ignore_fault, known: Container[str] = ()
) -> Iterator[LogCommit]:
    """Read the line from a commit down, to those `known`; objects come from `read` alone."""
    walk = Walk(
        known=known,
        read=lambda oid: commits.read_log_commit(read, oid, on_fault),
        stream=lambda _: (_ for _ in ()),
        is_streamed=lambda _: False,
        on_fault=on_fault,
    )
    return walk.run(head)


def find_refs(store: ObjectStore, origin: str = "") -> Iterator[Place]:
    """Find the refs of a repository that hold a log, or had one in them when they were made.

    `origin` names the repository where it is not the user's own.
    """
    for ref, oid in store.list_refs("refs/").items():
        if ref.startswith(_CODE_REFS) or (ref == names.WAL_REF and not origin):
            continue
        if names.LOCK_PREFIX.removeprefix("refs/") in ref or not is_of_grite(store, oid):
            continue
        remote = names.tracked_remote(ref)
        is_theirs = bool(origin) or ref.startswith(names.TRACKING_PREFIX)
        if names.SNAPSHOT_PREFIX.removeprefix("refs/") in ref:
            yield Place("snapshot", f"{origin} {ref}".lstrip(), oid, is_theirs)
        elif origin:
            yield Place("remote", origin, oid, is_theirs)
        else:
            name = f"{remote}{AS_LAST_SEEN}" if remote else ref
            yield Place("tracking" if is_theirs else "ref", name, oid, is_theirs)


def find_reflog(store: ObjectStore) -> Iterator[Place]:
    """Find what the log's ref held before, the newest first, where git keeps its reflog."""
    try:
        lines = read_regular(store.common_dir / "logs" / names.WAL_REF).splitlines()
    except OSError:
        return
    for line in reversed(lines):
        match = _REFLOG_LINE.match(line)
        if match is not None and match[2].decode() != _NO_ID:
            yield Place("reflog", "the reflog", match[2].decode())


def find_old_heads(store: ObjectStore) -> Iterator[Place]:
    """Find the heads that note_old_head has noted; what they lacked may have turned up."""
    try:
        lines = read_regular(store.common_dir / names.SESSION_DIR / _OLD_HEADS).splitlines()
    except OSError:
        return
    for line in reversed(lines):
        match = _OLD_HEAD_LINE.match(line)
        if match is not None:
            yield Place("reflog", "a head that was replaced", match[1].decode())


def note_old_head(store: ObjectStore, old: str, new: str) -> None:
    """Note in a file which head of the log another one takes the place of. Raises ReadOnlyError.

    A line is the id of the old head, that of the new one, and the time in ms since the epoch.
    """
    path = store.common_dir / names.SESSION_DIR / _OLD_HEADS
    try:
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with open(open_regular(path, how), "ab") as file:
            file.write(f"{old} {new} {read_clock()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def drop_broken_reflog(store: ObjectStore, ref: str) -> None:
    """Let git drop those entries of a ref's reflog that lead to what is lost.

    `git gc` follows reflogs, too. Source: git-reflog(1), `--stale-fix`.
    """
    if not (store.common_dir / "logs" / ref).exists():
        return
    keep = ("--expire=never", "--expire-unreachable=never")
    run_program(
        ["git", f"--git-dir={store.git_dir}", "reflog", "expire", "--stale-fix", *keep, ref],
        cwd=store.git_dir,
        env=git_environment(),
        timeout_s=_PATIENCE_S,
    )


def find_lost_commits(store: ObjectStore) -> Iterator[Place]:
    """Find the commits that grite or git-session wrote, whether or not anything leads to them.

    Of those that lead to one another only the newest are given. Looks at every commit there is.
    """
    found: dict[str, tuple[str, ...]] = {}
    for oid in _list_commits(store):
        if is_of_grite(store, oid):
            head = commits.read_commit_head(store.files.read, oid)
            found[oid] = head.parents if head else ()
    older = {parent for parents in found.values() for parent in parents}
    for oid in sorted(found.keys() - older):
        yield Place("lost", "commits that no ref leads to", oid)


def _list_commits(store: ObjectStore) -> Iterator[str]:
    require_regular_objects(store.common_dir)
    form = "--batch-check=%(objecttype) %(objectname)"
    command = ["git", f"--git-dir={store.git_dir}", "cat-file", form]
    ended = run_program(
        [*command, "--batch-all-objects", "--unordered"],
        cwd=store.git_dir,
        env=git_environment(),
        timeout_s=_PATIENCE_S,
    )
    for line in ended.stdout.decode(errors="replace").splitlines():
        kind, _, oid = line.partition(" ")
        if kind == "commit":
            yield oid


@contextmanager
def borrow_log(
    store: ObjectStore, remote: str, open_git: Callable[[Path, Path], Git]
) -> Iterator[ObjectStore]:
    """Fetch a remote's whole log into a repository that is gone afterwards.

    Nothing of what is here is relied on, which may be damaged, but git's configuration. Raises
    what Git.fetch does, and EnvironmentFaultError.
    """
    with tempfile.TemporaryDirectory(prefix="git-session-") as folder:
        path = Path(folder, "log.git")
        try:
            donor = ObjectStore.create(path, is_bare=True)
            own = (path / "config").read_text()
            settings = os.fspath(store.common_dir / "config")
            quoted = settings.replace("\\", "\\\\").replace('"', '\\"')
            # What the new repository says of itself comes last and counts.
            (path / "config").write_text(f'[include]\n\tpath = "{quoted}"\n{own}')
        except OSError as error:
            raise EnvironmentFaultError(f"cannot write to {folder}: {error.strerror}") from error
        git = open_git(path, store.worktree or store.git_dir)
        git.fetch(remote, [f"+{names.GRITE_PREFIX}*:{names.GRITE_PREFIX}*"], prune=False)
        yield donor


def format_ref_command(store: ObjectStore, head: str | None, new: str) -> str:
    """Form the command that makes the log's ref name `new`; `head` is the id that it holds now."""
    set_ref = f"git update-ref {names.WAL_REF} {new}"
    if head is not None:
        return set_ref if head == _NO_ID else f"{set_ref} {head}"
    path = store.common_dir / names.WAL_REF
    try:
        is_symbolic = read_regular(path, 4) == b"ref:"
    except OSError:
        is_symbolic = False
    if is_symbolic:
        return f"git update-ref --no-deref {names.WAL_REF} {new}"
    return f"rm {quote_word(os.fspath(path))} && {set_ref}"


def read_head(store: ObjectStore) -> tuple[str | None, DamagedLogError | None]:
    """Read the log's head: its id, None where there is none, and why it cannot be read."""
    store.put_back()
    try:
        head = store.read_ref(names.WAL_REF)
    except DamagedLogError as error:
        return None, error
    try:
        if head is not None:
            store.require_log_commit(head)
    except DamagedLogError as error:
        return head, error
    return head, None
