"""`start --exclusive`: the remote decides, and exactly one clone gets the task."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_session.core.wire import names
from git_session.errors import (
    ConflictError,
    ContendedError,
    DamagedLogError,
    GitSessionError,
    LockedError,
    NotFoundError,
    RemoteError,
    RemoteTimeoutError,
)
from git_session.log.session_log import SessionLog
from git_session.sync.exclusive import claim_row
from tests.conftest import Cli, git, run
from tests.git.test_ref_move import start_holder
from tests.support import servers
from tests.support.fleet import WAL, Clone, MeddledGit, read_head, set_head
from tests.support.servers import Hub

hub = servers.path_hub

# Waits for all the others, and then claims, by a clock that is as wrong as it is told to be.
_RACER = """
import json, sys, time
from git_session.sync.exclusive import claim_row
from git_session.errors import ConflictError
from git_session.log.session_log import SessionLog
path, task, offset = sys.argv[1:]
log = SessionLog.open(path, clock=lambda: time.time_ns() // 1_000_000 + int(offset))
print("ready", flush=True)
sys.stdin.readline()
try:
    print(json.dumps({"won": claim_row(log, task)["session"]["session_id"]}))
except ConflictError as error:
    print(json.dumps({"lost": error.message, "code": error.exit_code, "hint": error.hint}))
"""


@pytest.fixture
def clones(tmp_path: Path, hub: Hub) -> list[Clone]:
    """Gives two clones that share a log of two tasks."""
    return make_clones(tmp_path, hub, 2)


def make_clones(folder: Path, hub: Hub, count: int) -> list[Clone]:
    made = [Clone.make(folder / f"clone{number}", origin=hub.path) for number in range(count)]
    for number in range(2):
        made[0].task(f"Task {number}")
    for clone in made:
        clone.sync_well()
    return made


def task_of(clone: Clone, number: int = 0) -> str:
    found: str = clone.log.task_rows()[number]["task_id"]
    return found


def claim(clone: Clone, task: str, **options: Any) -> str:
    """Claims a task and gives the session."""
    session: str = claim_row(clone.log, task, **options)["session"]["session_id"]
    return session


def live_sessions(clone: Clone, task: str) -> list[str]:
    return [row["session_id"] for row in clone.log.session_rows(task=task)]


def race(clones: list[Clone], task: str) -> list[dict[str, Any]]:
    """Lets all clones claim at the same moment, with clocks five minutes apart."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(clone.path), task, str(number * 300_000)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number, clone in enumerate(clones, -len(clones) // 2)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    return [json.loads(process.communicate(timeout=120)[0]) for process in running]


def assert_one_wins(clones: list[Clone], task: str, hub: Hub) -> None:
    before = [clone.head for clone in clones]
    told = race(clones, task)
    (winner,) = (number for number, found in enumerate(told) if "won" in found)
    session = told[winner]["won"]
    for found in told:
        if "lost" in found:
            assert found["code"] == 4
            assert session in found["lost"]
            assert f"git session exit {session}" in found["hint"]
    # Who lost has recorded nothing, not even here.
    for number, clone in enumerate(clones):
        assert (clone.head == before[number]) is (number != winner)
    assert clones[winner].head == read_head(hub.path)
    for clone in clones:
        clone.sync_well()
        assert live_sessions(clone, task) == [session]


@pytest.mark.parametrize("number", range(3))
def test_of_six_clones_that_claim_at_once_exactly_one_wins(
    number: int, tmp_path: Path, hub: Hub
) -> None:
    clones = make_clones(tmp_path, hub, 6)
    assert_one_wins(clones, task_of(clones[0]), hub)


@pytest.mark.heavy
@pytest.mark.parametrize("number", range(20))
def test_of_six_clones_exactly_one_wins_twenty_times_over(
    number: int, tmp_path: Path, hub: Hub
) -> None:
    clones = make_clones(tmp_path, hub, 6)
    assert_one_wins(clones, task_of(clones[0]), hub)


def test_a_claim_is_pushed_and_recorded_here(clones: list[Clone], hub: Hub, cli: Cli) -> None:
    one, other = clones
    task = task_of(one)
    ran = cli(one.path, "start", task, "--exclusive", "--engine", "codex")
    assert ran.code == 0, ran
    session = ran.stdout.strip()
    assert one.head == read_head(hub.path)
    assert live_sessions(one, task) == [session]
    other.sync_well()
    assert live_sessions(other, task) == [session]


def test_who_comes_late_is_refused_with_the_command_that_would_end_it(
    clones: list[Clone], cli: Cli
) -> None:
    one, other = clones
    task = task_of(one)
    session = claim(one, task, engine="codex")
    before = other.head
    ran = cli(other.path, "start", task, "--exclusive")
    assert ran.code == 4
    assert f"error: task {task} has a live session: {session} (spawned, codex, actor" in ran.stderr
    command = f"git session sync && git session exit {session} --code -1 --reason crash-recovery"
    assert f"hint: if it is dead: {command}" in ran.stderr
    assert ran.stdout == ""
    assert other.head == before

    for line in command.split(" && "):
        assert cli(other.path, *line.split()[2:]).code == 0
    assert cli(other.path, "start", task, "--exclusive").code == 0
    one.sync_well()
    assert len(live_sessions(one, task)) == 1


def test_a_session_that_is_known_here_needs_no_sync_to_be_ended(clones: list[Clone]) -> None:
    one, _ = clones
    task = task_of(one)
    session = one.start(task)
    with pytest.raises(ConflictError) as caught:
        claim(one, task)
    assert caught.value.hint == (
        f"if it is dead: git session exit {session} --code -1 --reason crash-recovery"
    )


def test_a_session_id_that_two_tasks_share_is_named_with_its_task(
    clones: list[Clone], cli: Cli
) -> None:
    one, _ = clones
    for number in range(2):
        one.start(task_of(one, number), session_id="s-20261122-0001")
    with pytest.raises(ConflictError) as caught:
        claim(one, task_of(one, 1))
    command = (caught.value.hint or "").removeprefix("if it is dead: git session ")
    assert cli(one.path, *command.split()).code == 0
    assert claim(one, task_of(one, 1))
    assert len(live_sessions(one, task_of(one, 0))) == 1


def test_a_task_whose_session_has_exited_can_be_claimed(clones: list[Clone]) -> None:
    one, other = clones
    task = task_of(one)
    first = claim(one, task)
    one.log.exit_row(first)
    one.sync_well()
    second = claim(other, task)
    one.sync_well()
    assert live_sessions(one, task) == [second]


def test_two_tasks_are_claimed_by_two_clones(clones: list[Clone]) -> None:
    one, other = clones
    claim(one, task_of(one, 0))
    claim(other, task_of(other, 1))
    one.sync_well()
    assert [len(live_sessions(one, task_of(one, number))) for number in range(2)] == [1, 1]


def test_what_was_not_sent_yet_travels_with_the_claim(clones: list[Clone], hub: Hub) -> None:
    one, other = clones
    one.start(task_of(one, 1))
    other.start(task_of(other, 1))
    other.sync_well()
    told = one.events | other.events
    claim(one, task_of(one, 0))
    assert one.head == read_head(hub.path)
    assert one.events > told
    other.sync_well()
    assert other.events == one.events


def test_a_task_that_only_the_remote_knows_can_be_claimed(clones: list[Clone]) -> None:
    one, other = clones
    task = one.task("Brand new")
    one.sync_well()
    assert claim(other, task)


def test_the_first_claim_begins_the_log_at_the_remote(tmp_path: Path, hub: Hub) -> None:
    clone = Clone.make(tmp_path / "first", origin=hub.path)
    assert claim(clone, clone.task())
    assert read_head(hub.path) == clone.head


def meddle(clone: Clone, *deeds: Callable[[], object]) -> MeddledGit:
    meddled = clone.git
    waiting = list(deeds)
    meddled.before_push = lambda: waiting.pop(0)() if waiting else None
    return meddled


def test_a_claim_that_was_overtaken_by_other_news_is_made_anew(
    clones: list[Clone], hub: Hub
) -> None:
    one, other = clones

    def overtake() -> None:
        other.task("Another one")
        other.sync_well()

    session = claim(one, task_of(one), git=meddle(one, overtake, overtake))
    assert one.head == read_head(hub.path)
    assert live_sessions(one, task_of(one)) == [session]
    log = git(one.path, "rev-list", "--merges", "--count", WAL)
    assert log == "0"


def test_a_claim_that_was_overtaken_by_another_is_dropped(clones: list[Clone]) -> None:
    one, other = clones
    before = one.head
    with pytest.raises(ConflictError, match="has a live session"):
        claim(one, task_of(one), git=meddle(one, lambda: claim(other, task_of(other))))
    assert one.head == before
    assert live_sessions(one, task_of(one)) == []


def test_what_is_recorded_here_meanwhile_is_kept(clones: list[Clone], hub: Hub) -> None:
    one, _ = clones
    session = claim(one, task_of(one), git=meddle(one, lambda: one.task("Meanwhile")))
    assert live_sessions(one, task_of(one)) == [session]
    assert "Meanwhile" in {row["title"] for row in one.log.task_rows()}
    assert one.sync_well()["outcome"] == "sent"


def test_a_claim_whose_answer_was_lost_is_known_for_ones_own(clones: list[Clone], hub: Hub) -> None:
    one, other = clones
    hub.write_hook("reference-transaction", 'test "$1" = committed && kill -9 $PPID; exit 0')

    def build_on_it() -> None:
        (hub.path / "hooks" / "reference-transaction").unlink()
        other.sync_well()
        other.task("On top of it")
        other.sync_well()

    meddled = one.git
    meddled.before_look_up = build_on_it
    session = claim(one, task_of(one), git=meddled)
    other.sync_well()
    assert live_sessions(other, task_of(other)) == [session]
    assert live_sessions(one, task_of(one)) == [session]


def test_giving_up_says_that_nothing_was_recorded(clones: list[Clone], hub: Hub) -> None:
    one, other = clones
    before = one.head

    def overtake() -> None:
        other.task("Another one")
        other.sync_well()

    with pytest.raises(ContendedError) as caught:
        claim(one, task_of(one), git=meddle(one, *[overtake] * 50), timeout=0.3)
    assert caught.value.hint == "try again; nothing was recorded"
    assert one.head == before
    assert claim(one, task_of(one))


@pytest.mark.parametrize(
    ("hook", "words"), [("exit 1", "hook declined"), ("kill -9 $PPID", "broke off")]
)
def test_a_push_that_is_refused_leaves_nothing_recorded(
    hook: str, words: str, clones: list[Clone], hub: Hub
) -> None:
    one, _ = clones
    one.start(task_of(one, 1))
    before, there = one.head, read_head(hub.path)
    hub.write_hook("pre-receive", hook)
    with pytest.raises(RemoteError, match=words):
        claim(one, task_of(one))
    assert (one.head, read_head(hub.path)) == (before, there)
    (hub.path / "hooks" / "pre-receive").unlink()
    assert claim(one, task_of(one))


def test_a_push_without_an_answer_says_that_it_is_not_known(clones: list[Clone], hub: Hub) -> None:
    one, _ = clones
    before = one.head
    hub.freeze()
    with pytest.raises(RemoteTimeoutError) as caught:
        claim(one, task_of(one), timeout=1)
    task = task_of(one)
    assert caught.value.hint == (
        "it is not known whether the claim arrived there: "
        f"git session sync && git session list --task {task}"
    )
    assert one.head == before


def test_a_remote_that_is_gone_leaves_nothing_recorded(clones: list[Clone], hub: Hub) -> None:
    one, _ = clones
    before = one.head
    hub.stop()
    with pytest.raises(RemoteError):
        claim(one, task_of(one))
    assert one.head == before


def test_a_remote_without_a_log_that_is_one_decides_nothing(clones: list[Clone], hub: Hub) -> None:
    one, _ = clones
    blob = git(hub.path, "hash-object", "-w", "--stdin", stdin="no commit")
    set_head(hub.path, blob)
    with pytest.raises(DamagedLogError, match="cannot be merged"):
        claim(one, task_of(one))
    assert read_head(hub.path) == blob


def test_a_lock_file_that_was_left_behind_here_does_not_hide_that_the_claim_landed(
    clones: list[Clone], hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = clones
    monkeypatch.setattr("git_session.sync.exclusive.PATIENCE_S", 0.2)
    lock = one.path / ".git" / f"{WAL}.lock"
    lock.touch()
    with pytest.raises(ContendedError, match="origin has the claim, session s-") as caught:
        claim(one, task_of(one))
    lock.unlink()
    assert caught.value.hint == "git session sync fetches it"
    one.sync_well()
    assert len(live_sessions(one, task_of(one))) == 1


def test_a_claim_that_was_killed_while_it_noted_what_the_remote_holds_is_in_nobodys_way(
    clones: list[Clone], hub: Hub
) -> None:
    """To git such a lock on a tracking ref is that of a git that is running."""
    one, two = clones
    claim(two, task_of(two, 1))
    with start_holder(one.path / ".git", names.tracking_ref("origin", WAL)) as killed:
        killed.kill()
    claim(one, task_of(one))
    assert len(live_sessions(one, task_of(one))) == 1


def test_a_lock_at_the_remote_is_respected(clones: list[Clone], hub: Hub) -> None:
    one, _ = clones
    (one.path / ".git" / "grite").mkdir(exist_ok=True)
    (one.path / ".git" / "grite" / "config.toml").write_text('lock_policy = "require"\n')
    text = (
        '{"owner": "' + "cd" * 16 + '", "nonce": "0", "expires_unix_ms": 4102444800000,'
        ' "resource": "repo:global"}'
    )
    blob = git(hub.path, "hash-object", "-w", "--stdin", stdin=text)
    index = {"GIT_INDEX_FILE": str(hub.path / "lock-index")}
    run(
        hub.path,
        *("git", "update-index", "--add", "--cacheinfo", f"100644,{blob},lock.json"),
        env=index,
    )
    tree = run(hub.path, "git", "write-tree", env=index).stdout.strip()
    commit = git(hub.path, "commit-tree", tree, "-m", "lock")
    set_head(hub.path, commit, names.lock_ref("repo:global"))
    before = one.head
    with pytest.raises(LockedError):
        claim(one, task_of(one))
    assert one.head == before


def test_who_decides_can_be_named(clones: list[Clone], tmp_path: Path, cli: Cli) -> None:
    one, other = clones
    backup = tmp_path / "backup.git"
    git(tmp_path, "init", "--quiet", "--bare", str(backup))
    for clone in (one, other):
        git(clone.path, "remote", "add", "backup", str(backup))
    task = task_of(one)
    assert cli(one.path, "start", task, "--exclusive", "--remote", "backup").code == 0
    ran = cli(other.path, "start", task, "--exclusive", "--remote", "backup")
    assert ran.code == 4
    assert "git session sync backup && git session exit" in ran.stderr
    assert cli(other.path, "start", task, "--remote", "backup").code == 2


def test_what_cannot_be_started_is_not_pushed(clones: list[Clone], hub: Hub) -> None:
    one, _ = clones
    there = read_head(hub.path)
    with pytest.raises(NotFoundError):
        claim(one, "t-20261122-none")
    with pytest.raises(GitSessionError):
        claim(one, task_of(one), timeout=0)
    assert read_head(hub.path) == there


def test_a_claim_works_in_a_repository_that_nobody_wrote_in_yet(
    clones: list[Clone], tmp_path: Path, hub: Hub
) -> None:
    fresh = Clone.make(tmp_path / "fresh", origin=hub.path)
    log = SessionLog.open(fresh.path)
    row = claim_row(log, task_of(clones[0]))
    assert row["session"]["state"] == "spawned"
    assert fresh.head == read_head(hub.path)
