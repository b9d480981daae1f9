"""The index is an accelerator: with it, without it or with a broken one answers are the same."""

from __future__ import annotations

import gc
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from git_session.core.wire import names
from git_session.git.repository.objects import ObjectStore
from git_session.log.session_log import SessionLog
from git_session.sync.rounds import sync_log
from tests.conftest import Cli, git, list_imports, run
from tests.support.stores import make_log

NOW = 1_795_400_000_000
BUNDLES = ("all-kinds", "brat-witness", "lifecycle", "signed", "diverged-a", "diverged-b")


def _open(path: Path) -> SessionLog:
    return SessionLog.open(path, clock=lambda: NOW, environ={})


def _index_files(path: Path) -> list[Path]:
    return sorted(_open(path).common_dir.glob("git-session/index*"))


def _forget(path: Path) -> None:
    for file in _index_files(path):
        file.unlink()


def answers(path: Path) -> dict[str, Any]:
    """Asks a log everything that can be asked."""
    log = _open(path)
    sessions = log.session_rows(include_exited=True)
    tasks = log.task_rows(include_all=True)
    return {
        "sessions": sessions,
        "active": log.session_rows(),
        "one by one": [log.session_row(f"{s['task_id']}/{s['session_id']}") for s in sessions],
        "tasks": tasks,
        "task by task": [log.task_row(task["grite_issue_id"]) for task in tasks],
        "transitions": log.transition_rows(),
        "events": log.replay().event_count,
        "problems": sorted(problem.message for problem in log.problems),
    }


def _save(path: Path) -> None:
    log = _open(path)
    log.replay()
    log.save()


def _open_files(path: Path) -> set[str]:
    """Names the files below a folder that this process holds open."""
    held = psutil.Process().open_files()
    return {Path(file.path).name for file in held if path in Path(file.path).parents}


def test_log_left_or_dropped_closes_its_index(repo: Path) -> None:
    """Leave one after recording and one after asking, and drop one; asked again, it answers."""
    with SessionLog.open(repo) as log:
        task = log.add_task("Fix the flaky test").task.task_id
    assert _open_files(repo) == set()
    with log:
        assert [found.task_id for found in log.tasks()] == [task]
        assert _open_files(repo)
    assert _open_files(repo) == set()
    assert [found.task_id for found in log.tasks()] == [task]
    assert _open_files(repo)
    del log
    gc.collect()
    assert _open_files(repo) == set()


@pytest.mark.parametrize("name", BUNDLES)
def test_a_fresh_index_answers_as_the_log_does(bundle: Callable[[str], Path], name: str) -> None:
    path = bundle(name)
    expected = answers(path)
    assert _index_files(path) == []
    _save(path)
    assert _index_files(path)
    assert answers(path) == expected
    assert _open(path).replay().source is not None


def test_what_came_since_is_added_to_what_the_index_remembers(tmp_path: Path) -> None:
    path = tmp_path / "r"
    make_log(path, 300, 12)
    _save(path)
    log = _open(path)
    live = log.session_rows()[0]
    log.advance_row(live["session_id"], live["state"], note="still here")
    task = log.add_task_row("a new one")["task"]["task_id"]
    log.start_row(task, engine="codex")
    stale = answers(path)
    _save(path)
    fresh = answers(path)
    _forget(path)
    assert stale == fresh == answers(path)


def test_a_merge_that_puts_the_indexed_head_off_the_line_is_read_right(tmp_path: Path) -> None:
    hub = tmp_path / "hub.git"
    ObjectStore.create(hub, is_bare=True)
    clones = [tmp_path / "a", tmp_path / "b"]
    for clone in clones:
        ObjectStore.create(clone).add_remote("origin", str(hub))
    first = _open(clones[0])
    tasks = [first.add_task_row(f"task {n}")["task"]["task_id"] for n in range(3)]
    for clone in clones:
        sync_log(_open(clone))
    for clone, rounds in zip(clones, (2, 5), strict=True):
        log = _open(clone)
        for number in range(rounds):
            log.start_row(tasks[number % 3], engine=clone.name)
        _save(clone)
    for clone in (*clones, clones[0]):
        sync_log(_open(clone))
    for clone in clones:
        stale = answers(clone)
        _save(clone)
        fresh = answers(clone)
        _forget(clone)
        assert stale == fresh == answers(clone)
        assert len(fresh["sessions"]) == 7


