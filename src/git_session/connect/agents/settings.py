"""Our entries in an agent's settings: put in, brought up to date, taken out. All of it is pure.

Everything else in the file stays as it is and where it is: other entries, their order, and keys
that this program has never heard of. Sources: Claude Code's "Hooks reference"; Codex CLI's hooks,
which ties its trust in a hook to its place, so that nothing may be moved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from git_session.core.agents import SETTINGS
from git_session.errors import ConfigError

_OURS: Final = re.compile(r" hook run agent [a-z]+$")
_INDENT: Final = re.compile(r"\n([ \t]+)\S")

Settings = dict[str, Any]


def add_entries(text: str, agent: str, command: str) -> str:
    """Return the settings with one entry of ours for each event; `text` is "" without a file.

    The text stays as it is when they are there. Raises ConfigError for what is no such file.
    """
    settings = parse_settings(text)
    before = json.dumps(settings)
    hooks = settings.setdefault("hooks", {})
    for event, timeout in SETTINGS[agent].events.items():
        wanted = {"type": "command", "command": command, "timeout": timeout}
        own = list(_own_handlers(hooks, event))
        if own:
            own[0].update(wanted)
        else:
            hooks.setdefault(event, []).append({"hooks": [wanted]})
    return text if json.dumps(settings) == before else _format(settings, text)


def remove_entries(text: str) -> str:
    """Return the settings without our entries, and without what would be left empty by that."""
    settings = parse_settings(text)
    before = json.dumps(settings)
    hooks = settings.get("hooks", {})
    for event in list(hooks):
        kept = [group for group in map(_without_ours, hooks[event]) if group is not None]
        if kept or not hooks[event]:
            hooks[event] = kept
        else:
            del hooks[event]
    if not hooks and json.dumps(settings) != before:
        settings.pop("hooks", None)
    return text if json.dumps(settings) == before else _format(settings, text)


def find_entries(text: str) -> dict[str, str]:
    """Find the commands of our entries, by their events. Raises ConfigError."""
    hooks = parse_settings(text).get("hooks", {})
    return {event: handler["command"] for event in hooks for handler in _own_handlers(hooks, event)}


def parse_settings(text: str) -> Settings:
    """Read an agent's settings. Raises ConfigError when they have not the shape of any."""
    try:
        settings = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"is not JSON: {error}") from error
    hooks = settings.get("hooks", {}) if isinstance(settings, dict) else None
    is_good = isinstance(hooks, dict) and all(isinstance(groups, list) for groups in hooks.values())
    if not isinstance(settings, dict) or not is_good:
        raise ConfigError("holds no settings of hooks as they are documented")
    return settings


def _own_handlers(hooks: Settings, event: str) -> Iterator[Settings]:
    for group in hooks.get(event, []):
        handlers = group.get("hooks") if isinstance(group, dict) else None
        for handler in handlers if isinstance(handlers, list) else []:
            if _is_ours(handler):
                yield handler


def _without_ours(group: Any) -> Any:
    """Take our handlers out of a group; None when nothing else is in it."""
    handlers = group.get("hooks") if isinstance(group, dict) else None
    if not isinstance(handlers, list) or not any(map(_is_ours, handlers)):
        return group
    kept = [handler for handler in handlers if not _is_ours(handler)]
    return {**group, "hooks": kept} if kept else None


def _is_ours(handler: Any) -> bool:
    command = handler.get("command") if isinstance(handler, dict) else None
    return isinstance(command, str) and _OURS.search(command) is not None


def _format(settings: Settings, text: str) -> str:
    """Write settings with the indent that the file had."""
    if not settings and not text.strip():
        return text
    found = _INDENT.search(text)
    indent = found[1] if found else "  "
    end = "\n" if text.endswith("\n") or not text else ""
    return json.dumps(settings, indent=indent, ensure_ascii=False) + end
