"""A push takes the log along, to the remotes that hold one, and never fails or waits for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest

from git_session import SessionLog
from tests.conftest import Ran, git, run
from tests.connect.test_hooks import install

WAL: Final = "refs/grite/wal"


@pytest.fixture
def clone(repo: Path, bare: Path) -> Path:
    """Gives a repository with a log, our hooks, and the remote `origin`."""
    git(repo, "remote", "add", "origin", str(bare))
    SessionLog.open(repo).add_task("Fix it")
    install(repo)
    return repo


@pytest.fixture
def recorder(tmp_path: Path) -> list[str]:
    """Gives a program that stands in for ours and writes down how it was called."""
    program = tmp_path / "recorder"
    program.write_text(f'#!/bin/sh\necho "$*" >>"{tmp_path}/calls"\n')
    program.chmod(0o755)
    return [str(program)]


def push(path: Path, *words: str) -> Ran:
    return run(path, "git", "push", "--quiet", *words)


def head(path: Path, ref: str = WAL) -> str:
    return git(path, "for-each-ref", "--format=%(objectname)", ref)


def test_a_push_takes_the_log_along(clone: Path, bare: Path) -> None:
    assert push(clone, "origin", "main") == Ran(
        ("git", "push", "--quiet", "origin", "main"), 0, "", ""
    )
    assert head(bare) == head(clone) != ""
    assert head(bare, "refs/heads/main") == git(clone, "rev-parse", "main")


def test_a_push_brings_logs_that_went_apart_together(
    clone: Path, bare: Path, tmp_path: Path
) -> None:
    push(clone, "origin", "main")
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(bare), str(other))
    SessionLog.open(other).add_task("Port it")
    install(other)
    assert push(other, "origin", "HEAD:refs/heads/other").stderr == ""
    SessionLog.open(clone).add_task("Test it")
    assert push(clone, "origin", "main:refs/heads/more").stderr == ""
    assert head(bare) == head(clone)
    titles = {task.title for task in SessionLog.open(clone).tasks()}
    assert titles == {"Fix it", "Port it", "Test it"}


def test_nothing_is_started_when_there_is_nothing_to_send(
    clone: Path, tmp_path: Path, recorder: list[str]
) -> None:
    push(clone, "origin", "main")
    git(clone, "pack-refs", "--all")
    install(clone, program=recorder)
    assert push(clone, "origin", "main:refs/heads/again").code == 0
    assert not (tmp_path / "calls").exists()
    SessionLog.open(clone).add_task("Test it")
    assert push(clone, "origin", "main:refs/heads/more").code == 0
    words = (tmp_path / "calls").read_text().split()
    assert words[:5] == ["hook", "run", "--called-back", "pre-push", "origin"]


def test_a_bare_repository_takes_its_log_along_as_well(bare: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.git"
    git(tmp_path, "init", "--quiet", "--bare", str(other))
    git(bare, "remote", "add", "origin", str(other))
    SessionLog.open(bare).add_task("Fix it")
    install(bare)
    assert push(bare, "origin", "refs/grite/wal:refs/heads/copy").stderr == ""
    assert head(other) == head(bare) != ""


def test_a_push_without_a_log_starts_nothing(
    repo: Path, bare: Path, tmp_path: Path, recorder: list[str]
) -> None:
    install(repo, program=recorder)
    assert push(repo, str(bare), "main").code == 0
    assert not (tmp_path / "calls").exists()


def test_only_remotes_to_sync_with_or_that_hold_a_log_get_it(clone: Path, tmp_path: Path) -> None:
    for name in ("fork", "backup"):
        git(tmp_path, "init", "--quiet", "--bare", f"{name}.git")
        git(clone, "remote", "add", name, str(tmp_path / f"{name}.git"))
    for remote in ("fork", str(tmp_path / "fork.git"), "backup"):
        assert push(clone, remote, "main").stderr == ""
        assert head(tmp_path / "fork.git") == ""
        assert head(tmp_path / "backup.git") == ""
    git(clone, "config", "session.remote", "backup")
    push(clone, "backup", "main:refs/heads/two")
    assert head(tmp_path / "backup.git") == head(clone)
    git(clone, "config", "session.remote", "origin")
    SessionLog.open(clone).add_task("Test it")
    push(clone, "backup", "main:refs/heads/three")
    assert head(tmp_path / "backup.git") == head(clone)


def test_a_remote_with_two_addresses_gets_the_log_at_both(
    clone: Path, bare: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "second.git")
    for path in (bare, tmp_path / "second.git"):
        git(clone, "remote", "set-url", "--add", "--push", "origin", str(path))
    assert push(clone, "origin", "main").stderr == ""
    assert head(bare) == head(tmp_path / "second.git") == head(clone)


def test_a_remote_that_is_named_by_its_address_alone_can_be_chosen(clone: Path, bare: Path) -> None:
    git(clone, "config", "session.remote", str(bare))
    assert push(clone, str(bare), "main").stderr == ""
    assert head(bare) == head(clone)


@pytest.mark.parametrize("refspec", [WAL, "refs/*:refs/*"])
def test_whoever_pushes_the_log_itself_is_not_got_ahead_of(
    refspec: str, clone: Path, bare: Path
) -> None:
    ran = push(clone, "origin", refspec)
    assert (ran.code, ran.stderr) == (0, "")
    assert head(bare) == head(clone)


def test_the_hook_that_was_there_hears_what_is_pushed_and_can_refuse(
    clone: Path, bare: Path, tmp_path: Path
) -> None:
    hook = clone / ".git" / "hooks" / "pre-push.before-git-session"
    heard = tmp_path / "heard"
    hook.write_text(f'#!/bin/sh\necho "$@" >>"{heard}"\ncat >>"{heard}"\nexit $REFUSAL\n')
    hook.chmod(0o755)
    ran = run(clone, "git", "push", "--quiet", "origin", "main", env={"REFUSAL": "3"})
    assert (ran.code, head(bare), head(bare, "refs/heads")) == (1, "", "")
    ran = run(clone, "git", "push", "--quiet", "origin", "main", env={"REFUSAL": "0"})
    assert (ran.code, head(bare)) == (0, head(clone))
    main = git(clone, "rev-parse", "main")
    line = f"refs/heads/main {main} refs/heads/main {'0' * 40}\n"
    # Once for each push: the log's own push runs no hook.
    assert heard.read_text() == 2 * (f"origin {bare}\n" + line)


def test_a_log_that_cannot_be_sent_is_said_and_the_push_goes_on(
    clone: Path, bare: Path, tmp_path: Path
) -> None:
    git(clone, "remote", "set-url", "origin", str(tmp_path / "gone.git"))
    git(clone, "remote", "set-url", "--push", "origin", str(bare))
    ran = push(clone, "origin", "main")
    assert ran.code == 0
    assert head(bare, "refs/heads/main") == git(clone, "rev-parse", "main")
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith("git-session: the log was not sent to origin: ")


def test_a_server_that_takes_no_log_is_no_reason_to_fail(clone: Path, bare: Path) -> None:
    hook = bare / "hooks" / "update"
    hook.write_text("#!/bin/sh\ncase $1 in refs/grite/*) exit 1 ;; esac\n")
    hook.chmod(0o755)
    ran = push(clone, "origin", "main")
    assert ran.code == 0
    assert head(bare, "refs/heads/main") == git(clone, "rev-parse", "main")
    assert "the log was not sent to origin" in ran.stderr


def test_a_remote_that_hangs_holds_a_push_up_no_longer_than_its_bound(
    clone: Path, bare: Path, tmp_path: Path
) -> None:
    """The fetch hangs for an hour; that the push ends at all is the proof."""
    git(clone, "remote", "set-url", "origin", f"ext::{_hanging(tmp_path)}")
    git(clone, "remote", "set-url", "--push", "origin", str(bare))
    git(clone, "config", "protocol.ext.allow", "always")
    git(clone, "config", "session.pushTimeout", "1")
    ran = push(clone, "origin", "main")
    assert ran.code == 0
    assert head(bare, "refs/heads/main") == git(clone, "rev-parse", "main")
    assert "the log was not sent to origin" in ran.stderr
    pid = int((tmp_path / "waiting").read_text())
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}/stat").exists()


def test_no_log_goes_along_where_no_time_is_given_to_it(clone: Path, bare: Path) -> None:
    git(clone, "config", "session.pushTimeout", "0")
    assert push(clone, "origin", "main").stderr == ""
    assert head(bare) == ""


def _hanging(folder: Path) -> str:
    program = folder / "hanging"
    program.write_text(f"#!/bin/sh\necho $$ >{folder}/waiting\nexec sleep 3600\n")
    program.chmod(0o755)
    return str(program)
