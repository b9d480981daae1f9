"""A Tab offers what is at hand, and never a word that a shell would take for more than a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from git_session.cli import group
from git_session.cli.candidates import Candidate, find_candidates
from git_session.connect.completion.install import install_script, uninstall_script
from git_session.errors import ConflictError, UsageError
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git
from tests.support.stores import COMMENT_ADDED, EPOCH, ISSUE_CREATED, Event, format_block, write_log

ATTACKS: Final = (
    *("s-$(touch owned)", "s-`touch owned`", "s-1;touch owned", "s-'x", 's-"x', "s-a b"),
    *("s-\x1b[31mred", "s-a\tb", "s-a\nplain\ts-b\tc", "s-*", "s-~", "s-{a,b}", "s-!!", "-rf"),
)


def _words(line: str) -> list[str]:
    return [candidate.word for candidate in find_candidates(group, line)]


@pytest.fixture
def ids(repo: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Gives the ids of a small store, whose repository is then where the test stands."""
    log = SessionLog.open(repo)
    found = {name: log.add_task(name).task.task_id for name in ("open", "done")}
    for name in ("live", "ended"):
        found[name] = log.start(found["open"], engine=f"{name}-engine").session.session_id
    log.exit(found["ended"])
    log.set_task_status_row(found["done"], "dropped")
    log.save()
    git(repo, "remote", "add", "hub", "../hub.git")
    monkeypatch.chdir(repo)
    return found


