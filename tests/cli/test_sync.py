"""`git session sync` at the command line: what it prints, to whom, and how it ends."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_session.core.answers.log import SnapshotReport
from git_session.core.answers.sync import SyncReport
from git_session.core.wire import names
from git_session.core.wire.chunk import encode_chunk, hash_chunk
from git_session.core.wire.commit import Meta, format_meta
from tests.conftest import TIMEOUT, Cli, git
from tests.support import servers
from tests.support.fleet import WAL, Clone, make_diverged, read_head, set_head
from tests.support.processes import read_terminal
from tests.support.servers import Hub

hub = servers.path_hub


@pytest.fixture
def pair(tmp_path: Path, hub: Hub) -> tuple[Clone, Clone]:
    """Gives two clones that diverged: each has a session of its own, one is at the hub."""
    return make_diverged(tmp_path, hub.path)


def test_each_remotes_line_says_what_happened(
    pair: tuple[Clone, Clone], tmp_path: Path, cli: Cli
) -> None:
    one, other = pair
    backup = tmp_path / "backup.git"
    git(tmp_path, "init", "--quiet", "--bare", str(backup))
    git(other.path, "remote", "add", "backup", str(backup))

    def say(clone: Clone, *args: str) -> str:
        ran = cli(clone.path, "sync", *args)
        assert (ran.code, ran.stderr) == (0, "")
        return ran.stdout

    assert say(other, "--dry-run") == (
        "origin: would be merged, 4 events in, 4 events out (nothing was done: --dry-run)\n"
    )
    assert say(other, "origin", "backup") == (
        "origin: merged, 4 events in, 4 events out\nbackup: sent, 9 events out\n"
    )
    assert say(other) == "origin: already together\n"
    assert say(one, "--push") == "origin: nothing to send\n"
    assert (
        say(one, "-n") == "origin: would be received, 4 events in (nothing was done: --dry-run)\n"
    )
    assert say(one, "--fetch") == "origin: received, 4 events in\n"
    one.beat(one.log.session_rows()[0]["session_id"])
    assert cli(one.path, "snapshot").code == 0
    assert say(one, "--fetch") == "origin: nothing to take in\n"
    assert say(one) == "origin: sent, 1 event out, 1 snapshot out\n"
    assert say(other) == "origin: received, 1 event in, 1 snapshot in\n"


def test_logs_that_read_the_same_under_two_ids_are_together(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    one, other = pair
    other.sync_well()
    # Merges without an event, as other clones and remotes leave them behind: one here, one there.
    store = other.log.store
    chunk = encode_chunk([])
    files = {names.chunk_path(None, hash_chunk(chunk)): chunk}
    ids = []
    for time in range(100, 102):
        meta = format_meta(Meta(1, "ab" * 16, hash_chunk(chunk), other.head))
        parents = [other.head or ""]
        commit = {names.META_PATH: meta, **files}
        ids.append(store.write_commit(files=commit, parents=parents, message="x", time=time))
    smaller, larger = sorted(ids)
    git(other.path, "push", "--quiet", "origin", f"{smaller}:{WAL}")
    set_head(other.path, larger)
    assert cli(other.path, "sync").stdout == "origin: already together: both sides read the same\n"
    assert (other.head, read_head(hub.path)) == (larger, smaller)
    # The remote has stood still since: now it is this clone that merges.
    assert cli(other.path, "sync").stdout == "origin: merged\n"
    assert one.sync_well()["outcome"] == "received"
    assert one.head == other.head == read_head(hub.path)


def test_nothing_at_all_is_said_to_be_nothing(tmp_path: Path, hub: Hub, cli: Cli) -> None:
    clone = Clone.make(tmp_path / "clone", origin=hub.path)
    assert cli(clone.path, "sync").stdout == "origin: no log on either side\n"


def test_json_is_the_report(pair: tuple[Clone, Clone], cli: Cli) -> None:
    _, other = pair
    ran = cli(other.path, "sync", "--json")
    assert (ran.code, ran.stderr) == (0, "")
    report = SyncReport.model_validate(ran.json()["data"])
    (remote,) = report.remotes
    assert report.head == remote.head == other.head
    assert (report.merges, report.is_dry_run) == (1, False)
    assert (remote.remote, remote.outcome) == ("origin", "merged")
    assert (remote.events_in, remote.events_out, remote.unsent) == (4, 4, 0)
    dry = SyncReport.model_validate(cli(other.path, "sync", "-n", "--json").json()["data"])
    assert (dry.is_dry_run, dry.remotes[0].outcome) == (True, "same")
    SnapshotReport.model_validate(cli(other.path, "snapshot", "--json").json()["data"])


def test_failures_are_an_envelope_in_json_and_the_other_remotes_are_synced(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    git(other.path, "remote", "add", "gone", str(hub.path.with_name("nowhere.git")))
    ran = cli(other.path, "sync", "gone", "origin", "--json")
    assert ran.code == 1
    assert ran.json()["ok"] is False
    assert ran.json()["error"]["code"] == "remote"
    assert "nowhere.git" in ran.json()["error"]["message"]
    assert other.head == read_head(hub.path)


def test_what_failed_is_an_error_and_what_went_well_a_line(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    for name in ("gone", "lost"):
        git(other.path, "remote", "add", name, str(hub.path.with_name(f"{name}.git")))
    ran = cli(other.path, "sync", "gone", "origin", "lost")
    assert ran.code == 1
    assert ran.stdout == "origin: merged, 4 events in, 4 events out\n"
    assert ran.stderr.startswith("warning: cannot fetch from lost")
    assert "error: cannot fetch from gone" in ran.stderr
    assert "hint: there is no such repository" in ran.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--fetch", "--push"), 2, "--fetch and --push cannot be used together"),
        (("--timeout", "0"), 2, "timeout"),
        (("--timeout", "nan"), 2, "not a duration"),
        (("--timeout", "soon"), 2, "not a duration"),
        (("nowhere", "--timeout", "1m"), 3, "no such remote: nowhere"),
        (("-x",), 2, "-x"),
        (("--", "--upload-pack=touch x"), 2, "not a remote: "),
    ],
)
def test_wrong_arguments_end_with_the_code_of_their_kind(
    args: tuple[str, ...], code: int, words: str, pair: tuple[Clone, Clone], cli: Cli
) -> None:
    one, _ = pair
    ran = cli(one.path, "sync", *args)
    assert ran.code == code
    assert words in ran.stderr
    assert ran.stdout == ""


def test_no_remote_and_no_repository_are_said(tmp_path: Path, cli: Cli) -> None:
    alone = Clone.make(tmp_path / "alone")
    ran = cli(alone.path, "sync")
    assert (ran.code, ran.stdout) == (3, "")
    assert "error: no remote to sync with\nhint: git remote add origin URL" in ran.stderr
    assert cli(tmp_path, "sync").code == 5


def test_giving_up_ends_with_the_code_of_a_conflict(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    (hub.path / "refs" / "grite" / "wal.lock").touch()
    ran = cli(other.path, "sync", "--timeout", "0.2")
    assert ran.code == 4
    assert "error: origin kept moving until the time was up: 1 transition from here" in ran.stderr
    assert "wal.lock" in ran.stderr


def test_the_remote_can_be_an_address_or_a_path(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    one, other = pair
    ran = cli(other.path, "sync", f"file://{hub.path}")
    assert ran.stdout == f"file://{hub.path}: merged, 4 events in, 4 events out\n"
    ran = cli(one.path, "sync", os.path.relpath(hub.path, one.path))
    assert ran.code == 0
    assert "received, 4 events in" in ran.stdout
    # Both know what the hub has now, and what is unsent is told of remotes with a name only.
    assert "not yet on" in cli(other.path, "list").stderr
    other.sync_well()
    assert "not yet on" not in cli(other.path, "list").stderr


def test_the_upstreams_remote_is_the_default(
    pair: tuple[Clone, Clone], tmp_path: Path, cli: Cli
) -> None:
    one, _ = pair
    backup = tmp_path / "backup.git"
    git(tmp_path, "init", "--quiet", "--bare", str(backup))
    git(one.path, "remote", "add", "backup", str(backup))
    git(one.path, "commit", "--quiet", "--allow-empty", "--message=First")
    git(one.path, "push", "--quiet", "--set-upstream", "backup", "main")
    assert cli(one.path, "sync").stdout.startswith("backup: sent")


def on_terminal(path: Path, *args: str) -> str:
    """Runs the program with stderr on a terminal and gives what it showed there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "git_session", *args],
        cwd=path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    return read_terminal(ours, process, TIMEOUT)


