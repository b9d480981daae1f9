"""Print the figures of the source's layout, for this tree or another checkout.

`python tools/shape.py [CHECKOUT]`. Counts the lines of code in `src` (without blank lines,
docstrings, comments and imports), all lines in `tests`, the entries at the top of the package and
their floors of imports. Then runs `git session running ID`, where ID is ready in a new repository,
and counts the modules that it loads and enters and the calls between entries at the top. Nothing
here knows the layout beyond the name of the package, so figures of two layouts compare.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = "git_session"

_EMPTY_TOKENS: Final = frozenset(
    {
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    }
)


def count_code_lines(source: str) -> int:
    """Count the lines that hold code: no blank line, comment, docstring or import."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines: set[int] = set()
    for token in tokens:
        if token.type not in _EMPTY_TOKENS:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        if isinstance(node, ast.stmt) and (is_import or _is_docstring(node)):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def list_entries(package: Path) -> list[str]:
    """List the folders and files at the top of the package, without `py.typed`."""
    return sorted(
        path.name
        for path in package.iterdir()
        if path.name not in {"__pycache__", "py.typed"} and (path.is_file() or any(path.iterdir()))
    )


def count_floors(package: Path) -> int:
    """Count the entries at the top in the longest chain of imports between them.

    The package's own `__init__` is left out: it stands for the whole. Raises SystemExit where
    entries import each other in a circle.
    """
    needs: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        entry = _entry_of(path.relative_to(package))
        if entry != "__init__":
            found = _list_imported_entries(path.read_text("utf-8"))
            needs.setdefault(entry, set()).update(found - {entry})
    depths: dict[str, int] = {}

    def measure(entry: str, above: tuple[str, ...]) -> int:
        if entry in above:
            raise SystemExit(f"a circle of imports: {' -> '.join((*above, entry))}")
        if entry not in depths:
            below = [measure(needed, (*above, entry)) for needed in needs.get(entry, ())]
            depths[entry] = 1 + max(below, default=0)
        return depths[entry]

    return max(measure(entry, ()) for entry in needs)


def _list_imported_entries(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        parts = [name.split(".") for name in names]
        found.update(words[1] for words in parts if words[0] == PACKAGE and len(words) > 1)
    return found - {"__version__"}


def _entry_of(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def trace_command(package: Path, report: Path) -> None:
    """Run the command line in `sys.argv` and write what it loaded, entered and crossed as JSON.

    The program ends by `os._exit`, so the figures are written there.
    """
    root = f"{package}{os.sep}"
    places: dict[str, str | None] = {}
    entered: set[str] = set()
    crossings = 0
    leave = os._exit
    pid = os.getpid()

    def place_of(frame: FrameType) -> str | None:
        name = frame.f_code.co_filename
        if name not in places:
            inside = name.startswith(root) and name.endswith(".py")
            places[name] = name.removeprefix(root) if inside else None
        return places[name]

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal crossings
        if event != "call" or frame.f_code.co_name == "<module>":
            return
        place = place_of(frame)
        if place is None:
            return
        entered.add(place)
        caller = frame.f_back
        while caller is not None and place_of(caller) is None:
            caller = caller.f_back
        source = place_of(caller) if caller is not None else None
        crossings += source is not None and _entry_of(Path(source)) != _entry_of(Path(place))

    def finish(code: int) -> None:
        sys.setprofile(None)
        if os.getpid() == pid:
            loaded = [
                name
                for name, module in sys.modules.items()
                if name.partition(".")[0] == PACKAGE and _has_content(module.__file__)
            ]
            figures = {"loaded": len(loaded), "entered": len(entered), "crossings": crossings}
            report.write_text(json.dumps(figures | {"code": code}), "utf-8")
        leave(code)

    main: Callable[[], None] = import_module(f"{PACKAGE}.__main__").main
    os._exit = finish  # type: ignore[assignment]
    sys.setprofile(watch)
    main()


def _has_content(file: str | None) -> bool:
    return file is not None and Path(file).stat().st_size > 0


def measure_command(checkout: Path) -> dict[str, int]:
    """Trace `git session running ID` in a new repository with one task and one ready session.

    There is no remote, and the index is fresh. Raises SystemExit if a command fails.
    """
    package = checkout / "src" / PACKAGE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = _environment(folder, checkout)
        repository = folder / "repository"
        report = folder / "figures.json"
        program = (sys.executable, "-m", PACKAGE)
        _run(("git", "init", "--quiet", str(repository)), folder, env)
        _run((*program, "init"), repository, env)
        task = _run((*program, "task", "add", "Measure"), repository, env).strip()
        session = _run((*program, "start", task), repository, env).strip()
        _run((*program, "ready", session), repository, env)
        _run((*program, "list", "--json"), repository, env)
        line = ("running", session)
        trace = (sys.executable, __file__, "--trace", str(report), str(checkout), *line)
        _run(trace, repository, env)
        figures: dict[str, int] = json.loads(report.read_text("utf-8"))
    if figures.pop("code") != 0:
        raise SystemExit(f"running failed with the program of {package}")
    return figures


def _environment(folder: Path, checkout: Path) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    names = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    names |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in names.items()}
    home = {"HOME": str(folder / "home"), "GIT_CONFIG_NOSYSTEM": "1"}
    return kept | names | home | {"PYTHONPATH": str(checkout / "src")}


def _run(command: tuple[str, ...], cwd: Path, env: Mapping[str, str]) -> str:
    ran = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{ran.stderr}")
    return ran.stdout


def list_figures(checkout: Path) -> Iterator[tuple[str, int]]:
    """List each figure with what it counts."""
    package = checkout / "src" / PACKAGE
    sources = (checkout / "src").rglob("*.py")
    yield "lines of code in src", sum(count_code_lines(path.read_text("utf-8")) for path in sources)
    tests = (checkout / "tests").rglob("*.py")
    yield "lines in tests", sum(len(path.read_text("utf-8").splitlines()) for path in tests)
    yield "entries at the top", len(list_entries(package))
    yield "floors of imports", count_floors(package)
    figures = measure_command(checkout)
    yield "running: modules loaded", figures["loaded"]
    yield "running: modules entered", figures["entered"]
    yield "running: calls that cross", figures["crossings"]


def main() -> int:
    """Print the figures of the checkout that is named, else of this tree."""
    parser = argparse.ArgumentParser(description="Print the figures of the source's layout.")
    parser.add_argument("checkout", nargs="?", type=Path, default=ROOT)
    wanted: Any = parser.parse_args()
    for what, number in list_figures(wanted.checkout.resolve()):
        print(f"{number:>8,}  {what}", flush=True)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--trace"]:
        _, _, report_path, checkout_path, *words = sys.argv
        sys.argv = [PACKAGE, *words]
        trace_command(Path(checkout_path) / "src" / PACKAGE, Path(report_path))
    sys.exit(main())
