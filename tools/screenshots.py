"""Takes the pictures of the page in docs/images, of the demo, in a real Chromium.

    python tools/screenshots.py

Needs the dev extra, chromium and chromedriver.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WIDTH: Final = 1280
HEIGHT: Final = 800


def main() -> None:
    """Plays the demo, exports its page and takes it in both themes."""
    sys.path.insert(0, str(ROOT))
    from tests.support.browser import start_browser

    images = ROOT / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, start_browser() as browser:
        place = Path(folder) / "demo"
        page = Path(folder) / "sessions.html"
        _run_program(ROOT, "demo", str(place))
        _run_program(place / "desk", "export", "-o", str(page))
        for theme in ("light", "dark"):
            browser.open(page, width=WIDTH, height=HEIGHT, theme=theme)
            if theme == "light":
                browser.press("#chart", *(["\ue015"] * 3))  # the arrow down
                browser.run("document.activeElement.blur()")
            target = images / f"timeline-{theme}.png"
            browser.driver.save_screenshot(str(target))
            print(f"wrote {target.relative_to(ROOT)}, {target.stat().st_size:,} bytes")


def _run_program(place: Path, *args: str) -> None:
    command = [sys.executable, "-m", "git_session", *args]
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
