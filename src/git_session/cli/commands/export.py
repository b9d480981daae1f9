"""`git session export`: sessions for other programs, and a page to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from git_session.cli.opening import open_past, say_no_log, say_problems
from git_session.cli.options import Settings, command, completes
from git_session.cli.ui.moments import at_option, find_range, moment_data, range_options
from git_session.cli.ui.output import format_data, print_data
from git_session.cli.ui.streams import say, write_out
from git_session.cli.ui.text import count
from git_session.core.wire.plain_text import strip_controls
from git_session.errors import UsageError

if TYPE_CHECKING:
    from git_session.log.session_log import SessionLog

_FORMATS: Final = ("json", "jsonl", "csv", "html")


@command(
    "export",
    "git session export -o sessions.html",
    "git session export --format csv --since '1 week ago' > sessions.csv",
    "git session export --of transitions --format jsonl",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="Set the format; default: FILE's extension, else json (html is a page with a timeline).",
)
@click.option(
    "--of",
    "kind",
    type=click.Choice(["sessions", "transitions"]),
    default="sessions",
    help="Export sessions (the default) or transitions.",
)
@range_options
@at_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completes("file"),
    help="Write to FILE, completely or not at all, instead of stdout (-).",
)
def export_command(
    settings: Settings,
    form: str | None,
    kind: str,
    since: str | None,
    until: str | None,
    at: str | None,
    output: str | None,
) -> None:
    """Write sessions or transitions as JSON, CSV or HTML.

    The columns are stable and the same in every format: see git session schema exported-session and
    exported-transition. In CSV, a text that begins with = + - or @ gets an apostrophe in front, so
    that a spreadsheet does not compute it. Control characters are left out of CSV. The HTML page is
    one file that loads nothing and shows sessions.
    """
    target = None if output in (None, "-") else Path(output or "")
    chosen = form or _guess_format(target)
    _require_sense(settings, chosen, kind, target)
    log = open_past(at)
    begin, end = find_range(log, since, until)
    content, number = _make_content(log, chosen, kind, begin, end)
    say_problems(log)
    if log.head() is None:
        say_no_log(log)
    if target is None:
        write_out(content)
        return
    from git_session.host.files.named_file import write_file

    write_file(target, content)
    if settings.is_json:
        report = {"file": str(target), "format": chosen, "of": kind}
        print_data({**report, "records": number, "bytes": len(content)})
    else:
        say(f"{count(number, kind.removesuffix('s'))} written to {target}")


def _guess_format(target: Path | None) -> str:
    """Return the format that a file's ending names. Raises UsageError for one that names none."""
    if target is None:
        return "json"
    ending = target.suffix.lower().removeprefix(".").replace("htm", "html").replace("htmll", "html")
    if ending not in _FORMATS:
        raise UsageError(
            f"cannot guess the format of {target}", f"use --format {'|'.join(_FORMATS)}"
        )
    return ending


def _require_sense(settings: Settings, form: str, kind: str, target: Path | None) -> None:
    if form == "html" and kind != "sessions":
        raise UsageError(
            "--format html exports sessions only", "leave out --of, or use another --format"
        )
    if settings.is_json and target is None and form != "json":
        raise UsageError(
            f"--json and --format {form} cannot both write to stdout", "write to a file: -o FILE"
        )


def _make_content(
    log: SessionLog, form: str, kind: str, since: int | None, until: int | None
) -> tuple[bytes, int]:
    """Make what is written, and how many records are in it."""
    from git_session.views import export

    if form == "html":
        return _make_page(log, since, until)
    columns: Sequence[str]
    if kind == "sessions":
        columns = export.SESSION_COLUMNS
        records = export.session_records(log, since=since, until=until)
    else:
        columns = export.TRANSITION_COLUMNS
        records = export.transition_records(log, since=since, until=until)
    if form == "json":
        data: dict[str, Any] = {kind: records, "total": len(records)}
        return format_data(data | moment_data(log)), len(records)
    text = (
        export.format_csv(columns, records, strip_controls)
        if form == "csv"
        else export.format_jsonl(records)
    )
    return text.encode(), len(records)


def _make_page(log: SessionLog, since: int | None, until: int | None) -> tuple[bytes, int]:
    from git_session.views.export import clean_texts, page_row
    from git_session.views.page import make_page

    timeline = page_row(log, since=since, until=until)
    shown = clean_texts(timeline, strip_controls)
    page = make_page(shown, name=strip_controls(_name_of(log)), head=log.head())
    return page.encode(), timeline["total"]


def _name_of(log: SessionLog) -> str:
    """Return the repository's name: its folder's."""
    top = log.top or log.common_dir
    return top.resolve().name.removesuffix(".git") or "repository"
