"""Text from the store harms nobody: what every command really prints is looked at.

A new command comes under this by itself, with what its arguments are called.
"""

from __future__ import annotations

import html.parser
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from git_session.cli.boundary import run_command_line
from git_session.cli.ui.log_format import FIELDS
from git_session.log.session_log import SessionLog
from tests.conftest import TIMEOUT, Cli, git, run
from tests.support.every_command import LEFT_OUT, Answer, collect_lines, end_readers
from tests.support.figures import Figures
from tests.support.hostile import (
    FORGED,
    HARM,
    KINDS,
    PLAIN,
    SECRET,
    SESSION,
    TASK,
    make_hostile,
    settle,
)
from tests.support.stores import (
    COMMENT_ADDED,
    EPOCH,
    ISSUE_CREATED,
    Event,
    format_block,
    write_log,
)

VALUES: Final = {
    "session": SESSION,
    "task": TASK,
    "before": "refs/grite/wal~3",
    "actor": "bb",
    "status": "dropped",
    "commit": "HEAD",
    "text": "text",
}
EVERY: Final = tuple(collect_lines(VALUES))
MORE: Final = (
    "list --all --tree --sort engine",
    "list --wide",
    "tasks --all",
    "show s-2",
    f"show {PLAIN}",
    "show ../../secret",
    "show 0101/../../secret",
    "tail ../../secret",
    "show -- --help",
    "exit -- --help",
    "exit s-20261122-0002",
    "show s-20261122-0003",
    f"task show {TASK[:-1]}",
    f"show {TASK}",
    shlex.join(["log", "--format", " ".join(f"%({field})" for field in FIELDS) + " %s %b"]),
    "log --graph",
    f"task show {TASK} --raw",
    "timeline --all",
    "diff refs/grite/wal~9 refs/grite/wal",
    f"commits {PLAIN}",
    "which code.txt:1",
    "export --format csv",
    "export --format csv --of transitions",
    "export --format jsonl --of transitions",
    "list --at=--output=owned",
    "diff -- --output=owned -h",
    "which -- --output=owned",
    "which -- -h",
    "commits -- --output=owned",
    "actor show -- --output=owned",
    "completion candidates 'git session show '",
    "completion candidates 'git session task show '",
    "completion candidates 'git session list --engine '",
    "completion candidates 'git session sync '",
    "sync -- '--upload-pack=touch owned'",
    "sync -- -x",
    "sync '\u202eover'",
    "repair --from '\u202eover'",
    "fsck --strict",
    "actor list --log",
    "actor show cc",
    "hook status",
    "doctor",
    "wait --task t-2 --timeout 0.1",
    f"wait {SESSION} --timeout 0.1",
    f"wait {SESSION} --state spawned",
)
"""Lines that say more than a command's arguments."""

LOOKED_AT_BELOW: Final = {"completion candidates", "mcp", "run", "wait", "watch"}
WITHOUT_TEXT: Final = {"demo": "plays in repositories of its own"}

NOT_SHOWN: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Everything that a terminal obeys, or does not show, or that turns the reading direction."""

FORGERY: Final = re.compile(rf"({FORGED}|(error|warning|hint): FORGED|  FORGED)")
OURS: Final = re.compile(r"\x1b\[[0-9;]*m")
"""The colours that the program gives its own words."""

SCREEN: Final = re.compile(r"\x1b\[([0-9;]*m|\?(1049|25|7)[hl]|H|2K|1A|2J\x1b\[H)|\r")
"""What a table that stays current does with the terminal."""

Ask = Callable[[str], Answer]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gives the folder that holds the repository, and what lies around it."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:  # what the fixture `home` does comes later
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        make_hostile(folder / "repo")
    return folder


@pytest.fixture
def hostile(template: Path, tmp_path: Path) -> Iterator[Path]:
    """Gives a copy of it; in the end nothing was run that the store, or a path in it, names."""
    repo = tmp_path / "place" / "repo"
    shutil.copytree(template, repo.parent)
    settle(repo)
    yield repo
    assert not [*tmp_path.rglob("owned")]


@pytest.fixture
def ask(
    hostile: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Ask:
    """Gives what runs a line in the repository."""
    monkeypatch.chdir(hostile)

    def play(line: str) -> Answer:
        code = run_command_line(shlex.split(line))
        end_readers()
        return Answer(code, *capsysbinary.readouterr())

    return play


def require_harmless(text: str, what: str) -> None:
    """Requires that text is fit for a terminal, and that no line of it was made by the store."""
    found = NOT_SHOWN.search(text.replace("\t", " ") if "candidates" in what else text)
    assert found is None, f"{what}: {found} in {text[max(found.start() - 60, 0) : found.end()]!r}"
    forged = [line for line in text.split("\n") if FORGERY.match(line)]
    assert not forged, (what, forged)
    assert SECRET not in text, what


def require_sense(said: str) -> None:
    """Requires that what is said on stderr is the program's own, and safe to be typed."""
    assert "internal error" not in said
    assert "Traceback" not in said
    for line in said.split("\n"):
        if line.startswith("hint: "):
            bare = re.sub("'[^']*'", "", line.replace("'\"'\"'", ""))
            assert "touch owned" not in bare


