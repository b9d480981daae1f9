"""Check what is on this machine: git, the log, the actor, the index, clocks, what waits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from git_session.connect.hooks.hook_settings import HookSettings
from git_session.core.fold.findings import ERRORS
from git_session.core.wire import names
from git_session.core.wire.plain_text import quote_word
from git_session.errors import GitSessionError, LostLogError
from git_session.health.doctor.check import Check, fail, fine
from git_session.host.beats import Beats
from git_session.host.files.permissions import require_writable
from git_session.log.absence import explain_absence
from git_session.log.actors.actors import read_signing_seed, resolve_actor
from git_session.log.gc import is_due, start_maintenance
from git_session.log.index.log_index import LogIndex
from git_session.log.secrets.policy import read_policy
from git_session.log.secrets.scan import scan_texts
from git_session.log.session_log import SessionLog
from git_session.log.setup import make_ready
from git_session.log.spool import has_spooled, record_spooled

OLDEST_GIT: Final = (2, 39)
_VERSION: Final = re.compile(r"git version (\d+)\.(\d+)")
_SKEW_MS: Final = 5 * 60 * 1000
"""How far clocks may be apart: twice what a host without NTP drifts in a month."""

_MINUTE_MS: Final = 60_000
_SCAN_S: Final = 5.0


def check_repository(log: SessionLog) -> Iterator[Check]:
    """Check everything that needs no network and runs no hook."""
    for look in (_git, _repository, _log, _actor, _index, _clocks, _secrets, _spool, _maintenance):
        try:
            yield look(log)
        except GitSessionError as error:
            yield fail(look.__name__.strip("_"), error)


def judge_git(version: str) -> Check:
    """Judge what `git version` says."""
    found = _VERSION.match(version)
    if found is None:
        return Check("git", "failing", f"git version says {version!r}", "install git 2.39 or later")
    told = version.removeprefix("git version ").strip()
    if (int(found[1]), int(found[2])) < OLDEST_GIT:
        return Check("git", "failing", f"git {told} is too old", "install git 2.39 or later")
    return fine("git", f"git {told}")


def _git(log: SessionLog) -> Check:
    return judge_git(HookSettings(log.store.git_dir, log.store.worktree).read_version())


def _repository(log: SessionLog) -> Check:
    require_writable(log.common_dir)
    return fine("repository", f"{log.common_dir} can be written to")


def _log(log: SessionLog) -> Check:
    head = log.head()
    if head is None:
        error = explain_absence(log.store)
        if isinstance(error, LostLogError):
            return Check("log", "warning", error.message, "git session repair")
        return fine("log", "none yet", "git session task add TITLE")
    held = log.store.held_lock(names.WAL_REF)
    if held is not None:
        message = f"{held} blocks every change of the log"
        return Check(
            "log", "failing", message, f"if no git program is running: rm {quote_word(str(held))}"
        )
    log.store.require_log_commit(head)  # the index may know it, and hide that it is gone
    problems = log.problems
    if problems:
        message = f"reading leaves out {len(problems)}: {problems[0].message}"
        is_damaged = any(problem.code in ERRORS for problem in problems)
        return Check("log", "failing" if is_damaged else "warning", message, "git session fsck")
    number = len(log.session_rows(include_exited=True))
    return fine("log", f"{head[:7]}, {number} session{'s' * (number != 1)}")


def _actor(log: SessionLog) -> Check:
    actor = resolve_actor(log.common_dir, actor_id=None, environ=os.environ)
    if actor is None:
        message = "no actor is configured"
        return Check(
            "actor", "warning", message, "git session init", lambda: make_ready(log.common_dir)
        )
    seed = read_signing_seed(actor, log.common_dir)
    policy = log.reader.config.verify_signatures
    if policy == "require" and seed is None:
        message = f"{actor.actor_id[:8]} has no key, and verify_signatures is require"
        return Check("actor", "failing", message, "git session actor new --use")
    return fine("actor", f"{actor.actor_id[:8]}, {'signs' if seed else 'does not sign'}")


def _index(log: SessionLog) -> Check:
    head = log.head()
    if head is None:
        return fine("index", "not needed yet")
    index = LogIndex.open(
        log.common_dir / names.SESSION_DIR / "index.db", trust=log.reader.trust.digest
    )
    try:
        known = index.head
    finally:
        index.close()
    if known == head:
        return fine("index", "up to date")
    log.session_rows()
    log.save()
    return fine("index", "updated")


def _clocks(log: SessionLog) -> Check:
    now = log.clock()
    ahead = max((row["ts"] for row in log.transition_rows()), default=now) - now
    beat = max((held.ts for held in Beats(log.common_dir).read_all()), default=now) - now
    if max(ahead, beat) > _SKEW_MS:
        minutes = max(ahead, beat) // _MINUTE_MS
        message = f"a record is dated {minutes} minutes in the future: a clock is wrong"
        return Check("clocks", "warning", message, "git session log shows when; timedatectl status")
    return fine("clocks", "no record is dated in the future")


def _secrets(log: SessionLog) -> Check:
    mode = read_policy(log.store.settings).mode
    if mode == "off":
        return fine("secrets", "pushes are not scanned for credentials")
    scanned = scan_texts(["a text"], (), _SCAN_S)
    if scanned.failure:
        message = f"pushes cannot be scanned for credentials: {scanned.failure}"
        return Check("secrets", "failing", message, "pip install bc-detect-secrets")
    return fine("secrets", f"pushes are scanned for credentials: {mode}")


def _spool(log: SessionLog) -> Check:
    if not has_spooled(log.common_dir):
        return fine("exits", "all in the log")
    message = "some exits are not in the log yet"
    command = "git session reconcile --apply"
    return Check("exits", "warning", message, command, lambda: record_spooled(log))


def _maintenance(log: SessionLog) -> Check:
    if not is_due(log):
        return fine("maintenance", "not due")
    message = "there are more loose objects than git's gc.auto allows"
    command = "git maintenance run --auto"
    return Check("maintenance", "warning", message, command, lambda: start_maintenance(log))
