"""From comments to sessions: each session's blocks, which of them is current, and why.

The rule which block takes over is the design's (section "Reading"): it depends on the set of
blocks alone, so no order of arrival matters and no two readers disagree.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from git_session.core.fold.issues import Issue
from git_session.core.fold.lifecycle import is_allowed, rank_of
from git_session.core.wire.block import (
    OPEN_MARK,
    SessionState,
    mentions_block,
    parse_block,
    split_comment,
)
from git_session.core.wire.event import Event
from git_session.errors import NewerFormatError, WireError


@dataclass(slots=True)
class Step:
    """Holds one block of a session's life: where it came from and what it did.

    `before` is the state of the block that was current until then (None for the first);
    `is_late` marks a block that did not take over; `is_fork` one whose parent was not the
    current block though it names one. `comes_from` is Life.comes_from at that moment.
    """

    event: Event
    state: SessionState
    before: SessionState | None
    is_late: bool
    is_fork: bool
    comes_from: str | None = None

    @property
    def is_legal(self) -> bool:
        """Report whether the lifecycle allows this step; a late one changes nothing."""
        return self.is_late or is_allowed(self.comes_from, self.state.state)


@dataclass(slots=True)
class Life:
    """Hold one session of one issue: its steps in order and the block that counts now.

    `base` is the current state, or the one that a presumed exit interrupted.
    """

    issue_id: bytes
    session_id: str
    steps: list[Step] = field(default_factory=list)
    current: Step | None = None
    late_beat: int | None = None
    base: str | None = None

    @property
    def state(self) -> SessionState:
        """Return the current state; a late block may have raised `last_heartbeat_ts`."""
        assert self.current is not None
        state = self.current.state
        if self.late_beat is None or (state.last_heartbeat_ts or -1) >= self.late_beat:
            return state
        return replace(state, last_heartbeat_ts=self.late_beat)

    def comes_from(self, after: SessionState) -> str | None:
        """Give the state that the lifecycle judges the next block by.

        The next record of a session revokes a presumed exit, so it goes on from the state before
        that exit. A second presumption revokes nothing.
        """
        if self.current is None:
            return None
        return self.current.state.state if after.is_presumed_exit else self.base


@dataclass(slots=True)
class IssueSessions:
    """Holds the sessions of one issue, and the comments whose block does not parse.

    A comment that merely speaks of `[session]` is not among them. `unread` counts those whose block
    has a state, role or type that this version does not know.
    """

    lives: dict[str, Life] = field(default_factory=dict)
    unparsed: list[tuple[Event, str]] = field(default_factory=list)
    unread: int = 0


def fold_sessions(issue: Issue) -> IssueSessions:
    """Find the sessions in an issue's comments, and the current block of each."""
    result = IssueSessions()
    blocks: dict[str, list[tuple[Event, SessionState]]] = {}
    shared: dict[str, str] = {}
    for event in issue.comments:
        assert event.payload is not None
        text = event.payload[0]
        if not mentions_block(text):
            continue
        try:
            state = parse_block(text, shared)
        except WireError as error:
            if split_comment(text) is not None or f"{OPEN_MARK}\n" in text:
                result.unparsed.append((event, error.message))
                result.unread += isinstance(error, NewerFormatError)
            continue
        blocks.setdefault(state.session_id, []).append((event, state))
    for session_id, found in blocks.items():
        result.lives[session_id] = _live(issue.issue_id, session_id, found)
    return result


def has_second_block(event: Event) -> bool:
    """Tell whether a comment has a block after the one that is read, as brat's parser does."""
    assert event.payload is not None
    parts = split_comment(event.payload[0])
    return parts is not None and split_comment(parts[2]) is not None


def _live(issue_id: bytes, session_id: str, blocks: list[tuple[Event, SessionState]]) -> Life:
    life = Life(issue_id, session_id)
    for event, state in _order_by_parent(blocks):
        before = life.current
        # Parents come first and a child of the current block takes over at once, so a block
        # descends from the current one exactly if that is its parent.
        descends = before is not None and event.parent == before.event.event_id
        takes_over = before is None or descends or _overrides(before.state, event, state)
        is_fork = before is not None and event.parent is not None and not descends
        step = Step(
            event,
            state,
            before.state if before else None,
            not takes_over,
            is_fork,
            life.comes_from(state),
        )
        life.steps.append(step)
        if takes_over:
            life.current = step
            life.base = (life.base or "running") if state.is_presumed_exit else state.state
        elif state.last_heartbeat_ts is not None:
            life.late_beat = max(life.late_beat or 0, state.last_heartbeat_ts)
    return life


def _overrides(current: SessionState, event: Event, state: SessionState) -> bool:
    """Report whether a block that does not descend from the current one takes over all the same."""
    if state.is_presumed_exit and event.parent is not None:
        # Whoever wrote it did not know of the current block: what the session said counts.
        return False
    if event.parent is None and not current.is_exit:
        return True
    if current.is_presumed_exit and not state.is_presumed_exit:
        return True
    return rank_of(state.state) > rank_of(current.state)


def _order_by_parent(
    blocks: list[tuple[Event, SessionState]],
) -> Iterable[tuple[Event, SessionState]]:
    """Order blocks parents before children, and else as they are: in fold order."""
    place = {event.event_id: number for number, (event, _) in enumerate(blocks)}
    if all(place.get(event.parent or b"", -1) < number for number, (event, _) in enumerate(blocks)):
        return blocks
    children: Mapping[int, list[int]] = {number: [] for number in range(len(blocks))}
    ready: list[int] = []
    for number, (event, _) in enumerate(blocks):
        parent = place.get(event.parent) if event.parent is not None else None
        if parent is None:
            ready.append(number)
        else:
            children[parent].append(number)
    ordered: list[tuple[Event, SessionState]] = []
    heapq.heapify(ready)
    while ready:
        number = heapq.heappop(ready)
        ordered.append(blocks[number])
        for child in children[number]:
            heapq.heappush(ready, child)
    return ordered
