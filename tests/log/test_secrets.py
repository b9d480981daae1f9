"""Credentials and home directories are found in what leaves, said or kept here, and never shown."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_session.core.answers.sync import SyncReport
from git_session.errors import ConfigError, SecretError
from git_session.health.doctor.repository import check_repository
from git_session.log.secrets import scan
from git_session.log.secrets.policy import read_policy
from git_session.log.secrets.scan import scan_texts
from git_session.log.secrets.secret_finder import Finder
from git_session.sync import background as autosync
from git_session.sync.background import play_background, start_background
from git_session.sync.rounds import sync_log
from tests.conftest import Cli, git, run
from tests.connect.test_hooks import install
from tests.support import servers, stores
from tests.support.fleet import WAL, Clone, read_head
from tests.support.servers import Hub
from tests.support.tokens import MAKERS, make_secret

hub = servers.path_hub

TOKEN = make_secret("GitHub Token")
ALL = [make_secret(kind, seed) for kind in MAKERS for seed in range(2)]


@pytest.fixture
def clone(tmp_path: Path, hub: Hub, home: Path) -> Clone:
    """Gives a clone that scans what leaves, as it does where nothing is configured."""
    (home / ".gitconfig").write_text("")
    clone = Clone.make(tmp_path / "clone", origin=hub.path)
    git(clone.path, "config", "session.secrets", "off")
    clone.task()
    clone.sync_well()
    git(clone.path, "config", "--unset", "session.secrets")
    return clone


def configure(clone: Clone, value: str) -> None:
    git(clone.path, "config", "session.secrets", value)


def end(clone: Clone, reason: str, **details: Any) -> str:
    """Records a session with this exit reason and gives its id."""
    task = clone.log.task_rows()[0]["task_id"]
    session = clone.start(task, engine="codex", **details)
    clone.log.exit_row(session, reason=reason)
    return session


def find_all(*texts: str, allowed: tuple[str, ...] = ()) -> list[tuple[int, str, int]]:
    """Scans as the program apart does, in this process."""
    words = json.loads(json.dumps(list(Finder(allowed, 60.0).find(texts))))
    assert all(word[0] == "found" for word in words), words
    return [(number, kind, line) for _, number, kind, line in words]


# -- the scanner


@pytest.mark.parametrize("kind", MAKERS)
def test_each_kind_of_credential_is_found_wherever_it_stands(kind: str) -> None:
    secret = make_secret(kind)
    texts = ["nothing", f"first line\nsecond: {secret}\nlast", "x" * 40_000 + f" {secret}"]
    found = find_all(*texts)
    assert (1, kind, 2) in found
    assert (2, kind, 1) in found
    assert not any(number == 0 for number, _, _ in found)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=64), min_size=1, max_size=60), st.integers(0, 2**128 - 1))
def test_ids_and_hashes_of_ours_are_no_credentials(seeds: list[bytes], number: int) -> None:
    texts = []
    for seed in seeds:
        digest = hashlib.sha256(seed).hexdigest()
        texts += [digest, f"sha256:{digest}", digest[:40], digest[:32], f"s-20261126-{digest[:4]}"]
        texts += [str(uuid.UUID(int=number)), f"{digest[:7]} exit code 0, /srv/wt/{digest[:32]}"]
        texts += [f".grite/worktrees/s-20261126-{digest[4:8]}", f"refs/grite/wal {digest[:40]}"]
    assert find_all("\n".join(texts), *texts) == []


@pytest.mark.parametrize(
    "text",
    [
        "https://bob:${TOKEN}@host/x",
        "https://bob:<redacted>@host/x",
        "https://user@host.example/x and git@host:x.git",
        "the password is in the vault; api_key is not set",
        "task-proj-" + "a" * 40,
        "risk-ant-" + "b" * 40,
        "commit 5b1e0c2 by AKIA",
    ],
)
def test_placeholders_and_prose_are_no_credentials(text: str) -> None:
    assert find_all(text) == []


def test_a_line_that_was_allowed_is_passed_over_and_others_are_not() -> None:
    text = f"postgres://test:test@localhost/x\n{TOKEN}"
    assert len(find_all(text)) == 2
    assert find_all(text, allowed=("@localhost/",)) == [(0, "GitHub Token", 2)]


def test_ten_megabytes_are_scanned_to_their_end() -> None:
    text = "the quick brown fox, 0123 abc=def\n" * 300_000
    assert find_all(text + TOKEN) == [(0, "GitHub Token", 300_001)]


def test_text_that_takes_too_long_is_named_and_the_rest_is_scanned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A detector like those that were found to hang on text made for it; the time is real."""
    program = (
        "from git_session.log.secrets import secret_finder as program\n"
        "program._MORE = {'Slow': '(a|a)*b'}\n"
        "program._PATIENCE_S = 0.2\n"
        "program.main()\n"
    )
    monkeypatch.setattr(scan, "_COMMAND", ("-c", program))
    found = scan_texts(["a" * 60, TOKEN, "fine"], [], 30.0)
    assert found.unscanned == [(0, "it takes too long")]
    assert found.found == [(1, "GitHub Token", 1)]
    assert found.failure == ""


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import no_such_module", "No module named 'no_such_module': pip install"),
        ("raise ValueError('a text')", "ended with code 1: ValueError"),
        ("import os; os.kill(os.getpid(), 9)", "ended with code -9"),
        ("print('[\"found\", \"x\"]'); print('{}'); print(7)", "ended with code 0"),
        ("import time; time.sleep(60)", "did not end in time"),
    ],
)
def test_a_scanner_that_fails_is_said_without_a_word_of_the_text(
    program: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_COMMAND", ("-c", program))
    monkeypatch.setattr(scan, "_GRACE_S", 0.5)
    found = scan_texts(["a text"], [], 0.1)
    assert words in found.failure
    assert "a text" not in found.failure
    assert (found.found, found.unscanned) == ([], [])


# -- warn


def test_a_credential_that_leaves_is_one_warning_and_leaves(
    clone: Clone, hub: Hub, cli: Cli
) -> None:
    session = end(clone, f"could not push: {TOKEN}")
    ran = cli(clone.path, "sync")
    assert (ran.code, ran.stdout) == (0, "origin: sent, 7 events out\n")
    assert ran.stderr == (
        "warning: what leaves holds what looks like a credential: GitHub Token in the exit_reason"
        f" of session {session} (commit {(clone.head or '')[:7]})\n"
        "hint: it has left, so revoke it; git config session.secrets refuse keeps the next here\n"
    )
    assert read_head(hub.path) == clone.head
    assert cli(clone.path, "sync").stderr == ""


def test_a_dry_run_and_json_tell_all_of_it_and_none_shows_it(clone: Clone, cli: Cli) -> None:
    for secret in ALL[::2]:
        clone.log.comment_row(clone.log.task_rows()[0]["task_id"], secret)
    dry = cli(clone.path, "sync", "-n", "-v")
    assert (dry.code, "hint" in dry.stderr) == (0, False)
    assert len(dry.stderr.splitlines()) == 1 + len(MAKERS)
    ran = cli(clone.path, "sync", "--json")
    report = SyncReport.model_validate(ran.json()["data"])
    assert report.scan is not None
    assert {found.what for found in report.scan.findings} == set(MAKERS)
    events = {raw[3:35].hex() for raw in clone.events}
    assert {found.event_id for found in report.scan.findings} <= events
    commits = git(clone.path, "rev-list", WAL).split()
    assert {found.commit for found in report.scan.findings} <= set(commits)
    assert "and 12 more" in ran.stderr
    for text in (dry.stdout, dry.stderr, ran.stdout, ran.stderr):
        assert not any(part in text for secret in ALL for part in secret.split("\n"))


def test_a_home_directory_is_said_once_in_a_clone_and_never_refused(clone: Clone, cli: Cli) -> None:
    configure(clone, "refuse")
    end(clone, "done", worktree="/home/alice/wt")
    ran = cli(clone.path, "sync", "-n")
    assert ran.stderr == "warning: what leaves names a home directory: /home/alice (2 events)\n"
    ran = cli(clone.path, "sync")
    assert (ran.code, ran.stdout) == (0, "origin: sent, 7 events out\n")
    assert ran.stderr == "warning: what leaves names a home directory: /home/alice (2 events)\n"
    end(clone, f"done in {os.environ['HOME']}/x", worktree="/home/alice/other")
    ran = cli(clone.path, "sync")
    assert ran.stderr.startswith("warning: what leaves names a home directory: /tmp/")
    end(clone, "done", worktree="/home/alice/third")
    ran = cli(clone.path, "sync", "--json")
    assert ran.stderr == ""
    (found,) = ran.json()["data"]["scan"]["findings"]
    assert (found["kind"], found["what"], found["field"]) == ("home", "/home/alice", "worktree")


def test_what_is_relayed_is_scanned_and_what_is_there_already_is_not(
    clone: Clone, tmp_path: Path, cli: Cli
) -> None:
    backup = tmp_path / "backup.git"
    git(tmp_path, "init", "--quiet", "--bare", str(backup))
    end(clone, TOKEN)
    assert "GitHub Token" in cli(clone.path, "sync").stderr
    other = Clone.make(tmp_path / "other", origin=tmp_path / "server", backup=backup)
    git(other.path, "remote", "set-url", "origin", git(clone.path, "remote", "get-url", "origin"))
    assert cli(other.path, "sync", "--fetch").stderr == ""
    ran = cli(other.path, "sync", "origin", "backup")
    assert ran.stdout.endswith("backup: sent, 8 events out\n")
    assert ran.stderr.count("GitHub Token") == 1


def test_a_sync_with_nothing_to_send_starts_no_scanner(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, error = sync_log(clone.log)
    assert (error, row["scan"]) == (None, None)
    end(clone, "done")
    calls: list[int] = []

    def scan_nothing(texts: Sequence[str], *_: object) -> scan.Scanned:
        calls.append(len(texts))
        return scan.Scanned()

    monkeypatch.setattr("git_session.log.secrets.scan.scan_texts", scan_nothing)
    other = Clone.make(clone.path.with_name("racer"), origin=clone.git.find_address("origin").word)
    git(other.path, "remote", "set-url", "origin", git(clone.path, "remote", "get-url", "origin"))
    git(other.path, "config", "session.secrets", "off")
    other.sync_well()

    racing = clone.git
    waiting = [lambda: (end(other, "quicker"), other.sync_well())]
    racing.before_push = lambda: waiting and waiting.pop()()
    row, error = sync_log(clone.log, git=racing)
    assert error is None
    assert row["remotes"][0]["attempts"] == 2
    assert len(calls) == 1, "what lost a race is not scanned twice"
    assert row["scan"]["events"] == 7


# -- refuse


def test_refuse_keeps_it_here_until_it_is_allowed_or_told_otherwise(
    clone: Clone, hub: Hub, cli: Cli
) -> None:
    end(clone, f"see {TOKEN}")
    configure(clone, "refuse")
    before, there = clone.head, read_head(hub.path)
    ran = cli(clone.path, "sync", "--json")
    assert (ran.code, ran.json()["error"]["code"]) == (4, "secret")
    assert "git -c session.secrets=warn session sync" in ran.json()["error"]["hint"]
    dry = cli(clone.path, "sync", "--dry-run")
    assert dry.code == 0
    assert "hint: session.secrets is refuse, so a sync would not send it" in dry.stderr
    for said in (ran.stdout, ran.stderr, dry.stderr):
        assert TOKEN not in said
    assert (clone.head, read_head(hub.path)) == (before, there)
    assert cli(clone.path, "fsck").code == 0
    allowed = run(
        clone.path, "git", "config", "--add", "session.secretsAllow", "^exit_reason.*see "
    )
    assert allowed.code == 0
    assert cli(clone.path, "sync").stdout == "origin: sent, 7 events out\n"
    git(clone.path, "config", "--unset-all", "session.secretsAllow")
    configure(clone, "warn")
    end(clone, f"see {TOKEN}")
    configure(clone, "refuse")
    assert cli(clone.path, "sync").code == 4
    once = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "session.secrets"}
    ran = cli(clone.path, "sync", env=once | {"GIT_CONFIG_VALUE_0": "off"})
    assert (ran.code, ran.stderr) == (0, "")
    assert read_head(hub.path) == clone.head


def test_refuse_still_takes_in_what_others_sent_and_serves_the_other_remotes(
    clone: Clone, hub: Hub, tmp_path: Path, cli: Cli
) -> None:
    end(clone, TOKEN)
    backup = tmp_path / "backup.git"
    git(tmp_path, "init", "--quiet", "--bare", str(backup))
    git(clone.path, "remote", "add", "backup", str(backup))
    configure(clone, "off")
    clone.sync_well("backup")
    other = Clone.make(tmp_path / "other")
    git(other.path, "remote", "add", "origin", git(clone.path, "remote", "get-url", "origin"))
    git(other.path, "config", "session.secrets", "off")
    other.sync_well()
    end(other, "theirs")
    other.sync_well()
    assert cli(clone.path, "snapshot").code == 0
    configure(clone, "refuse")
    there = read_head(hub.path)
    ran = cli(clone.path, "sync", "origin", "backup")
    assert ran.code == 4
    assert "nothing was sent to origin" in ran.stderr
    assert ran.stdout == "backup: sent, 7 events out, 1 snapshot out\n"
    assert git(hub.path, "for-each-ref", "--format=%(refname)") == WAL, "nor a snapshot"
    assert read_head(hub.path) == there == other.head
    assert other.events <= clone.events
    assert clone.events <= Clone(backup).events


def test_under_refuse_what_could_not_be_scanned_stays_here_and_under_warn_it_is_said(
    clone: Clone, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(clone, "fine")
    monkeypatch.setattr(scan, "_COMMAND", ("-c", "import no_such_module"))
    configure(clone, "refuse")
    there = read_head(hub.path)
    _, error = sync_log(clone.log)
    assert isinstance(error, SecretError)
    assert "was not scanned for credentials" in error.message
    assert read_head(hub.path) == there
    configure(clone, "warn")
    row, error = sync_log(clone.log)
    assert error is None
    assert "no_such_module" in row["scan"]["failure"]
    assert read_head(hub.path) == clone.head


def test_a_setting_for_one_command_alone_counts_for_what_that_records(
    clone: Clone, cli: Cli
) -> None:
    """As `git -c session.secrets=refuse session ...` says it to its command."""
    task = clone.log.task_rows()[0]["task_id"]
    configure(clone, "warn")
    head = clone.head
    once = {"GIT_CONFIG_PARAMETERS": "'session.secrets'='refuse'"}
    ran = cli(clone.path, "task", "comment", task, "-m", f"key {TOKEN}", env=once)
    assert (ran.code, ran.stdout) == (4, "")
    assert "not recorded" in ran.stderr
    assert Clone(clone.path).head == head
    assert cli(clone.path, "task", "comment", task, "-m", "fine", env=once).code == 0


def test_under_refuse_a_credential_is_not_recorded_and_a_session_that_has_one_can_end(
    clone: Clone, cli: Cli
) -> None:
    task = clone.log.task_rows()[0]["task_id"]
    session = clone.start(task, attributes={"key": TOKEN})
    configure(clone, "refuse")
    before = clone.head
    for words in (
        ("exit", session, "--reason", make_secret("Slack Token")),
        ("task", "comment", task, "-m", TOKEN),
        ("start", task, "--engine", "codex", "--set", f"more={make_secret('GitLab Token')}"),
    ):
        ran = cli(clone.path, *words)
        assert ran.code == 4
        assert "error: not recorded, because it seems to contain a credential" in ran.stderr
        assert words[-1].rpartition("=")[2] not in ran.stdout + ran.stderr
    assert clone.head == before
    assert cli(clone.path, "exit", session, "--reason", "done").code == 0


def test_an_exclusive_start_scans_what_it_takes_along(clone: Clone, hub: Hub, cli: Cli) -> None:
    end(clone, TOKEN)
    task = clone.log.task_rows()[0]["task_id"]
    configure(clone, "refuse")
    there, here = read_head(hub.path), clone.head
    ran = cli(clone.path, "start", task, "--exclusive", "--engine", "codex")
    assert ran.code == 4
    assert "nothing was sent to origin" in ran.stderr
    assert (read_head(hub.path), clone.head) == (there, here)
    configure(clone, "warn")
    ran = cli(clone.path, "start", task, "--exclusive", "--engine", "codex")
    assert ran.code == 0
    assert "warning: what leaves holds what looks like a credential: GitHub Token" in ran.stderr
    assert read_head(hub.path) == clone.head


def test_a_push_that_takes_the_log_along_warns_or_leaves_the_log_here(
    clone: Clone, hub: Hub
) -> None:
    git(clone.path, "commit", "--quiet", "--allow-empty", "--message=x")
    install(clone.path)
    end(clone, TOKEN)
    configure(clone, "refuse")
    there = read_head(hub.path)
    pushed = run(clone.path, "git", "push", "--quiet", "origin", "HEAD:refs/heads/main")
    assert pushed.code == 0
    assert (
        "the log was not sent to origin: nothing was sent to origin: what leaves" in pushed.stderr
    )
    assert TOKEN not in pushed.stderr
    assert read_head(hub.path) == there
    configure(clone, "warn")
    pushed = run(clone.path, "git", "push", "--quiet", "origin", "HEAD:refs/heads/more")
    assert pushed.code == 0
    assert "what leaves holds what looks like a credential: GitHub Token" in pushed.stderr
    assert read_head(hub.path) == clone.head


def test_a_sync_in_the_background_has_the_next_command_say_what_it_found_once(
    clone: Clone, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosync, "PACE_S", 0.0)
    monkeypatch.setattr(autosync, "start_detached", lambda *_, **__: None)
    for _ in range(2):
        end(clone, TOKEN)
        start_background(clone.log)
        play_background(clone.log.store)
    assert read_head(hub.path) == clone.head
    said = start_background(clone.log) or ""
    assert said.count("the last background sync found: what leaves holds") == 1
    assert said.count("GitHub Token") == 1, "the second was said before"
    assert start_background(clone.log) is None


@pytest.mark.parametrize(
    ("mode", "status", "words"),
    [
        ("refuse", "ok", "pushes are scanned for credentials: refuse"),
        ("off", "ok", "pushes are not scanned for credentials"),
        ("maybe", "failing", "session.secrets is 'maybe'"),
    ],
)
def test_the_doctor_tells_what_is_done_about_secrets(
    mode: str, status: str, words: str, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(clone, mode)
    found = {check.name: check for check in check_repository(clone.log)}["secrets"]
    assert (found.status, words in found.message) == (status, True)
    if mode == "refuse":
        monkeypatch.setattr(scan, "_COMMAND", ("-c", "import no_such_module"))
        found = {check.name: check for check in check_repository(clone.log)}["secrets"]
        assert found.status == "failing"


# -- settings, and text that is hostile


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "session.secrets",
            "maybe",
            "session.secrets is 'maybe', which is not one of warn, refuse",
        ),
        ("session.secretsAllow", "(", "is not a regular expression"),
    ],
)
def test_a_setting_that_cannot_be_is_said_and_nothing_leaves(
    key: str, value: str, words: str, clone: Clone, hub: Hub, cli: Cli
) -> None:
    git(clone.path, "config", key, value)
    assert cli(clone.path, "sync").code == 0, "nothing leaves"
    end(clone, "done")
    there = read_head(hub.path)
    ran = cli(clone.path, "sync")
    assert ran.code == 5
    assert words in ran.stderr
    assert read_head(hub.path) == there
    with pytest.raises(ConfigError):
        read_policy(clone.git)


def test_hostile_names_come_out_harmless_and_no_secret_comes_out_as_a_name(
    clone: Clone, cli: Cli
) -> None:
    names: list[str] = [f"s-\x1b[31m\u202e{'x' * 5}", make_secret("Stripe Access Key")]
    issue = bytes.fromhex(clone.log.task_rows()[0]["grite_issue_id"])
    lines = [
        f'[session]\nstate = "exit"\nsession_id = "{name}"\nrole = "user"\nsession_type = "crew"\n'
        f'engine = "e"\nstarted_ts = 1\nexit_reason = "{TOKEN}"\nworktree = "/home/a"\n[/session]'
        for name in names
    ]
    told = [stores.Event(issue, b"a" * 16, 1, stores.COMMENT_ADDED, [line]) for line in lines]
    stores.write_log(clone.path, [told], onto=clone.head)
    ran = cli(clone.path, "sync", "-n", "-v")
    assert ran.stderr.count("GitHub Token") == 2
    assert "\x1b" not in ran.stderr
    assert "\u202e" not in ran.stderr
    assert not any(secret in ran.stderr for secret in (TOKEN, names[1]))
    assert make_secret("Stripe Access Key") not in cli(clone.path, "sync", "-n", "--json").stdout
