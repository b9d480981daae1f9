"""Targets: the files of grite, of agents and of this program that lie beside a log."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from git_session.connect.agents import settings
from git_session.connect.agents.document import _parse
from git_session.connect.agents.events import parse_event
from git_session.core.agents import SETTINGS, format_resume
from git_session.core.wire.duration import parse_duration
from git_session.errors import ConfigError, UsageError
from git_session.host import beats, spool
from git_session.host.files import config_file
from git_session.log.actors import signing
from git_session.log.actors.actors import read_actor
from git_session.log.actors.config import read_config
from git_session.log.actors.trust import parse_key_list
from tests.guarantees.fuzz.made import make_folder

_ISSUE: Final = "0" * 32
_COMMAND: Final = "git session hook run agent claude"


def fuzz_config(data: bytes) -> None:
    """Settings of grite are read or refused, and an edit changes the one value and nothing else."""
    common_dir = make_folder()
    path = common_dir / "grite" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    with suppress(ConfigError):
        read_config(common_dir)
    with suppress(ConfigError):
        table = config_file.parse_table(data, path)
        edited = config_file.format_with_text(table, "default_actor", "3" * 32)
        after = config_file.parse_table(edited.encode(), path)
        assert after.values == table.values | {"default_actor": "3" * 32}


def fuzz_actor(data: bytes) -> None:
    """An actor and its key are read or refused."""
    folder = make_folder() / "actor"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_bytes(data)
    with suppress(ConfigError):
        actor = read_actor(folder)
        signing.parse_public_key(actor.public_key, actor.key_scheme)
    with suppress(ConfigError, UsageError):
        signing._parse_seed(folder, data)


def fuzz_beat(data: bytes) -> None:
    """A beat file is read or left; what was read can be written and read again."""
    beat = beats._parse_beat(data, _ISSUE, "s-1")
    if beat is not None:
        again = beats._parse_beat(beats._format_beat(beat), _ISSUE, "s-1")
        assert again is not None
        # Of what a newer version wrote besides, its schema may rise.
        assert again._replace(others={}) == beat._replace(others={})
        beats._add_commit(beat, data)


def fuzz_spool(data: bytes) -> None:
    """An exit that waits for the log is read, or refused as what it is not."""
    path = make_folder() / "exit.spool.json"
    path.write_bytes(data)
    with suppress(ValueError, RecursionError):
        found = spool.read_spooled(path)
        if found is not None:
            path.write_bytes(spool._format(found))
            assert spool.read_spooled(path) == found


def fuzz_keys(data: bytes) -> None:
    """A list of trusted keys is read, or a line of it is refused."""
    with suppress(ConfigError):
        for key in parse_key_list(data.decode(errors="replace"), "list"):
            assert len(key.public_key) == 32


def fuzz_agent_event(data: bytes) -> None:
    """What an agent tells its hook is read, or is no event."""
    document = _parse(bytearray(data))
    event = parse_event("claude", None, document)
    if event is not None:
        assert event.session
        format_resume(event.agent, event.session)


def fuzz_agent_settings(data: bytes) -> None:
    """Our entries come and go, and leave the rest of an agent's settings as it was."""
    text = data.decode(errors="replace")
    with suppress(ConfigError):
        with_ours = settings.add_entries(text, "claude", _COMMAND)
        assert settings.add_entries(with_ours, "claude", _COMMAND) == with_ours
        assert set(settings.find_entries(with_ours)) >= set(SETTINGS["claude"].events)
        without = settings.remove_entries(with_ours)
        assert settings.find_entries(without) == {}
        if not settings.find_entries(text):
            before, after = settings.parse_settings(text), settings.parse_settings(without)
            assert {**before, "hooks": None} == {**after, "hooks": None}


def fuzz_duration(data: bytes) -> None:
    """A length of time is read or refused."""
    with suppress(UsageError):
        assert parse_duration(data.decode(errors="replace")) >= 0
