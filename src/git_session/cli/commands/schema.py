"""`git session schema`: what is stored and printed, as JSON Schema."""

from __future__ import annotations

import click

from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_bare_json, print_data, print_line


@command("schema", "git session schema", "git session schema session > session.schema.json")
@click.argument("name", required=False, help="Schema name; default: list the names.")
def schema_command(settings: Settings, name: str | None) -> None:
    """Print the JSON Schema of stored and printed data.

    The schema of a command describes `data`; the schema `envelope` describes what encloses it.
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
