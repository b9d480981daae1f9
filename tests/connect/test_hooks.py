"""git's hooks in real repositories: a commit made in a session names it, and nothing else changes.

The beats are written by tests/support/beat_files.py, so that the hooks' shell is held against the
contract.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from git_session import SessionLog
from git_session.connect.hooks import survey
from git_session.connect.hooks.install import Hooks, find_program
from git_session.connect.hooks.shim import HOOKS, KEPT_ENDING
from git_session.core.liveness import QUIET_AFTER_MS
from git_session.errors import ConflictError, ReadOnlyError
from git_session.git.repository.objects import ObjectStore
from git_session.health.doctor.hooks import check_hooks
from git_session.host.beats import Beats
from tests.conftest import Cli, Ran, git, list_imports, run
from tests.support import events
from tests.support.beat_files import SESSION, TS, write_beat
from tests.support.forge import forget_kept
from tests.sync.test_snapshot import append

TRAILER: Final = f"Agent-Session: {SESSION}"
PROGRAM: Final = [sys.executable, "-P", "-m", "git_session"]
FOREIGN: Final = '#!/bin/sh\necho "${0##*/} $#" >>"$LOG"\n'


def install(path: Path, *hooks: str, program: list[str] = PROGRAM) -> list[dict[str, Any]]:
    """Installs hooks as files in the repository of `path`, which may be none of this git's way."""
    found = Hooks(ObjectStore.open(path), by_files=True)
    rows, error = found.install(hooks, program, is_forced=False)
    assert error is None, error
    return rows


def commit(path: Path, *args: str, env: Mapping[str, str] | None = None) -> Ran:
    """Commits, without an editor unless the arguments ask for one."""
    return run(path, "git", "commit", "--quiet", "--allow-empty", *args, env=env)


def message(path: Path, revision: str = "HEAD") -> str:
    return git(path, "log", "-1", "--format=%B", revision).rstrip("\n")


def trailers(path: Path, revision: str = "HEAD") -> list[str]:
    form = "--format=%(trailers:key=Agent-Session,valueonly)"
    return git(path, "log", "-1", form, revision).split()


# -- wherever the commit is made


def _submodule(repo: Path) -> Path:
    above = repo.parent / "above"
    git(repo.parent, "init", "--quiet", str(above))
    allowed = "protocol.file.allow=always"
    git(above, "-c", allowed, "submodule", "--quiet", "add", str(repo), "sub")
    return above / "sub"


def _tracked_folder(repo: Path) -> Path:
    git(repo, "config", "core.hooksPath", ".githooks")
    (repo / ".githooks").mkdir()
    (repo / ".githooks" / "post-commit").write_text("#!/bin/sh\n: ours\n")
    (repo / ".githooks" / "post-commit").chmod(0o755)
    return repo


def _shared_folder(repo: Path) -> Path:
    git(repo, "config", "--global", "core.hooksPath", "~/hooks of mine")
    return repo


def _odd_folder(repo: Path) -> Path:
    path = repo.parent / "spaced \"quoted' \\ ünï 🚀"
    git(repo.parent, "clone", "--quiet", str(repo), str(path))
    return path


def _worktree_of_bare(repo: Path) -> Path:
    bare, path = repo.parent / "bare.git", repo.parent / "of-bare"
    git(repo.parent, "clone", "--quiet", "--bare", str(repo), str(bare))
    git(bare, "worktree", "add", "--quiet", "-b", "agent", str(path))
    return path


def _linked_worktree(repo: Path) -> Path:
    path = repo.parent / "linked"
    git(repo, "worktree", "add", "--quiet", "-b", "agent", str(path))
    return path


