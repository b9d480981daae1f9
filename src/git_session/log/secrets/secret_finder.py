"""Find credentials in texts; a program of its own, which `scan.py` starts.

It runs apart from whoever syncs because regular expressions meet text that anybody may have
written: what takes too long is stopped here and named, and a crash loses no sync.

The scanner is detect-secrets, in the edition that is kept up (`bc-detect-secrets`, of Checkov).
What is used of it is in both editions, which are one package to Python.
What its detectors know by a prefix or a form is looked for. Its entropy and keyword detectors are
left out: ids and hashes are what a log is made of, and prose about passwords holds none. Only
`analyze_string` is called: the rest of it may ask a service whether a credential works.

stdin: JSON, `texts`, `allowed` (regular expressions of lines to pass over) and `timeout_s`.
stdout: a JSON array a line: `found`, the text's number, kind and line; `unscanned`, number and
why; at last `done`.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from detect_secrets.filters import heuristic
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

# What that edition does not know yet, first of all what an agent itself works with. Each begins
# with a literal, which is what makes the search quick; what stands before it is looked at after.
_MORE: Final = {
    "Anthropic API Key": r"sk-ant-(?<!\wsk-ant-)[\w-]{20,}",
    "GitHub Token": r"github_pat_\w{36,}",
    "GitLab Token": r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{20,}",
    "Google API Key": r"AIza[\w-]{35}(?![\w-])",
    "NPM tokens": r"npm_[A-Za-z0-9]{36}",
    "OpenAI API Key": r"sk-(?<!\wsk-)(?:(?:proj|svcacct|admin)-[\w-]{20,}|\w{20}T3BlbkFJ\w{20})",
    "PyPI Token": r"pypi-AgE[\w-]{50,}",
}
_PLACEHOLDERS: Final = (
    heuristic.is_templated_secret,
    heuristic.is_prefixed_with_dollar_sign,
)

_WINDOW: Final = 1 << 14
_OVERLAP: Final = 1 << 11
"""Characters that are looked at at once, and that of a longer line twice."""

_PATIENCE_S: Final = 1.0
"""Seconds for one window; an honest one takes a thousandth."""

Texts = Sequence[tuple[int, str]]


class _TooSlowError(Exception):
    """Ends a search that takes too long."""


class Finder:
    """Looks for credentials until its time is up; in the main thread, whose alarm it takes."""

    def __init__(self, allowed: Sequence[str], timeout_s: float) -> None:
        self._allowed = [re.compile(pattern) for pattern in allowed]
        self._deadline = time.monotonic() + timeout_s
        self._detectors = make_detectors()
        signal.signal(signal.SIGALRM, _stop)

    def find(self, texts: Sequence[str]) -> Iterator[tuple[str, int, object, object]]:
        """Find the credentials of each text, once a kind, and what could not be looked at.

        `found`, number, kind, line, or `unscanned`, number, why, None.
        """
        for group in _group(texts):
            joined = "\n".join(text for _, text in group)
            if len(joined) <= _WINDOW and self._is_clean(joined):
                continue
            for number, text in group:
                yield from self._find_in(number, text)

    def _is_clean(self, text: str) -> bool:
        try:
            with self._time_limit():
                return not any(self._search(text))
        except Exception:  # noqa: BLE001 - whatever a detector makes of it, text by text it is named
            return False

    def _find_in(self, number: int, text: str) -> Iterator[tuple[str, int, object, object]]:
        kept = "\n".join("" if self._is_allowed(line) else line for line in text.split("\n"))
        seen: set[str] = set()
        for start in range(0, max(len(kept) - _OVERLAP, 1), _WINDOW - _OVERLAP):
            window = kept[start : start + _WINDOW]
            try:
                with self._time_limit():
                    found = list(self._search(window))
            except _TooSlowError:
                yield "unscanned", number, "it takes too long", None
                return
            except Exception as error:  # noqa: BLE001 - hostile text must not lose the sync
                yield "unscanned", number, f"the scanner fails: {type(error).__name__}", None
                return
            for kind, secret in found:
                if kind not in seen:
                    seen.add(kind)
                    line = kept.count("\n", 0, start + max(window.find(secret), 0)) + 1
                    yield "found", number, kind, line

    def _is_allowed(self, line: str) -> bool:
        return any(pattern.search(line) for pattern in self._allowed)

    def _search(self, text: str) -> Iterator[tuple[str, str]]:
        for detector in self._detectors:
            for secret in detector.analyze_string(text):
                if not any(is_placeholder(secret) for is_placeholder in _PLACEHOLDERS):
                    yield detector.secret_type, secret

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        """Raise _TooSlowError in the block when it, or all of this, has taken long enough."""
        left = min(_PATIENCE_S, self._deadline - time.monotonic())
        if left <= 0:
            raise _TooSlowError
        signal.setitimer(signal.ITIMER_REAL, left)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def make_detectors() -> list[RegexBasedDetector]:
    """Make all that looks for credentials; each knows one kind."""
    more = [
        type("Detector", (RegexBasedDetector,), {"secret_type": kind, "denylist": [pattern]})()
        for kind, pattern in ((kind, re.compile(text)) for kind, text in _MORE.items())
    ]
    return [
        *(AWSKeyDetector(), BasicAuthDetector(), DiscordBotTokenDetector(), GitHubTokenDetector()),
        *(JwtTokenDetector(), NpmDetector(), PrivateKeyDetector(), SendGridDetector()),
        *(SlackDetector(), SquareOAuthDetector(), StripeDetector(), TwilioKeyDetector(), *more),
    ]


def _group(texts: Sequence[str]) -> Iterator[Texts]:
    """Put texts together that fill a window, as most windows hold nothing."""
    group: list[tuple[int, str]] = []
    size = 0
    for number, text in enumerate(texts):
        if group and size + len(text) >= _WINDOW:
            yield group
            group, size = [], 0
        group.append((number, text))
        size += len(text) + 1
    if group:
        yield group


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooSlowError


def main() -> None:
    """Read texts from stdin and print what was found in them."""
    asked = json.load(sys.stdin)
    finder = Finder(asked["allowed"], asked["timeout_s"])
    for word in finder.find(asked["texts"]):
        sys.stdout.write(json.dumps(word) + "\n")
        sys.stdout.flush()
    sys.stdout.write('["done"]\n')


if __name__ == "__main__":
    main()
