"""A small log to be damaged in every way, and what reading it may and must then say.

Meaning is what the log can be asked: every event that is read, by its id, and every answer made of
them. Whatever is done to the bytes, three things have to hold:

* what is read is part of what was written: nothing is made up;
* what is missing from the answers is said by whoever reads;
* where the meaning is another one, fsck finds an error, or a chunk of a newer format, and names a
  commit, and where the bytes of an event changed, the event.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_session.core.fold.faults import Problem
from git_session.core.fold.rows import Row
from git_session.errors import DamagedLogError
from git_session.git.repository.libgit2 import open_repository
from git_session.git.repository.object_files import decode_loose
from git_session.git.repository.objects import ObjectStore
from git_session.health.fsck import check_log
from git_session.log.actors import signing
from git_session.log.session_log import SessionLog
from tests.conftest import git
from tests.support.forge import NOW, Forge, block, comment, created, make_signer
from tests.support.stores import WAL

_KINDS: Final = {1: b"commit", 2: b"tree", 3: b"blob"}


class Bits(NamedTuple):
    """Names some bits of something: every `step`-th from the `first` on."""

    first: int
    step: int


@dataclass(slots=True)
class Reading:
    """Holds what one reading of a log gave; `failure` says why there was none."""

    events: set[str] = field(default_factory=set)
    answers: Any = None
    problems: list[Problem] = field(default_factory=list)
    failure: str = ""


@dataclass(slots=True)
class Specimen:
    """Holds a small log, its commits from the oldest on, and what it reads as."""

    path: Path
    commits: list[str]
    sound: Reading


def make_specimen(path: Path) -> Specimen:
    """Makes a log in a bare repository: a session's life, a merge, and a signed event."""
    forge = Forge(path)
    seed = make_signer(forge)
    spawned = block("spawned", 1)
    ready = block("ready", 6, parent=spawned)
    signed = block("exit", 9, parent=ready)
    base = forge.commit(created(0, 0, "task:t-1"), spawned)
    side = forge.commit(comment("beside it"))
    main = forge.commit(ready, parents=[base])
    merge = forge.commit(comment("beside it"), parents=[main, side])
    head = forge.commit(signed.encode(signing.sign(seed, signed.id())))
    return Specimen(path, [base, side, main, merge, head], read(path))


def open_log(path: Path, *, by_git: bool = False) -> SessionLog:
    """Opens a log; `by_git` lets the git program read it, as it does where that is quicker."""
    store = ObjectStore.open(path) if by_git else ObjectStore._wrap(open_repository(path), path)
    return SessionLog(store, actor_id=None, clock=lambda: NOW, environ={})


def read(path: Path, *, by_git: bool = False) -> Reading:
    """Reads a log whole and asks it everything; which commits told it is left aside."""
    log = open_log(path, by_git=by_git)
    try:
        replay = log.replay()
    except DamagedLogError as error:
        return Reading(failure=error.message)
    tasks = log.task_rows(include_all=True)
    answers = [
        [log.task_row(task["grite_issue_id"]) for task in tasks],
        log.session_rows(include_exited=True),
        log.transition_rows(),
    ]
    problems = list(replay.problems)
    return Reading({event_id.hex() for event_id in replay.origin}, _without(answers), problems)


def _without(answers: Any) -> Any:
    if isinstance(answers, dict):
        return {key: _without(value) for key, value in answers.items() if key != "commit"}
    return [_without(item) for item in answers] if isinstance(answers, list) else answers


def judge(
    specimen: Specimen, names: Container[str], event_id: str = "", *, by_git: bool = False
) -> str:
    """Judges the log as it now is: what became of its meaning, in a word. Anything else fails.

    `names` are the commits that may be named, `event_id` is the event whose bytes were changed.
    """
    sound, found = specimen.sound, read(specimen.path, by_git=by_git)
    if found.failure:
        assert any(word in names for word in found.failure.split()), found.failure
        return "head lost"
    assert found.events <= sound.events, "something is read that nobody wrote"
    if found.answers == sound.answers and found.events == sound.events:
        return "harmless"
    assert found.problems, "something is missing and nobody says so"
    assert all(problem.commit in names for problem in found.problems), found.problems
    errors = find_errors(specimen.path)
    assert any(row["commit"] in names for row in errors), errors
    if event_id and event_id not in found.events:
        # Where nobody can tell what it was any more, the chunk that it was in is named.
        assert any(row["event_id"] == event_id or row["path"] for row in errors), errors
    return "found"


def find_errors(path: Path) -> list[Row]:
    """Gives the errors that fsck finds, and the chunks that it leaves to a newer version.

    A header that was changed, with all hashes anew, cannot be told from that of a newer format.
    """
    findings: list[Row] = check_log(open_log(path))["findings"]
    return [row for row in findings if row["severity"] == "error" or row["code"] == "newer"]