def test_a_ref_that_was_moved_back_is_believed_and_not_the_index(tmp_path: Path) -> None:
    path = tmp_path / "r"
    make_log(path, 120, 6)
    _save(path)
    git(path, "update-ref", names.WAL_REF, f"{names.WAL_REF}~40")
    stale = answers(path)
    assert stale["events"] == 80
    _save(path)
    assert answers(path) == stale
    git(path, "update-ref", "-d", names.WAL_REF)
    assert answers(path)["sessions"] == []


def test_the_index_of_another_repository_tells_nothing_wrong(tmp_path: Path) -> None:
    make_log(tmp_path / "one", 100, 5, seed=1)
    make_log(tmp_path / "other", 100, 5, seed=2)
    expected = answers(tmp_path / "other")
    _save(tmp_path / "one")
    (found,) = _index_files(tmp_path / "one")
    target = _open(tmp_path / "other").common_dir / "git-session"
    target.mkdir(exist_ok=True)
    shutil.copy(found, target / found.name)
    assert answers(tmp_path / "other") == expected
    _save(tmp_path / "other")
    assert answers(tmp_path / "other") == expected


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_index_costs_time_and_nothing_else(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "r"
    make_log(path, 80, 5)
    expected = answers(path)
    _save(path)
    (index,) = _index_files(path)
    chance = random.Random(seed)
    content = bytearray(index.read_bytes())
    for _ in range(chance.randint(1, 30)):
        content[chance.randrange(len(content))] ^= chance.randint(1, 255)
    index.write_bytes(content[: chance.randint(1, len(content))] if seed % 4 == 0 else content)
    assert answers(path) == expected
    _save(path)
    assert answers(path) == expected


def test_what_was_missing_is_not_remembered_as_never_there(tmp_path: Path) -> None:
    make_log(tmp_path / "whole", 60, 4)
    expected = answers(tmp_path / "whole")
    shallow = tmp_path / "shallow"
    git(tmp_path, "init", "--quiet", str(shallow))
    refspec = f"{names.WAL_REF}:{names.WAL_REF}"
    url = (tmp_path / "whole").as_uri()
    git(shallow, "fetch", "--quiet", "--depth=20", url, refspec)
    assert _open(shallow).replay().event_count < 60
    _save(shallow)
    git(shallow, "fetch", "--quiet", "--unshallow", url, refspec)
    assert answers(shallow) == expected


def test_other_trust_in_signatures_is_another_index(bundle: Callable[[str], Path]) -> None:
    path = bundle("signed")
    _save(path)
    trusting = answers(path)
    assert trusting["sessions"]
    config = path / "grite" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text('verify_signatures = "require"\n')
    assert answers(path)["sessions"] == []
    _save(path)
    assert answers(path)["sessions"] == []
    config.write_text('verify_signatures = "off"\n')
    assert answers(path) == trusting


def _ageless(text: str) -> str:
    import re

    return re.sub(r'"(heartbeat_age_ms|beat_age_ms)": ?\d+', r'"\1": 0', text)


_READ_ONLY = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; "$@"'
_FULL = 'mount -t tmpfs -o size=16k x "$1"; cat /dev/zero >"$1/x" 2>&- || :; shift; "$@"'


@pytest.mark.parametrize("mount", [_READ_ONLY, _FULL], ids=["read-only", "full"])
@pytest.mark.parametrize("is_indexed", [True, False], ids=["old index", "none"])
def test_where_no_index_can_be_written_commands_answer_and_say_next_to_nothing(
    cli: Cli, bundle: Callable[[str], Path], mount: str, is_indexed: bool
) -> None:
    if run(Path.cwd(), "unshare", "--mount", "true").code != 0:
        pytest.skip("mounting needs root and unshare")
    path = bundle("lifecycle")
    command = ("list", "--all", "--status", "exit", "--json")
    expected = cli(path, *command)
    _forget(path)
    if is_indexed:
        head = git(path, "rev-parse", names.WAL_REF)
        git(path, "update-ref", names.WAL_REF, f"{names.WAL_REF}~5")
        _save(path)
        git(path, "update-ref", names.WAL_REF, head)
    folder = path / "git-session"
    folder.mkdir(exist_ok=True)
    words = (str(folder), sys.executable, "-m", "git_session", *command)
    for _ in range(2):
        ran = run(path, "unshare", "--mount", "sh", "-euc", mount, "sh", *words)
        assert (ran.code, ran.stdout) == (0, expected.stdout)
        assert ran.stderr.count("\n") <= 1


def test_every_recording_command_leaves_the_index_fresh(cli: Cli, repo: Path) -> None:
    task = cli(repo, "task", "add", "one").stdout.strip()
    session = cli(repo, "start", task).stdout.strip()
    for state in ("ready", "running"):
        assert cli(repo, state, session).code == 0
        replay = _open(repo).replay()
        assert replay.source is not None
        assert not replay.commits
        assert replay.event_count == len(_all_events(repo))


def _all_events(path: Path) -> set[bytes]:
    from git_session.core.fold.replay import Replay

    store = ObjectStore.open(path)
    head = store.read_ref(names.WAL_REF)
    assert head is not None
    whole = Replay()
    whole.add(store.read_commits(head))
    return set(whole.origin)


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--all", "--json"),
        ("list", "--count"),
        ("list",),
        ("show", "s-20261122-4f1a"),
        ("tasks",),
    ],
)
def test_with_a_fresh_index_no_slow_library_is_loaded(
    bundle: Callable[[str], Path], words: tuple[str, ...]
) -> None:
    path = bundle("lifecycle")
    _save(path)
    imported = list_imports(path, *words)
    assert "sqlite3" in imported
    assert imported.isdisjoint({"pygit2", "pydantic", "rich", "cryptography"})
    if words[-1] in ("--json", "--count"):
        assert imported.isdisjoint(
            {"cbor2", "git_session.log.session_log", "git_session.core.fold.replay", "pathlib"}
        )


