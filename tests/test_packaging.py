"""What users install has all that it needs, and `git help session` opens its man page."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Ran, run

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "src" / "git_session" / "views" / "page"
PAGES: Final = {path.name for path in (ROOT / "man").glob("*.1")}
MINUTES: Final = 600.0

pytestmark = pytest.mark.heavy


def _succeed(ran: Ran) -> Ran:
    assert ran.code == 0, ran
    return ran


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Gives a virtual environment with the program as pip builds it from the source package."""
    builder, user = tmp_path / "builder", tmp_path / "user"
    for place in (builder, user):
        _succeed(run(tmp_path, sys.executable, "-m", "venv", str(place)))
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    python = str(builder / "bin" / "python")
    _succeed(run(ROOT, python, *pip, "hatchling", timeout=MINUTES))
    _succeed(run(ROOT, python, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)))
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {Path(name).name for name in archive.getnames() if "/man/" in name}
    assert names == PAGES
    python = str(user / "bin" / "python")
    _succeed(run(tmp_path, python, *pip, str(source), timeout=MINUTES))
    return user


def test_man_pages_and_scripts_come_with_the_program(installed: Path, tmp_path: Path) -> None:
    assert {path.name for path in (installed / "share" / "man" / "man1").glob("*.1")} == PAGES
    path = f"{installed / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    for shell in ("bash", "zsh", "fish"):
        ran = run(tmp_path, "git", "session", "completion", shell, env={"PATH": path})
        assert "git session completion install" in _succeed(ran).stdout
    ran = run(tmp_path, "git", "session", "mcp", env={"PATH": path})
    assert (ran.code, ran.stdout) == (5, "")
    assert "pip install 'git-session[mcp]'" in ran.stderr
    if shutil.which("man") is None:
        pytest.skip("man is not on PATH; .ci/run installs it with man-db")
    env = {"PATH": path, "PAGER": "cat", "MANPAGER": "cat", "MANWIDTH": "80"}
    for words, title in (
        (("git", "session", "--help"), "GIT-SESSION(1)"),
        (("git", "help", "session"), "GIT-SESSION(1)"),
        (("man", "git-session-list"), "GIT-SESSION-LIST(1)"),
    ):
        shown = _succeed(run(tmp_path, *words, env=env)).stdout
        assert shown.startswith(title)
        assert "SYNOPSIS" in shown


def test_nothing_but_the_program_is_in_the_wheel(tmp_path: Path) -> None:
    _succeed(
        run(
            *(tmp_path, sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(ROOT)),
            timeout=MINUTES,
        )
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {f"git_session/views/page/page.{kind}" for kind in ("css", "html.jinja")} <= set(names)
    assert {f"git_session/views/page/{path.name}" for path in PAGE.glob("*.js")} <= set(names)
    tops = {name.partition("/")[0] for name in names}
    version = wheel.name.split("-")[1]
    assert tops == {
        *("git_session", f"git_session-{version}.dist-info", f"git_session-{version}.data"),
    }
