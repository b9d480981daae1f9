"""One page of HTML that holds a timeline: it loads nothing, and runs and shows only what is ours.

Everything of the store is text in it: the template escapes, the data is JSON in which no tag can
begin, the scripts make elements and never read HTML, and the page's own policy forbids all else.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from git_session import __version__
from git_session.core.liveness import QUIET_AFTER_MS

Row = Mapping[str, Any]

_SCRIPTS: Final = (
    "model",
    "times",
    "bars",
    "paint",
    "chart",
    "details",
    "table",
    "controls",
    "main",
)
_OUTCOMES: Final = {
    "spawned": "spawned",
    "ready": "ready",
    "running": "running",
    "handoff": "handoff",
    "done": "exit 0",
    "failed": "failed",
}
_HEADINGS: Final = (
    ("outcome", "State"),
    ("session", "Session"),
    ("task", "Task"),
    ("engine", "Engine"),
    ("role", "Role"),
    ("host", "Host"),
    ("began", "Began"),
    ("lasted", "Lasted"),
)
_EARLY: Final = 'document.documentElement.classList.add("has-script")'
"""Runs before anything is laid out."""

_NOT_RECORDED: Final = "not recorded"
_JSON_ESCAPES: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def make_page(timeline: Row, *, name: str, head: str | None) -> str:
    """Make the page of a timeline, whose bars have `marks`; `name` is the repository's.

    `head` is the log's newest commit. The text must be fit to be shown: nothing is stripped here.
    """
    timeline = _add_words(timeline)
    pairs = [(lane, bar) for lane in timeline["lanes"] for bar in lane["bars"]]
    outcomes = Counter(_outcome(bar) for _, bar in pairs)
    style = _read("page.css")
    script = _join_scripts()
    template = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html.jinja")
    return template.render(
        name=name,
        head=head,
        now=timeline["now"],
        version=__version__,
        policy=_format_policy((_EARLY, script), style),
        figures=_figures(timeline, outcomes),
        chips=[
            {"outcome": outcome, "word": word, "count": outcomes[outcome]}
            for outcome, word in _OUTCOMES.items()
        ],
        headings=_HEADINGS,
        has_hosts=any(bar["host"] for _, bar in pairs),
        rows=[_table_row(lane, bar, timeline["now"]) for lane, bar in pairs],
        moment=_format_moment,
        style=Markup(style),  # noqa: S704 - ours
        early=Markup(_EARLY),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        data=Markup(format_data(timeline)),  # noqa: S704 - no tag can begin in it
    )


def format_data(document: Any) -> str:
    """Write JSON that can stand in a script element: nothing in it ends that, or begins a tag."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace").decode().translate(_JSON_ESCAPES)


def _format_policy(scripts: Iterable[str], style: str) -> str:
    """Form the Content-Security-Policy: these scripts, this style sheet, and nothing else."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {_hash(style)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (files(__name__) / name).read_text("utf-8")


def _join_scripts() -> str:
    parts = "\n".join(_read(f"{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _outcome(bar: Row) -> str:
    if bar["state"] != "exit":
        return str(bar["state"])
    return "done" if bar["exit_code"] == 0 else "failed"


def _figures(timeline: Row, outcomes: Mapping[str, int]) -> Iterator[Row]:
    """Return the few numbers at the top."""
    ended = outcomes["done"] + outcomes["failed"]
    bars = [bar for lane in timeline["lanes"] for bar in lane["bars"]]
    worked = sum(max(_heard_until(bar) - bar["begin_ts"], 0) for bar in bars)
    yield {"value": len(bars) - ended, "word": "active", "outcome": None}
    if dead := sum(bar["verdict"] == "dead" for bar in bars):
        yield {"value": dead, "word": "dead", "outcome": "failed"}
    yield {"value": outcomes["done"], "word": "exit 0", "outcome": None}
    failed = "failed" if outcomes["failed"] else None
    yield {"value": outcomes["failed"], "word": "failed", "outcome": failed}
    tasks = len(timeline["lanes"])
    yield {"value": tasks, "word": "task" if tasks == 1 else "tasks", "outcome": None}
    yield {"value": _format_length(worked), "word": "of work", "outcome": None}


def _heard_until(bar: Row) -> int:
    """Return when a session ended, or until when something was heard of it."""
    found: int = bar["seen_ts"] if bar["end_ts"] is None else bar["end_ts"]
    return found


def _table_row(lane: Row, bar: Row, now: int) -> Row:
    end = max(now, bar["seen_ts"]) if bar["end_ts"] is None else bar["end_ts"]
    return {
        **{key: bar[key] for key in ("session_id", "engine", "role", "begin_ts")},
        "outcome": _outcome(bar),
        "state": bar["words"],
        "title": lane["title"] or lane["task_id"],
        "host": bar["host"] or _NOT_RECORDED,
        "begin_iso": _date(bar["begin_ts"]).isoformat(timespec="seconds"),
        "began": f"{_date(bar['begin_ts']):%Y-%m-%d %H:%M}",
        "lasted": _format_length(end - bar["begin_ts"]),
    }


def _add_words(timeline: Row) -> Row:
    """Add to each bar how the session stands, in words."""
    now = timeline["now"]
    lanes = [
        {**lane, "bars": [{**bar, "words": _format_state(bar, now)} for bar in lane["bars"]]}
        for lane in timeline["lanes"]
    ]
    return {**timeline, "lanes": lanes}


def _format_state(bar: Row, now: int) -> str:
    if bar["state"] != "exit":
        return ", ".join([bar["state"], *_format_life(bar, now)])
    code = "" if bar["exit_code"] is None else f" {bar['exit_code']}"
    return f"exit{code}" + (f", {bar['exit_reason']}" if bar["exit_reason"] else "")


def _format_life(bar: Row, now: int) -> Iterator[str]:
    """Return what is known of a session that has not exited, if that is more than its state."""
    age = now - bar["seen_ts"]
    if bar["verdict"] == "dead":
        yield f"dead: {bar['reason']}"
    elif bar["verdict"] != "alive" and age > QUIET_AFTER_MS:
        yield f"nothing heard for {_format_length(age)}"
    elif bar["activity"] is not None:
        yield "waiting for input" if bar["activity"] == "waiting" else bar["activity"]


def _format_moment(ts: int) -> str:
    return f"{_date(ts):%Y-%m-%d %H:%M:%S} UTC"


def _date(ts: int) -> datetime:
    return datetime.fromtimestamp(ts // 1000, UTC)


def _format_length(ms: int) -> str:
    """Form a length of time as the scripts do."""
    seconds = max(0, round(ms / 1000))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds}s"
    if hours < 1:
        return f"{minutes}m"
    if hours < 48:
        return f"{hours}h {minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{days}d {hours % 24}h" if hours % 24 else f"{days}d"
