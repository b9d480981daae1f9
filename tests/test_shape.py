"""The figures of the layout count what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import run
from tools.shape import ROOT, count_code_lines, count_floors, list_entries

SOURCE = '''"""Say what the module is."""

from __future__ import annotations

import os  # a comment

LIMIT = 3
"""Say what the limit is."""


def name() -> str:
    """Say what it returns."""
    from os import (
        sep,
    )

    # a comment
    return """two
lines""" + sep
'''


def _make_package(folder: Path, **modules: str) -> Path:
    for name, source in {"__init__": "", **modules}.items():
        path = folder / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    return folder


def test_code_lines_leave_out_imports_docstrings_and_comments() -> None:
    assert count_code_lines(SOURCE) == len(["LIMIT", "def", "return", "lines"])


def test_entries_are_files_and_folders_without_the_marker(tmp_path: Path) -> None:
    package = _make_package(tmp_path, top="", folder__in__module="")
    (package / "py.typed").touch()
    (package / "__pycache__").mkdir()
    assert list_entries(package) == ["__init__.py", "folder", "top.py"]


def test_floors_are_the_longest_chain_of_imports(tmp_path: Path) -> None:
    package = _make_package(
        tmp_path,
        top="from git_session.folder import other\nfrom git_session import bottom\n",
        folder__in__module="import git_session.bottom\n",
        folder__in__other="from git_session.folder import module\n",
        bottom="from git_session import __version__\n",
        beside="from git_session.bottom import name\n",
    )
    assert count_floors(package) == len(["top", "folder", "bottom"])
    (package / "bottom.py").write_text("from git_session.top import name\n")
    with pytest.raises(SystemExit, match="a circle of imports"):
        count_floors(package)


def test_shape_prints_each_figure_of_this_tree(tmp_path: Path) -> None:
    ran = run(tmp_path, sys.executable, str(ROOT / "tools" / "shape.py"))
    assert ran.code == 0, ran
    figures = {line[10:]: int(line[:8].replace(",", "")) for line in ran.stdout.splitlines()}
    assert list(figures) == [
        "lines of code in src",
        "lines in tests",
        "entries at the top",
        "floors of imports",
        "running: modules loaded",
        "running: modules entered",
        "running: calls that cross",
    ]
    assert 0 < figures["running: modules entered"] < figures["running: modules loaded"]
    assert min(figures.values()) > 0
