"""Say why there may be no log here, or only a part, and what to type; without the network."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress
from typing import TYPE_CHECKING

from git_session.core.wire import names
from git_session.core.wire.git_object import COMMIT
from git_session.core.wire.plain_text import quote_word
from git_session.errors import (
    DamagedLogError,
    GitSessionError,
    LostLogError,
    NotFoundError,
    TooLargeError,
)
from git_session.git.repository.refs import RefStore
from git_session.git.values import parse_flag
from git_session.host.files.regular_file import read_regular

if TYPE_CHECKING:
    from git_session.git.repository.objects import ObjectStore
    from git_session.git.settings import GitSettings


def explain_absence(store: RefStore) -> NotFoundError:
    """Form the error of a log that is not there; a LostLogError where it may have been one."""
    lost = _find_lost(store)
    if lost is not None:
        return lost
    sentence = f"there is no log yet: {names.WAL_REF} does not exist"
    begin = "git session init makes it ready, git session task add TITLE begins the log"
    with suppress(GitSessionError):
        name = quote_word(store.settings.default_remotes()[0])
        return NotFoundError(
            sentence, f"git session sync fetches the log of {name}, if it has one; {begin}"
        )
    return NotFoundError(sentence, begin)


def refuse_to_hide(store: RefStore) -> None:
    """Raise LostLogError where a log was, and a new one would keep repair from looking for it."""
    lost = _find_lost(store)
    if lost is not None:
        raise lost


def explain_gaps(store: ObjectStore, missing: int) -> tuple[str, str] | None:
    """Form a sentence and a hint about `missing` parts that git left at a remote on purpose.

    None in a clone that is whole by all that git says: there the parts are lost.
    """
    many = missing > 1
    if has_shallow_log(store):
        what = f"{missing} commit{'s' * many} and what is before {'them' if many else 'it'}"
        why = f"{what} {'are' if many else 'is'} not here, as it was fetched with a depth limit"
    elif find_promisors(store.settings):
        why = f"{missing} object{'s' * many} of it {'are' if many else 'is'} not here"
        why += ", as this is a partial clone"
    else:
        return None
    return f"the log is incomplete: {why}", "git session sync fetches the rest"


def has_gaps(store: ObjectStore, known: Container[str]) -> bool:
    """Tell whether a part of the log cannot be read, but for the commits in `known`."""
    head = store.read_ref(names.WAL_REF)
    if head is None or head in known:
        return False
    faults: list[str] = []
    commits = store.read_commits(head, known, lambda *fault: faults.append(fault[2]))
    try:
        return any(faults or None in dict(commit.chunks).values() for commit in commits)
    except DamagedLogError:
        return True


def has_shallow_log(store: ObjectStore) -> bool:
    """Tell whether the log was fetched with a depth limit; one of branches does not count.

    Source: gitrepository-layout ("shallow").
    """
    try:
        lines = read_regular(store.common_dir / "shallow").decode(errors="replace").split("\n")
    except OSError:
        return False
    return any(is_of_grite(store, oid) for oid in lines if oid)


def find_source(store: ObjectStore) -> str | None:
    """Name the remote that has what a shallow or partial clone lacks; None in a whole one."""
    promisors = find_promisors(store.settings)
    if not promisors and not has_shallow_log(store):
        return None
    with suppress(GitSessionError):
        return (promisors or store.settings.default_remotes())[0]
    return None


def find_promisors(settings: GitSettings) -> list[str]:
    """List the remotes that git may fetch missing objects from: those of a partial clone.

    Source: git-config ("remote.<name>.promisor").
    """
    try:
        found = settings.config_matching(r"^remote\..*\.promisor$")
    except GitSessionError:
        return []
    return [key[len("remote.") : -len(".promisor")] for key, value in found if parse_flag(value)]


def is_of_grite(store: ObjectStore, oid: str) -> bool:
    """Tell whether a commit is of a log or a snapshot, and not of the project's own history."""
    found = None
    with suppress(TooLargeError):
        found = store.files.read(oid)
    return found is not None and found[0] == COMMIT and names.is_of_grite(found[1])


def _find_lost(store: RefStore) -> LostLogError | None:
    remote = _find_tracked(store)
    if remote is None:
        return None
    return LostLogError(
        f"{names.WAL_REF} is not there, but {remote} was seen here with a log",
        "git session repair searches for it, including unsent records;"
        f" git session sync fetches what {remote} has",
    )


def _find_tracked(store: RefStore) -> str | None:
    """Find a remote whose log was seen here; one that has no name is called `a remote`."""
    try:
        refs = store.list_refs(names.TRACKING_PREFIX)
    except GitSessionError:
        return None
    ending = names.WAL_REF.removeprefix("refs")
    seen = [ref for ref in refs if ref.endswith(ending)]
    return next((quote_word(names.tracked_remote(ref) or "a remote") for ref in seen), None)
