"""Gives every test a machine of its own: a home, git settings, repositories, the programs.

Nothing of the person who runs the tests is read or changed. HOME is a new folder with a
`.gitconfig` that says one thing: what leaves is not scanned, as that takes a third of a second
each time (the tests of the scan turn it on). System-wide settings are off for git and for libgit2
alike, and no `GIT_*`, `GRITE_*` or agent's variable of the caller is seen.

Tests name the types that stand here: `from tests.conftest import Cli, Grite, git`.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import hypothesis
import pygit2
import pytest
from pygit2.enums import ConfigLevel

from tests.support.figures import Figures, sum_figures
from tests.support.forked import can_fork, run_forked

FIXTURES: Final = Path(__file__).resolve().parent.parent / "fixtures"
TIMEOUT: Final = 120.0
"""Seconds after which a program that a test started counts as hanging."""

_FOREIGN_PREFIXES: Final = ("GIT_", "GRITE_", "BRAT_", "CLAUDE", "CODEX", "GEMINI", "OPENCODE")
_FOREIGN_NAMES: Final = (
    *("CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR"),
    *("LANGUAGE", "LESS", "MANPAGER", "PAGER", "SSH_ASKPASS", "TMUX", "TTY_COMPATIBLE", "ZDOTDIR"),
)
_GRITE_IS_MISSING: Final = "the real grite is not on PATH; .ci/run installs it"

# A slow machine must fail no test; nor may finds remembered from earlier runs make two runs of
# the same tree differ.
hypothesis.settings.register_profile("suite", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("suite")


@dataclass(frozen=True, slots=True)
class Ran:
    """Holds what a program left behind when it ended."""

    args: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Parses stdout as one JSON document; anything else there fails the test."""
        try:
            return json.loads(self.stdout)
        except ValueError:
            pytest.fail(f"stdout is no JSON document: {self}")


def run(
    cwd: Path,
    *command: str,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Ran:
    """Runs a program to its end in `cwd`; `env` is added to the test's environment.

    Bytes that are no UTF-8 come back as surrogates, so that nothing of the output is lost.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        input=stdin,
        env=os.environ | dict(env or {}),
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=timeout,
    )
    return Ran(command, done.returncode, done.stdout, done.stderr)


def list_imports(cwd: Path, *words: str, env: Mapping[str, str] | None = None) -> set[str]:
    """Lists the modules that the program loads for a command line, which has to succeed."""
    command = (sys.executable, "-X", "importtime", "-m", "git_session", *words)
    ran = run(cwd, *command, env=env)
    assert ran.code == 0, ran
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}


def git(path: Path, *args: str, stdin: str = "", timeout: float = TIMEOUT) -> str:
    """Runs the real git in `path` and gives stdout without its last newline.

    A failure of git fails the test.
    """
    ran = run(path, "git", *args, stdin=stdin, timeout=timeout)
    if ran.code != 0:
        pytest.fail(f"git failed: {ran}")
    return ran.stdout.removesuffix("\n")


class Cli:
    """Runs the program under test as its user does: as a process of its own.

    `is_anew`: with a Python of its own as well, which most tests can do without; see forked.py.
    """

    def __init__(self, *, is_anew: bool = False) -> None:
        self._is_anew = is_anew

    def __call__(
        self,
        cwd: Path,
        *args: str,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Ran:
        """Runs `git-session ARGS` in `cwd`; the exit code is for the test to judge."""
        if not self._is_anew and can_fork(env or {}):
            given = stdin.encode("utf-8", "surrogateescape")
            done = run_forked(args, cwd, given, os.environ | dict(env or {}), timeout)
            said = (text.decode("utf-8", "surrogateescape") for text in done[1:])
            lines = (text.replace("\r\n", "\n").replace("\r", "\n") for text in said)
            return Ran(("git-session", *args), done.code, *lines)
        command = (sys.executable, "-m", "git_session", *args)
        return run(cwd, *command, stdin=stdin, env=env, timeout=timeout)


@dataclass(frozen=True, slots=True)
class Grite:
    """Runs the real grite, without its daemon."""

    program: str

    def __call__(self, cwd: Path, *args: str) -> str:
        """Runs `grite ARGS` and gives stdout; failure fails the test."""
        ran = self.run(cwd, *args)
        if ran.code != 0:
            pytest.fail(f"grite failed: {ran}")
        return ran.stdout

    def json(self, cwd: Path, *args: str) -> Any:
        """Runs `grite ARGS --json` and gives the envelope's `data`; failure fails the test."""
        ran = self.run(cwd, *args, "--json")
        envelope = ran.json()
        if ran.code != 0 or envelope["ok"] is not True:
            pytest.fail(f"grite failed: {ran}")
        return envelope["data"]

    def run(self, cwd: Path, *args: str) -> Ran:
        """Runs `grite ARGS`; the exit code is for the test to judge."""
        return run(cwd, self.program, "--no-daemon", *args)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that ask for the real grite, and skips the marked ones without it."""
    missing = shutil.which("grite") is None
    for item in items:
        if isinstance(item, pytest.Function) and "grite" in item.fixturenames:
            item.add_marker(pytest.mark.interop)
        if missing and item.get_closest_marker("interop") is not None:
            item.add_marker(pytest.mark.skip(reason=_GRITE_IS_MISSING))


def pytest_configure() -> None:
    """Let the programs that tests start take SIGINT and SIGHUP where the suite ignores them.

    A shell starts a background job so. What is ignored stays ignored in a program that is started;
    what has a handler does not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _take_no_notice)


