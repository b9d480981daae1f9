"""`git session repair`: what is damaged here, and can be had from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from git_session.cli.opening import find_here
from git_session.cli.options import Settings, command, completes
from git_session.cli.output import print_data, print_line
from git_session.cli.progress import Progress
from git_session.cli.streams import say
from git_session.cli.text import count
from git_session.wire.plain_text import quote_word

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
    help="Ask a remote for all that it has.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Do it; else it is only proposed.")
def repair_command(settings: Settings, remote: str | None, is_applied: bool) -> int:
    """Recovers what is damaged or missing from wherever else it is.

    It looks at other refs, snapshots, what remotes were last seen to have, reflogs and commits
    that no ref leads to, and with --from at what a remote has now. Objects are put back as they
    were where that can be proven; other events are appended in one commit. Nothing is rewritten
    and no ref is forced: for one that is broken the command to type is said. The exit code is 1
    while something is left that nobody has, or has to be typed.
    """
    from git_session.repair import apply_repair, plan_repair, report_row
    from git_session.store.repository.objects import ObjectStore

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
    if row["events"]:
        where = f"appended in {row['commit'][:7]}" if row["commit"] else "can be appended"
        yield f"{count(len(row['events']), 'event')} {where}:"
        yield from (_describe_event(event) for event in row["events"][:_MOST_LINES])
        if len(row["events"]) > _MOST_LINES:
            yield f"  and {len(row['events']) - _MOST_LINES} more"
    for finding in row["damage"][:_MOST_LINES]:
        yield f"nobody has: {finding['message']} (commit {(finding['commit'] or '-')[:12]})"
    for event_id in row["lost_events"][:_MOST_LINES]:
        yield f"nobody has: event {event_id[:12]}"


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
    has_more = row["objects"] or row["events"] or row["head_state"] == "missing"
    if has_more and not row["is_applied"] and row["head_state"] != "unreadable":
        asked = "" if remote is None else f"--from {quote_word(remote)} "
        yield f"hint: git session repair {asked}--apply does it"
    elif row["damage"] or row["lost_events"]:
        yield "hint: git session repair --from REMOTE looks at what a remote has"
