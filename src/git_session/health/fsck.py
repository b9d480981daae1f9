"""Walk a whole log, every line of it, and name what is wrong.

Errors are damage: something stored is not what it says it is, or is not there. Warnings are
things that are kept and shown, but that somebody should look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from git_session.core.fold.faults import Problem
from git_session.core.fold.findings import find_oddities, finding_row
from git_session.core.fold.replay import Replay
from git_session.core.fold.rows import Row
from git_session.core.fold.signatures import SignatureTally
from git_session.core.wire import names
from git_session.core.wire.chunk import decode_chunk, hash_chunk
from git_session.core.wire.commit import LogCommit, parse_meta
from git_session.errors import DamagedLogError, WireError
from git_session.log.actors.trust import Trust, read_trusted_keys
from git_session.log.session_log import SessionLog

Progress = Callable[[int], None]


@dataclass(slots=True)
class _Check:
    """Accumulates findings and counts while the walk goes on.

    `faults` holds what the store could not read: commit to path to what is wrong; a commit
    leaves it when it is checked itself, so that in the end those are left that are not there.
    """

    replay: Replay
    findings: list[Problem] = field(default_factory=list)
    faults: dict[str, dict[str, str]] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    chunks: int = 0

    def find(self, code: str, message: str, commit: str = "", **where: str) -> None:
        self.findings.append(Problem(code, message, commit, **where))


def check_log(log: SessionLog, on_progress: Progress | None = None) -> Row:
    """Check the whole log and return the row of an FsckReport.

    `on_progress` is called with the number of commits seen so far. Raises DamagedLogError
    when the head itself cannot be read.
    """
    # All signatures are looked at, whatever the policy: it decides what is made of them.
    policy = log.reader.config.verify_signatures
    signatures = SignatureTally(Trust(policy, read_trusted_keys(log.store)).judge)
    check = _Check(Replay(judge=signatures.judge, policy=policy))
    head = log.head()
    if head is not None:
        _walk(log, head, check, on_progress)
        _check_merges(log, check)
        check.findings += find_oddities(check.replay, log.clock())
    rows = sorted(
        (finding_row(found) for found in (*check.findings, *check.replay.problems)),
        key=lambda row: (row["severity"], row["code"]),
    )
    folds = list(check.replay.issues())
    return {
        "head": head,
        "commits": len(check.replay.commits),
        "chunks": check.chunks,
        "events": check.replay.event_count,
        "issues": sum(folded.issue.is_created for folded in folds),
        "sessions": sum(len(folded.sessions.lives) for folded in folds),
        "signatures": signatures.count(check.replay),
        "findings": rows,
        "errors": sum(row["severity"] == "error" for row in rows),
        "warnings": sum(row["severity"] == "warning" for row in rows),
    }


def _walk(log: SessionLog, head: str, check: _Check, on_progress: Progress | None) -> None:
    """Feed every commit to the replay: the line from the head, then each second parent's."""
    heads = [head]
    seen = check.replay.commits

    def note_fault(commit: str, path: str, what: str) -> None:
        check.faults.setdefault(commit, {})[path] = what

    while heads:
        start = heads.pop()
        if start in seen:
            continue

        def checked(start: str = start) -> Iterator[LogCommit]:
            for commit in log.store.read_commits(
                start, known=seen, on_fault=note_fault, is_proven=True
            ):
                _check_commit(commit, check)
                heads.extend(commit.parents[1:])
                check.parents[commit.oid] = commit.parents
                if on_progress is not None:
                    on_progress(len(check.parents))
                yield commit

        try:
            check.replay.add(checked())
        except DamagedLogError:
            if start == head:
                raise
    for commit, faults in check.faults.items():
        check.find("missing_commit", ", ".join(faults.values()), commit)


def _check_commit(commit: LogCommit, check: _Check) -> None:
    faults = check.faults.pop(commit.oid, {})
    if commit.meta is not None:
        faults.pop(names.META_PATH, None)  # it is there, and judged below
    for path, what in faults.items():
        check.find("missing_object", what, commit.oid, path=path)
    is_whole = not faults and not commit.large
    is_whole = is_whole and all(data is not None for _, data in commit.chunks)
    check.chunks += len(commit.chunks) + len(commit.large)
    hashes = {path: hash_chunk(data) for path, data in commit.chunks if data is not None}
    for path, digest in hashes.items():
        if names.named_hash(path) != digest:
            check.find("chunk_hash", f"{path} has the hash {digest}", commit.oid, path=path)
    if commit.meta is None:
        if not faults.keys() & {"", names.META_PATH}:
            check.find("meta", "meta.json is missing", commit.oid, path=names.META_PATH)
        return
    try:
        meta = parse_meta(commit.meta)
    except WireError as error:
        check.find("meta", error.message, commit.oid, path=names.META_PATH)
        return
    if is_whole and meta.chunk_hash not in hashes.values():
        message = f"meta.json speaks of chunk {meta.chunk_hash[:16]}, which is not there"
        check.find("chunk_hash", message, commit.oid, path=names.META_PATH)
    first = commit.parents[0] if commit.parents else None
    if meta.prev_wal != first:
        message = f"prev_wal is {_short(meta.prev_wal)}, the first parent is {_short(first)}"
        check.find("prev_wal", message, commit.oid, path=names.META_PATH)


def _check_merges(log: SessionLog, check: _Check) -> None:
    """Find merges after which a reader of first parents misses events of the second."""
    merges = [(oid, parents) for oid, parents in check.parents.items() if len(parents) > 1]
    # One more reading of all, and then no object again: merges can be as many as pushes.
    held = _read_event_ids(log, check) if merges else {}
    for merge, parents in merges:
        line = dict.fromkeys(_line(check.parents, merge))
        for second in parents[1:]:
            beside = [oid for oid in _line(check.parents, second) if oid not in line]
            lacking = set().union(*(held[oid] for oid in beside)) - held[merge]
            if lacking:  # what an earlier merge brought is there all the same
                lacking = lacking.difference(*(held[oid] for oid in line))
            if lacking:
                number = f"{len(lacking)} event{'s' * (len(lacking) != 1)}"
                message = f"the merge lacks {number} of {_short(second)}"
                check.find("merge", message, merge, event_id=min(lacking).hex())


def _line(parents: Mapping[str, tuple[str, ...]], oid: str) -> Iterator[str]:
    """Return a commit and its first parents, as far as they are there."""
    while oid in parents:
        yield oid
        if not parents[oid]:
            return
        oid = parents[oid][0]


def _read_event_ids(log: SessionLog, check: _Check) -> dict[str, set[bytes]]:
    """Read the ids of the events that each commit holds, as they are stated."""
    held: dict[str, set[bytes]] = {}
    for start in check.parents:
        if start in held:
            continue
        for commit in log.store.read_commits(start, known=held, is_proven=True):
            ids = held[commit.oid] = set()
            for _, data in commit.chunks:
                with suppress(WireError):
                    ids.update(event.event_id for event in decode_chunk(data or b"")[0])
    return held


def _short(oid: str | None) -> str:
    return oid[:12] if oid else "none"
