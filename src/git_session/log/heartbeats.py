"""Keep the beat files of this host in step with what is recorded.

A session's start makes its file, a transition takes up what stands in it, an exit removes it. The
log is what counts: a beat file that cannot be written is a warning, and nothing fails for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from git_session.core.wire import names
from git_session.core.wire.block import Extra, SessionState
from git_session.core.wire.duration import parse_duration
from git_session.core.wire.evidence import (
    EVIDENCE_KEYS,
    Evidence,
    format_attributes,
    format_evidence,
    parse_evidence,
)
from git_session.core.wire.words import COMMIT_ATTRIBUTE, PRESUMED_REASONS
from git_session.errors import ConfigError, GitSessionError, UsageError
from git_session.git.repository.objects import ObjectStore
from git_session.host.beats import Beat, Beats, note_work
from git_session.host.processes import read_here, read_host

INTERVAL_KEY: Final = "session.beatInterval"
DEFAULT_INTERVAL: Final = "15m"
SWEPT_AFTER_MS: Final = 3_600_000
"""Sessions that beat within it are not asked for: most of them live."""

_FRESH_MS: Final = 5000
"""A file that is no older tells nobody less than a new one would."""


class BeatKeeper:
    """Makes, follows and removes the beat files of one repository.

    `top` is what stored worktree paths are relative to; `clock` gives ms since the epoch.
    """

    def __init__(self, store: ObjectStore, top: Path | None, clock: Callable[[], int]) -> None:
        self.beats = Beats(store.common_dir)
        self._store = store
        self._top = top
        self._clock = clock

    def begin(
        self, issue_id: str, task_id: str, state: SessionState, head: str | None = None
    ) -> Beat:
        """Make the file of a session that lives on this host; `head` is the log that has `state`.

        Evidence of a process on this host, in this boot, is kept; any other is let go. Raises
        ReadOnlyError, or UsageError for a session whose id no file can have.
        """
        here = read_here()
        evidence = parse_evidence(state.extras, state.pid)
        is_here = (evidence.host, evidence.boot_id) == (here.host, here.boot_id)
        beat = Beat(
            session_id=state.session_id,
            grite_issue_id=issue_id,
            task_id=task_id,
            ts=self._clock(),
            recorded_ts=state.last_heartbeat_ts or state.started_ts,
            evidence=evidence if is_here and here.boot_id else here,
            worktree=self._find_worktree(state.worktree),
            interval_ms=self._read_interval_leniently(),
            head=head,
        )
        self.beats.write(beat)
        return beat

    def try_begin(
        self, issue_id: str, task_id: str, state: SessionState, head: str | None = None
    ) -> tuple[Beat | None, list[str]]:
        """Make the file as `begin` does, if it can be made; give warnings."""
        return _try(lambda: self.begin(issue_id, task_id, state, head))

    def follow(
        self, held: Beat | None, state: SessionState, head: str | None, *, is_work: bool
    ) -> tuple[Beat | None, list[str]]:
        """Bring a session's file up to the block just recorded, which took up what `held` told.

        `head` is the block's commit. Gives the beat as it is then, and warnings. Attributes that
        were taken up are let go; those set since stay for the next block.
        """
        if held is None:
            return None, []
        if state.is_exit:
            self.beats.remove(held.grite_issue_id, held.session_id)
            return None, []
        return _try(lambda: self._follow(held, state, head, is_work=is_work))

    def sweep(self, has_exited: Callable[[str, str], bool], *, older_than_ms: int) -> None:
        """Remove the files of sessions whose exit came from elsewhere, by a sync.

        `has_exited` is asked with issue id and session id, for files that were not renewed lately.
        """
        for beat in self.beats.read_all():
            is_old = self._clock() - beat.ts >= older_than_ms
            if is_old and has_exited(beat.grite_issue_id, beat.session_id):
                self.beats.remove(beat.grite_issue_id, beat.session_id)

    def read_interval(self) -> int:
        """Read after how many ms a beat is put into the log by itself. Raises ConfigError."""
        text = self._store.settings.read_text(INTERVAL_KEY, default=DEFAULT_INTERVAL)
        try:
            return parse_duration(text)
        except UsageError as error:
            raise ConfigError(
                f"{INTERVAL_KEY} is {text!r}, which is not a duration",
                f"git config {INTERVAL_KEY} {DEFAULT_INTERVAL}",
            ) from error

    def _follow(
        self, held: Beat, state: SessionState, head: str | None, *, is_work: bool
    ) -> Beat | None:
        now = self._clock()
        evidence = parse_evidence(state.extras, state.pid)
        if evidence.host is None or evidence.pid is None:
            evidence = held.evidence
        is_told = not held.attributes and evidence == held.evidence and _is_fresh(held, now)
        if is_told and not (is_work and note_work(held, now) is not held):
            return held  # the file says it all, and soon after another step it need not say more
        with self.beats.lock():
            beat = self.beats.read(held.grite_issue_id, held.session_id)
            if beat is None:
                return None
            left = beat.attributes.items() - held.attributes.items()
            beat = beat._replace(
                ts=now,
                recorded_ts=now,
                attributes=dict(left),
                evidence=evidence,
                interval_ms=self._read_interval_leniently(),
                head=head,
            )
            beat = note_work(beat, now) if is_work else beat
            self.beats.write(beat)
            return beat

    def _read_interval_leniently(self) -> int:
        try:
            return self.read_interval()
        except GitSessionError:  # the beat that comes to need it will say so
            return parse_duration(DEFAULT_INTERVAL)

    def _find_worktree(self, stored: str) -> str | None:
        """Find the checkout that a session works in; without one named, where we are called."""
        if stored:
            return os.path.realpath(self._top / stored if self._top else stored)
        top = self._store.worktree
        return None if top is None else os.path.realpath(top)


def read_news(held: Beat | None) -> dict[str, Extra]:
    """Return what a block should take up of a beat: attributes, as extra keys.

    The last commit that a hook saw is one of them, so that it is known when the file is gone.
    """
    if held is None:
        return {}
    commit = {COMMIT_ATTRIBUTE: held.commit} if held.commit else {}
    return format_attributes({**commit, **held.attributes})


def _is_fresh(held: Beat, now: int) -> bool:
    return max(abs(now - held.ts), abs(now - held.recorded_ts)) < _FRESH_MS


def _try(write: Callable[[], Beat | None]) -> tuple[Beat | None, list[str]]:
    try:
        return write(), []
    except (GitSessionError, OSError) as error:
        return None, [f"no beat file was written: {error}"]


def make_extras(
    evidence: Evidence | None,
    attributes: Mapping[str, Extra] | None = None,
    others: Mapping[str, Extra] | None = None,
) -> dict[str, Extra]:
    """Make extra keys of a block: evidence about a process or host, attributes, and others.

    Raises UsageError for a name that no attribute can have.
    """
    for key in attributes or {}:
        names.require_attribute_name(key)
    own = {**format_evidence(evidence or Evidence()), **format_attributes(attributes or {})}
    return {**own, **(others or {})}


def move_here(state: SessionState) -> SessionState:
    """Give a session that told no process the host that now records it."""
    if state.pid is not None:
        return state
    kept = {key: value for key, value in state.extras.items() if key not in EVIDENCE_KEYS}
    return replace(state, extras={**format_evidence(read_host()), **kept})


def is_presumption(state: str, changes: Mapping[str, Any]) -> bool:
    """Return whether an exit is concluded by somebody else, which is no sign of life."""
    return (
        state == "exit"
        and changes.get("exit_code") == -1
        and changes.get("exit_reason") in PRESUMED_REASONS
    )
