"""The layout of the source: which module may import which, and what is pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from importlinter.cli import lint_imports

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "src" / "git_session"
MODULES: Final = sorted(PACKAGE.rglob("*.py"))

LIBRARIES: Final = {
    "anyio": {"connect/mcp_server"},
    "cbor2": {"core/wire"},
    "click": {"cli"},
    "cryptography": {"log/actors/signing"},
    "detect_secrets": {"log/secrets/secret_finder"},
    "jinja2": {"views/page"},
    "markupsafe": {"views/page"},
    "mcp": {"cli/commands/mcp", "connect/mcp_server"},
    "psutil": {"host/processes"},
    "pydantic": {"connect/mcp_server", "core/answers", "core/schemas"},
    "pygit2": {
        "git/repository/libgit2",
        "git/repository/objects",
        "git/repository/refs",
    },
    "rich": {"cli"},
    "sqlite3": {"log/index/file"},
    "subprocess": {"git/cat_file", "git/child", "git/program", "run/command"},
    "watchfiles": {"host/files/watcher"},
}
"""Each library outside the standard one, and two of that: the modules or folders that import it."""

PURE: Final = ("core/wire", "core/fold", "core/liveness")

IMPURE_CALLS: Final = frozenset(
    {"open", "print", "input", "exec", "eval", "__import__", "now", "today", "utcnow"}
)


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix().removesuffix(".py").removesuffix("/__init__")


def _is_in(name: str, places: tuple[str, ...] | set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _list_libraries(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_contracts_of_imports_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """The contracts in pyproject.toml hold; a broken one is named with the import's line."""
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert code == 0, capsys.readouterr().out


def test_libraries_are_imported_where_the_table_says() -> None:
    own = {"git_session", *sys.stdlib_module_names} - LIBRARIES.keys()
    found = {(name, _name(path)) for path in MODULES for name in {*_list_libraries(path)} - own}
    assert not [
        (library, name)
        for library, name in found
        if not _is_in(name, LIBRARIES.get(library, set()))
    ]
    unused = [
        (library, place)
        for library, places in LIBRARIES.items()
        for place in places
        if not any(known == library and _is_in(name, {place}) for known, name in found)
    ]
    assert not unused, f"take it out of the table: {unused}"


@pytest.mark.parametrize("path", [path for path in MODULES if _is_in(_name(path), PURE)], ids=_name)
def test_pure_modules_read_no_clock_and_open_no_file(path: Path) -> None:
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
