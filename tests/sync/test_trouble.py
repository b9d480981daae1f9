"""What can go wrong in a sync, and what then holds.

The server's words are passed on, nothing is lost, and the next sync does it when the cause is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from git_session.core.wire import names
from git_session.errors import (
    ContendedError,
    DamagedLogError,
    EnvironmentFaultError,
    GitSessionError,
    RemoteError,
    RemoteTimeoutError,
)
from git_session.git.repository.refs import Standstill
from tests.conftest import Cli, git, run
from tests.support import servers
from tests.support.fleet import (
    WAL,
    Clone,
    is_ancestor,
    make_diverged,
    read_head,
    set_head,
    write_commit,
)
from tests.support.forge import forget_kept
from tests.support.processes import Marked
from tests.support.servers import Hub

hub = servers.path_hub
TRACKED = names.tracking_ref("origin", WAL)
Pair = tuple[Clone, Clone]


@pytest.fixture
def pair(tmp_path: Path, hub: Hub) -> Pair:
    """Gives two clones that diverged by a session each; that of the first is at the hub."""
    return make_diverged(tmp_path, hub.path)


def fail(clone: Clone, **options: object) -> GitSessionError:
    """Syncs, which must fail, and gives the error."""
    _, error = clone.sync(**options)
    assert error is not None
    return error


def recover(pair: Pair, hub: Hub) -> None:
    """Syncs both clones well, now that the cause is gone, and finds nothing lost."""
    one, other = pair
    told = one.events | other.events
    for clone in (other, one):
        row, error = clone.sync()
        assert error is None
        assert row["remotes"][0]["unsent"] == 0
    assert one.head == other.head == read_head(hub.path)
    assert one.events == told
    assert len(one.log.session_rows()) == 2
    for clone in pair:
        assert all(is_ancestor(clone.path, head, clone.head or "") for head in clone.heads)


# -- servers that refuse


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_hook_that_declines_is_passed_on_and_what_came_stays_readable(
    hook: str, pair: Pair, hub: Hub, cli: Cli
) -> None:
    one, other = pair
    there = read_head(hub.path)
    hub.write_hook(hook, "echo 'only on Sundays' >&2", "exit 1")
    ran = cli(other.path, "sync")
    assert ran.code == 1
    assert "error: origin did not take the log: [remote rejected]" in ran.stderr
    assert "only on Sundays" in ran.stderr
    assert "hint: a rule of the server refuses this ref" in ran.stderr
    assert ran.stdout == ""
    assert read_head(hub.path) == there
    assert other.events >= one.events
    assert "2 active" in cli(other.path, "list").stderr
    assert "1 transition not yet on origin" in cli(other.path, "list").stderr
    (hub.path / "hooks" / hook).unlink()
    recover(pair, hub)


def test_a_hook_that_goes_on_declining_makes_no_further_merges(pair: Pair, hub: Hub) -> None:
    _, other = pair
    hub.write_hook("pre-receive", "exit 1")
    fail(other)
    kept = other.head
    for _ in range(2):
        fail(other)
        assert other.head == kept
    (hub.path / "hooks" / "pre-receive").unlink()
    recover(pair, hub)


def test_hidden_refs_are_a_failure_with_the_servers_words(pair: Pair, hub: Hub) -> None:
    _, other = pair
    git(hub.path, "config", "transfer.hideRefs", "refs/grite")
    error = fail(other)
    assert isinstance(error, RemoteError)
    assert "deny updating a hidden ref" in error.message
    assert error.hint == (
        "the server keeps refs/grite to itself: see transfer.hideRefs and its like there"
    )
    git(hub.path, "config", "--unset", "transfer.hideRefs")
    recover(pair, hub)


def test_a_ref_that_stays_locked_there_is_named_when_the_time_is_up(pair: Pair, hub: Hub) -> None:
    one, other = pair
    lock = hub.path / f"{WAL}.lock"
    lock.touch()
    error = fail(other, timeout=0.2)
    assert error.exit_code == 4
    assert "cannot lock ref" in error.message
    assert error.hint == "if it stays so, a git that crashed there has left the .lock file behind"
    assert other.events >= one.events
    lock.unlink()
    recover(pair, hub)


# -- servers that fall over


def test_a_server_that_dies_before_it_moved_the_ref_is_said_at_once(pair: Pair, hub: Hub) -> None:
    one, other = pair
    there = read_head(hub.path)
    hub.write_hook("pre-receive", "kill -9 $PPID")
    error = fail(other)
    assert error.exit_code == 1
    assert error.hint is not None
    assert read_head(hub.path) == there
    assert other.events >= one.events
    (hub.path / "hooks" / "pre-receive").unlink()
    recover(pair, hub)


def test_a_server_that_dies_after_it_moved_the_ref_has_taken_the_log(pair: Pair, hub: Hub) -> None:
    one, other = pair
    hub.write_hook("reference-transaction", 'test "$1" = committed && kill -9 $PPID; exit 0')
    report = other.sync_well()
    assert (report["outcome"], report["events_in"], report["events_out"]) == ("merged", 4, 4)
    assert other.head == read_head(hub.path)
    (hub.path / "hooks" / "reference-transaction").unlink()
    recover((one, other), hub)


def test_a_server_that_hangs_is_left_when_the_time_is_up(pair: Pair, hub: Hub) -> None:
    one, other = pair
    there = read_head(hub.path)
    hub.freeze()
    error = fail(other, timeout=1)
    assert isinstance(error, RemoteTimeoutError)
    assert read_head(hub.path) == there
    assert other.events >= one.events
    (hub.path / "hooks" / "pre-receive").unlink()
    recover(pair, hub)


@pytest.fixture
def silent() -> Iterator[str]:
    """Gives the address of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"git://127.0.0.1:{listener.getsockname()[1]}/r.git"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
