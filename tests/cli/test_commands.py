"""Every command explains itself, speaks JSON, and costs only what it needs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest

import git_session
from git_session.cli import SECTIONS, group
from git_session.cli.options import Settings
from git_session.log.session_log import SessionLog
from tests.conftest import Cli, git, list_imports
from tools.reference import COMMAND_TO_RUN, SETTINGS, VARIABLES, format_files, list_written


def _commands() -> dict[str, click.Command]:
    """Collects all commands by the words that call them, `task show` as two."""
    found: dict[str, click.Command] = {}
    context = click.Context(group, obj=Settings())
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": inner for sub, inner in command.commands.items()}
    return found


COMMANDS: Final = _commands()
ROOT: Final = Path(__file__).resolve().parent.parent.parent
OF_AGENTS: Final = ROOT / "src" / "git_session" / "connect" / "agents" / "events.py"
"""Here `session.created` is the name of an agent's event."""

KNOWN_THINGS: Final = frozenset(
    {
        *("session", "sessions", "task", "tasks", "engine", "remote", "remotes"),
        *("run_in", "worktree", "directory", "repositories", "output", "output_file"),
    }
)
"""Names of parameters whose values a Tab can offer."""


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(words: str) -> None:
    command = COMMANDS[words]
    assert command.help
    assert command.epilog is not None
    assert f"git session {words}" in command.epilog


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_takes_json_and_a_place_to_run_in(words: str) -> None:
    options = {option for param in COMMANDS[words].params for option in param.opts}
    assert {"--json", "-C", "--debug"} <= options


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_and_argument_says_what_it_is_for(words: str) -> None:
    mute = [
        param.name
        for param in COMMANDS[words].params
        if isinstance(param, click.Option | click.Argument) and not param.help
    ]
    assert not mute


@pytest.mark.parametrize("words", COMMANDS)
def test_help_is_printed_for_dash_h_as_git_passes_it_on(
    words: str, cli: Cli, tmp_path: Path
) -> None:
    ran = cli(tmp_path, *words.split(), "-h", env={"PYTHONWARNINGS": "error"})
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"Usage: git session {words} ")
    assert "Example" in ran.stdout


@pytest.mark.parametrize("name", [name for section in SECTIONS.values() for name in section])
def test_the_line_in_the_overview_is_the_first_line_of_the_commands_help(name: str) -> None:
    line = next(section[name] for section in SECTIONS.values() if name in section)
    assert inspect.cleandoc(COMMANDS[name].help or "").splitlines()[0] == line


def test_the_reference_and_the_man_pages_tell_of_every_command_as_it_is() -> None:
    made = format_files()
    written = {path: (ROOT / path).read_text(encoding="utf-8") for path in list_written(ROOT)}
    stale = [str(path) for path in sorted({*made, *written}) if made.get(path) != written.get(path)]
    assert not stale, f"type {COMMAND_TO_RUN} and commit what it writes: {', '.join(stale)}"


def test_every_setting_and_variable_that_is_read_is_documented() -> None:
    modules = set((ROOT / "src").rglob("*.py")) - {OF_AGENTS}
    source = "\n".join(path.read_text(encoding="utf-8") for path in modules)
    settings = set(re.findall(r'"(session\.[a-z]+[A-Za-z]*)"', source))
    variables = set(re.findall(r'"(GIT_SESSION_[A-Z_]+)"', source))
    told = [name for name, _ in SETTINGS]
    assert sorted(told) == sorted(settings), "mend SETTINGS in tools/reference.py"
    assert variables <= {name for name, _ in VARIABLES}, "add it to VARIABLES in tools/reference.py"


def test_every_parameter_that_names_something_known_completes_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionLog.open(repo) as log:
        log.start(log.add_task("Port the lexer").task.task_id, engine="codex")
    git(repo, "remote", "add", "hub", "../hub.git")
    monkeypatch.chdir(repo)
    context = click.Context(group)
    mute = {
        f"{words}: {param.name}"
        for words, command in COMMANDS.items()
        for param in command.params
        if param.name in KNOWN_THINGS and not param.shell_complete(context, "")
    }
    assert not mute, f"give it shell_complete=completes(KIND), of cli/options.py: {mute}"


def test_the_overview_groups_the_commands_by_what_people_want(cli: Cli, tmp_path: Path) -> None:
    ran = cli(tmp_path, "-h")
    assert ran.code == 0
    positions = [ran.stdout.index(f"\n{title}:\n") for title in SECTIONS]
    assert positions == sorted(positions)


def test_the_overview_has_a_line_for_each_command_on_eighty_columns(
    cli: Cli, tmp_path: Path
) -> None:
    shown = cli(tmp_path, "-h", env={"COLUMNS": "80"}).stdout
    for name, text in ((n, t) for section in SECTIONS.values() for n, t in section.items()):
        assert text in shown, f"say in fewer words what {name} does"


def test_no_command_at_all_shows_the_overview_as_wrong_usage(cli: Cli, tmp_path: Path) -> None:
    for words in ((), ("task",)):
        ran = cli(tmp_path, *words)
        assert (ran.code, ran.stdout) == (2, "")
        assert "Usage: git session" in ran.stderr


def test_git_finds_the_program_as_its_own_command(repo: Path, tmp_path: Path) -> None:
    """`git session` is `git-session` on PATH; git leaves -h alone, and its own -C comes first."""
    script = tmp_path / "bin" / "git-session"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom git_session.__main__ import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", 'PATH="$0:$PATH" && git -C "$1" session list --count', script.parent, repo],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0\n")


@pytest.mark.parametrize(
    ("words", "barred"),
    [
        (("--version",), ("pygit2", "pydantic", "rich", "cbor2", "git_session.log.session_log")),
        (("-h",), ("pygit2", "pydantic", "rich", "cbor2", "git_session.log.session_log")),
        (("list", "--json"), ("pydantic", "rich")),
        (("running", "-h"), ("pygit2", "pydantic", "rich", "cbor2")),
        (("beat", "-h"), ("pygit2", "pydantic", "rich", "cbor2", "psutil", "sqlite3")),
    ],
)
def test_a_command_imports_no_library_that_it_does_not_need(
    words: tuple[str, ...], barred: tuple[str, ...], repo: Path
) -> None:
    imported = list_imports(repo, *words)
    assert "click" in imported
    assert imported.isdisjoint(barred)


def test_the_version_is_the_packages(cli: Cli, tmp_path: Path) -> None:
    ran = cli(tmp_path, "--version")
    assert (ran.code, ran.stdout) == (0, f"git-session {git_session.__version__}\n")


@pytest.mark.parametrize("name", git_session.__all__)
def test_every_public_name_is_there_and_is_listed(name: str) -> None:
    assert getattr(git_session, name) is not None
    assert name in dir(git_session)


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Session_Log'"):
        git_session.Session_Log  # noqa: B018


def test_importing_the_package_imports_no_library() -> None:
    """A program that only wants an error class or the version does not pay for the rest."""
    code = "import sys, git_session; git_session.NotFoundError; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"click", "pygit2", "pydantic", "cbor2"}.isdisjoint(done.stdout.split())


def test_a_worktree_of_the_repository_shows_the_same_sessions(
    cli: Cli, repo: Path, worktree: Path
) -> None:
    task = cli(worktree, "task", "add", "Port the lexer").stdout.strip()
    session = cli(repo, "start", task).stdout.strip()
    assert [row["session_id"] for row in cli(worktree, "list", "--json").json()["data"]["sessions"]]
    assert cli(worktree, "show", session).code == 0
    assert git(repo, "status", "--porcelain") == ""
