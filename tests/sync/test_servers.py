"""A whole sync over each kind of server: a path, sshd, smart HTTP with a login, git's daemon."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from git_session.git.remote import Git
from tests.conftest import Cli, git
from tests.support import servers
from tests.support.fleet import WAL, Clone, make_diverged, read_head
from tests.support.servers import HOST, Hub, find_program

hub = servers.hub
HIDDEN: Final = f"no clone can fetch {WAL} there"


@pytest.fixture
def pair(tmp_path: Path, hub: Hub) -> tuple[Clone, Clone]:
    """Gives two clones that diverged: each has a session of its own, one is at the hub."""
    return make_diverged(tmp_path, hub.url)


def recover(pair: tuple[Clone, Clone], hub: Hub) -> None:
    one, other = pair
    told = one.events | other.events
    other.sync_well()
    one.sync_well()
    assert one.head == other.head == read_head(hub.path)
    assert one.events == told


def test_two_clones_that_diverged_come_to_one_log(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    one, other = pair
    ran = cli(other.path, "sync")
    assert (ran.code, ran.stdout) == (0, "origin: merged, 4 events in, 4 events out\n")
    ran = cli(one.path, "sync")
    assert (ran.code, ran.stdout) == (0, "origin: received, 4 events in\n")
    ran = cli(one.path, "sync")
    assert (ran.code, ran.stdout) == (0, "origin: already together\n")
    assert one.head == other.head == read_head(hub.path)
    assert len(cli(one.path, "list", "--json").json()["data"]["sessions"]) == 2


def test_a_claim_is_decided_by_the_server(pair: tuple[Clone, Clone], hub: Hub, cli: Cli) -> None:
    one, other = pair
    task = one.task("Port the lexer")
    one.sync_well()
    assert cli(other.path, "start", task, "--exclusive").code == 0
    ran = cli(one.path, "start", task, "--exclusive")
    assert ran.code == 4
    assert "has a live session" in ran.stderr


def test_who_may_not_write_is_told_in_the_servers_words(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    there = read_head(hub.path)
    hub.write_hook("pre-receive", "echo 'only on Sundays' >&2", "exit 1")
    ran = cli(other.path, "sync")
    assert ran.code == 1
    assert "only on Sundays" in ran.stderr
    assert "hint: a rule of the server refuses this ref" in ran.stderr
    assert read_head(hub.path) == there
    (hub.path / "hooks" / "pre-receive").unlink()
    recover(pair, hub)


def refuse_push(hub: Hub, cause: str) -> None:
    """Make a server refuse pushes, as a rule, a quota or a read-only daemon does."""
    emails = 'while read old new ref; do git log --format=%ce "$new" --not --all; done'
    rule = "GitLab: Committer's email 'grit@local' does not follow the pattern"
    hook = {
        "committer": (f"{emails} | grep -qv @example.org$ || exit 0", f'echo "{rule}" >&2; exit 1'),
        "quota": ("echo 'push rejected: repository size quota exceeded' >&2; exit 1",),
    }
    if cause == "read-only":
        git(hub.path, "config", "daemon.receivepack", "false")
    else:
        hub.write_hook("pre-receive", *hook[cause])


def allow_push(hub: Hub) -> None:
    (hub.path / "hooks" / "pre-receive").unlink(missing_ok=True)
    git(hub.path, "config", "daemon.receivepack", "true")


@pytest.mark.parametrize(
    ("hub", "cause", "advice"),
    [
        ("path", "committer", "a rule of the server is about who commits: git config session.comm"),
        ("path", "quota", "the server has no room for this repository"),
        ("git", "read-only", "the server can be read and takes no pushes"),
    ],
    indirect=["hub"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_refused_push_is_remembered_by_the_doctor(
    is_first: bool, cause: str, advice: str, hub: Hub, cli: Cli, tmp_path: Path
) -> None:
    one = Clone.make(tmp_path / "one", origin=hub.url)
    task = one.task()
    if not is_first:
        one.sync_well()
        one.start(task)
    refuse_push(hub, cause)
    ran = cli(one.path, "sync")
    assert ran.code == 1
    assert f"hint: {advice}" in ran.stderr
    line = check_origin(one, cli)
    assert line["status"] == "failing"
    assert line["message"].startswith("reached; the last push was refused: origin ")
    assert line["command"].startswith(advice)
    allow_push(hub)
    assert check_origin(one, cli) == line
    one.sync_well()
    assert check_origin(one, cli)["message"] == "reached, in sync"
    one.task("Another one")
    assert check_origin(one, cli)["command"] == "git session sync origin"


def check_origin(clone: Clone, cli: Cli) -> dict[str, str]:
    """Read the doctor's line about the remote."""
    lines = cli(clone.path, "doctor", "--json").json()["data"]["lines"]
    return next(line for line in lines if line["name"] == "remote origin")


