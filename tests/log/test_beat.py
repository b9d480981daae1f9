"""A beat: a file and nothing else, and now and then a block in the log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.core.wire.evidence import format_evidence
from git_session.errors import (
    AmbiguousError,
    ConfigError,
    NotFoundError,
    TransitionError,
    UsageError,
)
from git_session.host.beats import Beat, Beats
from git_session.host.processes import look_at, read_here, read_host, read_process
from git_session.log.beat import Beaten, write_beat
from git_session.log.session_log import SessionLog
from tests.conftest import git, list_imports

T0: Final = 1_800_000_000_000
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
HERE: Final = format_evidence(read_host())
"""Extra keys that a session has for its host."""


class Day:
    """Plays a day of one session by a clock of its own."""

    def __init__(self, path: Path, environ: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.now = T0
        self.environ = dict(environ or {})
        self.session = ""

    def clock(self) -> int:
        return self.now

    def log(self) -> SessionLog:
        return SessionLog.open(self.path, clock=self.clock, environ=self.environ)

    def start(self, **details: Any) -> str:
        log = self.log()
        task = log.add_task("Port the lexer").task.task_id
        self.session = log.start(task, **details).session.session_id
        return self.session

    def beat(self, session: str | None = None, **details: Any) -> Beaten:
        return write_beat(
            self.path,
            session or self.session or None,
            clock=self.clock,
            environ=self.environ,
            **details,
        )

    def held(self) -> Beat | None:
        (found,) = self.all() or (None,)
        return found

    def all(self) -> list[Beat]:
        return Beats(self.log().common_dir).read_all()

    def row(self) -> Mapping[str, Any]:
        return self.log().session_row(self.session)

    def objects(self) -> int:
        fields = dict(
            line.split(": ") for line in git(self.path, "count-objects", "-v").splitlines()
        )
        return int(fields["count"]) + int(fields["in-pack"])


@pytest.fixture
def day(repo: Path) -> Day:
    return Day(repo)


def test_a_start_makes_the_beat_file_and_an_exit_removes_it(day: Day) -> None:
    day.start(pid=os.getpid())
    held = day.held()
    assert held is not None
    assert (held.session_id, held.ts, held.recorded_ts) == (day.session, T0, T0)
    assert held.evidence == read_process(os.getpid())
    assert held.worktree == os.path.realpath(day.path)
    day.log().exit(day.session)
    assert day.all() == []


def test_the_evidence_travels_in_the_block_and_every_later_block_repeats_it(day: Day) -> None:
    day.start(pid=os.getpid(), attributes={"tokens": 5, "model": "big"})
    found, here = look_at(os.getpid()), read_here()
    expected = {
        "host": here.host,
        "boot_id": here.boot_id,
        "pid_ns": here.pid_ns,
        "pid_start": found.start,
        "attr_tokens": 5,
        "attr_model": "big",
    }
    for step in ("ready", "running"):
        assert expected.items() <= day.row()["extras"].items()
        day.log().advance(day.session, step)


def test_a_pid_of_no_process_here_is_recorded_without_evidence(day: Day) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    day.start(pid=child.pid)
    assert (day.row()["pid"], day.row()["extras"]) == (child.pid, HERE)


def test_a_beat_writes_no_object_and_loads_no_slow_library(repo: Path) -> None:
    log = SessionLog.open(repo)
    session = log.start(log.add_task("Port the lexer").task.task_id).session.session_id
    before, head = git(repo, "count-objects"), log.head()
    words = ("beat", session, "--set", "tokens=5", "--activity", "waiting")
    imported = list_imports(repo, *words)
    assert "git_session.host.beats" in imported
    slow = {"pygit2", "pydantic", "psutil", "rich", "cbor2", "sqlite3", "subprocess", "hashlib"}
    # 2 ms of the 40 that a beat may take, which nobody would miss by looking.
    slow |= {"pathlib", "dataclasses", "git_session.log.session_log", "git_session.core.wire.block"}
    assert imported.isdisjoint(slow)
    held = Beats(log.common_dir).read_all()[0]
    assert (held.attributes, held.activity) == ({"tokens": 5}, "waiting")
    assert (git(repo, "count-objects"), log.head()) == (before, head)


def test_an_agents_day_of_eight_hours_costs_at_most_300_objects(day: Day) -> None:
    day.start(pid=os.getpid())
    before = day.objects()
    for _ in range(8 * HOUR // 30_000):
        day.now += 30_000
        day.beat(attributes={"tokens": day.now - T0})
    assert 0 < day.objects() - before <= 300
    row = day.row()
    assert T0 + 8 * HOUR - row["last_heartbeat_ts"] < 15 * MINUTE
    assert row["extras"]["attr_tokens"] == row["last_heartbeat_ts"] - T0


def test_a_transition_takes_up_what_the_beats_told(day: Day) -> None:
    day.start(attributes={"tokens": 1, "model": "big"})
    day.now += MINUTE
    day.beat(attributes={"tokens": 2, "cost": "0.5"})
    day.now += MINUTE
    day.log().advance(day.session, "ready", attributes={"cost": "0.7"})
    row = day.row()
    assert row["last_heartbeat_ts"] == day.now
    told = {"attr_tokens": 2, "attr_model": "big", "attr_cost": "0.7"}
    assert row["extras"] == HERE | told
    held = day.held()
    assert held is not None
    assert (held.attributes, held.recorded_ts) == ({}, day.now)


def test_a_presumed_exit_takes_the_last_beat_and_is_no_sign_of_life(day: Day) -> None:
    day.start()
    day.now += MINUTE
    day.beat()
    day.now += HOUR
    day.log().exit(day.session, code=-1, reason="crash-recovery")
    assert day.row()["last_heartbeat_ts"] == T0 + MINUTE


def test_a_later_beat_revokes_a_presumed_exit_and_no_other(day: Day) -> None:
    day.start()
    for step in ("ready", "running"):
        day.log().advance(day.session, step)
    day.log().exit(day.session, code=-1, reason="crash-recovery")
    day.now += MINUTE
    assert day.beat().commit
    row = day.row()
    assert (row["state"], row["exit_code"], row["exit_reason"]) == ("running", None, None)
    assert day.held() is not None
    day.log().exit(day.session)
    for _ in range(2):
        with pytest.raises(TransitionError, match="already exited"):
            day.beat()
    assert day.all() == []


def test_an_exit_that_came_from_elsewhere_ends_the_beats(day: Day) -> None:
    day.start()
    held = day.held()
    assert held is not None
    day.log().exit(day.session)
    Beats(day.log().common_dir).write(held)
    day.now += HOUR
    with pytest.raises(TransitionError):
        day.beat()
    assert day.all() == []


def test_a_session_that_only_the_log_knows_gets_its_file_on_its_first_beat(day: Day) -> None:
    day.start(pid=os.getpid())
    day.log().advance(day.session, "ready")
    (file,) = Beats(day.log().common_dir).directory.iterdir()
    file.unlink()
    day.now += MINUTE
    assert day.beat(day.session[:-1]).commit is None
    held = day.held()
    assert held is not None
    assert (held.ts, held.recorded_ts) == (day.now, T0)
    assert held.evidence.pid == os.getpid()


@pytest.mark.parametrize(("later", "expected"), [({}, "working"), ({"is_work": False}, "waiting")])
def test_a_later_sign_of_work_clears_waiting(day: Day, later: Any, expected: str) -> None:
    day.start()
    day.beat(activity="waiting")
    day.now += 1
    assert day.beat(**later).beat.activity == expected
    assert day.beat(activity="idle").beat.activity == "idle"
    assert day.beat().beat.activity == "idle"


def test_a_transition_clears_waiting(day: Day) -> None:
    day.start()
    day.beat(activity="waiting")
    day.log().advance(day.session, "ready")
    held = day.held()
    assert held is not None
    assert held.activity == "working"


def test_the_session_is_the_environments_or_the_one_of_this_checkout(
    day: Day, worktree: Path
) -> None:
    first = day.start()
    second = day.start(worktree=str(worktree))
    day.session = ""
    assert day.beat().beat.session_id == first
    day.path = worktree
    assert day.beat().beat.session_id == second
    day.environ["GIT_SESSION_ID"] = first
    assert day.beat().beat.session_id == first
    day.path, day.environ = day.path.parent / "repo", {}
    third = day.start()
    day.session = ""
    with pytest.raises(AmbiguousError, match=third):
        day.beat()


def test_a_beat_without_a_session_says_what_to_do(day: Day) -> None:
    with pytest.raises(UsageError) as caught:
        day.beat()
    assert "GIT_SESSION_ID" in (caught.value.hint or "")
    with pytest.raises(NotFoundError):
        day.beat("s-20261122-4f1b")


@pytest.mark.parametrize("wrong", [{"activity": "asleep"}, {"attributes": {"Tokens": 1}}])
def test_words_and_names_that_cannot_be_change_nothing(day: Day, wrong: Any) -> None:
    day.start()
    day.now += 1
    with pytest.raises(UsageError):
        day.beat(**wrong)
    held = day.held()
    assert held is not None
    assert held.ts == T0


def test_the_interval_is_gits_and_a_wrong_one_is_said_when_it_is_needed(day: Day) -> None:
    git(day.path, "config", "session.beatInterval", "90s")
    day.start()
    commits = []
    for _ in range(6):
        day.now += 30_000
        commits.append(day.beat().commit)
    assert [commit is not None for commit in commits] == [False, False, True] * 2
    git(day.path, "config", "session.beatInterval", "1h")
    day.now += 90_000
    assert day.beat().commit is None
    git(day.path, "config", "session.beatInterval", "soon")
    day.now += HOUR
    with pytest.raises(ConfigError, match="soon"):
        day.beat()
    held = day.held()
    assert held is not None
    assert held.ts == day.now


def test_a_clock_that_jumps_back_an_hour_loses_neither_beat_nor_log(day: Day) -> None:
    day.start()
    day.now -= HOUR
    assert day.beat().commit is not None
    assert day.beat().commit is None
    held = day.held()
    assert held is not None
    assert (held.ts, held.recorded_ts) == (day.now, day.now)


def test_a_session_started_inside_another_one_names_its_parent(day: Day) -> None:
    parent = day.start()
    day.environ["GIT_SESSION_ID"] = parent[:-1]
    child = day.start()
    assert day.row()["extras"] == HERE | {"parent_session": parent}
    day.log().exit(parent)
    day.start()
    assert day.row()["extras"] == HERE
    day.environ["GIT_SESSION_ID"] = "s-of-another-repository"
    day.start()
    assert day.row()["extras"] == HERE | {"parent_session": "s-of-another-repository"}
    assert child


def test_a_beat_after_a_reboot_lets_the_old_process_go(day: Day) -> None:
    day.start(pid=os.getpid())
    held = day.held()
    assert held is not None
    over = held.evidence._replace(boot_id="another boot")
    Beats(day.log().common_dir).write(held._replace(evidence=over))
    assert day.beat().beat.evidence == read_here()


def test_a_beat_that_the_log_does_not_take_is_a_warning(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    day.start()
    monkeypatch.setattr("git_session.log.writer.PATIENCE_S", 0.1)
    (day.path / ".git" / "refs" / "grite" / "wal.lock").touch()
    day.now += HOUR
    done = day.beat()
    assert (done.commit, done.beat.ts) == (None, day.now)
    assert "not in the log yet" in done.warnings[0]


def test_many_beats_at_once_lose_no_attribute(day: Day) -> None:
    day.start()
    code = (
        "import sys; from pathlib import Path; from git_session.log.beat import write_beat\n"
        "for n in range(20):\n"
        f"    write_beat(Path('.'), '{day.session}', clock=lambda: {T0},"
        " attributes={f'{sys.argv[1]}{n}': n})"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, name], cwd=day.path) for name in "abcd"
    ]
    assert [writer.wait() for writer in writers] == [0] * 4
    held = day.held()
    assert held is not None
    assert len(held.attributes) == 80


def test_a_file_of_a_session_that_exited_elsewhere_is_swept_away(day: Day) -> None:
    day.start()
    gone = day.held()
    assert gone is not None
    day.log().exit(day.session)
    day.now += 2 * HOUR
    Beats(day.log().common_dir).write(gone)  # as it is when the exit came by a sync
    later = day.start()
    assert [held.session_id for held in day.all()] == [later]


def test_of_several_in_a_checkout_those_that_exited_are_not_meant(day: Day) -> None:
    day.start()
    gone = day.held()
    assert gone is not None
    day.log().exit(day.session)
    alive = day.start()
    Beats(day.log().common_dir).write(gone)
    day.session = ""
    assert day.beat().beat.session_id == alive
    assert [held.session_id for held in day.all()] == [alive]


def test_another_hosts_session_in_a_checkout_of_a_shared_disk_is_not_meant(day: Day) -> None:
    mine = day.start()
    held = day.held()
    assert held is not None
    other = held._replace(session_id="s-other", evidence=held.evidence._replace(host="boxB"))
    Beats(day.log().common_dir).write(other)
    day.session = ""
    assert day.beat().beat.session_id == mine
