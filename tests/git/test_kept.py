"""What `git prune` takes of a transition beside it comes back, whatever became of the copy."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from git_session import SessionLog
from git_session.core.wire import names
from git_session.git.repository import kept
from git_session.git.repository.objects import ObjectStore
from tests.conftest import Cli, git, run
from tests.log.test_index import as_one_without_privileges
from tests.support import servers
from tests.support.fleet import Clone
from tests.support.racing import new_session, require_all
from tests.support.servers import Hub
from tests.support.stores import WAL

hub = servers.path_hub

WRITERS: Final = 12
RECORDER: Final = """
import sys, time
from git_session import SessionLog
from git_session.errors import GitSessionError
path, session, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
log = SessionLog.open(path)
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + seconds
while time.monotonic() < end:
    try:
        print(log.advance_row(session, "running")["commit"], flush=True)
    except GitSessionError as error:  # acknowledges nothing
        print(error, file=sys.stderr)
"""


def prune_newest(path: Path, count: int) -> None:
    """Let git prune take the newest commits of the log, as one that read the refs before them."""
    ref = path / ".git" / WAL
    head = ref.read_text()
    git(path, "update-ref", WAL, f"{WAL}~{count}")
    git(path, "prune", "--expire=now")
    ref.write_text(head)
    assert run(path, "git", "fsck").code != 0


def require_whole(path: Path) -> None:
    """Check that nothing is missing of the log, and of all else in the repository."""
    git(path, "fsck", "--strict", "--no-progress")
    git(path, "rev-list", "--objects", WAL)


def kept_files(path: Path) -> list[Path]:
    return sorted((path / ".git" / "git-session" / "kept").iterdir())


@pytest.fixture
def session(repo: Path) -> str:
    """Record a session that is running, with a fresh index and the tripwire set."""
    with SessionLog.open(repo) as log:
        session = new_session(log)
        log.sessions()
    assert (repo / ".git" / "objects" / "tmp_git-session").stat().st_size
    return session


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "--count"],
        ["list", "--json"],
        ["show", "SESSION"],
        ["fsck"],
        ["repair"],
        ["snapshot"],
        ["handoff", "SESSION"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("count", [1, 3])
def test_pruned_objects_come_back_by_any_command(
    count: int, words: list[str], repo: Path, session: str, cli: Cli
) -> None:
    prune_newest(repo, count)
    head = (repo / ".git" / WAL).read_text().strip()
    ran = cli(repo, *(session if word == "SESSION" else word for word in words))
    assert ran.code == 0, ran
    assert "missing" not in ran.stderr
    require_whole(repo)
    assert head in git(repo, "rev-list", "--first-parent", WAL)


def test_pruned_merge_comes_back_and_is_sent(tmp_path: Path, hub: Hub) -> None:
    one = Clone.make(tmp_path / "one", origin=hub.path)
    other = Clone.make(tmp_path / "other", origin=hub.path)
    task = one.task()
    one.sync_well()
    other.sync_well()
    other.start(task)
    other.sync_well()
    one.start(task)
    one.sync_well()
    merge = one.head
    assert merge is not None
    assert len(git(one.path, "rev-parse", f"{merge}^@").split()) == 2
    tracking = names.tracking_ref("origin", WAL)
    git(one.path, "update-ref", tracking, f"{merge}^2")
    prune_newest(one.path, 1)
    one.sync_well()
    require_whole(one.path)
    assert one.head == merge


def test_pruned_before_the_ref_moves_is_written_again(repo: Path, session: str) -> None:
    store = ObjectStore.open(repo)
    head = store.read_ref(WAL)
    assert head is not None
    files = {names.META_PATH: b"{}", "events/a.bin": b"x"}
    base = store.write_commit(files=files, parents=[head], message="base", time=1)
    commit = store.write_commit(files=files, parents=[base], message="top", time=2)
    git(repo, "prune", "--expire=now")
    assert run(repo, "git", "cat-file", "-e", commit).code != 0
    assert store.advance_ref(WAL, head, commit, "moved")
    require_whole(repo)
    assert git(repo, "rev-parse", WAL) == commit


def test_pruned_while_a_check_is_killed_is_checked_again(
    repo: Path, session: str, cli: Cli
) -> None:
    prune_newest(repo, 2)
    (repo / ".git" / "objects" / "tmp_git-session").touch()  # set, and killed before the check
    cli(repo, "list")
    require_whole(repo)


def test_pruned_during_a_check_is_seen_by_the_next(
    repo: Path, session: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prune ends when the check has gone past the object that it takes."""
    read_kept = kept._read_kept

    def read_and_prune(common_dir: Path) -> Iterator[tuple[str, bytes]]:
        yield from read_kept(common_dir)
        prune_newest(repo, 2)

    git(repo, "prune", "--expire=now")
    monkeypatch.setattr(kept, "_read_kept", read_and_prune)
    ObjectStore.open(repo).put_back()
    monkeypatch.undo()
    cli(repo, "list", "--count")
    require_whole(repo)


def lose_all(path: Path) -> None:
    for file in kept_files(path):
        file.unlink()
    (path / ".git" / "git-session" / "kept").rmdir()


