"""The log as a graph: each session's chain of transitions, and the merges of the log."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from git_session.core.fold.rows import Row, transition_row
from git_session.core.fold.sessions import Life
from git_session.git.history import LogMerges, Merge
from git_session.log.session_log import SessionLog

T = TypeVar("T")

_NODE, _LANE, _CROSSING, _BRIDGE, _JOIN, _LEVEL = "*|+_/-"
_STEP: Final = 2
"""Characters that a column takes, the space behind it included."""

Content = Row | Merge


def read_graph(
    log: SessionLog, ref: str | None = None, *, task: str | None = None
) -> list[Node[Content]]:
    """Read the transitions of one session, of one task's, or of all, newest first.

    With those of all come the merges of the log, which belong to no session.
    """
    nodes: list[Node[Content]] = []
    replay = log.replay()
    for folded, life in log.find_lives(ref, task):
        parents = _parents_of(life)
        for step in reversed(life.steps):
            row = transition_row(replay, folded.issue, life, step)
            event_id = row["event_id"]
            nodes.append(Node(event_id, parents[event_id], row["ts"], row))
    head = log.head()
    if ref is None and task is None and head is not None:
        merges = LogMerges(log.store.git_dir).list_merges(head)
        nodes += [Node(None, None, merge.ts, merge) for merge in merges]
    return order_nodes(nodes)


def _parents_of(life: Life) -> dict[str, str | None]:
    """Find which block each block follows: the one it names, else the one that was current."""
    known = {step.event.event_id for step in life.steps}
    parents: dict[str, Any] = {}
    current = None
    for step in life.steps:
        event = step.event
        named = event.parent.hex() if event.parent in known and event.parent else None
        parents[event.event_id.hex()] = named or current
        if not step.is_late:
            current = event.event_id.hex()
    return parents


class Node(NamedTuple, Generic[T]):
    """Holds one line of a log: its key, the key of the one before it, its time, what it tells.

    Without a key it belongs to no chain, and is drawn across all of them.
    """

    key: str | None
    parent: str | None
    ts: int
    content: T


def order_nodes(nodes: Iterable[Node[T]]) -> list[Node[T]]:
    """Order nodes newest first, and none before those that follow it, whatever clocks said.

    Of equal times the one that was given first comes first.
    """
    given = list(nodes)
    following = dict.fromkeys((node.key for node in given if node.key), 0)
    for node in given:
        if node.parent in following:
            following[node.parent] += 1
    by_key = {node.key: (number, node) for number, node in enumerate(given) if node.key}
    ready = [(-node.ts, n) for n, node in enumerate(given) if not following.get(node.key or "")]
    heapq.heapify(ready)
    ordered = []
    while ready:
        node = given[heapq.heappop(ready)[1]]
        ordered.append(node)
        if node.parent in by_key:
            following[node.parent] -= 1
            if not following[node.parent]:
                number, parent = by_key[node.parent]
                heapq.heappush(ready, (-parent.ts, number))
    return ordered


def draw_graph(nodes: Sequence[Node[T]]) -> Iterator[tuple[str, T | None]]:
    """Draw nodes, each after those that follow it: the characters of a line and what it tells.

    Lines on which columns join tell nothing.
    """
    columns: list[str | None] = []
    for node in nodes:
        if node.key is None:
            yield _draw_across(columns), node.content
            continue
        own = [n for n, expected in enumerate(columns) if expected == node.key]
        if not own:
            own = [_open_column(columns)]
            columns[own[0]] = node.key
        for other in reversed(own[1:]):
            yield _draw_join(columns, own[0], other), None
            columns[other] = None
        yield _draw_lanes(columns, own[0]), node.content
        columns[own[0]] = node.parent
        while columns and columns[-1] is None:
            columns.pop()


def _open_column(columns: list[str | None]) -> int:
    """Find a column that is free, the leftmost; makes one where there is none."""
    if None not in columns:
        columns.append(None)
    return columns.index(None)


def _draw_lanes(columns: Sequence[str | None], own: int) -> str:
    marks = (" " if expected is None else _LANE for expected in columns)
    drawn = [_NODE if n == own else mark for n, mark in enumerate(marks)]
    return " ".join(drawn).rstrip()


def _draw_join(columns: Sequence[str | None], own: int, other: int) -> str:
    """Draw how the column `other` comes to `own`, which lies left of it."""
    drawn = [" "] * (len(columns) * _STEP)
    for n in range(own * _STEP + 1, other * _STEP - 1):
        drawn[n] = _BRIDGE
    for n, expected in enumerate(columns):
        if expected is not None and n != other:
            drawn[n * _STEP] = _LANE
    drawn[other * _STEP - 1] = _JOIN
    return "".join(drawn).rstrip()


def _draw_across(columns: Sequence[str | None]) -> str:
    crossed = [_LEVEL if expected is None else _CROSSING for expected in columns]
    return _LEVEL.join(crossed) or _CROSSING
