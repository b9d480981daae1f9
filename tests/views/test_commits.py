"""From commits to sessions and back: by trailers, through every rewriting, else by evidence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session import SessionLog
from git_session.core.wire.trailers import KEYS, Mention, parse_mentions, possible_ids
from git_session.errors import NotFoundError, UsageError
from git_session.views.commits import find_commits_of, find_sessions_of
from tests.conftest import Cli, git, run
from tests.support.beat_files import write_beat

UUID: Final = "0d5e6c1a-2f4b-4a77-9a51-6c1f3c0de001"


def commit(path: Path, subject: str, *trailers: str, body: str = "", name: str = "") -> str:
    """Commits one file of its own with some trailers; gives the commit's id."""
    (path / (name or subject)).write_text(f"{subject}\n")
    git(path, "add", "--all")
    options = [f"--trailer={trailer}" for trailer in trailers]
    git(path, "commit", "--quiet", f"--message={subject}\n\n{body}", *options)
    return git(path, "rev-parse", "HEAD")


def start(path: Path, *, attributes: dict[str, Any] | None = None) -> str:
    log = SessionLog.open(path)
    task = log.add_task("Fix it").task.task_id
    extras = {f"attr_{key}": value for key, value in (attributes or {}).items()}
    return log.start(task, worktree=str(path), extras=extras).session.session_id


def which(path: Path, words: str) -> dict[str, Any]:
    return find_sessions_of(SessionLog.open(path), words, path)


def named(path: Path, words: str) -> list[tuple[str, str, list[str]]]:
    return [
        (link["named"], link["evidence"], [row["session_id"] for row in link["sessions"]])
        for link in which(path, words)["links"]
    ]


def subjects(path: Path, session: str) -> list[str]:
    rows = find_commits_of(SessionLog.open(path), session)["commits"]
    return [row["subject"] for row in rows]


def test_a_commit_leads_to_its_session_and_the_session_to_its_commits(repo: Path) -> None:
    session, other = start(repo), start(repo)
    one = commit(repo, "one", f"Agent-Session: {session}")
    commit(repo, "two", f"Agent-Session: {other}", "Signed-off-by: A <a@b>")
    three = commit(repo, "three", f"agent-session: {session}", f"Agent-Session: {other}")
    assert named(repo, one[:9]) == [(session, "trailer", [session])]
    assert named(repo, "HEAD") == [
        (session, "trailer", [session]),
        (other, "trailer", [other]),
    ]
    assert subjects(repo, session) == ["three", "one"]
    assert subjects(repo, other) == ["three", "two"]
    row = find_commits_of(SessionLog.open(repo), session)
    assert row["session"]["session_id"] == session
    assert row["commits"][0] == {
        "commit": three,
        "ts": int(git(repo, "log", "-1", "--format=%ct")) * 1000,
        "author": "Ada Tester",
        "subject": "three",
        "evidence": "trailer",
        "key": "Agent-Session",
    }


def test_what_was_rebased_cherry_picked_or_squashed_is_still_found(repo: Path) -> None:
    session = start(repo)
    git(repo, "switch", "--quiet", "-c", "work")
    commit(repo, "one", f"Agent-Session: {session}", body="why")
    commit(repo, "two", f"Agent-Session: {session}")
    git(repo, "switch", "--quiet", "main")
    commit(repo, "apart")
    git(repo, "switch", "--quiet", "work")
    git(repo, "rebase", "--quiet", "main")
    assert named(repo, "work~1") == [(session, "trailer", [session])]
    git(repo, "switch", "--quiet", "-c", "picked", "main")
    git(repo, "cherry-pick", "work")
    assert named(repo, "picked") == [(session, "trailer", [session])]
    git(repo, "switch", "--quiet", "-c", "squashed", "main")
    git(repo, "merge", "--quiet", "--squash", "work")
    git(repo, "commit", "--quiet", "--no-edit")
    assert named(repo, "squashed") == [(session, "message", [session])]
    web = f"Fix it (#12)\n\n* one\n\nAgent-Session: {session}\n\n* two\n\nmore\n"
    git(repo, "commit", "--quiet", "--allow-empty", f"--message={web}")
    assert named(repo, "HEAD") == [(session, "message", [session])]
    assert len(subjects(repo, session)) == 5


