"""Send the log along with a push: to the same remote, for a bounded time, at nobody's cost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from git_session.core.wire import names
from git_session.errors import ConfigError, GitSessionError, NotFoundError, RemoteTimeoutError
from git_session.git.remote import Git, tracking_name
from git_session.git.repository.objects import ObjectStore
from git_session.git.settings import GitSettings
from git_session.git.values import parse_number
from git_session.log.secrets.policy import tell_finds
from git_session.sync.remotes import open_git
from git_session.sync.rounds import sync_log

TIMEOUT_KEY: Final = "session.pushTimeout"
"""git's setting of how many seconds a push may wait for the log; 0 sends none along."""

_TIMEOUT_S: Final = 10


class _TimeIsUpError(BaseException):
    """Ends the sync wherever it is; no handler of mere errors may hold it up."""


def send_along(remote: str, url: str, *, on_failure: Callable[[str], None]) -> None:
    """Sync the log with the remote of a push, unless that is none to sync with.

    `remote` and `url` are as git tells them to pre-push: where a push goes to a bare address both
    are that. What could not be done within the time is told in one sentence, and what
    was found in what left in a few. Raises
    GitSessionError for a repository or settings that cannot be read.
    """
    store = ObjectStore.open(Path.cwd())
    git = open_git(store)
    timeout_s = read_timeout(git)
    if timeout_s <= 0 or not _is_ours(store, git, remote, url):
        return
    try:
        with _time_limit(timeout_s):
            row, error = sync_log(store, [remote], timeout=timeout_s, git=git)
            for sentence in tell_finds(row["scan"], store.common_dir) if error is None else ():
                on_failure(sentence)
    except GitSessionError as failure:
        error = failure
    except _TimeIsUpError:
        error = RemoteTimeoutError(f"not done within {timeout_s} s")
    if error is not None:
        reason = error.message.partition("\n")[0]
        on_failure(f"the log was not sent to {remote}: {reason} (git session sync shows why)")


def read_timeout(git: GitSettings) -> int:
    """Read how many seconds a push may wait for the log. Raises ConfigError."""
    value = git.read_text(TIMEOUT_KEY, default=str(_TIMEOUT_S))
    found = parse_number(value)
    if found is None:
        raise ConfigError(
            f"{TIMEOUT_KEY} is {value!a}, which is not a number of seconds",
            f"git config {TIMEOUT_KEY} {_TIMEOUT_S}",
        )
    return found


def _is_ours(store: ObjectStore, git: Git, remote: str, url: str) -> bool:
    """Return whether a remote is one that a sync would use, or was seen to hold a log."""
    tracking = names.tracking_ref(tracking_name(remote), names.WAL_REF)
    if store.read_ref(tracking) is not None:
        return True
    with suppress(NotFoundError):
        return not {remote, url}.isdisjoint(git.default_remotes())
    return False


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raise _TimeIsUpError in the block when its time is up, whatever it waits for."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _TimeIsUpError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
