"""Draws which line follows which, as `git log --graph` does: pure, from nodes to characters.

Each chain has a column of its own until it ends; where two chains have one beginning, the columns
join above it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")

_NODE, _LANE, _CROSSING, _BRIDGE, _JOIN, _LEVEL = "*|+_/-"
_STEP: Final = 2
"""Characters that a column takes, the space behind it included."""


class Node(NamedTuple, Generic[T]):
    """Holds one line of a log: its key, the key of the one before it, its time, what it tells.

    Without a key it belongs to no chain, and is drawn across all of them.
    """

    key: str | None
    parent: str | None
    ts: int
    content: T


def order_nodes(nodes: Iterable[Node[T]]) -> list[Node[T]]:
    """Orders nodes newest first, and none before those that follow it, whatever clocks said.

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
    """Draws nodes, each after those that follow it: the characters of a line and what it tells.

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
    """Finds a column that is free, the leftmost; makes one where there is none."""
    if None not in columns:
        columns.append(None)
    return columns.index(None)


def _draw_lanes(columns: Sequence[str | None], own: int) -> str:
    marks = (" " if expected is None else _LANE for expected in columns)
    drawn = [_NODE if n == own else mark for n, mark in enumerate(marks)]
    return " ".join(drawn).rstrip()


def _draw_join(columns: Sequence[str | None], own: int, other: int) -> str:
    """Draws how the column `other` comes to `own`, which lies left of it."""
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
