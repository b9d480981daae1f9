"""A repository in which everything that somebody else can write is written to do harm."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from git_session.core.wire.block import SessionState, format_block
from tests.conftest import git
from tests.support.forge import ISSUES, Forge, make_signer
from tests.support.stores import EPOCH, Event

FORGED: Final = "FORGED-ROW"
"""What must never begin a line: it stands behind every kind of line break."""

_BREAKS: Final = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1e", "\x85", "\u2028", "\u2029")

KINDS: Final = {
    "clears the screen": "\x1b[2J\x1b[1;1H",
    "colours what follows": "\x1b[31m",
    "renames the window": "\x1b]0;title\x07",
    "links to a file": "\x1b]8;;file:///etc/passwd\x1b\\link\x1b]8;;\x1b\\",
    "writes the clipboard": "\x1b]52;c;b3duZWQ=\x07",
    "C1 controls": "\x9b31m\x90dcs\x9c",
    "C0 controls": "\x00\x07\x08\x7f",
    "turns of direction": "\u202e\u2066\u2067\u200f\u061c",
    "no width": "\u200b\ufeff\xad",
    "tags": "\U000e0041",
    "format strings": "%s%n%(x)s{0.__class__}{x!r}%H",
    "commands of a shell": "$(touch owned)`touch owned`;touch owned|'\"\\",
    "HTML": "<script>owned()</script><img src=x onerror=owned()>&lt;",
    "a row of a table": "".join(f"{each}{FORGED} running" for each in _BREAKS),
    "lines of ours": "\nerror: FORGED\nwarning: FORGED\nhint: FORGED\n  FORGED candidate\n",
    "an escape that begins and does not end": "\x1b]0;",
}
"""What a text from the store tries to do."""

HARM: Final = "".join(KINDS.values())

SESSION: Final = "s-20261122-0001"
PLAIN: Final = "s-20261122-0009"
"""A session whose id is plain, as that of whatever has files has to be."""

TASK: Final = "t-20261122-0001"
WORKTREE: Final = ".grite/worktrees/w\x1b[31m\u202e"
FILE: Final = "file\x1b[2J\n" + FORGED
OPTIONS: Final = (
    *("heads/--output=owned", "heads/-h", "heads/-", "tags/--output=owned", "tags/--upload-pack=x"),
    *("grite/--output=owned", "grite/-x", "grite/snapshots/--all", "grite/locks/--exec=x"),
)
"""Refs named like options, under `refs/`."""

SECRET: Final = "what nobody may read through a path from the store"


def make_hostile(repo: Path) -> None:
    """Fills a new, empty folder with a repository, and with what must stay alone around it."""
    git(repo.parent, "init", "--quiet", "--template=", "--initial-branch=main", str(repo))
    _make_trap(repo.parent / "trap")
    for name in ("secret.log", "secret"):
        (repo / name).write_text(SECRET)
        (repo.parent / name).write_text(SECRET)
    _write_commits(repo)
    _write_log(repo)
    _write_beats(repo)
    _write_settings(repo)


def settle(repo: Path) -> None:
    """Tells git where a copy of the repository has its second checkout."""
    entry = next((repo / ".git" / "worktrees").iterdir())
    (entry / "gitdir").write_text(f"{repo / WORKTREE / '.git'}\n")
    (repo / WORKTREE / ".git").write_text(f"gitdir: {entry}\n")
    beat = repo / ".git" / "git-session" / "beats" / f"{ISSUES[0].hex()}.{PLAIN}.json"
    told = json.loads(beat.read_text())
    beat.write_text(json.dumps({**told, "worktree": str(repo / WORKTREE)}, indent=0))


def _make_trap(path: Path) -> None:
    """Makes a repository whose configuration runs a program for whoever asks for its status."""
    git(path.parent, "init", "--quiet", "--template=", str(path))
    git(path, "config", "core.fsmonitor", "touch owned; false")
    git(path, "config", "core.pager", "touch owned")
    (path / "file").write_text("x")


def _write_commits(repo: Path) -> None:
    """Writes history whose author and subject are hostile, and a checkout of a hostile name."""
    who = f"A{KINDS['colours what follows']}{KINDS['turns of direction']}"
    what = f"{HARM}\n\nAgent-Session: {PLAIN}\nSession-Id: {KINDS['clears the screen']}x\n"
    (repo / "code.txt").write_text("one line\n")
    git(repo, "add", "code.txt")
    commit = ("-c", f"user.name={who}", "-c", "user.email=a@example.org", "commit", "--quiet")
    git(repo, *commit, "--file=-", stdin=what.replace("\0", "").replace("\n", " \n", 1))
    git(repo, "worktree", "add", "--quiet", "-b", "w\u202e", WORKTREE)
    for checkout in (repo, repo / WORKTREE):
        (checkout / FILE).write_text("changed")


def _write_log(repo: Path) -> None:
    forge = Forge(repo / ".git")
    assert make_signer(forge)
    forge.commit(*_events_of_an_issue())
    for number, (session_id, state) in enumerate(
        [
            (f"{SESSION}{HARM}", "running"),
            (f"s-20261122-0002{HARM}", "exit"),
            ("../../secret", "running"),
            ("--help", "running"),
            ("-", "exit"),
            ("", "ready"),
            ("%s%s%s{}", "running"),
            (PLAIN, "running"),
        ]
    ):
        forge.commit(_block(session_id, state, number))
    forge.commit(Event(ISSUES[1], b"\xbb" * 16, EPOCH, 1, [f"=cmd|' /C calc'!A0{HARM}", HARM, []]))
    forge.commit(name=re.sub("[/\0]", "", HARM), chunk=b"GRITECNK\x01\x00\x07\x1b[2J\x1b[")
    forge.commit(Event(ISSUES[0], b"\xbb" * 16, EPOCH + 90, 99, [HARM]))
    head = forge.commit(Event(ISSUES[0], b"\xbb" * 16, EPOCH + 91, 3, [HARM]))
    lock = {"owner": f"\x1b[2J\n{FORGED}", "nonce": HARM, "expires_unix_ms": 2**52}
    files = {"lock.json": json.dumps({**lock, "resource": "repo:global"}).encode()}
    held = forge.store.write_commit(files=files, parents=[], message=HARM, time=0)
    git(repo, "update-ref", "refs/grite/locks/0123456789abcdef", held)
    for ref in OPTIONS:
        path = repo / ".git" / "refs" / ref
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{head}\n")
    for remote in ("--upload-pack=touch owned", "-x", "\u202eover", "a'b;touch owned"):
        tracking = repo / ".git" / "refs" / "git-session" / "remotes" / remote / "grite"
        tracking.mkdir(parents=True)
        (tracking / "wal").write_text(git(repo, "rev-parse", f"{head}~3") + "\n")


def _write_beats(repo: Path) -> None:
    """Writes what live sessions of this host leave, and the output of one."""
    folder = repo / ".git" / "git-session" / "beats"
    folder.mkdir(parents=True)
    issue = ISSUES[0].hex()
    beat = {
        "schema": 1,
        "session_id": PLAIN,
        "grite_issue_id": issue,
        "task_id": HARM,
        "ts": EPOCH,
        "recorded_ts": EPOCH,
        "host": HARM,
        "boot_id": HARM,
        "pid": 1,
        "worktree": HARM,
        "activity": HARM,
        "attributes": {"note": HARM},
    }
    (folder / f"{issue}.{PLAIN}.json").write_text(json.dumps(beat, indent=0))
    strange = {**beat, "session_id": HARM}
    (folder / f"{issue}.s\x1b[2J\n.json").write_text(json.dumps(strange, indent=0))
    (folder / f"{issue}.{PLAIN}x.spool.json").write_text(json.dumps({"exit_reason": HARM}))
    logs = repo / ".grite" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    (logs / f"{PLAIN}.log").write_text(f"{HARM.replace(FORGED, 'said')}\nlast line\n")
    told = {"ts": EPOCH, "agent": HARM, "event": HARM, "error": HARM}
    agents = repo / ".git" / "git-session" / "agents"
    agents.mkdir()
    (agents / "failure.json").write_text(json.dumps(told))
    (repo / ".git" / "git-session" / "autosync.json").write_text(json.dumps(told))


def _write_settings(repo: Path) -> None:
    key = "cd" * 32
    label = KINDS["colours what follows"] + KINDS["turns of direction"]
    with (repo / ".git" / "config").open("a") as config:
        config.write('[remote "--upload-pack=touch owned"]\n\turl = /nowhere\n')
        config.write('[remote "\u202eover"]\n\turl = "--upload-pack=touch owned"\n')
        config.write(f'[session]\n\ttrustedKey = "{"cc" * 16} ed25519 {key} {label}"\n')
    actor = repo / ".git" / "grite" / "actors" / ("bb" * 16)
    actor.mkdir()
    (actor / "config.toml").write_text(
        f'actor_id = "{"bb" * 16}"\nlabel = {json.dumps(HARM)}\npublic_key = "{key}"\n'
    )
    hooks = repo / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "post-commit").write_text(f"#!/bin/sh\n# {KINDS['clears the screen']}\nexit 0\n")
    (hooks / "post-commit").chmod(0o755)


def _events_of_an_issue() -> list[Event]:
    actor, issue = b"\xbb" * 16, ISSUES[0]
    labels = sorted([f"task:{TASK}{HARM}", "type:task", f"convoy:{HARM}", f"status:{HARM}", HARM])
    payloads: list[tuple[int, list[object]]] = [
        (1, [HARM, HARM, labels]),
        (3, [HARM]),
        (4, [f"engine:{HARM}"]),
        (7, [HARM, HARM]),
        (8, [HARM]),
        (10, [HARM, b"\0" * 32, HARM]),
        (3, ["[session]\n" + HARM]),
        (3, [f'[session]\nstate = "{HARM}"\n[/session]']),
    ]
    events = [Event(issue, actor, EPOCH + n, kind, p) for n, (kind, p) in enumerate(payloads)]
    context: list[object] = ["../../etc/passwd", HARM, [[HARM, HARM, 1, 2]], HARM, b"\0" * 32]
    events.append(Event(b"\x07" * 16, actor, EPOCH, 13, context))
    events.append(Event(b"\xff" * 16, actor, EPOCH, 14, [HARM, HARM]))
    return events


def _block(session_id: str, state: str, number: int) -> Event:
    extras: dict[str, str | int] = {
        "host": HARM,
        "boot_id": HARM,
        "pid_ns": HARM,
        "pid_start": 1,
        "parent_session": HARM,
        "attr_note": HARM,
        "attr_agent": "claude",
        "attr_agent_session": HARM,
        "strange": HARM,
    }
    told = SessionState(
        *(state, session_id, "user", "polecat", HARM, ("../trap", "/etc", HARM, ".")[number % 4]),
        started_ts=EPOCH + number,
        pid=1,
        exit_code=1 if state == "exit" else None,
        exit_reason=HARM if state == "exit" else None,
        last_output_ref=HARM,
        extras=extras,
    )
    text = f"{HARM}\n{format_block(told)}\n{HARM}"
    return Event(ISSUES[0], b"\xbb" * 16, EPOCH + 20 + number, 3, [text])
