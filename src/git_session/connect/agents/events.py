"""What an agent's events mean: pure, from the JSON that an agent sends to what is to be recorded.

Every field but the session's id and the event's name may be missing, and an event that is not known
is a sign of life and nothing more. Sources, public documents as of 2026-11: Claude Code's "Hooks
reference" (code.claude.com/docs/en/hooks); Codex CLI's "Hooks" (developers.openai.com/codex) and
its schemas (openai/codex, codex-rs/hooks/schema); Gemini CLI's docs/hooks; Cursor's hooks as
entireio/cli and cupcake describe them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

Phase = Literal["begins", "goes on", "ends", "child begins", "child ends"]

_LONGEST_ID: Final = 200
_WORKING: Final = frozenset(
    {
        *("userpromptsubmit", "userpromptexpansion", "pretooluse", "posttooluse", "precompact"),
        *("posttoolusefailure", "posttoolbatch", "postcompact", "permissiondenied", "taskcreated"),
        *("taskcompleted", "subagentstart", "subagentstop", "elicitationresult", "cwdchanged"),
        *("beforeagent", "beforemodel", "aftermodel", "beforetoolselection", "beforetool"),
        *("aftertool", "precompress", "beforesubmitprompt", "beforeshellexecution"),
        *("aftershellexecution", "beforemcpexecution", "aftermcpexecution", "beforereadfile"),
        *("afterfileedit", "afteragentthought", "tool.execute.before", "tool.execute.after"),
        *("permission.replied", "file.edited"),
    }
)
_WAITING: Final = frozenset({"permissionrequest", "elicitation", "permission.asked"})
_IDLE: Final = frozenset(
    {
        *("stop", "stopfailure", "interrupt", "teammateidle", "afteragent", "afteragentresponse"),
        *("agentturncomplete", "session.idle", "session.error"),
    }
)
_BEGINS: Final = frozenset({"sessionstart", "session.created"})
_ENDS: Final = frozenset({"sessionend", "session.deleted"})
_ASKING: Final = frozenset(
    {"permissionprompt", "idleprompt", "elicitationdialog", "agentneedsinput", "toolpermission"}
)
"""Types of a notification that says somebody has to do something."""

_SPEAKING: Final = re.compile(r"permission|waiting for your input|needs your", re.IGNORECASE)
"""What such a notification said before it had a type."""

_LEFT_BY_USER: Final = frozenset({"prompt_input_exit", "logout", "exit", "user_close", "aborted"})


class AgentEvent(NamedTuple):
    """Holds one event of an agent: which of its sessions it is of, and what it says.

    `subagent` is the id of the subagent that it is about, None for the agent itself. `activity` is
    None where the event says nothing of it; `is_work` tells that whoever waited does not any more.
    """

    agent: str
    name: str
    session: str
    phase: Phase
    activity: str | None
    is_work: bool
    subagent: str | None = None
    subagent_kind: str | None = None
    reason: str | None = None
    cwd: str | None = None
    model: str | None = None


def parse_event(agent: str, name: str | None, document: Any) -> AgentEvent | None:
    """Read an event out of an agent's JSON; None when it does not say of which session it is.

    `name` is the event's where the document does not name it.
    """
    if not isinstance(document, dict):
        return None
    session = _id(document, "session_id", "conversation_id", "sessionID", "thread-id", "thread_id")
    if session is None:
        return None
    told = _text(document, "hook_event_name", "hookEventName", "event", "type") or name or ""
    word = told.replace("_", "").replace("-", "").lower()
    subagent = _id(document, "agent_id", "subagent_id")
    activity, is_work = _judge_activity(word, document)
    return AgentEvent(
        agent=agent,
        name=told,
        session=session,
        phase=_judge_phase(word, subagent),
        activity=activity,
        is_work=is_work,
        subagent=subagent,
        subagent_kind=_text(document, "agent_type", "subagent_type"),
        reason=_end_reason(_text(document, "reason", "final_status")),
        cwd=_text(document, "cwd"),
        model=_text(document, "model"),
    )


def _judge_phase(word: str, subagent: str | None) -> Phase:
    if word == "subagentstart" and subagent:
        return "child begins"
    if word == "subagentstop" and subagent:
        return "child ends"
    if word in _ENDS and subagent is None:
        return "ends"
    return "begins" if word in _BEGINS else "goes on"


def _judge_activity(word: str, document: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return what an agent is at, and whether it is at work again."""
    if word in _WORKING:
        return "working", True
    if word in _WAITING:
        return "waiting", False
    if word in _IDLE or word in _ENDS:
        return "idle", True
    if word in _BEGINS:
        # After a compaction it goes on with what it was at.
        return (None, True) if document.get("source") == "compact" else ("idle", True)
    if word == "notification":
        return ("waiting", False) if _is_asking(document) else (None, True)
    return None, True


def _is_asking(document: Mapping[str, Any]) -> bool:
    kind = _text(document, "notification_type")
    if kind is not None:
        return kind.replace("_", "").replace("-", "").lower() in _ASKING
    return _SPEAKING.search(_text(document, "message") or "") is not None


def _end_reason(told: str | None) -> str:
    return "user-stop" if told in _LEFT_BY_USER else "completed"


def _id(document: Mapping[str, Any], *keys: str) -> str | None:
    found = _text(document, *keys)
    return found if found is not None and len(found) <= _LONGEST_ID else None


def _text(document: Mapping[str, Any], *keys: str) -> str | None:
    for key in keys:
        value = document.get(key)
        if isinstance(value, str) and value:
            return value
    return None
