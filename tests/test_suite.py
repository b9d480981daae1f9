"""The suite itself: it ends wherever it is started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import run

ROOT: Final = Path(__file__).resolve().parent.parent
SHOW_IGNORED: Final = """
from signal import SIG_IGN, SIGHUP, SIGINT, getsignal
print([number.name for number in (SIGINT, SIGHUP) if getsignal(number) is SIG_IGN])
"""


def test_suite_programs_take_signals(tmp_path: Path) -> None:
    ran = run(tmp_path, sys.executable, "-c", SHOW_IGNORED)
    assert ran.stdout == "[]\n"


def test_suite_in_the_background_programs_take_signals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Run the test above in a suite that a shell has started with both signals ignored."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    script = 'trap "" INT HUP; exec "$@"'
    test = f"{Path(__file__).relative_to(ROOT)}::{test_suite_programs_take_signals.__name__}"
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", test]
    ran = run(ROOT, "sh", "-c", script, "sh", *command)
    assert ran.code == 0, ran