PLACES: Final[dict[str, Callable[[Path], Path]]] = {
    "main checkout": lambda repo: repo,
    "linked worktree": _linked_worktree,
    "worktree of a bare repository": _worktree_of_bare,
    "submodule": _submodule,
    "tracked core.hooksPath": _tracked_folder,
    "core.hooksPath of all repositories": _shared_folder,
    "a path that JSON escapes": _odd_folder,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_commit_made_in_a_session_names_it_and_is_a_sign_of_its_life(
    place: str, repo: Path, cli: Cli
) -> None:
    path = PLACES[place](repo)
    left = write_beat(path)
    assert cli(path, "hook", "install").code == 0
    (path / "sub folder").mkdir()
    assert commit(path / "sub folder", "-m", "Work") == Ran(
        ("git", "commit", "--quiet", "--allow-empty", "-m", "Work"), 0, "", ""
    )
    assert message(path) == f"Work\n\n{TRAILER}"
    assert re.fullmatch(git(path, "rev-parse", "HEAD") + r" \d{10}\n", left.read_text())
    assert [entry.name for entry in left.parent.glob("*.tmp")] == []


def test_git_dir_in_the_environment_decides_as_it_does_for_git(repo: Path) -> None:
    install(repo)
    left = write_beat(repo)
    elsewhere = repo.parent / "elsewhere"
    git(repo.parent, "init", "--quiet", str(elsewhere))
    env = {"GIT_DIR": str(repo / ".git"), "GIT_WORK_TREE": str(repo)}
    env["GIT_INDEX_FILE"] = str(repo / ".git" / "index")
    assert commit(elsewhere, "-m", "Work", env=env).stderr == ""
    assert trailers(repo) == [SESSION]
    assert left.exists()


def test_without_a_session_commits_are_what_they_were(repo: Path) -> None:
    before = message(repo)
    install(repo)
    assert commit(repo, "--amend", "--no-edit").stderr == ""
    assert message(repo) == before
    assert not (repo / ".git" / "git-session" / "beats").exists()


# -- which session


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "another"},
        {"worktree": "/somewhere/else"},
        {"worktree": None},
        {"boot_id": "11111111-2222-3333-4444-555555555555"},
        {"pid": 2**22 + 1},
        {"ts": TS - QUIET_AFTER_MS - 60_000},
        {"grite_issue_id": "../../../../tmp/x"},
        {"worktree": "/x", "attributes": {"worktree": "HERE"}},
    ],
    ids="-".join,
)
def test_a_session_of_elsewhere_or_one_that_is_over_is_not_named(
    changes: dict[str, Any], repo: Path
) -> None:
    if changes.get("boot_id") and not Path("/proc/sys/kernel/random/boot_id").exists():
        pytest.skip("this system does not tell its boot by /proc")
    if "attributes" in changes:
        changes = changes | {"attributes": {"worktree": str(repo), "host": os.uname().nodename}}
    install(repo)
    folder = repo / ".git" / "git-session" / "beats"
    folder.mkdir(parents=True)
    if "grite_issue_id" in changes:
        other = write_beat(repo).with_suffix(".json")
        other.write_text(other.read_text().replace("a1" * 16, changes["grite_issue_id"]))
    else:
        write_beat(repo, **changes)
    assert commit(repo, "-m", "Work").stderr == ""
    assert trailers(repo) == []
    assert list(folder.glob("*.commit")) == []


def test_a_process_that_runs_is_named_however_long_it_was_silent(repo: Path) -> None:
    install(repo)
    write_beat(repo, ts=TS - 10 * QUIET_AFTER_MS, pid=os.getpid())
    commit(repo, "-m", "Work")
    assert trailers(repo) == [SESSION]


def test_commits_alone_keep_no_session_alive_that_tells_no_process(repo: Path) -> None:
    """They may be a person's, who works on in the checkout of an agent that is gone."""
    install(repo)
    left = write_beat(repo, ts=TS - QUIET_AFTER_MS - 60_000)
    left.write_text(f"{git(repo, 'rev-parse', 'HEAD')} {TS // 1000}\n")
    commit(repo, "-m", "Work")
    assert trailers(repo) == []


def test_who_says_to_be_in_no_session_gets_no_trailer_and_is_no_sign_of_life(repo: Path) -> None:
    install(repo)
    left = write_beat(repo)
    assert commit(repo, "-m", "Mine", env={"GIT_SESSION_ID": "none"}).stderr == ""
    assert trailers(repo) == []
    assert not left.exists()


def test_of_several_sessions_in_one_checkout_the_last_to_beat_is_named(repo: Path) -> None:
    install(repo)
    write_beat(repo, "s-20261122-0001", ts=TS - 1)
    write_beat(repo, "s-20261122-0002", ts=TS + 1, pid=os.getpid())
    write_beat(repo, "s-20261122-0003", ts=TS)
    folder = repo / ".git" / "git-session" / "beats"
    (folder / f"{'b2' * 16}.s-9.json").write_text('{\n"torn": {\n')
    (folder / f"{'b2' * 16}.s-9.spool.json").write_text("{}")
    commit(repo, "-m", "Work")
    assert trailers(repo) == ["s-20261122-0002"]
    assert len(list(folder.glob("*.commit"))) == 1


def test_the_environment_names_the_session_before_any_beat_does(repo: Path) -> None:
    install(repo)
    write_beat(repo, ts=TS + 1)
    left = write_beat(repo, "s-20261122-0001", host="another", worktree=None)
    commit(repo, "-m", "Work", env={"GIT_SESSION_ID": "t-20261122-4f12/s-20261122-0001"})
    assert trailers(repo) == ["s-20261122-0001"]
    assert left.exists()


