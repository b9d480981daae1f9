"""Both directions between commits and sessions: which session made it, and which commits it made.

A trailer is what counts: it survives a rebase, a cherry-pick and an amend. Where there is none the
beat files and the blocks of a session tell the last commit it was seen to make; a commit that has
been rewritten since is then no longer found. Last comes the branch that `run --new-worktree` makes,
as long as no other branch has the commit. All of it names who committed, not who wrote a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from git_session.core.fold.find import find_session
from git_session.core.fold.rows import Row
from git_session.core.fold.sessions import Life
from git_session.core.liveness import PRESUMED_EXIT
from git_session.core.wire.trailers import Mention, parse_mentions, possible_ids
from git_session.core.wire.words import ATTRIBUTE_PREFIX, COMMIT_ATTRIBUTE
from git_session.errors import NotFoundError, UnnamedCommitError
from git_session.git.history import Commit, History
from git_session.host.beats import Beats
from git_session.log.session_log import SessionLog

_COMMIT_KEY: Final = ATTRIBUTE_PREFIX + COMMIT_ATTRIBUTE
_SHORTEST_ID: Final = 8
_SECOND_MS: Final = 1000

_LINE: Final = re.compile(r"(.+):([1-9]\d{0,8})", re.DOTALL)
_OID: Final = re.compile(r"[0-9a-f]{40}")


def find_sessions_of(log: SessionLog, words: str, here: Path) -> Row:
    """Find the sessions that made a commit, or the commit that a line is from: a CommitSessions.

    `words` are a commit as git takes it, or FILE:LINE, counted from `here`. Raises NotFoundError
    when there is no such commit, or none of a session; UsageError.
    """
    history = History(log.store.git_dir, log.store.worktree)
    commit, place = _find_commit(history, words, here)
    named = list(_list_names(log, commit))
    known = log.session_rows(include_exited=True)
    named = named or list(_find_by_branch(history, commit, known))
    if not named:
        raise UnnamedCommitError(
            f"no session is known for commit {commit.oid[:7]}: {commit.subject}"
        )
    links = [_link(value, evidence, known) for value, evidence in named]
    return {**_commit_row(commit), **place, "links": links}


def find_commits_of(log: SessionLog, ref: str) -> Row:
    """Find the commits that were made in a session, newest first: a SessionCommits.

    `ref` is an id, a unique prefix of one, or TASK/SESSION; an id that the log does not know is
    looked for as it is. Raises NotFoundError when neither the log nor a commit knows it.
    """
    life, row = _find_life(log, ref)
    session_id = row["session_id"] if row is not None else ref
    history = History(log.store.git_dir, log.store.worktree)
    found = {commit["commit"]: commit for commit in _find_named(history, session_id, row)}
    if row is None and not found:
        find_session(log.reader.require(), ref)  # which says what is wrong with it
    if life is not None:
        seen = dict(_list_evidence(log, life))
        for commit in history.find_commits_of([oid for oid in seen if oid not in found]):
            found[commit.oid] = _commit_row(commit) | {"evidence": seen[commit.oid], "key": None}
    # git lists them newest first; within one second its order is that of the history.
    rows = sorted(found.values(), key=lambda commit: -commit["ts"])
    return {"session_id": session_id, "session": row, "commits": rows}


def _find_named(history: History, session_id: str, row: Row | None) -> Iterator[Row]:
    """Find the commits whose message names a session, by its id or by another tool's."""
    wanted = {session_id, *_ids_of(row)}
    for commit in history.find_commits(sorted(wanted)):
        for mention in parse_mentions(commit.message, commit.trailers):
            if not wanted.isdisjoint(possible_ids(mention.value)):
                yield _commit_row(commit) | _describe(mention)
                break


def _find_commit(history: History, words: str, here: Path) -> tuple[Commit, Row]:
    nowhere: Row = {"file": None, "line": None}
    match = _LINE.fullmatch(words)
    if match is None or not (here / match[1]).is_file():
        commit = history.find_commit(words)
        if commit is None:
            raise NotFoundError(
                f"there is no commit {words}" + (f", nor a file {match[1]}" if match else ""),
                "give a commit in any form git accepts, or FILE:LINE",
            )
        return commit, nowhere
    oid = history.find_line(here / match[1], int(match[2]))
    commit = None if oid is None else history.find_commit(oid)
    if commit is None:
        raise NotFoundError(
            f"line {match[2]} of {match[1]} is not committed yet",
            "git session list shows the active sessions",
        )
    return commit, {"file": match[1], "line": int(match[2])}


