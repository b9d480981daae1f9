"""Read git's own configuration by asking git, so that it means here what it means to git."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from git_session.core.wire.plain_text import quote_word
from git_session.errors import (
    ConfigError,
    EnvironmentFaultError,
    GitSessionError,
    NotFoundError,
    UsageError,
)
from git_session.git.child import Ended, run_program
from git_session.git.messages import redact_password, split_words
from git_session.git.program import git_environment
from git_session.git.values import (
    Settings,
    normalise_key,
    parse_entries,
    parse_flag,
    parse_number,
)

CALL_TIMEOUT_S: Final = 120.0
"""Seconds that one call of git may take."""

REMOTE_KEY: Final = "session.remote"
_KEPT_S: Final = 5.0
_FORMAT_KEY: Final = "core.repositoryformatversion"
_USAGE: Final = 129
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_URL: Final = re.compile(r"[^/]*:")
_OF_A_REMOTE: Final = re.compile(r"remote\..*\.(?:url|pushurl|vcs)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """Holds a remote as git is told of it: a configured name, or a URL or path by itself."""

    word: str
    is_configured: bool

    def __str__(self) -> str:
        return redact_password(self.word)


class GitSettings:
    """Reads the configuration that holds in one repository, all of it in one call of git.

    To ask takes a tenth of the time that libgit2 takes to load, and what `git -c` sets counts. What
    was read stands for some seconds: who runs for hours hears of what the user changes.
    `git_dir` is the checkout's own git directory, so that HEAD is its HEAD; `worktree` the top of
    that checkout, from where a remote's relative path counts, or None in a bare repository. Every
    call may take `timeout_s` seconds. Where git fails to list the settings `read_without_git` does.
    """

    def __init__(
        self,
        git_dir: Path,
        worktree: Path | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        read_without_git: Callable[[], Settings] | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._git_dir = git_dir
        self._start = worktree or git_dir
        self._read_without_git = read_without_git
        self._is_git_lost = False
        self._known: Settings = []
        self._last: dict[str, str | None] = {}
        self._known_until = float("-inf")

    def read_flag(self, key: str, *, default: bool) -> bool:
        """Read a yes or no; what is neither, or not set, is as `default` says."""
        known, key = self._read_last(), normalise_key(key)
        found = parse_flag(known[key]) if key in known else None
        return default if found is None else found

    def require_flag(self, key: str, *, default: bool) -> bool:
        """Read a yes or no as read_flag does. Raises ConfigError for what is neither."""
        known, name = self._read_last(), normalise_key(key)
        found = parse_flag(known[name]) if name in known else default
        if found is None:
            raise ConfigError(
                f"{key} is {known[name]!a}, which is not a boolean",
                f"git config {key} true, or false",
            )
        return found

    def read_number(self, key: str, *, default: int) -> int:
        """Read a whole number, which may end in k, m or g; else `default`."""
        found = parse_number(self._read_last().get(normalise_key(key)) or "")
        return default if found is None else found

    def read_text(self, key: str, *, default: str) -> str:
        """Read a value as it stands there; an empty one counts as none."""
        return self._read_last().get(normalise_key(key)) or default

    def forget(self) -> None:
        """Let what was read go: something is about to be changed."""
        self._known_until = float("-inf")

    def config_all(self, key: str, kind: Literal["bool", "int", "path"] | None = None) -> list[str]:
        """Read all values of a key from all of git's files, parsed by git as `kind`.

        As in git, an empty value forgets those before it. Raises ConfigError.
        """
        if kind is not None:
            values = self._read(f"--type={kind}", "--get-all", key)
        else:
            known = normalise_key(key)
            values = [value or "" for name, value in self._read_all() if name == known]
        if "" in values:
            del values[: len(values) - values[::-1].index("")]
        return values

    def config_matching(self, pattern: str) -> list[tuple[str, str]]:
        """Read the keys that match a regular expression, in lower case, with their values.

        As in git, an empty value of a key forgets those before it. Raises ConfigError.
        """
        found: list[tuple[str, str]] = []
        for key, value in self._read_all():
            if re.search(pattern, key) is None:
                continue
            if not value:
                found = [pair for pair in found if pair[0] != key]
            else:
                found.append((key, value))
        return found

    def remotes(self) -> list[str]:
        """List the configured remotes that have an address, in the order of the configuration."""
        keys = (key for key, _ in self._read_all() if _OF_A_REMOTE.fullmatch(key))
        return list(dict.fromkeys(key.partition(".")[2].rpartition(".")[0] for key in keys))

    def default_remotes(self) -> list[str]:
        """Return the remotes to sync with: `session.remote`, else the upstream's, else `origin`.

        Raises NotFoundError when there is none of them.
        """
        chosen = self.config_all(REMOTE_KEY) or self._upstream_remotes()
        if chosen:
            return list(dict.fromkeys(chosen))
        remotes = self.remotes()
        if "origin" in remotes:
            return ["origin"]
        if remotes:
            raise NotFoundError(
                f"no remote is selected for sync: {', '.join(remotes)}",
                f"git session sync {quote_word(remotes[0])}, or permanently: "
                f"git config session.remote {quote_word(remotes[0])}",
            )
        from git_session.host.files.permissions import require_readable

        # git takes a folder whose objects it may not see for no repository, and tells no settings.
        require_readable(self._git_dir / "objects")
        raise NotFoundError("no remote to sync with", "git remote add origin URL")

    def find_address(self, remote: str) -> Address:
        """Find what a word means: a configured remote, else a URL, else a path.

        Raises NotFoundError, and UsageError for a word that git could take for something else.
        """
        if not remote or remote.startswith("-") or _CONTROLS.search(remote):
            raise UsageError(f"not a remote: {remote!a}", "git remote lists the configured remotes")
        remotes = self.remotes()
        if remote in remotes:
            return Address(remote, is_configured=True)
        if _URL.match(remote) or self._is_shorthand(remote):
            return Address(remote, is_configured=False)
        # git counts a path from the top of the checkout, whoever typed one from where they are.
        named = os.path.expanduser(remote)
        for start in (Path.cwd(), self._start):
            if (start / named).exists():
                return Address(str(start / named), is_configured=False)
        known = f"remotes: {', '.join(remotes)}" if remotes else "git remote add NAME URL"
        kind = "remote or path" if "/" in remote else "remote"
        raise NotFoundError(f"no such {kind}: {remote}", known)

    def _is_shorthand(self, word: str) -> bool:
        """Return whether `url.*.insteadOf` makes an address of a word."""
        ended = self._run(["ls-remote", "--get-url", "--", word], git_environment())
        return ended.code == 0 and os.fsdecode(ended.stdout).removesuffix("\n") != word

    def _upstream_remotes(self) -> list[str]:
        ended = self._run(["symbolic-ref", "--quiet", "HEAD"], git_environment())
        branch = os.fsdecode(ended.stdout).removesuffix("\n").removeprefix("refs/heads/")
        if not branch:
            return []
        # A branch that follows a local one has "." for its remote.
        return [name for name in self.config_all(f"branch.{branch}.remote")[-1:] if name != "."]

    def _read_all(self) -> Settings:
        """Read all settings, in the order in which they take effect. Raises ConfigError."""
        now = time.monotonic()
        if now > self._known_until:
            try:
                self._known = self._list_settings()
            except GitSessionError:
                if not self._known:
                    raise  # else what was read before is better than no answer
            self._last = dict(self._known)
            self._known_until = now + _KEPT_S
        return self._known

    def _read_last(self) -> dict[str, str | None]:
        """Read what counts of each key: what was set last."""
        self._read_all()
        return self._last

    def _list_settings(self) -> Settings:
        """List all settings by git, or, where that fails, by `read_without_git`."""
        if self._read_without_git is None:
            return parse_entries(self._read("--list"))
        if not self._is_git_lost:
            listed = self._try_to_list()
            if listed is not None:
                return listed
            self._is_git_lost = True  # one that hangs is not waited for again
        return self._read_without_git()

    def _try_to_list(self) -> Settings | None:
        try:
            ended = self._run(["config", "--null", "--list"], git_environment())
        except EnvironmentFaultError:
            return None
        listed = parse_entries(_split(ended.stdout)) if ended.code == 0 else []
        # Of a repository with an extension that it does not know, git leaves the settings out.
        return listed if any(key == _FORMAT_KEY for key, _ in listed) else None

    def _read(self, *args: str) -> list[str]:
        """Run `git config`; what is not set is an empty list. Raises ConfigError."""
        ended = self._run(["config", "--null", *args], git_environment())
        if ended.code not in {0, 1}:
            raise ConfigError(
                "git cannot read its configuration",
                "git config --list --show-origin shows which file sets what",
                split_words(ended.stderr),
            )
        return _split(ended.stdout)

    def _run(
        self,
        args: Sequence[str],
        env: Mapping[str, str],
        *,
        has_terminal: bool = False,
        on_words: Callable[[bytes], None] | None = None,
    ) -> Ended:
        """Run git; its failures are the caller's matter. Raises EnvironmentFaultError."""
        try:
            ended = run_program(
                ["git", f"--git-dir={self._git_dir}", *args],
                cwd=self._start,
                env=env,
                timeout_s=self.timeout_s,
                has_terminal=has_terminal,
                on_words=on_words,
            )
        except OSError as error:
            raise EnvironmentFaultError(
                f"cannot run git: {error.filename}: {error.strerror}",
                "git must be installed and on PATH",
            ) from error
        if ended.code == _USAGE:
            raise EnvironmentFaultError(
                "git does not support an option that git-session needs",
                "git-session needs git 2.39 or later; check git --version",
                split_words(ended.stderr)[:1],
            )
        return ended


def read_paths_here(key: str) -> list[str]:
    """Read all values of a key that is for paths, wherever git is asked, a repository or not.

    `~` is the user's home. Raises ConfigError, and EnvironmentFaultError without a git.
    """
    command = ["git", "config", "--null", "--type=path", "--get-all", key]
    try:
        ended = run_program(command, cwd=Path.cwd(), env=os.environ, timeout_s=CALL_TIMEOUT_S)
    except OSError as error:
        raise EnvironmentFaultError(f"cannot run git: {error.strerror}") from error
    if ended.code not in {0, 1}:
        raise ConfigError(
            f"git cannot read {key}",
            "git config --list --show-origin shows which file sets what",
            split_words(ended.stderr),
        )
    return _split(ended.stdout)


def _split(listed: bytes) -> list[str]:
    return os.fsdecode(listed).split("\0")[:-1]
