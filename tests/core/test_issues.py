"""From events to issues: the fold order decides, and nothing that came is lost."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.core.fold.issues import fold_issue
from git_session.core.wire import event as kinds
from git_session.core.wire.event import Event
from tests.support.events import ACTOR_A, ACTOR_B, ISSUE, T0, comment, created, event


def test_an_issue_is_folded_from_all_kinds_of_events() -> None:
    other = b"\x22" * 16
    issue = fold_issue(
        ISSUE,
        [
            created(0, "bug", "type:task"),
            event(kinds.ISSUE_UPDATED, ["New", None], 1),
            event(kinds.LABEL_ADDED, ["p0"], 2),
            event(kinds.LABEL_REMOVED, ["bug"], 3),
            event(kinds.STATE_CHANGED, ["closed"], 4),
            event(kinds.LINK_ADDED, ["https://example.com", None], 5),
            event(kinds.ASSIGNEE_ADDED, ["alice"], 6),
            event(kinds.ASSIGNEE_ADDED, ["bob"], 7),
            event(kinds.ASSIGNEE_REMOVED, ["alice"], 8),
            event(kinds.ATTACHMENT_ADDED, ["log", b"\1" * 32, "text/plain"], 9),
            event(kinds.DEPENDENCY_ADDED, [other, "blocks"], 10),
            event(kinds.DEPENDENCY_ADDED, [other, "depends_on"], 11),
            event(kinds.DEPENDENCY_REMOVED, [other, "blocks"], 12),
            comment("hello", 13),
        ],
    )
    assert (issue.title, issue.body, issue.state) == ("New", "Body", "closed")
    assert sorted(issue.labels) == ["p0", "type:task"]
    assert list(issue.assignees) == ["bob"]
    assert list(issue.dependencies) == [(other, "depends_on")]
    assert issue.links == [("https://example.com", None)]
    assert issue.attachments == [("log", b"\1" * 32, "text/plain")]
    assert [c.payload for c in issue.comments] == [["hello"]]
    assert (issue.created_ts, issue.updated_ts) == (T0, T0 + 13)


LABELS = st.sampled_from(["status:queued", "status:running", "task:t-1", "x"])
EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda kind, label, ts, actor: event(kind, [label], ts, actor),
            st.sampled_from([kinds.LABEL_ADDED, kinds.LABEL_REMOVED]),
            LABELS,
            st.integers(-3, 5),
            st.sampled_from([ACTOR_A, ACTOR_B]),
        ),
        st.builds(comment, st.text(max_size=3), st.integers(-3, 5)),
        st.builds(
            lambda title, ts: event(kinds.ISSUE_UPDATED, [title, None], ts),
            st.text(max_size=3),
            st.integers(-3, 5),
        ),
    ),
    max_size=12,
)


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(events: list[Event], chance: random.Random) -> None:
    shuffled = [created(), *events]
    expected = fold_issue(ISSUE, shuffled)
    chance.shuffle(shuffled)
    assert fold_issue(ISSUE, shuffled) == expected


def test_events_before_the_creation_count_and_are_noted() -> None:
    early = comment("from a slow clock", -10)
    issue = fold_issue(ISSUE, [early, event(kinds.LABEL_REMOVED, ["bug"], -5), created(0, "bug")])
    assert issue.comments == [early]
    assert len(issue.early) == 2
    assert "bug" not in issue.labels
    assert issue.is_created


def test_an_issue_that_was_never_created_is_kept_aside_not_lost() -> None:
    issue = fold_issue(ISSUE, [comment("orphan", 1)])
    assert not issue.is_created
    assert len(issue.comments) == 1
    assert issue.early == []


def test_the_smallest_creation_counts_and_a_second_is_noted() -> None:
    second = event(kinds.ISSUE_CREATED, ["Second", "", []], 5)
    issue = fold_issue(ISSUE, [second, created(0)])
    assert issue.title == "Title"
    assert issue.created_again == [second]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ([], "queued"),
        ([(4, "status:running")], "running"),
        ([(4, "status:running"), (5, "status:running")], "queued"),
        ([(4, "status:running"), (4, "status:queued")], "queued"),
        ([(4, "status:running"), (4, "status:queued"), (4, "status:running")], "running"),
        ([(5, "status:queued")], None),
    ],
)
def test_of_several_status_labels_the_one_added_last_counts(
    changes: list[tuple[int, str]], status: str | None
) -> None:
    events = [event(kind, [label], number) for number, (kind, label) in enumerate(changes, 1)]
    assert fold_issue(ISSUE, [created(0, "status:queued"), *events]).status == status


def test_labels_of_one_moment_tie_to_the_larger_name() -> None:
    issue = fold_issue(
        ISSUE, [created(0, "status:queued", "status:running", "task:t-1", "task:t-2")]
    )
    assert (issue.status, issue.task_id) == ("running", "t-2")


def test_an_issue_without_a_task_label_is_its_own_task() -> None:
    assert fold_issue(ISSUE, [created()]).task_id == ISSUE.hex()
