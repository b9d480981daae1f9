"""`git session repair`: what is damaged here, and can be had from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from git_session.cli.opening import find_here
from git_session.cli.options import Settings, command, completes
from git_session.cli.ui.output import print_data, print_line
from git_session.cli.ui.progress import Progress
from git_session.cli.ui.streams import say
from git_session.cli.ui.text import count
from git_session.core.wire.plain_text import quote_word

Row = Mapping[str, Any]

_MOST_LINES: Final = 20
_FOUND: Final = ("objects", "events", "damage", "lost_events")


@command(
    "repair",
    "git session repair",
    "git session repair --apply",
    "git session repair --from origin --apply --json",
)
@click.option(
    "--from",
    "remote",
    metavar="REMOTE",
    shell_complete=completes("remote"),
    help="Fetch everything REMOTE has, as one more copy.",
)
@click.option(
    "--apply", "is_applied", is_flag=True, help="Repair, instead of only showing the plan."
)
def repair_command(settings: Settings, remote: str | None, is_applied: bool) -> int:
    """Restore damaged or missing parts of the log from other copies.

    It searches other refs, snapshots, remote-tracking refs, reflogs and unreachable commits, and
    with --from a remote. An object is restored as it was if its hash proves it. Other events are
    appended in one commit.

    If an object is lost for good, git gc and git push fail on the whole log. Then the sound events
    become one commit on the remote's log, or else on the newest commit below the loss, and that
    commit replaces the head. The old head is kept in git-session/old-heads.

    For a broken ref it prints the command to type. The exit code is 1 if something is still
    missing, or if a command is left to type.
    """
    from git_session.git.repository.objects import ObjectStore
    from git_session.health.repair.plan import apply_repair, plan_repair, report_row

    store = ObjectStore.open(find_here())
    progress = Progress("looked through", patience=0)
    try:
        plan = plan_repair(store, remote=remote, on_progress=progress.show)
    finally:
        progress.clear()
    applied = apply_repair(store, plan) if is_applied else None
    row = report_row(store, plan, applied, done=is_applied)
    if settings.is_json:
        print_data(row)
    else:
        for line in _describe(row):
            print_line(line)
    for line in _say_next(row, remote):
        say(line)
    if row["rebuild"] and row["commit"]:
        return 0
    return 1 if row["head_command"] or row["damage"] or row["lost_events"] else 0


def _describe(row: Row) -> Iterator[str]:
    done = row["is_applied"]
    if row["head_state"] == "missing" and row["candidates"]:
        best = row["candidates"][0]
        verb = "made" if done else "can be made"
        yield f"refs/grite/wal {verb}: {best['commit']} ({_describe_candidate(best)})"
    if row["objects"]:
        verb = "put back" if done else "can be put back"
        yield f"{count(row['objects'], 'object')} {verb}, byte for byte"
    if row["rebuild"]:
        yield _describe_rebuild(row)
    if row["events"]:
        where = "found elsewhere" if row["rebuild"] else "can be appended"
        if row["commit"]:
            where = f"recorded again in {row['commit'][:7]}"
        yield f"{count(len(row['events']), 'event')} {where}:"
        yield from (_describe_event(event) for event in row["events"][:_MOST_LINES])
        if len(row["events"]) > _MOST_LINES:
            yield f"  and {len(row['events']) - _MOST_LINES} more"
    for finding in row["damage"][:_MOST_LINES]:
        yield f"lost: {finding['message']} (commit {(finding['commit'] or '-')[:12]})"
    for event_id in row["lost_events"][:_MOST_LINES]:
        yield f"lost: event {event_id[:12]}"


def _describe_rebuild(row: Row) -> str:
    rebuild = row["rebuild"]
    base = f"{rebuild['base'][:7]} ({rebuild['source']})" if rebuild["base"] else "no commit"
    what = f"{count(rebuild['events'], 'event')} on {base}"
    if not row["commit"]:
        return f"refs/grite/wal can move to a new commit: {what}"
    return f"refs/grite/wal moved from {row['head'][:7]} to {row['commit'][:7]}: {what}"


def _describe_candidate(candidate: Row) -> str:
    return f"{count(candidate['events'], 'event')}, from {candidate['source']}"


def _describe_event(event: Row) -> str:
    place = f"from {event['source']} (commit {event['found_in'][:7]})"
    return f"  {event['event_id'][:12]} {event['kind']} by {event['actor'][:8]}, {place}"


def _say_next(row: Row, remote: str | None) -> Iterator[str]:
    if row["head_state"] == "none":
        yield "there is no log here, and nothing of one"
    elif row["head_command"]:
        yield "the log's ref is broken and is left as it is; these could be its head:"
        yield from (f"  {c['commit']} ({_describe_candidate(c)})" for c in row["candidates"])
        yield f"hint: {row['head_command']}"
    elif row["head_state"] == "sound" and not any(row[key] for key in _FOUND):
        yield "there is nothing to repair"
    yield from _say_rebuild(row)
    has_more = row["objects"] or row["events"] or row["rebuild"] or row["head_state"] == "missing"
    asked = "" if remote is None else f"--from {quote_word(remote)} "
    name = quote_word(row["ask"]) if row["ask"] else "REMOTE"
    ask = f"git session repair --from {name} looks at what a remote has"
    if has_more and not row["is_applied"] and row["head_state"] != "unreadable":
        first = f"{ask}; " if row["rebuild"] and remote is None else ""
        yield f"hint: {first}git session repair {asked}--apply does it"
    elif (row["damage"] or row["lost_events"]) and not row["rebuild"]:
        yield f"hint: {ask}"


def _say_rebuild(row: Row) -> Iterator[str]:
    rebuild = row["rebuild"]
    if not rebuild:
        return
    for ref in rebuild["held_by"]:
        yield f"warning: {ref} leads to what is lost: git gc fails until that ref is gone"
        yield f"hint: git update-ref -d {quote_word(ref)}"
    if row["commit"]:
        yield "the old head is noted in the git directory, in git-session/old-heads"
        yield "hint: git session sync sends the new one"
