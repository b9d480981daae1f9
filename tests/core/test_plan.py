"""What one command appends: only what changes something, at a time that keeps the order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.core.fold import plan
from git_session.core.fold.issues import Issue, fold_issue
from git_session.core.fold.lifecycle import TASK_STATUSES, next_states, next_statuses
from git_session.core.fold.plan import DAY_MS, Draft, next_timestamp
from git_session.core.fold.sessions import fold_sessions
from git_session.core.wire import event as kinds
from git_session.core.wire.block import (
    SessionState,
    parse_block,
)
from git_session.core.wire.event import Event, build_event
from git_session.core.wire.words import STATES
from git_session.errors import ConflictError, TransitionError, UsageError, WireError
from tests.support.events import ACTOR_A, ISSUE, T0, block, comment, created, event, live


def issue_with(*labels: str) -> Issue:
    """Makes an issue that has these labels and no comment."""
    return fold_issue(ISSUE, [created(0, *labels)])


def state_of(state: str = "spawned", **fields: Any) -> SessionState:
    """Makes a session's state, plain where `fields` does not say otherwise."""
    values: dict[str, Any] = {
        "session_id": "s-20261122-0001",
        "role": "user",
        "session_type": "crew",
        "engine": "codex",
        "worktree": "",
        "started_ts": T0,
        **fields,
    }
    return SessionState(state=state, **values)


def labels_of(drafts: list[Draft]) -> list[tuple[str, str]]:
    """Gives the label events among drafts, as sign and label."""
    signs = {kinds.LABEL_ADDED: "+", kinds.LABEL_REMOVED: "-"}
    return sorted((signs[d.kind], d.payload[0]) for d in drafts if d.kind in signs)


# -- when


def test_an_event_is_later_than_all_others_of_its_issue() -> None:
    assert next_timestamp(T0, []) == T0
    assert next_timestamp(T0 + 5, [created(0), comment("x", 4)]) == T0 + 5
    assert next_timestamp(T0 + 5, [created(0), comment("x", 5)]) == T0 + 6
    assert next_timestamp(T0 + 5, [comment("x", 900), created(0)]) == T0 + 901


def test_a_clock_that_is_a_day_ahead_still_counts_and_one_beyond_does_not() -> None:
    assert next_timestamp(T0, [comment("x", DAY_MS)]) == T0 + DAY_MS + 1
    assert next_timestamp(T0, [comment("x", DAY_MS + 1)]) == T0
    assert next_timestamp(T0, [comment("x", 7), comment("y", DAY_MS + 1)]) == T0 + 8


@given(st.lists(st.integers(-2 * DAY_MS, 2 * DAY_MS), max_size=8))
def test_no_wrong_clock_moves_the_next_event_more_than_a_day(times: list[int]) -> None:
    events = [comment(f"{number}", ts) for number, ts in enumerate(times)]
    planned = next_timestamp(T0, events)
    assert T0 <= planned <= T0 + DAY_MS + 1
    assert all(e.ts < planned or e.ts > T0 + DAY_MS for e in events)


# -- the comment and its labels


def test_a_first_block_brings_all_its_labels_and_names_no_parent() -> None:
    drafts = plan.plan_block(issue_with("type:task"), None, state_of(), None)
    assert drafts[0].kind == kinds.COMMENT_ADDED
    assert drafts[0].parent is None
    assert parse_block(drafts[0].payload[0]) == state_of()
    assert labels_of(drafts) == [
        ("+", "engine:codex"),
        ("+", "session:crew"),
        ("+", "session:spawned"),
    ]


def test_a_beat_is_one_comment_and_no_label() -> None:
    issue = issue_with("engine:codex", "session:crew", "session:running", "status:running")
    drafts = plan.plan_block(issue, None, state_of("running"), None)
    assert [draft.kind for draft in drafts] == [kinds.COMMENT_ADDED]


def test_a_transition_replaces_the_one_label_that_changes() -> None:
    issue = issue_with("engine:codex", "session:crew", "session:spawned")
    drafts = plan.plan_block(issue, None, state_of("ready"), None)
    assert labels_of(drafts) == [("+", "session:ready"), ("-", "session:spawned")]