def _take_no_notice(*_: object) -> None:
    """Ignore a signal."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option for programs that want the figures."""
    parser.addoption("--figures", type=Path, help="write what tests have counted to this file")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Prints the figures that the tests have counted, if any."""
    reports = chain.from_iterable(terminalreporter.stats.values())
    figures = sum_figures(reports)
    if config.option.figures is not None:
        config.option.figures.write_text(json.dumps(figures), encoding="utf-8")
    if figures:
        terminalreporter.section("figures")
    for name, number in sorted(figures.items()):
        terminalreporter.write_line(f"{number:>12,}  {name}")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Lets the test count what it has tried."""
    return Figures(request.node.user_properties)


@pytest.fixture(autouse=True)
def _same_environment() -> Iterator[None]:
    """Gives back the environment as it was: a completion of `git --git-dir=X ...` sets GIT_DIR."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def home(
    _same_environment: None,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Gives the test's HOME; its `.gitconfig` is what git and libgit2 read as the user's."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[session]\n\tsecrets = off\n")
    for name in os.environ:
        if name.startswith(_FOREIGN_PREFIXES) or name in _FOREIGN_NAMES:
            monkeypatch.delenv(name)
    for name, value in _environment(home).items():
        monkeypatch.setenv(name, value)
    for level, place in {
        ConfigLevel.GLOBAL: home,
        ConfigLevel.XDG: home / ".config" / "git",
        ConfigLevel.SYSTEM: home / "no-system-config",
        ConfigLevel.PROGRAMDATA: home / "no-system-config",
    }.items():
        pygit2.settings.search_path[level] = str(place)
    return home


def _environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada Tester",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada Tester",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "EDITOR": "false",
        "VISUAL": "false",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Lets this process and those it starts have 4 GiB of memory each, and no more.

    For tests of damage: a git that reads for ever fails then, and does not take the machine along.
    """
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Gives a fresh repository with one commit on `main`."""
    path = tmp_path / "repo"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(path))
    (path / "code.txt").write_text("one line\n")
    git(path, "add", "code.txt")
    git(path, "commit", "--quiet", "--message=First")
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Gives a fresh bare repository, such as a hub that clones share."""
    return _init_bare(tmp_path / "bare.git")


@pytest.fixture
def worktree(repo: Path) -> Path:
    """Gives a linked worktree of `repo`, on the branch `side`."""
    path = repo.parent / "worktree"
    git(repo, "worktree", "add", "--quiet", "-b", "side", str(path))
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[[str], Path]:
    """Gives a maker of bare repositories out of `fixtures/NAME.bundle`."""

    def make(name: str) -> Path:
        return _fetch_bundle(_init_bare(tmp_path / f"{name}.git"), name)

    return make


@pytest.fixture
def checkout_of(tmp_path: Path) -> Callable[[str], Path]:
    """Gives a maker of repositories with a checkout of `main` out of `fixtures/NAME.bundle`."""

    def make(name: str) -> Path:
        path = tmp_path / name
        git(tmp_path, "init", "--quiet", "--initial-branch=main", str(path))
        _fetch_bundle(path, name)
        git(path, "reset", "--quiet", "--hard")
        return path

    return make


def _init_bare(path: Path) -> Path:
    git(path.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    return path


def _fetch_bundle(path: Path, name: str) -> Path:
    bundle = str(FIXTURES / f"{name}.bundle")
    git(path, "fetch", "--quiet", "--update-head-ok", bundle, "+refs/*:refs/*")
    return path


@pytest.fixture
def cli() -> Cli:
    """Gives the program under test."""
    return Cli()


@pytest.fixture
def grite() -> Grite:
    """Gives the real grite; the test skips, and says why, where there is none."""
    program = shutil.which("grite")
    if program is None:
        pytest.skip(_GRITE_IS_MISSING)
    return Grite(program)