def test_gits_progress_is_for_terminals_only(
    pair: tuple[Clone, Clone], cli: Cli, tmp_path: Path
) -> None:
    one, other = pair
    assert "Writing objects: 100%" in on_terminal(other.path, "sync")
    assert cli(one.path, "sync").stderr == ""


def test_what_a_server_says_cannot_play_tricks_on_the_terminal(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    hub.write_hook("pre-receive", r"printf '\033[2J\033]0;owned\007evil\n' >&2", "exit 1")
    ran = cli(other.path, "sync")
    assert ran.code == 1
    assert "evil" in ran.stderr
    assert "\x1b" not in ran.stderr
    assert "\x07" not in ran.stderr


def test_a_sync_with_nothing_to_do_does_not_read_the_log(
    checkout_of: Callable[[str], Path], tmp_path: Path, cli: Cli
) -> None:
    path = checkout_of("lifecycle")
    backup = tmp_path / "backup.git"
    git(tmp_path, "init", "--quiet", "--bare", str(backup))
    git(path, "remote", "add", "backup", str(backup))
    assert cli(path, "sync", "backup").stdout == "backup: sent, 77 events out\n"
    # Nobody who reads the log can miss that its first commit is gone.
    root = git(path, "rev-list", "--max-parents=0", "refs/grite/wal")
    pack = path / ".git" / "objects" / "pack"
    pack.rename(tmp_path / "pack")
    pack.mkdir()
    for packed in (tmp_path / "pack").glob("*.pack"):
        with packed.open("rb") as file:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=path, stdin=file, check=True)
    (path / ".git" / "objects" / root[:2] / root[2:]).unlink()
    ran = cli(path, "sync", "backup")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "backup: already together\n", "")
    assert "missing" in cli(path, "fsck").stdout
