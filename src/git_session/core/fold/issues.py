"""From events to issues: one issue's events folded in the order (ts, actor, event_id).

Source: the grite store format, section "From events to issues".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from git_session.core.wire import event as kinds
from git_session.core.wire import names
from git_session.core.wire.event import Event


@dataclass(slots=True)
class Issue:
    """Holds an issue as its events tell it; times are ms since the epoch.

    `labels` maps each label to the number of the event that added it last. `is_created` is
    False for events whose IssueCreated never came: they are kept, but make no issue.
    """

    issue_id: bytes
    title: str = ""
    body: str = ""
    state: str = "open"
    labels: dict[str, int] = field(default_factory=dict)
    assignees: dict[str, None] = field(default_factory=dict)
    dependencies: dict[tuple[bytes, str], None] = field(default_factory=dict)
    comments: list[Event] = field(default_factory=list)
    links: list[tuple[str, str | None]] = field(default_factory=list)
    attachments: list[tuple[str, bytes, str]] = field(default_factory=list)
    created_ts: int = 0
    updated_ts: int = 0
    is_created: bool = False
    early: list[Event] = field(default_factory=list)
    created_again: list[Event] = field(default_factory=list)

    @property
    def hex(self) -> str:
        """Return the issue id as 32 hex digits."""
        return self.issue_id.hex()

    @property
    def task_id(self) -> str:
        """Return the task id of the newest `task:` label, or the issue's own id without one."""
        return self.newest_label(names.TASK_LABEL) or self.hex

    @property
    def status(self) -> str | None:
        """Return the task status of the newest `status:` label, or None without one."""
        return self.newest_label(names.STATUS_LABEL)

    @property
    def convoy_id(self) -> str | None:
        """Return the convoy of the newest `convoy:` label, or None without one."""
        return self.newest_label(names.CONVOY_LABEL)

    @property
    def is_task(self) -> bool:
        """Return whether brat would call this issue a task."""
        return (
            names.TYPE_TASK_LABEL in self.labels or self.newest_label(names.TASK_LABEL) is not None
        )

    @property
    def is_convoy(self) -> bool:
        """Return whether this issue is a convoy."""
        return names.TYPE_CONVOY_LABEL in self.labels

    def newest_label(self, prefix: str) -> str | None:
        """Return what follows `prefix` in the label added last; of equals the larger name."""
        found = [
            (number, label) for label, number in self.labels.items() if label.startswith(prefix)
        ]
        return max(found)[1][len(prefix) :] if found else None


def fold_issue(issue_id: bytes, events: Iterable[Event]) -> Issue:
    """Fold the events of one issue, whatever order they come in.

    The smallest IssueCreated counts first whatever its clock said; events that stand before
    it in the fold order are noted in `early`, further creations in `created_again`.
    """
    ordered = sorted(events, key=_fold_order)
    issue = Issue(issue_id)
    first = next((e for e in ordered if e.kind == kinds.ISSUE_CREATED), None)
    if first is not None:
        _create(issue, first)
    has_begun = first is None
    for number, event in enumerate(ordered, 1):
        if event is first:
            has_begun = True
        elif event.kind == kinds.ISSUE_CREATED:
            issue.created_again.append(event)
        else:
            if not has_begun:
                issue.early.append(event)
            _apply(issue, event, number)
    return issue


def is_issue_event(event: Event) -> bool:
    """Return whether an event belongs to an issue; context events use derived ids."""
    return event.kind not in (kinds.CONTEXT_UPDATED, kinds.PROJECT_CONTEXT_UPDATED)


def _fold_order(event: Event) -> tuple[int, bytes, bytes]:
    return (event.ts, event.actor, event.event_id)


def _create(issue: Issue, event: Event) -> None:
    assert event.payload is not None
    title, body, labels = event.payload
    issue.title, issue.body = title, body
    issue.labels = dict.fromkeys(labels, 0)
    issue.created_ts = issue.updated_ts = event.ts
    issue.is_created = True


def _apply(issue: Issue, event: Event, number: int) -> None:
    assert event.payload is not None
    issue.updated_ts = max(issue.updated_ts, event.ts)
    if event.kind == kinds.COMMENT_ADDED:
        issue.comments.append(event)
    elif event.kind == kinds.LABEL_ADDED:
        issue.labels[event.payload[0]] = number
    elif event.kind == kinds.LABEL_REMOVED:
        issue.labels.pop(event.payload[0], None)
    else:
        _RARE[event.kind](issue, event.payload)


def _update(issue: Issue, payload: list[Any]) -> None:
    title, body = payload
    issue.title = issue.title if title is None else title
    issue.body = issue.body if body is None else body


def _change_state(issue: Issue, payload: list[Any]) -> None:
    issue.state = payload[0]


def _add_link(issue: Issue, payload: list[Any]) -> None:
    issue.links.append((payload[0], payload[1]))


def _add_assignee(issue: Issue, payload: list[Any]) -> None:
    issue.assignees[payload[0]] = None


def _remove_assignee(issue: Issue, payload: list[Any]) -> None:
    issue.assignees.pop(payload[0], None)


def _attach(issue: Issue, payload: list[Any]) -> None:
    issue.attachments.append((payload[0], payload[1], payload[2]))


def _add_dependency(issue: Issue, payload: list[Any]) -> None:
    issue.dependencies[(payload[0], payload[1])] = None


def _remove_dependency(issue: Issue, payload: list[Any]) -> None:
    issue.dependencies.pop((payload[0], payload[1]), None)


_RARE: Final[dict[int, Callable[[Issue, list[Any]], None]]] = {
    kinds.ISSUE_UPDATED: _update,
    kinds.STATE_CHANGED: _change_state,
    kinds.LINK_ADDED: _add_link,
    kinds.ASSIGNEE_ADDED: _add_assignee,
    kinds.ASSIGNEE_REMOVED: _remove_assignee,
    kinds.ATTACHMENT_ADDED: _attach,
    kinds.DEPENDENCY_ADDED: _add_dependency,
    kinds.DEPENDENCY_REMOVED: _remove_dependency,
}
