"""Follows the pages of the documentation word by word: `python tools/pages.py [--write] [PAGE...]`.

A page's commands stand in `console` blocks, after `$ `, with what they print below them; all of one
page are typed into one shell, in an empty home. `python` blocks run in one Python, in a repository,
and what they print stands in a `text` block. A last line `...` stands for whatever comes then. With
--write what is printed otherwise now is put into the pages; ids, times and hashes may differ.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND_TO_RUN: Final = "python tools/pages.py --write"
TIMEOUT_S: Final = 300.0

_HOME: Final = "/home/ada"
"""What the pages call the empty home that they are followed in."""

_REST: Final = "..."
_HOST: Final = "boxA"
_BLOCK: Final = re.compile(r"^```(console|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_IDS: Final = re.compile(r"\b([stc]-\d{8}-[0-9a-f]{4})\b")
_VARYING: Final = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?( UTC|Z|[+-]\d{4})?"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DAY"),
    (re.compile(r"\b(just now|\d+ (second|minute)s? ago|\d+(ms|s|m) ago)"), "AGO"),
    (re.compile(r"\b\d+(\.\d+)?(ms|s|m)\b"), "AGE"),
    (re.compile(r"\b[0-9a-f]{7,64}\b"), "HASH"),
    (re.compile(r'("(?:[a-z_]*_ms|pid|pid_start|pid_ns|host|boot_id)": )[^,\n]+'), r"\1IT"),
    (
        re.compile(r"(: (?:installed|removed), )\S+"),
        r"\1PLACE",
    ),  # a file, or from git 2.54 on a setting
    # Not every machine has an id.
    (re.compile(r'^ *machine = .*\n|,\n *"machine": "[^"]*"', re.MULTILINE), ""),
    (re.compile(r"\d+(\.\d+)? (B|KiB|MiB|bytes)\b"), "SIZE"),
    (re.compile(r"[ \t]+"), " "),
)
"""What differs from one time to the next, and how it is called to be compared."""


@dataclass(frozen=True, slots=True)
class Step:
    """Holds something typed, what the page says that it prints, and where that stands."""

    kind: str
    typed: str
    said: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Holds what a step printed when it was followed, and the exit code."""

    step: Step
    printed: str
    code: int

    @property
    def is_right(self) -> bool:
        """Tells whether it went as the page says: a failure says `error:` in the page, too."""
        went_well = (self.code == 0) != ("error:" in self.step.said)
        return went_well and self.is_said

    @property
    def is_said(self) -> bool:
        """Tells whether it printed what the page says."""
        printed, said = normalize(self.printed), normalize(self.step.said)
        if said == _REST or said.endswith(f"\n{_REST}"):
            return printed.startswith(said.removesuffix(_REST).rstrip())
        return printed == said


