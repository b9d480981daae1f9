"""`git session exit`: a session ends."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from git_session.cli.commands.advance import print_recorded
from git_session.cli.opening import open_log
from git_session.cli.options import (
    Attributes,
    Settings,
    command,
    completes,
    force_option,
    note_option,
    require_session,
    session_argument,
    set_option,
)
from git_session.core.wire.block import I32_MAX, I32_MIN
from git_session.errors import UsageError


@command(
    "exit",
    "git session exit s-20261122-4f1b",
    "git session exit s-20261122-4f1b --code 137 --reason signal --output-file out.log",
)
@session_argument()
@click.option(
    "--code",
    type=click.IntRange(I32_MIN, I32_MAX),
    default=0,
    metavar="N",
    help="Set the exit code; default: 0.",
)
@click.option(
    "--reason",
    metavar="WORD",
    help="Set the reason: completed, crash, signal, timeout, user-stop or free text; default: "
    "completed for code 0, else crash.",
)
@click.option(
    "--output-file",
    metavar="FILE",
    shell_complete=completes("file"),
    help="Record the SHA-256 of this output file, not its content.",
)
@set_option
@force_option
@note_option
def exit_command(
    settings: Settings,
    session: str | None,
    code: int,
    reason: str | None,
    output_file: str | None,
    attributes: Attributes,
    force: bool,
    note: str | None,
) -> None:
    """Record the end of a session."""
    ref = require_session(session)
    output_ref = None if output_file is None else f"sha256:{_hash_file(Path(output_file))}"
    log = open_log()
    recorded = log.exit_row(
        ref,
        code=code,
        reason=reason,
        output_ref=output_ref,
        is_forced=force,
        note=note,
        attributes=dict(attributes),
    )
    print_recorded(settings, log, recorded)


def _hash_file(path: Path) -> str:
    """Compute a file's SHA-256 block by block. Raises UsageError for one that cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"cannot read {path}: {reason}", "nothing was recorded; name a readable file"
        ) from error
