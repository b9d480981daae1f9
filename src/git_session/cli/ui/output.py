"""What commands print: JSON envelopes, lines, tables, and what goes through the pager."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from git_session.cli.ui.streams import flush_output, has_colors, is_terminal, write_out
from git_session.core.wire.json_text import format_json
from git_session.errors import GitSessionError

if TYPE_CHECKING:
    from git_session.cli.ui.table import Column

SCHEMA_VERSION: Final = 1

_warnings: Final[list[dict[str, str]]] = []
_SHELL_WORDS: Final = r"[^A-Za-z0-9_./-]"


def print_data(data: Any) -> None:
    """Print the envelope of a success."""
    envelope = {"schema_version": SCHEMA_VERSION, "ok": True, "data": data}
    if _warnings:
        envelope["warnings"] = _warnings.copy()
        _warnings.clear()
    _print_json(envelope)


def add_warning(code: str, message: str, hint: str) -> None:
    """Add a warning to the envelope that is printed next."""
    _warnings.append({"code": code, "message": message, "hint": hint})


def format_data(data: Any) -> bytes:
    """Form the envelope of a success on one line, with the line's end."""
    return format_json({"schema_version": SCHEMA_VERSION, "ok": True, "data": data}) + b"\n"


def print_data_text(text: bytes) -> None:
    """Print the envelope of a success around data that is JSON already, byte for byte."""
    if is_terminal(sys.stdout):
        print_data(json.loads(text))
        return
    head = format_json({"schema_version": SCHEMA_VERSION, "ok": True})
    write_out(b'%b, "data": %b}\n' % (head[:-1], text))


def print_failure(code: str, message: str, hint: str | None) -> None:
    """Print the envelope of a failure."""
    error = {"code": code, "message": message, "hint": hint}
    _print_json({"schema_version": SCHEMA_VERSION, "ok": False, "error": error})


def print_bare_json(document: Any) -> None:
    """Print a document that is a result by itself, without the envelope, for people and files."""
    print_lines([json.dumps(document, indent=2)])


def print_line(line: str) -> None:
    """Print one line of a result, stripped of control characters."""
    # 2 ms, for those who print what was stored.
    from git_session.core.wire.plain_text import strip_controls

    write_out(strip_controls(line) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that are fit for a terminal already."""
    write_out("".join(f"{line}\n" for line in lines))


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: fitted to the terminal, whole in a pipe."""
    from git_session.cli.ui.table import format_table

    print_lines(format_table(columns, rows, terminal_width(), colored=has_colors()))


def page_lines(lines: Sequence[str], *, is_paged: bool = True) -> None:
    """Print lines, on a terminal through the pager that git would take."""
    pager = _choose_pager() if is_paged and lines else None
    if pager is None:
        print_lines(lines)
        return
    import shlex

    # What git sets for its own pagers; the user's own choice stays.
    os.environ.setdefault("LESS", "FRX")
    os.environ.setdefault("LV", "-c")
    # A pager can be any shell text (core.pager = "delta | less"); click splits and starts it.
    words = ["sh", "-c", pager] if re.search(_SHELL_WORDS, pager) else [pager]
    os.environ["PAGER"] = shlex.join(words)
    flush_output()
    click.echo_via_pager("\n".join(lines), color=True if has_colors() else None)


def terminal_width() -> int | None:
    """Return the terminal's width in columns, None when stdout is none."""
    if not is_terminal(sys.stdout):
        return None
    import shutil  # 2 ms, of compression mostly

    return shutil.get_terminal_size().columns


def _choose_pager() -> str | None:
    """Name the pager that git would take; None where there is no terminal, or none is wanted."""
    if not (is_terminal(sys.stdout) and is_terminal(sys.stdin)):
        return None
    from git_session.git.child import read_pager_here  # a process, for what is paged

    with suppress(OSError, GitSessionError):
        pager = read_pager_here()
        if pager is not None:
            return None if pager == "cat" else pager
    return "less"


def _print_json(document: Any) -> None:
    indent = 2 if is_terminal(sys.stdout) else None
    write_out(format_json(document, indent=indent) + b"\n")