@pytest.mark.parametrize("hub", ["path"], indirect=True)
@pytest.mark.parametrize("text", ["", "[]", '{"origin": 1}', '{"origin": {"message": 1}}', "{" * 9])
def test_refusals_that_cannot_be_read_are_none(
    text: str, pair: tuple[Clone, Clone], cli: Cli
) -> None:
    _, other = pair
    (other.path / ".git" / "git-session" / "refused.json").write_text(text)
    assert check_origin(other, cli)["command"] == "git session sync origin"
    other.sync_well()


@pytest.mark.parametrize("hub", ["path"], indirect=True)
def test_refusals_words_do_nothing_to_a_terminal(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    said = r"no\033[2J\nok remote origin: reached, in sync\n"
    hub.write_hook("pre-receive", f"printf '{said}' >&2; exit 1")
    assert cli(other.path, "sync").code == 1
    said = cli(other.path, "doctor").stdout
    assert "\x1b" not in said
    assert not any(line.startswith("ok remote") for line in said.splitlines())


def test_server_that_hides_the_log_is_named(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli, tmp_path: Path
) -> None:
    one, other = pair
    git(hub.path, "update-ref", "-d", WAL)
    git(hub.path, "config", "uploadpack.hideRefs", "refs/grite")
    first = Clone.make(tmp_path / "first", origin=hub.url)
    first.task()
    for clone in (first, first, one, other):  # sent for the first time, again, and diverged
        ran = cli(clone.path, "sync", "--timeout", "60")
        assert ran.code == 4
        assert ran.stderr.startswith(f"error: origin has a log and hides it: {HIDDEN}\nhint: ask")
        assert ran.stdout == ""
    for clone in (first, one):
        line = check_origin(clone, cli)
        assert HIDDEN in line["message"]
        assert line["command"].startswith("ask the server's owner to show refs/grite")
    ran = cli(one.path, "start", one.task("Port the lexer"), "--exclusive")
    assert (ran.code, f"hides it: {HIDDEN}" in ran.stderr) == (4, True)
    git(hub.path, "config", "--unset", "uploadpack.hideRefs")
    for clone in (first, one, other, one):
        clone.sync_well()
    assert one.head == other.head == read_head(hub.path)


@pytest.mark.parametrize("hub", ["path"], indirect=True)
def test_claim_at_a_server_that_hides_the_log_warns(hub: Hub, cli: Cli, tmp_path: Path) -> None:
    one = Clone.make(tmp_path / "one", origin=hub.url)
    task = one.task()
    git(hub.path, "config", "uploadpack.hideRefs", "refs/grite")
    ran = cli(one.path, "start", task, "--exclusive")
    assert ran.code == 0
    assert f"warning: origin has a log and hides it: {HIDDEN}" in ran.stderr
    assert one.head == read_head(hub.path)


@pytest.mark.parametrize("hub", ["path"], indirect=True)
def test_log_that_is_gone_at_the_server_is_said(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    one, other = pair
    gone = "origin shows no log any more, though it had one when it was last seen\n"
    git(hub.path, "update-ref", "-d", WAL)
    for _ in range(2):
        ran = cli(other.path, "sync", "--fetch")
        assert (ran.code, ran.stdout) == (4, "")
        assert ran.stderr.startswith(f"error: {gone}hint: git session sync origin, in a clone")
        assert cli(other.path, "sync", "--dry-run").stderr == f"warning: {gone}"
    assert gone.strip() in check_origin(other, cli)["message"]
    ran = cli(other.path, "sync")
    assert (ran.code, ran.stdout) == (0, "origin: sent, 5 events out\n")
    assert ran.stderr == f"warning: {gone}"
    assert cli(other.path, "sync").stderr == ""
    git(hub.path, "update-ref", "-d", WAL)
    git(one.path, "update-ref", "-d", WAL)
    ran = cli(one.path, "sync")
    assert (ran.code, ran.stdout) == (4, "")
    assert ran.stderr.startswith(f"error: {gone}")


def test_sync_asks_what_is_shown_only_after_a_first_push(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Clone.make(tmp_path / "one", origin=hub.url)
    task = one.task()
    asked: list[str] = []
    ask = Git.ls_remote

    def note(self: Git, remote: str, patterns: Sequence[str]) -> dict[str, str]:
        asked.append(remote)
        return ask(self, remote, patterns)

    monkeypatch.setattr(Git, "ls_remote", note)
    one.sync_well()
    assert asked == ["origin"]
    one.sync_well()
    one.start(task)
    one.sync_well()
    assert asked == ["origin"]


def test_a_server_that_dies_in_the_middle_loses_nothing(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    there = read_head(hub.path)
    hub.write_hook("pre-receive", "kill -9 $PPID")
    ran = cli(other.path, "sync")
    assert ran.code == 1
    assert ran.stderr.startswith("error: ")
    assert "\nhint: " in ran.stderr
    assert read_head(hub.path) == there
    (hub.path / "hooks" / "pre-receive").unlink()
    recover(pair, hub)


def test_a_server_that_took_the_log_and_died_has_taken_it(
    pair: tuple[Clone, Clone], hub: Hub
) -> None:
    _, other = pair
    hub.write_hook("reference-transaction", 'test "$1" = committed && kill -9 $PPID; exit 0')
    report = other.sync_well()
    assert (report["outcome"], report["events_out"]) == ("merged", 4)
    assert other.head == read_head(hub.path)
    (hub.path / "hooks" / "reference-transaction").unlink()
    recover(pair, hub)


def test_a_server_that_hangs_is_left_when_the_time_is_up(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    hub.freeze()
    ran = cli(other.path, "sync", "--timeout", "1", timeout=60)
    assert ran.code == 1
    assert "did not answer within" in ran.stderr


def test_a_server_that_is_gone_is_said(pair: tuple[Clone, Clone], hub: Hub, cli: Cli) -> None:
    _, other = pair
    before = other.head
    hub.stop()
    ran = cli(other.path, "sync", timeout=60)
    assert ran.code == 1
    assert ran.stderr.startswith("error: cannot fetch from origin")
    assert "\nhint: " in ran.stderr
    assert other.head == before


def test_a_repository_that_is_not_there_is_said(
    pair: tuple[Clone, Clone], hub: Hub, cli: Cli
) -> None:
    _, other = pair
    git(other.path, "remote", "set-url", "origin", hub.address("nowhere.git"))
    ran = cli(other.path, "sync", timeout=60)
    assert ran.code == 1
    assert "\nhint: " in ran.stderr
    git(other.path, "remote", "set-url", "origin", hub.url)
    recover(pair, hub)


@pytest.mark.parametrize("hub", ["http"], indirect=True)
@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_login_that_is_refused_is_said_and_nobody_is_asked(
    password: str | None, pair: tuple[Clone, Clone], hub: Hub, cli: Cli, home: Path
) -> None:
    _, other = pair
    hub.save_login(home, password)
    ran = cli(other.path, "sync", timeout=60)
    assert ran.code == 1
    assert ("Authentication failed" if password else "could not read Username") in ran.stderr
    assert "\nhint: " in ran.stderr
    hub.save_login(home, servers.PASSWORD)
    recover(pair, hub)


@pytest.mark.parametrize("hub", ["ssh"], indirect=True)
def test_a_key_that_is_refused_is_said(pair: tuple[Clone, Clone], hub: Hub, cli: Cli) -> None:
    _, other = pair
    keys = hub.folder / "authorized_keys"
    text = keys.read_text()
    keys.write_text("")
    ran = cli(other.path, "sync", timeout=60)
    assert ran.code == 1
    assert "Permission denied (publickey)" in ran.stderr
    assert "hint: the server takes none of the ssh keys it was shown" in ran.stderr
    keys.write_text(text)
    recover(pair, hub)


@pytest.mark.parametrize("scheme", ["http", "git", "ssh"])
def test_a_host_where_nobody_answers_is_said(scheme: str, tmp_path: Path, cli: Cli) -> None:
    if scheme == "ssh":
        find_program("ssh")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        # The port is bound and nobody listens: connections are refused at once.
        url = f"{scheme}://{HOST}:{probe.getsockname()[1]}/r.git"
        clone = Clone.make(tmp_path / "clone", origin=url)
        clone.task()
        ran = cli(clone.path, "sync", timeout=60)
    assert ran.code == 1
    assert ran.stderr.startswith("error: cannot fetch from origin")
    assert "hint: no answer: check the network" in ran.stderr


def test_a_name_that_no_host_has_is_said(tmp_path: Path, cli: Cli) -> None:
    clone = Clone.make(tmp_path / "clone", origin="git://nosuch.invalid/r.git")
    clone.task()
    ran = cli(clone.path, "sync", timeout=60)
    assert ran.code == 1
    assert "hint: there is no such host, or no network" in ran.stderr
