"""The targets of the fuzzer hold for what they begin with, and the fuzzer runs where it can."""

from __future__ import annotations

import random
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import run
from tests.guarantees.fuzz.corpus import write_corpus
from tests.guarantees.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).resolve().parent.parent.parent
MUTATIONS: Final = 100
"""Changes at random to each target's seeds: what needs no fuzzer is found by every run."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    places = write_corpus(tmp_path_factory.mktemp("corpus"))
    return {
        name: [path.read_bytes() for path in sorted(folder.iterdir())]
        for name, folder in places.items()
    }


def mutate(seed: bytes, chance: random.Random) -> bytes:
    """Changes, removes or repeats a few bytes."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(3):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case _:
                data[at:at] = data[at : at + chance.randint(1, 8)]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_fuzzer_begins_with_holds_and_changes_to_it_at_random(
    corpus: dict[str, list[bytes]], name: str
) -> None:
    chance = random.Random(name)
    assert corpus[name]
    for seed in corpus[name]:
        TARGETS[name](seed)
    for _ in range(MUTATIONS):
        TARGETS[name](mutate(chance.choice(corpus[name]), chance))


@pytest.mark.heavy
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed here")
def test_the_fuzzer_runs_and_counts(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "tests.guarantees.fuzz", "--seconds", "4", "--jobs", "1")
    ran = run(ROOT, *command, "--keep", str(tmp_path), "block", "lock")
    assert ran.code == 0, ran
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["block", "lock", "all"]
    assert all(line.endswith(" 0 findings") for line in ran.stdout.splitlines())
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