# -- bytes


def flip(data: bytes, bit: int) -> bytes:
    """Flips one bit."""
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << (bit % 8)
    return bytes(flipped)


def flips(data: bytes, bits: Bits) -> Iterator[bytes]:
    """Gives the bytes with one bit flipped, for each of `bits`."""
    for bit in range(bits.first, len(data) * 8, bits.step):
        yield flip(data, bit)


def replace(file: Path, data: bytes) -> None:
    """Puts other bytes in the place of a file that somebody may have mapped."""
    file.unlink(missing_ok=True)
    file.write_bytes(data)


# -- objects


def loose_files(path: Path) -> list[Path]:
    """Lists the objects that are files of their own."""
    return sorted((path / "objects").glob("??/*"))


def oid_of(file: Path) -> str:
    """Gives the id of an object that is a file of its own."""
    return file.parent.name + file.name


def read_object(path: Path, oid: str) -> tuple[int, bytes]:
    """Reads a sound object from its file: kind and bytes."""
    found = decode_loose((path / "objects" / oid[:2] / oid[2:]).read_bytes(), oid)
    assert found is not None
    return found


def write_object(path: Path, kind: int, content: bytes, oid: str = "") -> Path:
    """Writes an object's file, under its own id or under that of another one."""
    whole = b"%s %d\0" % (_KINDS[kind], len(content)) + content
    oid = oid or hashlib.sha1(whole).hexdigest()
    file = path / "objects" / oid[:2] / oid[2:]
    file.parent.mkdir(exist_ok=True)
    replace(file, zlib.compress(whole, 1))
    return file


class Workshop:
    """Changes objects of a log and hashes everything above them anew, so that git has no doubts."""

    def __init__(self, specimen: Specimen) -> None:
        self.path = specimen.path
        self._parts = [(oid, self._list_parts(oid)) for oid in specimen.commits]
        self._made: list[Path] = []

    def parts(self) -> Iterator[tuple[str, str, int, bytes]]:
        """Gives each object of the log: the commit that it is of, its id, kind and bytes."""
        for commit, parts in self._parts:
            for oid, kind, content in parts:
                yield commit, oid, kind, content

    def change(self, oid: str, content: bytes, *, is_consistent: bool = False) -> set[str]:
        """Puts a log in place in which one object has another content.

        `is_consistent` hashes a chunk anew where its name and meta.json speak of it, too. Gives
        the ids of all commits that the log has or points at.
        """
        new_ids: dict[bytes, bytes] = {}
        commits: set[str] = set()
        for commit, parts in self._parts:
            for old, kind, sound in parts:
                data = content if old == oid else _with_new_ids(sound, new_ids)
                if data == sound:
                    commits.add(commit)
                    continue
                file = write_object(self.path, kind, data)
                self._made.append(file)
                new_ids |= _pair_ids(old, oid_of(file))
                if kind == 3 and is_consistent and sound.startswith(b"GRITECNK"):
                    new_ids[_chunk_hash(sound)] = _chunk_hash(data)
                if kind == 1:
                    commits |= {oid_of(file), *_parents_in(data)}
                    head = oid_of(file)
        (self.path / WAL).write_text(f"{head}\n")
        return commits

    def restore(self) -> None:
        """Takes everything away that was made."""
        sound = {oid for _, oid, _, _ in self.parts()}
        for file in self._made:
            if oid_of(file) not in sound:
                file.unlink(missing_ok=True)
        self._made.clear()
        (self.path / WAL).write_text(f"{self._parts[-1][0]}\n")

    def _list_parts(self, commit: str) -> list[tuple[str, int, bytes]]:
        """Lists a commit's objects, each before those that name it."""
        listed = git(self.path, "rev-list", "--objects", "--no-object-names", f"{commit}^{{tree}}")
        oids = [*reversed(listed.split()), commit]
        parts = [(oid, *read_object(self.path, oid)) for oid in oids]
        return sorted(parts, key=lambda part: (-part[1] if part[1] != 2 else -2, 0))


def _with_new_ids(content: bytes, new_ids: dict[bytes, bytes]) -> bytes:
    for old, new in new_ids.items():
        content = content.replace(old, new)
    return content


def _pair_ids(old: str, new: str) -> dict[bytes, bytes]:
    return {old.encode(): new.encode(), bytes.fromhex(old): bytes.fromhex(new)}


def _chunk_hash(chunk: bytes) -> bytes:
    return hashlib.blake2b(chunk, digest_size=32).hexdigest().encode()


def _parents_in(commit: bytes) -> set[str]:
    lines = commit.partition(b"\n\n")[0].split(b"\n")
    return {line[7:].decode(errors="replace") for line in lines if line.startswith(b"parent ")}
