"""`git session completion`: what completes the command in bash, zsh and fish."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from git_session.cli.options import (
    CONTEXT_SETTINGS,
    Settings,
    command,
    format_examples,
    shared_options,
)
from git_session.cli.ui.output import print_data, print_line, print_lines
from git_session.cli.ui.streams import say

SHELLS: Final = ("bash", "zsh", "fish")

completion_command = click.Group(
    "completion",
    help="Print, install or remove shell completion.",
    epilog=format_examples(
        "git session completion install",
        "git session completion bash > ~/.local/share/bash-completion/completions/git-session",
    ),
    params=shared_options(),
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings=dict(CONTEXT_SETTINGS),
)


def _make_printer(shell: str) -> click.Command:
    def print_script(settings: Settings) -> None:
        from git_session.connect.completion.install import read_script

        script = read_script(shell)
        if settings.is_json:
            print_data({"shell": shell, "script": script})
        else:
            print_lines(script.splitlines())

    print_script.__doc__ = f"Print the script for {shell}."
    return command(shell, f"git session completion {shell}")(print_script)


_shell_argument = click.argument(
    "shell",
    required=False,
    type=click.Choice(SHELLS),
    help="Shell; default: the one in $SHELL.",
)


@command(
    "install",
    "git session completion install",
    "git session completion install fish",
)
@_shell_argument
def install_command(settings: Settings, shell: str | None) -> None:
    """Install the completion script where your shell finds it, and print the path.

    For zsh, a few marked lines at the end of .zshrc load it.
    """
    from git_session.connect.completion.install import find_shell, install_script

    _report(settings, install_script(find_shell(shell, os.environ), os.environ))


@command("uninstall", "git session completion uninstall zsh")
@_shell_argument
def uninstall_command(settings: Settings, shell: str | None) -> None:
    """Remove what install wrote."""
    from git_session.connect.completion.install import find_shell, uninstall_script

    _report(settings, uninstall_script(find_shell(shell, os.environ), os.environ))


@command("candidates", 'git session completion candidates "git session list --st"')
@click.argument("line", help="Command line up to the cursor.")
def candidates_command(settings: Settings, line: str) -> None:
    """Print the next words of a command line: kind, word and description, separated by tabs."""
    from git_session.cli import group
    from git_session.cli.candidates import find_candidates

    found = find_candidates(group, line)
    if settings.is_json:
        print_data({"candidates": [candidate._asdict() for candidate in found]})
    else:
        print_lines("\t".join(candidate) for candidate in found)


candidates_command.hidden = True


def _report(settings: Settings, row: dict[str, Any]) -> None:
    if settings.is_json:
        print_data(row)
        return
    for change in row["changes"]:
        print_line(f"{change['did']}: {change['path']}")
    if row["hint"]:
        say(row["hint"])


for _shell in SHELLS:
    completion_command.add_command(_make_printer(_shell))
for _command in (install_command, uninstall_command, candidates_command):
    completion_command.add_command(_command)
