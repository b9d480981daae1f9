"""What is added to files of somebody else's: one line to a hook, a file for lefthook, and advice.

Everything here is pure. A line can be taken out again to the byte; it does nothing, in no time,
where git-session is not installed, as such files are often tracked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

LEFTHOOK_FILE: Final = "lefthook-local.yml"

_NEW: Final = b"#!/bin/sh\n# Made by `git session hook install`; other lines may follow.\n"
_SHELLS: Final = re.compile(rb"#! */[^\n]*\b(?:ba|da|k|mk|z)?sh\b")
_LEFTHOOK_MARK: Final = (
    "# Made by `git session hook install`; `git session hook uninstall` removes it.\n"
)
_LEFTHOOK_ARGUMENTS: Final = {
    "prepare-commit-msg": ' "{1}" "{2}"',
    "post-commit": "",
    "pre-push": ' "{1}" "{2}"',
}
"""lefthook puts the words in as they are; those that git does not give stay `{2}`."""


def format_call(hook: str, arguments: str) -> str:
    """Form the shell that calls the hook kept in the repository, if it is there."""
    path = f'"$(git rev-parse --git-common-dir)/git-session/hooks/{hook}"'
    return f'(h={path}; [ ! -x "$h" ] || exec "$h"{arguments}) || :'


def format_line(hook: str) -> bytes:
    """Form the line that is added to a hook written in shell, without its end."""
    return (format_call(hook, ' "$@"') + " # git-session").encode()


def is_shell(text: bytes) -> bool:
    """Return whether a hook is written in shell: what has no `#!` is run by one."""
    return b"\0" not in text and (not text.startswith(b"#!") or _SHELLS.match(text) is not None)


def add_line(text: bytes | None, hook: str) -> bytes:
    """Add the line to a hook's text, None for a hook that is not there yet.

    It comes first, before anything can end the script; in pre-push last, because what is pushed
    can be read from stdin only once, and whoever wrote the script comes first.
    """
    lines = (_NEW if text is None else text).split(b"\n")
    end = len(lines) - (not lines[-1])
    start = end if text is None else int(lines[0].startswith(b"#!"))
    lines.insert(end if hook == "pre-push" else start, format_line(hook))
    return b"\n".join(lines)


def has_line(text: bytes, hook: str) -> bool:
    """Return whether a hook's text contains the line."""
    return format_line(hook) in text.split(b"\n")


def remove_line(text: bytes, hook: str) -> bytes | None:
    """Take the line out of a hook's text again; None when nothing else was ever there."""
    if text == add_line(None, hook):
        return None
    lines = text.split(b"\n")
    lines.remove(format_line(hook))
    return b"\n".join(lines)


def format_lefthook_file(hooks: Sequence[str]) -> str:
    """Form the whole file that makes lefthook run our hooks."""
    return _LEFTHOOK_MARK + format_lefthook_jobs(
        {hook: format_call(hook, _LEFTHOOK_ARGUMENTS[hook]) for hook in hooks}
    )


def parse_lefthook_file(text: str) -> list[str] | None:
    """Return the hooks of a file made by format_lefthook_file; None for any other file."""
    hooks = [hook for hook in _LEFTHOOK_ARGUMENTS if f"\n{hook}:\n" in text]
    return hooks if text == format_lefthook_file(hooks) else None


def format_advice(manager: str | None, hook: str, path: str) -> tuple[str, list[str]]:
    """Form what to do by hand for one hook: a sentence, and the lines to add."""
    call = f"git session hook run {hook}"
    if manager == "lefthook":
        jobs = format_lefthook_jobs({hook: call + _LEFTHOOK_ARGUMENTS[hook]})
        return f"add to lefthook.yml or {LEFTHOOK_FILE}, then: lefthook install", jobs.splitlines()
    if manager == "pre-commit":
        return (
            f"add to .pre-commit-config.yaml, then: pre-commit install --hook-type {hook}",
            [
                "  - repo: local",
                "    hooks:",
                f"      - {{id: git-session-{hook}, name: git session, language: system,",
                f"         entry: {call}, stages: [{hook}], always_run: true, verbose: true,",
                f"         pass_filenames: {str(hook == 'prepare-commit-msg').lower()}}}",
            ],
        )
    # It reads what is pushed, which can be read but once.
    place = ", as its last line" if hook == "pre-push" else ""
    return f"add to {path}{place}", [f'{call} "$@" || :']


def format_lefthook_jobs(calls: Mapping[str, str]) -> str:
    """Form lefthook's YAML for the calls of some hooks."""
    return "".join(
        f"{hook}:\n  jobs:\n    - name: git-session\n"
        + "      use_stdin: true\n" * (hook == "pre-push")
        + f"      run: |\n        {call}\n"
        for hook, call in calls.items()
    )
