"""Scan what is about to leave for credentials and home directories, each event once.

`session.secrets` says what comes of it. A credential is refused under `refuse`; a home directory
only ever warns, as it stands in a log for good once a session has worked outside the repository.
Under `refuse` what could not be scanned stays here, too.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from git_session.core.fold.finds import WORDS, Kind, explain_finds
from git_session.core.fold.source import Row
from git_session.core.wire.chunk import split_chunk
from git_session.core.wire.names import SECRETS_ALLOW_KEY, SECRETS_KEY
from git_session.errors import ConfigError, GitSessionError, SecretError, WireError
from git_session.git.repository.objects import ObjectStore
from git_session.git.settings import GitSettings
from git_session.log.secrets.said import read_said, write_said
from git_session.log.secrets.texts import OutgoingText, find_homes, list_texts

if TYPE_CHECKING:
    from git_session.log.secrets.scan import Scanned

Mode = Literal["warn", "refuse", "off"]

_MODES: Final[tuple[Mode, ...]] = get_args(Mode)
LONGEST_S: Final = 30.0
"""What a scan may take; 10,000 events take less than one of these seconds."""

_SHORTEST_S: Final = 1.0

_SHORT_S: Final = 5.0
"""What a scan may take that others wait for; what it has not seen then, a sync looks at."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Holds what is to be done about secrets, and which lines are no matter of them."""

    mode: Mode = "warn"
    allowed: tuple[str, ...] = ()

    def allows(self, line: str) -> bool:
        """Return whether the user said that there is nothing in such a line."""
        return any(re.search(pattern, line) for pattern in self.allowed)


@dataclass(frozen=True, slots=True)
class Found:
    """Holds one find: what it is, in which text and line (from 1) of how many events."""

    kind: Kind
    what: str
    text: OutgoingText
    line: int | None
    events: int = 1

    @property
    def place(self) -> tuple[str, ...]:
        """Return what makes two finds the same thing said again."""
        text = self.text
        return (self.kind, self.what, text.issue_id, text.session_id or "", text.field)

    def row(self, commit: str | None) -> Row:
        """Make the row of an OutgoingFinding. The text itself is not in it."""
        text = self.text
        return {
            "kind": self.kind,
            "what": self.what,
            "field": text.field,
            "line": self.line,
            "session_id": text.session_id,
            "grite_issue_id": text.issue_id,
            "event_id": text.event_id,
            "commit": commit,
            "events": self.events,
        }


class Scan:
    """Scans events as they are about to leave, and remembers which it has seen.

    `deadline` is a monotonic time, until which it may take. What the user's home is called tells
    the environment, unless `home` does.
    """

    def __init__(
        self, store: ObjectStore, git: GitSettings, deadline: float, *, home: str | None = None
    ) -> None:
        self._failure = ""
        self._store = store
        self._git = git
        self._deadline = deadline
        self._home = os.environ.get("HOME", "") if home is None else home
        self._policy: Policy | None = None
        self._seen: set[bytes] = set()
        self._found: dict[tuple[str, ...], Found] = {}
        self._held: dict[bytes, set[tuple[str, ...]]] = {}
        """By event: the finds that keep it here under `refuse`."""

    def look_at(self, events: Iterable[bytes]) -> None:
        """Scan those of the events that it has not seen. Raises ConfigError."""
        news = set(events) - self._seen
        if not news:
            return
        if self._policy is None:
            self._policy = read_policy(self._git)
        self._seen |= news
        if self._policy.mode == "off":
            return
        from git_session.log.secrets.scan import scan_texts  # 5 ms, for those who send something

        texts = list_texts(news)
        left = min(LONGEST_S, self._deadline - time.monotonic())
        scanned = scan_texts(
            [text.text for text in texts], self._policy.allowed, max(left, _SHORTEST_S)
        )
        self._take(texts, scanned)
        for text in texts:
            for what, line in find_homes(text.text, self._home):
                if not self._policy.allows(text.text.split("\n")[line - 1]):
                    self._add(Found("home", what, text, line))

    def refusal(self, remote: str, events: Iterable[bytes], head: str | None) -> SecretError | None:
        """Return what keeps these events, which are in the log `head`, from a remote, if anything.

        What could not be scanned is kept as well.
        """
        if self._policy is None or self._policy.mode != "refuse":
            return None
        places = {place for raw in events for place in self._held.get(raw, ())}
        if not places and not self._failure:
            return None
        rows = self._make_rows([self._found[place] for place in places], head)
        return SecretError(
            f"nothing was sent to {remote}: {'; '.join(explain_finds(rows, self._failure))}",
            "git session sync -n -v lists them; if all are false alarms: git config --add"
            f" {SECRETS_ALLOW_KEY} REGEX, or once: git -c {SECRETS_KEY}=warn session sync",
        )

    def row(self, head: str | None) -> Row | None:
        """Make the row of a ScanReport, None without a scan; the events are in the log `head`."""
        if self._policy is None:
            return None
        return {
            "policy": self._policy.mode,
            "events": len(self._seen),
            "failure": self._failure or None,
            "findings": self._make_rows(self._found.values(), head),
        }

    def _make_rows(self, finds: Iterable[Found], head: str | None) -> list[Row]:
        # A session's name may be what was found: then it is not told either.
        secret = {
            found.text.session_id
            for found in self._found.values()
            if found.kind == "credential" and found.text.field == "session_id"
        }
        ordered = sorted(finds, key=lambda found: list(WORDS).index(found.kind))
        commits = _name_commits(self._store, head, {found.text.raw for found in ordered})
        rows = [found.row(commits.get(found.text.raw)) for found in ordered]
        return [row | {"session_id": None} if row["session_id"] in secret else row for row in rows]

    def _take(self, texts: Sequence[OutgoingText], scanned: Scanned) -> None:
        for number, what, line in scanned.found:
            self._add(Found("credential", what, texts[number], line))
        for number, why in scanned.unscanned:
            self._add(Found("unscanned", why, texts[number], None))
        if scanned.failure:
            self._failure = scanned.failure

    def _add(self, found: Found) -> None:
        known = self._found.get(found.place)
        self._found[found.place] = (
            found if known is None else replace(known, events=known.events + 1)
        )
        if found.kind != "home":
            self._held.setdefault(found.text.raw, set()).add(found.place)