def test_contradicting_labels_are_cleared_and_foreign_ones_kept() -> None:
    issue = issue_with(
        *("session:spawned", "session:exit", "session:polecat", "session:other"),
        *("engine:claude", "status:queued", "bug"),
    )
    drafts = plan.plan_block(issue, None, state_of("running"), None)
    assert labels_of(drafts) == [
        ("+", "engine:codex"),
        ("+", "session:crew"),
        ("+", "session:running"),
        ("-", "session:exit"),
        ("-", "session:polecat"),
        ("-", "session:spawned"),
    ]


LABELS = st.sets(
    st.sampled_from(
        [f"session:{word}" for word in (*STATES, "polecat", "crew", "odd")]
        + ["engine:codex", "engine:claude", "task:t-1", "status:running"]
    )
)


@given(LABELS, st.sampled_from(STATES), st.sampled_from(["polecat", "crew"]))
def test_after_a_transition_the_labels_say_what_the_block_says(
    labels: set[str], state: str, kind: str
) -> None:
    """Carried out in any order, as one commit's events are, and no event is without effect."""
    issue = issue_with(*labels)
    drafts = plan.plan_block(issue, None, state_of(state, session_type=kind), None)
    after = set(issue.labels)
    for sign, label in labels_of(drafts):
        assert (label in after) == (sign == "-"), "an event that changes nothing"
        after ^= {label}
    words = {"session:" + word for word in (*STATES, "polecat", "crew")}
    assert after & words == {f"session:{state}", f"session:{kind}"}
    assert "engine:codex" in after
    assert after - words - {"engine:codex"} == labels - words - {"engine:codex"}


def test_a_block_names_the_current_block_as_its_parent() -> None:
    a = block("spawned", 1)
    b = block("ready", 2, a)
    late = block("spawned", 3, a)
    life = live(a, b, late)
    drafts = plan.plan_block(issue_with(), life, state_of("running"), None)
    assert drafts[0].parent == b.event_id


def test_a_note_stands_behind_the_block_and_cannot_hold_one() -> None:
    drafts = plan.plan_block(issue_with(), None, state_of(), 'state = "exit"\nand [brackets]')
    text = drafts[0].payload[0]
    assert text.endswith('[/session]\nstate = "exit"\nand [brackets]')
    assert parse_block(text) == state_of()
    for mark in ("[session]", "[/session]"):
        with pytest.raises(UsageError, match="note"):
            plan.plan_block(issue_with(), None, state_of(), f"ha {mark}")


def test_a_key_that_could_pass_for_another_is_refused() -> None:
    for key in ("state", "escape", "Attr", "a b", "", "attr-x"):
        with pytest.raises(WireError):
            plan.plan_block(issue_with(), None, state_of(extras={key: "x"}), None)


# -- the state


def advance(*events: Event, to: str, force: bool = False, **changes: Any) -> SessionState:
    """Plans the step of the session that these blocks tell of."""
    return plan.plan_state(live(*events), to, is_forced=force, changes=changes, extras={})


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_a_step_is_planned_if_allowed_and_else_refused_with_what_is(
    before: str, after: str
) -> None:
    told = block(before, 1, exit_code=0 if before == "exit" else None)
    if after in next_states(before):
        assert advance(told, to=after).state == after
        return
    with pytest.raises(TransitionError) as caught:
        advance(told, to=after)
    assert caught.value.exit_code == 4
    said = f"{caught.value.message} {caught.value.hint}"
    assert "--force" in said
    if before == "exit":
        assert "already exited" in said
    else:
        assert f"from {before} to {after}" in said
        assert f"allowed from {before}: {', '.join(next_states(before))}" in said
    assert advance(told, to=after, force=True).state == after


