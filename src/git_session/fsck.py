"""Walks a whole log, every line of it, and names what is wrong.

Errors are damage: something stored is not what it says it is, or is not there. Warnings are
things that are kept and shown, but that somebody should look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from git_session.errors import DamagedLogError, WireError
from git_session.fold.replay import FoldedIssue, Problem, Replay, SignatureJudge
from git_session.fold.rows import Row
from git_session.fold.sessions import Life
from git_session.log import SessionLog
from git_session.reader import judge_signatures
from git_session.wire import names
from git_session.wire.chunk import decode_chunk, hash_chunk
from git_session.wire.commit import LogCommit, parse_meta
from git_session.wire.event import Event
from git_session.wire.words import STATES

ERRORS: Final = {
    "missing_commit": "a commit that the log leads to is not there",
    "missing_object": "a tree or blob of a commit is not there",
    "meta": "meta.json is missing or does not parse",
    "chunk": "a chunk does not decode",
    "chunk_hash": "a chunk is not the one that meta.json or its own name speaks of",
    "event": "an item of a chunk is no event",
    "event_id": "an event's id is not the hash of its content",
    "signature": "an event's signature is wrong",
    "prev_wal": "prev_wal is not the commit's first parent",
    "merge": "a merge lacks events of its second parent",
}
WARNINGS: Final = {
    "unknown_kind": "an event of a kind that this version does not know",
    "unknown_payload": "an event of a known kind with a payload this version does not know",
    "beyond_time": "a timestamp beyond the year 9999",
    "future": "a timestamp in the future",
    "no_issue": "events of an issue that was never created",
    "early": "an event that is older than its issue",
    "created_again": "an issue that was created twice",
    "block": "a session block that does not parse",
    "transition": "a transition that the lifecycle does not allow",
    "fork": "a transition written without knowing the one before it",
    "session_id": "a session id that two tasks use",
    "label": "a session label that no session of the task bears out",
}
CODES: Final = {**ERRORS, **WARNINGS}

_TOLERANCE_MS: Final = 5 * 60 * 1000

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
    signatures: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("valid", "wrong", "unknown_key", "unsigned"), 0)
    )

    def find(self, code: str, message: str, commit: str = "", **where: str) -> None:
        self.findings.append(Problem(code, message, commit, **where))


def check_log(log: SessionLog, on_progress: Progress | None = None) -> Row:
    """Checks the whole log and gives the row of an FsckReport.

    `on_progress` is called with the number of commits seen so far. Raises DamagedLogError
    when the head itself cannot be read.
    """
    judge = _remember(judge_signatures(log.store))
    check = _Check(Replay(judge=judge))
    head = log.head()
    if head is not None:
        _walk(log, head, check, on_progress)
        _check_merges(log, check)
        for event in _events(check.replay):
            check.signatures[_name_verdict(judge, event)] += 1
        _check_meaning(check, log.clock())
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
        "signatures": check.signatures,
        "findings": rows,
        "errors": sum(row["severity"] == "error" for row in rows),
        "warnings": sum(row["severity"] == "warning" for row in rows),
    }


def _walk(log: SessionLog, head: str, check: _Check, on_progress: Progress | None) -> None:
    """Feeds every commit to the replay: the line from the head, then each second parent's."""
    heads = [head]
    seen = check.replay.commits

    def note_fault(commit: str, path: str, what: str) -> None:
        check.faults.setdefault(commit, {})[path] = what

    while heads:
        start = heads.pop()
        if start in seen:
            continue

        def checked(start: str = start) -> Iterator[LogCommit]:
            for commit in log.store.read_commits(start, known=seen, on_fault=note_fault):
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
    is_whole = not faults and all(data is not None for _, data in commit.chunks)
    check.chunks += len(commit.chunks)
    hashes = {path: hash_chunk(data) for path, data in commit.chunks if data is not None}
    for path, digest in hashes.items():
        name = path.rpartition("/")[2].removesuffix(".bin")
        if name != digest:
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
    """Finds merges after which a reader of first parents misses events of the second."""
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
                message = f"the merge lacks {len(lacking)} events of {_short(second)}"
                check.find("merge", message, merge, event_id=min(lacking).hex())


