"""Git reaches real servers as the user's git does, says truly what happened, and never hangs."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from git_session.errors import (
    NotFoundError,
    RemoteError,
    RemoteTimeoutError,
    UsageError,
)
from git_session.git.remote import Git, PushState, tracking_name
from tests.conftest import TIMEOUT, git
from tests.support import servers
from tests.support.processes import Marked
from tests.support.servers import HOST, PASSWORD, USER, Hub, free_port

hub = servers.hub
path_hub = servers.path_hub

WAL: Final = "refs/grite/wal"
SNAPSHOT: Final = "refs/grite/snapshots/1"
TRACKED: Final = "refs/git-session/remotes/origin/grite"
REFSPEC: Final = f"+refs/grite/*:{TRACKED}/*"


@pytest.fixture
def clone(hub: Hub, repo: Path) -> Path:
    """Gives a repository whose `origin` is the hub, once for each kind of server."""
    git(repo, "remote", "add", "origin", hub.url)
    return repo


@pytest.fixture
def path_clone(path_hub: Hub, repo: Path) -> Path:
    """Gives a repository whose `origin` is a hub by path."""
    git(repo, "remote", "add", "origin", path_hub.url)
    return repo


def _open(path: Path, timeout_s: float = 60) -> Git:
    return Git(path / ".git", path, timeout_s=timeout_s)


def _commit(path: Path, message: str, *parents: str) -> str:
    tree = git(path, "hash-object", "-t", "tree", "-w", "--stdin")
    named = [word for parent in parents for word in ("-p", parent)]
    return git(path, "commit-tree", "-m", message, *named, tree)


def _refs(path: Path) -> dict[str, str]:
    lines = git(path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split(" ") for line in lines)


# -- every kind of server


def test_what_is_pushed_is_there_and_can_be_fetched(clone: Path, hub: Hub) -> None:
    """A new ref, a fast-forward, nothing to do; and nothing but the refs asked for moves."""
    here = _open(clone)
    first = _commit(clone, "first")
    second = _commit(clone, "second", first)

    assert here.push("origin", {WAL: first})[WAL].state is PushState.LANDED
    assert here.push("origin", {WAL: second})[WAL].state is PushState.LANDED
    again = here.push("origin", {WAL: second, SNAPSHOT: first})

    assert {ref: outcome.state for ref, outcome in again.items()} == {
        WAL: PushState.UP_TO_DATE,
        SNAPSHOT: PushState.LANDED,
    }
    assert _refs(hub.path) == {WAL: second, SNAPSHOT: first}
    assert here.ls_remote("origin", ["refs/grite/*"]) == {WAL: second, SNAPSHOT: first}

    before = _refs(clone)
    here.fetch("origin", [REFSPEC], prune=True)
    new = {f"{TRACKED}/wal": second, f"{TRACKED}/snapshots/1": first}
    assert _refs(clone) == before | new
    assert not (clone / ".git" / "FETCH_HEAD").exists()

    git(hub.path, "update-ref", "-d", SNAPSHOT)
    here.fetch("origin", [REFSPEC], prune=True)
    assert f"{TRACKED}/snapshots/1" not in _refs(clone)


def test_a_remote_without_our_refs_is_fetched_from_with_success(clone: Path, hub: Hub) -> None:
    here = _open(clone)
    before = _refs(clone)
    here.fetch("origin", [REFSPEC], prune=True)
    assert _refs(clone) == before
    assert here.ls_remote("origin", ["refs/grite/*"]) == {}


def test_a_push_that_came_second_is_refused_and_changes_nothing(clone: Path, hub: Hub) -> None:
    """Whether this clone knows the other one's commit (non-fast-forward) or not (fetch first)."""
    here = _open(clone)
    mine = _commit(clone, "mine")
    theirs = _commit(hub.path, "theirs")
    git(hub.path, "update-ref", WAL, theirs)

    unknown = here.push("origin", {WAL: mine})[WAL]
    here.fetch("origin", [REFSPEC], prune=True)
    known = here.push("origin", {WAL: mine})[WAL]

    assert (unknown.state, unknown.reason) == (PushState.REFUSED, "[rejected] (fetch first)")
    assert (known.state, known.reason) == (PushState.REFUSED, "[rejected] (non-fast-forward)")
    assert "hint:" not in unknown.words + known.words
    assert _refs(hub.path) == {WAL: theirs}


