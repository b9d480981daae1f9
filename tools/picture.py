"""Takes the picture of `git session demo` for the README: `python tools/picture.py`.

It is what the real program prints on a real terminal (tmux), drawn as docs/images/demo.svg.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).resolve().parent.parent

# The tools are no installed package, nor are the tests: found from the place of this file.
sys.path.insert(0, str(ROOT))

from tests.support.tmux import open_terminal  # noqa: E402
from tools.pages import make_environment  # noqa: E402

_PICTURE: Final = ROOT / "docs" / "images" / "demo.svg"
_COLUMNS: Final = 112
_LINES: Final = 60
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""rich names fonts on other people's servers; a picture has to do without."""


def main() -> int:
    """Plays the demo and draws what it shows."""
    with tempfile.TemporaryDirectory() as directory, open_terminal() as terminal:
        home = Path(directory)
        # The last line of the demo is the prompt's, then.
        command = "git session demo try; printf 'seen\\n'; exec sleep 60"
        env = make_environment(home)
        terminal.start(home, "sh", "-c", command, env=env, columns=_COLUMNS, lines=_LINES)
        terminal.wait_for("seen")
        shown = terminal.screen("-e").replace(str(home), "~")
    lines = shown.rstrip().splitlines()
    until = next(n for n, line in enumerate(lines) if line.startswith("Look further"))
    draw(["$ git session demo try", *lines[:until]])
    print(f"wrote {_PICTURE.relative_to(ROOT)}")
    return 0


def draw(lines: list[str]) -> None:
    """Draws lines with their colours as they stand on a terminal."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi("\n".join(lines).rstrip()), soft_wrap=True)
    picture = console.export_svg(title="git session demo", unique_id="demo")
    _PICTURE.parent.mkdir(parents=True, exist_ok=True)
    _PICTURE.write_text(_FONTS.sub("", picture), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
