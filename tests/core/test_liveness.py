"""From evidence to a verdict: never dead for age alone, never alive for want of evidence."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.core.liveness import QUIET_AFTER_MS, judge, judge_exited
from git_session.core.wire.evidence import Evidence, format_evidence, parse_evidence

NOW: Final = 1_800_000_000_000
HERE: Final = Evidence(host="boxA", machine="aa", boot_id="boot-1", pid_ns=10)
MINE: Final = HERE._replace(pid=4711, pid_start=9000)
OLD: Final = NOW - QUIET_AFTER_MS - 1

RUNS: Final = {"is_running": True, "start": 9000}


def _verdict(evidence: Evidence, beat_ts: int | None = OLD, **seen: Any) -> tuple[str, ...]:
    found = judge(evidence, HERE, beat_ts=beat_ts, now=NOW, **seen)
    return (found.verdict, *found.reasons)


@pytest.mark.parametrize("beat_ts", [NOW, OLD, None, NOW + 3_600_000, 0])
def test_a_process_that_runs_with_its_start_is_alive_however_old_its_beat(
    beat_ts: int | None,
) -> None:
    assert _verdict(MINE, beat_ts, **RUNS) == ("alive", "its process runs")


@pytest.mark.parametrize(
    ("evidence", "seen", "expected"),
    [
        (MINE, {"is_running": False}, ("dead", "pid gone")),
        (MINE, {"is_running": True, "start": 9001}, ("dead", "pid reused")),
        (MINE._replace(boot_id="boot-0"), RUNS, ("dead", "rebooted")),
        (MINE._replace(boot_id="boot-0", pid=None), {}, ("dead", "rebooted")),
        (MINE._replace(boot_id="boot-0", machine=None), {}, ("dead", "rebooted")),
        (MINE._replace(pid_ns=11), {}, ("unknown", "other pid namespace")),
        (MINE._replace(pid_ns=None), RUNS, ("unknown", "other pid namespace")),
        (MINE._replace(pid=None), {}, ("unknown", "no pid")),
        (MINE._replace(pid_start=None), RUNS, ("unknown", "start not recorded")),
        (MINE, {"is_running": None}, ("unknown", "process not visible")),
        (MINE, {"is_running": True, "start": None}, ("unknown", "process not visible")),
        (MINE._replace(boot_id=None), RUNS, ("unknown", "boot not known")),
        (Evidence(pid=4711), {}, ("unknown", "no evidence")),
        (MINE._replace(host="boxB"), RUNS, ("quiet", "old beat", "other host")),
        # Two machines of one name: the other's boot says nothing about this one's.
        (
            MINE._replace(machine="bb", boot_id="boot-7"),
            {"is_running": False},
            ("quiet", "old beat", "other host"),
        ),
    ],
)
def test_the_verdict_is_what_the_evidence_allows(
    evidence: Evidence, seen: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert _verdict(evidence, **seen) == expected


def test_another_hosts_session_is_quiet_only_when_its_beat_is_old() -> None:
    other = MINE._replace(host="boxB")
    assert _verdict(other, NOW - QUIET_AFTER_MS) == ("unknown", "other host")
    assert _verdict(other, None) == ("unknown", "other host")
    assert _verdict(other, NOW + 3_600_000) == ("unknown", "other host")


_texts = st.none() | st.sampled_from(["boxA", "boxB", "aa", "bb", "boot-1", "boot-2"])
_numbers = st.none() | st.integers(0, 12)
_evidence = st.builds(
    Evidence,
    host=_texts,
    machine=_texts,
    boot_id=_texts,
    pid_ns=_numbers,
    pid=_numbers,
    pid_start=_numbers,
)


@given(_evidence, _evidence, st.booleans() | st.none(), _numbers, st.integers(), st.integers())
def test_no_verdict_but_quiet_depends_on_the_age(
    evidence: Evidence,
    here: Evidence,
    is_running: bool | None,
    start: int | None,
    beat_ts: int,
    now: int,
) -> None:
    words = {
        judge(
            evidence, here, beat_ts=beat, now=now, is_running=is_running, start=start
        ).verdict.replace("quiet", "unknown")
        for beat in (beat_ts, now, 0, None)
    }
    assert len(words) == 1


@given(_evidence, _evidence, st.booleans() | st.none(), _numbers)
def test_dead_and_alive_are_only_said_of_this_host(
    evidence: Evidence, here: Evidence, is_running: bool | None, start: int | None
) -> None:
    found = judge(evidence, here, beat_ts=0, now=1, is_running=is_running, start=start)
    if found.verdict in ("alive", "dead"):
        assert evidence.host == here.host is not None
        assert found.reasons


def test_the_evidence_tells_ages_and_what_was_seen_and_never_a_negative_age() -> None:
    told = judge(MINE, HERE, beat_ts=NOW + 3_600_000, now=NOW, is_running=True, start=9000)
    recorded = {key: value for key, value in MINE._asdict().items() if value is not None}
    seen = {"is_running": True, "start_seen": 9000}
    assert told.evidence == recorded | seen | {"beat_ts": NOW + 3_600_000, "beat_age_ms": 0}


def test_an_exit_is_an_exit_and_says_whether_it_was_presumed() -> None:
    assert judge_exited(is_presumed=False).as_row() == {
        "verdict": "exited",
        "reasons": ["exit recorded"],
        "evidence": {},
    }
    assert judge_exited(is_presumed=True).reasons == ("exit presumed",)


@given(_evidence.filter(lambda evidence: evidence.pid != 0))
def test_evidence_comes_back_from_a_blocks_extra_keys_as_it_went_in(evidence: Evidence) -> None:
    assert parse_evidence(format_evidence(evidence), evidence.pid) == evidence


@pytest.mark.parametrize("wrong", [True, -1, 0, 2**31, "7", 1.5, [], None])
def test_what_cannot_be_a_pid_or_has_another_type_is_not_known(wrong: Any) -> None:
    values = {"host": 7, "boot_id": "", "pid_ns": "10", "pid_start": True}
    assert parse_evidence(values, wrong) == Evidence()