def test_a_line_leads_to_the_session_that_changed_it_last(repo: Path, monkeypatch: Any) -> None:
    session = start(repo)
    (repo / "deep").mkdir()
    commit(repo, "one", f"Agent-Session: {session}", name="deep/file")
    row = find_sessions_of(SessionLog.open(repo), "file:1", repo / "deep")
    assert (row["file"], row["line"], row["subject"]) == ("file", 1, "one")
    monkeypatch.chdir(repo)
    with pytest.raises(NotFoundError, match="no session is known for commit"):
        which(repo, "code.txt:1")
    (repo / "code.txt").write_text("changed\n")
    with pytest.raises(NotFoundError, match=r"line 1 of code\.txt is not committed yet"):
        which(repo, "code.txt:1")
    with pytest.raises(NotFoundError, match=r"no line 9 in .*code\.txt"):
        which(repo, "code.txt:9")
    (repo / "new").write_text("x\n")
    with pytest.raises(NotFoundError, match="no line 1 in"):
        which(repo, "new:1")
    (repo.parent / "outside").write_text("x\n")
    with pytest.raises(UsageError, match="not in the checkout"):
        which(repo, "../outside:1")


@pytest.mark.parametrize("words", ["nothing", "", "-1", "--all", "HEAD:code.txt", "no:7", "\0"])
def test_what_is_no_commit_is_not_found(words: str, repo: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no commit"):
        which(repo, words)


def test_the_trailers_of_other_tools_lead_to_the_session_that_knows_their_id(repo: Path) -> None:
    session = start(repo, attributes={"agent_session": UUID, "model": "long-enough"})
    commit(repo, "url", f"Claude-Session: https://claude.ai/code/{UUID}")
    commit(repo, "tool", f"Session-Id: claude:{UUID}")
    commit(repo, "ours", f"AI-Session: codex:{session}")
    commit(repo, "model", "Session-Id: long-enough")
    assert [named(repo, f"HEAD~{n}")[0][2] for n in range(4)] == [[], *[[session]] * 3]
    assert subjects(repo, session) == ["ours", "tool", "url"]
    assert subjects(repo, UUID) == ["tool", "url"]


def test_without_a_trailer_the_last_commit_seen_by_the_hook_counts(repo: Path) -> None:
    session = start(repo)
    oid = commit(repo, "one")
    beat = next((repo / ".git" / "git-session" / "beats").glob(f"*.{session}.json"))
    beat.with_suffix(".commit").write_text(f"{oid} 1795000000\n")
    assert named(repo, "HEAD") == [(session, "beat", [session])]
    assert subjects(repo, session) == ["one"]
    log = SessionLog.open(repo)
    log.exit(session)
    assert not beat.exists()
    assert named(repo, "HEAD") == [(session, "block", [session])]
    assert subjects(repo, session) == ["one"]
    git(repo, "commit", "--quiet", "--amend", "--message=rewritten")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "--quiet", "--prune=now")
    assert subjects(repo, session) == []


def test_a_session_of_which_only_commits_tell_is_found_by_its_whole_id(repo: Path) -> None:
    commit(repo, "one", "Agent-Session: s-20250101-0001")
    assert named(repo, "HEAD") == [("s-20250101-0001", "trailer", [])]
    row = find_commits_of(SessionLog.open(repo), "s-20250101-0001")
    assert (row["session"], len(row["commits"])) == (None, 1)
    for unknown in ("s-20250101", "s-20250101-0002"):
        with pytest.raises(NotFoundError):
            find_commits_of(SessionLog.open(repo), unknown)


def test_commits_of_the_log_and_of_notes_are_nobodys_work(repo: Path) -> None:
    session = start(repo)
    commit(repo, "one", f"Agent-Session: {session}")
    git(repo, "notes", "add", "-m", f"Agent-Session: {session}")
    git(repo, "update-ref", "refs/grite/other", "HEAD")
    git(repo, "reset", "--quiet", "--hard", "HEAD~1")
    assert subjects(repo, session) == []


def test_the_commands_say_what_they_go_by(repo: Path, cli: Cli) -> None:
    session = start(repo)
    commit(repo, "Port \x1b[31mit", f"Agent-Session: {session}", name="it")
    ran = cli(repo, "which", "it:1")
    assert ran.code == 0
    assert "  Port it  (Ada Tester, " in ran.stdout
    assert f"  {session}  spawned  " in ran.stdout
    assert "(by its trailer Agent-Session)" in ran.stdout
    ran = cli(repo, "commits", env={"GIT_SESSION_ID": session})
    assert re.fullmatch(r"[0-9a-f]{7}  Port it  \(Ada Tester, [^()]+\)\n", ran.stdout)
    assert cli(repo, "which", "HEAD~1").code == 3
    other = start(repo)
    ran = cli(repo, "commits", other)
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", f"no commit names {other}\n")


# -- the lines themselves


@pytest.mark.parametrize("key", KEYS)
def test_every_known_key_is_read_in_any_case(key: str) -> None:
    assert parse_mentions("", f"{key.upper()}: x-1\nOther: y") == [Mention(key, "x-1", True)]


