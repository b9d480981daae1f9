"""Append to the log: one command, one commit, moved in by compare-and-swap.

The loop that meets a lost race is here, one attempt is in git/repository/.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Generic, TypeVar

from git_session.core.fold.plan import Draft, next_timestamp
from git_session.core.fold.replay import Replay
from git_session.core.wire import names
from git_session.core.wire.commit import LogCommit, form_files
from git_session.core.wire.event import Event, build_event
from git_session.core.wire.lock import GLOBAL_RESOURCE, conflicts, issue_resource, parse_lock
from git_session.errors import (
    ContendedError,
    EnvironmentFaultError,
    LockedError,
    WireError,
)
from git_session.git.repository.refs import PATIENCE_S, unlock_hint
from git_session.host.clock import Backoff
from git_session.log.actors.actors import Actor, ensure_actor, read_signing_seed
from git_session.log.reader import LogReader

_FIRST_PAUSE_S: Final = 0.004
_LONGEST_PAUSE_S: Final = 0.4
_SETTLING_S: Final = 0.05
"""Many times what grite takes from reading that there is no log to writing its first ref."""

Value = TypeVar("Value")

Plan = Callable[[Replay, int], tuple[bytes, Sequence[Draft], Value]]
"""Plans what to append to which issue, from the log as it is and the time in ms.

