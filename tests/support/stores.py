"""Makes logs of any size in grite's format, without the package under test.

The bytes are made here a second time, from the description of the format (events, chunks,
`meta.json`, brat's session blocks) with `cbor2`, and brought into git by `git fast-import`: a
reader held against such a log is not held against its own writer. The same arguments make the
same commit ids everywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import cbor2

WAL: Final = "refs/grite/wal"
EPOCH: Final = 1_795_000_000_000
"""When the made logs begin, in ms since the Unix epoch."""

ISSUE_CREATED: Final = 1
COMMENT_ADDED: Final = 3
LABEL_ADDED: Final = 4
LABEL_REMOVED: Final = 5

_STATES: Final = ("spawned", "ready", "running", "handoff", "exit")
_STATUSES: Final = ("queued", "running", "blocked", "needs-review", "merged", "dropped")
_ENGINES: Final = ("codex", "claude", "gemini", "aider")
_TITLES: Final = ("Port the lexer", "Fix the flaky test", "Größe prüfen · 4f1c", "Say “no” 🚀")
_EXITS: Final = ((0, "completed"), (0, "completed"), (137, "signal"), (-1, "crash-recovery"))
_TASKS_A_CONVOY: Final = 20

_Step = str | tuple[int, str]
"""A state entered, told by a session comment; or the tag and text of another event."""


@dataclass(frozen=True, slots=True)
class Event:
    """Holds one event as a log stores it; `ts` in ms since the Unix epoch."""

    issue: bytes
    actor: bytes
    ts: int
    tag: int
    payload: list[object]
    parent: bytes | None = None

    def id(self) -> bytes:
        """Computes the event id: BLAKE2b-256 of the canonical CBOR of all but id and signature."""
        return hashlib.blake2b(self._preimage(), digest_size=32).digest()

    def encode(self, signature: bytes | None = None) -> bytes:
        """Writes the array of 8 items that stands in a chunk."""
        preimage = self._preimage()
        event_id = hashlib.blake2b(preimage, digest_size=32).digest()
        return b"\x88\x58\x20" + event_id + preimage[2:] + cbor2.dumps(signature)

    def _preimage(self) -> bytes:
        items = [1, self.issue, self.actor, self.ts, self.parent, self.tag, self.payload]
        return cbor2.dumps(items, canonical=True)


@dataclass(frozen=True, slots=True)
class MadeSession:
    """Tells what a reader must find of one session; `blocks` counts its comments."""

    session_id: str
    task_id: str
    issue_id: str
    state: str
    blocks: int


@dataclass(frozen=True, slots=True)
class MadeLog:
    """Tells what a reader must find in a made log; `issues` counts tasks and convoys."""

    path: Path
    head: str
    commits: int
    events: int
    issues: int
    tasks: int
    sessions: tuple[MadeSession, ...]


def make_log(
    path: Path,
    events: int,
    sessions: int,
    *,
    agents: int = 8,
    actors: int = 2,
    per_commit: int = 1,
    loose: bool = False,
    seed: int = 0,
) -> MadeLog:
    """Makes a log of exactly `events` events about `sessions` sessions in the repository `path`.

    A repository that is not there is created. Two sessions share a task, and `agents` tasks are
    worked on at a time. Each session gets an equal share of the events: what its life does not
    need becomes heartbeats, and a share too small for a whole life ends it early. Raises
    ValueError when there is not one event for each issue and session.
    """
    story = _Story(events, sessions, actors, seed)
    told = list(story.tell(agents))
    commits = [told[start : start + per_commit] for start in range(0, len(told), per_commit)]
    return MadeLog(
        path=path,
        head=write_log(path, commits, loose=loose),
        commits=len(commits),
        events=len(told),
        issues=story.tasks + story.convoys,
        tasks=story.tasks,
        sessions=tuple(story.made),
    )


def write_log(
    path: Path,
    commits: Iterable[Sequence[Event]],
    *,
    onto: str | None = None,
    loose: bool = False,
) -> str:
    """Writes one log commit for each item of `commits` and gives the id of the new head.

    The log goes on from `onto`, its head until now. A repository that is not there is created.
    The objects land in one pack, with `loose` in a file each.
    """
    if not (path / ".git").exists() and not (path / "HEAD").exists():
        _run_git(path.parent, "init", "--quiet", "--initial-branch=main", str(path))
    head, stream = onto, []
    if onto is not None:
        stream.append(f"reset {WAL}\nfrom {onto}\n\n".encode())
    for events in commits:
        oid, command = _plan_commit(events, head)
        stream.append(command)
        head = oid
    unpack_limit = 2**31 - 1 if loose else 1
    _run_git(
        path,
        *("-c", f"fastimport.unpackLimit={unpack_limit}"),
        *("fast-import", "--quiet", "--done"),
        stdin=b"".join(stream) + b"done\n",
    )
    landed = _run_git(path, "rev-parse", "--verify", WAL).strip().decode()
    if landed != head:
        raise RuntimeError(f"git made the head {landed}, meant was {head}")
    return landed


def encode_chunk(events: Sequence[bytes]) -> bytes:
    """Writes a chunk file around events that are encoded already."""
    array = bytearray(cbor2.dumps(len(events)))
    array[0] |= 0x80  # the number as it stands for itself, now as the length of an array
    return b"GRITECNK\x01\x00\x07cbor-v1" + bytes(array) + b"".join(events)


def format_block(state: str, session_id: str, **fields: str | int | None) -> str:
    """Writes a session comment as brat does: fixed order, strings quoted, nothing escaped."""
    values: dict[str, str | int | None] = {
        "state": state,
        "session_id": session_id,
        "role": "witness",
        "session_type": "polecat",
        "engine": "codex",
        "worktree": "",
        "pid": None,
        "started_ts": EPOCH,
        "last_heartbeat_ts": None,
        "exit_code": None,
        "exit_reason": None,
        "last_output_ref": None,
    }
    lines = [f"{key} = {_format_value(value)}" for key, value in (values | fields).items()]
    return "\n".join(["[session]", *lines, "[/session]"])


class _Story:
    """Decides who does what and when; the same arguments tell the same story."""

    def __init__(self, events: int, sessions: int, actors: int, seed: int) -> None:
        self.tasks = (sessions + 1) // 2
        self.convoys = -(-self.tasks // _TASKS_A_CONVOY)
        self.made: list[MadeSession] = []
        share = events - self.tasks - self.convoys
        if sessions < 1 or share < sessions:
            raise ValueError(f"{events} events are too few for {sessions} sessions")
        self._shares = [share // sessions + (n < share % sessions) for n in range(sessions)]
        self._actors = [_derive_id(f"actor {seed} {number}") for number in range(actors)]
        self._random = random.Random(seed)
        self._seed = seed
        self._now = EPOCH

    def tell(self, agents: int) -> Iterator[Event]:
        """Gives the events in the order of their times."""
        for convoy in range(self.convoys):
            yield self._tell_convoy(convoy)
        waiting = iter(range(self.tasks))
        open_tasks = [self._tell_task(number) for number in islice(waiting, agents)]
        while open_tasks:
            agent = self._random.randrange(len(open_tasks))
            event = next(open_tasks[agent], None)
            if event is not None:
                yield event
            elif (number := next(waiting, None)) is not None:
                open_tasks[agent] = self._tell_task(number)
            else:
                del open_tasks[agent]

    def _tell_convoy(self, number: int) -> Event:
        labels = sorted(["type:convoy", "status:active", _convoy_label(number)])
        issue = _derive_id(f"convoy {self._seed} {number}")
        return self._event(issue, number, ISSUE_CREATED, [f"Sprint {number}", "", labels])

    def _tell_task(self, number: int) -> Iterator[Event]:
        issue = _derive_id(f"task {self._seed} {number}")
        task_id = f"t-{_date(self._now)}-{_suffix(number)}"
        convoy = _convoy_label(number // _TASKS_A_CONVOY)
        labels = {"type:task", f"task:{task_id}", convoy, "status:queued"}
        title = f"{_TITLES[number % len(_TITLES)]} ({number})"
        yield self._event(issue, number, ISSUE_CREATED, [title, "with tests", sorted(labels)])
        for session in range(number, len(self._shares), self.tasks):
            session_id = f"s-{_date(self._now)}-{_suffix(session)}"
            steps = _plan_session(session, session_id, labels, self._shares[session])
            blocks = [step for step in steps if isinstance(step, str)]
            self.made.append(MadeSession(session_id, task_id, issue.hex(), blocks[-1], len(blocks)))
            started = self._now
            for step in steps:
                if isinstance(step, str):
                    tag, text = COMMENT_ADDED, self._block(step, session, session_id, started)
                else:
                    tag, text = step
                    _apply_label(labels, tag, text)
                yield self._event(issue, session, tag, [text])

    def _block(self, state: str, number: int, session_id: str, started: int) -> str:
        crew = number % 5 == 4
        fields: dict[str, str | int | None] = {
            "session_type": "crew" if crew else "polecat",
            "engine": _ENGINES[number % len(_ENGINES)],
            "worktree": "" if crew else f".grite/worktrees/{session_id}",
            "pid": 4000 + number,
            "started_ts": started,
            "last_heartbeat_ts": None if state == "spawned" else self._now,
        }
        if state == "exit":
            code, reason = _EXITS[number % len(_EXITS)]
            output = hashlib.sha256(session_id.encode()).hexdigest()
            fields |= {"exit_code": code, "exit_reason": reason}
            fields |= {"last_output_ref": f"sha256:{output}"}
        return format_block(state, session_id, **fields)

    def _event(self, issue: bytes, actor: int, tag: int, payload: list[object]) -> Event:
        self._now += self._random.randrange(20, 6000)
        return Event(issue, self._actors[actor % len(self._actors)], self._now, tag, payload)


def _plan_session(number: int, session_id: str, labels: set[str], share: int) -> list[_Step]:
    """Plans exactly `share` steps of a life on a task that has `labels`; every seventh lives on."""
    have = set(labels)
    kind = "session:crew" if number % 5 == 4 else "session:polecat"
    steps: list[_Step] = ["spawned", *_relabel(have, "session:", "spawned", _STATES)]
    steps += [(LABEL_ADDED, kind), (LABEL_ADDED, f"engine:{_ENGINES[number % len(_ENGINES)]}")]
    steps += [(COMMENT_ADDED, f"Witness spawned session `{session_id}` for this task.")]
    steps += _relabel(have, "status:", "running", _STATUSES)
    steps += ["ready", *_relabel(have, "session:", "ready", _STATES)]
    steps += ["running", *_relabel(have, "session:", "running", _STATES)]
    end: list[_Step] = []
    if number % 7 != 6:
        end += ["handoff", *_relabel(have, "session:", "handoff", _STATES)]
        end += ["exit", *_relabel(have, "session:", "exit", _STATES)]
        end += _relabel(have, "status:", "needs-review", _STATUSES)
    beats: list[_Step] = ["running"] * (share - len(steps) - len(end))
    return [*steps, *beats, *end][:share]


def _relabel(have: set[str], prefix: str, new: str, family: Sequence[str]) -> list[_Step]:
    """Plans the label events that leave `new` as the only one of its family."""
    old = sorted(have & {prefix + name for name in family if name != new})
    have -= set(old)
    steps: list[_Step] = [(LABEL_REMOVED, label) for label in old]
    if prefix + new not in have:
        have.add(prefix + new)
        steps.append((LABEL_ADDED, prefix + new))
    return steps


def _apply_label(labels: set[str], tag: int, label: str) -> None:
    if tag == LABEL_ADDED:
        labels.add(label)
    elif tag == LABEL_REMOVED:
        labels.discard(label)


def _plan_commit(events: Sequence[Event], parent: str | None) -> tuple[str, bytes]:
    """Gives a log commit's id, which the next `meta.json` needs, and the import command for it."""
    chunk = encode_chunk([event.encode() for event in events])
    chunk_hash = hashlib.blake2b(chunk, digest_size=32).hexdigest()
    actor = events[0].actor.hex()
    fields = {"schema_version": 1, "actor_id": actor, "chunk_hash": chunk_hash, "prev_wal": parent}
    meta = json.dumps(fields, indent=2).encode()
    name = f"{chunk_hash}.bin"
    day = f"{_when(events[0].ts):%Y/%m/%d}"
    who = f"grite <grit@local> {events[0].ts // 1000} +0000"
    message = f"WAL: {len(events)} events from {actor[:8]}".encode()

    tree = _tree_id((b"100644", name, _object_id(b"blob", chunk)))
    for folder in reversed(day.split("/")):
        tree = _tree_id((b"40000", folder, tree))
    tree = _tree_id((b"40000", "events", tree), (b"100644", "meta.json", _object_id(b"blob", meta)))
    lines = [f"tree {tree.hex()}", *([f"parent {parent}"] if parent else [])]
    lines += [f"author {who}", f"committer {who}", "", ""]
    oid = _object_id(b"commit", "\n".join(lines).encode() + message).hex()
    command = b"".join(
        [
            f"commit {WAL}\nauthor {who}\ncommitter {who}\n".encode(),
            _data(message),
            b"deleteall\nM 100644 inline meta.json\n",
            _data(meta),
            f"M 100644 inline events/{day}/{name}\n".encode(),
            _data(chunk),
        ]
    )
    return oid, command