def cut_off(path: Path) -> None:
    file = kept_files(path)[0]
    file.write_bytes(file.read_bytes()[:-100])


def flip_bits(path: Path) -> None:
    file = kept_files(path)[0]
    data = bytearray(file.read_bytes())
    for place in range(0, len(data), 97):
        data[place] ^= 0x10
    file.write_bytes(data)


def put_a_folder(path: Path) -> None:
    file = kept_files(path)[0]
    file.unlink()
    file.mkdir()


def put_a_file(path: Path) -> None:
    lose_all(path)
    (path / ".git" / "git-session" / "kept").touch()


@pytest.mark.parametrize("harm", [lose_all, cut_off, flip_bits, put_a_folder, put_a_file])
def test_kept_file_that_is_damaged_harms_nothing(
    harm: Callable[[Path], None], repo: Path, session: str, cli: Cli
) -> None:
    harm(repo)
    git(repo, "prune", "--expire=now")
    assert cli(repo, "list", "--count").stdout == "1\n"
    assert cli(repo, "handoff", session).code == 0
    assert cli(repo, "exit", session).code == 0
    assert cli(repo, "list", "--count").stdout == "0\n"
    assert git(repo, "fsck", "--strict", "--no-progress") == ""


def test_kept_record_after_a_torn_one_is_found(repo: Path, session: str, cli: Cli) -> None:
    """A killed process leaves the beginning of a record; others append behind it."""
    file = kept_files(repo)[0]
    file.write_bytes(file.read_bytes()[:-100])
    cli(repo, "handoff", session)
    prune_newest(repo, 1)
    cli(repo, "list")
    require_whole(repo)


def test_kept_files_of_earlier_hours_go(repo: Path, session: str, cli: Cli) -> None:
    (file,) = kept_files(repo)
    hour = int(file.name)
    file.unlink()
    for age in (1, 2, 30):
        (file.parent / str(hour - age)).write_bytes(b"old")
    (file.parent / "400000000").write_bytes(b"of a wrong clock")
    cli(repo, "handoff", session)
    names_left = {int(file.name) for file in kept_files(repo)}
    assert hour - 30 not in names_left
    assert 400000000 not in names_left
    assert len(names_left) <= 2


def test_kept_files_stay_below_a_size(
    repo: Path, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_LARGEST", 8000)
    log = SessionLog.open(repo)
    for number in range(40):
        log.advance(session, "running", note=f"{number}")
    assert len(kept_files(repo)) == 2
    assert sum(file.stat().st_size for file in kept_files(repo)) < 2 * 8000 + 2 * 3000
    prune_newest(repo, 3)
    log.sessions()
    require_whole(repo)


def test_kept_objects_are_no_need_of_a_reader_without_permission(repo: Path, session: str) -> None:
    git(repo, "prune", "--expire=now")
    folders = [repo / ".git" / "git-session", repo / ".git" / "git-session" / "kept"]
    folders.append(repo / ".git" / "objects")
    for folder in folders:
        folder.chmod(0o555)
    try:
        command = [*as_one_without_privileges(), sys.executable, "-m", "git_session"]
        ran = run(repo, *command, "list", "--count")
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert (ran.code, ran.stdout) == (0, "1\n"), ran


def start_writers(repo: Path, seconds: float) -> list[subprocess.Popen[str]]:
    log = SessionLog.open(repo)
    sessions = [new_session(log) for _ in range(WRITERS)]
    command = [sys.executable, "-c", RECORDER, str(repo)]
    return [
        subprocess.Popen(
            [*command, session, str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for session in sessions
    ]


def record_beside_prune(repo: Path, cli: Cli, seconds: float) -> None:
    """Let writers record beside gc and prune, give one command, and look for what is missing."""
    git(repo, "config", "gc.auto", "0")
    writers = start_writers(repo, seconds)
    runs: Counter[str] = Counter()
    is_over = threading.Event()

    def clear(*words: str) -> None:
        while not is_over.is_set():
            # Both take the other's temporary packs away and then fail; that is git's own affair.
            run(repo, "git", *words)
            runs[words[0]] += 1
            is_over.wait(0.2)

    cleaners = [
        threading.Thread(target=clear, args=("gc", "--quiet", "--prune=now")),
        threading.Thread(target=clear, args=("prune", "--expire=now")),
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n", writer.communicate()[1]
    for thread in cleaners:
        thread.start()
    try:
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        said = [writer.communicate(timeout=seconds + 300) for writer in writers]
    finally:
        is_over.set()
        for thread in cleaners:
            thread.join()
    assert [writer.returncode for writer in writers] == [0] * WRITERS, said
    assert all(runs[word] for word in ("gc", "prune"))
    assert cli(repo, "list", "--count").stdout == f"{WRITERS}\n"
    told = [commit for out, _ in said for commit in out.split()]
    assert told
    require_whole(repo)
    require_all(repo, told)
    assert cli(repo, "fsck").code == 0


@pytest.mark.heavy
def test_prune_beside_writers_takes_nothing(repo: Path, cli: Cli) -> None:
    record_beside_prune(repo, cli, 12)


@pytest.mark.exhaustive
def test_prune_beside_writers_takes_nothing_for_long(repo: Path, cli: Cli) -> None:
    record_beside_prune(repo, cli, 90)
