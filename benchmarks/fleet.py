"""Plays 10, 100 and 1,000 clones against one hub: `python benchmarks/fleet.py [--quick]`.

The merges are real (log/merge.py compares, core/fold/merge.py plans, the ids are git's), the
rounds and pauses are those of sync/rounds.py; network and clock are played. The same arguments
print the same figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

# The parts live beside this file, which is no installed package: found from this file's place.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.fleet_figures import Figures, Settings, percentile
from benchmarks.simulated_fleet import Game

CADENCES_S: Final = (60.0, 300.0, 900.0, 3600.0)
TRIPS: Final = {"ssh": 8.0, "https": 3.0, "ssh, shared connection": 1.0}
"""Round trips until git's own protocol begins; benchmarks/hub_cost.py counts them."""

LONGEST_MINUTES: Final = 240.0
ENOUGH: Final = 2000
QUICKLY_ENOUGH: Final = 200
SIZES: Final = ([10, 100, 1000], [8, 32, 100], [0, 5, 20])
"""Clones of the matrix, clones of a burst, pauses in s."""

_MATRIX: Final = (
    *(
        "fleet",
        "minutes",
        "transitions",
        "updates/min",
        "window",
        "pushes",
        "landed",
        "lost",
        "attempts",
    ),
    *("gave up", "merges", "carried again", "to hub", "to all", "converged", "longest"),
)
_BURST: Final = ("fleet", "pushes", "lost", "attempts", "mean", "all in", "gave up")
_SLOW: Final = (
    *("fleet", "updates/min", "landed by the slow", "it needed", "its longest"),
    *("others needed", "lost", "gave up"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Holds the scenarios of one table by their names, and how their rows are made."""

    title: str
    columns: Sequence[str]
    make_cells: Callable[[Settings, Figures], list[str]]
    games: dict[str, Settings]


def main() -> None:
    """Reads the command line, plays the scenarios and prints a row for each."""
    options = _parse_arguments()
    began = time.process_time()
    tables = [_plan_single(options)] if options.clones or options.cadence_s else _plan_all(options)
    for table in tables:
        _play_table(table, as_json=options.as_json)
    if not options.as_json:
        print(f"\n{_NOTES}\n\n{time.process_time() - began:.0f} s of one processor.")


def _plan_all(options: argparse.Namespace) -> Iterator[Table]:
    base, is_quick = _base_of(options), options.quick
    enough = QUICKLY_ENOUGH if is_quick else ENOUGH
    sizes, crowds, pauses = ([10, 100], [8], [5]) if is_quick else SIZES
    cadences = CADENCES_S[::2] if is_quick else CADENCES_S
    fleets = [replace(base, clones=size, cadence_s=every) for size in sizes for every in cadences]
    matrix = {_name(game): _sized(game, enough) for game in fleets}
    yield Table("Each transition is sent at once (session.autoSync)", _MATRIX, _cells, matrix)
    small, large = replace(base, clones=100), replace(base, clones=1000, cadence_s=900.0)
    helped = _help(small, (300.0, 900.0)) | ({} if is_quick else _help(large, (3600.0,)))
    remedies = {name: _sized(game, enough) for name, game in helped.items()}
    yield Table("The same with a shorter way, or by the clock only", _MATRIX, _cells, remedies)
    bursts = {
        f"{size} clones, {way}": replace(base, clones=size, connect_trips=trips, is_burst=True)
        for way, trips in TRIPS.items()
        for size in crowds
    }
    yield Table("Everybody at the same moment, once", _BURST, _burst_cells, bursts)
    slow = replace(base, slowness=5.0)
    keen = replace(slow, clones=8, cadence_s=1.0, minutes=10.0)
    lagging = {f"8 clones, 1 s, {pace:g} s pause": replace(keen, pace_s=pace) for pace in pauses}
    for clones, cadence in ((10, 60.0), (100, 300.0), (100, 900.0)):
        game = replace(slow, clones=clones, cadence_s=cadence)
        lagging[_name(game)] = _sized(game, enough)
    yield Table("One clone with five times the round trip", _SLOW, _slow_cells, lagging)


def _help(game: Settings, by_clock_s: Sequence[float]) -> dict[str, Settings]:
    """Plans what may help one fleet."""
    name = _name(game)
    shorter = {
        f"{name}, {way}": replace(game, connect_trips=trips)
        for way, trips in TRIPS.items()
        if trips != game.connect_trips
    }
    near = {f"{name}, {game.latency_s * 200:g} ms": replace(game, latency_s=game.latency_s / 5)}
    by_clock = {
        f"{name}, sync every {_span(every)}": replace(game, is_auto=False, sync_every_s=every)
        for every in by_clock_s
    }
    return shorter | near | by_clock


def _plan_single(options: argparse.Namespace) -> Table:
    base = _base_of(options)
    game = replace(base, clones=options.clones or base.clones)
    game = replace(game, cadence_s=options.cadence_s or base.cadence_s)
    minutes = options.minutes or (options.hours or 0) * 60
    game = replace(game, minutes=minutes) if minutes else _sized(game, ENOUGH)
    title = f"{options.latency_ms:g} ms, {options.connect_trips:g} round trips to connect"
    return Table(title, _MATRIX, _cells, {_name(game): game})


def _sized(game: Settings, enough: int) -> Settings:
    """Lets a game be as long as `enough` transitions take, and two syncs by the clock."""
    minutes = enough * game.cadence_s / game.clones / 60
    least = 2.0 if game.is_auto else game.sync_every_s / 30
    return replace(game, minutes=min(max(minutes, least), LONGEST_MINUTES))


def _play_table(table: Table, *, as_json: bool) -> None:
    if not as_json:
        print(f"\n{table.title}\n\n| {' | '.join(table.columns)} |")
        print(f"| --- |{' ---: |' * (len(table.columns) - 1)}", flush=True)
    for name, settings in table.games.items():
        figures = Game(settings).play()
        if figures.missing or figures.repeated:
            sys.exit(f"{figures.missing} transitions lost, {figures.repeated} twice: {settings}")
        if as_json:
            row = {"fleet": name, "settings": asdict(settings), "figures": _summary(figures)}
            print(json.dumps(row), flush=True)
        else:
            cells = [name, *table.make_cells(settings, figures)]
            print(f"| {' | '.join(cells)} |", flush=True)


def _cells(settings: Settings, figures: Figures) -> list[str]:
    return [
        f"{settings.minutes:.0f}",
        f"{figures.transitions:,}",
        _rate(settings, figures),
        f"{settings.window_s:.2f} s",
        f"{figures.tried:,}",
        f"{figures.landed:,}",
        _lost(figures),
        _counts(figures.attempts),
        f"{figures.gave_up:,}",
        f"{figures.merges:,}",
        f"{figures.carried:,}, {figures.carried_bytes / 1000:,.0f} kB",
        _spans(figures.to_hub),
        _spans(figures.to_all),
        "no" if figures.converged_s is None else _span(figures.converged_s),
        _span(max([*figures.needed, *figures.needed_by_slow], default=0.0)),
    ]


def _burst_cells(_settings: Settings, figures: Figures) -> list[str]:
    return [
        f"{figures.tried:,}",
        _lost(figures),
        _counts(figures.attempts),
        f"{figures.tried / figures.landed:.1f}",
        _span(max(figures.to_hub)),
        f"{figures.gave_up:,}",
    ]


def _slow_cells(settings: Settings, figures: Figures) -> list[str]:
    slow = figures.needed_by_slow
    return [
        _rate(settings, figures),
        f"{len(slow):,} of {figures.landed:,}",
        _spans(slow),
        _span(max(slow, default=0.0)),
        _spans(figures.needed),
        _lost(figures),
        f"{figures.gave_up:,}",
    ]


def _summary(figures: Figures) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    shares = {"median": 0.5, "p99": 0.99, "most": 1.0}
    for key, value in asdict(figures).items():
        if not isinstance(value, list):
            summary[key] = value
        elif value:
            summary[key] = {name: percentile(value, share) for name, share in shares.items()}
    return summary


def _name(game: Settings) -> str:
    return f"{game.clones:,} clones, {_span(game.cadence_s)}"


def _rate(settings: Settings, figures: Figures) -> str:
    return f"{figures.landed_while_writing / settings.minutes:.1f}"


def _lost(figures: Figures) -> str:
    return f"{100 * (1 - figures.landed / max(figures.tried, 1)):.0f} %"


def _counts(values: Sequence[float]) -> str:
    return f"{percentile(values, 0.5):g}, {percentile(values, 0.99):g}" if values else "-"


def _spans(values: Sequence[float]) -> str:
    """Writes the median and the 99th percentile of times in s."""
    return f"{_span(percentile(values, 0.5))}, {_span(percentile(values, 0.99))}" if values else "-"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    return f"{seconds / 60:.0f} min"


def _base_of(options: argparse.Namespace) -> Settings:
    return Settings(
        latency_s=options.latency_ms / 1000,
        jitter=options.jitter,
        connect_trips=options.connect_trips,
        bandwidth=options.bandwidth_mbit * 1e6,
        client_s=options.client_ms / 1000,
        sync_every_s=options.sync_every_s,
        is_auto=not options.no_auto,
        slowness=options.slowness,
        seed=options.seed,
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Play a fleet of clones against one hub; without --clones or --cadence-s"
        " the scenarios that docs/scale.md shows."
    )
    add, base = parser.add_argument, Settings()
    add("--clones", type=int, help="play one scenario with so many")
    add("--cadence-s", type=float, help="... and so long between a clone's transitions")
    add("--minutes", type=float, help="... for so long")
    add("--hours", type=float)
    add("--sync-every-s", type=float, default=base.sync_every_s, help="default %(default)g")
    add("--no-auto", action="store_true", help="no sync after each transition")
    add("--latency-ms", type=float, default=base.latency_s * 1000, help="default %(default)g")
    add("--jitter", type=float, default=base.jitter, help="a share; default %(default)g")
    add("--connect-trips", type=float, default=base.connect_trips, help="default %(default)g")
    add("--bandwidth-mbit", type=float, default=base.bandwidth / 1e6, help="default %(default)g")
    add("--client-ms", type=float, default=base.client_s * 1000, help="default %(default)g")
    add("--slowness", type=float, default=1.0, help="the first clone's round trip, times this")
    add("--seed", type=int, default=0)
    add("--quick", action="store_true", help="a small part, in seconds")
    add("--json", dest="as_json", action="store_true", help="one object a line")
    return parser.parse_args()


_NOTES: Final = f"""\
Pairs are the median and the 99th percentile. "window" is the time from a clone's look at the hub's
ref to its push's swap, on average. Pushes, merges and times are counted from the first transition
until all clones hold one head. "carried again" is what merges recorded a second time, "longest"
what the unluckiest clone needed from its first try to its landing.
Reduced: a game is played until {ENOUGH:,} transitions are written or {LONGEST_MINUTES:.0f} minutes
are over, for a day of 1,000 clones would take hours."""


if __name__ == "__main__":
    main()
