"""Actors and their keys: who can write from here, whose signatures count, and who else wrote.

Source of what an actor is: grite 0.5.3, its commands/actor.rs.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from git_session.core.fold.replay import Replay
from git_session.core.fold.rows import Row
from git_session.core.fold.signatures import VERDICTS, SignatureTally
from git_session.errors import AmbiguousError, ConfigError, NotFoundError
from git_session.log.actors import signing
from git_session.log.actors.actors import (
    Actor,
    create_actor,
    read_actors,
    read_signing_seed,
    resolve_actor,
    use_actor,
)
from git_session.log.actors.config import read_config
from git_session.log.actors.trust import Trust, TrustedKey, format_key_line, read_trusted_keys

if TYPE_CHECKING:
    from git_session.git.repository.objects import ObjectStore
    from git_session.log.session_log import SessionLog

_HINT: Final = "git session actor list names them"

Counts = Mapping[str, Mapping[str, int]]


def list_actor_rows(
    log: SessionLog, environ: Mapping[str, str], *, with_log: bool = False
) -> list[Row]:
    """List the actors of this clone and those whose keys are trusted, by id.

    With `with_log` also those that wrote in the log, and each one's events. Raises ConfigError.
    """
    known = _Known(log.store, environ)
    counts = _count_events(log, known.keys) if with_log else None
    return [known.row(actor_id, counts) for actor_id in known.ids(counts or {})]


def actor_row(log: SessionLog, ref: str | None, environ: Mapping[str, str]) -> Row:
    """Find one actor by its id or a unique prefix, or the one that writes, with its events.

    Raises NotFoundError, AmbiguousError or ConfigError.
    """
    known = _Known(log.store, environ)
    counts = _count_events(log, known.keys)
    return known.row(known.find(ref, counts), counts)


def make_actor_row(
    store: ObjectStore,
    environ: Mapping[str, str],
    *,
    now: int,
    label: str | None = None,
    with_key: bool = True,
    makes_default: bool = False,
) -> tuple[Row, str | None]:
    """Make an actor; `now` is in ms since the epoch. Gives its row, and whom it made the default.

    Unless it is to write from now on, whoever has been writing goes on: where only the order of
    the ids decides that, the settings now name that actor, whose id is the second value.
    Raises what create_actor raises.
    """
    actor_id = secrets.token_hex(16)
    pinned = None if makes_default else _find_displaced(store, actor_id)
    if pinned is not None:
        use_actor(store.common_dir, pinned)
    create_actor(
        store.common_dir,
        now=now,
        actor_id=actor_id,
        label=label,
        make_default=makes_default,
        with_key=with_key,
    )
    return _Known(store, environ).row(actor_id, None), pinned


def use_actor_row(store: ObjectStore, ref: str, environ: Mapping[str, str]) -> Row:
    """Make an actor of this clone the one that writes. Raises as find does, and ReadOnlyError."""
    known = _Known(store, environ)
    actor_id = known.find(ref, {})
    if actor_id not in known.own:
        raise NotFoundError(f"actor {actor_id} is not in this clone", _HINT)
    use_actor(store.common_dir, actor_id)
    return _Known(store, environ).row(actor_id, None)


def actor_key_row(
    store: ObjectStore, ref: str | None, environ: Mapping[str, str], *, with_private: bool = False
) -> Row:
    """Return an actor's public key and the line that makes others trust it.

    `with_private` adds the private one (its seed, in hex), which is read for nothing else. Raises
    as find does; NotFoundError without a key.
    """
    known = _Known(store, environ)
    actor_id = known.find(ref, {})
    actor = known.own.get(actor_id)
    key = next((key for key in known.keys if key.actor_id == actor_id), None)
    if key is None:
        raise NotFoundError(
            f"actor {actor_id} has no key", "git session actor new creates an actor with a key"
        )
    seed = read_signing_seed(actor, store.common_dir) if actor and with_private else None
    if with_private and seed is None:
        raise NotFoundError(f"the private key of actor {actor_id} is not here", _HINT)
    return {
        "actor_id": actor_id,
        "public_key": key.public_key.hex(),
        "line": key.line,
        "private_key": seed.hex() if seed else None,
    }


class _Known:
    """Holds the actors of this clone and the keys that are trusted in it."""

    def __init__(self, store: ObjectStore, environ: Mapping[str, str]) -> None:
        self._common_dir = store.common_dir
        self.keys = read_trusted_keys(store)
        self.own = {actor.actor_id: actor for actor in read_actors(store.common_dir)}
        self._default = read_config(store.common_dir).default_actor
        self._writer = resolve_actor(store.common_dir, actor_id=None, environ=environ)
        if self._writer is not None:
            self.own.setdefault(self._writer.actor_id, self._writer)

    def ids(self, counts: Counts) -> list[str]:
        return sorted({*self.own, *(key.actor_id for key in self.keys), *counts})

    def find(self, ref: str | None, counts: Counts) -> str:
        """Find an actor's id. Raises NotFoundError or AmbiguousError."""
        if ref is None:
            if self._writer is None:
                raise NotFoundError(
                    "there is no actor yet",
                    "git session actor new creates one",
                )
            return self._writer.actor_id
        found = [actor_id for actor_id in self.ids(counts) if actor_id.startswith(ref.lower())]
        if not found or not ref:
            raise NotFoundError(f"no such actor: {ref}", _HINT)
        if len(found) > 1:
            raise AmbiguousError(f"{ref} matches {len(found)} actors", lines=found)
        return found[0]

    def row(self, actor_id: str, counts: Counts | None) -> Row:
        """Make the row of an Actor."""
        actor = self.own.get(actor_id)
        keys = [key for key in self.keys if key.actor_id == actor_id]
        can_sign, fault = self._try_key(actor) if actor else (False, None)
        labels = [actor.label] if actor else []
        nothing = dict.fromkeys(VERDICTS, 0)
        return {
            "actor_id": actor_id,
            "label": next((x for x in [*labels, *(key.label for key in keys)] if x), None),
            "created_ts": actor.created_ts if actor else None,
            "is_own": actor is not None,
            "is_default": actor_id == self._default,
            "is_writer": self._writer is not None and actor_id == self._writer.actor_id,
            "can_sign": can_sign,
            "key_fault": fault,
            "keys": [_key_row(key) for key in keys],
            "events": None if counts is None else dict(counts.get(actor_id, nothing)),
        }

    def _try_key(self, actor: Actor) -> tuple[bool, str | None]:
        """Return whether an actor can sign and be believed, and why not if it has a key."""
        try:
            seed = read_signing_seed(actor, self._common_dir)
        except ConfigError as error:
            return False, error.message
        if seed is None:
            return False, None
        public = signing.public_key_of(seed)
        if public == signing.parse_public_key(actor.public_key, actor.key_scheme):
            return True, None
        return False, "its signing key and its public key do not belong together"


def _key_row(key: TrustedKey) -> Row:
    return {
        "public_key": key.public_key.hex(),
        "source": key.source,
        "line": format_key_line(key.actor_id, key.public_key, key.label),
    }


def _find_displaced(store: ObjectStore, new_id: str) -> str | None:
    """Find the actor that writes only as its id is the smallest, if `new_id` is smaller."""
    writer = resolve_actor(store.common_dir, actor_id=None, environ={})
    if writer is None or read_config(store.common_dir).default_actor == writer.actor_id:
        return None
    return writer.actor_id if new_id < writer.actor_id else None


def _count_events(log: SessionLog, keys: list[TrustedKey]) -> Counts:
    """Count each actor's events by their signatures, left out or not."""
    tally = SignatureTally(Trust("warn", keys).judge)
    replay = Replay(judge=tally.judge)
    head = log.head()
    if head is not None:
        replay.add(log.reader.watch(log.store.read_commits(head)))
    return {actor.hex(): found for actor, found in tally.count_by_actor(replay).items()}
