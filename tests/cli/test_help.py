"""Help texts are written as git and click write them: imperative, one sentence, plain words."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Final

import click
import pytest

from git_session.cli import group
from git_session.cli.options import Settings
from tools.reference import EXIT_CODES, SETTINGS, VARIABLES

VERBS: Final = frozenset(
    {
        *("Add", "Ask", "Change", "Check", "Compare", "Create", "Do", "Draw", "End", "Exit"),
        *("Export", "Fetch", "Fix", "Follow", "Include", "Install", "Limit", "List", "Make"),
        *("Manage", "Measure", "Move", "Prepare", "Print", "Push", "Record", "Remove"),
        *("Repair", "Replace", "Restore", "Run", "Save", "Serve", "Set", "Show", "Simulate"),
        *("Sort", "Start", "Stop", "Sync", "Use", "Wait", "Write"),
    }
)
"""The verbs that help begins with; a new one is a decision: is none of these the same?"""

LONGEST_SENTENCE: Final = 36
"""Words in a sentence of a description."""

TRANSLATED: Final = re.compile(
    r"\b("
    r"nobody|no one|none (is|are|of)|whoever|wherever else|whatever that|such (a|an|are|is)"
    r"|(be|is|are) had|(be|is|are) let|let be|tells?|told|(look|looks|looked|looking) (at|whether)"
    r"|stands? (beside|in|there|now|here|between)|may not|in vain|by itself|of which"
    r"|(heard|known) of|as (git|grite) takes? it|others (wrote|have|need|too)|mends?|mended"
    r")\b",
    re.IGNORECASE,
)
"""Words of a sentence that reads as translated, and what to say instead: see CONTRIBUTING.md."""


def _walk(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command, obj=Settings())
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _walk(inner, f"{words} {name}".strip())


def _options() -> Iterator[tuple[str, str]]:
    for words, command in _walk(group, ""):
        for param in command.params:
            if isinstance(param, click.Option):
                yield f"{words} {param.opts[-1]}", param.help or ""


def _arguments() -> Iterator[tuple[str, str]]:
    for words, command in _walk(group, ""):
        for param in command.params:
            if isinstance(param, click.Argument):
                yield f"{words} {param.name}", param.help or ""


DESCRIPTIONS: Final = {
    words: [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n")]
    for words, command in _walk(group, "")
}
SUMMARIES: Final = {words: parts[0] for words, parts in DESCRIPTIONS.items()}
OPTIONS: Final = dict(_options())
ARGUMENTS: Final = dict(_arguments())
REFERENCE: Final = dict((*SETTINGS, *VARIABLES, *EXIT_CODES))


@pytest.mark.parametrize("texts", [SUMMARIES, OPTIONS], ids=["commands", "options"])
def test_help_begins_with_a_known_verb(texts: dict[str, str]) -> None:
    strange = {words: text for words, text in texts.items() if _first_word(text) not in VERBS}
    assert not strange, "begin with a verb in the imperative; a new one is added to VERBS"


def test_verbs_without_help_leave_the_list() -> None:
    used = {_first_word(text) for text in (*SUMMARIES.values(), *OPTIONS.values())}
    assert used >= VERBS


@pytest.mark.parametrize(
    "texts",
    [SUMMARIES, OPTIONS, ARGUMENTS, REFERENCE],
    ids=["commands", "options", "arguments", "reference"],
)
def test_help_text_is_one_sentence(texts: dict[str, str]) -> None:
    wrong = {words: text for words, text in texts.items() if len(_sentences(text)) != 1}
    assert not wrong, "one sentence that ends in a full stop; the rest belongs to the description"
    assert all(text.endswith(".") for text in texts.values())


def test_description_has_short_sentences() -> None:
    long = [
        (words, sentence)
        for words, parts in DESCRIPTIONS.items()
        for part in parts[1:]
        for sentence in _sentences(part)
        if len(sentence.split()) > LONGEST_SENTENCE
    ]
    assert not long


def test_help_has_no_translated_words() -> None:
    texts = {**OPTIONS, **ARGUMENTS, **REFERENCE}
    texts |= {words: " ".join(parts) for words, parts in DESCRIPTIONS.items()}
    found = {words: hit[0] for words, text in texts.items() if (hit := TRANSLATED.search(text))}
    assert not found


def test_translated_words_are_recognized() -> None:
    for text in (
        "Looks whether all is well",
        "Only if nobody works on the task",
        "The head may be let be",
        "A note that stands beside it",
        "Whoever supervises it",
        "A time as git takes it",
        "SEEN tells what is known of it",
    ):
        assert TRANSLATED.search(text), text


def _first_word(text: str) -> str:
    return text.split(" ", maxsplit=1)[0].rstrip(",")


def _sentences(text: str) -> list[str]:
    """Split after a full stop that a capital, a quote or a sign follows; `init.` ends one too."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`%$\"'])", text.strip())
