"""Judge whether a session is alive: pure, from evidence to a verdict with its reasons.

No session is dead for its age alone: an agent in a long tool call is silent, and its clock can be
wrong. Source: the design, section "Alive or not".
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from git_session.core.wire.evidence import Evidence

Word = Literal["alive", "dead", "quiet", "unknown", "exited"]

QUIET_AFTER_MS: Final = 30 * 60 * 1000
"""Twice the time after which, unless told otherwise, a beat is put into the log by itself."""

PID_RUNS: Final = "its process runs"
PID_GONE: Final = "pid gone"
PID_REUSED: Final = "pid reused"
BOOT_OVER: Final = "rebooted"
WORKTREE_HERE: Final = "worktree of this clone"
"""brat recorded a pid and no host, in a worktree inside this clone and as one of its actors."""

OTHER_HOST: Final = "other host"
OTHER_NAMESPACE: Final = "other pid namespace"
NO_EVIDENCE: Final = "no evidence"
NO_PID: Final = "no pid"
PID_UNSEEN: Final = "pid never seen"
"""A pid was told, and whoever recorded it saw no process of that number."""

NO_START: Final = "start not recorded"
NOT_VISIBLE: Final = "process not visible"
NO_BOOT: Final = "boot not known"
OLD_BEAT: Final = "old beat"
HAS_EXITED: Final = "exit recorded"
PRESUMED_EXIT: Final = "exit presumed"


class Verdict(NamedTuple):
    """Holds what is known of a session's life.

    Of the `reasons` the first decided; `evidence` is what was recorded and what was seen, with
    times in ms since the epoch and ages in ms.
    """

    verdict: Word
    reasons: tuple[str, ...]
    evidence: dict[str, Any]

    def as_row(self) -> dict[str, Any]:
        """Return the same as a plain row."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "evidence": self.evidence,
        }


BRATS_PID: Final = Verdict("unknown", (NO_EVIDENCE,), {})
"""On a session whose block was written by brat itself, with a pid, before anybody looked."""


def is_of_here(evidence: Evidence, here: Evidence) -> bool:
    """Return whether a look at the pid can say something: same host, same boot, same namespace."""
    return (
        evidence.pid is not None
        and evidence.host is not None
        and evidence.host == here.host
        and evidence.boot_id is not None
        and evidence.boot_id == here.boot_id
        and evidence.pid_ns == here.pid_ns
    )


def judge_exited(*, is_presumed: bool) -> Verdict:
    """Return the verdict on a session whose exit is recorded."""
    return Verdict("exited", (PRESUMED_EXIT if is_presumed else HAS_EXITED,), {})


def judge(
    evidence: Evidence,
    here: Evidence,
    *,
    beat_ts: int | None,
    now: int,
    is_running: bool | None = None,
    start: int | None = None,
    has_pid: bool = False,
) -> Verdict:
    """Judge a session that has not exited.

    `beat_ts` is its last sign of life and `now` the time, both ms since the epoch. What was seen
    of the pid counts only where is_of_here allows it: `is_running` (None: could not be told), and
    the `start` of the process that has the pid now. `has_pid`: the session names a pid, be there
    evidence of it or not.
    """
    age = None if beat_ts is None else max(0, now - beat_ts)
    word, *reasons = _decide(evidence, here, is_running=is_running, start=start, age=age)
    if reasons == [NO_PID] and has_pid:
        reasons = [PID_UNSEEN]
    told = {key: value for key, value in evidence._asdict().items() if value is not None}
    if is_of_here(evidence, here):
        told |= {"is_running": is_running, "start_seen": start}
    if beat_ts is not None:
        told |= {"beat_ts": beat_ts, "beat_age_ms": age}
    return Verdict(word, tuple(reasons), told)


def _decide(
    evidence: Evidence,
    here: Evidence,
    *,
    is_running: bool | None,
    start: int | None,
    age: int | None,
) -> tuple[Word, *tuple[str, ...]]:
    """Return the verdict's word and then its reasons."""
    is_old = age is not None and age > QUIET_AFTER_MS
    if evidence.host is None:
        return "unknown", NO_EVIDENCE
    if _is_elsewhere(evidence, here):
        return ("quiet", OLD_BEAT, OTHER_HOST) if is_old else ("unknown", OTHER_HOST)
    if evidence.boot_id is None and evidence.pid_start is None:
        # The host alone was recorded: nobody saw a process.
        return "unknown", NO_PID if evidence.pid is None else PID_UNSEEN
    if evidence.boot_id is None or here.boot_id is None:
        return "unknown", NO_BOOT
    if evidence.boot_id != here.boot_id:
        return "dead", BOOT_OVER
    if evidence.pid_ns != here.pid_ns:
        return "unknown", OTHER_NAMESPACE
    if evidence.pid is None:
        return "unknown", NO_PID
    return _decide_by_process(evidence, is_running=is_running, start=start)


def _decide_by_process(
    evidence: Evidence, *, is_running: bool | None, start: int | None
) -> tuple[Word, *tuple[str, ...]]:
    if is_running is False:
        return "dead", PID_GONE
    if evidence.pid_start is None:
        return "unknown", NO_START
    if is_running is None or start is None:
        return "unknown", NOT_VISIBLE
    return ("alive", PID_RUNS) if start == evidence.pid_start else ("dead", PID_REUSED)


def _is_elsewhere(evidence: Evidence, here: Evidence) -> bool:
    """Return whether the evidence is of another machine, be it one of the same name."""
    if evidence.host != here.host:
        return True
    # The id of a boot is drawn at random: who shares it shares the machine.
    if evidence.boot_id is not None and evidence.boot_id == here.boot_id:
        return False
    return None not in (evidence.machine, here.machine) and evidence.machine != here.machine
