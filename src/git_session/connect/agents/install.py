"""Put our entries into the agents' settings files, take them out, and report how they stand."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from git_session.connect.agents.settings import add_entries, find_entries, remove_entries
from git_session.core.agents import SETTINGS
from git_session.core.fold.source import Row
from git_session.errors import ConfigError, UsageError
from git_session.host.files.config_file import create_directory, read_small_file, replace_file

_LARGEST: Final = 1 << 22


class AgentFile(NamedTuple):
    """Names one settings file of one agent."""

    agent: str
    path: Path

    @classmethod
    def find(
        cls, agent: str, top: Path | None, environ: Mapping[str, str], *, is_user: bool
    ) -> AgentFile:
        """Find an agent's settings: the user's, or those of the checkout at `top`.

        Raises UsageError for an agent whose settings are not known, or without a checkout.
        """
        settings = SETTINGS.get(agent)
        if settings is None:
            raise UsageError(
                f"the settings of {agent} are not known",
                f"known: {', '.join(SETTINGS)}; docs/hooks.md has the lines for others",
            )
        if is_user:
            home = Path(environ.get("HOME") or Path.home())
            folder = environ.get(settings.folder_variable) or home / settings.folder
            return cls(agent, Path(folder) / settings.user_file)
        if top is None:
            raise UsageError("there is no checkout here", "--user takes the user's own settings")
        return cls(agent, top / settings.project_file)

    def install(self, program: Sequence[str]) -> Row:
        """Put our entries in. Raises ConfigError for a file that is no such settings."""
        text = self._read()
        before = self._entries(text)
        try:
            wanted = add_entries(text, self.agent, format_command(self.agent, program))
        except ConfigError as error:
            raise self._explain(error) from error
        action = "kept" if wanted == text else "updated" if before else "installed"
        self._write(text, wanted)
        return self.row(action)

    def uninstall(self) -> Row:
        """Take our entries out; a file of which nothing is left goes too."""
        text = self._read()
        try:
            wanted = remove_entries(text)
        except ConfigError as error:
            raise self._explain(error) from error
        if wanted != text and wanted.strip() in ("", "{}"):
            self.path.unlink(missing_ok=True)
        else:
            self._write(text, wanted)
        return self.row("none" if wanted == text else "removed")

    def row(self, action: str = "none") -> Row:
        """Return how our entries stand; never fails for what the file holds."""
        try:
            entries = self._entries(self._read())
        except ConfigError as error:
            return self._row("broken", action, [], error.message)
        if not entries:
            return self._row("absent", action, [], None)
        called = sorted(set(entries.values()))
        settings = SETTINGS[self.agent]
        missing = [event for event in settings.events if event not in entries]
        for command in called:
            first = shlex.split(command)[0]
            if not os.access(first, os.X_OK):
                return self._row("gone", action, called, f"{first} is gone: {self._command()}")
        if missing:
            note = f"not asked for: {', '.join(missing)}: {self._command()}"
            return self._row("partial", action, called, note)
        return self._row("installed", action, called, settings.note)

    def _row(self, state: str, action: str, commands: list[str], note: str | None) -> Row:
        return {
            "agent": self.agent,
            "path": str(self.path),
            "state": state,
            "action": action,
            "commands": commands,
            "note": note,
        }

    def _command(self) -> str:
        return f"git session hook install --agent {self.agent}"

    def _entries(self, text: str) -> dict[str, str]:
        try:
            return find_entries(text)
        except ConfigError as error:
            raise self._explain(error) from error

    def _explain(self, error: ConfigError) -> ConfigError:
        return ConfigError(
            f"{self.path} {error.message}",
            "it was left as it is; git session hook install --manual prints what to add",
        )

    def _read(self) -> str:
        found = read_small_file(self.path, _LARGEST)
        try:
            return "" if found is None else found[0].decode()
        except UnicodeDecodeError as error:
            raise self._explain(ConfigError(f"is not UTF-8: {error}")) from error

    def _write(self, before: str, text: str) -> None:
        if text != before:
            create_directory(self.path.parent)
            replace_file(self.path, text.encode())


def list_files(top: Path | None, environ: Mapping[str, str]) -> Iterator[AgentFile]:
    """List each settings file that may hold our entries: that of the checkout, and the user's."""
    for agent in SETTINGS:
        if top is not None:
            yield AgentFile.find(agent, top, environ, is_user=False)
        yield AgentFile.find(agent, None, environ, is_user=True)


def format_command(agent: str, program: Sequence[str]) -> str:
    """Form the shell command of an entry, by which it is known again, too."""
    return f"{shlex.join(program)} hook run agent {agent}"


def format_manual(agent: str, program: Sequence[str]) -> list[str]:
    """Form what to add to an agent's settings by hand."""
    return add_entries("", agent, format_command(agent, program)).splitlines()
