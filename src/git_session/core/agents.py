"""The coding agents that are known, one entry each. An agent that is not listed is recorded too.

Sources: Claude Code's "Hooks reference" and "Settings" (code.claude.com/docs), Codex CLI's "Hooks"
(developers.openai.com/codex), Gemini CLI's docs/hooks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_EVENTS: Final = ("SessionStart", "UserPromptSubmit", "PostToolUse", "PermissionRequest", "Stop")
_CHILDREN: Final = ("SubagentStart", "SubagentStop")


class AgentSettings(NamedTuple):
    """The settings files of one agent, in Claude Code's format of hooks.

    `folder` is the user's, below the home directory, unless `folder_variable` names another.
    `project_file` is below the top of a checkout. `events` are those to ask for, each with its
    time limit in seconds. `note` is what the user still has to do.
    """

    folder_variable: str
    folder: str
    user_file: str
    project_file: str
    events: Mapping[str, int]
    note: str | None = None


class Agent(NamedTuple):
    """One agent; its process is the one in `pid_variable`, else the nearest parent of its name.

    `project_variable` holds the folder in which it was started. `resume` is the command that
    resumes one of its sessions, with `{}` for the session's id. `settings` is None where the
    format is not known.
    """

    name: str
    project_variable: str | None = None
    pid_variable: str | None = None
    resume: str | None = None
    settings: AgentSettings | None = None


AGENTS: Final[tuple[Agent, ...]] = (
    Agent(
        "claude",
        project_variable="CLAUDE_PROJECT_DIR",
        pid_variable="CLAUDE_PID",
        resume="claude --resume {}",
        settings=AgentSettings(
            folder_variable="CLAUDE_CONFIG_DIR",
            folder=".claude",
            user_file="settings.json",
            project_file=".claude/settings.local.json",
            # SessionEnd has 1.5 s unless an entry asks for more.
            events=dict.fromkeys((*_EVENTS, "Notification", *_CHILDREN, "SessionEnd"), 10),
        ),
    ),
    Agent(
        "codex",
        resume="codex resume {}",
        settings=AgentSettings(
            folder_variable="CODEX_HOME",
            folder=".codex",
            user_file="hooks.json",
            project_file=".codex/hooks.json",
            events={**dict.fromkeys((*_EVENTS, *_CHILDREN), 10), "SessionEnd": 3},
            note="in codex: /hooks shows them, and an entry runs once it is trusted there",
        ),
    ),
    Agent("gemini", project_variable="GEMINI_PROJECT_DIR"),
    Agent("opencode", pid_variable="OPENCODE_PID"),
)

SETTINGS: Final = {agent.name: agent.settings for agent in AGENTS if agent.settings is not None}
"""The settings of the agents whose format is known, by the agents' names."""


def format_resume(name: str, session: str) -> str | None:
    """Form the command that resumes an agent's session; None where none is known."""
    form = next((agent.resume for agent in AGENTS if agent.name == name), None)
    return form.format(session) if form and _SAFE_ID.fullmatch(session) else None
