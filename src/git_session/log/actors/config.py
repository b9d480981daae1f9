"""grite's settings of a repository: `<common git dir>/grite/config.toml`.

Source: grite 0.5.3, libgrite-core config.rs; the grite store format, section "Where things are".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from git_session.core.wire import names
from git_session.host.files.config_file import (
    ConfigTable,
    create_directory,
    format_with_text,
    parse_table,
    read_small_file,
    replace_file,
)

Policy = Literal["off", "warn", "require"]

_U32_MAX: Final = 2**32 - 1
_POLICIES: Final = ("off", "warn", "require")


@dataclass(frozen=True, slots=True)
class GriteConfig:
    """Holds the settings in force, grite's defaults where the file is silent.

    `ignored` names, in sentences, the values that grite passes over without a word and that are
    therefore passed over here too: a misspelt policy counts as the default.
    """

    default_actor: str | None = None
    lock_policy: Policy = "warn"
    verify_signatures: Policy = "off"
    snapshot_max_events: int = 10_000
    snapshot_max_age_days: int = 7
    ignored: tuple[str, ...] = ()


def config_path(common_dir: Path) -> Path:
    """Form the path of the repository's grite settings."""
    return common_dir / names.GRITE_DIR / "config.toml"


def read_config(common_dir: Path) -> GriteConfig:
    """Read the repository's grite settings; a missing file means the defaults.

    Raises ConfigError naming file and line for what grite refuses too: no TOML, a wrong type.
    """
    table = _read_table(common_dir)
    if table is None:
        return GriteConfig()
    ignored: list[str] = []
    snapshot = table.table("snapshot")
    max_events = snapshot.number("max_events", _U32_MAX)
    max_age_days = snapshot.number("max_age_days", _U32_MAX)
    return GriteConfig(
        default_actor=_usable_actor(table, ignored),
        lock_policy=_policy(table, "lock_policy", "warn", ignored),
        verify_signatures=_policy(table, "verify_signatures", "off", ignored),
        snapshot_max_events=10_000 if max_events is None else max_events,
        snapshot_max_age_days=7 if max_age_days is None else max_age_days,
        ignored=tuple(ignored),
    )


def write_default_actor(common_dir: Path, actor_id: str) -> None:
    """Write `default_actor` as `grite init` and `grite actor use` do, but keeps all other text.

    The caller holds `config_lock`. Raises ConfigError when the file cannot be edited safely (it
    is then unchanged), ReadOnlyError.
    """
    path = config_path(common_dir)
    table = _read_table(common_dir)
    if table is None:
        create_directory(path.parent)
        table = ConfigTable(path, "", {})
    if table.values.get("default_actor") != actor_id:
        replace_file(path, format_with_text(table, "default_actor", actor_id).encode())


def _read_table(common_dir: Path) -> ConfigTable | None:
    path = config_path(common_dir)
    found = read_small_file(path)
    return None if found is None else parse_table(found[0], path)


def _usable_actor(table: ConfigTable, ignored: list[str]) -> str | None:
    # The id becomes a path component; grite, too, goes on without a default it cannot load.
    actor_id = table.text("default_actor")
    if actor_id is None or names.is_actor_id(actor_id):
        return actor_id
    ignored.append(f"{table.wrong('default_actor', 'is not an actor id and is ignored')}")
    return None


def _policy(table: ConfigTable, key: str, default: Policy, ignored: list[str]) -> Policy:
    value = table.text(key)
    word = default if value is None else value.lower()
    if key == "verify_signatures" and word == "reject":
        return "require"  # what grite's document calls it; its code does not know the word
    if word in _POLICIES:
        return cast(Policy, word)
    problem = f"is not off, warn or require, so it counts as {default!r}, as in grite"
    ignored.append(f"{table.wrong(key, problem)}")
    return default
