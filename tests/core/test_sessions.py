"""From comments to sessions: which block is current does not depend on who reads in what order."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_session.core.fold.issues import fold_issue
from git_session.core.fold.lifecycle import is_allowed, next_states
from git_session.core.fold.plan import next_timestamp, plan_block, plan_state
from git_session.core.fold.sessions import Life, fold_sessions
from git_session.core.wire.event import Event
from git_session.core.wire.words import STATES
from tests.support.events import ACTOR_A, ACTOR_B, ISSUE, T0, block, comment, created, event, live


def _states(life: Life) -> list[tuple[str, bool]]:
    return [(step.state.state, step.is_late) for step in life.steps]


def test_a_chain_of_blocks_ends_in_its_last() -> None:
    a = block("spawned", 1)
    b = block("ready", 2, a)
    c = block("running", 3, b)
    life = live(c, a, b)
    assert _states(life) == [("spawned", False), ("ready", False), ("running", False)]
    assert life.state.state == "running"
    assert all(step.is_legal for step in life.steps)


def test_parents_come_before_children_whatever_the_clocks_say() -> None:
    a = block("spawned", 100)
    b = block("ready", 50, a)
    c = block("running", 10, b)
    life = live(a, b, c)
    assert [step.state.state for step in life.steps] == ["spawned", "ready", "running"]
    assert life.state.state == "running"


def test_brats_blocks_without_parents_follow_the_clock() -> None:
    life = live(block("spawned", 1), block("ready", 2), block("running", 3), block("ready", 4))
    assert life.state.state == "ready"
    assert [step.is_legal for step in life.steps] == [True, True, True, False]


def test_an_exit_absorbs_a_block_without_parent() -> None:
    life = live(block("spawned", 1), block("exit", 2, exit_code=0), block("running", 3))
    assert life.state.state == "exit"
    assert _states(life)[-1] == ("running", True)


def test_a_late_block_only_raises_the_heartbeat() -> None:
    late = block("running", 3, last_heartbeat_ts=T0 + 99, pid=7)
    life = live(block("spawned", 1), block("exit", 2, exit_code=0, last_heartbeat_ts=T0 + 2), late)
    assert (life.state.state, life.state.pid) == ("exit", None)
    assert life.state.last_heartbeat_ts == T0 + 99


def test_a_late_block_never_lowers_the_heartbeat() -> None:
    late = block("running", 3, last_heartbeat_ts=T0 + 1)
    life = live(block("spawned", 1), block("exit", 2, exit_code=0, last_heartbeat_ts=T0 + 2), late)
    assert life.state.last_heartbeat_ts == T0 + 2


def test_a_forced_reopening_counts_because_it_descends_from_the_exit() -> None:
    a = block("spawned", 1)
    b = block("exit", 2, a, exit_code=0)
    c = block("running", 3, b)
    life = live(a, b, c)
    assert life.state.state == "running"
    assert not life.steps[-1].is_legal


def test_a_fork_keeps_both_and_the_further_one_wins() -> None:
    a = block("running", 1)
    left = block("exit", 5, a, exit_code=0, actor=ACTOR_A)
    right = block("handoff", 6, a, actor=ACTOR_B)
    life = live(a, left, right)
    assert life.state.state == "exit"
    assert _states(life) == [("running", False), ("exit", False), ("handoff", True)]
    assert life.steps[-1].is_fork


@pytest.mark.parametrize("reason", ["crash-recovery", "crash"])
def test_a_presumed_exit_is_revoked_by_a_sign_of_life(reason: str) -> None:
    a = block("running", 1)
    mark = block("exit", 2, a, exit_code=-1, exit_reason=reason, actor=ACTOR_B)
    beat = block("running", 3, a, last_heartbeat_ts=T0 + 3)
    life = live(a, mark, beat)
    assert life.state.state == "running"
    assert life.steps[-1].is_legal


def test_presumed_exit_of_a_fast_clock_is_late() -> None:
    a = block("running", 1)
    beat = block("running", 3, a)
    mark = block("exit", 300_000, a, exit_code=-1, exit_reason="crash-recovery", actor=ACTOR_B)
    life = live(a, beat, mark)
    assert life.state.state == "running"
    assert _states(life)[-1] == ("exit", True)
    assert live(a, mark).state.state == "exit"


def test_presumed_exit_of_brat_follows_the_clock() -> None:
    a = block("running", 1)
    mark = block("exit", 3, exit_code=-1, exit_reason="crash-recovery", actor=ACTOR_B)
    assert live(a, block("running", 2, a), mark).state.state == "exit"
    assert live(a, mark, block("running", 4, a)).state.state == "running"
    assert live(a, block("exit", 2, a, exit_code=0), mark).state.exit_code == 0


def test_presumed_exit_is_legally_followed_as_the_state_before() -> None:
    a = block("ready", 1)
    mark = block("exit", 2, a, exit_code=-1, exit_reason="crash", actor=ACTOR_B)
    for state, is_legal in (("running", True), ("exit", True), ("handoff", False)):
        life = live(a, mark, block(state, 3, mark, exit_code=0 if state == "exit" else None))
        assert (life.state.state, life.steps[-1].is_legal) == (state, is_legal)
        assert life.base == state
    again = block("exit", 3, mark, exit_code=-1, exit_reason="crash")
    assert not live(a, mark, again).steps[-1].is_legal
    assert live(mark).base == "running"


def test_a_reported_exit_is_not_revoked_by_a_presumed_one() -> None:
    a = block("running", 1)
    real = block("exit", 2, a, exit_code=0, exit_reason="completed")
    mark = block("exit", 3, a, exit_code=-1, exit_reason="crash-recovery", actor=ACTOR_B)
    assert live(a, real, mark).state.exit_code == 0
    assert live(a, mark, real).state.exit_code == 0


@st.composite
def forked_logs(draw: st.DrawFn) -> list[Event]:
    """Draws the blocks of one session as two clones could have written them."""
    blocks: list[Event] = []
    for number in range(draw(st.integers(1, 8))):
        parent = draw(st.none() | st.sampled_from(blocks)) if blocks else None
        state = draw(st.sampled_from(STATES))
        is_mark = state == "exit" and draw(st.booleans())
        blocks.append(
            block(
                state,
                draw(st.integers(0, 6)),
                parent,
                actor=draw(st.sampled_from([ACTOR_A, ACTOR_B])),
                pid=number,
                exit_code=-1 if is_mark else None,
                exit_reason="crash-recovery" if is_mark else None,
                last_heartbeat_ts=draw(st.none() | st.integers(T0, T0 + 9)),
            )
        )
    return blocks


@given(forked_logs(), st.randoms(use_true_random=False))
@settings(max_examples=400)
def test_no_order_of_arrival_and_no_repetition_changes_the_answer(
    blocks: list[Event], chance: random.Random
) -> None:
    expected = live(*blocks)
    shuffled = list(blocks)
    chance.shuffle(shuffled)
    found = live(*shuffled)
    assert found.state == expected.state
    assert [s.event.event_id for s in found.steps] == [s.event.event_id for s in expected.steps]


@given(forked_logs())
@settings(max_examples=400)
def test_the_rule_is_the_designs_spelled_out(blocks: list[Event]) -> None:
    """Checks the quick fold against the design's four conditions with ancestors walked in full."""
    life = live(*blocks)
    by_id = {step.event.event_id: step for step in life.steps}
    current = None
    for step in life.steps:
        if current is None:
            current = step
            assert not step.is_late
            continue
        ancestors, parent = set(), step.event.parent
        while parent in by_id:
            ancestors.add(parent)
            parent = by_id[parent].event.parent
        rank = STATES.index
        takes_over = (
            current.event.event_id in ancestors
            or (step.event.parent is None and current.state.state != "exit")
            or (current.state.is_presumed_exit and not step.state.is_presumed_exit)
            or (
                rank(step.state.state) > rank(current.state.state)
                and not (step.state.is_presumed_exit and step.event.parent)
            )
        )
        assert takes_over != step.is_late
        if takes_over:
            current = step
    assert life.current is current