The value is what else the planner's caller has to know of it.
"""


@dataclass(frozen=True, slots=True)
class Appended(Generic[Value]):
    """Holds what is appended: the commit (None when nothing has to change) and how much.

    `value` is the plan's.
    """

    issue_id: bytes
    value: Value
    commit: str | None
    events: int
    warnings: tuple[str, ...]
    written: LogCommit | None = None
    built: tuple[Event, ...] = ()


class LogWriter:
    """Writes as one actor of a repository; the actor is made when there is none."""

    def __init__(
        self,
        reader: LogReader,
        *,
        clock: Callable[[], int],
        actor_id: str | None,
        environ: Mapping[str, str],
    ) -> None:
        self._reader = reader
        self._store = reader.store
        self._clock = clock
        self._actor_id = actor_id
        self._environ = environ
        self._actor: Actor | None = None
        self._seed: bytes | None = None
        self._cleared: set[str] = set()

    def append(self, plan: Plan[Value]) -> Appended[Value]:
        """Plan and appends, again and again while other programs move the ref in between.

        The plan sees the log anew each time, so that a transition is checked against the log
        it is appended to. Raises ContendedError after 10 s, LockedError under
        `lock_policy = require`, and whatever the plan raises.
        """
        deadline = time.monotonic() + PATIENCE_S
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        base: str | None = None
        appended: Appended[Value] | None = None
        with self._store.queue():
            while True:
                head, replay = self._reader.read()
                if appended is None or head != base:
                    self._reader.require_sound(head)
                    base, appended = head, self.prepare(plan, head, replay)
                if appended.commit is None:
                    return appended
                message = names.commit_message(appended.events, self.actor.actor_id)
                moved = self._store.advance_ref(names.WAL_REF, head, appended.commit, message)
                if moved and (head is not None or self._has_settled(appended.commit)):
                    if appended.written is not None:
                        self._reader.follow(appended.written, appended.built)
                    return appended
                if time.monotonic() > deadline:
                    raise self._give_up()
                backoff.wait()

    def prepare(self, plan: Plan[Value], head: str | None, replay: Replay) -> Appended[Value]:
        """Plan and write the commit after `head`, of which `replay` tells; moves no ref."""
        if head is None:
            self._refuse_to_hide_a_log()
        now = self._clock()
        issue_id, drafts, value = plan(replay, now)
        if not drafts:
            return Appended(issue_id, value, None, 0, ())
        warnings = self._check_locks(issue_id, now)
        events = self._build(replay, issue_id, drafts, now)
        self._require_trust(replay, events)
        self._refuse_secrets(replay, issue_id, events)
        written = self._write(head, events)
        return Appended(
            issue_id, value, written.oid, len(events), tuple(warnings), written, tuple(events)
        )

    def _refuse_to_hide_a_log(self) -> None:
        from git_session.log.absence import refuse_to_hide  # a log begins but once

        refuse_to_hide(self._store)

    def _has_settled(self, commit: str) -> bool:
        """Return whether a log that was begun with `commit` a moment later still holds it.

        Where grite saw no log, it sets the ref without a look at what is there by now (5 of 100
        first commits were lost so, with grite started 8 to 30 ms before).
        """
        time.sleep(_SETTLING_S)
        tip = self._store.read_ref(names.WAL_REF)
        return tip is not None and self._store.is_ancestor(commit, tip)

    @property
    def actor(self) -> Actor:
        """Return the actor that writes, after making one where there is none."""
        self._take_role()
        assert self._actor is not None
        return self._actor

    def _take_role(self) -> None:
        if self._actor is not None:
            return
        self._actor = ensure_actor(
            self._store.common_dir,
            now=self._clock(),
            new_actor_id=os.urandom(16).hex(),
            actor_id=self._actor_id,
            environ=self._environ,
        )
        self._seed = read_signing_seed(self._actor, self._store.common_dir)

    def _build(
        self, replay: Replay, issue_id: bytes, drafts: Sequence[Draft], now: int
    ) -> list[Event]:
        ts = next_timestamp(now, replay.events_of(issue_id))
        actor = bytes.fromhex(self.actor.actor_id)
        sign = self._sign if self._seed is not None else None
        return [
            build_event(issue_id, actor, ts, draft.kind, draft.payload, draft.parent, sign)
            for draft in drafts
        ]

    def _sign(self, event_id: bytes) -> bytes:
        from git_session.log.actors import signing  # 25 ms, for those who sign

        assert self._seed is not None
        return signing.sign(self._seed, event_id)

    def _require_trust(self, replay: Replay, events: Sequence[Event]) -> None:
        """Refuse to write what no reader here would read."""
        judge = replay.judge
        if replay.requires_signature and not all(judge and judge(event) for event in events):
            raise EnvironmentFaultError(
                f"verify_signatures is require, and actor {self.actor.actor_id[:8]} has no signing"
                " key that is trusted here: its events would be ignored",
                "git session actor new --use creates an actor that signs, and uses it",
            )

    def _refuse_secrets(self, replay: Replay, issue_id: bytes, events: Sequence[Event]) -> None:
        """Keep a credential out of the log, where it would stay, if that is wanted."""
        if not self._refuses_secrets:
            return
        from git_session.log.secrets.policy import refuse_secrets

        known = (event.raw for event in replay.events_of(issue_id))
        refuse_secrets(self._store, [event.raw for event in events], known, self._cleared)

    @cached_property
    def _refuses_secrets(self) -> bool:
        return self._store.settings.read_text(names.SECRETS_KEY, default="").lower() == "refuse"

    def _write(self, head: str | None, events: Sequence[Event]) -> LogCommit:
        actor_id = self.actor.actor_id
        raws = (event.raw for event in events)
        files = form_files(raws, actor_id=actor_id, first_ts=events[0].ts, head=head)
        parents, now = (head,) if head else (), int(time.time())
        oid = self._store.write_commit(
            files=files,
            parents=parents,
            message=names.commit_message(len(events), actor_id),
            time=now,
            committer=self._store.committer,
        )
        return LogCommit(oid, parents, now, files.pop(names.META_PATH), list(files.items()))

    def _check_locks(self, issue_id: bytes, now: int) -> list[str]:
        policy = self._reader.config.lock_policy
        if policy == "off":
            return []
        resource = issue_resource(issue_id.hex())
        warnings = []
        for data in self._store.read_locks([resource, GLOBAL_RESOURCE]):
            try:
                lock = parse_lock(data)
            except WireError:
                continue
            if not conflicts(lock, resource, actor_id=self.actor.actor_id, now=now):
                continue
            expiry = min(lock.expires_unix_ms, names.NEWEST_TS) / 1000
            until = time.strftime("%F %H:%M:%S", time.localtime(expiry))
            sentence = f"{lock.resource} is locked by actor {lock.owner[:8]} until {until}"
            if policy == "require":
                raise LockedError(sentence, "wait for it, or ask its owner: grite lock status")
            if sentence not in warnings:
                warnings.append(sentence)
        return warnings

    def _give_up(self) -> ContendedError:
        held: Path | None = self._store.held_lock(names.WAL_REF)
        if held is not None:
            return ContendedError(
                f"{names.WAL_REF} stayed locked for {PATIENCE_S:.0f} s by {held}",
                unlock_hint(held),
            )
        return ContendedError(
            f"other programs kept moving {names.WAL_REF} for {PATIENCE_S:.0f} s",
            "try again; nothing was recorded",
        )
