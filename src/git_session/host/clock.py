"""The wall clock, and pauses between tries."""

from __future__ import annotations

import time


def read_clock() -> int:
    """Read the wall clock: ms since the epoch."""
    return time.time_ns() // 1_000_000


class Backoff:
    """Waits between tries: a random time below a bound that starts at `first_s` and doubles."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._bound_s = first_s
        self._longest_s = longest_s

    def wait(self) -> None:
        """Wait, at random, so that two programs that failed together do not meet again."""
        import random  # 1 ms, for those that have to wait

        time.sleep(random.uniform(0, self._bound_s))
        self._bound_s = min(self._bound_s * 2, self._longest_s)
