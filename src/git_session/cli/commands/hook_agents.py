"""What `git session hook` does about agents: their settings, and the lines for others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from git_session.cli.opening import find_here
from git_session.cli.ui.output import print_line
from git_session.connect.agents.install import AgentFile, format_manual, list_files
from git_session.core.agents import SETTINGS
from git_session.errors import GitSessionError

Row = Mapping[str, Any]


def agents_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes the option that names agents."""
    return click.option(
        "--agent",
        "agents",
        metavar="NAME",
        multiple=True,
        help=f"Change the settings of this agent ({' or '.join(SETTINGS)}) instead of git's hooks.",
    )


user_option = click.option(
    "--user",
    "is_user",
    is_flag=True,
    help="Use the user's settings instead of the project's (with --agent).",
)


def find_files(agents: Sequence[str], *, is_user: bool) -> list[AgentFile]:
    """Finds the settings files of agents. Raises UsageError, NotARepositoryError."""
    top = _find_top() if not is_user else None
    return [AgentFile.find(agent, top, os.environ, is_user=is_user) for agent in agents]


def list_rows() -> list[Row]:
    """Report the state of every settings file that may hold our entries."""
    return [file.row() for file in list_files(_find_top(), os.environ)]


def install_agents(
    agents: Sequence[str], program: Sequence[str], *, is_user: bool
) -> tuple[list[Row], GitSessionError | None]:
    """Puts our entries into settings; gives a row of each and the first failure, if any."""
    if agents and not is_user:
        from git_session.log.setup import make_ready

        # Agents record only where sessions are wanted: in a repository that was made ready.
        make_ready(find_here())
    return _each(find_files(agents, is_user=is_user), lambda file: file.install(program))


def uninstall_agents(
    agents: Sequence[str], *, is_user: bool
) -> tuple[list[Row], GitSessionError | None]:
    """Takes our entries out of settings; as install_agents."""
    return _each(find_files(agents, is_user=is_user), AgentFile.uninstall)


def advise_agents(agents: Sequence[str], program: Sequence[str], *, is_user: bool) -> list[Row]:
    """Tells what to add to the settings of agents by hand; changes nothing."""
    return [
        {
            "hook": file.agent,
            "sentence": f"add to {file.path}:",
            "lines": format_manual(file.agent, program),
        }
        for file in find_files(agents, is_user=is_user)
    ]


def print_agent(row: Row) -> None:
    """Prints how our entries in one agent's settings stand, or what was done."""
    word = {"none": row["state"], "kept": "already installed"}.get(row["action"], row["action"])
    print_line(f"{row['agent']}: {word}, {row['path']}")
    if row["note"] is not None:
        print_line(f"  {row['note']}")


def _each(
    files: Sequence[AgentFile], do: Callable[[AgentFile], Row]
) -> tuple[list[Row], GitSessionError | None]:
    rows, errors = [], []
    for file in files:
        try:
            rows.append(do(file))
        except GitSessionError as error:
            errors.append(error)
    return rows, errors[0] if errors else None


def _find_top() -> Path | None:
    from git_session.git.repository.objects import ObjectStore

    return ObjectStore.open(find_here()).worktree
