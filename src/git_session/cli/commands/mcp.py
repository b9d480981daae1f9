"""`git session mcp`: an agent's own way to report itself, without a shell."""

from __future__ import annotations

import os
import sys

from git_session.cli.opening import find_here
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_data
from git_session.cli.ui.streams import is_terminal, say
from git_session.errors import EnvironmentFaultError


@command(
    "mcp",
    "git session mcp",
    "claude mcp add git-session -- git session mcp",
    "git session mcp --json",
)
def mcp_command(settings: Settings) -> None:
    """Serve the session commands to an agent as MCP tools.

    MCP is the Model Context Protocol. The agent starts the server, which speaks on stdin and stdout
    until they are closed. With --json it prints its tools instead. Both need an extra: pip install
    'git-session[mcp]', or pip install '.[mcp]' in the clone it was installed from.
    """
    try:
        import mcp.server  # noqa: F401 - is it there at all?
    except ModuleNotFoundError as error:
        raise EnvironmentFaultError(
            "the MCP SDK is not installed",
            "pip install 'git-session[mcp]', or pip install '.[mcp]' in the clone it came from",
        ) from error
    from git_session.connect.mcp_server import describe_tools, serve

    here = find_here()
    if settings.is_json:
        print_data({"tools": describe_tools()})
        return
    if is_terminal(sys.stdin):
        say("waiting for an agent on stdin; Ctrl-C stops it")
    serve(here, os.environ)
