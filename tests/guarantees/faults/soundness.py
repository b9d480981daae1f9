"""Judges a stage after a fault: what is there, whole or not at all, and whether it is sound."""

from __future__ import annotations

import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from git_session.core.wire import names
from git_session.core.wire.chunk import decode_chunk
from git_session.errors import ConfigError, NotFoundError
from git_session.health.fsck import check_log
from git_session.host.beats import Beats
from git_session.host.spool import list_spooled, read_spooled
from git_session.log.actors.actors import read_actor
from git_session.log.session_log import SessionLog
from tests.conftest import git
from tests.guarantees.faults.commands import LATER, NOW, Command, Stage
from tests.guarantees.faults.program import Call, Fault, Outcome, Program

_DRAWN: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[st]-\d{8}-[0-9a-f]{4}|\d{3,}")
_KNOWN_CODES: Final = frozenset({0, 1, 2, 3, 4, 5})
_KEPT: Final = (
    *("repo/.git/git-session/beats/*.json", "repo/.git/grite/config.toml"),
    *("repo/.git/grite/actors/*/config.toml", "repo/.git/hooks/*", "repo/.git/config"),
    *("repo/*.html", "repo/.claude/*", "home/.config/fish/**/*"),
)
"""Files in which commands keep what does not go into the log."""

Tale = Counter[str]
"""What the events of a log tell, without what is drawn by chance or read from a clock."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Holds what a stage holds: what its logs tell, and the files beside them."""

    tales: dict[str, Tale]
    files: dict[str, str]


