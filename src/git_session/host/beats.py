"""The beat files of this host: each live session's last sign of life, and what it says of itself.

They are `<common git dir>/git-session/beats/<issue id>.<session id>.json`, one key a line so that
plain shell can read them, and replaced atomically. All of them can be deleted without losing a
fact of the log. Whatever else lies there, torn, empty, or from a newer version, hinders nobody.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from git_session.core.wire import names
from git_session.core.wire.evidence import EVIDENCE_KEYS, Evidence, parse_evidence
from git_session.core.wire.words import ACTIVITIES
from git_session.errors import ReadOnlyError, UsageError
from git_session.host.files.queue import wait_in_queue

if TYPE_CHECKING:
    from pathlib import Path

    from git_session.core.wire.block import Extra

SCHEMA: Final = 1

_LARGEST: Final = 64 * 1024
_PATIENCE_S: Final = 1.0
_ENDING: Final = ".json"
_COMMIT_ENDING: Final = ".commit"
_SPOOL_ENDING: Final = ".spool.json"
_NO_ENDING: Final = ".spool"
_COMMIT_LINE: Final = rb"([0-9a-f]{40}) ([0-9]{1,11})\n?"
_COMMIT_ID: Final = r"[0-9a-f]{40}"
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Beat(NamedTuple):
    """Holds one beat file; times are ms since the epoch.

    `ts` is the last sign of life and `recorded_ts` the last one that was put into the log;
    `interval_ms` is when the next one is due to be. `worktree` is the real path of the checkout
    that the session works in. `head` is the log's head (40 hex digits) in which the session was
    last seen to go on. `others` are the keys of a newer version, which stay as they are.
    """

    session_id: str
    grite_issue_id: str
    task_id: str
    ts: int
    recorded_ts: int
    evidence: Evidence = Evidence()
    worktree: str | None = None
    activity: str | None = None
    activity_ts: int | None = None
    attributes: Mapping[str, Extra] = {}
    commit: str | None = None
    interval_ms: int | None = None
    head: str | None = None
    others: Mapping[str, Any] = {}

    @property
    def stem(self) -> str:
        """Return what the names of its files begin with."""
        return f"{self.grite_issue_id}.{self.session_id}"


class Beats:
    """Reads and replaces the beat files of one repository.

    Inside, paths are text: pathlib takes 2 ms to load, a twentieth of what a beat may take.
    """

    def __init__(self, common_dir: str | os.PathLike[str]) -> None:
        self._folder = os.path.join(common_dir, names.SESSION_DIR, names.BEATS_DIR)

    @property
    def directory(self) -> Path:
        """Return the folder that they are in, which need not be there."""
        return _make_path(self._folder)

    def path(self, issue_id: str, session_id: str) -> Path:
        """Form the path of a session's beat file. Raises UsageError for an id no file can have."""
        return _make_path(self._join(issue_id, session_id, _ENDING))

    def commit_path(self, issue_id: str, session_id: str) -> Path:
        """Form the path of the file in which git's post-commit hook leaves the last commit."""
        return _make_path(self._join(issue_id, session_id, _COMMIT_ENDING))

    def spool_path(self, issue_id: str, session_id: str) -> Path:
        """Form the path of the file that keeps an exit which the log did not take."""
        return _make_path(self._join(issue_id, session_id, _SPOOL_ENDING))

    def spool_paths(self) -> list[Path]:
        """List the exits that the log did not take."""
        found = (_parse_name(name, _SPOOL_ENDING) for name in self._names())
        return [self.spool_path(*pair) for pair in found if pair is not None]

    def refs(self) -> list[tuple[str, str]]:
        """List the issue id and session id of every beat file, without reading any."""
        found = (_parse_name(name, _ENDING) for name in self._names() if not _is_spool(name))
        return [pair for pair in found if pair is not None]

    def read(self, issue_id: str, session_id: str) -> Beat | None:
        """Read one session's beat; None when there is none, or none that can be understood."""
        if not _is_nameable(issue_id, session_id):
            return None
        stem = f"{self._folder}/{issue_id}.{session_id}"
        data = _read_bytes(stem + _ENDING)
        beat = None if data is None else _parse_beat(data, issue_id, session_id)
        if beat is None:
            return None
        line = _read_bytes(stem + _COMMIT_ENDING)
        return beat if line is None else _add_commit(beat, line)

    def read_all(self) -> list[Beat]:
        """Read all beats that can be understood, in the order of their files' names."""
        return [beat for pair in self.refs() if (beat := self.read(*pair)) is not None]

    def lock(self) -> AbstractContextManager[None]:
        """Keep others from replacing a beat between our look at it and our own replacing it.

        For a moment at most: a beat that is lost to a race is worth less than a hang. Raises
        ReadOnlyError.
        """
        return wait_in_queue(f"{self._folder}.lock", _PATIENCE_S)

    def write(self, beat: Beat) -> None:
        """Replace a session's beat file as a whole. Raises ReadOnlyError, or UsageError."""
        path = self._join(beat.grite_issue_id, beat.session_id, _ENDING)
        temporary = os.path.join(self._folder, f"{beat.stem}.{os.getpid()}.tmp")
        data = _format_beat(beat)
        try:
            try:
                _write_bytes(temporary, data)
            except FileNotFoundError:
                os.makedirs(self._folder, exist_ok=True)
                _write_bytes(temporary, data)
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):
                os.unlink(temporary)
            raise ReadOnlyError(
                f"cannot write to {self._folder}: {error.strerror}",
                "check the permissions and the free space of the repository",
            ) from error

    def remove(self, issue_id: str, session_id: str) -> None:
        """Remove a session's beat file and what lies beside it, but for a spooled exit."""
        stem = f"{issue_id}.{session_id}"
        for name in self._names():
            is_temporary = name.startswith(f"{stem}.") and name.endswith(".tmp")
            if name in (stem + _ENDING, stem + _COMMIT_ENDING) or is_temporary:
                with suppress(OSError):
                    os.unlink(os.path.join(self._folder, name))

    def _join(self, issue_id: str, session_id: str, ending: str) -> str:
        if not _is_nameable(issue_id, session_id):
            raise UsageError(f"no beat file can be named after {session_id!r} of issue {issue_id}")
        return os.path.join(self._folder, f"{issue_id}.{session_id}{ending}")

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._folder))
        except OSError:
            return []


