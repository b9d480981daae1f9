"""Keeps the beat files of this host in step with what is recorded.

A session's start makes its file, a transition takes up what stands in it, an exit removes it. The
log is what counts: a beat file that cannot be written is a warning, and nothing fails for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from git_session.errors import ConfigError, GitSessionError, UsageError
from git_session.store.beats import Beat, Beats, note_work
from git_session.store.objects import ObjectStore
from git_session.store.processes import read_here, read_process
from git_session.wire import names
from git_session.wire.block import Extra, SessionState
from git_session.wire.duration import parse_duration
from git_session.wire.evidence import (
    Evidence,
    attributes_of,
    format_attributes,
    format_evidence,
    parse_evidence,
)
from git_session.wire.words import COMMIT_ATTRIBUTE, PRESUMED_REASONS

INTERVAL_KEY: Final = "session.beatInterval"
DEFAULT_INTERVAL: Final = "15m"


class BeatKeeper:
    """Makes, follows and removes the beat files of one repository.

    `top` is what stored worktree paths are relative to; `clock` gives ms since the epoch.
    """

    def __init__(self, store: ObjectStore, top: Path | None, clock: Callable[[], int]) -> None:
        self.beats = Beats(store.common_dir)
        self._store = store
        self._top = top
        self._clock = clock

    def begin(self, issue_id: str, task_id: str, state: SessionState) -> None:
        """Makes the file of a session that lives on this host.

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
        )
        self.beats.write(beat)

    def try_begin(self, issue_id: str, task_id: str, state: SessionState) -> list[str]:
        """Makes the file of a session that lives on this host, if it can; gives warnings."""
        return _try(lambda: self.begin(issue_id, task_id, state))

    def read_news(self, issue_id: str, session_id: str) -> tuple[int | None, dict[str, Extra]]:
        """Reads what a block should take up: the last sign of life, and attributes as keys.

        The last commit that a hook saw is one of them, so that it is known when the file is gone.
        """
        beat = self.beats.read(issue_id, session_id)
        if beat is None:
            return None, {}
        commit = {COMMIT_ATTRIBUTE: beat.commit} if beat.commit else {}
        return beat.ts, format_attributes({**commit, **beat.attributes})

    def follow(
        self, issue_id: str, state: SessionState, taken: Mapping[str, Extra], *, is_work: bool
    ) -> list[str]:
        """Brings a session's file, if there is one, up to the block just recorded; gives warnings.

        Attributes that were `taken` up are let go; those set since stay for the next block.
        """
        if state.is_exit:
            self.beats.remove(issue_id, state.session_id)
            return []
        return _try(lambda: self._follow(issue_id, state, taken, is_work=is_work))

    def read_interval(self) -> int:
        """Reads after how many ms a beat is put into the log by itself. Raises ConfigError."""
        text = self._store.read_text(INTERVAL_KEY, default=DEFAULT_INTERVAL)
        try:
            return parse_duration(text)
        except UsageError as error:
            raise ConfigError(
                f"{INTERVAL_KEY} is {text!r}, which is no length of time",
                f"git config {INTERVAL_KEY} {DEFAULT_INTERVAL}",
            ) from error

    def _follow(
        self, issue_id: str, state: SessionState, taken: Mapping[str, Extra], *, is_work: bool
    ) -> None:
        with self.beats.lock():
            beat = self.beats.read(issue_id, state.session_id)
            if beat is None:
                return
            now = self._clock()
            gone = attributes_of(taken)
            left = {key: value for key, value in beat.attributes.items() if gone.get(key) != value}
            beat = beat._replace(
                ts=now,
                recorded_ts=now,
                attributes=left,
                interval_ms=self._read_interval_leniently(),
            )
            evidence = parse_evidence(state.extras, state.pid)
            if evidence.host is not None and evidence.pid is not None:
                beat = beat._replace(evidence=evidence)
            self.beats.write(note_work(beat, now) if is_work else beat)

    def _read_interval_leniently(self) -> int:
        try:
            return self.read_interval()
        except ConfigError:  # the beat that comes to need it will say so
            return parse_duration(DEFAULT_INTERVAL)

    def _find_worktree(self, stored: str) -> str | None:
        """Finds the checkout that a session works in; without one named, where we are called."""
        if stored:
            return os.path.realpath(self._top / stored if self._top else stored)
        top = self._store.worktree
        return None if top is None else os.path.realpath(top)


def _try(write: Callable[[], None]) -> list[str]:
    try:
        write()
    except (GitSessionError, OSError) as error:
        return [f"no beat file was written: {error}"]
    return []


def make_extras(
    pid: int | None,
    attributes: Mapping[str, Extra] | None = None,
    others: Mapping[str, Extra] | None = None,
) -> dict[str, Extra]:
    """Makes extra keys of a block: the evidence about the process `pid`, attributes, and others.

    Raises UsageError for a name that no attribute can have.
    """
    for key in attributes or {}:
        names.require_attribute_name(key)
    evidence = (None if pid is None else read_process(pid)) or Evidence()
    own = {**format_evidence(evidence), **format_attributes(attributes or {})}
    return {**own, **(others or {})}


def is_presumption(state: str, changes: Mapping[str, Any]) -> bool:
    """Tells whether an exit is concluded by somebody else, which is no sign of life."""
    return (
        state == "exit"
        and changes.get("exit_code") == -1
        and changes.get("exit_reason") in PRESUMED_REASONS
    )
