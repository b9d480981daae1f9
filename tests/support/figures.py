"""Counts what tests have tried, so that a run can say how much it was.

A test adds to a figure; the figures of all tests, on whatever worker they ran, stand in a table at
the end of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import pytest

_PREFIX: Final = "figure: "


class Figures:
    """Lets one test add to figures."""

    def __init__(self, record: list[tuple[str, object]]) -> None:
        self._record = record

    def add(self, name: str, number: int) -> None:
        """Adds to a figure, which begins at 0."""
        self._record.append((_PREFIX + name, number))


def sum_figures(reports: Iterable[object]) -> Counter[str]:
    """Adds up the figures of the tests that have passed."""
    sums: Counter[str] = Counter()
    for report in reports:
        if isinstance(report, pytest.TestReport) and report.when == "call" and report.passed:
            for name, number in report.user_properties:
                if name.startswith(_PREFIX) and isinstance(number, int):
                    sums[name.removeprefix(_PREFIX)] += number
    return sums