def test_what_a_hook_of_the_server_declines_is_told_in_its_words(clone: Path, hub: Hub) -> None:
    hub.write_hook("pre-receive", "echo no sessions here >&2", "exit 1")
    outcome = _open(clone).push("origin", {WAL: _commit(clone, "mine")})[WAL]
    assert outcome.state is PushState.DECLINED
    assert "pre-receive hook declined" in outcome.reason
    assert outcome.words == "remote: no sessions here"
    assert "ask its owner" in (outcome.hint or "")
    assert _refs(hub.path) == {}


def test_one_ref_can_be_declined_and_the_other_land(clone: Path, hub: Hub) -> None:
    hub.write_hook("update", f'test "$1" != {SNAPSHOT}')
    mine = _commit(clone, "mine")
    outcomes = _open(clone).push("origin", {SNAPSHOT: mine, WAL: mine})
    assert outcomes[SNAPSHOT].state is PushState.DECLINED
    assert outcomes[WAL].state is PushState.LANDED
    assert _refs(hub.path) == {WAL: mine}


def test_a_server_that_hides_our_refs_declines_them(clone: Path, hub: Hub) -> None:
    git(hub.path, "config", "transfer.hideRefs", "refs/grite")
    here = _open(clone)
    outcome = here.push("origin", {WAL: _commit(clone, "mine")})[WAL]
    assert outcome.state is PushState.DECLINED
    assert "hideRefs" in (outcome.hint or "")
    assert here.ls_remote("origin", [WAL]) == {}
    here.fetch("origin", [REFSPEC], prune=True)


def test_a_ref_that_moved_is_landed_although_the_answer_got_lost(clone: Path, hub: Hub) -> None:
    """The server falls over right after it moved the ref; only asking again can tell."""
    hub.write_hook("reference-transaction", 'test "$1" != committed || kill -9 $PPID')
    mine = _commit(clone, "mine")
    outcome = _open(clone).push("origin", {WAL: mine})[WAL]
    assert outcome.state is PushState.LANDED
    assert _refs(hub.path) == {WAL: mine}


def test_a_push_without_an_answer_that_moved_nothing_is_a_failure(clone: Path, hub: Hub) -> None:
    hub.write_hook("reference-transaction", 'test "$1" != prepared || kill -9 $PPID')
    outcome = _open(clone).push("origin", {WAL: _commit(clone, "mine")})[WAL]
    assert outcome.state is PushState.FAILED
    assert "hung up unexpectedly" in outcome.words
    assert outcome.hint
    assert _refs(hub.path) == {}


def test_a_push_without_an_answer_over_another_commit_is_unknown(clone: Path, hub: Hub) -> None:
    """Somebody may have built on what was pushed: that is for a fetch to find out."""
    here = _open(clone)
    first = _commit(clone, "first")
    here.push("origin", {WAL: first})
    hub.write_hook("reference-transaction", 'test "$1" != prepared || kill -9 $PPID')
    outcome = here.push("origin", {WAL: _commit(clone, "second", first)})[WAL]
    assert outcome.state is PushState.UNKNOWN
    assert _refs(hub.path) == {WAL: first}


def test_a_repository_that_is_missing_is_told_with_a_hint(clone: Path, hub: Hub) -> None:
    missing = hub.address("missing.git")
    git(clone, "remote", "set-url", "origin", missing)
    git(clone, "remote", "set-url", "--push", "origin", missing)
    mine = _commit(clone, "mine")
    with pytest.raises(RemoteError, match="cannot fetch from origin") as fetched:
        _open(clone).fetch("origin", [REFSPEC], prune=True)
    with pytest.raises(RemoteError, match="cannot push to origin") as pushed:
        _open(clone).push("origin", {WAL: mine})
    for failure in (fetched.value, pushed.value):
        assert failure.exit_code == 1
        assert "missing.git" in failure.words
        assert "git remote get-url origin" in (failure.hint or "")


def test_a_server_that_is_gone_is_told_with_a_hint(clone: Path, hub: Hub) -> None:
    hub.stop()
    with pytest.raises(RemoteError) as failed:
        _open(clone).fetch("origin", [REFSPEC], prune=True)
    assert failed.value.code == "remote"
    assert failed.value.words
    assert failed.value.hint


