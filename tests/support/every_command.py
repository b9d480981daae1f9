"""Every command there is, as a line to be run in this process, with what it needs filled in.

A new command is among them without a word here: its arguments are filled in by their names.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import click

from git_session.cli import group
from git_session.cli.options import Settings
from git_session.git import program as git_program

LEFT_OUT: Final = {
    "completion candidates": "offers the ids that are at hand: a Tab waits for no log to be read",
    "demo": "plays in folders of its own, and prints their names",
    "mcp": "goes on until its stdin ends",
    "run": "runs a command of the user's, as a process of its own",
    "wait": "goes on until something happens",
    "watch": "goes on until it is stopped",
}
"""Commands that may answer otherwise the next time, and why."""


class Answer(NamedTuple):
    """Holds what a command left behind."""

    code: int
    stdout: bytes
    stderr: bytes


def collect_lines(values: Mapping[str, str]) -> Iterator[str]:
    """Gives a line for each command, with what it needs.

    `values` are given for arguments of a name; for any other something, if it must be given.
    """
    context = click.Context(group, obj=Settings())
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        for sub, leaf in inner.items():
            words = f"{name} {sub}".strip()
            if words not in LEFT_OUT:
                yield shlex.join([*words.split(), *_fill_in(leaf, values)])


def _fill_in(command: click.Command, values: Mapping[str, str]) -> Iterator[str]:
    for param in command.params:
        if not isinstance(param, click.Argument) and not param.required:
            continue
        assert param.name is not None
        if param.required or param.name in values:
            yield from [] if isinstance(param, click.Argument) else param.opts[:1]
            yield values.get(param.name, "something")


def end_readers() -> None:
    """Ends what a command began to read and did not use, which else ends with its process."""
    while git_program._begun:
        for process in git_program._begun.popitem()[1]:
            git_program._stop(process)