def test_a_step_keeps_what_it_does_not_change() -> None:
    told = block("ready", 1, pid=7, worktree="w", last_heartbeat_ts=T0, extras={"attr_x": 1})
    after = plan.plan_state(
        live(told), "running", is_forced=False, changes={"pid": 8}, extras={"attr_y": "z"}
    )
    assert (after.state, after.pid, after.worktree) == ("running", 8, "w")
    assert after.last_heartbeat_ts == T0
    assert after.extras == {"attr_x": 1, "attr_y": "z"}


def test_a_refused_exit_tells_how_the_session_ended() -> None:
    with pytest.raises(TransitionError, match=r"already exited \(code 3, crash\)"):
        advance(block("exit", 1, exit_code=3, exit_reason="crash"), to="exit")
    with pytest.raises(TransitionError, match=r"already exited$"):
        advance(block("exit", 1), to="running")


def test_a_forced_reopening_is_no_exit_any_more() -> None:
    ended = block("exit", 1, exit_code=3, exit_reason="crash", last_output_ref="sha256:00", pid=9)
    after = advance(ended, to="running", force=True)
    assert (after.exit_code, after.exit_reason, after.last_output_ref) == (None, None, None)
    assert after.pid == 9


def test_a_forced_second_exit_keeps_what_it_does_not_tell_anew() -> None:
    ended = block("exit", 1, exit_code=3, exit_reason="crash", last_output_ref="sha256:00")
    after = advance(ended, to="exit", force=True, exit_code=0, exit_reason="completed")
    assert (after.exit_code, after.exit_reason) == (0, "completed")
    assert after.last_output_ref == "sha256:00"


# -- tasks


def test_a_task_status_replaces_the_one_before_it() -> None:
    drafts = plan.plan_status(issue_with("status:queued", "bug"), "running", is_forced=False)
    assert labels_of(drafts) == [("+", "status:running"), ("-", "status:queued")]


def test_the_status_that_a_task_has_already_changes_nothing() -> None:
    assert plan.plan_status(issue_with("status:running"), "running", is_forced=False) == []


def test_of_several_status_labels_one_is_left() -> None:
    issue = issue_with("status:queued", "status:running", "status:odd")
    drafts = plan.plan_status(issue, "running", is_forced=True)
    assert labels_of(drafts) == [("-", "status:odd"), ("-", "status:queued")]


@pytest.mark.parametrize("before", TASK_STATUSES)
@pytest.mark.parametrize("after", TASK_STATUSES)
def test_a_status_is_planned_if_allowed_and_else_refused_with_what_is(
    before: str, after: str
) -> None:
    issue = issue_with(f"status:{before}")
    if after == before or after in next_statuses(before):
        plan.plan_status(issue, after, is_forced=False)
        return
    with pytest.raises(TransitionError) as caught:
        plan.plan_status(issue, after, is_forced=False)
    assert f"from {before} to {after}" in caught.value.message
    hint = caught.value.hint or ""
    assert all(status in hint for status in next_statuses(before) or ("none: it is final",))
    assert plan.plan_status(issue, after, is_forced=True)


def test_the_ways_of_a_task_are_brats() -> None:
    ways = {(a, b) for a in TASK_STATUSES for b in next_statuses(a)}
    dropped = {(status, "dropped") for status in ("queued", "running", "blocked", "needs-review")}
    assert ways == dropped | {
        ("queued", "running"),
        ("running", "blocked"),
        ("running", "needs-review"),
        ("blocked", "running"),
        ("needs-review", "merged"),
        ("needs-review", "blocked"),
    }


@pytest.mark.parametrize("label", ["status:odd", "bug"])
def test_a_task_of_no_known_status_may_take_any(label: str) -> None:
    for status in TASK_STATUSES:
        assert plan.plan_status(issue_with(label), status, is_forced=False)


def statuses_at(ts: int, *moves: str) -> list[Event]:
    """Makes the label events of one moment: `+running`, `-queued`."""
    signs = {"+": kinds.LABEL_ADDED, "-": kinds.LABEL_REMOVED}
    return [event(signs[move[0]], [f"status:{move[1:]}"], ts) for move in moves]