@dataclass
class Trial:
    """Tries one command on copies of its stage, under one fault after the other."""

    command: Command
    template: Stage
    program: Program
    folder: Path
    before: Contents = field(init=False)
    after: Contents = field(init=False)
    steps: tuple[Tale, ...] = field(init=False)
    calls: tuple[Call, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Runs the command without a fault: what it changes then is the whole of it."""
        stage = self._copy()
        self.before = read_contents(stage)
        ran = self._run(stage)
        assert ran.code == 0, ran
        self.after = read_contents(stage)
        self.steps = tuple(_read_steps(_open(stage.repo)))
        self.calls = tuple(call for call in ran.calls if call.is_change)
        require_sound(stage, is_thorough=True)
        self._require_next(stage)

    def try_fault(self, fault: Fault) -> bool:
        """Runs the command under a fault and checks all that is promised; tells if it was hit."""
        stage = self._copy()
        outcome = self._run(stage, fault)
        assert outcome.was_hit or self.command.is_concurrent, "nothing was hit"
        if fault.error is None and outcome.was_hit:
            assert outcome.code == -signal.SIGKILL, outcome
        else:
            assert outcome.code in _KNOWN_CODES, outcome
        assert "Traceback" not in outcome.stderr, outcome.stderr
        assert "internal error" not in outcome.stderr, outcome.stderr
        found = read_contents(stage)
        self._require_whole_or_nothing(found)
        is_told = outcome.code == 0 or bool(outcome.stdout)
        if is_told and not (self.command.is_stepwise and outcome.stderr):
            assert found.tales == self.after.tales, "acknowledged, and not there"
        if outcome.code == 0 and not outcome.stderr:
            assert self._pick(found) == self._pick(self.after), "acknowledged, and not there"
        require_sound(stage, is_thorough=fault.error is None or "index" in fault.call.text)
        if self.command.settled_task is not None:
            self._require_settled(stage, self.command.settled_task.format_map(stage.names), outcome)
        self._require_next(stage)
        return outcome.was_hit

    def _pick(self, contents: Contents) -> dict[str, str]:
        """Picks the files that have to be as they should: no beats where the log took the change.

        Of what the log has told, a beat that stayed as it was or was not removed hides nothing.
        """
        is_logged = self.after.tales != self.before.tales
        return {
            place: content
            for place, content in contents.files.items()
            if not (is_logged and _is_beat(place))
        }

    def _require_whole_or_nothing(self, found: Contents) -> None:
        for name, tale in found.tales.items():
            whole, nothing = self.after.tales[name], self.before.tales[name]
            steps = self.steps if self.command.is_stepwise else ()
            # Who supervises a command goes on when one step fails, and then leaves that one out.
            is_known = tale in (whole, nothing, *steps)
            assert is_known or (self.command.is_concurrent and tale >= nothing), (
                f"half of it: {tale - nothing}"
            )
        for place, content in found.files.items():
            known = (self.before.files.get(place), self.after.files.get(place))
            # Between two steps a beat may tell the later one. Whether it is torn is seen to below.
            is_step = self.command.is_stepwise and _is_beat(place)
            assert content in known or is_step, f"half of {place}: {content}"

    def _copy(self) -> Stage:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.template.folder, self.folder, symlinks=True)
        return Stage(self.folder, dict(self.template.names))

    def _run(self, stage: Stage, fault: Fault | None = None) -> Outcome:
        line = self.command.line(stage.names)
        return self.program(stage.repo, *line, now=NOW, env=stage.env, fault=fault, is_traced=True)

    def _require_settled(self, stage: Stage, task: str, outcome: Outcome) -> None:
        """Checks that whoever was stopped beside a session, it does not seem to live for ever.

        Its end is the one that was seen, unless it was said that this one is not recorded.
        """
        ran = self.program(stage.repo, "reconcile", "--apply", now=LATER, env=stage.env)
        assert ran.code == 0, ran
        log = _open(stage.repo)
        rows = [row for row in log.session_rows(include_exited=True) if row["task_id"] == task]
        assert all(row["state"] == "exit" for row in rows), f"not settled: {rows}"
        if outcome.code == 0 and "recorded nowhere" not in outcome.stderr:
            assert [row["exit_code"] for row in rows] == [0], f"not the end that was seen: {rows}"

    def _require_next(self, stage: Stage) -> None:
        """Runs the next command, which has to work as if nothing had happened."""
        line = self.command.next_line(stage.names)
        ran = self.program(stage.repo, *line, now=LATER, env=stage.env)
        assert ran.code in self.command.again_codes, f"the next command fails: {ran}"
        if ran.code == 0 and self.command.again is None:
            for name, tale in read_contents(stage).tales.items():
                assert tale >= self.after.tales[name], "not done by the next command either"


def _is_beat(place: str) -> bool:
    return f"/{names.BEATS_DIR}/" in place


def read_contents(stage: Stage) -> Contents:
    """Reads all logs of a stage, and the files beside them."""
    tales = {path.name: _read_tale(_open(path)) for path in stage.repositories}
    files: dict[str, str] = {}
    for file in (file for pattern in _KEPT for file in stage.folder.glob(pattern)):
        # What is on its way to become another file has no name yet that anybody looks for.
        if file.is_file() and not file.name.startswith("."):
            place = _DRAWN.sub("*", str(file.relative_to(stage.folder)))
            files[place] = _DRAWN.sub("*", file.read_text("utf-8", "replace"))
    return Contents(tales, files)


def require_sound(stage: Stage, *, is_thorough: bool) -> None:
    """Checks each repository; `is_thorough`: also by git's fsck, and its index against its log."""
    for path in stage.repositories:
        log = _open(path)
        _require_readable(log.common_dir)
        if log.store.read_ref(names.WAL_REF) is not None:
            assert check_log(log)["findings"] == []
        if is_thorough:
            git(path, "fsck", "--strict", "--no-dangling", "--no-progress")
            by_index = _answers(_open(path))
            for file in (log.common_dir / names.SESSION_DIR).glob("index-*"):
                file.unlink(missing_ok=True)
            assert by_index == _answers(_open(path)), "the index tells something else than the log"


def _require_readable(common_dir: Path) -> None:
    """Checks that no file beside the log is a part of one."""
    beats = Beats(common_dir)
    for issue_id, session_id in beats.refs():
        assert beats.read(issue_id, session_id) is not None, f"half a beat of {session_id}"
    try:
        for path in list_spooled(beats):
            read_spooled(path)
        for directory in (common_dir / "grite" / "actors").glob("*"):
            with suppress(NotFoundError):  # a folder without its file is no actor yet
                read_actor(directory)
    except (ValueError, ConfigError) as error:
        raise AssertionError(f"half a file: {error}") from error


def _open(path: Path) -> SessionLog:
    return SessionLog.open(path, clock=lambda: LATER)


def _answers(log: SessionLog) -> Sequence[Any]:
    return (
        log.session_rows(include_exited=True),
        log.task_rows(include_all=True),
        log.transition_rows(),
    )


def _read_tale(log: SessionLog) -> Tale:
    return Counter(line for lines in _tell(log) for line in lines)


def _read_steps(log: SessionLog) -> Iterator[Tale]:
    """Gives what a log told after each of its commits."""
    tale: Tale = Counter()
    for lines in reversed(list(_tell(log))):
        tale = tale + Counter(lines)
        yield tale


def _tell(log: SessionLog) -> Iterator[list[str]]:
    """Gives the events of each commit, newest first."""
    head = log.store.read_ref(names.WAL_REF)
    told: set[bytes] = set()
    for commit in log.store.read_commits(head) if head else ():
        lines = []
        for path, data in commit.chunks:
            assert data is not None, path
            events, faults = decode_chunk(data)
            assert faults == []
            new = [event for event in events if event.event_id not in told]
            told.update(event.event_id for event in new)
            lines += [_DRAWN.sub("*", f"{event.kind} {event.payload}") for event in new]
        yield lines
