"""Whoever follows the documentation word by word sees what it says."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Final

import pytest

from git_session.health.doctor.repository import OLDEST_GIT
from tests.conftest import run
from tools.pages import COMMAND_TO_RUN, ROOT, Step, find_pages, find_steps, follow, normalize

README: Final = ROOT / "README.md"
QUICK: Final = frozenset({"library.md", "tour.md"})
"""The pages that are followed in every run; the others with the heavy tests."""

LINK: Final = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)")


def _name(page: Path) -> str:
    return page.name


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[] if page.name in QUICK else [pytest.mark.heavy])
        for page in find_pages()
    ],
    ids=_name,
)
def test_each_page_goes_as_it_says(page: Path, tmp_path: Path) -> None:
    steps = list(find_steps(page.read_text(encoding="utf-8")))
    if any("grite " in step.typed for step in steps) and shutil.which("grite") is None:
        pytest.skip("the real grite is not on PATH; .ci/run installs it")
    wrong = [outcome for outcome in follow(page, tmp_path) if not outcome.is_right]
    told = "\n".join(f"$ {it.step.typed}{it.printed}(exit code {it.code})" for it in wrong)
    assert not wrong, f"if that is how it should be, type {COMMAND_TO_RUN}:\n{told}"


def test_the_readme_s_first_session_can_be_typed(repo: Path, tmp_path: Path) -> None:
    """Its blocks for two clones as well: the second is the hub of the first."""
    text = README.read_text(encoding="utf-8")
    for title in ("A first session", "Two clones and more"):
        found = re.search(rf"## {title}\n.*?```sh\n(.*?)```", text, re.DOTALL)
        assert found is not None
        typed = f"{found[1]}test -z ${{GIT_SESSION_ID-}}"
        ran = run(repo, "bash", "-euo", "pipefail", "-c", typed, env=_with_program(tmp_path))
        assert ran.code == 0, ran


@pytest.mark.parametrize(
    "page", [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))], ids=_name
)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        place = (page.parent / target) if target else page
        assert place.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, f"{target}#{anchor}"


def test_every_page_is_listed_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == set(re.findall(r"\]\(([a-z-]+\.md)\)", index))


def test_docs_lines_fit_120_columns() -> None:
    """Except what cannot be wrapped: tables, what a command prints, and the generated page."""
    fixed = re.compile(r"^```.*?^```$|^\|.*?$", re.MULTILINE | re.DOTALL)
    for page in {README, *(ROOT / "docs").glob("*.md")} - {ROOT / "docs" / "commands.md"}:
        prose = fixed.sub("", page.read_text(encoding="utf-8"))
        assert [line for line in prose.splitlines() if len(line) > 120] == [], page


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120


def test_readme_states_the_oldest_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = project["requires-python"].removeprefix(">=")
    oldest_git = ".".join(map(str, OLDEST_GIT))
    assert f"git {oldest_git} and Python {python} or later" in README.read_text(encoding="utf-8")


def test_what_a_page_says_is_compared_by_all_that_stays_the_same() -> None:
    said = "s-20261122-4f1b  running  12s ago\n5b1e0c2  2 minutes ago  s-20261122-4f1b\n"
    again = "s-20261125-0a0b  running  3s ago\n91d0aa7  just now  s-20261125-0a0b\n"
    assert normalize(said) == normalize(again)
    assert normalize(said) != normalize(again.replace("running", "handoff"))
    assert normalize(said) != normalize(again.replace("0a0b\n", "ffff\n"))


def test_a_console_is_split_into_what_is_typed_and_what_is_printed() -> None:
    text = "a\n```console\n$ one\n> more\nsaid\n$ two\n```\nb\n```python\nx\n```\n```text\ny\n```\n"
    steps = list(find_steps(text))
    assert [(step.kind, step.typed, step.said) for step in steps] == [
        ("console", "one\nmore\n", "said\n"),
        ("console", "two\n", ""),
        ("python", "x\n", "y\n"),
    ]
    assert all(text[step.start : step.end] == step.said for step in steps)
    assert isinstance(steps[0], Step)


def _anchor(heading: str) -> str:
    """Forms a heading's anchor as GitHub does."""
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


def _with_program(tmp_path: Path) -> dict[str, str]:
    import os
    import sys

    program = tmp_path / "bin" / "git-session"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m git_session "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