@pytest.mark.parametrize("program", ["sleep 600", "fetch"])
def test_sync_that_a_signal_ends_leaves_no_git_running(
    number: signal.Signals,
    program: str,
    pair: Pair,
    silent: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the fetch goes on, nor the ssh that it has started."""
    path = pair[0].path
    address = silent if program == "fetch" else "ssh://host.invalid/r.git"
    git(path, "remote", "add", "quiet", address)
    git(path, "config", "core.sshCommand", "sleep 600 #")
    marked = Marked(monkeypatch)
    process = subprocess.Popen(
        [sys.executable, "-m", "git_session", "sync", "quiet"],
        cwd=path,
        # Who started the tests may have had it ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509
    )
    marked.wait_for(program)
    process.send_signal(number)
    assert process.wait(60) == -number
    assert marked.leftovers() == []


@pytest.mark.parametrize("order", [("silent", "origin"), ("origin", "silent")])
def test_a_remote_that_hangs_leaves_time_for_the_others(
    order: tuple[str, str], pair: Pair, hub: Hub, silent: str
) -> None:
    one, other = pair
    git(other.path, "remote", "add", "silent", silent)
    row, error = other.sync(*order, timeout=2)
    assert isinstance(error, RemoteTimeoutError)
    outcomes = {report["remote"]: report["outcome"] for report in row["remotes"]}
    assert outcomes == {"silent": "failed", "origin": "merged"}
    recover((one, other), hub)


def test_a_hub_that_is_gone_keeps_both_sides_as_they_were(pair: Pair, hub: Hub) -> None:
    _, other = pair
    before = other.head
    hub.stop()
    error = fail(other)
    assert "does not appear to be a git repository" in error.message
    assert error.hint is not None
    assert other.head == before
    hub.path.with_name("gone.git").rename(hub.path)
    recover(pair, hub)


# -- logs at the remote that are no good


def test_a_remote_whose_ref_is_no_commit_is_left_alone(
    pair: Pair, hub: Hub, tmp_path: Path
) -> None:
    one, other = pair
    there = read_head(hub.path) or ""
    blob = git(hub.path, "hash-object", "-w", "--stdin", stdin="no commit")
    set_head(hub.path, blob)
    before = other.head
    git(tmp_path, "init", "--quiet", "--bare", str(tmp_path / "backup.git"))
    git(other.path, "remote", "add", "backup", str(tmp_path / "backup.git"))
    row, error = other.sync("origin", "backup")
    assert isinstance(error, DamagedLogError)
    assert error.message == (
        f"the log of origin cannot be used: the log's commit {blob} cannot be read"
    )
    assert [report["outcome"] for report in row["remotes"]] == ["failed", "sent"]
    assert (other.head, read_head(hub.path)) == (before, blob)
    set_head(hub.path, there)
    recover((one, other), hub)


def test_a_remote_whose_ref_is_code_is_left_alone(pair: Pair, hub: Hub, tmp_path: Path) -> None:
    one, other = pair
    there = read_head(hub.path) or ""
    code = write_commit(hub.path, {"main.c": b"int main;"})
    set_head(hub.path, code)
    for clone in (other, Clone.make(tmp_path / "fresh", origin=hub.path)):
        before = clone.head
        assert f"{code} is not a commit of a log" in fail(clone).message
        assert clone.head == before
    assert read_head(hub.path) == code
    set_head(hub.path, there)
    recover((one, other), hub)


def test_a_damaged_chunk_at_the_remote_keeps_the_rest_readable(
    pair: Pair, hub: Hub, cli: Cli
) -> None:
    one, other = pair
    there = read_head(hub.path) or ""
    meta = git(hub.path, "show", f"{there}:meta.json").replace(
        git(hub.path, "rev-parse", f"{there}^"), there
    )
    path = f"events/2026/11/22/{'0' * 64}.bin"
    files = {"meta.json": meta.encode(), path: b"no chunk at all"}
    set_head(hub.path, write_commit(hub.path, files, there))
    report = other.sync_well()
    assert (report["outcome"], report["events_in"], report["events_out"]) == ("merged", 4, 4)
    ran = cli(other.path, "list")
    assert ran.code == 0
    assert "2 active" in ran.stderr
    # Of two heads with as many events the smaller id leads the line: the damage may lie beside it.
    assert "chunk does not begin with GRITECNK" in cli(other.path, "fsck").stdout
    recover((one, other), hub)


def test_what_is_missing_in_this_clone_is_not_merged_away(pair: Pair, hub: Hub) -> None:
    one, other = pair
    chunk = git(other.path, "ls-tree", "-r", WAL, "events").split()[2]
    file = other.path / ".git" / "objects" / chunk[:2] / chunk[2:]
    file.rename(file.with_suffix(".kept"))
    forget_kept(other.path / ".git")
    there = read_head(hub.path)
    error = fail(other)
    assert isinstance(error, DamagedLogError)
    assert "a part of the log is missing here" in error.message
    assert read_head(hub.path) == there
    file.with_suffix(".kept").rename(file)
    recover((one, other), hub)


# -- trouble here


def test_a_local_log_that_is_no_commit_is_said_and_nothing_is_done(pair: Pair, hub: Hub) -> None:
    one, other = pair
    before, there = other.head or "", read_head(hub.path)
    blob = git(other.path, "hash-object", "-w", "--stdin", stdin="no commit")
    set_head(other.path, blob)
    with pytest.raises(DamagedLogError, match="cannot be read"):
        other.sync()
    other.heads.remove(blob)
    assert read_head(hub.path) == there
    set_head(other.path, before)
    recover((one, other), hub)


def test_a_lock_that_was_left_behind_here_is_named(pair: Pair, hub: Hub) -> None:
    one, other = pair
    lock = other.path / ".git" / f"{WAL}.lock"
    lock.touch()
    error = fail(other, timeout=0.2)
    assert isinstance(error, ContendedError)
    assert str(lock) in error.message
    assert error.hint == f"if no git program is running, remove that file: rm {lock}"
    # What was recorded here is at the hub all the same.
    one.sync_well()
    assert one.events >= other.events
    lock.unlink()
    recover((one, other), hub)


def test_a_lock_that_nobody_lets_go_of_here_is_not_waited_for_until_the_time_is_up(
    pair: Pair, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    monkeypatch.setattr("git_session.git.repository.refs.PATIENCE_S", 0.2)
    lock = other.path / ".git" / f"{WAL}.lock"
    lock.touch()
    error = fail(other, timeout=10_000)
    assert isinstance(error, ContendedError)
    assert error.message == f"{WAL} stayed locked by {lock} for 0 s"
    assert error.hint == f"if no git program is running, remove that file: rm {lock}"
    lock.unlink()
    recover((one, other), hub)


def test_locks_that_come_and_go_are_none_that_nobody_lets_go_of(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, other = pair
    monkeypatch.setattr("git_session.git.repository.refs.PATIENCE_S", 0)
    standstill = Standstill(other.log.store)
    lock = other.path / ".git" / f"{WAL}.lock"
    for number in range(1, 4):
        lock.touch()
        os.utime(lock, ns=(0, number))
        standstill.note_failure()
        assert not standstill.is_hopeless
        lock.unlink()
    standstill.note_failure()
    assert not standstill.is_hopeless
    lock.touch()
    standstill.note_failure()
    standstill.note_failure()
    assert standstill.is_hopeless


def test_a_lock_that_was_left_behind_here_is_named_when_fetching_too(pair: Pair, hub: Hub) -> None:
    one, other = pair
    lock = other.path / ".git" / f"{WAL}.lock"
    lock.touch()
    row, error = other.sync(direction="fetch", timeout=0.2)
    assert isinstance(error, ContendedError)
    assert row["remotes"][0]["error"] is None
    lock.unlink()
    recover((one, other), hub)


def fill(folder: Path) -> Path:
    """Fills the file system of a folder, and gives the file that did it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Gives a file system of 1 MB, or skips the test."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_here_is_an_environment_fault_and_loses_nothing(
    pair: Pair, hub: Hub, small_disk: Path
) -> None:
    one, _ = pair
    other = Clone.make(small_disk / "clone", origin=hub.path)
    other.sync_well()
    other.start(other.log.task_rows()[0]["task_id"], engine="claude")
    one.beat(one.log.session_rows()[0]["session_id"])
    one.sync_well()
    before, there = other.head, read_head(hub.path)
    filler = fill(small_disk)
    with pytest.raises((EnvironmentFaultError, AssertionError)) as caught:
        raise fail(other)
    assert isinstance(caught.value, EnvironmentFaultError)
    assert caught.value.exit_code == 5
    assert (other.head, read_head(hub.path)) == (before, there)
    filler.unlink()
    recover((one, other), hub)