def _list_names(log: SessionLog, commit: Commit) -> Iterator[tuple[str, Row]]:
    """List the ids of sessions that a commit names, or else is named by, with the evidence."""
    mentions = parse_mentions(commit.message, commit.trailers)
    for mention in mentions:
        yield mention.value, _describe(mention)
    if mentions:
        return
    beats = [
        beat.session_id for beat in Beats(log.common_dir).read_all() if beat.commit == commit.oid
    ]
    for session_id in beats:
        yield session_id, {"evidence": "beat", "key": None}
    for life in _list_lives(log):
        if life.session_id not in beats and commit.oid in _list_recorded(life):
            yield life.session_id, {"evidence": "block", "key": None}


def _find_by_branch(
    history: History, commit: Commit, known: Sequence[Row]
) -> Iterator[tuple[str, Row]]:
    """Find the session whose branch, named after it, has a commit that no other branch has.

    What was merged is on another branch, too, and what was there before the session, or came after
    its end, is not its work: then nothing is found.
    """
    ids = {row["session_id"] for row in known}
    branches = set(history.find_branches(commit.oid))
    if not branches or not branches <= ids:
        return
    at_work = {row["session_id"] for row in known if _was_at_work(row, commit.ts)} & branches
    if len(at_work) == 1:
        yield at_work.pop(), {"evidence": "branch", "key": None}


def _was_at_work(row: Row, ts: int) -> bool:
    """Tell whether a session was going on at a time that is a whole second, in ms."""
    has_ended = row["state"] == "exit" and PRESUMED_EXIT not in row["liveness"]["reasons"]
    return ts + _SECOND_MS > row["started_ts"] and not (has_ended and ts > row["updated_ts"])


def _link(value: str, evidence: Row, known: Sequence[Row]) -> Row:
    """Make the row of a SessionLink: the sessions of the log that a value may name."""
    ids = set(possible_ids(value))
    rows = [row for row in known if row["session_id"] in ids]
    rows = rows or [row for row in known if not ids.isdisjoint(_ids_of(row))]
    return {"named": value, "sessions": rows, **evidence}


def _describe(mention: Mention) -> Row:
    word = "trailer" if mention.is_trailer else "message"
    return {"evidence": word, "key": mention.key}


def _list_evidence(log: SessionLog, life: Life) -> Iterator[tuple[str, str]]:
    for oid in _list_recorded(life):
        yield oid, "block"
    beat = Beats(log.common_dir).read(life.issue_id.hex(), life.session_id)
    if beat is not None and beat.commit is not None:
        yield beat.commit, "beat"


def _list_recorded(life: Life) -> Iterable[str]:
    """List the commits that a session's blocks tell of."""
    told = (step.state.extras.get(_COMMIT_KEY) for step in life.steps)
    return [oid for oid in told if isinstance(oid, str) and _OID.fullmatch(oid)]


def _list_lives(log: SessionLog) -> Iterator[Life]:
    for folded in log.replay().issues():
        yield from folded.sessions.lives.values()


def _find_life(log: SessionLog, ref: str) -> tuple[Life | None, Row | None]:
    try:
        folded, life = find_session(log.replay(), ref)
    except NotFoundError:
        return None, None
    return life, log.session_row(f"{folded.issue.hex}/{life.session_id}")


def _ids_of(row: Mapping[str, Any] | None) -> set[str]:
    """List what other tools call a session, where it has recorded that as an attribute."""
    extras = {} if row is None else row["extras"]
    return {
        value
        for key, value in extras.items()
        if key.startswith(ATTRIBUTE_PREFIX)
        and "session" in key
        and isinstance(value, str)
        and len(value) >= _SHORTEST_ID
    }


def _commit_row(commit: Commit) -> Row:
    return {
        "commit": commit.oid,
        "ts": commit.ts,
        "author": commit.author,
        "subject": commit.subject,
    }
