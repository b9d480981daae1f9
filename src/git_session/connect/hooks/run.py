"""What the installed hooks call: `git session hook run`.

Nobody who commits or pushes may be kept from it: a failure is a sentence, and the exit code is 0.
A commit waits for this, so nothing is imported that is not needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from git_session.core.wire.words import SESSION_VARIABLE, TRAILER
from git_session.errors import EnvironmentFaultError, GitSessionError, UsageError


def run_whole(
    hook: str, args: Sequence[str], program: Sequence[str], environ: Mapping[str, str]
) -> NoReturn:
    """Run a whole hook, as a hook manager or a line in somebody's own hook calls it.

    Becomes the shell that plays the same text as the installed hook, and does not come back.
    Raises UsageError for a hook that is not ours, EnvironmentFaultError.
    """
    from git_session.connect.hooks.shim import HOOKS, format_shim
    from git_session.git.handover import become_program

    if hook not in HOOKS:
        raise UsageError(f"no such hook: {hook}", f"known: {', '.join([*HOOKS, 'agent'])}")
    words = list(args) + _read_arguments(hook, len(args), environ)
    become_program(["sh", "-c", format_shim(hook, program), hook, *words], environ)


def finish_hook(
    args: Sequence[str], environ: Mapping[str, str], on_failure: Callable[[str], None]
) -> None:
    """Do what the shell of an installed hook left to do; `args` are the hook's name and more.

    May become another program and not come back.
    """
    hook, *rest = args
    try:
        if hook == "prepare-commit-msg":
            session, path, *source = rest
            _add_trailer(session, path, source[0] if source else "", environ)
        elif hook == "pre-push":
            from git_session.connect.hooks.push import send_along

            send_along(*rest[:2], on_failure=on_failure)
    except GitSessionError as error:
        on_failure(error.message)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with us, the commit goes on
        on_failure(f"{hook} failed: {type(error).__name__}: {error}")


def _add_trailer(session: str, path: str, source: str, environ: Mapping[str, str]) -> None:
    """Become the git that adds the trailer, unless the message has to stay as it is."""
    from git_session.connect.hooks import message
    from git_session.git.handover import become_program

    if not _is_id(session):
        raise UsageError(f"{session!a} cannot be a session's id: this commit does not name it")
    text = _read_bytes(path)
    # git sets this where it opens no editor, and then adds no lines of comment either.
    has_editor = environ.get("GIT_EDITOR") != ":"
    comments = message.choose_comments(_read_comment_char() if has_editor else None)
    if not message.may_carry_trailer(text, source, comments):
        return
    if environ.get(SESSION_VARIABLE):
        from git_session.connect.hooks.naming import require_going_on

        session = require_going_on(session, environ)
    settings = ["-c", "trailer.separators=:"]
    if not has_editor:
        settings += ["-c", f"core.commentChar={message.choose_unused(text)}"]
    # All is said that the user's settings of trailers could change.
    how = ["--no-divider", "--where", "end", "--if-exists", "addIfDifferent"]
    trailer = ["--if-missing", "add", "--trailer", f"{TRAILER}: {session}"]
    command = ["git", *settings, "interpret-trailers", "--in-place", *how, *trailer, path]
    become_program(command, environ)


def _is_id(session: str) -> bool:
    if session.isascii() and session.replace("-", "").isalnum() and not session.startswith("-"):
        return True
    from git_session.core.wire import names  # ms, for ids of an unusual form

    return names.is_safe_id(session)


def _read_comment_char() -> bytes | None:
    """Read what the last of core.commentChar and core.commentString says; None when unset."""
    from git_session.git.child import read_setting_here

    return read_setting_here(r"^core\.comment(char|string)$")


def _read_bytes(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            return file.read()
    except OSError as error:
        raise EnvironmentFaultError(f"cannot read {path}: {error.strerror}") from error


def _read_arguments(hook: str, given: int, environ: Mapping[str, str]) -> list[str]:
    """Read what the pre-commit framework tells in the environment instead of by arguments."""
    if hook == "prepare-commit-msg" and given == 1:
        told = ("PRE_COMMIT_COMMIT_MSG_SOURCE", "PRE_COMMIT_COMMIT_OBJECT_NAME")
    elif hook == "pre-push" and given == 0:
        told = ("PRE_COMMIT_REMOTE_NAME", "PRE_COMMIT_REMOTE_URL")
    else:
        return []
    return [environ[name] for name in told if name in environ]
