"""Ask the remotes whether they can be reached and are in step, and check lease locks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from git_session.core.wire import names
from git_session.core.wire.lock import is_expired, parse_lock
from git_session.core.wire.plain_text import quote_word
from git_session.errors import (
    DamagedLogError,
    GitSessionError,
    NotFoundError,
    UsageError,
    WireError,
)
from git_session.git.remote import Git
from git_session.git.settings import REMOTE_KEY
from git_session.health.doctor.check import Check, fail, fine
from git_session.log.merge import leads_to
from git_session.log.secrets.refused import Refused, read_refused
from git_session.log.session_log import SessionLog
from git_session.sync.remotes import Remote, choose_remotes, open_git, tell_gone

TIMEOUT_S: Final = 10.0
_SYNC: Final = "git session sync"
_LONGEST_WORDS: Final = 500


def check_remotes(log: SessionLog) -> Iterator[Check]:
    """Check every remote that a sync would use, and at the locks."""
    git = open_git(log.store)
    git.timeout_s = TIMEOUT_S
    try:
        remotes = choose_remotes(git, [])
    except NotFoundError:
        yield fine("remote", "none configured, nothing to sync with")
        remotes = []
    for remote in remotes:
        yield _check_setting(git, remote) or _check_remote(log, git, remote)
    yield from _check_locks(log)


def _check_setting(git: Git, remote: Remote) -> Check | None:
    """Return the line of a remote that only the setting knows of; None for all others."""
    if remote.name not in git.config_all(REMOTE_KEY):
        return None
    try:
        git.find_address(remote.name)
    except (NotFoundError, UsageError) as error:
        known = git.remotes()
        better = f"git remote add {quote_word(remote.name)} URL"
        if known:
            better = f"git config {REMOTE_KEY} {quote_word(known[0])}"
        message = f"{REMOTE_KEY} names it, and {error.sentence}"
        return Check(f"remote {remote.name}", "failing", message, better)
    return None


def _check_remote(log: SessionLog, git: Git, remote: Remote) -> Check:
    name = f"remote {remote.name}"
    try:
        theirs = git.ls_remote(remote.name, [names.WAL_REF]).get(names.WAL_REF)
    except GitSessionError as error:
        return fail(name, error, error.hint or f"{_SYNC} {quote_word(remote.name)} shows why")
    mine = log.head()
    if theirs == mine:
        return fine(name, "reached, in sync")
    refused = read_refused(log.common_dir, remote.tracking)
    if refused is not None and mine is not None and not _is_known(log, theirs, mine):
        return _tell_refused(name, refused)
    command = f"{_SYNC} {quote_word(remote.name)}"
    tracked = log.store.read_ref(names.tracking_ref(remote.tracking, names.WAL_REF))
    if theirs is None and tracked is not None:
        return Check(name, "warning", f"reached; {tell_gone(remote.name)}", command)
    if theirs is None:
        return Check(name, "warning", "reached; it has no log yet", command)
    if mine is None:
        return Check(name, "warning", "reached; it has a log, this clone has none", command)
    if _is_known(log, mine, theirs):
        return Check(name, "warning", "reached; it lacks records of this clone", command)
    message = "this clone lacks records of it"
    if _has_unsent(log, mine, theirs, tracked):
        message = "it and this clone each lack records of the other"
    return Check(name, "warning", f"reached; {message}", command)


def _tell_refused(name: str, refused: Refused) -> Check:
    """Say why the last push was refused; do not suggest the sync that would be refused again."""
    words = " ".join(refused.message.split())[:_LONGEST_WORDS]
    hint = refused.hint or f"ask the server's owner what keeps {names.WAL_REF} out"
    return Check(name, "failing", f"reached; the last push was refused: {words}", hint)


def _has_unsent(log: SessionLog, mine: str, theirs: str, tracked: str | None) -> bool:
    """Return whether a remote, now at `theirs` and last seen at `tracked`, surely lacks ours.

    What it has now may not be here to be looked at.
    """
    if _is_known(log, theirs, mine):
        return False
    return tracked is not None and not _is_known(log, tracked, mine)


def _is_known(log: SessionLog, mine: str | None, theirs: str) -> bool:
    try:
        return leads_to(log.store, mine, theirs)
    except DamagedLogError:
        return False


def _check_locks(log: SessionLog) -> Iterator[Check]:
    """Name what makes grite's own sync fail: a lock here that is none of the remote's line."""
    tracked = log.store.list_refs(names.TRACKING_PREFIX)
    expired = 0
    wedged = []
    for ref, commit in log.store.list_refs(names.LOCK_PREFIX).items():
        expired += _is_expired(log, commit)
        ending = ref.removeprefix("refs")
        for other, theirs in tracked.items():
            if other.endswith(ending) and theirs != commit and not _is_known(log, commit, theirs):
                wedged.append((ref, other))
    for ref, other in wedged:
        remote = other.removeprefix(names.TRACKING_PREFIX).partition("/")[0]
        message = f"{ref} is not an ancestor of {remote}, so grite's own sync fails"
        yield Check("locks", "failing", message, f"git update-ref -d {ref}, or grite lock release")
    if not wedged:
        more = f", {expired} expired" if expired else ""
        yield fine("locks", f"none blocks grite{more}")


def _is_expired(log: SessionLog, commit: str) -> bool:
    data = log.store.read_file_at(commit, "lock.json")
    try:
        return data is not None and is_expired(parse_lock(data), log.clock())
    except WireError:
        return False
