"""The hooks' shell runs alike in every shell and with every awk that a system may have."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from git_session.connect.hooks.shim import HOOKS, encode_shim
from tests.conftest import git, run
from tests.support.beat_files import write_beat

SHELLS: Final = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "mksh": ("mksh",),
    "zsh": ("zsh", "--emulate", "sh"),
    "busybox": ("busybox", "sh"),
}
AWKS: Final = ("mawk", "gawk", "original-awk", "busybox")
PAIRS: Final = [*((shell, "mawk") for shell in SHELLS), *(("dash", awk) for awk in AWKS[1:])]
FOLDERS: Final = (
    b"plain",
    "Gr\u00f6\u00dfe \u65e5\u672c \U0001f680".encode(),
    b"\xff\xc3\\ \"'\n\x01",
)


@pytest.mark.parametrize(("shell", "awk"), PAIRS)
def test_a_session_is_found_by_the_path_of_its_checkout(
    shell: str, awk: str, tmp_path: Path
) -> None:
    """JSON escapes what is not ASCII, and bytes that are no UTF-8 stand there as half a pair."""
    program, found = shutil.which(SHELLS[shell][0]), shutil.which(awk)
    if program is None or found is None:
        pytest.skip(f"no {shell} with {awk} here; .ci/run installs both")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "awk").symlink_to(found)
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    hook = tmp_path / "post-commit"
    hook.write_bytes(encode_shim("post-commit", ["/usr/bin/git-session"]))
    for name in FOLDERS:
        path = tmp_path / os.fsdecode(name)
        git(tmp_path, "init", "--quiet", str(path))
        git(path, "commit", "--quiet", "--allow-empty", "--message=One")
        left = write_beat(path)
        write_beat(path, "s-20261122-0001", worktree=f"{path}x", ts=2 * 10**12)
        ran = run(path, *SHELLS[shell], str(hook), env=env)
        assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
        assert left.read_text().split()[0] == git(path, "rev-parse", "HEAD")
        assert len(list(left.parent.glob("*.commit"))) == 1


@pytest.mark.parametrize("hook", HOOKS)
def test_a_strict_reader_of_shell_finds_nothing_to_say(hook: str, tmp_path: Path) -> None:
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("no shellcheck here; .ci/run installs it")
    # One part serves hooks of which each does not use all.
    left_out = "--exclude=SC2034,SC2317,SC2329"
    done = subprocess.run(
        [program, "--shell=sh", left_out, "-"],
        input=encode_shim(hook, ["/usr/bin/git-session"]),
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode() == ""
