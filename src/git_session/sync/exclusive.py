"""Start a session exclusively: the remote decides who works on a task.

A push that lands is a compare-and-swap on the remote's ref, so of any number of clones
exactly one wins, whatever their clocks say. Source: the design, section "Two clones".
"""

from __future__ import annotations

import time
from typing import Any

from git_session.core.fold.find import find_session, find_task
from git_session.core.fold.replay import FoldedIssue, Replay
from git_session.core.fold.rows import Row
from git_session.core.wire import names
from git_session.core.wire.plain_text import quote_word
from git_session.errors import AmbiguousError, ConflictError, ContendedError, DamagedLogError
from git_session.git.remote import Git
from git_session.git.repository.refs import PATIENCE_S
from git_session.host.clock import Backoff
from git_session.log.merge import compare_heads, leads_to, write_merge
from git_session.log.secrets.policy import Scan, tell_finds
from git_session.log.session_log import SessionLog
from git_session.log.writer import Appended
from git_session.sync.remotes import (
    DEFAULT_TIMEOUT_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Exchange,
    Remote,
    choose_remotes,
    find_deadline,
    open_git,
)


def claim_row(
    log: SessionLog,
    task: str,
    *,
    remote: str | None = None,
    timeout: float = DEFAULT_TIMEOUT_S,
    git: Git | None = None,
    **details: Any,
) -> Row:
    """Start a session on a task that nobody works on, here or at the remote.

    The remote that decides is the first to sync with unless given; `timeout` is in seconds; the
    details are those of plan_start. Raises ConflictError when somebody works on it, with the
    command that would end that session; ContendedError when the time is up.
    """
    git = git or open_git(log.store)
    arbiter = choose_remotes(git, [remote] if remote else [])[0]
    sync = f"git session sync {quote_word(remote)}" if remote else "git session sync"
    claim = _Claim(log, git, arbiter, task, details, sync=sync, timeout=timeout)
    appended = claim.run()
    warnings = tell_finds(claim.scan.row(appended.commit), log.common_dir) + arbiter.warnings
    if arbiter.error is not None:  # it has the claim all the same
        warnings.append(arbiter.error.message)
    return log.recorder.started_row(appended, warnings)


class _Claim:
    """Tries to start a session on a task until the remote has it, or has somebody else's."""

    def __init__(
        self,
        log: SessionLog,
        git: Git,
        arbiter: Remote,
        task: str,
        details: dict[str, Any],
        *,
        sync: str,
        timeout: float,
    ) -> None:
        self._log = log
        self._arbiter = arbiter
        self._task = task
        self._sync = sync
        self._timeout = timeout
        self._deadline = find_deadline(timeout)
        self._exchange = Exchange(log.store, git, self._deadline)
        self.scan = Scan(log.store, git, self._deadline)
        self._start = log.recorder.plan_start(task, **details)
        self._tried: dict[str, Appended[str]] = {}

    def run(self) -> Appended[str]:
        """Return what was appended; its value is the session's id."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            self._exchange.fetch([self._arbiter])
            claim = self._find_landed() or self._push_one()
            if claim is not None:
                self._follow(claim)
                return self._tried[claim]
            backoff.wait()

    def _find_landed(self) -> str | None:
        """Find a claim that arrived although the answer was lost, under what came after it."""
        self._raise_if_failed()
        for commit in self._tried:
            if leads_to(self._log.store, self._arbiter.head, commit):
                return commit
        if self._tried and time.monotonic() > self._deadline:
            raise ContendedError(
                f"{self._arbiter.name} kept moving for {self._timeout:g} s",
                "try again; nothing was recorded",
            )
        return None

    def _push_one(self) -> str | None:
        """Claim on top of what is known and pushes that; None when somebody else was quicker."""
        local = self._log.head()
        if local is not None:
            self._log.store.require_log_commit(local)
        head = self._join(local, self._arbiter.head)
        replay = self._log.reader.read_at(head)
        self._refuse_if_taken(replay, find_task(replay, self._task))
        claim = self._log.writer.prepare(self._start, head, replay)
        assert claim.commit is not None
        self._look_at_what_leaves(claim.commit)
        self._tried[claim.commit] = claim
        refused = self._exchange.push([self._arbiter], claim.commit)
        if self._arbiter.head != claim.commit:
            self._raise_if_failed()
        return None if refused else claim.commit

    def _look_at_what_leaves(self, claim: str) -> None:
        """Scan what a claim takes along. Raises SecretError for what must not leave."""
        leaving = compare_heads(self._log.store, claim, self._arbiter.head).leaving
        self.scan.look_at(leaving)
        refusal = self.scan.refusal(self._arbiter.name, leaving, claim)
        if refusal is not None:
            raise refusal

    def _raise_if_failed(self) -> None:
        error = self._arbiter.error
        if error is None:
            return
        if self._arbiter.unanswered is not None:
            error.hint = (
                "it is not known whether the claim arrived there: "
                f"{self._sync} && git session list --task {quote_word(self._task)}"
            )
        raise error

    def _join(self, local: str | None, theirs: str | None) -> str | None:
        """Find or write the head that holds both logs; no ref moves."""
        try:
            comparison = compare_heads(self._log.store, local, theirs)
            if comparison.relation in ("missing", "behind"):
                return theirs
            if comparison.relation == "diverged":
                return write_merge(self._log.store, comparison)
        except DamagedLogError as error:
            raise DamagedLogError(
                f"the log here and that of {self._arbiter.name} cannot be merged: {error.message}",
                error.hint,
            ) from error
        return local

    def _follow(self, claim: str) -> None:
        """Move the local ref to a claim that has landed, over what was written here meanwhile."""
        deadline = time.monotonic() + PATIENCE_S
        backoff = Backoff(FIRST_PAUSE_S, FIRST_PAUSE_S)
        while time.monotonic() < deadline:
            with self._log.store.queue():
                local = self._log.store.read_ref(names.WAL_REF)
                head = self._join(local, claim)
                if head is None or head == local:
                    return
                message = "git session start --exclusive"
                if self._log.store.advance_ref(names.WAL_REF, local, head, message):
                    return
            backoff.wait()
        raise ContendedError(
            f"{self._arbiter.name} has the claim, session {self._tried[claim].value}, but"
            f" {names.WAL_REF} could not be moved here for {PATIENCE_S:.0f} s",
            f"{self._sync} fetches it",
        )

    def _refuse_if_taken(self, replay: Replay, folded: FoldedIssue) -> None:
        live = [life for life in folded.sessions.lives.values() if not life.state.is_exit]
        if not live:
            return
        life = live[0]
        assert life.current is not None
        who = life.current.event.actor.hex()[:8]
        command = f"git session exit {quote_word(_name_session(replay, folded, life.session_id))}"
        known = self._log.replay().issue(folded.issue.issue_id)
        if known is None or life.session_id not in known.sessions.lives:
            command = f"{self._sync} && {command}"
        raise ConflictError(
            f"task {folded.issue.task_id} has a live session: {life.session_id}"
            f" ({life.state.state}, {life.state.engine}, actor {who})",
            f"if it is dead: {command} --code -1 --reason crash-recovery",
        )


def _name_session(replay: Replay, folded: FoldedIssue, session_id: str) -> str:
    """Return the shortest name that a command takes for a session."""
    try:
        find_session(replay, session_id)
    except AmbiguousError:
        return f"{folded.issue.hex}/{session_id}"
    return session_id