def test_a_session_that_was_started_is_named_in_the_checkout_it_works_in(
    repo: Path, worktree: Path, cli: Cli
) -> None:
    """What the program writes of a session is what the hooks' shell reads."""
    install(repo)
    task = cli(repo, "task", "add", "Fix it").stdout.strip()
    started = ("start", task, "--worktree", str(worktree), "--pid", str(os.getpid()))
    session = cli(repo, *started).stdout.strip()
    assert commit(worktree, "-m", "Work").stderr == ""
    assert commit(repo, "-m", "Nobody's").stderr == ""
    assert trailers(worktree) == [session]
    assert trailers(repo) == []
    (beat,) = Beats(repo / ".git").read_all()
    assert beat.commit == git(worktree, "rev-parse", "HEAD")
    cli(repo, "exit", session)
    assert commit(worktree, "-m", "After").stderr == ""
    assert trailers(worktree) == []


def test_a_session_that_merely_stands_in_the_log_is_not_named(repo: Path) -> None:
    install(repo)
    log = SessionLog.open(repo)
    log.start(log.add_task("Fix it").task.task_id, worktree=str(repo))
    for beat in (repo / ".git" / "git-session").glob("beats/*"):
        beat.unlink()
    commit(repo, "-m", "Work")
    assert trailers(repo) == []


def test_what_cannot_be_a_session_is_said_and_the_commit_goes_on(repo: Path) -> None:
    install(repo)
    ran = commit(repo, "-m", "Work", env={"GIT_SESSION_ID": "x\nSigned-off-by: \x1b[31mEve"})
    assert (ran.code, message(repo)) == (0, "Work")
    assert len(ran.stderr.splitlines()) == 1
    assert "\x1b" not in ran.stderr


# -- a session that the environment names, and the log


@pytest.fixture
def recorded(repo: Path, cli: Cli) -> tuple[Path, str]:
    """Gives a repository with hooks, and the only session of its log, which has no beat file."""
    install(repo)
    task = cli(repo, "task", "add", "Fix it").stdout.strip()
    session = cli(repo, "start", task).stdout.strip()
    for beat in (repo / ".git" / "git-session").glob("beats/*.json"):
        beat.unlink()
    return repo, session


def _commit_in(path: Path, session: str) -> tuple[list[str], str]:
    """Commits with a session in the environment; gives the trailers and what was said."""
    ran = commit(path, "-m", "Work", env={"GIT_SESSION_ID": session})
    assert ran.code == 0
    return trailers(path), ran.stderr


def _drop_index(repo: Path) -> None:
    for path in (repo / ".git" / "git-session").glob("index-*"):
        path.unlink()


def _outdate_index(repo: Path) -> None:
    SessionLog.open(repo).add_task("The index is not told")


INDEXES: Final[dict[str, Callable[[Path], object]]] = {
    "fresh": lambda repo: None,
    "stale": _outdate_index,
    "missing": _drop_index,
}


@pytest.mark.parametrize("state", INDEXES)
@pytest.mark.parametrize("place", ["main checkout", "linked worktree"])
def test_commit_names_no_session_that_exited_or_never_was(
    state: str, place: str, recorded: tuple[Path, str], cli: Cli
) -> None:
    repo, session = recorded
    path = PLACES[place](repo)
    INDEXES[state](repo)
    assert _commit_in(path, session) == ([session], "")
    assert _commit_in(path, f"t-1/{session}") == ([session], "")
    assert cli(repo, "exit", session).code == 0
    INDEXES[state](repo)
    end = "so this commit names no session: unset GIT_SESSION_ID"
    said = f"git-session: {session} has exited, {end}\n"
    assert _commit_in(path, session) == ([], said)
    INDEXES[state](repo)
    said = f"git-session: no session s-bogus is in this clone's log, {end}, or git session sync\n"
    assert _commit_in(path, "s-bogus") == ([], said)


def test_commit_in_a_session_presumed_dead_names_it(recorded: tuple[Path, str], cli: Cli) -> None:
    repo, session = recorded
    assert cli(repo, "exit", session, "--code", "-1", "--reason", "crash-recovery").code == 0
    assert _commit_in(repo, session) == ([session], "")


def test_commit_writes_the_whole_id_of_a_short_one(recorded: tuple[Path, str], cli: Cli) -> None:
    repo, session = recorded
    assert _commit_in(repo, session[:-2]) == ([session], "")
    SessionLog.open(repo).start("t-", session_id=f"{session}-b")
    assert _commit_in(repo, session) == ([session], "")
    names, said = _commit_in(repo, session[:-2])
    assert names == []
    assert said.startswith(f"git-session: {session[:-2]} matches 2 sessions, so this commit ")


def test_commit_completes_no_id_to_hostile_text(recorded: tuple[Path, str]) -> None:
    repo, _ = recorded
    hostile = "s-evil\nSigned-off-by: \x1b[31mEve"
    append(repo, events.created().raw, events.block("spawned", 1, session_id=hostile).raw)
    assert hostile in {row.session_id for row in SessionLog.open(repo).sessions()}
    names, said = _commit_in(repo, "s-evil")
    assert (names, message(repo)) == ([], "Work")
    assert said.startswith("git-session: no session s-evil is in this clone's log, ")


