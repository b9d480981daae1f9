"""Actors: who writes, as grite decides it, and the directories that grite keeps them in.

Source: grite 0.5.3, its context.rs, commands/actor.rs and libgrite-core's config.rs; the grite
store format, section "Where things are".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from git_session.core.wire import names
from git_session.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    UsageError,
)
from git_session.host.files.config_file import (
    cannot_write,
    config_lock,
    create_directory,
    format_text,
    parse_table,
    read_small_file,
    replace_file,
)
from git_session.log.actors import signing
from git_session.log.actors.config import read_config, write_default_actor

_ACTORS_DIR: Final = "actors"
_CONFIG_FILE: Final = "config.toml"
MAX_LABEL_BYTES: Final = 4096
_INIT_HINT: Final = "grite actor list names the actors; grite actor init makes one"


@dataclass(frozen=True, slots=True)
class Actor:
    """Holds one actor's config.toml and where it lay; `created_ts` is in ms since the epoch."""

    actor_id: str
    label: str | None
    created_ts: int | None
    public_key: str | None
    key_scheme: str | None
    directory: Path


def actor_directory(common_dir: Path, actor_id: str) -> Path:
    """Form an actor's directory. Raises UsageError for an id that is not 32 hex digits."""
    if not names.is_actor_id(actor_id):
        raise UsageError(f"{actor_id!r} is not an actor id (32 hex digits)", _INIT_HINT)
    return common_dir / names.GRITE_DIR / _ACTORS_DIR / actor_id


def read_actor(directory: Path) -> Actor:
    """Read one actor. Raises NotFoundError without a config.toml, ConfigError for a broken one."""
    path = directory / _CONFIG_FILE
    found = read_small_file(path)
    if found is None:
        raise NotFoundError(f"there is no actor in {directory}", _INIT_HINT)
    table = parse_table(found[0], path)
    actor_id = table.text("actor_id")
    if actor_id is None or not names.is_actor_id(actor_id):
        raise table.wrong("actor_id", "must be 32 hex digits")
    return Actor(
        actor_id=actor_id,
        label=table.text("label"),
        created_ts=table.number("created_ts"),
        public_key=table.text("public_key"),
        key_scheme=table.text("key_scheme"),
        directory=directory,
    )


def read_actors(common_dir: Path) -> list[Actor]:
    """Read all actors, sorted by id, without those that are broken (grite skips them too).

    Raises ConfigError only when the directory itself cannot be read.
    """
    actors = []
    for directory in _actor_directories(common_dir):
        try:
            actors.append(read_actor(directory))
        except (NotFoundError, ConfigError):
            continue
    return sorted(actors, key=lambda actor: (actor.actor_id, actor.directory.name))


def resolve_actor(
    common_dir: Path,
    *,
    actor_id: str | None,
    environ: Mapping[str, str],
    data_dir: Path | None = None,
) -> Actor | None:
    """Decide who writes: data directory, `GRITE_HOME`, id, `default_actor`, first by id, None.

    A default actor without a config.toml is passed over, as by grite. Raises UsageError and
    NotFoundError for an `actor_id`, NotFoundError for a data directory, and ConfigError when the
    actor that these or `default_actor` name is broken (grite would write as another one).
    """
    if data_dir is not None:
        return read_actor(data_dir)
    if "GRITE_HOME" in environ:  # empty counts: grite then looks in the current directory
        return read_actor(Path(environ["GRITE_HOME"]))
    if actor_id is not None:
        return read_actor(actor_directory(common_dir, actor_id))
    default = read_config(common_dir).default_actor
    if default is not None:
        try:
            return read_actor(actor_directory(common_dir, default))
        except NotFoundError:
            pass
    return next(iter(read_actors(common_dir)), None)


def ensure_actor(
    common_dir: Path,
    *,
    now: int,
    new_actor_id: str,
    actor_id: str | None,
    environ: Mapping[str, str],
    data_dir: Path | None = None,
) -> Actor:
    """Decide who writes; where nobody is, creates `new_actor_id` and makes it the default.

    Processes that race here all get the one actor that was created. `now` is in ms since the
    epoch. Raises what resolve_actor and create_actor raise.
    """
    resolve = partial(
        resolve_actor, common_dir, actor_id=actor_id, environ=environ, data_dir=data_dir
    )
    found = resolve()
    if found is not None:
        return found
    with config_lock(common_dir):
        # Another process may have been here since; its actor is everybody's then.
        found = resolve()
        if found is not None:
            return found
        made = _create_actor(common_dir, new_actor_id, None, now, with_key=False)
        write_default_actor(common_dir, made.actor_id)
        return made


