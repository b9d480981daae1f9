"""The map of the rooms holds: who may import whom, and what is pure."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest
from importlinter.cli import lint_imports

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "src" / "git_session"
PURE_MODULES: Final = sorted(
    path for room in ("wire", "fold") for path in (PACKAGE / room).rglob("*.py")
)

IMPURE_CALLS: Final = frozenset(
    {"open", "print", "input", "exec", "eval", "__import__", "now", "today", "utcnow"}
)


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_no_import_crosses_the_contracts_of_the_rooms(capsys: pytest.CaptureFixture[str]) -> None:
    """The contracts in pyproject.toml hold; a broken one is named with the import's line."""
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", PURE_MODULES, ids=_name)
def test_pure_rooms_ask_no_clock_and_open_no_file(path: Path) -> None:
    """What the contracts on imports cannot see: builtins that do I/O, and `datetime.now()`."""
    calls = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    impure = [
        f"line {call.lineno}: {ast.unparse(call.func)}()"
        for call in calls
        if ast.unparse(call.func).rpartition(".")[2] in IMPURE_CALLS
    ]
    assert not impure, f"{_name(path)} is not pure: {impure}"
