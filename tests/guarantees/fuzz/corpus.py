"""Seeds for the fuzzer: what grite, brat and git themselves have written, out of the fixtures."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from git_session.core.wire.chunk import decode_chunk
from git_session.errors import WireError
from tests.guarantees.fuzz.targets import TARGETS

FIXTURES: Final = Path(__file__).resolve().parent.parent.parent.parent / "fixtures"

_GIT_CONFIG: Final = b"""[core]
\trepositoryformatversion = 0
\tbare = false # as it is
[remote "origin"]
\turl = "../hub.git"
[extensions]
\tobjectFormat = sha1
[include]
\tpath = other
"""
_PACKED: Final = b"""# pack-refs with: peeled fully-peeled sorted
1111111111111111111111111111111111111111 refs/grite/wal
2222222222222222222222222222222222222222 refs/tags/v1
^3333333333333333333333333333333333333333
"""
_GRITE_CONFIG: Final = b"""default_actor = "00112233445566778899aabbccddeeff"
lock_policy = 'warn'
verify_signatures = "off"

[snapshot]
max_events = 10000
max_age_days = 7
"""
_ACTOR: Final = b"""actor_id = "00112233445566778899aabbccddeeff"
label = "dev"
created_ts = 1790000000000
public_key = "0000000000000000000000000000000000000000000000000000000000000000"
key_scheme = "ed25519"
"""
_LOCK: Final = b"""{"owner": "00112233445566778899aabbccddeeff", "nonce":
"0b9d3b9e-8a2c-4b57-8b0e-3a1f5f0c9d11", "expires_unix_ms": 1790000000000, "resource":
"issue:00112233445566778899aabbccddeeff"}
"""
_PUSHED: Final = b"""remote: Total 3 (delta 0)\r
To ../hub.git
 \t1111111111111111111111111111111111111111:refs/grite/wal\t1111111..2222222
