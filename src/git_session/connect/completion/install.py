"""Put the completion script where a shell looks for it, for one user, and take it away again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from git_session.errors import ConfigError, ConflictError, UsageError
from git_session.host.files.config_file import (
    cannot_write,
    create_directory,
    read_small_file,
    replace_file,
)

_FILES: Final = {"bash": "git-session.bash", "zsh": "_git-session", "fish": "git-session.fish"}
_MARK: Final = b"git session completion install"
"""Stands in each script: a file without it was written by somebody else."""

_BEGIN: Final = "# >>> git session completion install zsh >>>"
_END: Final = "# <<< git session completion install zsh <<<"
_LARGEST: Final = 1 << 20
_HINTS: Final = {
    "bash": "a new bash completes, if bash-completion is loaded in it, as most systems do",
    "zsh": "a new zsh completes",
    "fish": "a new fish completes",
}


def read_script(shell: str) -> str:
    """Read the completion script for a shell."""
    return (Path(__file__).parent / _FILES[shell]).read_text(encoding="utf-8")


def find_shell(name: str | None, environ: Mapping[str, str]) -> str:
    """Name the shell that is meant: the one named, else the user's. Raises UsageError."""
    found = name or Path(environ.get("SHELL", "")).name
    if found not in _FILES:
        what = f"there is no completion for {found}" if found else "$SHELL is not set"
        raise UsageError(what, f"name a shell: {', '.join(_FILES)}")
    return found


def install_script(shell: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Write the script, and for zsh the lines in .zshrc that load it, unless they are there.

    Raises ConflictError for a file of somebody else's, ConfigError, ReadOnlyError.
    """
    path = _script_path(shell, environ)
    changes = [_write(path, read_script(shell).encode(), _read_own(path))]
    if shell == "zsh":
        startup = _startup_path(environ)
        before = _read(startup) or b""
        changes.append(_write(startup, _with_block(before, path.parent), before or None))
    return {"shell": shell, "changes": changes, "hint": _HINTS[shell]}


def uninstall_script(shell: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Take away what install_script wrote; raises as it does."""
    path = _script_path(shell, environ)
    changes = []
    is_there = _read_own(path) is not None
    if is_there:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
    changes.append({"path": str(path), "did": "removed" if is_there else "absent"})
    if shell == "zsh":
        startup = _startup_path(environ)
        before = _read(startup)
        after = _without_block(before or b"")
        if before is not None and after != before:
            replace_file(startup, after)
            changes.append({"path": str(startup), "did": "changed"})
    return {"shell": shell, "changes": changes, "hint": None}


def _script_path(shell: str, environ: Mapping[str, str]) -> Path:
    """Form where the shell finds a user's script.

    Source: bash-completion's README ("where should I put it"), git's contrib/completion, fish's
    "Where to put completions". fish loads `completions/git-session.fish` for `git-session` alone
    and not for `git session`, so its script stands in conf.d. zsh has no such place by itself.
    """
    if shell == "bash":
        named = environ.get("BASH_COMPLETION_USER_DIR")
        top = Path(named) if named else _data_home(environ) / "bash-completion"
        return top / "completions" / "git-session"
    if shell == "zsh":
        return _data_home(environ) / "git-session" / "zsh" / "_git-session"
    config = environ.get("XDG_CONFIG_HOME")
    top = Path(config) if config else _home(environ) / ".config"
    return top / "fish" / "conf.d" / "git-session.fish"


def _startup_path(environ: Mapping[str, str]) -> Path:
    named = environ.get("ZDOTDIR")
    return (Path(named) if named else _home(environ)) / ".zshrc"


def _data_home(environ: Mapping[str, str]) -> Path:
    named = environ.get("XDG_DATA_HOME")
    return Path(named) if named else _home(environ) / ".local" / "share"


def _home(environ: Mapping[str, str]) -> Path:
    named = environ.get("HOME")
    if not named:
        raise ConfigError("$HOME is not set", "git session completion SHELL prints the script")
    return Path(named)


def _read(path: Path) -> bytes | None:
    found = read_small_file(path, _LARGEST)
    return None if found is None else found[0]


def _read_own(path: Path) -> bytes | None:
    """Read a script that is there. Raises ConflictError when somebody else wrote it."""
    found = _read(path)
    if found is not None and _MARK not in found:
        raise ConflictError(
            f"{path} was not written by git session completion",
            "move it away; git session completion SHELL prints the script",
        )
    return found


def _write(path: Path, data: bytes, before: bytes | None) -> dict[str, str]:
    if data == before:
        return {"path": str(path), "did": "unchanged"}
    create_directory(path.parent)
    replace_file(path, data)
    return {"path": str(path), "did": "written" if before is None else "changed"}


def _with_block(text: bytes, folder: Path) -> bytes:
    """Return a .zshrc with our lines at its end, or where they stand already."""
    lines = (
        _BEGIN,
        f"fpath=({shlex.quote(str(folder))} $fpath)",
        "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }",
        "autoload -Uz _git-session && compdef _git-session git-session",
        _END,
    )
    block = "".join(f"{line}\n" for line in lines).encode()
    place = _find_block(text)
    if place is not None:
        return text[: place.start] + block + text[place.stop :]
    return text + (b"\n" if text and not text.endswith(b"\n") else b"") + block


def _without_block(text: bytes) -> bytes:
    place = _find_block(text)
    return text if place is None else text[: place.start] + text[place.stop :]


def _find_block(text: bytes) -> slice | None:
    """Find our lines, from the first mark to the end of the second's line; None without both."""
    start = text.find(f"{_BEGIN}\n".encode())
    end = text.find(_END.encode(), start)
    if start < 0 or end < 0:
        return None
    stop = text.find(b"\n", end)
    return slice(start, len(text) if stop < 0 else stop + 1)
