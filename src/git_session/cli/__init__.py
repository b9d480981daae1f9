"""The command line: names, one line of help each, and groups; bodies are imported when called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from git_session import __version__
from git_session.cli.options import CONTEXT_SETTINGS, format_examples, shared_options

SECTIONS: Final[dict[str, dict[str, str]]] = {
    "Look": {
        "list": "List active sessions.",
        "show": "Show everything known about one session.",
        "log": "List transitions, newest first.",
        "watch": "Follow session changes until Ctrl-C.",
        "tasks": "List tasks and the state of their sessions.",
        "timeline": "Draw who worked on what, and when.",
        "diff": "Show what changed between two moments.",
        "overlap": "List files changed by more than one live session.",
        "tail": "Print the last lines of a session's output.",
        "stats": "Measure the log: number of entries and disk use.",
    },
    "Record": {
        "start": "Record a new session on a task and print its id.",
        "ready": "Record that a session is ready to work.",
        "running": "Record that a session is working, or still working.",
        "handoff": "Record that a session hands over its work.",
        "beat": "Record a heartbeat in a local file, without a commit.",
        "exit": "Record the end of a session.",
        "run": "Run a command as a session and record its start and exit.",
        "task": "Show, add, move and comment on tasks.",
    },
    "Wait": {
        "wait": "Wait until sessions exit or reach a state.",
    },
    "Share": {
        "sync": "Fetch, merge and push the log.",
        "export": "Write sessions or transitions as JSON, CSV or HTML.",
        "snapshot": "Write a snapshot of the log in grite's format.",
    },
    "Trust": {
        "reconcile": "Compare the log with the processes and checkouts of this host.",
        "doctor": "Check the setup and suggest fixes.",
        "fsck": "Check every commit, chunk, event and session of the log.",
        "repair": "Restore damaged or missing parts of the log from other copies.",
        "actor": "Manage actors: who writes, and whose signatures are trusted.",
    },
    "Connect": {
        "init": "Prepare this repository for sessions.",
        "hook": "Install, remove and run git hooks and agent hooks.",
        "which": "Show which session made a commit or last changed a line.",
        "commits": "List the commits made in a session, newest first.",
        "mcp": "Serve the session commands to an agent as MCP tools.",
        "completion": "Print, install or remove shell completion.",
        "schema": "Print the JSON Schema of stored and printed data.",
        "demo": "Simulate a day of several agents in two throw-away clones.",
    },
}
"""What people want: the commands that give it, and what each does."""

_MODULES: Final = {"ready": "advance", "running": "advance", "handoff": "advance"}
"""Commands that share a module; every other one has its own, of its own name."""


class SessionGroup(click.Group):
    """Finds commands by name and imports the one that is called, and no other."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """List all names, in the order of the help."""
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None for a name that is not known."""
        if not any(cmd_name in section for section in SECTIONS.values()):
            return None
        module = import_module(f"git_session.cli.commands.{_MODULES.get(cmd_name, cmd_name)}")
        found = getattr(module, f"{cmd_name}_command")
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the line calls, and for an unknown one those of similar name."""
        name = args[0]
        found = self.get_command(ctx, name)
        if found is None and not ctx.resilient_parsing:
            raise click.NoSuchCommand(name, possibilities=self.list_commands(ctx), ctx=ctx)
        return name if found else None, found, args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Offer the commands by their lines in the help, without importing them."""
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=text)
            for section in SECTIONS.values()
            for name, text in section.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their groups, without importing them."""
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
    help="Record and show which coding agent works on which grite task, in git refs.",
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