def _tree_id(*entries: tuple[bytes, str, bytes]) -> bytes:
    return _object_id(b"tree", b"".join(m + b" " + n.encode() + b"\0" + i for m, n, i in entries))


def _object_id(kind: bytes, body: bytes) -> bytes:
    return hashlib.sha1(kind + b" %d\0" % len(body) + body).digest()


def _data(body: bytes) -> bytes:
    return b"data %d\n" % len(body) + body + b"\n"


def _format_value(value: str | int | None) -> str:
    if value is None:
        return "null"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _convoy_label(number: int) -> str:
    return f"convoy:c-{_date(EPOCH)}-{_suffix(number)}"


def _derive_id(seed: str) -> bytes:
    return hashlib.blake2b(seed.encode(), digest_size=16).digest()


def _suffix(number: int) -> str:
    """Spreads numbers over the four hex digits of an id; no two below 65,536 meet."""
    return f"{number * 40503 % 65536:04x}"


def _date(ts: int) -> str:
    return f"{_when(ts):%Y%m%d}"


def _when(ts: int) -> datetime:
    return datetime.fromtimestamp(ts / 1000, UTC)


def _run_git(path: Path, *args: str, stdin: bytes = b"") -> bytes:
    """Runs git without the caller's settings, so that a log is the same everywhere."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(path), *args],
        input=stdin,
        env=environment,
        capture_output=True,
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        raise RuntimeError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
    return done.stdout
