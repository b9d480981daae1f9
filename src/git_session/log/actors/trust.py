"""Whose signatures count: the keys of this clone's actors, and those that the user trusts besides.

Two settings of git name further keys, one a line: `ACTOR ed25519 KEY [LABEL]`.

* `session.trustedKey`: such a line itself, any number of values.
* `session.trustedKeysBlob`: a file of such lines in a commit, `REF:PATH`, as `mailmap.blob` is
  for git. It is read from the ref and never from a checkout, which anybody who works in it can
  write to; and the ref is named whole, as a tag of the same short name would come before it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from git_session.core.wire import names
from git_session.core.wire.plain_text import quote_word
from git_session.errors import ConfigError, DamagedLogError
from git_session.log.actors import signing
from git_session.log.actors.actors import read_actors
from git_session.log.actors.config import Policy

if TYPE_CHECKING:
    from git_session.core.wire.event import Event
    from git_session.git.repository.objects import ObjectStore

KEY_SETTING: Final = "session.trustedKey"
BLOB_SETTING: Final = "session.trustedKeysBlob"

_KEY: Final = r"^session\.trustedkey$"
_BLOB: Final = r"^session\.trustedkeysblob$"

Source = Literal["actor", "config", "list"]

_LINE: Final = re.compile(r"([0-9a-f]{32})\s+(\S+)\s+([0-9A-Fa-f]{64})(?:\s+(.*))?")
_REF: Final = re.compile(r"refs/[^\s:]+")
_LARGEST_LIST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """Holds one Ed25519 key (32 bytes), whose it is, and where that stands."""

    actor_id: str
    public_key: bytes
    label: str | None
    source: Source

    @property
    def line(self) -> str:
        """Return the line that makes others trust the key."""
        return format_key_line(self.actor_id, self.public_key, self.label)


class Trust:
    """Judges signatures by a policy and the keys that are trusted; an actor can have several."""

    def __init__(self, policy: Policy, keys: Iterable[TrustedKey]) -> None:
        self.policy = policy
        self._keys: dict[bytes, list[bytes]] = {}
        for key in keys:
            self._keys.setdefault(bytes.fromhex(key.actor_id), []).append(key.public_key)

    @cached_property
    def digest(self) -> str:
        """Digest what decides which events count."""
        if self.policy == "off":
            return self.policy
        pairs = sorted({actor + key for actor, keys in self._keys.items() for key in keys})
        return f"{self.policy} {hashlib.sha256(b''.join(pairs)).hexdigest()}"

    def judge(self, event: Event) -> bool | None:
        """Return whether an event's signature is right; None without one, or without a key."""
        keys = self._keys.get(event.actor)
        if not keys or event.sig is None:
            return None
        return any(signing.verify(key, event.event_id, event.sig) for key in keys)


def read_trust(store: ObjectStore, policy: Policy) -> Trust:
    """Read whose signatures count under `policy`. Raises ConfigError for a list nobody can use."""
    return Trust(policy, [] if policy == "off" else read_trusted_keys(store))


def read_trusted_keys(store: ObjectStore) -> list[TrustedKey]:
    """Read all keys that are trusted here, this clone's own actors' first.

    A broken actor or a malformed key of one is left out, as one that is not known. Raises
    ConfigError for a setting, a list or a line of it that cannot be used.
    """
    return [*_read_own_keys(store), *read_key_lines(store), *read_key_list(store)]


def read_key_lines(store: ObjectStore) -> list[TrustedKey]:
    """Read the keys that `session.trustedKey` names. Raises ConfigError."""
    where = f"{KEY_SETTING} of git's configuration"
    found = store.settings.config_matching(_KEY)
    return [_parse_line(value, "config", where) for _, value in found]


def read_key_list(store: ObjectStore) -> list[TrustedKey]:
    """Read the list that `session.trustedKeysBlob` names, if any. Raises ConfigError."""
    found = store.settings.config_matching(_BLOB)
    return _read_list(store, found[-1][1]) if found else []


def format_key_line(actor_id: str, public_key: bytes, label: str | None = None) -> str:
    """Form a line of a list of trusted keys."""
    word = " ".join((label or "").split())
    return f"{actor_id} {signing.KEY_SCHEME} {public_key.hex()} {word}".rstrip()


def parse_key_list(text: str, where: str) -> list[TrustedKey]:
    """Read a list of trusted keys; `#` begins a comment line. Raises ConfigError naming a line."""
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            keys.append(_parse_line(line, "list", f"{where}, line {number}"))
    return keys


def _read_own_keys(store: ObjectStore) -> Iterator[TrustedKey]:
    for actor in read_actors(store.common_dir):
        key = signing.parse_public_key(actor.public_key, actor.key_scheme)
        if key is not None:
            yield TrustedKey(actor.actor_id, key, actor.label, "actor")


def _read_list(store: ObjectStore, place: str) -> list[TrustedKey]:
    ref, colon, path = place.partition(":")
    if not colon or not path or _REF.fullmatch(ref) is None:
        raise ConfigError(
            f"{BLOB_SETTING} must be REF:PATH with a full ref name, not {place!r}",
            f"git config {BLOB_SETTING} refs/remotes/origin/main:.grite-trusted-keys",
        )
    if ref.startswith((names.GRITE_PREFIX, names.OWN_PREFIX)):
        raise ConfigError(
            f"{BLOB_SETTING} names {ref}, which anyone who can sync can write to",
            "use a protected, reviewed branch",
        )
    try:
        commit = store.read_ref(ref)
    except DamagedLogError:
        commit = None
    data = store.read_file_at(commit, path) if commit else None
    if data is None:
        raise ConfigError(
            f"the list of trusted keys {place} of {BLOB_SETTING} cannot be read",
            f"git show {quote_word(place)} shows the content; git fetch may get it",
        )
    if len(data) > _LARGEST_LIST:
        raise ConfigError(f"the list of trusted keys {place} is larger than {_LARGEST_LIST} bytes")
    return parse_key_list(data.decode(errors="replace"), place)


def _parse_line(line: str, source: Source, where: str) -> TrustedKey:
    found = _LINE.fullmatch(line.strip())
    key = signing.parse_public_key(found[3], found[2]) if found else None
    if found is None or key is None:
        raise ConfigError(
            f"{where}: not a trusted key, which is ACTOR ed25519 KEY [LABEL]",
            "git session actor key prints such a line",
        )
    return TrustedKey(found[1], key, found[4] or None, source)
