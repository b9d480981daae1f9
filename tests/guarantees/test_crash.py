"""Whatever call a command is stopped or failed at: its change is there wholly or not at all.

Each command that changes anything is run again and again, each time killed at another one of the
calls that change files, or with that call failing. As the state after one call is the state before
the next, the state before and after each of them is tried.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.guarantees.faults.commands import COMMANDS, STAGES, Command, Stage
from tests.guarantees.faults.program import Call, Fault, Program, started, why_not
from tests.guarantees.faults.soundness import Trial
from tests.support.figures import Figures

KILLED: Final = "killed"
ERRORS: Final = ("ENOSPC", "EIO", "EACCES")
EFFECTS: Final = (None, *ERRORS)
IN_TURN: Final = "an error each"
SHARE: Final = 12
"""How many calls of each command every run of the heavy tests tries, at least."""

SECONDS_OF_A_DAY: Final = 86_400
SAMPLE: Final = (
    ('rename("', "tmp_obj_", None),
    ('link("', "wal.lock", None),
    ('rename("', "wal.lock", None),
    ('unlink("', "locks", None),
    ("write(1", "", None),
    ("pwrite64(", "", None),
    ('rename("', "wal.lock", "EIO"),
    ("write(", "", "ENOSPC"),
)
"""Calls of one transition: how they begin, what they name, and the error, None for a kill."""

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="session")
def stages() -> dict[str, Stage]:
    return {}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with started(tmp_path / "program") as program:
        yield program


@pytest.fixture
def prepare(
    program: Program,
    stages: dict[str, Stage],
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Callable[[Command], Trial]:
    """Gives a maker of trials; a stage is made once for all tests of a worker."""

    def make(command: Command) -> Trial:
        if command.stage not in stages:
            stage = Stage(tmp_path_factory.mktemp(command.stage))
            STAGES[command.stage](stage, program)
            stages[command.stage] = stage
        return Trial(command, stages[command.stage], program, tmp_path / "stage")

    return make


def plan_fault(call: Call, error: str | None) -> Fault:
    # A full disk stays full, but lets files be removed; any other error may hit one call and not
    # the next.
    return Fault(call, error, is_lasting=error == "ENOSPC" and call.name != "unlink")


def try_faults(trial: Trial, faults: Sequence[Fault]) -> Counter[str | None]:
    """Tries all faults and counts those that were hit; fails with all that went wrong."""
    failures, hits = [], Counter[str | None]()
    for fault in faults:
        try:
            hits[fault.error] += trial.try_fault(fault)
        except AssertionError as failure:
            failures.append(f"{fault}\n{failure}")
    if failures:
        pytest.fail(f"{len(failures)} of {len(faults)}:\n\n" + "\n\n".join(failures), pytrace=False)
    return hits


def test_a_transition_that_is_killed_or_fails_at_some_calls_is_whole_or_not_there(
    prepare: Callable[[Command], Trial], figures: Figures
) -> None:
    """A sample of what the test below does in full."""
    (command,) = (command for command in COMMANDS if command.name == "running")
    trial = prepare(command)
    faults = []
    for begin, named, error in SAMPLE:
        calls = [c for c in trial.calls if c.text.startswith(begin) and named in c.text]
        assert calls, (begin, named)
        faults.append(plan_fault(calls[-1], error))
    figures.add("points of failure: sampled", try_faults(trial, faults).total())


@pytest.mark.heavy
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_fault_at_some_calls_leaves_a_change_whole_or_not_at_all(
    prepare: Callable[[Command], Trial], figures: Figures, command: Command
) -> None:
    """A share of what the test below does in full, and each day another one."""
    trial = prepare(command)
    day = int(time.time()) // SECONDS_OF_A_DAY
    step = max(1, len(trial.calls) // SHARE)
    picked = enumerate(trial.calls[day % step :: step], start=day)
    faults = [plan_fault(call, EFFECTS[n % len(EFFECTS)]) for n, call in picked]
    figures.add("points of failure: sampled", try_faults(trial, faults).total())


def plan_cases() -> Iterator[tuple[Command, str]]:
    """Lists what is tried: each command killed, and with each error.

    Where it is one of many that change files by the same calls, with one error after the other.
    """
    for command in COMMANDS:
        yield command, KILLED
        yield from (
            (command, error) for error in ([IN_TURN] if is_one_of_many(command) else ERRORS)
        )


def is_one_of_many(command: Command) -> bool:
    return command.is_like_running and os.environ.get("FAULTS") != "all"


def plan_faults(calls: Sequence[Call], mode: str) -> list[Fault]:
    if mode == KILLED:
        return [plan_fault(call, None) for call in calls]
    if mode == IN_TURN:
        return [plan_fault(call, ERRORS[n % len(ERRORS)]) for n, call in enumerate(calls)]
    return [plan_fault(call, mode) for call in calls]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("command", "mode"),
    [pytest.param(*case, id=f"{case[0].name}, {case[1]}") for case in plan_cases()],
)
def test_a_fault_at_any_call_leaves_a_change_whole_or_not_at_all(
    prepare: Callable[[Command], Trial], figures: Figures, command: Command, mode: str
) -> None:
    trial = prepare(command)
    hits = try_faults(trial, plan_faults(trial.calls, mode))
    if mode == KILLED:
        figures.add("points of failure: commands", 1)
    for error, number in hits.items():
        what = f"calls that fail with {error}" if error else "calls before which it is killed"
        figures.add(f"points of failure: {what}", number)