def test_every_command_is_among_those_that_are_looked_at() -> None:
    assert set(LEFT_OUT) == LOOKED_AT_BELOW | WITHOUT_TEXT.keys()


@pytest.mark.parametrize("line", [*EVERY, *MORE])
def test_nothing_that_is_printed_does_harm(ask: Ask, figures: Figures, line: str) -> None:
    answer = ask(line)
    assert answer.code in {0, 1, 2, 3, 4, 5, 124}, answer
    said, shown = answer.stderr.decode(), answer.stdout.decode()
    require_harmless(said, f"{line}, on stderr")
    require_sense(said)
    require_harmless(shown, line)
    figures.add("hostile text: command lines", 1)
    figures.add("hostile text: answers x kinds of text", 2 * len(KINDS))


@pytest.mark.parametrize("line", [*EVERY, "list --all", "list --wide", f"show {PLAIN}"])
def test_json_holds_it_exactly_in_one_document(ask: Ask, figures: Figures, line: str) -> None:
    answer = ask(f"{line} --json")
    shown, said = answer.stdout.decode(), answer.stderr.decode()
    if line == "schema":  # a document by itself, for people
        shown = json.dumps(json.loads(shown))
    assert len([json.loads(document) for document in shown.splitlines()]) <= 1
    require_harmless(shown, f"{line} --json")
    require_harmless(said, f"{line} --json, on stderr")
    require_sense(said)
    figures.add("hostile text: command lines with --json", 1)
    figures.add("hostile text: answers x kinds of text", 2 * len(KINDS))


def test_json_keeps_what_plain_text_leaves_out(ask: Ask) -> None:
    for _ in range(2):  # first from the log, then from the index
        sessions = json.loads(ask("list --all --json").stdout)["data"]["sessions"]
        assert f"{SESSION}{HARM}" in {session["session_id"] for session in sessions}
        assert {session["engine"] for session in sessions} == {HARM}


def test_no_candidate_of_a_short_id_can_be_forged(ask: Ask) -> None:
    first, *listed, hint = ask("show s-2").stderr.decode().splitlines()
    assert first == "error: session s-2 is ambiguous:"
    assert [line[:4] for line in listed] == ["  01"] * 3
    assert hint == "hint: type more of the id"


def test_a_session_whose_id_holds_a_slash_is_found(ask: Ask) -> None:
    for line in ("show ../../secret", "show 0101/../../secret", f"show {'01' * 16}/../../secret"):
        assert "session:   ../../secret" in ask(line).stdout.decode(), line
    assert ask("exit ../../secret").code == 0
    assert "running -> exit" in ask("log ../../secret --limit 1").stdout.decode()


def test_what_has_a_slash_in_its_id_is_no_path(ask: Ask, hostile: Path) -> None:
    before = {path for path in hostile.parent.rglob("*") if ".git" not in path.parts}
    for line in ("beat ../../secret", "tail ../../secret", "ready --force ../../secret"):
        require_harmless(ask(line).stderr.decode(), line)
    assert {path for path in hostile.parent.rglob("*") if ".git" not in path.parts} == before
    assert not [*(hostile / ".git").rglob("*secret*")]


def test_what_is_overlapping_is_named_on_a_line_each(ask: Ask) -> None:
    shown = ask("overlap").stdout.decode()
    assert f"file {FORGED}" in shown


def test_a_checkout_that_the_store_names_is_none_unless_git_lists_it(
    ask: Ask, hostile: Path
) -> None:
    """The one named `../trap` would run a program for whoever asks for its status."""
    rows = json.loads(ask("list --wide --json").stdout)["data"]["sessions"]
    known = {row["session_id"]: row["checkout"] for row in rows}
    assert known[PLAIN]["branch"] == "w\u202e"
    assert not [*hostile.parent.rglob("owned")]


