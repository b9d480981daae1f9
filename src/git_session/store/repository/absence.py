"""Says why there may be no log here, or only a part, and what to type; without the network."""

from __future__ import annotations

import os
from contextlib import suppress

from git_session.errors import GitSessionError, LostLogError, NotFoundError
from git_session.store.git.values import parse_flag
from git_session.store.repository.refs import RefStore
from git_session.wire import names
from git_session.wire.plain_text import quote_word


def explain_absence(store: RefStore) -> NotFoundError:
    """Forms the error of a log that is not there; a LostLogError where it may have been one."""
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
    """Raises LostLogError where a log was, and a new one would keep repair from looking for it."""
    lost = _find_lost(store)
    if lost is not None:
        raise lost


def is_partial(store: RefStore) -> bool:
    """Tell whether git left objects at a remote: a shallow or a partial clone.

    Source: gitrepository-layout ("shallow"), git-config ("remote.<name>.promisor").
    """
    try:
        if os.path.getsize(store.common_dir / "shallow"):
            return True
    except OSError:
        pass
    return bool(find_promisors(store))


def find_source(store: RefStore) -> str | None:
    """Name the remote that has what a shallow or partial clone lacks; None in a whole one."""
    if not is_partial(store):
        return None
    with suppress(GitSessionError):
        return (find_promisors(store) or store.settings.default_remotes())[0]
    return None


def find_promisors(store: RefStore) -> list[str]:
    """List the remotes that git may fetch missing objects from, each time it misses one."""
    try:
        found = store.settings.config_matching(r"^remote\..*\.promisor$")
    except GitSessionError:
        return []
    return [key[len("remote.") : -len(".promisor")] for key, value in found if parse_flag(value)]


def _find_lost(store: RefStore) -> LostLogError | None:
    remote = _find_tracked(store)
    if remote is None:
        return None
    return LostLogError(
        f"{names.WAL_REF} is not there, but {remote} was seen here with a log",
        "git session repair looks for what it was, also for what was never sent;"
        f" git session sync brings what {remote} has",
    )


def _find_tracked(store: RefStore) -> str | None:
    """Finds a remote whose log was seen here; one that has no name is called `a remote`."""
    try:
        refs = store.list_refs(names.TRACKING_PREFIX)
    except GitSessionError:
        return None
    ending = names.WAL_REF.removeprefix("refs")
    seen = [ref for ref in refs if ref.endswith(ending)]
    return next((quote_word(names.tracked_remote(ref) or "a remote") for ref in seen), None)
