"""Record that a session is alive: in a file, and only now and then in the log.

A beat whose file is there costs no commit and no object, and the log is read only after its head
moved: another host may have presumed the session dead. The design budgets 300 objects for an
agent's day of 8 hours, where a commit every 30 s would be 7,680.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from git_session.core.wire import names
from git_session.core.wire.words import ACTIVITIES, SESSION_VARIABLE
from git_session.errors import (
    AmbiguousError,
    ConflictError,
    EnvironmentFaultError,
    GitSessionError,
    TransitionError,
    UsageError,
)
from git_session.git.place import UnclearError, find_directories
from git_session.git.repository.ref_files import read_ref_file
from git_session.host.beats import Beat, Beats, note_work
from git_session.host.clock import read_clock
from git_session.host.processes import read_here, read_process

if TYPE_CHECKING:
    from git_session.core.wire.block import Extra
    from git_session.log.session_log import SessionLog

_LISTED: Final = 10


class Beaten:
    """Holds a beat as it now is on disk, and the commit if it was put into the log as well."""

    __slots__ = ("beat", "commit", "warnings")

    def __init__(self, held: Beat, commit: str | None, *warnings: str) -> None:
        self.beat = held
        self.commit = commit
        self.warnings = warnings

    @property
    def row(self) -> dict[str, Any]:
        """Return the row of a BeatReport."""
        keys = ("session_id", "task_id", "grite_issue_id", "ts", "recorded_ts", "activity")
        return {
            **{name: getattr(self.beat, name) for name in keys},
            "attributes": dict(self.beat.attributes),
            "commit": self.commit,
            "warnings": list(self.warnings),
        }


def write_beat(
    path: str | os.PathLike[str],
    session: str | None = None,
    *,
    activity: str | None = None,
    attributes: Mapping[str, Extra] | None = None,
    pid: int | None = None,
    is_work: bool = True,
    clock: Callable[[], int] = read_clock,
    environ: Mapping[str, str] = os.environ,
) -> Beaten:
    """Write the beat file of a session, and every `session.beatInterval` a beat into the log.

    The session is the one named, else `$GIT_SESSION_ID`, else the one that lives in the checkout
    at `path`. With `is_work` it is more than a sign of life: who works waits for nobody. A `pid`
    is its process from now on. A session that only the log knows gets its file; one whose exit was
    presumed is alive again in the log. Raises TransitionError for one that has exited,
    NotFoundError, AmbiguousError and UsageError; what only the log did not take, or could not
    answer, is a warning.
    """
    changes = _Changes(activity, attributes or {}, pid, is_work=is_work)
    changes.require_sense()
    common_dir, worktree = _find(path, environ)
    beats = Beats(common_dir)
    named = session or environ.get(SESSION_VARIABLE)

    def open_log() -> SessionLog:
        from git_session.log.session_log import SessionLog

        return SessionLog.open(os.fspath(path), clock=clock, environ=environ)

    ref = _choose(beats, named, worktree, open_log)
    held = None if ref is None else _renew(beats, ref, changes, clock())
    commit: str | None = None
    if held is None:
        log = open_log()
        ref, commit = _adopt(log, named or "")
        held = _renew(beats, ref, changes, clock())
        assert held is not None
    if commit is not None:
        return Beaten(held, commit)
    if is_due(held, clock()):
        log = open_log()
        held = _renew_interval(log, beats, held)
        if is_due(held, log.clock()):
            return _record(log, beats, held)
    return _ask_log(open_log, common_dir, beats, held) or Beaten(held, None)


def is_due(held: Beat, now: int) -> bool:
    """Return whether a beat is to be put into the log; `now` is in ms since the epoch.

    A clock that jumped back far counts like one that went on.
    """
    return held.interval_ms is None or abs(now - held.recorded_ts) >= held.interval_ms


class _Changes:
    """Holds what a beat says besides that it is one."""

    __slots__ = ("activity", "attributes", "is_work", "pid")

    def __init__(
        self,
        activity: str | None,
        attributes: Mapping[str, Extra],
        pid: int | None,
        *,
        is_work: bool,
    ) -> None:
        self.activity = activity
        self.attributes = attributes
        self.pid = pid
        self.is_work = is_work

    def require_sense(self) -> None:
        """Raise UsageError for a word or a name that cannot be."""
        if self.activity is not None and self.activity not in ACTIVITIES:
            raise UsageError(
                f"unknown activity: {self.activity}", f"known: {', '.join(ACTIVITIES)}"
            )
        for key in self.attributes:
            names.require_attribute_name(key)

    def apply(self, held: Beat, now: int) -> Beat:
        """Return the beat as it is from now on."""
        held = held._replace(ts=now, attributes={**held.attributes, **self.attributes})
        if self.activity is not None:
            held = held._replace(activity=self.activity, activity_ts=now)
        elif self.is_work:
            held = note_work(held, now)
        evidence = None if self.pid is None else read_process(self.pid)
        if evidence is not None:
            return held._replace(evidence=evidence)
        here, known = read_here(), held.evidence
        # The process of an earlier boot, or none: what beats now is here. A beat out of a
        # container says nothing against a process that was recorded outside of it.
        is_over = known.host == here.host and known.boot_id != here.boot_id
        return held._replace(evidence=here) if is_over or known.pid is None else held


def _find(path: str | os.PathLike[str], environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Find the common git directory and the checkout. Raises NotARepositoryError."""
    found = find_directories(path, environ)
    if found is not None:
        return found[1:]
    from pathlib import Path

    from git_session.git.repository.objects import ObjectStore

    store = ObjectStore.open(Path(path))
    worktree = None if store.worktree is None else os.fspath(store.worktree)
    return os.fspath(store.common_dir), worktree


