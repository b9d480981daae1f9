"""The log as a graph: each session's chain of transitions, and the merges of the log."""

from __future__ import annotations

from typing import Any

from git_session.core.fold.rows import Row, transition_row
from git_session.core.fold.sessions import Life
from git_session.git.merges import LogMerges, Merge
from git_session.log.queries import LogQueries
from git_session.views.graph_columns import Node, order_nodes

Content = Row | Merge


def read_graph(
    log: LogQueries, ref: str | None = None, *, task: str | None = None
) -> list[Node[Content]]:
    """Reads the transitions of one session, of one task's, or of all, newest first.

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
    """Finds which block each block follows: the one it names, else the one that was current."""
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
