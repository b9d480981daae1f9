"""The played fleet of benchmarks/fleet.py can be believed: it converges, loses nothing, repeats."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from benchmarks.fleet_figures import Figures, Settings, percentile
from benchmarks.simulated_fleet import Game
from benchmarks.simulated_store import EPOCH_S, MemoryStore
from git_session.git.repository.objects import ObjectStore
from tests.conftest import git, run

ROOT: Final = Path(__file__).resolve().parent.parent

CALM: Final = Settings(clones=6, cadence_s=60.0, minutes=10.0)
BUSY: Final = Settings(clones=24, cadence_s=10.0, minutes=3.0)
"""More than the hub can take: clones give up, and their merges pile up."""
SLOW: Final = Settings(clones=5, cadence_s=20.0, minutes=5.0, slowness=5.0)
BY_CLOCK: Final = Settings(clones=5, cadence_s=30.0, minutes=10.0, is_auto=False)
GAMES: Final = {"calm": CALM, "busy": BUSY, "slow": SLOW, "by clock": BY_CLOCK}

every_game = pytest.mark.parametrize("settings", GAMES.values(), ids=GAMES)


def play(settings: Settings) -> Figures:
    return Game(settings).play()


@every_game
def test_every_clone_ends_with_every_transition_once(settings: Settings) -> None:
    """All clones come to one head; its log holds all that was recorded, nothing of it twice."""
    figures = play(settings)
    assert figures.converged_s is not None
    assert (figures.missing, figures.repeated, figures.unsent) == (0, 0, 0)
    assert len(figures.to_hub) == len(figures.to_all) == figures.transitions > 0


@every_game
def test_the_hub_only_ever_moves_forward(settings: Settings) -> None:
    """Each head of the hub descends from the one before: no push overwrites another."""
    game = Game(settings)
    figures = game.play()
    assert all(game.store.is_ancestor(one, other) for one, other in pairwise(game.hub.heads))
    assert len(game.hub.heads) == figures.landed + 1


@every_game
def test_the_same_seed_plays_the_same_game(settings: Settings) -> None:
    """The same settings give the same figures, to the head's id; another seed another game."""
    first = play(settings)
    assert asdict(play(settings)) == asdict(first)
    assert play(replace(settings, seed=1)).head != first.head


@every_game
def test_planning_the_refused_merges_too_changes_nothing(settings: Settings) -> None:
    """What the game leaves out to be quick, the merges that do not land, is without effect."""
    assert asdict(play(replace(settings, is_eager=True))) == asdict(play(settings))


def test_a_hub_that_is_too_slow_makes_clones_give_up() -> None:
    """The busy game is one that tells something: most pushes are lost, and syncs time out."""
    figures = play(BUSY)
    assert figures.gave_up > 0
    assert figures.tried > 2 * figures.landed
    assert figures.merges > figures.landed - figures.gave_up


def test_a_clone_alone_never_loses_a_push() -> None:
    """Without others there is nothing to merge and no second attempt."""
    figures = play(replace(CALM, clones=1))
    assert figures.tried == figures.landed > 0
    assert figures.merges == figures.carried == 0


def test_of_a_burst_one_clone_lands_each_round() -> None:
    """Six clones in step need one to six attempts, as real git does (see docs/scale.md)."""
    figures = play(Settings(clones=6, is_burst=True, jitter=0.05, latency_s=0.3, connect_trips=2.0))
    assert sorted(figures.attempts) == [1, 2, 3, 4, 5, 6]


def test_a_longer_way_loses_more_pushes() -> None:
    """What the figures are for: the window between look and swap decides."""
    near, far = (play(replace(BUSY, latency_s=seconds)) for seconds in (0.01, 0.2))
    assert near.tried / near.landed < far.tried / far.landed


def test_commits_have_the_ids_that_git_gives(tmp_path: Path) -> None:
    """The store in memory and a real one write the same commit."""
    memory, real = MemoryStore(), ObjectStore.create(tmp_path / "real")
    first = memory.record(None, bytes(16), b"\1" * 16, EPOCH_S * 1000)
    second = memory.record(first, bytes(16), b"\1" * 16, EPOCH_S * 1000 + 5)
    for oid in (first, second):
        (commit, *_) = memory.read_commits(oid)
        assert commit.meta is not None
        files = {"meta.json": commit.meta} | {path: data or b"" for path, data in commit.chunks}
        message = "WAL: 1 events from 00000000"
        parents = list(commit.parents)
        written = real.write_commit(files=files, parents=parents, message=message, time=commit.time)
        assert written == oid
    assert git(tmp_path / "real", "rev-list", "--count", second) == "2"


def test_percentiles_are_values_that_were_seen() -> None:
    """The nearest rank: of a hundred values the 99th, of one that one."""
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([7.0], 0.99) == 7.0


def test_the_script_prints_one_object_a_scenario(tmp_path: Path) -> None:
    """As a program: the scenario asked for, its settings and its figures."""
    command = (sys.executable, str(ROOT / "benchmarks" / "fleet.py"))
    asked = ("--clones", "4", "--cadence-s", "60", "--minutes", "5", "--seed", "3", "--json")
    ran = run(tmp_path, *command, *asked)
    assert ran.code == 0, ran
    said = json.loads(ran.stdout)
    assert said["settings"]["clones"] == 4
    assert said["figures"]["missing"] == 0
    assert said["figures"]["head"] == play(Settings(clones=4, minutes=5.0, seed=3)).head


def test_the_script_prints_a_table_for_people(tmp_path: Path) -> None:
    """Each row has a cell for each column."""
    command = (sys.executable, str(ROOT / "benchmarks" / "fleet.py"))
    ran = run(tmp_path, *command, "--clones", "3", "--minutes", "2")
    assert ran.code == 0, ran
    table = [line for line in ran.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert len({line.count("|") for line in table}) == 1
