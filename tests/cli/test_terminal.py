"""What people see on a terminal: tables that fit, colours unless refused, the pager they chose."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import TIMEOUT, Cli, git
from tests.support.processes import read_terminal
from tests.support.stores import make_log

Checkout = Callable[[str], Path]

COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


def run_on_terminal(
    path: Path,
    *args: str,
    columns: int = 80,
    env: Mapping[str, str] | None = None,
    with_messages: bool = False,
) -> str:
    """Runs the program with stdin and stdout on a terminal and gives what it showed there.

    `with_messages` puts stderr there too.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "git_session", *args],
        cwd=path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs if with_messages else subprocess.DEVNULL,
        env=os.environ | {"TERM": "xterm-256color", "PAGER": "cat"} | dict(env or {}),
    )
    os.close(theirs)
    return read_terminal(ours, process, TIMEOUT).replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 132, 200])
@pytest.mark.parametrize(
    "words", [("list", "--all"), ("log",), ("tasks",), ("log", "s-20261122-4f1a")]
)
def test_no_table_is_wider_than_the_terminal(
    checkout_of: Checkout, words: tuple[str, ...], columns: int
) -> None:
    shown = COLOURS.sub("", run_on_terminal(checkout_of("lifecycle"), *words, columns=columns))
    assert shown.count("\n") >= 3
    assert max(map(len, shown.splitlines())) <= columns


def test_a_wide_terminal_shows_every_column_whole(checkout_of: Checkout) -> None:
    shown = COLOURS.sub("", run_on_terminal(checkout_of("lifecycle"), "list", columns=200))
    assert ".grite/worktrees/s-20261122-4f1b" in shown
    assert ".." not in shown


def test_eighty_columns_keep_what_people_look_for_first(checkout_of: Checkout) -> None:
    shown = COLOURS.sub("", run_on_terminal(checkout_of("brat-witness"), "list", columns=80))
    heading, *rows = shown.splitlines()
    assert heading.split() == ["SESSION", "STATE", "SEEN", "TITLE", "ENGINE"]
    assert len(rows) == 4
    assert all(row.endswith("(2 live)") for row in rows)


@pytest.mark.parametrize("words", [("list", "--all"), ("log",), ("timeline",)])
def test_forty_columns_keep_the_end_in_which_ids_differ(
    checkout_of: Checkout, words: tuple[str, ...]
) -> None:
    shown = COLOURS.sub("", run_on_terminal(checkout_of("lifecycle"), *words, columns=40))
    found = {found[1] for found in re.finditer(r"\bs-\d*\.\.(\w{4})\b", shown)}
    assert found == {"4f1a", "4f1b", "4f1c"}


def test_states_are_coloured_unless_somebody_wants_no_colour(checkout_of: Checkout) -> None:
    path = checkout_of("lifecycle")
    assert "\x1b[32mrunning" in run_on_terminal(path, "list")
    assert "\x1b" not in run_on_terminal(path, "list", env={"NO_COLOR": "1"})
    assert "\x1b" not in run_on_terminal(path, "list", env={"TERM": "dumb"})
    assert "\x1b" in run_on_terminal(path, "list", env={"NO_COLOR": ""})


@pytest.mark.parametrize(
    "words", [("list", "--all"), ("log",), ("tasks",), ("show", "s-20261122-4f1a"), ("timeline",)]
)
def test_colours_tell_nothing_that_the_text_does_not_tell(
    checkout_of: Checkout, words: tuple[str, ...]
) -> None:
    path = checkout_of("lifecycle")
    plain = run_on_terminal(path, *words, env={"NO_COLOR": "1"})
    assert "\x1b" not in plain
    colored = COLOURS.sub("", run_on_terminal(path, *words))
    assert [line.rstrip() for line in colored.splitlines()] == [
        line.rstrip() for line in plain.splitlines()
    ]


def test_json_is_indented_for_people_and_one_line_in_a_pipe(
    cli: Cli, checkout_of: Checkout
) -> None:
    path = checkout_of("lifecycle")
    shown = run_on_terminal(path, "list", "--json")
    assert shown.startswith('{\n  "schema_version": 1,\n  "ok": true,\n')
    assert json.loads(shown)["data"]["total"] == 1
    assert cli(path, "list", "--json").stdout.count("\n") == 1
    # What comes as text from the index is laid out like all the rest.
    piped = cli(path, "list", "--status", "exit", "--json").json()
    shown = run_on_terminal(path, "list", "--status", "exit", "--json")
    assert shown == json.dumps(piped, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("env", "is_paged"),
    [
        ({"GIT_PAGER": "sed s/^/paged:/", "PAGER": "cat"}, True),
        ({"PAGER": "sed 's/^/paged:/' | cat"}, True),
        ({"GIT_PAGER": "cat", "PAGER": "sed s/^/paged:/"}, False),
        ({"GIT_PAGER": "", "PAGER": "sed s/^/paged:/"}, False),
    ],
)
def test_log_goes_through_the_pager_that_the_environment_names(
    checkout_of: Checkout, env: dict[str, str], is_paged: bool
) -> None:
    path = checkout_of("lifecycle")
    lines = COLOURS.sub("", run_on_terminal(path, "log", env=env)).splitlines()
    assert len([line for line in lines if "s-20261122-4f1" in line]) == 10
    assert all(line.startswith("paged:") is is_paged for line in lines if line)
    plain = run_on_terminal(path, "log", "--no-pager", env=env)
    assert "paged:" not in plain


def test_log_goes_through_the_pager_that_git_is_set_to(checkout_of: Checkout) -> None:
    path = checkout_of("lifecycle")
    git(path, "config", "core.pager", "tail -n 2")
    assert run_on_terminal(path, "log").count("\n") == 2
    assert run_on_terminal(path, "log", env={"GIT_PAGER": "tail -n 3"}).count("\n") == 3
    git(path, "config", "core.pager", "")
    assert run_on_terminal(path, "log", env={"PAGER": "tail -n 2"}).count("\n") > 3


def test_only_log_is_paged(checkout_of: Checkout) -> None:
    env = {"GIT_PAGER": "sed s/^/paged:/"}
    path = checkout_of("lifecycle")
    for words in (("list",), ("tasks",), ("show", "s-20261122-4f1a")):
        assert "paged:" not in run_on_terminal(path, *words, env=env)


def test_the_default_pager_is_less_with_the_flags_that_git_gives_it(
    checkout_of: Checkout, tmp_path: Path
) -> None:
    """F ends it at once when all fits, R lets colours through, X leaves the text standing."""
    program = tmp_path / "bin" / "less"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "flags=$LESS"\ncat >/dev/null\n')
    program.chmod(0o755)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    path = checkout_of("lifecycle")
    assert run_on_terminal(path, "log", env=environment | {"PAGER": "less"}) == "flags=FRX\n"
    own = run_on_terminal(path, "log", env=environment | {"PAGER": "less", "LESS": "S"})
    assert own == "flags=S\n"


def test_fsck_tells_people_how_far_it_is_and_wipes_that_away(cli: Cli, repo: Path) -> None:
    make_log(repo, events=600, sessions=4)
    shown = run_on_terminal(repo, "fsck", with_messages=True)
    assert "\r\x1b[K500 commits checked\r\x1b[Kchecked 600 commits, " in shown
    assert cli(repo, "fsck").stderr.startswith("checked 600 commits, ")
