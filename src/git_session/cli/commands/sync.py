"""`git session sync`: this clone and its remotes come to the same log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from git_session.cli.opening import find_here
from git_session.cli.options import Settings, TimeLimit, command, completes
from git_session.cli.ui.output import print_data, print_line
from git_session.cli.ui.streams import is_terminal, say, say_warning
from git_session.errors import SecretError, UsageError


@command(
    "sync",
    "git session sync",
    "git session sync origin backup --timeout 30",
    "git session sync --fetch --json",
)
@click.argument(
    "remotes",
    metavar="[REMOTE]...",
    nargs=-1,
    shell_complete=completes("remote"),
    help="Remote names, URLs or paths.",
)
@click.option("--fetch", "is_fetch", is_flag=True, help="Fetch and merge only, without a push.")
@click.option("--push", "is_push", is_flag=True, help="Push only, without a fetch.")
@click.option(
    "-n",
    "--dry-run",
    "is_dry_run",
    is_flag=True,
    help="Ask the remotes and show what a sync would do.",
)
@click.option(
    "-v", "--verbose", "is_verbose", is_flag=True, help="List every finding of the credential scan."
)
@click.option(
    "--timeout",
    type=TimeLimit(),
    metavar="TIME",
    help="Limit the whole sync to TIME: 90, 90s, 10m; default: 120.",
)
@click.option(
    "--background",
    "is_background",
    is_flag=True,
    hidden=True,
    help="Sync as session.autoSync starts it.",
)
def sync_command(
    settings: Settings,
    remotes: tuple[str, ...],
    is_fetch: bool,
    is_push: bool,
    is_dry_run: bool,
    is_verbose: bool,
    timeout: float | None,
    is_background: bool,
) -> None:
    """Fetch, merge and push the log.

    Without REMOTE it uses every `session.remote` of git's configuration, else the upstream's
    remote, else origin. It merges what both sides recorded, never forces a push and never loses an
    event.

    Before a push, new content is scanned for credentials and home directories; `session.secrets` is
    warn, refuse or off.
    """
    if is_fetch and is_push:
        raise UsageError("--fetch and --push cannot be used together", "git session sync does both")
    from git_session.git.repository.objects import ObjectStore
    from git_session.sync.background import forget_failure, play_background
    from git_session.sync.remotes import open_git
    from git_session.sync.rounds import sync_log

    # Without a log: what is not read need not be loaded, and a sync often has nothing to do.
    store = ObjectStore.open(find_here())
    if is_background:
        play_background(store)
        return
    row, error = sync_log(
        store,
        remotes,
        direction="fetch" if is_fetch else "push" if is_push else "both",
        timeout=timeout,
        is_dry_run=is_dry_run,
        git=open_git(store, may_ask=True, on_progress=_show_progress if _has_people() else None),
        on_warning=say_warning,
    )
    if not isinstance(error, SecretError):
        said = None if is_dry_run or is_verbose else store.common_dir
        _say_finds(row["scan"], said, is_verbose=is_verbose)
        _say_what_follows(row["scan"], is_sent=error is None and not is_dry_run)
    if not settings.is_json:
        nothing = "nothing to send" if is_push else "nothing to take in" if is_fetch else None
        for report in row["remotes"]:
            if report["error"] is None:
                print_line(describe_remote(report, nothing, is_dry_run=is_dry_run))
    if error is not None:
        raise error
    if not (remotes or is_fetch or is_push or is_dry_run):
        forget_failure(store)
    if settings.is_json:
        print_data(row)


def _say_finds(scan: dict[str, Any] | None, said: Path | None, *, is_verbose: bool) -> None:
    """Say what was found in what leaves: a sentence a kind, or a line each."""
    from git_session.core.fold.finds import describe_find, group_finds
    from git_session.log.secrets.policy import tell_finds

    if not is_verbose or scan is None:
        for sentence in tell_finds(scan, said):
            say_warning(sentence)
        return
    for words, finds in group_finds(scan["findings"]):
        say(f"warning: {words}", *(f"  {describe_find(row)}" for row in finds))
    for sentence in tell_finds(scan | {"findings": []}, said):
        say_warning(sentence)


def _say_what_follows(scan: dict[str, Any] | None, *, is_sent: bool) -> None:
    """Say what to do about a credential, in a sync that nothing was refused in."""
    if scan is None or not any(found["kind"] == "credential" for found in scan["findings"]):
        return
    if scan["policy"] == "refuse":
        say("hint: session.secrets is refuse, so a sync would not send it")
    elif is_sent:
        say(
            "hint: it has left, so revoke it; git config session.secrets refuse keeps the next here"
        )


def describe_remote(
    report: dict[str, Any], nothing: str | None = None, *, is_dry_run: bool = False
) -> str:
    """Form one remote's line: what happened, and how many events came and went.

    `nothing` is what is said where one direction was asked for and had nothing to do.
    """
    words = {
        "empty": "no log on either side",
        "same": nothing or "already together",
        "together": "already together: both sides read the same",
        "sent": "would be sent" if is_dry_run else "sent",
        "received": "would be received" if is_dry_run else "received",
        "merged": "would be merged" if is_dry_run else "merged",
    }
    parts = [words[report["outcome"]]]
    for noun, key in (("event", "events"), ("snapshot", "snapshots")):
        for way in ("in", "out"):
            count = report[f"{key}_{way}"]
            if count:
                parts.append(f"{count} {noun}{'s' * (count != 1)} {way}")
    would = " (nothing was done: --dry-run)" if is_dry_run else ""
    return f"{report['remote']}: {', '.join(parts)}{would}"


def _has_people() -> bool:
    return is_terminal(sys.stderr)


def _show_progress(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
