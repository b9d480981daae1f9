"""List every error that the program raises: place, class, sentence and hint.

Run `python tools/errors.py [FOLDER]` to read them all in one go, for example after a rewording.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from git_session import errors

ROOT: Final = Path(__file__).resolve().parent.parent

CLASSES: Final = frozenset(
    name
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, errors.GitSessionError)
)


class Raised(NamedTuple):
    """A call of an error class: where, which class, and its first two arguments as text."""

    place: str
    name: str
    sentence: str
    hint: str | None


def list_errors(folder: Path) -> Iterator[Raised]:
    """Give every call of an error class in the modules below `folder`, in order."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda call: call.lineno):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            if name in CLASSES and call.args:
                given = {word.arg: word.value for word in call.keywords}
                hint = call.args[1] if len(call.args) > 1 else given.get("hint")
                yield Raised(
                    f"{path.relative_to(ROOT)}:{call.lineno}",
                    name,
                    _format(call.args[0]),
                    None if hint is None else _format(hint),
                )


def main() -> int:
    """Print each error in two or three lines."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "src"
    for raised in list_errors(folder):
        print(f"{raised.place}: {raised.name}\n  {raised.sentence}")
        if raised.hint is not None:
            print(f"  hint: {raised.hint}")
    return 0


def _format(node: ast.expr) -> str:
    """Give a text as it is printed, with {expression} for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            f"{{{ast.unparse(part.value)}}}"
            if isinstance(part, ast.FormattedValue)
            else _format(part)
            for part in node.values
        )
    return f"{{{ast.unparse(node)}}}"


if __name__ == "__main__":
    sys.exit(main())
