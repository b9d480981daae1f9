"""Every setting is documented, and the man pages are sound; test_cli_commands has the rest."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import run
from tools.reference import SETTINGS, VARIABLES

ROOT: Final = Path(__file__).resolve().parent.parent


OF_AGENTS: Final = ROOT / "src" / "git_session" / "agents" / "events.py"
"""Here `session.created` is the name of an agent's event."""


def test_every_setting_and_variable_that_is_read_is_documented() -> None:
    modules = set((ROOT / "src").rglob("*.py")) - {OF_AGENTS}
    source = "\n".join(path.read_text(encoding="utf-8") for path in modules)
    settings = set(re.findall(r'"(session\.[a-z]+[A-Za-z]*)"', source))
    variables = set(re.findall(r'"(GIT_SESSION_[A-Z_]+)"', source))
    assert settings <= {name for name, _ in SETTINGS}, "add it to SETTINGS in tools/reference.py"
    assert variables <= {name for name, _ in VARIABLES}, "add it to VARIABLES in tools/reference.py"


def test_man_has_nothing_to_complain_of() -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not on PATH; .ci/run installs it with man-db")
    pages = [str(path) for path in sorted((ROOT / "man").glob("*.1"))]
    assert pages
    ran = run(ROOT, "groff", "-man", "-Tutf8", "-ww", "-z", *pages)
    assert (ran.code, ran.stderr) == (0, "")