class _Clone:
    """Play a clone of one session's log, with a clock of its own."""

    def __init__(self, actor: bytes, skew: int, start: Event) -> None:
        self.actor = actor
        self.skew = skew
        self.events = {start.event_id: start}

    @property
    def life(self) -> Life:
        return live(*self.events.values())

    def record(self, now: int, state: str, **changes: Any) -> Event:
        """Record what `plan` plans from what this clone knows."""
        planned = plan_state(self.life, state, is_forced=False, changes=changes, extras={})
        issue = fold_issue(ISSUE, [created(), *self.events.values()])
        comment_draft = plan_block(issue, self.life, planned, None)[0]
        ts = next_timestamp(T0 + now + self.skew, self.events.values()) - T0
        made = event(
            comment_draft.kind,
            comment_draft.payload,
            ts,
            self.actor,
            parent=comment_draft.parent,
        )
        self.events[made.event_id] = made
        # Who records knows at once that it counts, and that nothing was forced.
        current = self.life.current
        assert current is not None
        assert (current.event, current.is_legal) == (made, True)
        return made


@st.composite
def presumed_lives(draw: st.DrawFn) -> tuple[list[_Clone], list[Event], list[Event]]:
    """Draw clones whose clocks differ: the first one's session speaks, the others presume it dead.

    Gives the session's own words and the presumptions with them, each in the order they came.
    """
    minutes = st.integers(-5, 5).map(lambda number: number * 60_000)
    start = block("spawned", 0)
    actors = (ACTOR_A, ACTOR_B, b"\xcc" * 16)[: draw(st.integers(2, 3))]
    clones = [_Clone(actor, draw(minutes), start) for actor in actors]
    words, marks = [start], []
    steps = st.tuples(st.sampled_from(("say", "presume", "send")), st.permutations(clones))
    for number, (what, (one, other, *_)) in enumerate(draw(st.lists(steps, max_size=12)), 1):
        now = number * 1000
        if what == "send":
            other.events |= one.events
        elif what == "presume" and one is not clones[0] and one.life.state.state != "exit":
            change = {"exit_code": -1, "exit_reason": "crash-recovery"}
            marks.append(one.record(now, "exit", **change))
        elif what == "say":
            life = clones[0].life
            assert life.base is not None
            choices = next_states(life.base)
            if not choices:
                continue  # it has told its end
            state = draw(st.sampled_from(choices))
            change = {"exit_code": 0, "exit_reason": "completed"} if state == "exit" else {}
            words.append(clones[0].record(now, state, pid=number, **change))
    return clones, words, marks