def find_pages() -> list[Path]:
    """Lists the pages that have something to follow."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in pages if list(find_steps(page.read_text(encoding="utf-8")))]


def find_steps(text: str) -> Iterator[Step]:
    """Finds what a page says to type, in order, and what it says that is printed."""
    blocks = list(_BLOCK.finditer(text))
    for number, block in enumerate(blocks):
        kind, body = block.groups()
        if kind == "console":
            yield from _console_steps(body, block.start(2))
        elif kind == "python":
            after = blocks[number + 1] if number + 1 < len(blocks) else None
            is_shown = after is not None and after[1] == "text"
            shown = after if is_shown else None
            said, start, end = (
                (shown[2], *shown.span(2)) if shown else ("", block.end(2), block.end(2))
            )
            yield Step("python", body, said, start, end)


def normalize(text: str) -> str:
    """Gives a text with all that may differ from one time to the next called by one name."""
    known: dict[str, str] = {}
    text = _IDS.sub(lambda found: known.setdefault(found[1], f"ID{len(known)}"), text)
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def follow(page: Path, home: Path) -> list[Outcome]:
    """Follows a page in an empty home."""
    steps = list(find_steps(page.read_text(encoding="utf-8")))
    typed = [step for step in steps if step.kind == "console"]
    outcomes = _run_shell(typed, home) if typed else []
    written = [step for step in steps if step.kind == "python"]
    return outcomes + (_run_python(written, home) if written else [])


def rewrite(page: Path, outcomes: Sequence[Outcome]) -> bool:
    """Puts all that was printed into the page if it says something else; tells whether it does.

    All of it, so that the ids in one place are those in the next.
    """
    if all(outcome.is_said for outcome in outcomes):
        return False
    text = page.read_text(encoding="utf-8")
    for outcome in sorted(outcomes, key=lambda it: it.step.start, reverse=True):
        step = outcome.step
        if not step.said.endswith(f"{_REST}\n") or not outcome.is_said:
            text = text[: step.start] + outcome.printed + text[step.end :]
    page.write_text(text, encoding="utf-8")
    return True


def main() -> int:
    """Follows the pages that are named, else all; 1 when one did not go as it says."""
    parser = argparse.ArgumentParser(description="Follow the pages of the documentation.")
    parser.add_argument("--write", dest="is_write", action="store_true", help="mend the pages")
    parser.add_argument("pages", nargs="*", type=Path)
    wanted = parser.parse_args()
    is_right = True
    for page in [path.resolve() for path in wanted.pages] or find_pages():
        with tempfile.TemporaryDirectory() as directory:
            outcomes = follow(page, Path(directory))
        wrong = [outcome for outcome in outcomes if not outcome.is_right]
        is_right &= not wrong
        print(f"{page.relative_to(ROOT)}: {len(outcomes)} steps, {len(wrong)} went otherwise")
        for outcome in wrong:
            print(f"--- {outcome.step.typed}\n{outcome.printed}(exit code {outcome.code})")
        if wanted.is_write:
            rewrite(page, outcomes)
    return int(not is_right)


# -- consoles


def _console_steps(body: str, start: int) -> Iterator[Step]:
    """Splits a console block: `$ ` begins a command, `> ` goes on with it, the rest is printed."""
    typed: list[str] = []
    said, place, said_from = "", start, start
    for line in body.splitlines(keepends=True):
        if line.startswith("$ "):
            if typed:
                yield Step("console", "".join(typed), said, said_from, place)
            typed, said = [line[2:]], ""
            said_from = place + len(line)
        elif line.startswith("> ") and typed and not said:
            typed.append(line[2:])
            said_from = place + len(line)
        else:
            said += line
        place += len(line)
    if typed:
        yield Step("console", "".join(typed), said, said_from, place)


def _run_shell(steps: Sequence[Step], home: Path) -> list[Outcome]:
    script = ["exec 2>&1 </dev/null"]
    for step in steps:
        script += [r"printf '\036'", step.typed.rstrip("\n"), r"printf '\037%s\036' $?"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        # What a page leaves running in the background must not keep anybody waiting, or stay.
        with subprocess.Popen(
            ["bash", "-c", "\n".join(script)],
            cwd=home,
            env=make_environment(home),
            stdout=output,
            start_new_session=True,
        ) as shell:
            try:
                shell.wait(TIMEOUT_S)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGKILL)
        output.seek(0)
        said = output.read()
    found = re.findall(r"\x1e([^\x1f]*)\x1f(\d+)\x1e", said)
    if len(found) != len(steps):
        raise RuntimeError(f"the shell ended before the page did: {said}")
    return [
        Outcome(step, _hide_host(printed.replace(str(home), _HOME)), int(code))
        for step, (printed, code) in zip(steps, found, strict=True)
    ]


def _hide_host(printed: str) -> str:
    """Give a text with this host called as in every page."""
    return re.sub(rf"\b{re.escape(platform.node())}\b", _HOST, printed)


def _run_python(steps: Sequence[Step], home: Path) -> list[Outcome]:
    """Runs Python blocks one after the other in one process, in a repository with a commit."""
    env = make_environment(home)
    repository = home / "library"
    for words in (
        ["init", "--quiet", str(repository)],
        ["-C", str(repository), "commit", "--quiet", "--allow-empty", "-m", "First"],
    ):
        subprocess.run(["git", *words], env=env, check=True)
    marked = "".join(f"{step.typed}\nprint(end='\\x1e')\n" for step in steps)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", marked],
        cwd=repository,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        check=False,
        encoding="utf-8",
    )
    parts = done.stdout.replace(str(home), _HOME).split("\x1e")
    parts += [""] * (len(steps) - len(parts))
    return [Outcome(step, part, done.returncode) for step, part in zip(steps, parts, strict=False)]


def make_environment(home: Path) -> Mapping[str, str]:
    """Makes the environment of somebody who has just begun: a name, a shell, and the program."""
    # Newer versions of git pack objects in the background, while the page counts them.
    settings = "[user]\n\tname = Ada\n\temail = ada@example.org\n[maintenance]\n\tauto = false\n"
    (home / ".gitconfig").write_text(settings)
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {
        "HOME": str(home),
        "PATH": search,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PAGER": "cat",
        "SHELL": "/bin/bash",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
    }


if __name__ == "__main__":
    sys.exit(main())
