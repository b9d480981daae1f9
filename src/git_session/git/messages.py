"""What git and a server said on stderr: cleaned, so that it can be passed on, and given a hint.

Nothing here decides what happened: a text only chooses which advice is given. git is run with
LC_ALL=C, so its part is English; a server's part can be anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from git_session.core.wire.plain_text import quote_word, strip_controls

_MOST_LINES: Final = 30
_LONGEST_LINE: Final = 1024

_BREAKS: Final = re.compile(rb"[\r\n]+")
_PROGRESS: Final = re.compile(r"(remote: )?[A-Z][A-Za-z ]*: +\d+(%|,|$)")
# What git says besides, and what follows from what it says elsewhere.
_NOISE: Final = re.compile(
    r"(remote:)?$|(remote: )?Total \d+ \(delta|Delta compression using|Everything up-to-date"
    r"|error: failed to push some refs to "
)
_PASSWORD: Final = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")

# Of a server that can be read.
_PUSH_HINTS: Final = (
    (
        r"access denied or repository not exported|service not enabled",
        (
            "the server can be read and takes no pushes: ask its owner to allow them "
            "(git daemon: --enable=receive-pack)"
        ),
    ),
    (
        r"\bW any \S.* denied|read.only(?! file)|write access|not allowed to (push|write)",
        "this login may read there and not write: ask the server's owner for the right to write",
    ),
)

# The first pattern that is found chooses. What is particular stands before what is general.
# Compiled where advice is asked for, which is when something went wrong.
_HINTS: Final = tuple(
    ("|".join(patterns), hint)
    for hint, *patterns in (
        (
            (
                "an object of this clone is damaged or missing: git session repair --from {remote} "
                "finds what {remote} has of it and what is lost; --apply lets the log go on"
            ),
            r"(?m:^(error|fatal): .*(inflate: |corrupt|unpack \S+ header|hash mismatch))",
            *(
                r"(?m:^error: object file .* is empty)",
                r"(?m:^fatal: bad (tree )?object [0-9a-f]{40})",
            ),
            r"(?m:^fatal: unable to read [0-9a-f]{40})",
            r"did not send all necessary objects",
        ),
        (
            (
                "no saved login fits, and there is no terminal to ask in: git fetch {remote} asks "
                "in a terminal; git config credential.helper sets how git saves the answer"
            ),
            *("could not read (username|password)", "unable to read askpass"),
        ),
        (
            "the login was refused: git fetch {remote} in a terminal asks for another one",
            *("authentication failed", "invalid credentials", "error: 401"),
        ),
        (
            (
                "ssh does not know the server's key, or knows another one: connect with ssh once "
                "in a terminal and compare it with what the server's owner says"
            ),
            *("host key verification failed", "host identification has changed"),
        ),
        (
            (
                "the server takes none of the ssh keys it was shown: ssh-add -l lists the agent's, "
                "IdentityFile in ~/.ssh/config names another one"
            ),
            *(r"permission denied \(", "too many authentication failures"),
        ),
        (
            "there is no such host, or no network: check {address}",
            *("could not resolve", "unable to look up", "name or service not known"),
            "nodename nor servname",
        ),
        (
            "no answer: check the network and {address}, and sync again",
            *("connection refused", "(failed|couldn't|unable) to connect", "timed out"),
            *("unreachable", "no route to host", "connection (closed|reset) by"),
        ),
        (
            "the connection is not trusted: see http.sslCAInfo in git help config",
            *("certificate", r"\bssl\b", "gnutls"),
        ),
        (
            "the server's git does not trust the repository's owner: see safe.directory there",
            "dubious ownership",
        ),
        (
            "the server keeps refs/grite to itself: see transfer.hideRefs and its like there",
            "hidden ref",
        ),
        (
            (
                "a rule of the server is about who commits: git config session.committer "
                "'NAME <ADDRESS>' names who new commits are by; merges stay by grite, so ask its "
                "owner to leave refs/grite/* out of the rule"
            ),
            *("grit@local", r"committer('s)? ('|e-?mail|name|identity)", r"author('s)? e-?mail"),
            *(r"(invalid|forge) (committer|author)", "committer is unknown"),
        ),
        (
            "the server has no room for this repository, or so large a push: ask its owner",
            *(r"(?<!disk )quota", r"exceed\S* .*(size|limit|storage)", "error: 413"),
            *("(repository|push|pack) (size|is too large)", "storage limit"),
        ),
        (
            "a rule of the server refuses this ref: ask its owner to allow refs/grite/*",
            "hook declined",
        ),
        (
            "where it is written there is no room or no permission: see to that and sync again",
            *("no space left", "disk quota", "read-only file system", "permission denied"),
            *("(index-pack|unpack-objects) abnormal exit", "unable to (create temp|write)"),
        ),
        (
            "there is no such repository, or you may not see it: check {address}",
            *("does not appear to be a git repository", "repository .* not found"),
            *("repository not exported", "no such repository", "project you were looking for"),
        ),
        (
            "this login may not do that there: ask the server's owner",
            *("service not enabled", "error: 403", "access denied", "denied to"),
        ),
        (
            "if it stays so, a git that crashed there has left the .lock file behind",
            *("cannot lock ref", r"unable to create .*\.lock"),
        ),
        (
            "git knows no such way to a remote, or may not go it: check {address}",
            *("transport .* not allowed", "remote helper"),
        ),
        (
            "the connection broke off: sync again, nothing is lost",
            *("unexpected disconnect", "hung up unexpectedly", "early eof", "rpc failed"),
            "broken pipe",
        ),
    )
)


def clean_words(stderr: bytes) -> str:
    """Return the lines that say something: no progress, no control characters, no passwords.

    Of very many lines the last ones, where git says why it gave up.
    """
    return "\n".join(split_words(stderr))


def split_words(stderr: bytes) -> list[str]:
    """Return the lines of clean_words."""
    lines = []
    for line in stderr.split(b"\n"):
        # What stands before a carriage return was progress, overwritten on a terminal.
        text = _strip(line.rstrip(b"\r").rpartition(b"\r")[2])[:_LONGEST_LINE].rstrip()
        if text and not _PROGRESS.match(text) and not _NOISE.match(text):
            lines.append(text)
    return lines[-_MOST_LINES:]


def choose_hint(
    words: str, remote: str, *, is_configured: bool, is_push: bool = False
) -> str | None:
    """Choose the advice that fits what was said; None when nothing is known that would.

    `is_push`: a push was refused by a server that can be read.
    """
    remote = quote_word(remote)
    address = f"the address (git remote get-url {remote})" if is_configured else "the address"
    for pattern, hint in (*_PUSH_HINTS, *_HINTS) if is_push else _HINTS:
        if re.search(pattern, words, re.IGNORECASE):
            return hint.format(remote=remote, address=address)
    return None


class ProgressFilter:
    """Hands on git's progress out of all it says on stderr, piece by piece, fit for a terminal."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._rest = b""
        self._is_open = False

    def add(self, piece: bytes) -> None:
        """Take the next bytes of stderr; a piece is shown when its line or its turn is over."""
        self._rest += piece
        end = 0
        for found in _BREAKS.finditer(self._rest):
            self._show_progress(self._rest[end : found.start()], found[0])
            end = found.end()
        # A line without an end is no progress; there is no need to remember all of it.
        self._rest = self._rest[end:][-_LONGEST_LINE:]

    def __enter__(self) -> ProgressFilter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_open:  # broken off in the middle of a line
            self._show("\n")

    def _show_progress(self, piece: bytes, line_end: bytes) -> None:
        text = _strip(piece[:_LONGEST_LINE])
        if _PROGRESS.match(text):
            self._is_open = b"\n" not in line_end
            self._show(text + ("\r" if self._is_open else "\n"))


def redact_password(text: str) -> str:
    """Return `text` without the passwords that stand in URLs."""
    return _PASSWORD.sub(r"\1:***@", text)


def _strip(piece: bytes) -> str:
    return redact_password(strip_controls(piece.decode("utf-8", "backslashreplace")))