def _choose(
    beats: Beats, named: str | None, worktree: str | None, open_log: Callable[[], SessionLog]
) -> tuple[str, str] | None:
    """Choose a beat file; None when only the log can know the session that was named.

    Raises UsageError when none is named and none lives here, AmbiguousError when several do.
    """
    if named is None:
        return _choose_by_worktree(beats, worktree, open_log)
    task, _, wanted = named.rpartition("/")
    found = [ref for ref in beats.refs() if ref[1] == wanted]
    if task:
        held = [beats.read(*ref) for ref in found]
        found = [
            ref for ref, it in zip(found, held, strict=True) if it and task in (ref[0], it.task_id)
        ]
    return found[0] if len(found) == 1 else None


def _choose_by_worktree(
    beats: Beats, worktree: str | None, open_log: Callable[[], SessionLog]
) -> tuple[str, str]:
    hint = f"name one, or set ${SESSION_VARIABLE}: git session list shows them"
    found = _list_living(beats, worktree)
    if len(found) > 1:
        # Some may have exited elsewhere: before that is asked, nobody knows here.
        log = open_log()
        log.keeper.sweep(log.has_exited, older_than_ms=0)
        found = _list_living(beats, worktree)
    if not found:
        raise UsageError("no session given, and none is active in this checkout", hint)
    if len(found) > 1:
        listed = [f"{held.task_id}/{held.session_id}" for held in found[:_LISTED]]
        raise AmbiguousError("several sessions are active in this checkout", hint, listed)
    return found[0].grite_issue_id, found[0].session_id


def _list_living(beats: Beats, worktree: str | None) -> list[Beat]:
    """List the sessions of this host that live in a checkout; on a shared disk others may, too."""
    if worktree is None:
        return []
    top, host = os.path.realpath(worktree), read_here().host
    return [
        held
        for held in beats.read_all()
        if held.worktree == top and held.evidence.host in (host, None)
    ]


def _renew(beats: Beats, ref: tuple[str, str], changes: _Changes, now: int) -> Beat | None:
    """Replace a beat file by its next; None when there is none that can be read."""
    with beats.lock():
        held = beats.read(*ref)
        if held is None:
            return None
        held = changes.apply(held, now)
        beats.write(held)
        return held


def _adopt(log: SessionLog, named: str) -> tuple[tuple[str, str], str | None]:
    """Make the file of a session that only the log knows; the commit is that of a revoked exit.

    Raises NotFoundError, AmbiguousError, or TransitionError for one that recorded its own exit.
    """
    head, commit = log.head(), None
    folded, life = log.find_session(named)
    ref = (folded.issue.hex, life.session_id)
    if life.state.is_exit:
        head = commit = log.beat_row("/".join(ref))["commit"]
        folded, life = log.find_session("/".join(ref))
    log.keeper.begin(folded.issue.hex, folded.issue.task_id, life.state, head)
    return ref, commit


def _renew_interval(log: SessionLog, beats: Beats, held: Beat) -> Beat:
    """Note the interval as it is set now. Raises ConfigError."""
    held = held._replace(interval_ms=log.keeper.read_interval())
    beats.write(held)
    return held


def _ask_log(
    open_log: Callable[[], SessionLog], common_dir: str, beats: Beats, held: Beat
) -> Beaten | None:
    """Ask the log whether the session has exited, if its head moved; None when it goes on.

    An exit that was presumed is revoked. Raises TransitionError for any other exit.
    """
    try:
        head = read_ref_file(common_dir, names.WAL_REF)
        if head == held.head:
            return None
        log = open_log()
        has_exited = log.has_exited(held.grite_issue_id, held.session_id)
        log.save()
    except UnclearError:
        return None
    except (GitSessionError, OSError) as error:
        return Beaten(held, None, f"the log was not asked whether the session goes on: {error}")
    if has_exited:
        return _record(log, beats, held)
    with beats.lock():
        beat = beats.read(held.grite_issue_id, held.session_id)
        if beat is not None:
            beats.write(beat._replace(head=head))
    return None


def _record(log: SessionLog, beats: Beats, held: Beat) -> Beaten:
    """Put a beat into the log."""
    try:
        row = log.beat_row(f"{held.grite_issue_id}/{held.session_id}")
    except TransitionError:
        # Its exit was recorded elsewhere and came by a sync: it lives here no more.
        beats.remove(held.grite_issue_id, held.session_id)
        raise
    except (ConflictError, EnvironmentFaultError) as error:
        return Beaten(held, None, f"the beat is not in the log yet: {error.message}")
    return Beaten(beats.read(held.grite_issue_id, held.session_id) or held, row["commit"])
