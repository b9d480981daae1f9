"""The man pages are sound; that they are current is held with the commands themselves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import run

ROOT: Final = Path(__file__).resolve().parent.parent


def test_man_has_nothing_to_complain_of() -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not on PATH; .ci/run installs it with man-db")
    pages = [str(path) for path in sorted((ROOT / "man").glob("*.1"))]
    assert pages
    ran = run(ROOT, "groff", "-man", "-Tutf8", "-ww", "-z", *pages)
    assert (ran.code, ran.stderr) == (0, "")
