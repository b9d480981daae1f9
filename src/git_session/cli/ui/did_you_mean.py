"""Guess what was meant by a command that is not there, or that takes no such word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MEANT: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "git session": {
        "-h": ("help", "commands", "usage"),
        "--version": ("version",),
        "actor list": ("actors", "whoami"),
        "beat": ("heartbeat", "ping", "touch"),
        "exit": ("close", "done", "end", "finish", "kill", "quit", "stop"),
        "export -o sessions.html": ("html", "page", "report"),
        "fsck": ("check", "validate", "verify"),
        "handoff": ("pause",),
        "hook install": ("hooks", "install"),
        "list": ("active", "ls", "ps", "sessions", "status"),
        "list --tree": ("tree",),
        "log": ("history",),
        "show": ("cat", "info", "view"),
        "start": ("begin", "new", "open", "spawn"),
        "sync": ("fetch", "pull", "push"),
        "task add": ("add", "create"),
        "tasks": ("issue", "issues", "todo"),
        "watch": ("monitor", "top"),
        "which": ("blame",),
    },
    "git session task": {
        "tasks": ("list", "ls"),
        "task add": ("create", "new"),
        "task status": ("close", "done", "finish", "move", "set"),
        "start": ("begin", "start"),
    },
    "git session tasks": {
        "tasks": ("list", "ls"),
        "task add": ("add", "create", "new"),
        "task comment": ("comment",),
        "task show": ("show",),
        "task status": ("status",),
    },
    "git session hook": {
        "hook install": ("add", "enable"),
        "hook status": ("list", "ls", "show"),
        "hook uninstall": ("disable", "remove", "rm"),
    },
    "git session actor": {"actor new": ("add", "create")},
}
"""For what is typed behind a command: the line that does it, for the words that people try."""


def guess_command(path: str, words: Iterable[str]) -> str | None:
    """Guess the line that was meant by the first of `words` behind `path` that says something."""
    meant = _MEANT.get(path, {})
    for word in words:
        found = next((line for line, tried in meant.items() if word in tried), None)
        if found is not None:
            return f"git session {found}"
    return None
