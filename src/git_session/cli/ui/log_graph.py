"""The log as a graph in the terminal: columns of characters beside the transitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from git_session.cli.ui.describe import (
    short_commit,
    transition_cells,
    transition_columns,
)
from git_session.cli.ui.output import terminal_width
from git_session.cli.ui.streams import has_colors
from git_session.cli.ui.table import Column, format_table
from git_session.cli.ui.text import format_ago
from git_session.git.history import Merge
from git_session.views.graph import Content, draw_graph, read_graph

if TYPE_CHECKING:
    from git_session.cli.ui.log_format import Format
    from git_session.log.session_log import SessionLog

_COLORS: Final = ("red", "green", "yellow", "blue", "magenta", "cyan")


def format_graph(
    log: SessionLog,
    ref: str | None,
    task: str | None,
    limit: int | None,
    form: Format | None,
    *,
    has_session: bool,
) -> list[str]:
    """Form the lines of the graph of one session, of one task's, or of all, newest first."""
    nodes = read_graph(log, ref, task=task)[:limit]
    drawn = [*draw_graph(nodes)]
    now, is_colored = log.clock(), has_colors()
    if form is not None:
        widest = max((len(graph) for graph, _ in drawn), default=0)
        return [
            f"{paint_graph(line) if is_colored else line} {text}".rstrip()
            for graph, content in drawn
            for line, text in _pair_lines(graph.ljust(widest), content, form, now)
        ]
    columns = (Column("", paint=paint_graph), *transition_columns(has_session=has_session))
    cells = [
        [graph, *_content_cells(content, now, has_session=has_session)] for graph, content in drawn
    ]
    return format_table(columns, cells, terminal_width(), colored=is_colored)


def paint_graph(cell: str) -> str:
    """Colour each column of a graph otherwise than its neighbours."""
    return "".join(
        char if char == " " else click.style(char, fg=_COLORS[place // 2 % len(_COLORS)])
        for place, char in enumerate(cell)
    )


def _content_cells(content: Content | None, now: int, *, has_session: bool) -> list[str]:
    if content is None:
        return [""] * len(transition_columns(has_session=has_session))
    if isinstance(content, Merge):
        session = [""] if has_session else []
        told = format_merge(content)
        return [
            short_commit(content.oid),
            format_ago(now - content.ts),
            *session,
            "",
            "merge",
            told,
        ]
    return transition_cells(content, now, has_session=has_session)


def format_merge(merge: Merge) -> str:
    """Form which heads a merge brought together."""
    return f"of {' and '.join(map(short_commit, merge.parents))}"


def _pair_lines(
    graph: str, content: Content | None, form: Format, now: int
) -> Iterator[tuple[str, str]]:
    """Pair the lines of a filled form with the graph, whose columns go on beside them."""
    if content is None:
        yield graph, ""
        return
    if isinstance(content, Merge):
        yield graph, f"{short_commit(content.oid)} merge {format_merge(content)}"
        return
    first, *others = form.fill(content, now).split("\n")
    yield graph, first
    for other in others:
        yield graph.replace("*", "|"), other
