"""`git session schema`: what is stored and printed, as JSON Schema."""

from __future__ import annotations

import click

from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_bare_json, print_data, print_line


@command("schema", "git session schema", "git session schema session > session.schema.json")
@click.argument("name", required=False, help="One of the names that are listed without it.")
def schema_command(settings: Settings, name: str | None) -> None:
    """Prints the JSON Schema of what is stored and printed.

    The schema of a command speaks of `data` in the envelope, which is `envelope`.
    """
    from git_session.core.schemas import schema, schema_names

    if name is not None:
        found = schema(name)
        if settings.is_json:
            print_data(found)
        else:
            print_bare_json(found)
        return
    names = schema_names()
    if settings.is_json:
        print_data({"names": names})
        return
    for known in names:
        print_line(known)
