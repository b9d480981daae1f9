"""How what was found in what leaves is said: where it is, never what it is.

Finds are rows of an OutgoingFinding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from git_session.core.fold.source import Row

Kind = Literal["credential", "home", "unscanned"]

WORDS: Final[dict[Kind, str]] = {
    "credential": "what leaves holds what looks like a credential:",
    "unscanned": "what leaves could not all be scanned for credentials:",
    "home": "what leaves names a home directory:",
}
"""What is said of each kind, in the order in which they are said."""

_NAMED: Final = 3
"""How many finds of a kind a sentence names."""


def explain_finds(rows: Sequence[Row], failure: str | None) -> list[str]:
    """Form one sentence for each kind of find, in which the first few are named."""
    sentences = [f"{words} {_enumerate(finds)}" for words, finds in group_finds(rows)]
    if failure:
        sentences.append(f"what leaves was not scanned for credentials: {failure}")
    return sentences


def group_finds(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Return the finds of each kind that there are, after the words that introduce them."""
    for kind, words in WORDS.items():
        finds = [row for row in rows if row["kind"] == kind]
        if finds:
            yield words, finds


def describe_find(row: Row) -> str:
    """Form the words for one find: what, where, and in which commit; never the text itself."""
    whose = (
        f"session {row['session_id']}"
        if row["session_id"]
        else f"issue {row['grite_issue_id'][:8]}"
    )
    line = f", line {row['line']}," if (row["line"] or 1) > 1 else ""
    where = [f"commit {row['commit'][:7]}"] if row["commit"] else []
    if row["events"] > 1:
        where.append(f"{row['events']} events")
    place = f" ({', '.join(where)})" if where else ""
    return f"{row['what']} in the {row['field']}{line} of {whose}{place}"


def _enumerate(finds: Sequence[Row]) -> str:
    if finds[0]["kind"] == "home":
        count = sum(row["events"] for row in finds)
        homes = sorted({row["what"] for row in finds})
        return f"{_shorten(homes)} ({count} event{'s' * (count != 1)})"
    return _shorten([describe_find(row) for row in finds])


def _shorten(words: Sequence[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f", and {more} more" if more > 0 else "")