def _is_spool(name: str) -> bool:
    return name.endswith(_SPOOL_ENDING)


def _parse_name(name: str, ending: str) -> tuple[str, str] | None:
    """Read issue id and session id out of a file's name; None for what is no such name."""
    issue_id, dot, session_id = name.removesuffix(ending).partition(".")
    is_good = name.endswith(ending) and dot and _is_nameable(issue_id, session_id)
    return (issue_id, session_id) if is_good else None


def _is_nameable(issue_id: str, session_id: str) -> bool:
    """Return whether a file can be named after a session of an issue."""
    return (
        names.is_actor_id(issue_id)
        and names.is_safe_id(session_id)
        # A session called `x.spool` would get the name of the exit that x could not record.
        and not session_id.endswith(_NO_ENDING)
    )


def _make_path(path: str) -> Path:
    from pathlib import Path

    return Path(path)


def _read_bytes(path: str) -> bytes | None:
    """Read a small regular file; None for all else. A link could lead anywhere, a FIFO hang."""
    try:
        fd = os.open(path, _READ_FLAGS)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        data = os.read(fd, _LARGEST + 1)
    except OSError:
        return None
    finally:
        os.close(fd)
    return data if len(data) <= _LARGEST else None


def _write_bytes(path: str, data: bytes) -> None:
    # No fsync: after a power cut the boot is over, and with it every session of this host.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o666)
    with open(fd, "wb") as file:
        file.write(data)


def _format_beat(beat: Beat) -> bytes:
    values: dict[str, Any] = beat._asdict()
    others, evidence = values.pop("others"), values.pop("evidence")
    schema = max(SCHEMA, others.get("schema", SCHEMA))
    document = {**others, **values, **evidence._asdict(), "schema": schema}
    return json.dumps(document, indent=0, ensure_ascii=True, sort_keys=True).encode() + b"\n"


def _parse_beat(data: bytes, issue_id: str, session_id: str) -> Beat | None:
    """Read a beat; None when it is torn, or another session's than its file's name says."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not isinstance(values.get("schema"), int):
        return None
    ts = _number(values.get("ts"))
    if ts is None or (values.get("grite_issue_id"), values.get("session_id")) != (
        issue_id,
        session_id,
    ):
        return None
    known = {*Beat._fields, *EVIDENCE_KEYS, "pid"}
    activity, activity_ts = values.get("activity"), _number(values.get("activity_ts"))
    return Beat(
        session_id=session_id,
        grite_issue_id=issue_id,
        task_id=_text(values.get("task_id")) or issue_id,
        ts=ts,
        recorded_ts=_number(values.get("recorded_ts")) or 0,
        evidence=parse_evidence(values, values.get("pid")),
        worktree=_text(values.get("worktree")),
        activity=activity if activity in ACTIVITIES else None,
        activity_ts=activity_ts if activity in ACTIVITIES else None,
        attributes=dict(_pick_attributes(values.get("attributes"))),
        commit=_commit_id(values.get("commit")),
        interval_ms=_number(values.get("interval_ms")),
        head=_commit_id(values.get("head")),
        others={key: value for key, value in values.items() if key not in known},
    )


def _pick_attributes(values: Any) -> Iterator[tuple[str, Extra]]:
    for key, value in values.items() if isinstance(values, dict) else ():
        is_value = isinstance(value, str | int) and not isinstance(value, bool)
        if names.is_attribute_name(key) and is_value:
            yield key, value


def _add_commit(beat: Beat, line: bytes) -> Beat:
    """Take in what git's post-commit hook left: a commit is a sign of life, and of work."""
    found = re.fullmatch(_COMMIT_LINE, line)
    if found is None:
        return beat
    commit, ts = found[1].decode(), int(found[2]) * 1000
    if commit == beat.commit:
        return beat
    beat = beat._replace(commit=commit, ts=max(beat.ts, ts))
    # It is told in whole seconds: within one, the commit may have come after.
    return note_work(beat, ts) if ts + 999 >= (beat.activity_ts or 0) else beat


def note_work(beat: Beat, ts: int) -> Beat:
    """Note a sign of work: whoever works does not wait for somebody's input any more."""
    is_waiting = beat.activity == "waiting"
    return beat._replace(activity="working", activity_ts=ts) if is_waiting else beat


def _commit_id(value: Any) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(_COMMIT_ID, value) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
