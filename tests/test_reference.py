"""Every command, option and setting is documented, in docs/commands.md and in man pages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import run
from tools.reference import COMMAND_TO_RUN, SETTINGS, VARIABLES, format_files, list_written

ROOT: Final = Path(__file__).resolve().parent.parent


def test_the_reference_tells_of_the_commands_as_they_are() -> None:
    made = format_files()
    written = {path: (ROOT / path).read_text(encoding="utf-8") for path in list_written(ROOT)}
    stale = [str(path) for path in sorted({*made, *written}) if made.get(path) != written.get(path)]
    assert not stale, f"type {COMMAND_TO_RUN} and commit what it writes: {', '.join(stale)}"


def test_every_setting_and_variable_that_is_read_is_documented() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
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
