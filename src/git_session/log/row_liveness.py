"""Add what is known here of its life to each session that has not exited.

From its block, from its beat file, and from a look at its process if that is one of this host.
Little is imported before a session needs it: a status line asks this several times a second.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from git_session.core.wire import names

if TYPE_CHECKING:
    from git_session.core.wire.evidence import Evidence
    from git_session.host.beats import Beat

Row = dict[str, Any]

NO_EVIDENCE: Final = "no evidence"
"""As liveness.NO_EVIDENCE, which is loaded only where there is some."""

LONG_AGO: Final = "looking back"
_PLAIN_EVIDENCE: Final = "host"
"""The key without which no evidence says anything."""


class Vitals:
    """Completes the rows of sessions; what it reads of this host it reads once.

    `here` is this host as read_here gives it, unless told.
    """

    def __init__(self, common_dir: str | os.PathLike[str], here: Evidence | None = None) -> None:
        self._common_dir = common_dir
        self._told = here

    def complete(self, row: Row, now: int) -> Row:
        """Fill in what a row says of a session's life at `now` (ms since the epoch).

        The row of a session that exited is complete: nothing in it depends on when it is read.
        """
        if row["state"] == "exit":
            return row
        held = self._read_beat(row["grite_issue_id"], row["session_id"])
        return self.complete_with(row, held, now)

    def complete_with(self, row: Row, held: Beat | None, now: int) -> Row:
        """Fill in the same for those who have read the session's beat, or know of none."""
        if row["state"] == "exit":
            return row
        seen_ts = _told_ts(row)
        if held is not None:
            seen_ts = max(seen_ts, held.ts)
            row["attributes"] = {**row["attributes"], **held.attributes}
            row["activity"] = held.activity
        row["heartbeat_age_ms"] = max(0, now - seen_ts)
        if held is None and _PLAIN_EVIDENCE not in row["extras"]:
            is_lost = row.get("liveness") is not None and self._is_lost(row)
            told = _tell_nothing(row, now, NO_EVIDENCE)
            row["liveness"] = _tell_lost(told) if is_lost else told
        else:
            row["liveness"] = self._judge(row, held, seen_ts, now)
        return row

    def _is_lost(self, row: Row) -> bool:
        """Report whether brat started a session in this clone and its process is gone.

        brat records neither host nor start. A path alone proves nothing, as a fleet uses the same
        one on every machine; the actor that wrote it is of one clone only.
        """
        from git_session.host.processes import is_in_first_pid_ns, look_at

        common_dir, path = os.path.abspath(self._common_dir), os.path.normpath(row["worktree"])
        top, name = os.path.split(common_dir)
        tops = {top, os.path.realpath(top)} if name == ".git" else ()
        actor = os.path.join(common_dir, names.GRITE_DIR, "actors", row["actor"])
        return (
            any(path.startswith(os.path.join(place, "")) for place in tops)
            and os.path.isdir(actor)
            and is_in_first_pid_ns()
            and look_at(row["pid"]).is_running is False
        )

    def _judge(self, row: Row, held: Beat | None, seen_ts: int, now: int) -> Row:
        from git_session.core.liveness import is_of_here, judge
        from git_session.host.processes import Seen, look_at

        evidence = _choose_evidence(row, held)
        here = self._here_beside(evidence)
        seen = Seen(is_running=None)
        if evidence.pid is not None and is_of_here(evidence, here):
            seen = look_at(evidence.pid)
        verdict = judge(
            evidence,
            here,
            beat_ts=seen_ts,
            now=now,
            is_running=seen.is_running,
            start=seen.start,
            has_pid=row["pid"] is not None,
        )
        return verdict.as_row()

    def _read_beat(self, issue_id: str, session_id: str) -> Beat | None:
        if (issue_id, session_id) not in self._beat_refs:
            return None
        from git_session.host.beats import Beats

        return Beats(self._common_dir).read(issue_id, session_id)

    @cached_property
    def _beat_refs(self) -> set[tuple[str, str]]:
        folder = os.path.join(self._common_dir, names.SESSION_DIR, names.BEATS_DIR)
        if not os.path.isdir(folder):
            return set()
        from git_session.host.beats import Beats

        return set(Beats(self._common_dir).refs())

    @cached_property
    def _here(self) -> Evidence:
        from git_session.host.processes import read_here

        return self._told or read_here()

    @cached_property
    def _here_in_full(self) -> Evidence:
        from git_session.host.processes import read_machine

        return self._told or self._here._replace(machine=read_machine())

    def _here_beside(self, evidence: Evidence) -> Evidence:
        """Return this host, with the hash of its machine where it decides: after a reboot."""
        is_same_boot = evidence.boot_id == self._here.boot_id
        return self._here if is_same_boot else self._here_in_full


def _choose_evidence(row: Row, held: Beat | None) -> Evidence:
    """Choose between what the block and what the beat file says of the process.

    The later one counts, unless it knows no process and the other one does. Without a process the
    beat file says more, unless another host took the session over.
    """
    from git_session.core.wire.evidence import parse_evidence

    told = parse_evidence(row["extras"], row["pid"])
    if held is None:
        return told
    is_later = held.ts >= row["updated_ts"]
    if told.host is None or told.pid is None:
        is_moved = held.evidence.pid is None and told.host not in (None, held.evidence.host)
        return told if is_moved and not is_later else held.evidence
    return held.evidence if is_later and held.evidence.pid is not None else told


def complete_past(row: Row, then: int) -> Row:
    """Fill in what a row says of a session's life at a time when nobody here looked (ms)."""
    if row["state"] == "exit":
        return row
    row["heartbeat_age_ms"] = max(0, then - _told_ts(row))
    row["liveness"] = _tell_nothing(row, then, LONG_AGO)
    return row


def _told_ts(row: Row) -> int:
    """Return the last sign of life that the log tells of."""
    beat_ts: int | None = row["last_heartbeat_ts"]
    told_ts: int = row["updated_ts"]
    return told_ts if beat_ts is None else beat_ts


def _tell_nothing(row: Row, now: int, reason: str) -> Row:
    """Return what liveness.judge says where there is no evidence, without loading it."""
    known = {} if row["pid"] is None else {"pid": row["pid"]}
    seen_ts = _told_ts(row)
    seen = {"beat_ts": seen_ts, "beat_age_ms": max(0, now - seen_ts)}
    return {"verdict": "unknown", "reasons": [reason], "evidence": {**known, **seen}}


def _tell_lost(told: Row) -> Row:
    """Give the verdict on a process of this clone that is gone, in the place of none."""
    from git_session.core.liveness import PID_GONE, WORKTREE_HERE

    evidence = {**told["evidence"], "is_running": False}
    return {"verdict": "dead", "reasons": [PID_GONE, WORKTREE_HERE], "evidence": evidence}