def test_a_server_that_hangs_costs_the_time_limit_and_leaves_no_process(
    clone: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = _commit(clone, "mine")
    marked = Marked(monkeypatch)
    hub.freeze()
    with pytest.raises(RemoteTimeoutError) as failed:
        _open(clone, timeout_s=0.7).push("origin", {WAL: mine})
    assert failed.value.code == "timeout"
    assert marked.leftovers() == []


def _kill_receivers_of_some(hub: Hub) -> None:
    """Waits until some of a push has arrived, and kills who takes it in."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        for piece in hub.path.glob("objects/tmp_objdir-incoming-*/**/tmp_*"):
            with suppress(FileNotFoundError):
                if piece.stat().st_size > 5_000_000:
                    hub.kill_receivers()
                    return
        time.sleep(0.001)


@pytest.mark.heavy
def test_a_server_killed_half_way_moves_nothing_and_takes_the_next_push(
    clone: Path, hub: Hub
) -> None:
    git(clone, "config", "core.compression", "0")
    chunk = clone / "chunk"
    chunk.write_bytes(random.Random(1).randbytes(60_000_000))
    blob = git(clone, "hash-object", "-w", str(chunk))
    tree = git(clone, "mktree", stdin=f"100644 blob {blob}\tchunk\n")
    mine = git(clone, "commit-tree", "-m", "much", tree)
    here = _open(clone)

    killer = threading.Thread(target=_kill_receivers_of_some, args=(hub,))
    killer.start()
    outcome = here.push("origin", {WAL: mine})[WAL]
    killer.join()

    assert outcome.state is PushState.FAILED
    assert outcome.hint
    assert _refs(hub.path) == {}
    assert here.push("origin", {WAL: mine})[WAL].state is PushState.LANDED


# -- logging in


@pytest.mark.parametrize("hub", ["http"], indirect=True)
@pytest.mark.parametrize(
    ("password", "words", "hint"),
    [
        ("wrong", "Authentication failed", "the login was refused"),
        (None, "could not read Username", "no saved login"),
    ],
)
def test_a_web_login_that_is_refused_is_told(
    clone: Path, hub: Hub, home: Path, password: str | None, words: str, hint: str
) -> None:
    hub.save_login(home, password)
    with pytest.raises(RemoteError) as failed:
        _open(clone).fetch("origin", [REFSPEC], prune=True)
    assert words in failed.value.words
    assert hint in (failed.value.hint or "")


@pytest.mark.parametrize("hub", ["http"], indirect=True)
def test_a_login_that_may_read_but_not_push_is_told(clone: Path, hub: Hub) -> None:
    git(hub.path, "config", "http.receivepack", "false")
    outcome = _open(clone).push("origin", {WAL: _commit(clone, "mine")})[WAL]
    assert outcome.state is PushState.FAILED
    assert "403" in outcome.words
    assert "may not" in (outcome.hint or "")


@pytest.mark.parametrize("hub", ["http"], indirect=True)
def test_a_password_in_an_address_is_never_told(repo: Path, hub: Hub) -> None:
    """Neither in our own words nor in git's."""
    address = hub.address("missing.git").replace("://", f"://alice:{PASSWORD}@")
    gone = f"http://alice:{PASSWORD}@{HOST}:{free_port()}/x.git"
    for url in (address, gone):
        with pytest.raises(RemoteError) as failed:
            _open(repo).fetch(url, [REFSPEC], prune=True)
        told = f"{failed.value.message}{failed.value.words}{failed.value.hint}"
        assert HOST in told
        assert PASSWORD not in told


@pytest.mark.parametrize("hub", ["ssh"], indirect=True)
def test_an_ssh_key_that_is_refused_is_told(clone: Path, hub: Hub) -> None:
    (hub.folder / "authorized_keys").write_text("")
    with pytest.raises(RemoteError) as failed:
        _open(clone).fetch("origin", [REFSPEC], prune=True)
    assert "Permission denied (publickey" in failed.value.words
    assert "ssh-add" in (failed.value.hint or "")


@pytest.mark.parametrize("hub", ["ssh"], indirect=True)
def test_a_server_key_that_is_unknown_is_told(clone: Path, hub: Hub) -> None:
    (hub.folder / "known_hosts").write_text("")
    with pytest.raises(RemoteError) as failed:
        _open(clone).fetch("origin", [REFSPEC], prune=True)
    assert "Host key verification failed" in failed.value.words
    assert "ssh does not know the server's key" in (failed.value.hint or "")


@pytest.mark.parametrize("hub", ["http", "ssh"], indirect=True)
@pytest.mark.parametrize("is_chosen", [False, True])
def test_no_window_opens_to_ask_unless_that_was_chosen(
    clone: Path, hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, is_chosen: bool
) -> None:
    """Desktops set SSH_ASKPASS for everybody; SSH_ASKPASS_REQUIRE is somebody's choice."""
    hub.save_login(home, None)
    window = home / "window"
    window.write_text(f"#!/bin/sh\ntouch {home}/opened\necho {PASSWORD}\n")
    window.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(window))
    monkeypatch.setenv("DISPLAY", ":0")
    if is_chosen:
        monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    if hub.kind == "ssh":
        key = str(hub.folder / "id_client")
        lock = ["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSWORD, "-f", key]
        subprocess.run(lock, check=True, stdout=subprocess.DEVNULL)
    else:
        git(clone, "config", "credential.username", USER)
    if is_chosen:
        _open(clone).fetch("origin", [REFSPEC], prune=True)
    else:
        with pytest.raises(RemoteError):
            _open(clone).fetch("origin", [REFSPEC], prune=True)
    assert (home / "opened").exists() == is_chosen


# -- whatever is configured


def test_the_clones_own_hooks_do_not_run_on_a_push(path_clone: Path) -> None:
    hook = path_clone / ".git" / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh\necho 'To be or not'\nexit 1\n")
    hook.chmod(0o755)
    outcome = _open(path_clone).push("origin", {WAL: _commit(path_clone, "mine")})[WAL]
    assert outcome.state is PushState.LANDED


@pytest.mark.parametrize("mapping", ["+refs/*:refs/*", "+refs/grite/*:refs/grite/*"])
def test_no_configured_refspec_moves_the_local_log(
    path_clone: Path, path_hub: Hub, mapping: str
) -> None:
    """Git itself would set it to what was fetched, and to what was pushed, losing this clone's."""
    git(path_clone, "config", "--replace-all", "remote.origin.fetch", mapping)
    local, pushed = _commit(path_clone, "local"), _commit(path_clone, "pushed")
    git(path_clone, "update-ref", WAL, local)
    here = _open(path_clone)

    assert here.push("origin", {WAL: pushed, SNAPSHOT: pushed})[WAL].state is PushState.LANDED
    here.fetch("origin", [REFSPEC], prune=True)

    refs = _refs(path_clone)
    assert refs[WAL] == local
    assert refs[f"{TRACKED}/wal"] == pushed
    assert SNAPSHOT not in refs


def test_a_mirror_is_pushed_to_like_any_remote(path_clone: Path, path_hub: Hub) -> None:
    """Git refuses to push single refs to one, and forces all others."""
    git(path_clone, "config", "remote.origin.mirror", "true")
    theirs = _commit(path_hub.path, "theirs")
    git(path_hub.path, "update-ref", WAL, theirs)
    outcomes = _open(path_clone).push(
        "origin", dict.fromkeys((WAL, SNAPSHOT), _commit(path_clone, "x"))
    )
    assert outcomes[WAL].state is PushState.REFUSED
    assert outcomes[SNAPSHOT].state is PushState.LANDED
    assert _refs(path_hub.path)[WAL] == theirs


def test_settings_for_branches_add_nothing_to_a_push_or_fetch(
    path_clone: Path, path_hub: Hub
) -> None:
    for key in ("push.followTags", "fetch.prune", "fetch.pruneTags", "fetch.writeCommitGraph"):
        git(path_clone, "config", key, "true")
    git(path_clone, "config", "remote.origin.tagOpt", "--tags")
    git(path_clone, "tag", "--annotate", "--message=mine", "mine")
    git(path_hub.path, "update-ref", "refs/tags/theirs", _commit(path_hub.path, "theirs"))
    mine = git(path_clone, "rev-parse", "HEAD")
    here = _open(path_clone)

    here.push("origin", {WAL: mine})
    here.fetch("origin", [REFSPEC], prune=True)

    assert "refs/tags/mine" not in _refs(path_hub.path)
    assert "refs/tags/mine" in _refs(path_clone)
    assert "refs/tags/theirs" not in _refs(path_clone)


def test_a_partial_clone_gets_the_contents_of_our_refs(tmp_path: Path, path_hub: Hub) -> None:
    """Its filter is for the code: a log without its chunks could not be read."""
    hub = path_hub.path
    git(hub, "config", "uploadpack.allowFilter", "true")
    blob = git(hub, "hash-object", "-w", "--stdin", stdin="a chunk")
    tree = git(hub, "mktree", stdin=f"100644 blob {blob}\t0000.bin\n")
    git(hub, "update-ref", WAL, git(hub, "commit-tree", "-m", "log", tree))
    path = tmp_path / "partial"
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", f"file://{hub}", str(path))

    _open(path).fetch("origin", [REFSPEC], prune=True)

    git(path, "remote", "set-url", "origin", str(tmp_path / "gone"))
    assert git(path, "cat-file", "blob", blob) == "a chunk"


def test_variables_that_name_another_repository_have_no_effect(
    path_clone: Path, path_hub: Hub, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook, where git exports GIT_DIR and GIT_INDEX_FILE."""
    mine = _commit(path_clone, "mine")
    monkeypatch.setenv("GIT_DIR", str(bare))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(bare / "objects"))
    here = _open(path_clone)
    assert here.push("origin", {WAL: mine})[WAL].state is PushState.LANDED
    here.fetch("origin", [REFSPEC], prune=True)
    for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.delenv(name)
    assert _refs(path_hub.path) == {WAL: mine}
    assert _refs(path_clone)[f"{TRACKED}/wal"] == mine
    assert _refs(bare) == {}


def test_settings_given_to_this_one_command_are_kept(
    path_clone: Path, path_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git -c KEY=VALUE session ...` hands them on in GIT_CONFIG_PARAMETERS or GIT_CONFIG_COUNT."""
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'remote.one.url'='{path_hub.url}'")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "remote.two.url")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", path_hub.url)
    here, mine = _open(path_clone), _commit(path_clone, "mine")
    assert here.remotes() == ["origin", "two", "one"]
    assert here.push("one", {WAL: mine})[WAL].state is PushState.LANDED
    assert here.push("two", {WAL: mine})[WAL].state is PushState.UP_TO_DATE


def test_a_remote_with_several_push_addresses_has_it_only_if_all_have(
    path_clone: Path, path_hub: Hub, bare: Path
) -> None:
    for url in (path_hub.url, str(bare)):
        git(path_clone, "config", "--add", "remote.origin.pushurl", url)
    here = _open(path_clone)
    first = _commit(path_clone, "first")
    assert here.push("origin", {WAL: first})[WAL].state is PushState.LANDED

    git(bare, "update-ref", WAL, _commit(bare, "other"))
    second = _commit(path_clone, "second", first)
    assert here.push("origin", {WAL: second})[WAL].state is PushState.REFUSED

    bare.rename(bare.with_name("gone"))
    third = _commit(path_clone, "third", second)
    assert here.push("origin", {WAL: third})[WAL].state is PushState.FAILED


def test_words_that_are_no_utf_8_are_told_all_the_same(path_clone: Path, path_hub: Hub) -> None:
    path_hub.write_hook("pre-receive", r"printf 'caf\351 \033[31mred\n' >&2", "exit 1")
    outcome = _open(path_clone).push("origin", {WAL: _commit(path_clone, "mine")})[WAL]
    assert outcome.words == r"remote: caf\xe9 red"


def test_a_lock_left_on_the_server_is_refused_for_now(path_clone: Path, path_hub: Hub) -> None:
    lock = path_hub.path / "refs" / "grite" / "wal.lock"
    lock.parent.mkdir()
    lock.touch()
    here, mine = _open(path_clone), _commit(path_clone, "mine")
    outcome = here.push("origin", {WAL: mine})[WAL]
    assert outcome.state is PushState.REFUSED
    assert ".lock" in (outcome.hint or "")
    lock.unlink()
    assert here.push("origin", {WAL: mine})[WAL].state is PushState.LANDED


def test_fetches_at_the_same_time_all_succeed(path_clone: Path, path_hub: Hub) -> None:
    """Git's own fetch fails when another one moved the ref meanwhile."""
    failures: list[Exception] = []

    def fetch() -> None:
        try:
            _open(path_clone).fetch("origin", [REFSPEC], prune=True)
        except RemoteError as error:
            failures.append(error)

    head = _commit(path_hub.path, "first")
    for number in range(5):
        git(path_hub.path, "update-ref", WAL, head)
        threads = [threading.Thread(target=fetch) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert _refs(path_clone)[f"{TRACKED}/wal"] == head
        head = _commit(path_hub.path, str(number), head)
    assert failures == []


# -- which remote


@pytest.mark.parametrize("word", ["", "-x", "--upload-pack=touch x", "a\nb", "a\0b"])
def test_a_word_that_git_could_take_for_something_else_is_refused(
    path_clone: Path, word: str
) -> None:
    with pytest.raises(UsageError):
        _open(path_clone).fetch(word, [REFSPEC], prune=True)


def test_an_unknown_remote_is_not_found_and_the_known_ones_are_named(path_clone: Path) -> None:
    for word in ("upstream", "some/where", "/no/such/path"):
        with pytest.raises(NotFoundError) as failed:
            _open(path_clone).ls_remote(word, [WAL])
        assert failed.value.exit_code == 3
        assert failed.value.hint == "remotes: origin"


@pytest.mark.parametrize("name", ["team/hub", "a=b", "größe", "we:ird*", "-x.y"])
def test_any_name_that_git_takes_for_a_remote_works_but_options(
    path_clone: Path, path_hub: Hub, name: str
) -> None:
    """Git's configuration can hold more names than `git remote add` makes."""
    git(path_clone, "config", f"remote.{name}.url", path_hub.url)
    git(path_clone, "config", f"remote.{name}.fetch", "+refs/*:refs/*")
    here, mine = _open(path_clone), _commit(path_clone, "mine")
    assert here.remotes() == ["origin", name]
    if name.startswith("-"):
        with pytest.raises(UsageError):
            here.push(name, {WAL: mine})
        return
    assert here.push(name, {WAL: mine})[WAL].state is PushState.LANDED
    assert WAL not in _refs(path_clone)
    refspec = f"+refs/grite/*:refs/git-session/remotes/{tracking_name(name)}/grite/*"
    here.fetch(name, [refspec], prune=True)
    assert mine in _refs(path_clone).values()


def test_addresses_and_paths_can_be_given_instead_of_a_name(
    path_clone: Path, path_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path counts from where the user is; insteadOf holds as everywhere in git."""
    here, mine = _open(path_clone), _commit(path_clone, "mine")
    assert here.push(str(path_hub.path), {WAL: mine})[WAL].state is PushState.LANDED
    monkeypatch.chdir(path_hub.path.parent.parent)
    git(path_clone, "config", f"url.{path_hub.path.parent}/.insteadOf", "hub/")
    for word in ("repositories/hub.git", f"file://{path_hub.path}", "hub/hub.git"):
        assert here.ls_remote(word, [WAL]) == {WAL: mine}, word


def test_a_relative_remote_counts_from_the_top_of_the_checkout(
    repo: Path, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in git, wherever in the checkout the command is run."""
    git(repo, "remote", "add", "origin", "../bare.git")
    (repo / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(repo / "deep" / "down")
    assert _open(repo).ls_remote("origin", [WAL]) == {}
    assert _open(repo).ls_remote("../bare.git", [WAL]) == {}


def test_a_pattern_matches_whole_names_only(path_clone: Path, path_hub: Hub) -> None:
    """Git takes a pattern for the end of a name."""
    theirs = _commit(path_hub.path, "theirs")
    git(path_hub.path, "update-ref", f"refs/heads/{WAL}", theirs)
    assert _open(path_clone).ls_remote("origin", [WAL, "refs/grite/*"]) == {}


def test_tracking_names_are_stable_and_can_be_part_of_a_ref(repo: Path) -> None:
    for name in ("origin", "team/hub", "größe", "a=b"):
        assert tracking_name(name) == name
    assert tracking_name("https://example.org/x.git") == "url-8ddc7cb30a4d"
    hostile = (
        "/srv/x",
        "../x",
        "a..b",
        "a b",
        "x.lock",
        "x.lock/y",
        "-x",
        "a//b",
        "x/",
        "",
        "~",
        "@{",
    )
    for word in hostile:
        name = tracking_name(word)
        assert name.startswith("url-")
        git(repo, "check-ref-format", f"refs/git-session/remotes/{name}/grite/wal")


# -- progress


def test_progress_is_handed_on_and_only_progress(path_clone: Path, path_hub: Hub) -> None:
    path_hub.write_hook("post-receive", "echo welcome >&2")
    shown: list[str] = []
    here = Git(path_clone / ".git", path_clone, on_progress=shown.append)
    outcome = here.push("origin", {WAL: _commit(path_clone, "mine")})[WAL]
    assert outcome.words == "remote: welcome"
    text = "".join(shown)
    assert "Writing objects: 100%" in text
    assert "welcome" not in text
    assert shown[-1].endswith("\n")
    assert os.linesep not in outcome.words