def test_commit_names_a_session_that_the_log_cannot_tell_of(recorded: tuple[Path, str]) -> None:
    """A trailer that is missing cannot be added later."""
    repo, _ = recorded
    log = SessionLog.open(repo)
    log.add_task("Lost")
    tree = git(repo, "rev-parse", "refs/grite/wal^{tree}")
    (repo / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    forget_kept(repo / ".git")
    assert _commit_in(repo, "s-elsewhere") == (["s-elsewhere"], "")
    git(repo, "update-ref", "--no-deref", "-d", "refs/grite/wal")
    assert _commit_in(repo, "s-elsewhere") == (["s-elsewhere"], "")


def test_commit_in_the_session_at_work_here_asks_no_log(recorded: tuple[Path, str]) -> None:
    repo, session = recorded
    words = ["hook", "run", "--called-back", "prepare-commit-msg", session, "message", "message"]
    env = {"GIT_EDITOR": ":", "GIT_SESSION_ID": session}
    (repo / "message").write_text("Work\n")
    heavy = {"click", "pygit2", "pydantic", "rich", "subprocess"}
    imported = list_imports(repo, *words, env=env)
    assert imported.isdisjoint(heavy)
    assert "sqlite3" in imported
    write_beat(repo, session)
    assert list_imports(repo, *words, env=env).isdisjoint({*heavy, "sqlite3"})
    assert (repo / "message").read_text() == f"Work\n\nAgent-Session: {session}\n"


# -- which message


def test_amending_keeps_the_trailer_once_and_another_session_adds_its_own(repo: Path) -> None:
    install(repo)
    write_beat(repo)
    commit(repo, "-m", "Work", "-m", "Reviewed-by: Eve\nagent-session: " + SESSION)
    commit(repo, "--amend", "--no-edit", "--signoff")
    assert trailers(repo) == [SESSION]
    commit(repo, "--amend", "--no-edit", env={"GIT_SESSION_ID": "s-20261122-0001"})
    assert trailers(repo) == [SESSION, "s-20261122-0001"]


@pytest.mark.parametrize("separators", ["=", ":#"])
def test_the_trailer_stands_last_whatever_lines_and_settings_there_are(
    separators: str, repo: Path
) -> None:
    git(repo, "config", "trailer.separators", separators)
    git(repo, "config", "trailer.where", "start")
    git(repo, "config", "trailer.ifmissing", "doNothing")
    install(repo)
    write_beat(repo)
    body = "body\n---\nmore\n\n#12 is why"
    commit(repo, "-m", f"Work\n\n{body}")
    assert message(repo) == f"Work\n\n{body}\n\n{TRAILER}"


def test_an_editor_shows_the_trailer_above_the_comments(repo: Path) -> None:
    install(repo)
    write_beat(repo)
    seen = repo.parent / "seen"
    editor = f"f() {{ cp \"$1\" '{seen}'; }}; f"
    commit(repo, "--verbose", "--edit", "-m", "Work", env={"GIT_EDITOR": editor})
    assert seen.read_text().startswith(f"Work\n\n{TRAILER}\n")
    assert message(repo) == f"Work\n\n{TRAILER}"


@pytest.mark.parametrize("text", ["", "# a comment\n", "\n  \n"])
def test_a_commit_is_called_off_by_an_empty_message_as_ever(text: str, repo: Path) -> None:
    install(repo)
    write_beat(repo)
    before = git(repo, "rev-parse", "HEAD")
    editor = {"GIT_EDITOR": "true"}
    assert commit(repo, env=editor).code == 1
    (repo.parent / "message").write_text(text)
    assert commit(repo, "--edit", "-F", str(repo.parent / "message"), env=editor).code == 1
    git(repo, "config", "core.commentChar", ";")
    assert commit(repo, env=editor).code == 1
    (repo.parent / "template").write_text("Why:\n")
    assert commit(repo, "-t", str(repo.parent / "template"), env=editor).code == 1
    assert git(repo, "rev-parse", "HEAD") == before


def test_what_is_carried_over_from_others_is_not_claimed(repo: Path) -> None:
    """A rebase, a cherry-pick and a revert make new commits; what they hold is their authors'."""
    git(repo, "switch", "--quiet", "-c", "others")
    for name in ("one", "two"):
        (repo / name).write_text(name)
        git(repo, "add", name)
        commit(repo, "-m", name)
    git(repo, "switch", "--quiet", "main")
    commit(repo, "-m", "Apart")
    install(repo)
    left = write_beat(repo)
    git(repo, "cherry-pick", "others")
    assert trailers(repo) == []
    git(repo, "revert", "--no-edit", "HEAD")
    assert trailers(repo) == []
    git(repo, "switch", "--quiet", "others")
    git(repo, "rebase", "--quiet", "main~2")
    assert trailers(repo) == []
    assert not left.exists() or git(repo, "rev-parse", "main") in left.read_text()


# -- other people's hooks


def test_a_hook_that_was_there_is_called_first_and_its_refusal_counts(repo: Path) -> None:
    folder, log = repo / ".git" / "hooks", repo.parent / "log"
    for hook in HOOKS:
        (folder / hook).write_text(FOREIGN)
        (folder / hook).chmod(0o755)
    install(repo)
    write_beat(repo)
    commit(repo, "-m", "Work", env={"LOG": str(log)})
    assert log.read_text() == f"prepare-commit-msg{KEPT_ENDING} 2\npost-commit{KEPT_ENDING} 0\n"
    assert trailers(repo) == [SESSION]
    kept = folder / f"prepare-commit-msg{KEPT_ENDING}"
    kept.write_text("#!/bin/sh\necho no >&2\nexit 7\n")
    ran = commit(repo, "-m", "Refused")
    assert (ran.code, ran.stderr) == (1, "no\n")
    assert message(repo).startswith("Work")


def _snapshot(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    return {
        path.name: (
            stat.S_IMODE(path.lstat().st_mode),
            str(path.readlink()) if path.is_symlink() else path.read_bytes(),
        )
        for path in folder.iterdir()
    }


def test_installing_twice_is_once_and_uninstalling_restores_to_the_byte(
    repo: Path, cli: Cli
) -> None:
    folder = repo / ".git" / "hooks"
    (folder / "prepare-commit-msg").write_bytes(Path("/bin/true").read_bytes())
    (folder / "prepare-commit-msg").chmod(0o711)
    (repo / "shared.py").write_text("#!/usr/bin/env python3\n")
    (folder / "post-commit").symlink_to("../../shared.py")
    (folder / "pre-push").write_bytes(b"\xff not executable, no newline")
    before = _snapshot(folder)
    first = cli(repo, "hook", "install", "--files", "--json").json()["data"]["hooks"]
    assert [row["action"] for row in first] == ["installed"] * 3
    assert all(row["kept"] for row in first)
    installed = _snapshot(folder)
    again = cli(repo, "hook", "install", "--files", "--json").json()["data"]["hooks"]
    assert [row["action"] for row in again] == ["kept"] * 3
    assert _snapshot(folder) == installed
    assert commit(repo, "-m", "Work").code == 0
    ended = cli(repo, "hook", "uninstall", "--json").json()["data"]["hooks"]
    assert [row["action"] for row in ended] == ["restored"] * 3
    assert _snapshot(folder) == before
    assert not (repo / ".git" / "git-session" / "hooks").exists()
    assert cli(repo, "hook", "uninstall").stdout == "no hook of ours is here\n"


def test_a_hook_of_ours_that_was_changed_stays_unless_forced(repo: Path, cli: Cli) -> None:
    install(repo)
    hook = repo / ".git" / "hooks" / "pre-push"
    changed = hook.read_text() + "echo more\n"
    hook.write_text(changed)
    for words in (("hook", "install", "--files"), ("hook", "uninstall")):
        ran = cli(repo, *words)
        assert ran.code == 4
        assert "changed by hand" in ran.stderr
        assert hook.read_text() == changed
    assert cli(repo, "hook", "install", "--files", "--force").code == 0
    assert hook.read_text() != changed
    hook.write_text(changed)
    assert cli(repo, "hook", "uninstall", "--force").code == 0
    assert not hook.exists()


def test_no_hook_is_lost_when_another_tool_wrote_over_ours(repo: Path, cli: Cli) -> None:
    folder = repo / ".git" / "hooks"
    (folder / "post-commit").write_text("#!/bin/sh\n: first\n")
    install(repo, "post-commit")
    (folder / "post-commit").unlink()
    (folder / "post-commit").write_text("#!/bin/sh\n: second\n")
    before = _snapshot(folder)
    for words in (("install", "--files"), ("uninstall",)):
        ran = cli(repo, "hook", words[0], *words[1:], "--hook", "post-commit")
        assert ran.code == (4 if words[0] == "install" else 0)
        assert _snapshot(folder) == before
    assert cli(repo, "hook", "install", "--files", "--force", "--hook", "post-commit").code == 0
    kept = {path.read_text() for path in folder.glob("post-commit.*") if "sample" not in path.name}
    assert kept == {"#!/bin/sh\n: first\n", "#!/bin/sh\n: second\n"}


def test_a_line_in_a_tracked_hook_is_taken_out_to_the_byte(repo: Path, cli: Cli) -> None:
    path = _tracked_folder(repo)
    before = _snapshot(path / ".githooks")
    rows = cli(path, "hook", "install", "--files", "--json").json()["data"]["hooks"]
    assert {row["way"] for row in rows} == {"line"}
    assert "commit it" in rows[0]["note"]
    assert len(_snapshot(path / ".githooks")) == 3
    cli(path, "hook", "install", "--files")
    assert (path / ".githooks" / "post-commit").read_text().count("# git-session") == 1
    assert cli(path, "hook", "uninstall").code == 0
    assert _snapshot(path / ".githooks") == before


def test_a_tracked_hook_that_is_no_shell_gets_no_line(repo: Path) -> None:
    path = _tracked_folder(repo)
    hook = path / ".githooks" / "post-commit"
    hook.write_text("#!/usr/bin/env python3\n")
    rows, error = Hooks(ObjectStore.open(path), by_files=True).install(
        ["post-commit"], PROGRAM, is_forced=False
    )
    assert isinstance(error, ConflictError)
    assert "not a shell script" in error.message
    assert (rows, hook.read_text()) == ([], "#!/usr/bin/env python3\n")


# -- where it cannot be done


def test_a_missing_folder_is_made(repo: Path) -> None:
    for path in (repo / ".git" / "hooks").iterdir():
        path.unlink()
    (repo / ".git" / "hooks").rmdir()
    install(repo)
    write_beat(repo)
    commit(repo, "-m", "Work")
    assert trailers(repo) == [SESSION]


def test_hooks_that_are_switched_off_stay_off(repo: Path, cli: Cli) -> None:
    git(repo, "config", "core.hooksPath", "/dev/null")
    ran = cli(repo, "hook", "install", "--files")
    assert (ran.code, ran.stdout) == (4, "")
    assert "/dev/null is not a folder, so git runs no hooks" in ran.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that root cannot write to")
def test_a_read_only_folder_is_said_with_what_to_do_instead(repo: Path) -> None:
    git(repo, "config", "core.hooksPath", "/sys/kernel")
    rows, error = Hooks(ObjectStore.open(repo), by_files=True).install((), PROGRAM, is_forced=False)
    assert rows == []
    assert isinstance(error, ReadOnlyError)
    assert "hook install --manual" in (error.hint or "")


def test_a_program_that_is_gone_is_said_once_and_git_goes_on(repo: Path) -> None:
    install(repo, program=[str(repo.parent / "gone" / "git-session")])
    write_beat(repo)
    ran = commit(repo, "-m", "Work")
    assert ran.code == 0
    assert re.fullmatch(
        r"git-session: \S+/gone/git-session is gone, so this commit does not name its session: "
        r"git session hook install mends it\n",
        ran.stderr,
    )
    assert message(repo) == "Work"


def test_a_beat_that_cannot_be_left_is_said_once_and_git_goes_on(repo: Path) -> None:
    install(repo)
    folder = write_beat(repo).parent
    read_only = f"mount --bind '{folder}' '{folder}' && mount -o remount,bind,ro '{folder}'"
    if run(repo, "unshare", "--mount", "sh", "-c", read_only).code != 0:
        pytest.skip("nothing can be mounted here")
    command = f"{read_only} && git commit --quiet --allow-empty -m Work"
    ran = run(repo, "unshare", "--mount", "sh", "-c", command)
    assert ran.code == 0
    assert re.fullmatch(r"git-session: cannot write \S+\.commit: [^\n]+\n", ran.stderr)
    assert trailers(repo) == [SESSION]


# -- what is told


def test_status_tells_what_keeps_a_hook_from_running(repo: Path, cli: Cli) -> None:
    def states(*words: str) -> dict[str, str]:
        rows = cli(repo, "hook", "status", "--json", *words).json()["data"]["hooks"]
        return {row["hook"]: row["state"] for row in rows}

    folder = repo / ".git" / "hooks"
    (folder / "pre-push").write_text("#!/bin/sh\n")
    # A git that runs hooks of its configuration has room for another one beside a file.
    beside = "absent" if survey.has_config_hooks(git(repo, "version")) else "foreign"
    assert states() == dict(zip(HOOKS, ("absent", "absent", beside), strict=True))
    (folder / "pre-push").unlink()
    install(repo)
    assert set(states().values()) == {"installed"}
    (folder / "pre-push").chmod(0o644)
    (folder / "post-commit").write_text((folder / "post-commit").read_text() + "exit 1\n")
    install(repo, "prepare-commit-msg", program=["/nowhere/git-session"])
    assert states() == dict(zip(HOOKS, ("gone", "modified", "disabled"), strict=True))
    git(repo, "config", "core.hooksPath", "elsewhere")
    assert set(states().values()) == {"bypassed"}
    assert states("--hook", "pre-push") == {"pre-push": "bypassed"}
    ran = cli(repo, "hook", "status")
    assert "git looks in elsewhere and does not come to it" in ran.stdout


def test_manual_prints_what_to_add_and_changes_nothing(repo: Path, cli: Cli) -> None:
    before = _snapshot(repo / ".git" / "hooks")
    ran = cli(repo, "hook", "install", "--manual", "--files")
    assert ran.code == 0
    for hook in HOOKS:
        assert f'    git session hook run {hook} "$@" || :' in ran.stdout.splitlines()
    assert _snapshot(repo / ".git" / "hooks") == before
    assert not (repo / ".git" / "git-session").exists()
    assert cli(repo, "hook", "install", "--manual", "--force").code == 2


@pytest.mark.parametrize("words", [("--hook", "pre-comit"), ("--hook", "../x")])
def test_a_hook_that_is_not_ours_is_wrong_usage(
    words: tuple[str, str], repo: Path, cli: Cli
) -> None:
    ran = cli(repo, "hook", "install", *words)
    assert ran.code == 2
    assert "known: prepare-commit-msg, post-commit, pre-push" in ran.stderr
    assert cli(repo, "hook", "run", words[1]).code == 2


# -- the other ways


def test_the_printed_line_does_what_an_installed_hook_does(repo: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "git-session"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m git_session "$@"\n')
    program.chmod(0o755)
    for hook in HOOKS[:2]:
        path = repo / ".git" / "hooks" / hook
        path.write_text(f'#!/bin/sh\ngit session hook run {hook} "$@" || :\n')
        path.chmod(0o755)
    left = write_beat(repo)
    env = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    assert commit(repo, "-m", "Work", env=env).stderr == ""
    assert trailers(repo) == [SESSION]
    assert left.exists()


def test_hooks_in_the_configuration_run_and_leave_no_trace(repo: Path) -> None:
    """As git from 2.54 on runs them: the command by a shell, the arguments behind it."""
    config = repo / ".git" / "config"
    before = config.read_bytes(), _snapshot(repo / ".git" / "hooks")

    def open_hooks() -> Hooks:
        found = Hooks(ObjectStore.open(repo))
        found.survey = found.survey.with_config_hooks(True)
        return found

    for action in ("installed", "kept"):
        rows, error = open_hooks().install((), PROGRAM, is_forced=False)
        assert error is None
        assert {(row["way"], row["state"], row["action"]) for row in rows} == {
            ("config", "installed", action)
        }
    assert git(repo, "config", "hook.git-session-pre-push.event") == "pre-push"
    write_beat(repo)
    (repo / "message").write_text("Work\n")
    command = git(repo, "config", "hook.git-session-prepare-commit-msg.command")
    ran = run(repo, "sh", "-c", f'{command} "$@"', command, "message", "message")
    assert (ran.code, ran.stderr) == (0, "")
    assert (repo / "message").read_text() == f"Work\n\n{TRAILER}\n"
    git(repo, "config", "hook.git-session-pre-push.command", "other")
    found = open_hooks()
    assert [row["state"] for row in found.status(["pre-push"])] == ["modified"]
    rows, error = found.uninstall((), is_forced=True)
    assert error is None
    assert (config.read_bytes(), _snapshot(repo / ".git" / "hooks")) == before
    assert not (repo / ".git" / "git-session" / "hooks").exists()


@pytest.fixture
def config_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets any git count as one that has hooks in its configuration, and a switch for events."""
    monkeypatch.setattr(survey, "_CONFIG_HOOKS_SINCE", (2, 0))
    monkeypatch.setattr(survey, "_EVENT_SWITCH_SINCE", (2, 0))


def _open_hooks(repo: Path) -> Hooks:
    return Hooks(ObjectStore.open(repo))


def _hook_states(repo: Path) -> dict[str, str]:
    return {row["hook"]: row["state"] for row in _open_hooks(repo).status()}


@pytest.mark.usefixtures("config_hooks")
@pytest.mark.parametrize("value", ["false", "no", "off", "0", ""])
def test_hook_switched_off_by_name_is_seen_and_switched_on(value: str, repo: Path) -> None:
    config = repo / ".git" / "config"
    before = config.read_bytes()
    _open_hooks(repo).install((), PROGRAM, is_forced=False)
    key = "hook.git-session-post-commit.enabled"
    git(repo, "config", key, value)
    assert _hook_states(repo) == dict.fromkeys(HOOKS, "installed") | {"post-commit": "disabled"}
    (row,) = _open_hooks(repo).status(["post-commit"])
    assert row["note"] == f"{key} is false: git config {key} true"
    rows, _ = _open_hooks(repo).install((), PROGRAM, is_forced=False)
    assert [row["action"] for row in rows] == ["kept", "updated", "kept"]
    assert set(_hook_states(repo).values()) == {"installed"}
    _open_hooks(repo).uninstall((), is_forced=False)
    assert config.read_bytes() == before


@pytest.mark.usefixtures("config_hooks")
def test_hook_switched_off_for_its_event_stays_off(repo: Path) -> None:
    key = "hook.pre-push.enabled"
    git(repo, "config", "--global", key, "off")
    for action in ("installed", "kept"):
        rows, _ = _open_hooks(repo).install((), PROGRAM, is_forced=False)
        assert {row["action"] for row in rows} == {action}
        assert [row["state"] for row in rows] == ["installed", "installed", "disabled"]
    git(repo, "config", key, "true")
    assert set(_hook_states(repo).values()) == {"installed"}


@pytest.mark.usefixtures("config_hooks")
@pytest.mark.parametrize("name", ["git-session-post-commit", "post-commit"])
def test_hook_switched_off_fails_doctor_and_is_left_off(name: str, repo: Path) -> None:
    _open_hooks(repo).install((), PROGRAM, is_forced=False)
    git(repo, "config", f"hook.{name}.enabled", "false")
    checks = check_hooks(SessionLog.open(repo), PROGRAM, is_fired=False)
    (check,) = (check for check in checks if check.name == "hook post-commit")
    assert (check.status, check.mend) == ("failing", None)
    assert check.message == f"git does not run it: hook.{name}.enabled is false"
    assert check.command == f"git config hook.{name}.enabled true"


@pytest.mark.usefixtures("config_hooks")
def test_hook_switch_that_is_no_yes_or_no_counts_for_nothing(repo: Path) -> None:
    _open_hooks(repo).install((), PROGRAM, is_forced=False)
    key = "hook.git-session-pre-push.enabled"
    for value, state in (("maybe", "installed"), ("no", "disabled"), ("maybe", "disabled")):
        git(repo, "config", "--add", key, value)
        assert _hook_states(repo)["pre-push"] == state


def test_hook_switches_mean_nothing_to_hooks_in_files(repo: Path) -> None:
    install(repo)
    for name in ("post-commit", "git-session-post-commit"):
        git(repo, "config", f"hook.{name}.enabled", "false")
    assert set(_hook_states(repo).values()) == {"installed"}
    write_beat(repo)
    commit(repo, "-m", "Work")
    assert Beats(repo / ".git").read_all()[0].commit == git(repo, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["git-session-prepare-commit-msg", "prepare-commit-msg"])
def test_hook_switched_off_is_off_for_git(name: str, repo: Path, cli: Cli) -> None:
    has_switch = survey.has_event_switch if name in HOOKS else survey.has_config_hooks
    if not has_switch(git(repo, "version")):
        pytest.skip("this git is too old")
    assert cli(repo, "hook", "install", "--hook", "prepare-commit-msg").code == 0
    write_beat(repo)
    commit(repo, "-m", "Work")
    assert trailers(repo) == [SESSION]
    git(repo, "config", f"hook.{name}.enabled", "false")
    commit(repo, "-m", "Work")
    assert trailers(repo) == []
    note = f"  hook.{name}.enabled is false: git config hook.{name}.enabled true"
    assert cli(repo, "hook", "status").stdout.splitlines()[:2] == [
        f"prepare-commit-msg: disabled, {repo / '.git' / 'config'}",
        note,
    ]
    said = cli(repo, "hook", "install", "--hook", "prepare-commit-msg").stdout
    is_on = name not in HOOKS
    assert said.startswith(f"prepare-commit-msg: {'updated' if is_on else 'already installed'}, ")
    assert (note in said, ", disabled, " in said) == (not is_on, not is_on)
    commit(repo, "-m", "Work")
    assert trailers(repo) == ([SESSION] if is_on else [])


def test_the_program_that_installs_is_the_one_that_is_called(tmp_path: Path) -> None:
    python, script = tmp_path / "python3", tmp_path / "git-session"
    words = [str(python), "-P", "-m", "git_session"]
    assert find_program("/x/__main__.py", str(python), {}) == words
    script.touch(mode=0o755)
    assert find_program("/x/__main__.py", str(python), {}) == [str(script)]
    other = tmp_path / "other" / "git-session"
    other.parent.mkdir()
    other.touch(mode=0o755)
    assert find_program(str(other), str(python), {}) == [str(other)]
    assert find_program("git-session", str(python), {"PATH": str(other.parent)}) == [str(other)]


def test_finishing_a_hook_loads_nothing_that_a_commit_would_wait_for(repo: Path) -> None:
    write_beat(repo)
    (repo / "message").write_text("Work\n")
    words = ["hook", "run", "--called-back", "prepare-commit-msg", SESSION, "message", "message"]
    imported = list_imports(repo, *words, env={"GIT_EDITOR": ":"})
    assert "git_session.connect.hooks.run" in imported
    assert imported.isdisjoint({"click", "pygit2", "pydantic", "rich", "subprocess", "json"})
    assert TRAILER in (repo / "message").read_text()
