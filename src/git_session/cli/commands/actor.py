"""`git session actor`: who writes from here, with which key, and whose signatures count."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any, Final

import click

from git_session.cli.opening import find_here, open_log
from git_session.cli.options import (
    CONTEXT_SETTINGS,
    Settings,
    command,
    format_examples,
    shared_options,
)
from git_session.cli.ui.output import print_data, print_line, print_lines, print_table
from git_session.cli.ui.streams import say, say_warning
from git_session.cli.ui.table import Column, format_pairs
from git_session.cli.ui.text import count, format_time

Row = Mapping[str, Any]

_COLUMNS: Final = (
    Column("ACTOR"),
    Column("LABEL", least=8, drop=1),
    Column("HERE"),
    Column("KEY"),
    Column("TRUSTED BY", least=8),
    Column("EVENTS"),
)
_SOURCES: Final = {
    "actor": "this clone",
    "config": "session.trustedKey",
    "list": "session.trustedKeysBlob",
}

actor_command = click.Group(
    "actor",
    help="Manage actors: who writes, and whose signatures are trusted.",
    epilog=format_examples(
        "git session actor list --log",
        'git session actor new --label "build box" --use',
        'git config --add session.trustedKey "$(git -C ../other session actor key)"',
    ),
    params=shared_options(),
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings=dict(CONTEXT_SETTINGS),
)
actor_argument = click.argument(
    "actor", required=False, help="Actor id or unique prefix; default: the current actor."
)


@command("list", "git session actor list", "git session actor list --log --json")
@click.option("--log", "with_log", is_flag=True, help="Include every actor that wrote to the log.")
def list_command(settings: Settings, with_log: bool) -> None:
    """List the actors of this clone and those whose keys are trusted here."""
    from git_session.log.manage_actors import list_actor_rows

    log = open_log()
    rows = list_actor_rows(log, os.environ, with_log=with_log)
    policy = log.reader.config.verify_signatures
    if settings.is_json:
        print_data({"actors": rows, "total": len(rows), "verify_signatures": policy})
        return
    if rows:
        print_table(_COLUMNS, [_cells(row) for row in rows])
    say(f"{count(len(rows), 'actor')}, verify_signatures is {policy}")


@command("show", "git session actor show", "git session actor show 2480bf8a --json")
@actor_argument
def show_command(settings: Settings, actor: str | None) -> None:
    """Show an actor: its keys, and its events in the log by signature."""
    from git_session.log.manage_actors import actor_row

    log = open_log()
    row = actor_row(log, actor, os.environ)
    if settings.is_json:
        print_data({"actor": row})
        return
    created = row["created_ts"]
    pairs = [
        ("actor", row["actor_id"]),
        ("label", row["label"] or ""),
        ("here", _describe_place(row)),
        ("created", "" if created is None else format_time(created, log.clock())),
        ("signs", "yes" if row["can_sign"] else f"no{_fault(row)}"),
        *((f"key, by {_SOURCES[key['source']]}", key["public_key"]) for key in row["keys"]),
        ("events", _describe_events(row)),
    ]
    print_lines(format_pairs(pairs))


@command("new", "git session actor new", 'git session actor new --label "build box" --use')
@click.option("--label", metavar="TEXT", help="Set a name for people to read.")
@click.option("--use", "makes_default", is_flag=True, help="Write as this actor from now on.")
@click.option("--no-key", is_flag=True, help="Create it without a key, so that it does not sign.")
def new_command(settings: Settings, label: str | None, makes_default: bool, no_key: bool) -> None:
    """Create an actor with its own key and print its id.

    Only the owner can read the private key file. The current actor stays unless --use is given.
    """
    from git_session.git.repository.objects import ObjectStore
    from git_session.host.clock import read_clock
    from git_session.log.manage_actors import make_actor_row

    store = ObjectStore.open(find_here())
    row, pinned = make_actor_row(
        store,
        os.environ,
        now=read_clock(),
        label=label,
        with_key=not no_key,
        makes_default=makes_default,
    )
    if pinned is not None:
        say(f"actor {pinned} stays the writer: grite's settings now name it as the default")
    if settings.is_json:
        print_data({"actor": row})
    else:
        print_line(row["actor_id"])
    _say_next(row)


@command("use", "git session actor use 2480bf8a")
@click.argument("actor", help="Actor id or unique prefix.")
def use_command(settings: Settings, actor: str) -> None:
    """Write as this actor from now on."""
    from git_session.git.repository.objects import ObjectStore
    from git_session.log.manage_actors import use_actor_row

    row = use_actor_row(ObjectStore.open(find_here()), actor, os.environ)
    if settings.is_json:
        print_data({"actor": row})
    else:
        print_line(f"{row['actor_id']} is the default")
    if not row["is_writer"]:
        say_warning("GRITE_HOME names another actor, which stays the writer while it is set")


@command(
    "key",
    "git session actor key",
    'git config --add session.trustedKey "$(git -C ../other session actor key)"',
)
@actor_argument
@click.option("--export-private", is_flag=True, help="Print the private key too, on stdout.")
def key_command(settings: Settings, actor: str | None, export_private: bool) -> None:
    """Print an actor's public key as a line for session.trustedKey."""
    from git_session.git.repository.objects import ObjectStore
    from git_session.log.manage_actors import actor_key_row

    store = ObjectStore.open(find_here())
    row = actor_key_row(store, actor, os.environ, with_private=export_private)
    if settings.is_json:
        print_data(row)
        return
    print_line(row["private_key"] if export_private else row["line"])
    if export_private:
        say_warning("anyone with this key can write as the actor")


for _command in (list_command, show_command, new_command, use_command, key_command):
    actor_command.add_command(_command)


def _cells(row: Row) -> list[str]:
    sources = dict.fromkeys(_SOURCES[key["source"]] for key in row["keys"])
    return [
        row["actor_id"],
        row["label"] or "",
        _describe_place(row),
        ", ".join(key["public_key"][:8] for key in row["keys"]),
        ", ".join(sources),
        "" if row["events"] is None else _describe_events(row),
    ]


def _describe_place(row: Row) -> str:
    if not row["is_own"]:
        return ""
    what = "writes" if row["is_writer"] else "default" if row["is_default"] else "can write"
    return f"{what}, signs" if row["can_sign"] else what


def _describe_events(row: Row) -> str:
    counts = row["events"]
    parts = [f"{n} {word.replace('_', ' ')}" for word, n in counts.items() if n]
    return ", ".join(parts) or "none"


def _fault(row: Row) -> str:
    return f": {row['key_fault']}" if row["key_fault"] else ", it has no key here"


def _say_next(row: Row) -> None:
    """Say how the new actor gets to write, and how others get to trust it."""
    if row["is_writer"]:
        say("it writes in this clone from now on")
    else:
        say(f"hint: git session actor use {row['actor_id'][:8]} makes it the writer")
    if row["keys"]:
        line = shlex.quote(row["keys"][0]["line"])
        say(f"hint: for others to trust it: git config --add session.trustedKey {line}")
