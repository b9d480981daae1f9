"""The command line: names, one line of help each, and groups; bodies are imported when called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from git_session import __version__
from git_session.cli.options import CONTEXT_SETTINGS, format_examples, shared_options

SECTIONS: Final[dict[str, dict[str, str]]] = {
    "Look": {
        "list": "Lists the sessions that are active.",
        "show": "Shows one session with all it is known by.",
        "log": "Lists transitions, newest first.",
        "watch": "Shows the sessions as they change, until Ctrl-C.",
        "tasks": "Lists the tasks and how their sessions stand.",
        "timeline": "Draws who worked on what, when, in the terminal.",
        "diff": "Shows what changed between two moments.",
        "overlap": "Names the files that several live sessions have changed.",
        "tail": "Shows the last lines of a session's output.",
        "stats": "Measures the log: how much there is and what it takes on disk.",
    },
    "Record": {
        "start": "Records a new session on a task and prints its id.",
        "ready": "Records that a session is ready to work.",
        "running": "Records that a session is at work, or still at work.",
        "handoff": "Records that a session hands its work over.",
        "beat": "Record a heartbeat in a local file, without a commit.",
        "exit": "Records the end of a session.",
        "run": "Runs a command as a session and records its whole life.",
        "task": "Shows, adds, moves and comments a task.",
    },
    "Wait": {
        "wait": "Waits until sessions have exited, or have come so far.",
    },
    "Share": {
        "sync": "Brings this clone and its remotes to the same log.",
        "export": "Writes sessions or transitions as JSON, CSV, or a page.",
        "snapshot": "Writes a snapshot of the log in grite's own format.",
    },
    "Trust": {
        "reconcile": "Compares the log with the processes and checkouts of this host.",
        "doctor": "Looks whether all is well, and says what mends it.",
        "fsck": "Checks every commit, chunk, event and session of the log.",
        "repair": "Recovers what is damaged or missing from wherever else it is.",
        "actor": "Shows and makes actors: who writes, and whose signatures count.",
    },
    "Connect": {
        "init": "Makes this repository ready for sessions.",
        "hook": "Installs, removes and runs the hooks of git and of agents.",
        "which": "Shows the session that a commit, or a line, was made in.",
        "commits": "Lists the commits that were made in a session, newest first.",
        "mcp": "Serves the session commands to an agent as tools of MCP.",
        "completion": "Prints, installs or removes the completion of a shell.",
        "schema": "Prints the JSON Schema of what is stored and printed.",
        "demo": "Plays a small fleet in two clones, syncs and shows them.",
    },
}
"""What people want: the commands that give it, and what each does."""

_MODULES: Final = {"ready": "advance", "running": "advance", "handoff": "advance"}
"""Commands that share a module; every other one has its own, of its own name."""


class SessionGroup(click.Group):
    """Finds commands by name and imports the one that is called, and no other."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Lists all names, in the order of the help."""
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command; None for a name that is not known."""
        if not any(cmd_name in section for section in SECTIONS.values()):
            return None
        module = import_module(f"git_session.cli.commands.{_MODULES.get(cmd_name, cmd_name)}")
        found = getattr(module, f"{cmd_name}_command")
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that the line calls, and for an unknown one those of similar name."""
        name = args[0]
        found = self.get_command(ctx, name)
        if found is None and not ctx.resilient_parsing:
            raise click.NoSuchCommand(name, possibilities=self.list_commands(ctx), ctx=ctx)
        return name if found else None, found, args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Offers the commands by their lines in the help, without importing them."""
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=text)
            for section in SECTIONS.values()
            for name, text in section.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands in their groups, without importing them."""
        widest = max(len(name) for section in SECTIONS.values() for name in section)
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{widest}}", text) for name, text in section.items()])


group = SessionGroup(
    "git session",
    params=[
        *shared_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=lambda context, _, is_set: _print_version(context) if is_set else None,
            help="Print the version.",
        ),
    ],
    help="Reads and records the sessions of coding agents on grite tasks, straight from git refs.",
    epilog=format_examples(
        'task=$(git session task add "Fix the flaky test")',
        'id=$(git session start "$task" --engine claude)',
        'git session running "$id" && git session list',
    ),
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings=dict(CONTEXT_SETTINGS),
)


def _print_version(context: click.Context) -> None:
    print(f"git-session {__version__}")
    context.exit()