def test_a_full_disk_at_the_hub_is_said_in_its_words(pair: Pair, small_disk: Path) -> None:
    _, other = pair
    path = small_disk / "hub.git"
    git(small_disk, "init", "--quiet", "--bare", str(path))
    git(other.path, "remote", "add", "small", str(path))
    other.sync_well("small")
    other.beat(other.log.session_rows()[0]["session_id"])
    filler = fill(small_disk)
    _, error = other.sync("small")
    assert isinstance(error, RemoteError)
    assert "unpack" in error.message
    assert error.hint is not None
    assert error.hint.startswith("where it is written there is no room")
    filler.unlink()
    assert other.sync_well("small")["outcome"] == "sent"
    assert read_head(path) == other.head


def test_a_full_disk_while_the_merge_is_written_loses_nothing(
    pair: Pair, hub: Hub, small_disk: Path
) -> None:
    one, _ = pair
    other = Clone.make(small_disk / "clone", origin=hub.path)
    other.sync_well()
    other.start(other.log.task_rows()[0]["task_id"], engine="claude")
    one.beat(one.log.session_rows()[0]["session_id"])
    one.sync_well()
    before = other.head
    deeds: list[Callable[[], object]] = [lambda: fill(small_disk)]
    meddled = other.git
    fetch = meddled.fetch

    def fetch_and_fill(*arguments: object, **options: object) -> None:
        fetch(*arguments, **options)  # type: ignore[arg-type]
        if deeds:
            deeds.pop()()

    meddled.fetch = fetch_and_fill  # type: ignore[method-assign]
    with pytest.raises(GitSessionError) as caught:
        other.sync(git=meddled)
    assert caught.value.exit_code == 5
    assert other.head == before
    (small_disk / "filler").unlink()
    recover((one, other), hub)


# -- nobody to ask


def test_no_prompt_hangs_a_program_without_a_terminal(pair: Pair, cli: Cli, tmp_path: Path) -> None:
    _, other = pair
    helper = tmp_path / "git-remote-asks"
    # A transport that asks as ssh does: on the terminal, past stdin.
    helper.write_text(
        "#!/bin/sh\nread answer < /dev/tty || { echo 'nobody to ask' >&2; exit 1; }\n"
    )
    helper.chmod(0o755)
    git(other.path, "remote", "add", "asking", "asks::somewhere")
    path = f"{tmp_path}:{run(tmp_path, 'printenv', 'PATH').stdout.strip()}"
    ran = cli(other.path, "sync", "asking", "--timeout", "60", env={"PATH": path})
    assert ran.code == 1
    assert "nobody to ask" in ran.stderr
    assert "did not answer within" not in ran.stderr