@given(presumed_lives(), st.randoms(use_true_random=False))
@settings(max_examples=500)
def test_presumed_exit_never_outlives_a_word_it_did_not_know(
    played: tuple[list[_Clone], list[Event], list[Event]], chance: random.Random
) -> None:
    clones, words, marks = played
    arrived = list({k: v for clone in clones for k, v in clone.events.items()}.values())
    parents = {it.event_id: it.parent for it in arrived}
    last = words[-1]
    marked = [it for it in marks if last.event_id in _ancestors(it, parents)]
    lives = []
    for _ in range(3):
        chance.shuffle(arrived)
        lives.append(live(*arrived))
    found = lives[0]
    assert all(life.state == found.state for life in lives)
    assert found.current is not None
    # The session's last word counts, or a presumption made in knowledge of it.
    assert found.current.event in (marked or [last])
    if not marked:
        assert found.state.is_presumed_exit is False


def _ancestors(event: Event, parents: dict[bytes, bytes | None]) -> set[bytes]:
    found, parent = set(), event.parent
    while parent is not None:
        found.add(parent)
        parent = parents.get(parent)
    return found


@given(forked_logs())
def test_every_block_that_came_stands_in_the_history_once(blocks: list[Event]) -> None:
    life = live(*blocks)
    assert {step.event.event_id for step in life.steps} == {b.event_id for b in blocks}


def test_two_sessions_of_one_issue_are_told_apart() -> None:
    issue = fold_issue(
        ISSUE,
        [created(), block("running", 1), block("spawned", 2, session_id="s-20261122-0002")],
    )
    lives = fold_sessions(issue).lives
    assert {name: life.state.state for name, life in lives.items()} == {
        "s-20261122-0001": "running",
        "s-20261122-0002": "spawned",
    }


def test_a_block_that_does_not_parse_is_reported_and_a_mere_mention_is_not() -> None:
    issue = fold_issue(
        ISSUE,
        [
            created(),
            comment('[session]\nstate = "x"\n[/session]', 1),
            comment("speaks of [session] only", 2),
        ],
    )
    sessions = fold_sessions(issue)
    assert sessions.lives == {}
    assert len(sessions.unparsed) == 1


@pytest.mark.parametrize("state", STATES)
def test_exit_is_allowed_from_anywhere_and_nothing_leaves_it(state: str) -> None:
    assert is_allowed(state, "exit") == (state != "exit")
    assert not is_allowed("exit", state)


def test_the_lifecycle_is_the_published_one() -> None:
    allowed = {(a, b) for a in STATES for b in STATES if is_allowed(a, b)}
    beats = {(s, s) for s in STATES if s != "exit"}
    steps = {("spawned", "ready"), ("ready", "running"), ("running", "handoff")}
    exits = {(s, "exit") for s in STATES if s != "exit"}
    assert allowed == beats | steps | exits


@given(st.integers(0, 2**31))
def test_a_long_chain_folds_without_recursion(seed: int) -> None:
    chance = random.Random(seed)
    blocks = [block("spawned", 1)]
    for number in range(2, 60):
        blocks.append(block("running", number, blocks[-1], pid=number))
    chance.shuffle(blocks)
    assert live(*blocks).state.pid == 59