def keep_status(status: str, events: list[Event]) -> list[Draft]:
    """Plans a status at T0, forced, on the issue of these events."""
    issue = fold_issue(ISSUE, events)
    drafts = plan.plan_status(issue, status, is_forced=True)
    return plan.keep_effective(issue, status, drafts, events, T0)


def test_status_set_by_a_clock_within_a_day_is_changed() -> None:
    events = [created(0, "status:queued"), *statuses_at(DAY_MS, "-queued", "+running")]
    assert labels_of(keep_status("blocked", events)) == [
        ("+", "status:blocked"),
        ("-", "status:running"),
    ]


@pytest.mark.parametrize("status", ["blocked", "queued", "dropped"])
def test_status_set_by_a_clock_far_ahead_is_refused(status: str) -> None:
    future = 2 * DAY_MS
    events = [created(0, "status:queued"), *statuses_at(future, "-queued", "+running")]
    with pytest.raises(ConflictError) as caught:
        keep_status(status, events)
    assert "would still be running: actor aaaaaaaa dated that" in caught.value.message
    assert caught.value.exit_code == 4
    assert keep_status("running", events) == []


def test_status_removed_by_a_clock_far_ahead_is_refused() -> None:
    events = [created(0, "status:running"), *statuses_at(2 * DAY_MS, "-running", "-blocked")]
    with pytest.raises(ConflictError) as caught:
        keep_status("blocked", events)
    assert "without a status" in caught.value.message
    assert labels_of(keep_status("queued", events)) == [("+", "status:queued")]


def test_status_drafts_without_effect_are_left_out() -> None:
    events = [created(), *statuses_at(2 * DAY_MS, "+queued"), *statuses_at(3 * DAY_MS, "+running")]
    assert fold_issue(ISSUE, events).status == "running"
    assert keep_status("running", events) == []


def test_a_comment_cannot_pass_for_a_session() -> None:
    assert plan.plan_comment("see [1]\n").payload == ["see [1]\n"]
    for text in ("", " \n", "[session]", "x [/session] y"):
        with pytest.raises(UsageError):
            plan.plan_comment(text)


def test_a_new_task_is_one_that_brat_knows() -> None:
    draft = plan.plan_task("Title", "Body", "t-20261122-4f1c", "c-20261122-0001")
    assert draft == Draft(
        kinds.ISSUE_CREATED,
        [
            "Title",
            "Body",
            ["convoy:c-20261122-0001", "status:queued", "task:t-20261122-4f1c", "type:task"],
        ],
    )
    issue = fold_issue(ISSUE, [build_event(ISSUE, ACTOR_A, T0, draft.kind, draft.payload)])
    assert issue.is_task
    assert (issue.task_id, issue.status) == ("t-20261122-4f1c", "queued")
    assert plan.plan_task("T", "", "t-1", None).payload[2] == [
        "status:queued",
        "task:t-1",
        "type:task",
    ]


def test_what_is_planned_reads_back_as_planned() -> None:
    """The drafts of a life, made events, fold to exactly the states that were planned."""
    events = [created(0, "type:task")]
    planned: list[SessionState] = []
    for number, word in enumerate(("spawned", "ready", "running", "running", "handoff", "exit")):
        issue = fold_issue(ISSUE, events)
        life = next(iter(fold_sessions(issue).lives.values()), None)
        state = (
            state_of()
            if life is None
            else plan.plan_state(life, word, is_forced=False, changes={"pid": number}, extras={})
        )
        planned.append(state)
        ts = next_timestamp(T0, events) - T0
        drafts = plan.plan_block(issue, life, state, "a note")
        events += [event(d.kind, d.payload, ts, parent=d.parent) for d in drafts]
    issue = fold_issue(ISSUE, events)
    (life,) = fold_sessions(issue).lives.values()
    assert [step.state for step in life.steps] == planned
    assert not any(step.is_late or step.is_fork or not step.is_legal for step in life.steps)
    assert {label for label in issue.labels if label.startswith("session:")} == {
        "session:crew",
        "session:exit",
    }