!\t1111111:refs/grite/locks/1\t[remote rejected] (hook declined)
Done
"""
_ESCAPED: Final = b"""before
[session]
escape = "toml"
state = "running"
session_id = "s-20261122-4f1b"
role = "user"
session_type = "crew"
engine = "a\\u0022b"
worktree = ""
pid = 12
started_ts = 1790000000000
last_heartbeat_ts = null
attr_tokens = 12
exit_code = null
exit_reason = "\\u005Bsession]"
[/session] after"""

_BEAT: Final = b"""{"schema": 1, "session_id": "s-1", "grite_issue_id":
"00000000000000000000000000000000", "task_id": "t-1", "ts": 1790000000000, "recorded_ts": 1,
"host": "box", "boot_id": "b", "pid_ns": 1, "pid": 12, "pid_start": 5, "worktree": null,
"activity": "waiting", "activity_ts": 2, "attributes": {"tokens": 12, "branch": "main"},
"commit": "1111111111111111111111111111111111111111", "interval_ms": 900000}
"""
_SPOOL: Final = b"""{"schema": 1, "grite_issue_id": "00000000000000000000000000000000",
"session_id": "s-1", "exit_code": 137, "exit_reason": "signal", "last_output_ref": null,
"ended_ts": 1790000000000}
"""
_AGENT_EVENT: Final = b"""{"session_id": "abc-123", "hook_event_name": "Notification", "cwd": "/",
"message": "Claude is waiting for your input", "agent_id": "x", "agent_type": "explore",
"reason": "logout", "model": "large"}
"""
_AGENT_SETTINGS: Final = b"""{
  "hooks": {"Stop": [{"matcher": "", "hooks": [{"type": "command", "command": "make lint"}]}]},
  "model": "large"
}
"""

SINGLE: Final[dict[str, tuple[bytes, ...]]] = {
    "ref": (b"1" * 40 + b"\n", b"ref: refs/heads/main\n", b"1" * 40),
    "packed_refs": (_PACKED,),
    "git_config": (_GIT_CONFIG,),
    "gitlink": (b"gitdir: ../.git/worktrees/one\n", b"gitdir: /nowhere\n"),
    "config": (_GRITE_CONFIG, b"\xef\xbb\xbfdefault_actor = ''\r\n"),
    "actor": (_ACTOR, b"0" * 64),
    "lock": (_LOCK,),
    "loose": (b"blob 4\0text", b"tree 0\0", b"commit 12\0tree 1111111"),
    "trailers": (b"Fix it\n\nAgent-Session: s-20261122-4f1b\nCo-authored-by: a <b@c>\n",),
    "beat": (_BEAT,),
    "spool": (_SPOOL,),
    "keys": (b"0" * 32 + b" ed25519 " + b"0" * 64 + b" build box\n# nothing\n",),
    "agent_event": (_AGENT_EVENT,),
    "agent_settings": (_AGENT_SETTINGS, b""),
    "duration": (b"90", b"10m", b" 1d "),
    "push_report": (_PUSHED,),
    "block": (_ESCAPED,),
    "stream": (bytes(range(200)), bytes(90), b"\1" * 120),
    "log": (bytes(range(200)), bytes(range(0, 250, 7)) * 4),
}


def write_corpus(folder: Path) -> dict[str, Path]:
    """Writes a folder of seeds for each target."""
    places = {name: folder / name for name in TARGETS}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    for name, seeds in SINGLE.items():
        for number, seed in enumerate(seeds):
            (places[name] / f"made-{number}").write_bytes(seed)
    with tempfile.TemporaryDirectory(prefix="corpus-") as scratch:
        for bundle in sorted(FIXTURES.glob("*.bundle")):
            repository = Path(scratch, bundle.stem)
            _git(Path(scratch), "init", "--quiet", "--bare", str(repository))
            _git(repository, "fetch", "--quiet", str(bundle), "+refs/*:refs/*")
            _add_fixture(repository, places)
    return places


def _add_fixture(repository: Path, places: dict[str, Path]) -> None:
    for oid, kind, data in _objects(repository):
        name = {b"commit": "commit", b"tree": "commit"}.get(kind)
        if kind == b"blob":
            name = "chunk" if data.startswith(b"GRITECNK") else "meta"
            name = "lock" if b'"nonce"' in data else name
        if name is not None:
            (places[name] / oid).write_bytes(data)
        if name == "chunk":
            _add_events(data, oid, places)


def _add_events(chunk: bytes, oid: str, places: dict[str, Path]) -> None:
    with suppress(WireError):
        for number, event in enumerate(decode_chunk(chunk)[0][:5]):
            (places["event"] / f"{oid}-{number}").write_bytes(event.raw)
            (places["cbor"] / f"{oid}-{number}").write_bytes(event.raw)
            for text in event.payload or ():
                if isinstance(text, str) and "[session]" in text:
                    (places["block"] / f"{oid}-{number}").write_text(text)


def _objects(repository: Path) -> Iterator[tuple[str, bytes, bytes]]:
    """Gives all objects: id, kind, bytes."""
    listed = _git(repository, "rev-list", "--objects", "--in-commit-order", "--all")
    oids = [line.split()[0] for line in listed.decode().splitlines()]
    printed = _git(repository, "cat-file", "--batch", stdin="\n".join(oids).encode() + b"\n")
    at = 0
    for oid in oids:
        end = printed.index(b"\n", at)
        _, kind, size = printed[at:end].split()
        yield oid, kind, printed[end + 1 : end + 1 + int(size)]
        at = end + 1 + int(size) + 1


def _git(folder: Path, *args: str, stdin: bytes = b"") -> bytes:
    """Runs git with nobody's settings; a failure says what git said."""
    foreign = {name for name in os.environ if name.startswith("GIT_")}
    env = {name: value for name, value in os.environ.items() if name not in foreign}
    env |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    done = subprocess.run(
        ["git", *args], cwd=folder, env=env, input=stdin, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"git {args} in {folder}: {done.stderr.decode(errors='replace')}")
    return done.stdout
