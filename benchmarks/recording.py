"""The rows about recording one transition, and about the start of the program."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pygit2

from benchmarks.measure import Bench, Budget, Result, Side, race, timed
from git_session import SessionLog
from tests.support.stores import make_log

_WAL: Final = "refs/grite/wal"
_TASKS: Final = 200
_EVENTS_A_TASK: Final = 10
_STATES: Final = ("ready", "running", "handoff", "exit")
_FILE: Final = pygit2.enums.FileMode.BLOB
_FOLDER: Final = pygit2.enums.FileMode.TREE
_CLICK_PROGRAM: Final = '''"""What click needs to print a version."""
import click


@click.command()
@click.version_option("1.0", prog_name="program")
def main():
    """Does nothing."""


main()
'''


def measure_transition(bench: Bench) -> list[Result]:
    """Row c: one transition on an open log, against bare pygit2 writing as many objects."""
    small = bench.directory / "small"
    bench.git(bench.directory, "init", "--quiet", str(small))
    large = _make_tasks(bench, "large")
    runs = bench.runs * 8
    results = []
    for store, work in ((small, "one task at a time"), (large, f"a store of {_TASKS} tasks")):
        ours, peer = race([_Recorder(store).side(), _BareWriter(store, bench).side()], runs)
        results.append(
            Result(
                f"one transition in the library, {work}",
                ours,
                "bare pygit2: the same 8 objects and the ref",
                peer,
                Budget("1.5x", factor=1.5),
                runs,
            )
        )
    return results


def measure_version(bench: Bench) -> list[Result]:
    """Row d: how long the program takes to start."""
    program = bench.directory / "click_program.py"
    program.write_text(_CLICK_PROGRAM)
    runs = bench.runs * 2
    ours, peer = race(
        [
            Side(bench.ours(bench.directory, "--version").run),
            Side(bench.program(bench.directory, sys.executable, program, "--version").run),
        ],
        runs,
    )
    budget = Budget("+ 10 ms", factor=1.0, extra_s=0.010)
    return [Result("`git session --version`", ours, "click's own start", peer, budget, runs)]


def measure_transition_process(bench: Bench) -> list[Result]:
    """Row e: one transition as a process."""
    store = _make_tasks(bench, "process")
    log = SessionLog.open(store)
    session = log.start(log.add_task("Row e").task.task_id).session.session_id
    log.advance(session, "ready")
    advance = bench.ours(store, "running", session, "--json")
    (ours,) = race([Side(advance.run, weigh=advance.weigh)], bench.runs)
    events = _TASKS * _EVENTS_A_TASK
    work = f"one transition as a process, {_TASKS} tasks, {events:,} events"
    budget = Budget("0.2 s", extra_s=0.2)
    return [Result(work, ours, "", None, budget, bench.runs)]


def _make_tasks(bench: Bench, name: str) -> Path:
    store = bench.directory / name
    make_log(store, _TASKS * _EVENTS_A_TASK, 2 * _TASKS)  # two sessions share a task
    return store


class _Recorder:
    """Records the lives of sessions, one after the other, each on a task of its own."""

    def __init__(self, store: Path) -> None:
        self._log = SessionLog.open(store)
        self._session = ""
        self._states: Iterator[str] = iter(())
        self._state = ""

    def side(self) -> Side:
        return Side(timed(self._advance), self._prepare)

    def _prepare(self) -> None:
        state = next(self._states, None)
        if state is None:
            task = self._log.add_task("Row c").task.task_id
            self._session = self._log.start(task).session.session_id
            self._states = iter(_STATES)
            state = next(self._states)
        self._state = state

    def _advance(self) -> None:
        self._log.advance(self._session, self._state)


class _BareWriter:
    """Writes what a transition writes with pygit2 alone: two blobs, five trees, a commit, a ref."""

    def __init__(self, store: Path, bench: Bench) -> None:
        log = SessionLog.open(store)
        session = log.start(log.add_task("Row c").task.task_id).session.session_id
        log.advance(session, "ready")
        path = bench.directory / f"bare-{store.name}.git"
        self._repository = pygit2.init_repository(str(path), bare=True)
        self._number = itertools.count()
        commit = pygit2.Repository(str(store)).lookup_reference(_WAL).peel(pygit2.Commit)
        self._message = commit.message
        self._files = list(_read_files(commit.tree, ""))
        self._head: pygit2.Oid | None = None

    def side(self) -> Side:
        return Side(timed(self._write))

    def _write(self) -> None:
        repository, mark = self._repository, b"%8d" % next(self._number)
        (chunk_path, chunk), (_, meta) = self._files
        *folders, name = chunk_path.split("/")
        oid, mode = repository.create_blob(chunk[:-8] + mark), _FILE
        for folder in reversed(folders):
            oid, mode, name = self._write_tree((name, oid, mode)), _FOLDER, folder
        tree = self._write_tree(
            (name, oid, mode), ("meta.json", repository.create_blob(meta[:-8] + mark), _FILE)
        )
        who = pygit2.Signature("grite", "grit@local")
        parents = [self._head] if self._head else []
        commit = repository.create_commit(None, who, who, self._message, tree, parents)
        with repository.transaction() as transaction:
            transaction.lock_ref(_WAL)
            transaction.set_target(_WAL, commit, message=self._message)
        self._head = commit

    def _write_tree(self, *entries: tuple[str, pygit2.Oid, int]) -> pygit2.Oid:
        builder = self._repository.TreeBuilder()
        for name, oid, mode in entries:
            builder.insert(name, oid, mode)
        return builder.write()


def _read_files(tree: pygit2.Tree, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in tree:
        if isinstance(entry, pygit2.Tree):
            yield from _read_files(entry, f"{prefix}{entry.name}/")
        elif isinstance(entry, pygit2.Blob):
            yield f"{prefix}{entry.name}", entry.data
