"""What a Tab offers: for the words of a line so far, those that can come next.

Only what is at hand is offered, from the index as it is: a Tab never reads the log, and loads
nothing that does. Text from the store becomes a candidate only where it means nothing to a shell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any, Final, NamedTuple

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from git_session.cli.opening import find_here, name_here
from git_session.cli.ui.text import cut_cell
from git_session.core.wire.plain_text import strip_controls
from git_session.git.place import find_place
from git_session.log.index_only import sessions_at_hand, tasks_at_hand

Items = list[CompletionItem[str]]

_PLAIN: Final = re.compile(r"[A-Za-z0-9@%+:,./_-]+")
"""Words that every shell takes for what they are."""

_WITH_VALUE: Final = frozenset(
    {"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--attr-source"}
)
"""git's own options that are followed by a value. Source: git(1)."""

_FINAL: Final = frozenset({"merged", "dropped"})
_WIDEST: Final = 60
_PATIENCE_S: Final = 1.0


class Candidate(NamedTuple):
    """Holds what can come next: a `plain` word, or that the shell is to offer `file` or `dir`."""

    kind: str
    word: str
    about: str


def find_candidates(group: click.Group, line: str) -> list[Candidate]:
    """Find what can stand at the end of a line, which may end within a word."""
    *words, incomplete = _split_line(line)
    args = _arguments([_expand_home(word) for word in words])
    if args is None:
        return []
    completer = ShellComplete(group, {}, "git session", "")
    option = ""
    if incomplete.startswith("--") and "=" in incomplete:
        option = incomplete[: incomplete.index("=") + 1]
    found = []
    for item in completer.get_completions(args, incomplete):
        if item.type != "plain":
            found.append(Candidate(item.type, "", ""))
        elif item.value.startswith(incomplete[len(option) :]) and _PLAIN.fullmatch(item.value):
            about = cut_cell(strip_controls(item.help or ""), _WIDEST)
            found.append(Candidate("plain", option + item.value, about))
    return found


def find_of_kind(kind: str, incomplete: str) -> Items:
    """Find the candidates of a kind, as click wants them."""
    if kind == "session":
        return _find_sessions(incomplete)
    if kind == "task":
        return _find_tasks(incomplete)
    if kind == "engine":
        engines = {row["engine"] for row in sessions_at_hand(name_here(), os.environ)}
        return _items((engine, "") for engine in sorted(engines))
    if kind == "remote":
        return _items((name, "") for name in _read_remotes())
    return [CompletionItem("", type={"directory": "dir"}.get(kind, kind))]


def _find_sessions(incomplete: str) -> Items:
    """Find the live sessions, and those that ended only where no live one begins so."""
    rows = sessions_at_hand(name_here(), os.environ)
    ids = [row["session_id"] for row in rows]
    named = []
    for row in rows:
        name = row["session_id"]
        if ids.count(name) > 1:
            name = f"{row['task_id']}/{name}"
        if name.startswith(incomplete):
            named.append((row, name))
    live = [found for found in named if found[0]["state"] != "exit"]
    return _items(
        (name, f"{row['state']}, {row['engine']}, {row['task_title']}")
        for row, name in live or named
    )


def _find_tasks(incomplete: str) -> Items:
    """Find the open tasks, and the others only where no open one begins so."""
    rows = [
        row
        for row in tasks_at_hand(name_here(), os.environ)
        if row["task_id"].startswith(incomplete)
    ]
    is_open = [row for row in rows if row["state"] == "open" and row["status"] not in _FINAL]
    return _items((row["task_id"], _describe_task(row)) for row in is_open or rows)


def _describe_task(row: dict[str, Any]) -> str:
    return ", ".join(part for part in (row["status"], row["title"]) if part)


def _read_remotes() -> list[str]:
    from git_session.git.settings import GitSettings

    place = find_place(find_here(), os.environ)
    if place is None:
        return []
    return GitSettings(place.git_dir, place.worktree, timeout_s=_PATIENCE_S).remotes()


def _items(found: Iterable[tuple[str, str]]) -> Items:
    """Make items of words from the store, without those that would be read as options."""
    return [CompletionItem(word, help=about) for word, about in found if word[:1] != "-"]


def _split_line(line: str) -> list[str]:
    """Split a line as a shell does, the unfinished word last, which may be empty."""
    *words, last = split_arg_string(f"{line}.")
    return [*words, last[:-1]]


def _expand_home(word: str) -> str:
    return os.path.expanduser(word) if word.startswith("~") else word  # noqa: PTH111 - Path raises


def _arguments(words: list[str]) -> list[str] | None:
    """Return what follows `git-session` or `git session`, with each -C that git would follow.

    git's other options that name a repository go where git puts them: into the environment.
    None when the command is still to come.
    """
    rest = iter(words)
    for word in rest:
        if PurePath(word).name == "git-session":
            return list(rest)
        if PurePath(word).name == "git":
            return _after_git(rest)
    return words[1:]


def _after_git(words: Iterator[str]) -> list[str] | None:
    places: list[str] = []
    for word in words:
        if not word.startswith("-"):
            return [*places, *words]
        name, has_value, value = word.partition("=")
        if word in _WITH_VALUE:
            value = next(words, "")
        elif not has_value:
            continue
        if name == "-C":
            places += [name, value]
        elif name == "--git-dir":
            os.environ["GIT_DIR"] = value
    return None