def test_a_whole_life_is_recorded_without_a_slow_library(repo: Path, cli: Cli) -> None:
    """To load libgit2 takes as long as all else that a transition does."""
    task = cli(repo, "task", "add", "Port the lexer").stdout.strip()
    session = cli(repo, "start", task).stdout.strip()
    for words in (("start", task), ("ready", session), ("exit", session)):
        imported = list_imports(repo, *words)
        assert imported.isdisjoint({"pygit2", "pydantic", "rich", "cryptography"}), words


def test_after_a_long_first_read_the_index_is_written_by_itself(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "r"
    make_log(path, 1500, 6)
    end = time.monotonic() + 60
    while _open(path).replay().source is None and time.monotonic() < end:
        # Who looks is in the way of who writes, and who waits too long leaves it to the next read.
        first = cli(path, "list", "--all", "--json")
        time.sleep(1)
    log = _open(path)
    assert log.replay().source is not None
    assert log.replay().event_count == 1500
    assert _ageless(cli(path, "list", "--all", "--json").stdout) == _ageless(first.stdout)


class _Told:
    def __init__(self) -> None:
        self.counts: list[int] = []
        self.is_over = False

    def show(self, commits: int) -> None:
        self.counts.append(commits)

    def clear(self) -> None:
        self.is_over = True


def test_a_long_read_tells_how_far_it_is_and_a_second_one_has_nothing_to_tell(
    tmp_path: Path,
) -> None:
    make_log(tmp_path / "r", 1200, 6)
    log = _open(tmp_path / "r")
    log.reader.progress = told = _Told()
    log.replay()
    log.save()
    assert (told.counts, told.is_over) == ([500, 1000], True)
    again = _open(tmp_path / "r")
    again.reader.progress = silent = _Told()
    assert len(again.session_rows(include_exited=True)) == 6
    assert silent.counts == []
