"""Writing while others write, and refusing to: nothing that was acknowledged is ever lost."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from git_session import (
    ContendedError,
    EnvironmentFaultError,
    GitSessionError,
    LockedError,
    NotFoundError,
    SessionLog,
    TransitionError,
)
from git_session.git.repository.objects import ObjectStore
from git_session.health.fsck import check_log
from git_session.log.actors.actors import create_actor, read_actor
from tests.conftest import Cli, Grite, git, run
from tests.support import stores
from tests.support.racing import (
    RECORDER,
    count_commits,
    new_session,
    race,
    require_all,
    start_program,
)
from tests.support.stores import WAL

MINE: Final = "1" * 32
THEIRS: Final = "2" * 32

# -- many writers at once

BEGINNER: Final = """
import sys
from git_session import SessionLog
log = SessionLog.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
made = log.add_task_row(sys.argv[2])
print(made["commit"])
print(log.start_row(made["task"]["task_id"])["commit"])
"""


@pytest.mark.parametrize(
    ("writers", "steps"), [(4, 8), pytest.param(8, 50, marks=pytest.mark.heavy)]
)
@pytest.mark.parametrize("shared", [False, True], ids=["a session each", "one session"])
def test_writers_at_once_record_every_step(
    repo: Path, writers: int, steps: int, shared: bool
) -> None:
    log = SessionLog.open(repo)
    sessions = (
        [new_session(log)] * writers if shared else [new_session(log) for _ in range(writers)]
    )
    before, steps_before = count_commits(repo), len(log.history())
    said = race([start_program(RECORDER, repo, session, steps) for session in sessions])
    require_all(repo, [commit for lines in said for commit in lines])
    assert count_commits(repo) == before + writers * steps
    assert len(log.history()) == steps_before + writers * steps
    assert not any(step.is_fork or step.is_late or not step.is_legal for step in log.history())
    for session in set(sessions):
        told = [int(step.note) for step in log.history(session) if step.note]
        assert sorted(told) == sorted([*range(steps)] * sessions.count(session))
    assert check_log(SessionLog.open(repo))["findings"] == []


def test_eight_writers_that_begin_the_log_at_once_all_begin_it(repo: Path) -> None:
    said = race([start_program(BEGINNER, repo, f"Task {number}") for number in range(8)])
    require_all(repo, [commit for lines in said for commit in lines])
    assert count_commits(repo) == 16
    assert len(git(repo, "rev-list", "--max-parents=0", WAL).split()) == 1
    log = SessionLog.open(repo)
    assert {task.title for task in log.tasks()} == {f"Task {number}" for number in range(8)}
    assert len({session.actor for session in log.sessions()}) == 1
    assert len(log.sessions()) == 8
    assert check_log(log)["findings"] == []


@pytest.mark.parametrize(
    ("writers", "steps"), [(2, 10), pytest.param(8, 50, marks=pytest.mark.heavy)]
)
def test_with_the_real_grite_among_them_all_that_was_acknowledged_is_there(
    repo: Path, grite: Grite, writers: int, steps: int
) -> None:
    """A failure of grite acknowledges nothing; nor does its warning that the log was left out."""
    grite(repo, "init", "--no-agents-md")
    issue = grite.json(repo, "issue", "create", "--title", "Shared")["issue_id"]
    log = SessionLog.open(repo)
    sessions = [log.start(issue).session.session_id for _ in range(writers)]
    for session in sessions:
        log.advance(session, "ready")
        log.advance(session, "running")
    heads: list[str] = []
    events: list[str] = []
    done = threading.Event()

    def comment(name: str) -> None:
        number = 0
        while not done.is_set():
            number += 1
            ran = grite.run(repo, "issue", "comment", issue, "--body", f"{name} {number}", "--json")
            if ran.code == 0 and ran.json()["data"]["wal_head"]:
                heads.append(ran.json()["data"]["wal_head"])
                events.append(ran.json()["data"]["event_id"])

    commenters = [threading.Thread(target=comment, args=[f"grite {n}"]) for n in range(2)]
    for commenter in commenters:
        commenter.start()
    try:
        said = race([start_program(RECORDER, repo, session, steps) for session in sessions])
        deadline = time.monotonic() + 60
        while not heads and time.monotonic() < deadline:  # its turn comes when nobody else writes
            time.sleep(0.01)
    finally:
        done.set()
        for commenter in commenters:
            commenter.join()
    assert heads
    require_all(repo, heads + [commit for lines in said for commit in lines])
    log = SessionLog.open(repo)
    assert all(log.replay().find_event(bytes.fromhex(event_id)) for event_id in events)
    for session in sessions:
        told = [int(step.note) for step in log.history(session) if step.note]
        assert sorted(told) == [*range(steps)]
    assert check_log(log)["findings"] == []


# -- a writer that dies

DYING: Final = """
import os, signal, sys
from git_session import SessionLog
from git_session.git.repository.objects import ObjectStore
path, session, name, when = sys.argv[1:]
log = SessionLog.open(path)
true = getattr(ObjectStore, name)
def die(*args, **kwargs):
    if when == "after":
        true(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(ObjectStore, name, die)
log.advance_row(session, "handoff")
"""


@pytest.mark.parametrize(
    ("name", "when", "state"),
    [
        ("queue", "after", "running"),
        ("read_ref", "after", "running"),
        ("write_commit", "before", "running"),
        ("write_commit", "after", "running"),
        ("advance_ref", "before", "running"),
        ("advance_ref", "after", "handoff"),
    ],
)
def test_a_writer_that_is_killed_leaves_its_step_whole_or_not_at_all(
    repo: Path, name: str, when: str, state: str
) -> None:
    session = new_session(SessionLog.open(repo))
    killed = run(repo, sys.executable, "-c", DYING, str(repo), session, name, when)
    assert killed.code == -signal.SIGKILL
    log = SessionLog.open(repo)
    assert log.session(session).state == state
    assert check_log(log)["findings"] == []
    assert log.exit(session).session.state == "exit"
    assert check_log(log)["findings"] == []


@pytest.mark.heavy
def test_writers_killed_at_any_moment_lose_nothing_that_they_told(repo: Path) -> None:
    """Nor do they leave a lock behind that would keep the next ones out."""
    session = new_session(SessionLog.open(repo))
    chance = random.Random(4)
    told: list[str] = []
    for _ in range(25):
        writers = [start_program(RECORDER, repo, session, 10_000) for _ in range(2)]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdin is not None
            writer.stdout.readline()
            writer.stdin.write("go\n")
            writer.stdin.flush()
        time.sleep(chance.uniform(0.02, 0.2))
        for writer in writers:
            writer.kill()
        for writer in writers:
            out = writer.communicate()[0]
            told += [line for line in out.split() if len(line) == 40]
    assert told
    require_all(repo, told)
    log = SessionLog.open(repo)
    assert not any(step.is_fork or step.is_late for step in log.history(session))
    assert check_log(log)["findings"] == []


# -- a ref that others move, or hold


def move_aside(path: Path) -> str:
    """Puts a commit of another program onto the log and gives its id."""
    head = git(path, "rev-parse", WAL)
    tree = git(path, "rev-parse", f"{WAL}^{{tree}}")
    commit = git(path, "commit-tree", tree, "-p", head, "-m", f"{random.random()}")
    git(path, "update-ref", WAL, commit)
    return commit


@pytest.fixture
def mover(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], Any]], None]:
    """Gives a way to have others move the ref each time a swap is about to be tried."""
    true = ObjectStore.advance_ref

    def install(times: int, move: Callable[[], Any]) -> None:
        left = [times]

        def advance(self: ObjectStore, *args: Any, **kwargs: Any) -> bool:
            if left[0]:
                left[0] -= 1
                move()
            return true(self, *args, **kwargs)

        monkeypatch.setattr(ObjectStore, "advance_ref", advance)

    return install


def test_a_ref_that_others_move_for_too_long_is_a_conflict(
    repo: Path,
    mover: Callable[[int, Callable[[], Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = SessionLog.open(repo)
    session = new_session(log)
    monkeypatch.setattr("git_session.log.writer.PATIENCE_S", 0.2)
    mover(-1, lambda: move_aside(repo))
    with pytest.raises(ContendedError, match="kept moving") as caught:
        log.advance(session, "handoff")
    assert (caught.value.exit_code, caught.value.code) == (4, "contended")
    assert "nothing was recorded" in (caught.value.hint or "")
    assert SessionLog.open(repo).session(session).state == "running"


def test_a_lost_race_is_run_again_on_the_new_head(
    repo: Path, mover: Callable[[int, Callable[[], Any]], None]
) -> None:
    log = SessionLog.open(repo)
    session = new_session(log)
    moved: list[str] = []
    mover(3, lambda: moved.append(move_aside(repo)))
    before = count_commits(repo)
    recorded = log.advance(session, "handoff")
    assert count_commits(repo) == before + 4
    assert git(repo, "rev-parse", f"{recorded.commit}^") == moved[-1]
    assert len(log.history(session)) == 4


def test_a_step_is_checked_again_against_what_came_in_between(
    repo: Path, mover: Callable[[int, Callable[[], Any]], None]
) -> None:
    """Somebody ends the session while a step of it is about to be written."""
    log = SessionLog.open(repo)
    session = new_session(log)
    ended = SessionLog.open(repo).exit(session, code=3).commit
    git(repo, "update-ref", WAL, f"{ended}^")
    mover(1, lambda: git(repo, "update-ref", WAL, ended))
    with pytest.raises(TransitionError, match="already exited"):
        log.advance(session, "handoff")
    assert git(repo, "rev-parse", WAL) == ended


def test_a_log_that_somebody_begins_in_between_is_gone_on_with(
    repo: Path, mover: Callable[[int, Callable[[], Any]], None]
) -> None:
    begun = SessionLog.open(repo).add_task("Theirs").commit
    git(repo, "update-ref", "-d", WAL)
    mover(1, lambda: git(repo, "update-ref", WAL, begun or ""))
    mine = SessionLog.open(repo).add_task("Mine").commit
    assert git(repo, "rev-list", WAL).split() == [mine, begun]


def test_a_log_that_somebody_takes_away_in_between_begins_anew(
    repo: Path, mover: Callable[[int, Callable[[], Any]], None]
) -> None:
    log = SessionLog.open(repo)
    log.add_task("Old")
    mover(1, lambda: git(repo, "update-ref", "-d", WAL))
    log.add_task("New")
    assert [task.title for task in log.tasks()] == ["New"]
    assert count_commits(repo) == 1


def test_a_first_commit_that_grite_covers_with_its_own_is_written_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grite, when it saw no log, sets the ref whatever is there by then; seen with the real one."""
    theirs = SessionLog.open(repo).add_task("Theirs").commit
    git(repo, "update-ref", "-d", WAL)
    true, left = ObjectStore.advance_ref, [1]

    def advance(self: ObjectStore, *args: Any, **kwargs: Any) -> bool:
        moved = true(self, *args, **kwargs)
        if left[0]:
            left[0] -= 1
            git(repo, "update-ref", WAL, theirs or "")
        return moved

    monkeypatch.setattr(ObjectStore, "advance_ref", advance)
    mine = SessionLog.open(repo).add_task("Mine").commit
    assert git(repo, "rev-list", WAL).split() == [mine, theirs]
    assert check_log(SessionLog.open(repo))["findings"] == []


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_a_lock_file_that_git_left_behind_is_named(
    repo: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    log = SessionLog.open(repo)
    session = new_session(log)
    if packed:
        git(repo, "pack-refs", "--all", "--prune")
    monkeypatch.setattr("git_session.log.writer.PATIENCE_S", 0.2)
    lock = repo / ".git" / f"{WAL}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    with pytest.raises(ContendedError, match="stayed locked") as caught:
        log.advance(session, "handoff")
    assert caught.value.exit_code == 4
    assert str(lock) in caught.value.message
    assert f"rm {lock}" in (caught.value.hint or "")
    assert log.session(session).state == "running"
    assert lock.exists(), "it may belong to a program that is still running"
    lock.unlink()
    assert log.advance(session, "handoff").session.state == "handoff"


def test_a_lock_file_before_the_first_commit_is_named_too(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_session.log.writer.PATIENCE_S", 0.2)
    lock = repo / ".git" / f"{WAL}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(ContendedError, match="stayed locked"):
        SessionLog.open(repo).add_task("x")


MOVED: Final = """
import subprocess, sys
from git_session.cli.boundary import run_command_line
from git_session.git.repository.objects import ObjectStore
true = ObjectStore.advance_ref
def advance(self, name, *args):
    tree = self.read_ref(name) + "^{tree}"
    made = subprocess.run(["git", "commit-tree", "-p", name, "-m", "x", tree], capture_output=True)
    subprocess.run(["git", "update-ref", name, made.stdout.strip()], check=True)
    return true(self, name, *args)
ObjectStore.advance_ref = advance
sys.exit(run_command_line(["task", "add", "Never recorded", "--json"]))
"""


@pytest.mark.heavy
def test_a_command_that_others_keep_from_the_ref_gives_up_after_10_seconds(repo: Path) -> None:
    new_session(SessionLog.open(repo))
    ran = run(repo, sys.executable, "-c", MOVED)
    assert ran.code == 4, ran
    assert ran.json()["error"]["code"] == "contended"
    assert "10 s" in ran.json()["error"]["message"]
    assert [task.title for task in SessionLog.open(repo).tasks()] == ["Title"]


@pytest.mark.heavy
def test_a_command_that_meets_a_left_over_lock_file_gives_up_after_10_seconds(
    repo: Path, cli: Cli
) -> None:
    session = new_session(SessionLog.open(repo))
    lock = repo / ".git" / f"{WAL}.lock"
    lock.touch()
    ran = cli(repo, "handoff", session)
    assert ran.code == 4, ran
    assert str(lock) in ran.stderr
    assert SessionLog.open(repo).session(session).state == "running"


@pytest.mark.heavy
def test_a_writer_that_hangs_in_the_queue_holds_the_others_up_for_a_while_only(repo: Path) -> None:
    log = SessionLog.open(repo)
    session = new_session(log)
    with (repo / ".git" / "git-session" / "append.lock").open() as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)
        assert log.advance(session, "handoff").session.state == "handoff"


# -- a repository that cannot be written to

REFUSED: Final = """
import sys
from git_session import GitSessionError, SessionLog
log = SessionLog.open(sys.argv[1])
print([session.state for session in log.sessions()])
for attempt in (lambda: log.add_task("x"), lambda: log.exit(sys.argv[2])):
    try:
        attempt()
        print("recorded")
    except GitSessionError as error:
        print(error.code, error.exit_code, error.message)
print([session.state for session in log.sessions()])
"""


def as_one_without_privileges() -> list[str]:
    """Gives what to put before a command so that file permissions hold for it, even for root."""
    if os.geteuid() != 0:
        return []
    without = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]


@pytest.mark.parametrize("part", ["", "objects", "refs", "git-session"])
def test_a_read_only_repository_is_read_and_refuses_writes(repo: Path, part: str) -> None:
    session = new_session(SessionLog.open(repo))
    head = git(repo, "rev-parse", WAL)
    top = repo / ".git" / part
    if part == "git-session":
        (top / "append.lock").unlink()
    folders = [top, *(path for path in top.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        command = [*as_one_without_privileges(), sys.executable, "-c", REFUSED]
        ran = run(repo, *command, str(repo), session)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    lines = ran.stdout.splitlines()
    assert lines[0] == lines[-1] == "['running']", ran
    assert [line.split()[:2] for line in lines[1:-1]] == [["read_only", "5"]] * 2
    assert all(str(repo / ".git") in line for line in lines[1:-1])
    assert git(repo, "rev-parse", WAL) == head


def test_a_read_only_repository_without_a_log_or_an_actor_says_so(repo: Path) -> None:
    folders = [repo / ".git", *(path for path in (repo / ".git").rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        command = [*as_one_without_privileges(), sys.executable, "-c", REFUSED]
        ran = run(repo, *command, str(repo), "s")
    finally:
        for folder in folders:
            folder.chmod(0o755)
    lines = ran.stdout.splitlines()
    assert lines[0] == lines[-1] == "[]", ran
    assert lines[1].split()[:2] == ["read_only", "5"]
    assert lines[2].split()[:2] == ["not_found", "3"]


# -- locks


def write_config(path: Path, **settings: str) -> None:
    """Writes grite's settings of a repository."""
    config = path / ".git" / "grite" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text("".join(f'{key} = "{value}"\n' for key, value in settings.items()))


def hold_lock(
    path: Path, resource: str, owner: str = THEIRS, expires: int | None = None, text: str = ""
) -> None:
    """Puts a lock on a resource as grite does, for an hour unless told; `text` is all of it."""
    until = time.time_ns() // 1_000_000 + 3_600_000 if expires is None else expires
    lock = {"owner": owner, "nonce": "0", "expires_unix_ms": until, "resource": resource}
    commit = ObjectStore.open(path).write_commit(
        files={"lock.json": (text or json.dumps(lock)).encode()},
        parents=[],
        message="lock",
        time=None,
    )
    name = hashlib.sha256(resource.encode()).hexdigest()[:16]
    git(path, "update-ref", f"refs/grite/locks/{name}", commit)


@pytest.fixture
def guarded(repo: Path) -> tuple[Path, str, str]:
    """Gives a repository that MINE writes to, with a running session and its issue's id."""
    create_actor(repo / ".git", now=0, actor_id=MINE, make_default=True)
    log = SessionLog.open(repo)
    session = new_session(log)
    return repo, session, log.session(session).grite_issue_id


def attempt_step(repo: Path, session: str) -> list[str]:
    """Records a beat with the settings as they are now, and gives the warnings."""
    return SessionLog.open(repo).advance(session, "running").warnings


@pytest.mark.parametrize("resource", ["issue", "repo"])
def test_a_lock_of_another_actor_counts_as_the_policy_says(
    guarded: tuple[Path, str, str], resource: str
) -> None:
    repo, session, issue = guarded
    held = f"issue:{issue}" if resource == "issue" else "repo:global"
    hold_lock(repo, held)
    write_config(repo, lock_policy="off")
    assert attempt_step(repo, session) == []
    write_config(repo, lock_policy="warn")
    (warning,) = attempt_step(repo, session)
    write_config(repo, lock_policy="require")
    before = git(repo, "rev-parse", WAL)
    with pytest.raises(LockedError) as caught:
        attempt_step(repo, session)
    assert (caught.value.exit_code, caught.value.code) == (4, "locked")
    for said in (warning, caught.value.message):
        assert held in said
        assert THEIRS[:8] in said
        assert time.strftime("%F") in said or "00:" in said  # an hour from now
    assert git(repo, "rev-parse", WAL) == before
    config = repo / ".git" / "grite" / "config.toml"
    config.unlink()
    assert attempt_step(repo, session) == [warning], "warn is what grite does without a setting"


def test_a_locked_repository_takes_no_new_task(guarded: tuple[Path, str, str]) -> None:
    repo, _, _ = guarded
    hold_lock(repo, "repo:global")
    write_config(repo, lock_policy="require")
    with pytest.raises(LockedError):
        SessionLog.open(repo).add_task("x")


def test_what_locks_nothing_of_ours_is_no_hindrance(guarded: tuple[Path, str, str]) -> None:
    repo, session, issue = guarded
    write_config(repo, lock_policy="require", default_actor=MINE)
    hold_lock(repo, f"issue:{'f' * 32}")
    hold_lock(repo, "path:src")
    hold_lock(repo, "repo:global", expires=1)
    hold_lock(repo, f"issue:{issue}", owner=MINE)
    assert attempt_step(repo, session) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"owner": 7}'])
def test_a_lock_that_cannot_be_read_is_none(guarded: tuple[Path, str, str], text: str) -> None:
    repo, session, issue = guarded
    write_config(repo, lock_policy="require")
    hold_lock(repo, f"issue:{issue}", text=text or "\0")
    assert attempt_step(repo, session) == []


def test_a_lock_for_ever_is_told_like_any_other(guarded: tuple[Path, str, str]) -> None:
    repo, session, issue = guarded
    hold_lock(repo, f"issue:{issue}", expires=2**64 - 1)
    (warning,) = attempt_step(repo, session)
    assert "9999-12-31" in warning
    write_config(repo, lock_policy="require")
    with pytest.raises(LockedError):
        attempt_step(repo, session)


def test_a_lock_is_looked_at_again_with_each_try(
    guarded: tuple[Path, str, str], mover: Callable[[int, Callable[[], Any]], None]
) -> None:
    repo, session, issue = guarded
    write_config(repo, lock_policy="require")

    def interfere() -> None:
        hold_lock(repo, f"issue:{issue}")
        move_aside(repo)

    mover(1, interfere)
    with pytest.raises(LockedError):
        attempt_step(repo, session)


def test_grites_own_locks_count_and_end(repo: Path, grite: Grite) -> None:
    grite(repo, "init", "--no-agents-md")
    mine = grite.json(repo, "actor", "current")["actor_id"]
    other = grite.json(repo, "actor", "init", "--label", "other")["actor_id"]
    issue = grite.json(repo, "issue", "create", "--title", "Guarded")["issue_id"]
    session = SessionLog.open(repo).start(issue).session.session_id
    write_config(repo, default_actor=mine, lock_policy="require")
    resource = f"issue:{issue}"

    def beat() -> list[str]:
        return SessionLog.open(repo).advance(session, "spawned").warnings

    grite(repo, "--actor", other, "lock", "acquire", resource, "--ttl", "60")
    with pytest.raises(LockedError, match=other[:8]):
        beat()
    grite(repo, "--actor", other, "lock", "release", resource)
    assert beat() == []
    grite(repo, "--actor", mine, "lock", "acquire", resource, "--ttl", "60")
    assert beat() == []


# -- who writes, and with which key


def test_a_named_actor_writes_and_must_be_there(repo: Path) -> None:
    for actor in (MINE, THEIRS):
        create_actor(repo / ".git", now=0, actor_id=actor, make_default=actor == MINE)
    assert SessionLog.open(repo).history() == []
    task = SessionLog.open(repo, environ={}).add_task("x").task.task_id
    for chosen, writer in ((None, MINE), (THEIRS, THEIRS)):
        log = SessionLog.open(repo, actor_id=chosen, environ={})
        assert log.start(task).session.actor == writer
    home = {"GRITE_HOME": str(repo / ".git" / "grite" / "actors" / THEIRS)}
    assert SessionLog.open(repo, environ=home).start(task).session.actor == THEIRS
    with pytest.raises(NotFoundError):
        SessionLog.open(repo, actor_id="3" * 32, environ={}).start(task)


def test_a_plan_that_is_refused_makes_no_actor(repo: Path) -> None:
    stores.make_log(repo, 40, 2)
    with pytest.raises(GitSessionError):
        SessionLog.open(repo).advance("s-nothing", "ready")
    assert not (repo / ".git" / "grite").exists()


def test_an_actor_with_a_key_signs_each_event(repo: Path) -> None:
    actor = create_actor(repo / ".git", now=0, actor_id=MINE, make_default=True, with_key=True)
    log = SessionLog.open(repo)
    new_session(log)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(actor.public_key or ""))
    events = [log.replay().find_event(event_id) for event_id in log.replay().origin]
    for event in events:
        assert event is not None
        assert event.sig is not None
        key.verify(event.sig, event.event_id)
    assert len(events) > 4
    assert check_log(log)["signatures"] == {
        "valid": len(events),
        "wrong": 0,
        "unknown_key": 0,
        "unsigned": 0,
    }


def test_the_real_grite_finds_our_signatures_good(repo: Path, grite: Grite) -> None:
    grite(repo, "init", "--no-agents-md")
    signer = grite.json(repo, "actor", "init", "--generate-key")["actor_id"]
    grite(repo, "actor", "use", signer)
    log = SessionLog.open(repo)
    new_session(log)
    grite(repo, "snapshot", "create")
    grite(repo, "rebuild", "--from-snapshot")
    verified = grite.json(repo, "db", "verify")
    count = log.replay().event_count
    assert (verified["events_checked"], verified["signatures_valid"]) == (count, count)
    assert verified["error_count"] == 0


@pytest.fixture
def mixed(repo: Path) -> Path:
    """Gives a log of four tasks: well signed, wrongly, by a key nobody knows, and not at all."""
    signer = create_actor(repo / ".git", now=0, actor_id=MINE, make_default=True, with_key=True)
    SessionLog.open(repo).add_task("good")
    head = git(repo, "rev-parse", WAL)
    for title, actor, sig in (
        ("wrong", MINE, b"\1" * 64),
        ("unknown", THEIRS, b"\1" * 64),
        ("unsigned", MINE, None),
    ):
        issue = hashlib.blake2b(title.encode(), digest_size=16).digest()
        event = stores.Event(issue, bytes.fromhex(actor), stores.EPOCH, 1, [title, "", []])
        head = append_raw(repo, head, event.encode(sig))
    assert read_actor(signer.directory).public_key
    return repo


def append_raw(path: Path, head: str, event: bytes) -> str:
    """Appends an event's bytes, signature and all, as a commit."""
    chunk = stores.encode_chunk([event])
    digest = hashlib.blake2b(chunk, digest_size=32).hexdigest()
    meta = {"schema_version": 1, "actor_id": MINE, "chunk_hash": digest, "prev_wal": head}
    files = {
        "meta.json": json.dumps(meta, indent=2).encode(),
        f"events/2026/11/18/{digest}.bin": chunk,
    }
    commit = ObjectStore.open(path).write_commit(
        files=files, parents=[head], message="WAL: 1 events from 11111111", time=None
    )
    git(path, "update-ref", WAL, commit)
    return commit


@pytest.mark.parametrize(
    ("policy", "titles", "problems"),
    [
        ("off", ["good", "unknown", "unsigned", "wrong"], []),
        (
            "warn",
            ["good", "unknown", "unsigned", "wrong"],
            ["signature", "unknown_key", "unsigned"],
        ),
        ("require", ["good"], ["signature", "untrusted", "untrusted"]),
        ("reject", ["good"], ["signature", "untrusted", "untrusted"]),
    ],
)
def test_signatures_are_asked_for_as_the_policy_says(
    mixed: Path, policy: str, titles: list[str], problems: list[str]
) -> None:
    write_config(mixed, verify_signatures=policy, default_actor=MINE)
    log = SessionLog.open(mixed)
    assert sorted(task.title for task in log.tasks()) == titles
    assert sorted(problem.code for problem in log.problems) == problems
    # fsck looks at all of them whatever the policy.
    assert set(check_log(log)["signatures"].values()) == {1}
    assert log.start(log.tasks()[0].task_id).session.state == "spawned"


def test_under_require_nothing_is_written_that_would_not_be_read(repo: Path) -> None:
    create_actor(repo / ".git", now=0, actor_id=MINE, make_default=True)
    write_config(repo, verify_signatures="require", default_actor=MINE)
    with pytest.raises(EnvironmentFaultError, match="verify_signatures") as caught:
        SessionLog.open(repo).add_task("x")
    assert "actor new --use" in (caught.value.hint or "")
    assert SessionLog.open(repo).head() is None
