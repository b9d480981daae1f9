"""Plan what to append: the events that one transition or one task command needs.

Everything here is pure: the clock, the actor and the ids are arguments. Of the labels that
brat keeps beside the comment, only those that really change something become events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from git_session.core.fold.issues import Issue, fold_issue
from git_session.core.fold.lifecycle import is_allowed, next_states, next_statuses
from git_session.core.fold.sessions import Life
from git_session.core.wire import event as kinds
from git_session.core.wire import names
from git_session.core.wire.block import (
    CLOSE_MARK,
    OPEN_MARK,
    Extra,
    SessionState,
    format_block,
)
from git_session.core.wire.event import Event
from git_session.core.wire.plain_text import quote_word
from git_session.core.wire.words import SESSION_TYPES, STATES
from git_session.errors import ConflictError, TransitionError, UsageError

DAY_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Draft:
    """Holds an event that has no time, actor and id yet."""

    kind: int
    payload: list[Any]
    parent: bytes | None = None


def next_timestamp(now: int, events: Iterable[Event]) -> int:
    """Return the time of the next event of an issue: now, or one past its newest event.

    Events more than a day ahead of `now` do not count, so that one wrong clock does not
    poison the issue. All times are ms since the epoch.
    """
    newest = max((e.ts for e in events if e.ts <= now + DAY_MS), default=0)
    return max(now, newest + 1)


def plan_block(
    issue: Issue, life: Life | None, state: SessionState, note: str | None
) -> list[Draft]:
    """Plan the comment of one transition and the labels that change with it.

    Raises UsageError when the note holds a mark of a session block.
    """
    parent = life.current.event.event_id if life and life.current else None
    comment = format_block(state)
    if note:
        _refuse_marks(note, "note")
        comment = f"{comment}\n{note}"
    return [Draft(kinds.COMMENT_ADDED, [comment], parent), *_plan_labels(issue, state)]


def plan_state(
    life: Life,
    after: str,
    *,
    is_forced: bool,
    changes: Mapping[str, Any],
    extras: Mapping[str, Extra],
) -> SessionState:
    """Plan the next state of a session; it revokes a presumed exit.

    Raises TransitionError, with the states that are allowed from here, unless forced.
    """
    state = life.state
    known = dict(changes)
    if state.is_exit and after != "exit":
        # A session that goes on has not exited any more.
        known = {"exit_code": None, "exit_reason": None, "last_output_ref": None, **known}
    planned = replace(state, state=after, extras={**state.extras, **extras}, **known)
    before = life.comes_from(planned) or state.state
    if not is_forced and not is_allowed(before, after):
        raise _refuse(life, before, after)
    return planned


def plan_beat(
    life: Life, *, changes: Mapping[str, Any], extras: Mapping[str, Extra]
) -> SessionState:
    """Plan a sign of life: the same state again, or the state before a presumed exit.

    Raises TransitionError for a session that recorded its own exit.
    """
    after = life.base or life.state.state
    return plan_state(life, after, is_forced=False, changes=changes, extras=extras)


def plan_end(
    life: Life, *, changes: Mapping[str, Any], extras: Mapping[str, Extra]
) -> SessionState:
    """Plan an end that was seen, at `last_heartbeat_ts` of the changes; presumptions give way.

    Raises TransitionError when the session recorded its end itself, or its history has this one.
    """
    ended_ts = changes["last_heartbeat_ts"]
    for step in life.steps:
        state = step.state
        if state.is_exit and not state.is_presumed_exit and state.last_heartbeat_ts == ended_ts:
            raise _refuse(life, "exit", "exit")
    return plan_state(life, "exit", is_forced=False, changes=changes, extras=extras)


def plan_status(issue: Issue, status: str, *, is_forced: bool) -> list[Draft]:
    """Plan the label events that move a task to another status.

    Raises TransitionError, with the statuses that are allowed from here, unless forced.
    """
    before = issue.status
    allowed = next_statuses(before)
    if not is_forced and status != before and status not in allowed:
        options = ", ".join(allowed) or "none: it is final"
        raise TransitionError(
            f"task {issue.task_id} cannot go from {before} to {status}",
            f"allowed from {before}: {options}; --force records it anyway",
        )
    wanted = names.STATUS_LABEL + status
    stale = [x for x in issue.labels if x.startswith(names.STATUS_LABEL) and x != wanted]
    drafts = [Draft(kinds.LABEL_REMOVED, [label]) for label in sorted(stale)]
    if wanted not in issue.labels:
        drafts.append(Draft(kinds.LABEL_ADDED, [wanted]))
    return drafts


def keep_effective(
    issue: Issue, status: str, drafts: list[Draft], events: Sequence[Event], now: int
) -> list[Draft]:
    """Give the drafts that bring an issue to `status`; none where they would change no label.

    `events` are those of the issue, `now` is in ms since the epoch. Raises ConflictError when the
    issue would have another status all the same: an event of a clock more than a day ahead sorts
    after the drafts.
    """
    ts = next_timestamp(now, events)
    added = [
        Event(b"", issue.issue_id, b"", ts, draft.parent, draft.kind, draft.payload, None, b"")
        for draft in drafts
    ]
    after = fold_issue(issue.issue_id, [*events, *added])
    if after.status == status:
        return drafts if after.labels.keys() != issue.labels.keys() else []
    last = max(
        (e for e in events if e.ts >= ts and _is_about_status(e)), key=lambda event: event.order
    )
    raise ConflictError(
        f"task {issue.task_id} would still be {after.status or 'without a status'}:"
        f" actor {last.actor.hex()[:8]} dated that {_format_minute(last.ts)}",
        f"a new status counts after {_format_minute(last.ts - DAY_MS)};"
        " git session fsck names the event",
    )


def plan_comment(text: str) -> Draft:
    """Plan a comment. Raises UsageError when it is empty or holds a mark of a session block."""
    if not text.strip():
        raise UsageError("the comment is empty", "git session task comment TASK -m TEXT")
    _refuse_marks(text, "comment")
    return Draft(kinds.COMMENT_ADDED, [text])


def plan_task(title: str, body: str, task_id: str, convoy_id: str | None) -> Draft:
    """Plan the creation of a task with the labels that brat gives one."""
    labels = [
        names.TYPE_TASK_LABEL,
        names.TASK_LABEL + task_id,
        names.STATUS_LABEL + "queued",
    ]
    if convoy_id:
        labels.append(names.CONVOY_LABEL + convoy_id)
    return Draft(kinds.ISSUE_CREATED, [title, body, sorted(labels)])


def _plan_labels(issue: Issue, state: SessionState) -> list[Draft]:
    drafts: list[Draft] = []
    for choices, wanted in ((STATES, state.state), (SESSION_TYPES, state.session_type)):
        for choice in choices:
            label = names.SESSION_LABEL + choice
            if choice == wanted and label not in issue.labels:
                drafts.append(Draft(kinds.LABEL_ADDED, [label]))
            elif choice != wanted and label in issue.labels:
                drafts.append(Draft(kinds.LABEL_REMOVED, [label]))
    engine = names.ENGINE_LABEL + state.engine
    if engine not in issue.labels:
        drafts.append(Draft(kinds.LABEL_ADDED, [engine]))
    return drafts


def _is_about_status(event: Event) -> bool:
    is_label = event.kind in (kinds.LABEL_ADDED, kinds.LABEL_REMOVED)
    return is_label and str((event.payload or [""])[0]).startswith(names.STATUS_LABEL)


def _format_minute(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _refuse_marks(text: str, word: str) -> None:
    if OPEN_MARK in text or CLOSE_MARK in text:
        raise UsageError(
            f"the {word} holds {OPEN_MARK} or {CLOSE_MARK}", "write it without the brackets"
        )


def _refuse(life: Life, before: str, after: str) -> TransitionError:
    state = life.state
    if before == "exit":
        details = ", ".join(
            part
            for part in (f"code {state.exit_code}", state.exit_reason)
            if part and part != "code None"
        )
        return TransitionError(
            f"{life.session_id} has already exited" + (f" ({details})" if details else ""),
            f"git session log {quote_word(life.session_id)} shows its life;"
            " --force records it anyway",
        )
    return TransitionError(
        f"{life.session_id} cannot go from {before} to {after}",
        f"allowed from {before}: {', '.join(next_states(before))}; --force records it anyway",
    )