def read_policy(git: GitSettings) -> Policy:
    """Read what is to be done about secrets from git's configuration. Raises ConfigError."""
    settings = git.config_matching(r"^session\.secrets")
    modes = [value.lower() for key, value in settings if key == SECRETS_KEY.lower()]
    allowed = tuple(value for key, value in settings if key == SECRETS_ALLOW_KEY.lower())
    mode = modes[-1] if modes else "warn"
    if mode not in _MODES:
        raise ConfigError(
            f"{SECRETS_KEY} is {mode!a}, which is not one of {', '.join(_MODES)}",
            f"git config {SECRETS_KEY} warn",
        )
    for pattern in allowed:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(
                f"{SECRETS_ALLOW_KEY} {pattern!a} is not a regular expression: {error}",
                f"git config --get-all --show-origin {SECRETS_ALLOW_KEY} shows where it is set",
            ) from error
    return Policy(mode, allowed)


def refuse_secrets(
    store: ObjectStore, events: Iterable[bytes], known: Iterable[bytes], cleared: set[str]
) -> None:
    """Refuse events that are about to be recorded, where `session.secrets` says so.

    What the log holds already, in the events `known`, can be recorded again: a session that has
    a credential in it must be able to end. `cleared` are texts that were scanned, those of these
    events are added. Raises SecretError, ConfigError.
    """
    policy = read_policy(store.settings)
    if policy.mode != "refuse":
        return
    texts = [text for text in list_texts(events) if text.text not in cleared]
    old = {text.text for text in list_texts(known)} if texts else set()
    texts = [text for text in texts if text.text not in old]
    if not texts:
        return
    from git_session.log.secrets.scan import scan_texts

    found = scan_texts([text.text for text in texts], policy.allowed, _SHORT_S).found
    if found:
        # What the session is called may be what was found.
        places = [f"{what} in the {texts[number].field}" for number, what, _ in found]
        raise SecretError(
            f"not recorded, because it seems to contain a credential: {', '.join(places)}",
            f"leave it out; if it is a false alarm: git config --add {SECRETS_ALLOW_KEY} REGEX",
        )
    cleared.update(text.text for text in texts)


def tell_finds(scan: Row | None, common_dir: Path | None) -> list[str]:
    """Return the sentences about what a scan has found; `scan` is the row of a ScanReport.

    With `common_dir` a home directory that was said before in that clone is not said again.
    """
    if scan is None:
        return []
    rows = scan["findings"]
    homes = {row["what"] for row in rows if row["kind"] == "home"}
    if common_dir is not None and homes:
        said = read_said(common_dir)
        if not homes <= said:
            write_said(common_dir, homes)
        rows = [row for row in rows if row["what"] not in said]
    return explain_finds(rows, scan["failure"])


def _name_commits(store: ObjectStore, head: str | None, events: set[bytes]) -> dict[bytes, str]:
    """Find the commits of a log that events stand in."""
    commits: dict[bytes, str] = {}
    if head is None or not events:
        return commits
    with suppress(GitSessionError):
        for commit in store.read_commits(head):
            for _, data in commit.chunks:
                with suppress(WireError):
                    here = events.intersection(split_chunk(data or b""))
                    commits |= dict.fromkeys(here, commit.oid)
            if len(commits) == len(events):
                break
    return commits
