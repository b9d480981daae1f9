"""The words of brat's session model, apart from all that reads and writes blocks.

Source: the grite store format, section "Tasks and session comments".
"""

from __future__ import annotations

from collections.abc import Collection

from git_session.errors import UsageError

STATES = ("spawned", "ready", "running", "handoff", "exit")
ROLES = ("mayor", "witness", "refinery", "deacon", "user")
SESSION_TYPES = ("polecat", "crew")
PRESUMED_REASONS = ("crash-recovery", "crash")
"""With code -1 these tell of an exit that somebody else concluded."""

SESSION_VARIABLE = "GIT_SESSION_ID"
"""The environment variable that tells a program in which session it runs."""

NO_SESSION = "none"
"""Its value for who is in no session, though one may live in the same checkout."""

TRIAL_SESSION = "s-doctor"
"""The session that the doctor tries hooks in; no log but that of its own repository has it."""

TASK_VARIABLE = "GIT_SESSION_TASK"
"""The environment variable that tells it on which task."""

ATTRIBUTE_PREFIX = "attr_"
"""What the keys of attributes begin with in a block, so that none can pass for a field."""

COMMIT_ATTRIBUTE = "commit"
"""The attribute that tells the last commit made in a session."""

TRAILER = "Agent-Session"
"""The key of the line by which a commit names its session."""

ACTIVITIES = ("working", "waiting", "idle")
"""What an agent says of itself; not brat's words, and never in the log."""


def require_words(given: Collection[str], known: tuple[str, ...], word: str) -> None:
    """Raise UsageError when a word is not one of those known."""
    for value in given:
        if value not in known:
            raise UsageError(f"no such {word}: {value}", f"known: {', '.join(known)}")