def _line(parents: Mapping[str, tuple[str, ...]], oid: str) -> Iterator[str]:
    """Gives a commit and its first parents, as far as they are there."""
    while oid in parents:
        yield oid
        if not parents[oid]:
            return
        oid = parents[oid][0]


def _read_event_ids(log: SessionLog, check: _Check) -> dict[str, set[bytes]]:
    """Reads the ids of the events that each commit holds, as they are stated."""
    held: dict[str, set[bytes]] = {}
    for start in check.parents:
        if start in held:
            continue
        for commit in log.store.read_commits(start, known=held):
            ids = held[commit.oid] = set()
            for _, data in commit.chunks:
                with suppress(WireError):
                    ids.update(event.event_id for event in decode_chunk(data or b"")[0])
    return held


def _remember(judge: SignatureJudge) -> SignatureJudge:
    """Makes a judge that looks at each signature once."""
    verdicts: dict[tuple[bytes, bytes | None], bool | None] = {}

    def recall(event: Event) -> bool | None:
        key = (event.event_id, event.sig)
        if key not in verdicts:
            verdicts[key] = judge(event)
        return verdicts[key]

    return recall


def _name_verdict(judge: SignatureJudge, event: Event) -> str:
    if event.sig is None:
        return "unsigned"
    return {True: "valid", False: "wrong", None: "unknown_key"}[judge(event)]


def _check_meaning(check: _Check, now: int) -> None:
    users: dict[str, list[str]] = {}
    for event in _events(check.replay):
        if event.ts > now + _TOLERANCE_MS:
            hours = (event.ts - now) / 3_600_000
            _warn(check, "future", event, f"its clock is {hours:.1f} hours ahead")
    for folded in check.replay.issues():
        _check_issue(check, folded)
        for life in folded.sessions.lives.values():
            users.setdefault(life.session_id, []).append(folded.issue.hex)
            _check_life(check, life)
    for session_id, issues in users.items():
        if len(issues) > 1:
            message = f"session id {session_id} is used by {len(issues)} tasks: " + ", ".join(
                issues
            )
            check.find("session_id", message, issue_id=issues[0])


def _check_issue(check: _Check, folded: FoldedIssue) -> None:
    issue = folded.issue
    if not issue.is_created:
        count = len(check.replay.events_of(issue.issue_id))
        check.find("no_issue", f"{count} events of an issue never created", issue_id=issue.hex)
    for event in issue.early:
        _warn(check, "early", event, "it is older than its issue's creation")
    for event in issue.created_again:
        _warn(check, "created_again", event, "its issue was created already")
    for event, reason in folded.sessions.unparsed:
        _warn(check, "block", event, reason)
    labelled = {x for x in STATES if names.SESSION_LABEL + x in issue.labels}
    borne_out = {life.state.state for life in folded.sessions.lives.values()}
    for state in sorted(labelled - borne_out):
        message = f"label {names.SESSION_LABEL}{state}, but no session of the task is {state}"
        check.find("label", message, issue_id=issue.hex)


def _check_life(check: _Check, life: Life) -> None:
    for step in life.steps:
        if not step.is_legal:
            before = step.before.state if step.before else "nothing"
            reason = f"{life.session_id} went from {before} to {step.state.state}"
            _warn(check, "transition", step.event, reason)
        if step.is_fork:
            reason = f"{life.session_id}: {step.state.state} was written beside another transition"
            _warn(check, "fork", step.event, reason)


def _events(replay: Replay) -> Iterator[Event]:
    for event_id in replay.origin:
        event = replay.find_event(event_id)
        if event is not None:
            yield event


def _warn(check: _Check, code: str, event: Event, reason: str) -> None:
    message = f"event {event.event_id.hex()[:12]}: {reason}"
    check.find(code, message, check.replay.origin[event.event_id], **_where(event))


def _where(event: Event) -> dict[str, str]:
    return {"event_id": event.event_id.hex(), "issue_id": event.issue_id.hex()}


def finding_row(problem: Problem) -> Row:
    """Makes the row of a Finding from a problem."""
    return {
        "code": problem.code,
        "severity": "error" if problem.code in ERRORS else "warning",
        "message": problem.message,
        "commit": problem.commit or None,
        "path": problem.path or None,
        "event_id": problem.event_id or None,
        "issue_id": problem.issue_id or None,
    }


def _short(oid: str | None) -> str:
    return oid[:12] if oid else "none"
