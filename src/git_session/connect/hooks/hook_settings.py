"""Ask git where it looks for hooks, and read and write the hooks in its configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

from git_session.errors import ConfigError, ReadOnlyError
from git_session.git.messages import split_words
from git_session.git.program import git_environment
from git_session.git.settings import GitSettings
from git_session.git.values import normalise_key, parse_flag

_HOOKS_PATH: Final = "core.hooksPath"


class HookFolder(NamedTuple):
    """Tells where git looks for hooks: the folder, and where that is configured, if it is."""

    path: Path
    scope: str | None


class HookSettings(GitSettings):
    """Reads and writes what a repository's configuration says of hooks."""

    def read_version(self) -> str:
        """Read what `git version` says."""
        return os.fsdecode(self._run(["version"], git_environment()).stdout).strip()

    def find_folder(self) -> HookFolder:
        """Find the folder in which git looks for hooks; it may be missing, or be no folder."""
        ended = self._run(["rev-parse", "--git-path", "hooks"], git_environment())
        if ended.code != 0:
            raise ConfigError(
                "git does not report its hooks directory",
                "git config --show-origin core.hooksPath shows the setting",
                split_words(ended.stderr),
            )
        path = self._start / os.fsdecode(ended.stdout).removesuffix("\n")
        return HookFolder(Path(os.path.normpath(path)), self._read_scope())

    def config_hook(self, name: str) -> tuple[list[str], list[str]]:
        """Read a hook of the configuration: its commands and its events."""
        return self.config_all(f"hook.{name}.command"), self.config_all(f"hook.{name}.event")

    def is_switched_off(self, name: str) -> bool:
        """Tell whether `hook.NAME.enabled` is a no; as in git, what is no yes or no does not count.

        Source: git-config(1), hook.<friendly-name>.enabled; an empty value is a no here.
        """
        key = normalise_key(f"hook.{name}.enabled")
        flags = [parse_flag(value) for known, value in self._read_all() if known == key]
        return [flag for flag in flags if flag is not None][-1:] == [False]

    def switch_on(self, name: str) -> None:
        """Enable a hook in the repository's own configuration. Raises ReadOnlyError."""
        self._change("--replace-all", f"hook.{name}.enabled", "true")

    def write_config_hook(self, name: str, command: str, event: str) -> None:
        """Write a hook into the repository's own configuration. Raises ReadOnlyError."""
        for key, value in (("command", command), ("event", event)):
            self._change("--replace-all", f"hook.{name}.{key}", value)

    def remove_config_hook(self, name: str) -> None:
        """Remove a hook from the repository's own configuration. Raises ReadOnlyError."""
        self._change("--remove-section", f"hook.{name}")

    def _read_scope(self) -> str | None:
        ended = self._run(
            ["config", "--null", "--show-scope", "--get", _HOOKS_PATH], git_environment()
        )
        return os.fsdecode(ended.stdout).partition("\0")[0] or None

    def _change(self, *args: str) -> None:
        self.forget()
        ended = self._run(["config", "--local", *args], git_environment())
        if ended.code != 0:
            raise ReadOnlyError(
                "git cannot change its configuration",
                "check the permissions of the repository's config file",
                split_words(ended.stderr),
            )