def create_actor(
    common_dir: Path,
    *,
    now: int,
    actor_id: str,
    label: str | None = None,
    make_default: bool,
    with_key: bool = False,
) -> Actor:
    """Create an actor as `grite actor init` does; `make_default` is `grite actor use` after it.

    `now` is in ms since the epoch; `with_key` is grite's `--generate-key`. Raises UsageError for
    an id or label that cannot be stored, ConflictError when the id is taken, ConfigError when
    the repository's config.toml cannot be edited, ReadOnlyError, ContendedError.
    """
    with config_lock(common_dir):
        actor = _create_actor(common_dir, actor_id, label, now, with_key=with_key)
        if make_default:
            write_default_actor(common_dir, actor_id)
    return actor


def use_actor(common_dir: Path, actor_id: str) -> Actor:
    """Make an existing actor the default, as `grite actor use` does, keeping all other settings.

    Raises what resolve_actor raises for an id, and what create_actor raises for the file.
    """
    with config_lock(common_dir):
        actor = read_actor(actor_directory(common_dir, actor_id))
        write_default_actor(common_dir, actor_id)
    return actor


def read_signing_seed(actor: Actor, common_dir: Path) -> bytes | None:
    """Read the actor's Ed25519 seed (32 bytes); None when it has no key and does not sign.

    grite looks only under the repository's own actors, whatever `GRITE_HOME` says; here the
    directory that the actor came from is asked after that. Raises ConfigError.
    """
    home = actor_directory(common_dir, actor.actor_id)
    for directory in dict.fromkeys((home, actor.directory)):
        seed = signing.read_seed(directory)
        if seed is not None:
            return seed
    return None


def read_public_keys(common_dir: Path) -> dict[bytes, bytes]:
    """Read the Ed25519 keys that this clone knows: raw actor id (16 bytes) to key (32 bytes).

    A broken actor or a malformed key is left out, as one that is not known. Raises ConfigError
    only when the actors' directory cannot be read.
    """
    keys = {}
    for actor in read_actors(common_dir):
        key = signing.parse_public_key(actor.public_key, actor.key_scheme)
        if key is not None:
            keys[bytes.fromhex(actor.actor_id)] = key
    return keys


def _create_actor(
    common_dir: Path, actor_id: str, label: str | None, now: int, *, with_key: bool
) -> Actor:
    directory = actor_directory(common_dir, actor_id)
    _require_storable(label)
    create_directory(directory.parent)
    try:
        directory.mkdir()
    except FileExistsError as error:
        raise ConflictError(f"actor {actor_id} already exists", _INIT_HINT) from error
    except OSError as error:
        raise cannot_write(directory, error) from error
    # The key first, as grite does: a config.toml that is there is complete.
    public_key = signing.public_key_of(signing.create_seed(directory)).hex() if with_key else None
    scheme = signing.KEY_SCHEME if with_key else None
    actor = Actor(actor_id, label, now, public_key, scheme, directory)
    replace_file(directory / _CONFIG_FILE, _format_actor(actor).encode())
    return actor


def _require_storable(label: str | None) -> None:
    if label is not None and len(format_text(label).encode()) > MAX_LABEL_BYTES:
        raise UsageError(f"a label has at most {MAX_LABEL_BYTES} bytes")


def _format_actor(actor: Actor) -> str:
    fields = {
        "actor_id": format_text(actor.actor_id),
        "label": None if actor.label is None else format_text(actor.label),
        "created_ts": f"{actor.created_ts}",
        "public_key": None if actor.public_key is None else format_text(actor.public_key),
        "key_scheme": None if actor.key_scheme is None else format_text(actor.key_scheme),
    }
    return "".join(f"{key} = {value}\n" for key, value in fields.items() if value is not None)


def _actor_directories(common_dir: Path) -> list[Path]:
    parent = common_dir / names.GRITE_DIR / _ACTORS_DIR
    try:
        with os.scandir(parent) as entries:
            # grite does not follow symlinks here either.
            return [parent / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot read {parent}: {reason}", "check its permissions") from error