# ------------------------------------------------------------------------------ what is offered


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("git session sho", ["show"]),
        ("git-session sho", ["show"]),
        ("/usr/bin/git-session sho", ["show"]),
        ("git -c core.pager=cat --no-pager session sho", ["show"]),
        ("git --no-pager sess", []),
        ("git session task sta", ["status"]),
        ("git session list --sta", ["--status"]),
        ("git session list --status r", ["ready", "running"]),
        ("git session list --status=r", ["--status=ready", "--status=running"]),
        ("git session 'list' --status \"run", ["running"]),
        ("git session task status t-1 mer", ["merged"]),
        ("git session list --nonsense ", []),
        ("git session start t-1 --pid ", []),
    ],
)
def test_commands_options_and_their_words_are_offered(
    line: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _words(line) == expected


def test_live_sessions_come_first_and_ended_ones_when_no_live_one_begins_so(
    ids: dict[str, str],
) -> None:
    assert _words("git session exit ") == [ids["live"]]
    assert _words(f"git session show {ids['live'][:11]}") == [ids["live"]]
    assert _words(f"git session show {ids['ended']}") == [ids["ended"]]
    assert _words("git session show x") == []


def test_open_tasks_come_first_and_final_ones_when_no_open_one_begins_so(
    ids: dict[str, str],
) -> None:
    assert _words("git session start ") == [ids["open"]]
    assert _words("git session list --task=") == [f"--task={ids['open']}"]
    assert _words(f"git session task show {ids['done']}") == [ids["done"]]


def test_engines_and_remotes_are_those_that_are_known(ids: dict[str, str]) -> None:
    assert _words("git session list --engine ") == ["ended-engine", "live-engine"]
    assert _words("git session sync ") == ["hub"]


def test_a_candidate_says_what_it_is(ids: dict[str, str]) -> None:
    (found,) = find_candidates(group, "git session show ")
    assert found == Candidate("plain", ids["live"], "spawned, live-engine, open")


def test_a_session_id_that_two_tasks_share_is_offered_with_its_task(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SessionLog.open(repo)
    tasks = sorted(log.add_task(title).task.task_id for title in ("a", "b"))
    for task in tasks:
        log.start(task, session_id="s-20261122-4f1b")
    log.save()
    monkeypatch.chdir(repo)
    found = _words("git session show ")
    assert sorted(found) == [f"{task}/s-20261122-4f1b" for task in tasks]
    assert {log.session(name).task_id for name in found} == set(tasks)


@pytest.mark.parametrize("line", ["git -C {repo} session show ", "git session -C {repo} show "])
def test_the_repository_is_the_one_that_the_line_names(
    line: str, repo: Path, ids: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _words("git session show ") == []
    assert _words(line.format(repo=repo)) == [ids["live"]]


def test_a_repository_that_git_dir_names_is_not_taken_for_the_one_here(
    ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It goes into the environment, from which it has to be gone for the tests that follow.
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    assert _words("git --git-dir=/nowhere session show ") == []


def test_files_and_directories_are_left_to_the_shell(tmp_path: Path) -> None:
    assert find_candidates(group, "git session -C ") == [Candidate("dir", "", "")]


def test_an_index_behind_the_log_is_good_enough_and_none_offers_nothing(
    repo: Path, ids: dict[str, str]
) -> None:
    SessionLog.open(repo).start(ids["open"])  # the index does not hear of it
    assert _words("git session show ") == [ids["live"]]
    for path in (repo / ".git" / "git-session").glob("index-*"):
        path.unlink()
    assert _words("git session show ") == []


def test_whoever_verifies_signatures_gets_candidates_too(
    repo: Path, ids: dict[str, str], cli: Cli
) -> None:
    with (repo / ".git" / "grite" / "config.toml").open("a") as file:
        file.write('verify_signatures = "warn"\n')
    cli(repo, "list")
    assert _words("git session show ") == [ids["live"]]


# --------------------------------------------------------------------------------- hostile text


def test_no_word_of_the_store_that_a_shell_could_obey_is_offered(
    repo: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = []
    for number, attack in enumerate((*ATTACKS, "s-20261122-4f1b")):
        issue, actor = bytes([number]) * 16, b"\x08" * 16
        labels = ["status:queued", f"task:{attack}", "type:task"]
        # A line break would end the block's line: brat can write the others only.
        block = format_block("running", attack.replace("\n", " "), engine=attack.replace("\n", " "))
        events += [
            Event(issue, actor, EPOCH, ISSUE_CREATED, [attack, attack, labels]),
            Event(issue, actor, EPOCH + 1, COMMENT_ADDED, [block]),
        ]
    write_log(repo, [events])
    assert cli(repo, "list", "--count").stdout == f"{len(ATTACKS) + 1}\n"
    monkeypatch.chdir(repo)
    safe = ["s-20261122-4f1b"]
    assert _words("git session show ") == safe
    assert _words("git session task show ") == safe
    assert _words("git session list --engine ") == safe


def test_what_a_candidate_is_about_holds_no_control_character_and_one_line(
    repo: Path, cli: Cli
) -> None:
    title = "a\tb\nplain\towned\t\x1b]0;owned\x07 $(touch owned)"
    task = cli(repo, "task", "add", title).stdout.strip()
    found = cli(repo, "completion", "candidates", "git session start ").stdout
    assert found == f"plain\t{task}\tqueued, a b plain owned  $(touch owned)\n"


# -------------------------------------------------------------------------- of all the commands


def test_no_command_loads_what_reads_a_log_to_be_completed(repo: Path) -> None:
    code = """
import sys
from git_session.cli import group
from git_session.cli.candidates import find_candidates
for name in group.list_commands(None):
    for line in (f"git session {name} --", f"git session {name} x", "git session show s"):
        find_candidates(group, line)
    heavy = {"pygit2", "pydantic", "rich", "cryptography", "psutil", "mcp"} & set(sys.modules)
    assert not heavy, f"{name} imports {heavy} where it is defined, not where it runs"
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


# ------------------------------------------------------------------------------------ installing


def _install(shell: str, home: Path) -> list[str]:
    return [change["did"] for change in install_script(shell, {"HOME": str(home)})["changes"]]


def _uninstall(shell: str, home: Path) -> list[str]:
    return [change["did"] for change in uninstall_script(shell, {"HOME": str(home)})["changes"]]


def _files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installing_twice_is_installing_once_and_uninstalling_leaves_nothing(
    shell: str, tmp_path: Path
) -> None:
    (tmp_path / ".zshrc").write_text("setopt vi\n")
    before = _files(tmp_path)
    assert _install(shell, tmp_path)[0] == "written"
    after = _files(tmp_path)
    assert set(_install(shell, tmp_path)) == {"unchanged"}
    assert _files(tmp_path) == after != before
    assert _uninstall(shell, tmp_path)[0] == "removed"
    assert _files(tmp_path) == before
    assert _uninstall(shell, tmp_path) == ["absent"]


def test_an_older_script_is_replaced(tmp_path: Path) -> None:
    _install("fish", tmp_path)
    (path,) = tmp_path.rglob("*.fish")
    now = path.read_text()
    path.write_text(now + "# an older one\n")
    assert _install("fish", tmp_path) == ["changed"]
    assert path.read_text() == now


def test_a_file_that_somebody_else_wrote_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / ".config" / "fish" / "conf.d" / "git-session.fish"
    path.parent.mkdir(parents=True)
    path.write_text("# mine\n")
    for work in (_install, _uninstall):
        with pytest.raises(ConflictError, match="was not written by git session completion"):
            work("fish", tmp_path)
    assert path.read_text() == "# mine\n"


def test_all_else_in_zshrc_stays_and_so_does_a_link_to_it(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles"
    kept.write_text("one")
    (tmp_path / ".zshrc").symlink_to(kept)
    assert _install("zsh", tmp_path) == ["written", "changed"]
    kept.write_text(kept.read_text() + "two\n")
    assert _install("zsh", tmp_path) == ["unchanged", "unchanged"]
    _uninstall("zsh", tmp_path)
    assert (tmp_path / ".zshrc").is_symlink()
    assert kept.read_text() == "one\ntwo\n"


def test_a_shell_with_no_completion_is_refused_with_those_that_have_one(
    cli: Cli, tmp_path: Path
) -> None:
    ran = cli(tmp_path, "completion", "install", env={"SHELL": "/bin/tcsh"})
    assert (ran.code, ran.stdout) == (UsageError.exit_code, "")
    assert "there is no completion for tcsh" in ran.stderr
    assert "bash, zsh, fish" in ran.stderr


def test_install_says_what_it_did(cli: Cli, home: Path) -> None:
    ran = cli(home, "completion", "install", env={"SHELL": "/bin/bash"})
    path = home / ".local" / "share" / "bash-completion" / "completions" / "git-session"
    assert ran.stdout == f"written: {path}\n"
    assert path.read_text() == cli(home, "completion", "bash").stdout
