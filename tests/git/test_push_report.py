"""What git printed for a push is read by each ref's own line, and by nothing else.

The texts are what git 2.39.5 printed in these cases.
"""

from __future__ import annotations

import pytest

from git_session.git.push_report import PushOutcome, PushState, parse_push_report

SHA = "e0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3"
WAL = "refs/grite/wal"


def _parse(*lines: str) -> dict[str, PushOutcome]:
    return parse_push_report("\n".join([*lines, ""]).encode()).outcomes


def _line(flag: str, text: str, ref: str = WAL) -> str:
    return f"{flag}\t{SHA}:{ref}\t{text}"


@pytest.mark.parametrize(
    ("flag", "text", "state"),
    [
        ("*", "[new reference]", PushState.LANDED),
        (" ", "abc1234..def5678", PushState.LANDED),
        ("=", "[up to date]", PushState.UP_TO_DATE),
        ("!", "[rejected] (non-fast-forward)", PushState.REFUSED),
        ("!", "[rejected] (fetch first)", PushState.REFUSED),
        ("!", "[rejected] (stale info)", PushState.REFUSED),
        ("!", "[rejected] (needs force)", PushState.DECLINED),
        ("!", "[remote rejected] (failed to update ref)", PushState.REFUSED),
        ("!", "[remote rejected] (incorrect old value provided)", PushState.REFUSED),
        ("!", "[remote rejected] (reference already exists)", PushState.REFUSED),
        ("!", "[remote rejected] (failed to lock)", PushState.REFUSED),
        ("!", "[remote rejected] (pre-receive hook declined)", PushState.DECLINED),
        ("!", "[remote rejected] (hook declined)", PushState.DECLINED),
        ("!", "[remote rejected] (deny updating a hidden ref)", PushState.DECLINED),
        ("!", "[remote rejected] (a rule nobody has heard of)", PushState.DECLINED),
        ("!", "[remote rejected] (unpacker error)", PushState.FAILED),
        ("!", "[remote failure] (remote failed to report status)", PushState.UNKNOWN),
        ("X", "[no match]", PushState.FAILED),
    ],
)
def test_each_line_is_judged_by_flag_and_reason(flag: str, text: str, state: PushState) -> None:
    outcome = _parse("To /srv/hub.git", _line(flag, text), "Done")[WAL]
    assert (outcome.state, outcome.reason) == (state, text)
    assert outcome.is_there == (state in {PushState.LANDED, PushState.UP_TO_DATE})


@pytest.mark.parametrize("lines", [("Done",), ("",), ("To /srv/hub.git", "Done")])
def test_done_is_no_sign_of_success(lines: tuple[str, ...]) -> None:
    """Over HTTP it is all that is printed when the transport broke."""
    assert _parse(*lines) == {}


def test_what_hooks_print_before_the_answer_is_passed_over() -> None:
    noise = [_line("*", "[new reference]"), "\x1b[36m┃ 🥊 hook\x1b[0m", "*\tx", "Tor: ok"]
    assert _parse(*noise, "Done") == {}
    answer = _line("!", "[rejected] (fetch first)")
    assert _parse(*noise, "To /srv/hub.git", answer)[WAL].state is PushState.REFUSED


def test_a_missing_done_makes_an_answer_no_less_valid() -> None:
    outcomes = _parse("To x", _line("*", "[new reference]"), _line("=", "[up to date]", "refs/a"))
    assert {ref: outcome.state for ref, outcome in outcomes.items()} == {
        WAL: PushState.LANDED,
        "refs/a": PushState.UP_TO_DATE,
    }


@pytest.mark.parametrize(
    ("one", "other", "state"),
    [
        (("*", "[new reference]"), ("=", "[up to date]"), PushState.LANDED),
        (("*", "[new reference]"), ("!", "[rejected] (fetch first)"), PushState.REFUSED),
        (
            ("!", "[rejected] (fetch first)"),
            ("!", "[remote rejected] (hook declined)"),
            PushState.DECLINED,
        ),
        (
            (" ", "1..2"),
            ("!", "[remote failure] (remote failed to report status)"),
            PushState.UNKNOWN,
        ),
    ],
)
def test_of_the_answers_of_several_addresses_the_worst_counts(
    one: tuple[str, str], other: tuple[str, str], state: PushState
) -> None:
    for first, second in ((one, other), (other, one)):
        lines = ["To a", _line(*first), "Done", "To b", _line(*second), "Done"]
        report = parse_push_report("\n".join(lines).encode())
        assert report.addresses == 2
        assert report.outcomes[WAL].state is state


def test_bytes_that_are_no_utf_8_are_read_all_the_same() -> None:
    stdout = (
        b"To /srv/\xe9.git\n!\t" + f"{SHA}:{WAL}".encode() + b"\t[remote rejected] (\xe9)\nDone\n"
    )
    outcome = parse_push_report(stdout).outcomes[WAL]
    assert (outcome.state, outcome.reason) == (PushState.DECLINED, r"[remote rejected] (\xe9)")
