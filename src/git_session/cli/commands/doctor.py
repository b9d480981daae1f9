"""`git session doctor`: is all well that sessions need?"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import click

from git_session.cli.opening import find_here
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_data, print_lines
from git_session.cli.ui.streams import has_colors
from git_session.core.wire.plain_text import strip_controls

_COLORS: Final = {"ok": "green", "warning": "yellow", "failing": "red"}


@command("doctor", "git session doctor", "git session doctor --fix", "git session doctor --fire")
@click.option("--fix", "is_mended", is_flag=True, help="Fix what can be fixed safely.")
@click.option(
    "--fire",
    "is_fired",
    is_flag=True,
    help="Make one test commit through all hooks, in a scratch checkout.",
)
def doctor_command(settings: Settings, is_mended: bool, is_fired: bool) -> int:
    """Check the setup and suggest fixes.

    It checks the repository, the log, the actor, the index, clocks, grite's cache, settings,
    agents' settings, the remotes and lease locks. It also checks that git finds our hooks, and runs
    them in a scratch repository. The exit code is 0 only if every check passes.
    """
    from git_session.connect.hooks.install import find_program
    from git_session.health.doctor.examine import examine, mend, open_to_examine

    program = find_program(sys.argv[0], sys.executable, os.environ)
    log = open_to_examine(find_here())
    rows = []
    for check in examine(log, program, is_fired=is_fired):
        row = mend(check) if is_mended else check.row()
        rows.append(row)
        if not settings.is_json:
            _print(row)
    is_well = all(row["status"] == "ok" or row["is_mended"] for row in rows)
    if settings.is_json:
        print_data({"lines": rows, "is_well": is_well})
    return 0 if is_well else 1


def _print(row: dict[str, Any]) -> None:
    word = "mended" if row["is_mended"] else row["status"]
    cell = f"{word:<8}"
    shown = click.style(cell, fg=_COLORS[row["status"]]) if has_colors() else cell
    told = strip_controls(f"{row['name']}: {row['message']}")
    lines = [f"{shown} {told}"]
    if row["command"] and not row["is_mended"] and row["status"] != "ok":
        lines.append(f"         {strip_controls(row['command'])}")
    print_lines(lines)
