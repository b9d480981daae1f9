"""Reach remotes by running git.

git does the network, so that ssh's configuration, credential helpers, proxies and insteadOf work
as the user has them. Nothing is forced, and no local ref moves but those of the refspecs given.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from git_session.errors import RemoteError, RemoteTimeoutError
from git_session.git.child import Ended, can_terminal_answer
from git_session.git.discovery import find_common_dir
from git_session.git.messages import ProgressFilter, choose_hint, clean_words
from git_session.git.program import git_environment
from git_session.git.push_report import PushOutcome, PushState, parse_push_report
from git_session.git.settings import CALL_TIMEOUT_S, Address, GitSettings
from git_session.host.clock import Backoff
from git_session.host.files.permissions import require_writable
from git_session.host.files.regular_file import require_regular_objects, require_regular_refs

__all__ = ["Git", "PushOutcome", "PushState", "tracking_name"]

# What the user has configured for branches must not reach our refs: --refmap= keeps a refspec like
# +refs/*:refs/* from overwriting the local log, --no-filter brings blobs into a partial clone.
_FETCH: Final = (
    *("fetch", "--refmap=", "--no-tags", "--no-prune-tags", "--no-filter"),
    *("--no-write-fetch-head", "--no-write-commit-graph", "--no-auto-maintenance"),
    *("--no-recurse-submodules", "--quiet"),
)
# Never forced. --no-verify: pre-push hooks are about branches, and what they print is no answer.
_PUSH: Final = (
    *("push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"),
)
_KEEP_ALL: Final = "--filter=blob:limit=1g"
"""Filters nothing that a log has. Objects that came without a filter are dropped by `git gc` in a
partial clone where commits that came with one lead to them."""

_DEEPEN: Final = f"--depth={(1 << 31) - 2}"
"""The largest finite depth. The next number is git's --unshallow, which deepens branches, too."""

_LS_REMOTE: Final = ("ls-remote", "--refs", "--quiet")

_FETCH_ATTEMPTS: Final = 4
_FIRST_PAUSE_S: Final = 0.06
_LONGEST_PAUSE_S: Final = 0.24
_SOME_REFS_FAILED: Final = 1
"""What `git fetch` ends with when objects arrived but refs here could not be moved."""

_BAD_REF: Final = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/$|\.$|\.lock(/|$)|(^|/)\.|^[/-]"
)


def tracking_name(remote: str) -> str:
    """Return the name under which a remote's refs are remembered here.

    It is the remote's own name; for an address, or a name that cannot be part of a ref, `url-` and
    12 hex digits of its SHA-256. Source: git-check-ref-format(1).
    """
    if remote and not _BAD_REF.search(remote):
        return remote
    return f"url-{hashlib.sha256(os.fsencode(remote)).hexdigest()[:12]}"


