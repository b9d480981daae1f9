"""What a fleet is played with and what is counted: for fleet.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from git_session.sync.background import PACE_S


@dataclass(frozen=True, slots=True)
class Settings:
    """Holds what a game is played with; times in s, `bandwidth` in bits a second."""

    clones: int = 10
    cadence_s: float = 60.0
    """Between two transitions of one clone, on average: they come as they like (Poisson)."""
    sync_every_s: float = 300.0
    """Between two syncs of one clone that come by the clock; each pause varies by half."""
    is_auto: bool = True
    """Whether each transition starts a background sync, as session.autoSync does."""
    pace_s: float = PACE_S
    minutes: float = 60.0
    latency_s: float = 0.1
    jitter: float = 0.3
    connect_trips: float = 8.0
    """Round trips before git's own protocol begins; docs/scale.md says how they were counted."""
    bandwidth: float = 10e6
    commit_bytes: int = 830
    """What one transition adds to a fetch or a push; docs/scale.md says how it was weighed."""
    client_s: float = 0.05
    """What a clone works between the end of its fetch and the beginning of its push."""
    slowness: float = 1.0
    """How many times the others' latency the first clone has."""
    is_burst: bool = False
    """Everybody records one transition at the same moment and syncs at once; nothing else."""
    is_eager: bool = False
    """Whether merges whose push will be refused are planned too; it changes no figure."""
    seed: int = 0

    @property
    def window_s(self) -> float:
        """Gives the time from a clone's look at the hub's ref to its push's swap, without jitter.

        The answer, the fetch, connecting again, the server's refs, the push; any landing of
        somebody else in this time makes the push a lost one.
        """
        return (self.connect_trips + 3) * self.latency_s + self.client_s


@dataclass(slots=True)
class Figures:
    """Holds what was counted in a game; times in s."""

    transitions: int = 0
    tried: int = 0
    landed: int = 0
    landed_while_writing: int = 0
    attempts: list[int] = field(default_factory=list)
    """Pushes that each landing took, its own included."""
    gave_up: int = 0
    to_hub: list[float] = field(default_factory=list)
    to_all: list[float] = field(default_factory=list)
    needed: list[float] = field(default_factory=list)
    """From a clone's first try to send what it had until it landed."""
    needed_by_slow: list[float] = field(default_factory=list)
    unsent: int = 0
    merges: int = 0
    carried: int = 0
    carried_bytes: int = 0
    missing: int = 0
    """Transitions that were recorded and do not stand in the log at the end."""
    repeated: int = 0
    converged_s: float | None = None
    head: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Gives the smallest value that at least this share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
