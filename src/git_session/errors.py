"""The exception tree: every failure a user or another program can cause has a class here.

Each class carries the exit code of its kind (grite's codes) and a stable word for JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

INTERRUPTED: Final = 130
"""The exit code of what somebody ended with Ctrl-C, as of any program that SIGINT ends."""


class GitSessionError(Exception):
    """Is the root of every expected failure; `hint` names the next command to type.

    The sentence and each of `lines`, which are said below it, or behind it where there is but one,
    come out as one line each: a line break in text from the store makes no line of its own.
    """

    exit_code = 1
    code = "failed"

    def __init__(self, sentence: str, hint: str | None = None, lines: Iterable[str] = ()) -> None:
        self.sentence = _join_lines(sentence)
        self.lines = tuple(_join_lines(line) for line in lines)
        self.hint = None if hint is None else _join_lines(hint)
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """Return the sentence with its lines below it, set in; a single one stands behind it."""
        if len(self.lines) > 1:
            return "\n  ".join([f"{self.sentence}:", *self.lines])
        return ": ".join([self.sentence, *self.lines])


class UsageError(GitSessionError):
    """Reports arguments that contradict each other or cannot be understood."""

    exit_code = 2
    code = "usage"


class AmbiguousError(UsageError):
    """Reports a short id that more than one task or session answers to."""

    code = "ambiguous"


class NotFoundError(GitSessionError):
    """Reports a task, session, actor or remote that is not there."""

    exit_code = 3
    code = "not_found"


class UnnamedCommitError(NotFoundError):
    """Reports a commit that nothing ties to a session."""


class LostLogError(NotFoundError):
    """Reports a log's ref that is not there, though a remote's log was seen here."""


class ConflictError(GitSessionError):
    """Reports that somebody else's work stands in the way."""

    exit_code = 4
    code = "conflict"


class TransitionError(ConflictError):
    """Reports a transition that the lifecycle refuses."""

    code = "illegal_transition"


class UnreachableError(ConflictError):
    """Reports a wait for what cannot come any more."""

    code = "unreachable"


class LockedError(ConflictError):
    """Reports an issue or repository that another actor holds a lock on."""

    code = "locked"


class SecretError(ConflictError):
    """Reports what `session.secrets = refuse` keeps from being recorded or sent."""

    code = "secret"


class TooLargeError(ConflictError):
    """Reports an object that is larger than what is read, or would be if it were written."""

    code = "too_large"


class ContendedError(ConflictError):
    """Reports a ref that other programs kept moving until the time was up."""

    code = "contended"


class EnvironmentFaultError(GitSessionError):
    """Reports surroundings in which no command could work."""

    exit_code = 5
    code = "environment"


class NotARepositoryError(EnvironmentFaultError):
    """Reports a path that lies in no git repository."""

    code = "not_a_repository"


class UnsupportedRepositoryError(EnvironmentFaultError):
    """Reports a repository format that libgit2 cannot open (SHA-256, reftable)."""

    code = "unsupported_repository"


class ConfigError(EnvironmentFaultError):
    """Reports a configuration file that cannot be read."""

    code = "config"


class ReadOnlyError(EnvironmentFaultError):
    """Reports a repository that cannot be written to: permissions, a full disk, a mount."""

    code = "read_only"


class DamagedLogError(GitSessionError):
    """Reports a log whose head cannot be read at all."""

    code = "damaged_log"


class WireError(GitSessionError):
    """Reports bytes that are not what the stored format says they should be."""

    code = "malformed"


class NewerFormatError(WireError):
    """Reports a format, or a word where only some are allowed, that a newer version may know."""


class RemoteError(GitSessionError):
    """Reports a remote that git could not fetch from or push to; `words` is all that was said."""

    code = "remote"

    def __init__(self, sentence: str, hint: str | None = None, words: str = "") -> None:
        super().__init__(sentence, hint, words.split("\n") if words else ())
        self.words = words


class RemoteTimeoutError(RemoteError):
    """Reports a remote that did not answer within the time limit; what it did is not known."""

    code = "timeout"


class WaitTimeoutError(GitSessionError):
    """Reports a wait that was over before what it waited for had come."""

    exit_code = 124
    code = "timed_out"


def _join_lines(text: str) -> str:
    return " ".join(text.splitlines())
