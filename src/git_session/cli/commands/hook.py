"""`git session hook`: git's hooks, and our entries in the settings of agents."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from git_session.cli.opening import find_here
from git_session.cli.options import (
    CONTEXT_SETTINGS,
    Settings,
    command,
    format_examples,
    shared_options,
)
from git_session.cli.ui.output import print_data, print_line, print_lines
from git_session.connect.agents.install import AgentFile, format_manual, list_files
from git_session.connect.hooks.install import Hooks, find_program
from git_session.core.agents import SETTINGS
from git_session.core.wire.plain_text import strip_controls
from git_session.errors import GitSessionError, UsageError

Row = Mapping[str, Any]

hook_command = click.Group(
    "hook",
    help="Install, remove and run git hooks and agent hooks.",
    epilog=format_examples(
        "git session hook install",
        "git session hook status",
    ),
    params=shared_options(),
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings=dict(CONTEXT_SETTINGS),
)


def hooks_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the option that names some of the hooks."""
    return click.option(
        "--hook", "hooks", metavar="NAME", multiple=True, help="Limit to this hook; repeatable."
    )


def agents_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the option that names agents."""
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


@command(
    "install",
    "git session hook install",
    "git session hook install --hook prepare-commit-msg --hook post-commit",
    "git session hook install --agent claude",
    "git session hook install --manual",
)
@hooks_option()
@agents_option()
@user_option
@click.option(
    "--manual", is_flag=True, help="Print what to add by hand, without changing anything."
)
@click.option(
    "--force", is_flag=True, help="Replace hooks that were edited by hand or are in the way."
)
@click.option(
    "--files",
    is_flag=True,
    help="Install hooks as files even if this git supports hooks in its configuration.",
)
def install_command(
    settings: Settings,
    hooks: tuple[str, ...],
    agents: tuple[str, ...],
    is_user: bool,
    manual: bool,
    force: bool,
    files: bool,
) -> None:
    """Install hooks: commits name their session, pushes take the log along, agents report.

    An existing hook is kept and called. If husky, lefthook or the pre-commit framework manages the
    hooks, their own mechanism is used. Without --hook: prepare-commit-msg, post-commit and
    pre-push. With --agent, an entry for each event is merged into that agent's settings, and all
    other entries stay.
    """
    if manual and force:
        raise UsageError("--manual and --force cannot be used together", "--manual changes nothing")
    _require_agent(agents, is_user=is_user)
    program = find_program(sys.argv[0], sys.executable, os.environ)
    found = open_hooks(by_files=files) if hooks or not agents else None
    if manual:
        advice: list[Row] = [] if found is None else [*found.advice(hooks)]
        advice += _advise_agents(agents, program, is_user=is_user)
        if settings.is_json:
            print_data({"hooks": [], "agents": [], "advice": advice})
        else:
            print_lines(_format_advice(advice))
        return
    rows, error = ([], None) if found is None else found.install(hooks, program, is_forced=force)
    told, failed = _install_agents(agents, program, is_user=is_user)
    _report(settings, rows, told, error or failed, nothing="")


@command("uninstall", "git session hook uninstall", "git session hook uninstall --hook pre-push")
@hooks_option()
@agents_option()
@user_option
@click.option("--force", is_flag=True, help="Remove hooks that were edited by hand too.")
def uninstall_command(
    settings: Settings, hooks: tuple[str, ...], agents: tuple[str, ...], is_user: bool, force: bool
) -> None:
    """Remove git's hooks and restore the previous ones byte for byte.

    With --agent: remove only our entries from that agent's settings.
    """
    _require_agent(agents, is_user=is_user)
    rows: Sequence[Row] = []
    error: GitSessionError | None = None
    if hooks or not agents:
        rows, error = open_hooks().uninstall(hooks, is_forced=force)
    told, failed = _change_files(_find_files(agents, is_user=is_user), AgentFile.uninstall)
    _report(settings, rows, told, error or failed, nothing="no hook of ours is here")


@command("status", "git session hook status", "git session hook status --json")
@hooks_option()
def status_command(settings: Settings, hooks: tuple[str, ...]) -> None:
    """Show the state of git's hooks, and what keeps them from running."""
    rows = open_hooks().status(hooks)
    told = [] if hooks else [file.row() for file in list_files(_find_top(), os.environ)]
    if settings.is_json:
        print_data({"hooks": rows, "agents": told, "advice": []})
        return
    for row in rows:
        is_foreign = row["state"] == "foreign"
        _print_row(row, "absent, another hook is there" if is_foreign else row["state"])
    for entry in told:
        if entry["state"] != "absent":
            _print_agent(entry)