class Git(GitSettings):
    """Fetches, pushes and reads configuration for one repository; each call is one git or a few.

    See GitSettings for the first arguments. With `may_ask`, git and ssh may ask on the terminal,
    if somebody is there to answer; `on_progress` gets git's progress, fit for a terminal.
    """

    def __init__(
        self,
        git_dir: Path,
        worktree: Path | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        may_ask: bool = False,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(git_dir, worktree, timeout_s=timeout_s)
        self._may_ask = may_ask
        self._on_progress = on_progress

    def fetch(
        self,
        remote: str,
        refspecs: Sequence[str],
        *,
        prune: bool,
        is_deep: bool = False,
        is_anew: bool = False,
    ) -> None:
        """Fetch `refspecs` and nothing else; a remote that has none of them is no failure.

        `is_deep` fetches what a depth limit left out, `is_anew` all objects, also those that are
        said to be here. Raises NotFoundError for an unknown remote, RemoteError, ReadOnlyError.
        """
        address = self.find_address(remote)
        options = [*_FETCH, self._progress_option(), "--prune" if prune else "--no-prune"]
        if is_deep:
            options.append(_DEEPEN)
        if is_anew:
            options.append("--refetch")
        if is_anew and self.read_flag(f"remote.{remote}.promisor", default=False):
            options.append(_KEEP_ALL)
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        for _ in range(_FETCH_ATTEMPTS):
            ended = self._reach(address, options, refspecs)
            if ended.code != _SOME_REFS_FAILED:
                break
            # Another fetch into this clone moved a tracking ref meanwhile: then that one's news
            # is there, and only what came after it is left.
            backoff.wait()
        if ended.code != 0:
            require_writable(self._git_dir)
            raise _failure("cannot fetch from", address, ended)

    def push(self, remote: str, commits: Mapping[str, str]) -> dict[str, PushOutcome]:
        """Push commits by their ids (ref -> id), never forced; return what became of each ref.

        A ref that the remote did not answer for is looked up there. Raises NotFoundError for an
        unknown remote, and RemoteError when the remote cannot be asked that either.
        """
        if not commits:
            return {}
        address = self.find_address(remote)
        options = (*_PUSH, self._progress_option())
        refspecs = [f"{oid}:{ref}" for ref, oid in commits.items()]
        ended = self._reach(address, options, refspecs, _push_settings(address, commits))
        report = parse_push_report(ended.stdout)
        outcomes = {ref: report.outcomes.get(ref, _unanswered(ref)) for ref in commits}
        if any(outcome.state is PushState.UNKNOWN for outcome in outcomes.values()):
            outcomes = self._look_up(address, commits, outcomes, ended)
        elif ended.code != 0 and report.addresses < self._count_push_addresses(address):
            outcomes = {ref: _unanswered(ref, PushState.FAILED) for ref in commits}
        words = clean_words(ended.stderr)
        return {ref: _with_words(outcome, words, address) for ref, outcome in outcomes.items()}

    def ls_remote(self, remote: str, patterns: Sequence[str]) -> dict[str, str]:
        """Ask a remote for its refs that match `patterns` (ref -> id); writes nothing.

        Raises NotFoundError for an unknown remote, RemoteError.
        """
        return self._ask(self.find_address(remote), patterns)

    def _ask(self, address: Address, patterns: Sequence[str]) -> dict[str, str]:
        ended = self._reach(address, _LS_REMOTE, patterns)
        if ended.code != 0:
            raise _failure("cannot read the refs of", address, ended)
        pairs = (line.partition("\t") for line in os.fsdecode(ended.stdout).split("\n"))
        # git takes a pattern for the end of a name, too: other/refs/grite/wal.
        return {
            ref: oid
            for oid, _, ref in pairs
            if any(fnmatchcase(ref, pattern) for pattern in patterns)
        }

    def _look_up(
        self,
        address: Address,
        commits: Mapping[str, str],
        outcomes: Mapping[str, PushOutcome],
        ended: Ended,
    ) -> dict[str, PushOutcome]:
        """Find out what became of refs without an answer: a ref can move and the answer get lost.

        Raises RemoteError, about the push, when the remote does not answer this either.
        """
        unknown = [ref for ref, found in outcomes.items() if found.state is PushState.UNKNOWN]
        try:
            there = self._ask(address, unknown)
        except RemoteError as error:
            raise _failure("cannot push to", address, ended) from error
        looked_up = dict(outcomes)
        for ref in unknown:
            if there.get(ref) == commits[ref]:
                looked_up[ref] = PushOutcome(ref, PushState.LANDED)
            elif ref not in there:
                looked_up[ref] = _unanswered(ref, PushState.FAILED)
        return looked_up

    def _count_push_addresses(self, address: Address) -> int:
        if not address.is_configured:
            return 1
        found = self.config_all(f"remote.{address.word}.pushurl")
        return len(found or self.config_all(f"remote.{address.word}.url"))

    def _progress_option(self) -> str:
        return "--no-progress" if self._on_progress is None else "--progress"

    def _reach(
        self,
        address: Address,
        options: Sequence[str],
        words: Sequence[str],
        settings: Iterable[tuple[str, str]] = (),
    ) -> Ended:
        common_dir = find_common_dir(self._git_dir)
        require_regular_refs(common_dir)
        require_regular_objects(common_dir)
        has_terminal = self._may_ask and can_terminal_answer()
        env = _network_environment(settings, has_terminal=has_terminal)
        command = [*options, "--", address.word, *words]
        if self._on_progress is None:
            ended = self._run(command, env, has_terminal=has_terminal)
        else:
            with ProgressFilter(self._on_progress) as progress:
                ended = self._run(command, env, has_terminal=has_terminal, on_words=progress.add)
        if ended.code is None:
            said = clean_words(ended.stderr)
            raise RemoteTimeoutError(
                f"{address} did not answer within {self.timeout_s:g} seconds",
                "sync again with a longer --timeout",
                said,
            )
        return ended


def _network_environment(
    settings: Iterable[tuple[str, str]], *, has_terminal: bool
) -> dict[str, str]:
    env = git_environment()
    if not has_terminal:
        # Without a terminal ssh, git and the credential manager would open a window, which desktops
        # set up for everybody, and wait. Whoever chose otherwise has a program that answers.
        env["GIT_TERMINAL_PROMPT"] = "0"
        env.setdefault("GCM_INTERACTIVE", "never")
        if env.setdefault("SSH_ASKPASS_REQUIRE", "never") == "never":
            env.pop("SSH_ASKPASS", None)
    count = env.get("GIT_CONFIG_COUNT") or "0"
    if count.isdecimal():  # else git says itself what is wrong with it
        # Not with -c: there a remote's name could hold no equals sign.
        for number, (key, value) in enumerate(settings, int(count)):
            env[f"GIT_CONFIG_KEY_{number}"] = key
            env[f"GIT_CONFIG_VALUE_{number}"] = value
            env["GIT_CONFIG_COUNT"] = str(number + 1)
    return env


def _push_settings(address: Address, refs: Iterable[str]) -> list[tuple[str, str]]:
    """Return what must hold for this push whatever is configured for the remote.

    After a push git moves the local refs that the remote's fetch refspecs name, without looking
    at what they hold: with +refs/*:refs/* that would be the local log. And it refuses to push
    single refs to a mirror.
    """
    settings = [("advice.pushUpdateRejected", "false")]
    if address.is_configured:
        folders = sorted({ref.rpartition("/")[0] for ref in refs})
        settings.append((f"remote.{address.word}.mirror", "false"))
        settings += [(f"remote.{address.word}.fetch", f"^{folder}/*") for folder in folders]
    return settings


def _failure(message: str, address: Address, ended: Ended) -> RemoteError:
    said = clean_words(ended.stderr) or f"git ended with code {ended.code} and said nothing"
    hint = choose_hint(said, str(address), is_configured=address.is_configured)
    return RemoteError(f"{message} {address}", hint, said)


def _unanswered(ref: str, state: PushState = PushState.UNKNOWN) -> PushOutcome:
    return PushOutcome(ref, state, "no answer")


def _with_words(outcome: PushOutcome, words: str, address: Address) -> PushOutcome:
    if outcome.is_there:
        return dataclasses.replace(outcome, words=words)
    said = f"{outcome.reason}\n{words}"
    hint = choose_hint(said, str(address), is_configured=address.is_configured, is_push=True)
    return dataclasses.replace(outcome, words=words, hint=hint)
