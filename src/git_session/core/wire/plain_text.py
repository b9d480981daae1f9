"""Text from the store made fit to be shown: on a terminal, in JSON, in a command to type.

Everything here is pure. Text from the store is hostile: a title can hold escape sequences that
move the cursor, retitle the window or turn the reading direction around.
"""

from __future__ import annotations

import json
import re
from typing import Final

# Patterns are compiled where they are used: most text is printable as it is.
_ESCAPES: Final = (
    # CSI: parameters, intermediates, one final byte.
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    # OSC, DCS, SOS, PM, APC go with their text, but only when they end: an opener alone must
    # not be able to hide what follows it.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS: Final = "(?:\r\n|[\t-\r\x1c-\x1f\x85\u2028\u2029])"
_UNSHOWN: Final = (
    "\x7f-\x9f\xad"  # DEL, C1, soft hyphen
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction
    "\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # no width, or annotation
    "\U000e0000-\U000e007f"  # tags: text that nobody sees
)
"""What a terminal obeys or does not show, beside C0; the inside of a set."""

_HIDDEN: Final = f"[\x00-\x1f{_UNSHOWN}]"
_SURROGATES: Final = "[\ud800-\udfff]"
_NOT_IN_JSON: Final = f"[{_UNSHOWN}\u2028\u2029]"


def strip_controls(text: str) -> str:
    """Return `text` on one line, without anything that a terminal would obey or not show."""
    if text.isprintable():
        return text
    return re.sub(_HIDDEN, "", re.sub(_BREAKS, " ", _strip_escapes(text)))


def strip_lines(text: str) -> list[str]:
    """Return the lines of `text`, each without anything that a terminal would obey or not show."""
    lines = _strip_escapes(text).replace("\r\n", "\n").split("\n")
    return [strip_controls(line.expandtabs()) for line in lines]


def quote_word(text: str) -> str:
    """Return `text` as one word of a command to type: no shell takes it for more than that."""
    import shlex

    # Stripped first: what is taken out afterwards could be the quotes.
    return shlex.quote(strip_controls(text))


def escape_json(text: str) -> str:
    """Write what a terminal would obey or not show in a JSON text as the escapes that JSON has.

    The text stands for the same value as before. C0 needs none: in a string JSON has no such
    character, and around strings only line breaks.
    """
    return re.sub(_NOT_IN_JSON, _escape, text)


def _escape(found: re.Match[str]) -> str:
    # json escapes all that is not ASCII, and DEL is.
    return r"\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]


def _strip_escapes(text: str) -> str:
    return re.sub(_SURROGATES, "\ufffd", re.sub(_ESCAPES, "", text))
