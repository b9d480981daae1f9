"""A whole sync over each kind of server: a path, sshd, smart HTTP with a login, git's daemon."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests import servers
from tests.conftest import Cli, git
from tests.fleet import Clone, make_diverged, read_head
from tests.servers import HOST, Hub

hub = servers.hub


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
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        # The port is bound and nobody listens: connections are refused at once.
        url = f"{scheme}://{HOST}:{probe.getsockname()[1]}/r.git"
        clone = Clone.make(tmp_path / "clone", origin=url)
        clone.task()
        ran = cli(clone.path, "sync", timeout=60)
    assert ran.code == 1
    assert ran.stderr.startswith("error: cannot fetch from origin")
    assert "hint: nobody answers there" in ran.stderr


def test_a_name_that_no_host_has_is_said(tmp_path: Path, cli: Cli) -> None:
    clone = Clone.make(tmp_path / "clone", origin="git://nosuch.invalid/r.git")
    clone.task()
    ran = cli(clone.path, "sync", timeout=60)
    assert ran.code == 1
    assert "hint: there is no such host, or no network" in ran.stderr