class _Tags(html.parser.HTMLParser):
    """Collects what a browser would take for a tag, or for an attribute that acts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag, *(name for name, _ in attrs if name.startswith("on"))]
        self.found += [v or "" for name, v in attrs if name in ("src", "href", "srcdoc", "action")]


def test_the_page_shows_markup_and_runs_none(ask: Ask) -> None:
    page = ask("export --format html").stdout.decode()
    tags = _Tags()
    tags.feed(page)
    assert "onerror" not in tags.found
    assert "img" not in tags.found
    assert not [place for place in tags.found if place.startswith(("x", "javascript:", "file:"))]
    assert "<script>owned()" not in page
    assert "Content-Security-Policy" in page
    assert "&lt;script&gt;owned()" in page
    assert "\\u003cscript" in page
    require_harmless(page, "export --format html")


ON_A_TERMINAL: Final = """\
import shlex, sys
from git_session.cli.boundary import run_command_line
from tests.support.every_command import end_readers
for line in sys.argv[1:]:
    print(f"@@{line}", flush=True)
    run_command_line(shlex.split(line))
    end_readers()
"""


def test_on_a_terminal_there_are_only_our_own_colours(hostile: Path, figures: Figures) -> None:
    """All of them on one terminal, one after the other, which has a pager and colours."""
    lines = [*EVERY, *MORE, "list --json"]
    shown = _play_on_terminal(hostile, "-c", ON_A_TERMINAL, *lines)
    assert OURS.search(shown)
    for part in OURS.sub("", shown).split("@@")[1:]:
        line, _, answer = part.partition("\n")
        # So much is erased that was written about how far it is.
        require_harmless(answer.replace("\r\x1b[K", "\n"), f"{line}, on a terminal")
        require_sense(answer)
    figures.add("hostile text: command lines on a terminal", len(lines))
    figures.add("hostile text: answers x kinds of text", 2 * len(lines) * len(KINDS))


def test_a_table_that_stays_current_is_all_ours(hostile: Path, figures: Figures) -> None:
    shown = _play_on_terminal(hostile, "-m", "git_session", "watch", until="Ctrl-C leaves")
    require_harmless(SCREEN.sub("", shown), "watch, on a terminal")
    figures.add("hostile text: command lines on a terminal", 1)


def _play_on_terminal(path: Path, *args: str, until: str | None = None) -> str:
    """Runs Python on a terminal, to its end or until something is shown, and gives all that is."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *args],
        cwd=path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ
        | {"TERM": "xterm-256color", "PAGER": "sed s/^//", "COLUMNS": "300", "LINES": "60"}
        | {"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + TIMEOUT
    try:
        while (left := deadline - time.monotonic()) > 0 and select.select([ours], [], [], left)[0]:
            if not (piece := os.read(ours, 65536)):
                break
            shown += piece
            if until is not None and until.encode() in shown:
                os.killpg(process.pid, signal.SIGINT)
                until = None
    except OSError:  # how Linux says that the other end of a terminal is closed
        pass
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_changes_are_told_as_json_lines(hostile: Path, figures: Figures) -> None:
    command = [sys.executable, "-m", "git_session", "watch"]
    with subprocess.Popen(command, cwd=hostile, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    require_harmless(line + rest, "watch")
    assert HARM in {json.loads(each)["session"]["engine"] for each in (line + rest).splitlines()}
    figures.add("hostile text: command lines", 1)


def test_a_command_that_is_run_sees_no_text_of_the_store(hostile: Path, cli: Cli) -> None:
    ran = cli(hostile, "run", TASK, "--", "env")
    assert ran.code == 0
    assert f"GIT_SESSION_TASK={'01' * 16}" in ran.stdout.splitlines()
    assert "FORGED" not in ran.stdout
    require_harmless(ran.stderr, "run")
    require_sense(ran.stderr)


def test_an_agent_gets_it_as_data(hostile: Path) -> None:
    """MCP's messages are JSON, one a line; what they say is for the agent to judge."""
    pytest.importorskip("mcp", reason="the MCP SDK is not installed")
    from git_session.connect.mcp_server import Reporter

    reporter = Reporter(hostile, {})
    assert HARM in {session.engine for session in reporter.list_sessions().sessions}
    assert HARM in {task.title for task in reporter.list_tasks().tasks}


def test_output_of_a_command_is_exact_in_a_pipe_and_harmless_on_a_terminal(
    hostile: Path, cli: Cli
) -> None:
    kept = (hostile / ".grite" / "logs" / f"{PLAIN}.log").read_text()
    assert cli(hostile, "tail", PLAIN, "-n", "1000").stdout == kept
    shown = _play_on_terminal(hostile, "-m", "git_session", "tail", PLAIN, "-n", "1000")
    assert not NOT_SHOWN.search(shown)
    assert shown.endswith("last line\n")


def test_output_that_is_a_link_is_none(hostile: Path, ask: Ask) -> None:
    """A link can be part of what was cloned, and lead to anything."""
    path = hostile / ".grite" / "logs" / f"{PLAIN}.log"
    path.unlink()
    path.symlink_to(hostile.parent / "secret")
    answer = ask(f"tail {PLAIN}")
    assert (answer.code, answer.stdout) == (3, b"")
    assert f"no output of {PLAIN} is saved here".encode() in answer.stderr


def test_a_commit_gets_the_trailer_of_its_session_and_nothing_else(hostile: Path, cli: Cli) -> None:
    installed = cli(hostile, "hook", "install")
    require_harmless(installed.stdout + installed.stderr, "hook install")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    commit = ("git", *who, "commit", "--quiet", "--allow-empty", "--message=Work")
    for session in ("", PLAIN, f"{SESSION}{HARM}".replace("\0", ""), "--help"):
        ran = run(hostile, *commit, env={"GIT_SESSION_ID": session})
        assert ran.code == 0
        require_harmless(ran.stderr, f"git commit in {session}")
        said = git(hostile, "log", "-1", "--format=%B").rstrip()
        assert said == ("Work\n\nAgent-Session: " + PLAIN if session == PLAIN else "Work")


def test_an_agent_that_says_harm_of_itself_is_recorded_and_does_none(
    hostile: Path, ask: Ask
) -> None:
    for event in (
        "SessionStart",
        "UserPromptSubmit",
        "SubagentStart",
        "Notification",
        "SessionEnd",
    ):
        words = {"session_id": "abc", "hook_event_name": event, "cwd": str(hostile)}
        words |= dict.fromkeys(("model", "source", "reason", "message", "tool_name"), HARM)
        words |= {"agent_type": HARM, "prompt": HARM, "transcript_path": f"../../{HARM}"}
        command = (sys.executable, "-m", "git_session", "hook", "run", "agent", "claude")
        ran = run(hostile, *command, stdin=json.dumps(words))
        assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
    assert "claude" in ask("list --all").stdout.decode()
    for line in ("list --wide --all", "log", "doctor"):
        answer = ask(line)
        require_harmless((answer.stdout + answer.stderr).decode(), line)


@pytest.mark.heavy
def test_no_command_falls_over_texts_of_ten_megabytes(
    repo: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    long, large = f"{HARM}{'ü' * 100_000}{HARM}", f"{HARM}{'ü' * 10_000_000}{HARM}"
    created: list[object] = [long, large, ["type:task", f"task:{TASK}"]]
    block = format_block("running", SESSION, engine="ü" * 100_000)
    issue, actor = b"\x07" * 16, b"\x08" * 16
    events = [Event(issue, actor, EPOCH, ISSUE_CREATED, created)]
    events += [Event(issue, actor, EPOCH + 1, COMMENT_ADDED, [f"{long}\n{block}\n{large}"])]
    write_log(repo, [events])
    monkeypatch.chdir(repo)
    for line in (line for each in EVERY for line in (each, f"{each} --json")):
        answer = ask(line)
        assert answer.code in range(6), line
        assert b"internal error" not in answer.stderr, (line, answer.stderr[-1000:])
        figures.add("hostile text: command lines beside texts of 10 MB", 1)


def test_ten_megabytes_in_one_comment_are_borne(
    repo: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo)
    task = SessionLog.open(repo, environ={}).add_task("Large").task.task_id
    SessionLog.open(repo, environ={}).comment_row(task, f"begin{HARM}" + "x" * 10_000_000 + "end")
    shown = ask(f"task show {task}").stdout.decode()
    assert len(shown) > 10_000_000
    assert shown.rstrip().endswith("end")
    for line in ("list", "log -n 3", "tasks", "fsck", "repair"):
        answer = ask(line)
        assert len(answer.stdout) < 100_000
        assert b"internal error" not in answer.stderr
    assert git(repo, "status", "--porcelain", "--untracked-files=no") == ""
