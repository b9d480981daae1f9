"""Starts a session exclusively: the remote decides who works on a task.

A push that lands is a compare-and-swap on the remote's ref, so of any number of clones
exactly one wins, whatever their clocks say. Source: the design, section "Two clones".
"""

from __future__ import annotations

import random
import time
from typing import Any, Final

from git_session.errors import ConflictError, ContendedError
from git_session.exchange import Exchange, Remote
from git_session.fold.find import find_task
from git_session.fold.replay import FoldedIssue
from git_session.fold.rows import Row
from git_session.log import SessionLog
from git_session.merging import compare_heads, write_merge
from git_session.store.remote import Git
from git_session.sync import DEFAULT_TIMEOUT_S, choose_remotes, open_git
from git_session.wire import names
from git_session.writer import Appended, Plan

_PAUSE_S: Final = 0.03
_LONGEST_PAUSE_S: Final = 2.0


def claim_row(
    log: SessionLog,
    task: str,
    *,
    remote: str | None = None,
    timeout: float = DEFAULT_TIMEOUT_S,
    git: Git | None = None,
    **details: Any,
) -> Row:
    """Starts a session on a task that nobody works on, here or at the remote.

    The remote that decides is the first to sync with unless given; `timeout` is in seconds; the
    details are those of plan_start. Raises ConflictError when somebody works on it, with the
    command that would end that session; ContendedError when the time is up.
    """
    git = git or open_git(log)
    arbiter = choose_remotes(git, [remote] if remote else [])[0]
    deadline = time.monotonic() + timeout
    exchange = Exchange(log.store, git, deadline)
    start, chosen = log.plan_start(task, **details)
    pause = _PAUSE_S
    while True:
        claim = _try_once(log, exchange, arbiter, task, start)
        if claim is not None:
            return log.recorded_row(claim, chosen["id"], [])
        if time.monotonic() > deadline:
            raise ContendedError(
                f"{arbiter.name} kept moving for {timeout:g} s", "try again; nothing was recorded"
            )
        time.sleep(random.uniform(0, pause))
        pause = min(pause * 2, _LONGEST_PAUSE_S)


def _try_once(
    log: SessionLog, exchange: Exchange, arbiter: Remote, task: str, start: Plan
) -> Appended | None:
    """Fetches, claims and pushes once; None when somebody else's push came first."""
    exchange.fetch([arbiter])
    if arbiter.error is not None:
        raise arbiter.error
    head = _join(log, log.head(), arbiter.head)
    replay = log.reader.read_at(head)
    _refuse_if_taken(find_task(replay, task))
    claim = log.writer.prepare(start, head, replay)
    assert claim.commit is not None
    refused = exchange.push([arbiter], claim.commit)
    if arbiter.error is not None:
        raise arbiter.error
    if refused:
        return None
    _follow(log, claim.commit)
    return claim


def _join(log: SessionLog, local: str | None, theirs: str | None) -> str | None:
    """Finds or writes the head that holds both logs; no ref moves."""
    comparison = compare_heads(log.store, local, theirs)
    if comparison.relation in ("missing", "behind"):
        return theirs
    if comparison.relation == "diverged":
        return write_merge(log.store, comparison)
    return local


def _follow(log: SessionLog, claim: str) -> None:
    """Moves the local ref to a claim that has landed, over what was written here meanwhile."""
    while True:
        local = log.store.read_ref(names.WAL_REF)
        head = _join(log, local, claim)
        if head is None or head == local:
            return
        if log.store.advance_ref(names.WAL_REF, local, head, "git session start --exclusive"):
            return
        time.sleep(random.uniform(0, _PAUSE_S))


def _refuse_if_taken(folded: FoldedIssue) -> None:
    live = [life for life in folded.sessions.lives.values() if not life.state.is_exit]
    if not live:
        return
    life = live[0]
    assert life.current is not None
    who = life.current.event.actor.hex()[:8]
    raise ConflictError(
        f"task {folded.issue.task_id} has a live session: {life.session_id}"
        f" ({life.state.state}, {life.state.engine}, actor {who})",
        f"if it is dead: git session exit {life.session_id} --code -1 --reason crash-recovery",
    )