@command(
    "run",
    "git session hook run post-commit",
    'git session hook run prepare-commit-msg "$@" || :',
    "git session hook run agent claude < event.json",
)
@click.argument("hook", help="Hook name: prepare-commit-msg, post-commit, pre-push or agent.")
@click.argument(
    "args",
    nargs=-1,
    type=click.UNPROCESSED,
    help="Arguments from git; for agent: its name, and the event's name if its JSON has none.",
)
def run_command(_settings: Settings, hook: str, args: tuple[str, ...]) -> None:
    """Run a hook, as called by hook managers and other hooks.

    It never fails a commit or a push; errors go to stderr. An agent's event is read from stdin, and
    nothing is printed: git session doctor reports what failed.
    """
    if hook == "agent":
        from git_session.connect.agents.record import run_agent_hook

        run_agent_hook(list(args), os.environ)
        return
    from git_session.connect.hooks.run import run_whole

    program = find_program(sys.argv[0], sys.executable, os.environ)
    run_whole(hook, args, program, os.environ)


# What follows the hook's name is the hook's, whatever it looks like.
run_command.allow_interspersed_args = False
run_command.ignore_unknown_options = True

for _command in (install_command, uninstall_command, status_command, run_command):
    hook_command.add_command(_command)


def open_hooks(*, by_files: bool = False) -> Hooks:
    """Open the hooks of the repository that the current directory lies in."""
    from git_session.git.repository.objects import ObjectStore

    return Hooks(ObjectStore.open(find_here()), by_files=by_files)


def _find_files(agents: Sequence[str], *, is_user: bool) -> list[AgentFile]:
    """Find the settings files of agents. Raises UsageError, NotARepositoryError."""
    top = _find_top() if not is_user else None
    return [AgentFile.find(agent, top, os.environ, is_user=is_user) for agent in agents]


def _install_agents(
    agents: Sequence[str], program: Sequence[str], *, is_user: bool
) -> tuple[list[Row], GitSessionError | None]:
    """Put our entries into settings; return a row of each and the first failure, if any."""
    if agents and not is_user:
        from git_session.log.setup import make_ready

        # Agents record only where sessions are wanted: in a repository that was made ready.
        make_ready(find_here())
    return _change_files(_find_files(agents, is_user=is_user), lambda file: file.install(program))


def _advise_agents(agents: Sequence[str], program: Sequence[str], *, is_user: bool) -> list[Row]:
    """Return what to add to the settings of agents by hand; changes nothing."""
    return [
        {
            "hook": file.agent,
            "sentence": f"add to {file.path}:",
            "lines": format_manual(file.agent, program),
        }
        for file in _find_files(agents, is_user=is_user)
    ]


def _change_files(
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


def _require_agent(agents: Sequence[str], *, is_user: bool) -> None:
    if is_user and not agents:
        raise UsageError(
            "--user requires --agent", "git session hook install --agent claude --user"
        )


def _report(
    settings: Settings,
    rows: Sequence[Row],
    agents: Sequence[Row],
    error: GitSessionError | None,
    *,
    nothing: str,
) -> None:
    """Print what was done, and then raise what failed."""
    if error is None and settings.is_json:
        print_data({"hooks": rows, "agents": agents, "advice": []})
        return
    if not settings.is_json:
        for row in rows:
            word = "already installed" if row["action"] == "kept" else row["action"]
            _print_row(row, f"{word}, disabled" if row["state"] == "disabled" else word)
        for row in agents:
            _print_agent(row)
        if nothing and not rows and not agents and error is None:
            print_line(nothing)
    if error is not None:
        raise error


def _print_row(row: Row, word: str) -> None:
    place = "" if row["state"] in ("absent", "foreign") and row["action"] == "none" else row["path"]
    print_line(f"{row['hook']}: {word}{f', {place}' if place else ''}")
    if row["kept"] is not None:
        print_line(f"  calls the previous hook first: {row['kept']}")
    if row["note"] is not None:
        print_line(f"  {row['note']}")


def _print_agent(row: Row) -> None:
    """Print how our entries in one agent's settings stand, or what was done."""
    word = {"none": row["state"], "kept": "already installed"}.get(row["action"], row["action"])
    print_line(f"{row['agent']}: {word}, {row['path']}")
    if row["note"] is not None:
        print_line(f"  {row['note']}")


def _format_advice(advice: Sequence[Row]) -> list[str]:
    lines: list[str] = []
    for row in advice:
        lines += ["", strip_controls(f"{row['hook']}: {row['sentence']}"), ""]
        lines += ["    " + line for line in map(strip_controls, row["lines"])]
    return lines[1:]