def test_a_line_counts_once_and_its_place_is_told() -> None:
    message = "Subject\n\nAgent-Session: a-1\n\n    Agent-Session: b-1\r\n\nAgent-Session: a-1\n"
    assert parse_mentions(message, "Agent-Session: a-1\n") == [
        Mention("Agent-Session", "a-1", True),
        Mention("Agent-Session", "b-1", False),
    ]
    prose = "The Agent-Session: line\nAgent-Session: two words\nAgent-Session:\nXAgent-Session: c\n"
    assert parse_mentions(prose, "") == []


@given(st.text())
def test_any_value_is_possibly_its_own_id(value: str) -> None:
    found = possible_ids(value)
    assert (value in found) == bool(value)
    assert len(found) <= 3
    assert "" not in found


def test_a_beat_of_another_session_is_no_evidence(repo: Path) -> None:
    session = start(repo)
    write_beat(repo, "s-20261122-0001", commit="f" * 40)
    commit(repo, "one")
    with pytest.raises(NotFoundError):
        which(repo, "HEAD")
    assert subjects(repo, session) == []


# -- the branch of a session


@pytest.fixture
def branched(repo: Path, cli: Cli) -> tuple[Path, str, str]:
    """Gives a repository, a session that was run in a new worktree, and its commit, unnamed."""
    task = cli(repo, "task", "add", "Fix it").stdout.strip()
    script = "git commit --quiet --allow-empty --message=Work"
    ran = cli(repo, "run", task, "--new-worktree", "--", "sh", "-c", script)
    session = ran.stderr.split()[1]
    return repo, session, git(repo, "rev-parse", session)


def test_which_finds_a_commit_by_its_branch_until_merged(
    branched: tuple[Path, str, str], cli: Cli
) -> None:
    repo, session, oid = branched
    assert named(repo, session) == [(session, "branch", [session])]
    assert which(repo, oid)["links"][0]["key"] is None
    assert "(on the branch of its name and no other)" in cli(repo, "which", oid).stdout
    hub = repo.parent / "hub.git"
    git(repo, "init", "--quiet", "--bare", str(hub))
    git(repo, "remote", "add", "team/hub", str(hub))
    git(repo, "remote", "add", "origin", str(hub))
    git(repo, "push", "--quiet", "origin", "main", session)
    git(repo, "remote", "set-head", "origin", "main")
    git(repo, "worktree", "remove", f".grite/worktrees/{session}")
    git(repo, "branch", "--quiet", "-D", session)
    assert named(repo, oid) == [(session, "branch", [session])]
    git(repo, "merge", "--quiet", f"origin/{session}")
    with pytest.raises(NotFoundError, match="no session is known"):
        which(repo, oid)


def test_which_takes_no_work_of_others_for_a_sessions(
    branched: tuple[Path, str, str], cli: Cli
) -> None:
    repo, session, oid = branched
    checkout = repo / ".grite" / "worktrees" / session
    ended_ts = which(repo, oid)["links"][0]["sessions"][0]["updated_ts"]
    before, after = "2001-01-01T00:00:00Z", f"@{ended_ts // 1000 + 60} +0000"
    for when in (before, after):
        env = {"GIT_COMMITTER_DATE": when}
        words = ("commit", "--quiet", "--allow-empty", "--message=Another's")
        assert run(checkout, "git", *words, env=env).code == 0
        with pytest.raises(NotFoundError, match="no session is known"):
            which(repo, session)
    assert named(repo, oid) == [(session, "branch", [session])]
    git(repo, "branch", "another", session)
    with pytest.raises(NotFoundError, match="no session is known"):
        which(repo, oid)
    with pytest.raises(NotFoundError, match="no session is known"):
        which(repo, "main")


def test_which_tells_a_session_from_one_begun_on_its_branch(
    branched: tuple[Path, str, str],
) -> None:
    repo, first, oid = branched
    log = SessionLog.open(repo, clock=lambda: SessionLog.open(repo).clock() + 5000)
    log.start(log.tasks()[0].task_id, session_id="s-later")
    git(repo, "branch", "s-later", first)
    assert named(repo, oid) == [(first, "branch", [first])]


def test_which_suggests_hooks_only_where_there_are_none(repo: Path, cli: Cli) -> None:
    SessionLog.open(repo).add_task("Fix it")
    install = "hint: git session hook install lets commits name theirs\n"
    assert cli(repo, "which", "HEAD").stderr.endswith(install)
    assert cli(repo, "hook", "install", "--files").code == 0
    ran = cli(repo, "which", "HEAD")
    assert (ran.code, "hook install" in ran.stderr) == (3, False)
    assert ran.stderr.endswith("hint: git session log shows what was recorded at that time\n")
    (repo / ".git" / "hooks" / "prepare-commit-msg").chmod(0o644)
    assert "hint: git session hook status shows why" in cli(repo, "which", "HEAD").stderr
    assert "hint:" not in cli(repo, "which", "code.txt:9").stderr
