"""Check the settings: each of ours, and grite's, whose value cannot be read or is passed over.

Most of them are read leniently where they are used, so that nothing goes unrecorded for their sake;
here is where that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from git_session.connect.hooks.push import TIMEOUT_KEY, read_timeout
from git_session.core.wire import names
from git_session.errors import GitSessionError
from git_session.git.repository.refs import FSYNC_KEY
from git_session.health.doctor.check import Check, fail, fine
from git_session.log.actors.config import read_config
from git_session.log.actors.trust import BLOB_SETTING, KEY_SETTING, read_key_lines, read_key_list
from git_session.log.heartbeats import INTERVAL_KEY
from git_session.log.session_log import SessionLog

_AUTO_SYNC: Final = "session.autoSync"

READERS: Final[Mapping[str, Callable[[SessionLog], object]]] = {
    _AUTO_SYNC: lambda log: log.store.settings.require_flag(_AUTO_SYNC, default=False),
    TIMEOUT_KEY: lambda log: read_timeout(log.store.settings),
    INTERVAL_KEY: lambda log: log.keeper.read_interval(),
    names.COMMITTER_KEY: lambda log: log.store.committer,
    FSYNC_KEY: lambda log: log.store.is_durable,
    KEY_SETTING: lambda log: read_key_lines(log.store),
    BLOB_SETTING: lambda log: read_key_list(log.store),
}
"""How each setting is read; it raises GitSessionError for a value that cannot be.

Not here: those of secrets and remotes, which have lines of their own, and those that are any text.
"""

_GRITE: Final = "grite's settings"


def check_settings(log: SessionLog) -> Iterator[Check]:
    """Return a line for each setting that is not as it should be, or one when all are."""
    wrong = [*_check_ours(log), *_check_grites(log)]
    yield from wrong or [fine("settings", "all readable")]


def _check_ours(log: SessionLog) -> Iterator[Check]:
    for key, read in READERS.items():
        try:
            read(log)
        except GitSessionError as error:
            yield fail(key, error)


def _check_grites(log: SessionLog) -> Iterator[Check]:
    try:
        ignored = read_config(log.common_dir).ignored
    except GitSessionError as error:
        yield fail(_GRITE, error)
        return
    for sentence in ignored:
        yield Check(_GRITE, "warning", sentence, "fix the file by hand")
