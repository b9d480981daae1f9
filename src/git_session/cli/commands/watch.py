"""`git session watch`: who is at work, as it changes."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from git_session.cli.opening import open_queries, say_problems
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_lines
from git_session.cli.ui.streams import flush_output, has_colors, is_terminal
from git_session.core.wire.json_text import format_json
from git_session.errors import INTERRUPTED

if TYPE_CHECKING:
    from rich.text import Text

    from git_session.host.files.watcher import Watcher
    from git_session.log.session_log import SessionLog
    from git_session.views.watch import Watch

_REDRAW_S: Final = 0.5
_MARK_S: Final = 15.0
"""The shortest time between two looks for overlapping files."""

_AROUND: Final = 4
"""Lines of the screen that are not sessions."""


@command("watch", "git session watch", "git session watch --all", "git session watch | jq .change")
@click.option("--all", "is_all", is_flag=True, help="Include exited sessions.")
def watch_command(settings: Settings, is_all: bool) -> int:
    """Follow session changes until Ctrl-C.

    On a terminal it shows a table that stays current. The table marks sessions that change the same
    files. In a pipe, or with --json, each change is a line of JSON: first the sessions that exist,
    then each start, transition, heartbeat or death. With TERM=dumb the table is printed again after
    each change.
    """
    from git_session.views.watch import Watch

    log = open_queries()
    watch = Watch(log, include_exited=is_all)
    try:
        if settings.is_json or not is_terminal(sys.stdout):
            _print_changes(log, watch)
        elif os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
            _print_tables(_Screen(log, watch))
        else:
            _draw(_Screen(log, watch))
    except KeyboardInterrupt:
        pass  # the way to leave it, and nothing to be told of
    return INTERRUPTED


def _print_changes(log: SessionLog, watch: Watch) -> None:
    is_first = True
    for changes in watch.changes():
        lines = [format_json(change).decode() for change in changes]
        if lines:
            print_lines(lines)
            flush_output()
        if is_first:
            say_problems(log)
            is_first = False


def _print_tables(screen: _Screen) -> None:
    """Print the table at first and again at each change, one below the other."""
    is_first = True
    for changes in screen.watch.changes():
        if changes or is_first:
            screen.mark_overlaps()
            print_lines([*([] if is_first else [""]), *screen.lines()])
            flush_output()
            is_first = False


def _draw(screen: _Screen) -> None:
    """Draw on the terminal's other screen, which goes with the program, however it ends."""
    from rich.console import Console
    from rich.live import Live

    console = Console(no_color=not has_colors(), highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def wait(watcher: Watcher) -> None:
            from git_session.views.watch import LOOK_S

            end = time.monotonic() + LOOK_S
            while not watcher.wait(_REDRAW_S) and time.monotonic() < end:
                live.update(screen.render(), refresh=True)

        for _ in screen.watch.changes(wait=wait):
            screen.mark_overlaps()
            live.update(screen.render(), refresh=True)


class _Screen:
    """Forms what the terminal shows; the table is the one that `list` prints."""

    def __init__(self, log: SessionLog, watch: Watch) -> None:
        self.watch = watch
        self._log = log
        self._overlapping: frozenset[str] = frozenset()
        self._marked_at = -_MARK_S

    def mark_overlaps(self) -> None:
        """Look now and then which sessions change the same files; git takes a while to tell."""
        if time.monotonic() - self._marked_at < _MARK_S:
            return
        from git_session.views.overlap import find_overlaps, overlapping_sessions

        self._overlapping = frozenset(overlapping_sessions(find_overlaps(self._log)))
        self._marked_at = time.monotonic()

    def render(self) -> Text:
        """Form the whole screen for rich."""
        from rich.text import Text

        return Text.from_ansi("\n".join(self.lines()), no_wrap=True, overflow="crop")

    def lines(self) -> list[str]:
        """Form the whole screen: the newest sessions that fit on it, and a line under them."""
        from git_session.cli.ui.sessions_table import SESSION_COLUMNS
        from git_session.cli.ui.table import Column, format_table

        width, height = shutil.get_terminal_size()
        now = self._log.clock()
        shown = self.watch.rows[-max(1, height - _AROUND) :]
        columns = [*SESSION_COLUMNS, Column("CHANGED", least=8, drop=3), Column("")]
        cells = [self._cells(row, now) for row in shown]
        table = format_table(columns, cells, width, colored=has_colors())
        return [*table, "", self._footer(len(self.watch.rows) - len(shown))]

    def _cells(self, row: dict[str, Any], now: int) -> list[str]:
        from git_session.cli.ui.sessions_table import session_cells
        from git_session.cli.ui.text import format_ago

        mark = "overlaps" if row["session_id"] in self._overlapping else ""
        return [*session_cells(row, is_narrow=True), format_ago(now - row["updated_ts"]), mark]

    def _footer(self, left_out: int) -> str:
        active = sum(row["state"] != "exit" for row in self.watch.rows)
        more = f", {left_out} more above" if left_out else ""
        clock = time.strftime("%H:%M:%S")
        return f"{active} active, {self.watch.exited} exited{more} - {clock} - Ctrl-C leaves"
