"""`git session fsck`: is the log what it says it is?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from git_session.cli.opening import open_log, say_no_log
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_data, print_line
from git_session.cli.ui.progress import Progress
from git_session.cli.ui.streams import say
from git_session.cli.ui.text import count


@command("fsck", "git session fsck", "git session fsck --strict --json")
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
def fsck_command(settings: Settings, strict: bool) -> int:
    """Check every commit, chunk, event and session of the log.

    Each finding is one line: severity, code, commit, event, and a sentence. Damage is an error and
    makes the exit code 1. A warning is something that is kept but deserves a check.
    """
    from git_session.core.fold.faults import NEWER
    from git_session.core.fold.findings import DAMAGE
    from git_session.health.fsck import check_log

    log = open_log()
    progress = Progress("checked", patience=0)
    try:
        report = check_log(log, progress.show)
    finally:
        progress.clear()
    is_lost = report["head"] is None and say_no_log(log)
    if settings.is_json:
        print_data(report)
    else:
        for finding in report["findings"]:
            print_line(_format_finding(finding))
        say(*_format_summary(report))
        codes = {finding["code"] for finding in report["findings"]}
        if codes & DAMAGE:
            say("hint: git session repair searches other copies for damaged parts")
        if NEWER in codes:
            say("hint: update git-session to read what a newer version wrote")
    return 1 if report["errors"] or (strict and (report["warnings"] or is_lost)) else 0


def _format_finding(finding: Mapping[str, Any]) -> str:
    return " ".join(
        [
            finding["severity"],
            finding["code"],
            (finding["commit"] or "-")[:12],
            (finding["event_id"] or "-")[:12],
            finding["message"],
        ]
    )


def _format_summary(report: Mapping[str, Any]) -> list[str]:
    looked_at = ", ".join(
        count(report[what], what.removesuffix("s"))
        for what in ("commits", "chunks", "events", "issues", "sessions")
    )
    signatures = report["signatures"]
    kinds = ("valid", "wrong", "unknown_key", "unsigned")
    signed = ", ".join(f"{signatures[kind]} {kind.replace('_', ' ')}" for kind in kinds)
    found = f"{count(report['errors'], 'error')}, {count(report['warnings'], 'warning')}"
    return [f"checked {looked_at}", f"signatures: {signed}", found]
