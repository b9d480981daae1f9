"""`git session stats`: how much there is, and what it takes."""

from __future__ import annotations

from typing import Any

from git_session.cli.opening import open_log, say_no_log, say_problems
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_data, print_line, print_lines
from git_session.cli.ui.progress import Progress
from git_session.cli.ui.table import format_pairs

_DAYS = 7


@command("stats", "git session stats", "git session stats --json")
def stats_command(settings: Settings) -> None:
    """Measure the log: number of entries and disk use.

    The last lines estimate the size of the next 100,000 commits from the existing ones. git's own
    maintenance packs loose objects.
    """
    from git_session.views.stats import measure_log

    log = open_log()
    progress = Progress("measured", noun="objects")
    try:
        row = measure_log(log, progress.show)
    finally:
        progress.clear()
    say_problems(log)
    if settings.is_json:
        print_data(row)
        return
    if row["head"] is None:
        say_no_log(log)
        return
    print_lines(format_pairs(_pairs(row)))
    if row["transitions_per_day"]:
        print_line("")
        for day in row["transitions_per_day"][-_DAYS:]:
            print_line(f"{day['day']}  {day['transitions']:,} transitions")


def _pairs(row: dict[str, Any]) -> list[tuple[str, str]]:
    spread = row["transitions_per_session"]
    return [
        ("head", row["head"]),
        ("commits", f"{row['commits']:,}"),
        ("events", f"{row['events']:,}"),
        ("tasks", f"{row['tasks']:,}"),
        ("sessions", f"{row['sessions']:,} ({row['active']:,} active)"),
        (
            "transitions",
            f"{row['transitions']:,} ({spread['median']} a session, {spread['most']} at most)",
        ),
        ("loose", _describe(row["loose"])),
        ("packed", _describe(row["packed"])),
        *_pairs_ahead(row["next_100000"]),
    ]


def _pairs_ahead(ahead: dict[str, Any] | None) -> list[tuple[str, str]]:
    if ahead is None:
        return [("next 100,000 commits", "not known: git lists no commit")]
    return [
        ("next 100,000 commits", f"{ahead['objects']:,} objects"),
        ("  loose", _size(ahead["bytes_loose"])),
        ("  packed", _size(ahead["bytes_packed"])),
    ]


def _describe(part: dict[str, int]) -> str:
    return f"{part['objects']:,} objects, {_size(part['bytes'])}"


def _size(count: int | None) -> str:
    if count is None:
        return "not known: there are none yet"
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
