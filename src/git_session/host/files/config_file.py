"""Small TOML files that anybody may have written: read with a bound, edited and replaced whole.

Nothing here knows what a key means; config.py and actors.py do.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from git_session.core.wire import names
from git_session.errors import ConfigError, ContendedError, ReadOnlyError, UsageError
from git_session.host.clock import Backoff

MAX_BYTES: Final = 64 * 1024
"""grite's files hold a few hundred bytes; past this a file is not one of them."""

_I64_MAX: Final = 2**63 - 1
_BOM: Final = "\ufeff"
_LOCK_SECONDS: Final = 10.0
_PAUSE_S: Final = 0.02
_MAX_CANDIDATES: Final = 16
_HEADER: Final = re.compile(r"\s*\[\s*([^\[\]]*?)\s*\]")
_ERROR_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)$")


def read_small_file(path: Path, limit: int = MAX_BYTES) -> tuple[bytes, os.stat_result] | None:
    """Read a regular file (through symlinks) of at most `limit` bytes; None when there is none.

    Raises ConfigError when it is no file, too large or not readable.
    """
    try:
        # Without O_NONBLOCK a FIFO under this name would hold the program for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {_reason(error)}", _READ_HINT) from error
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise ConfigError(f"{path} is not a regular file", "move it out of the way")
        with open(fd, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {_reason(error)}", _READ_HINT) from error
    finally:
        os.close(fd)
    if len(data) > limit:
        raise ConfigError(f"{path} is larger than {limit} bytes", "move it out of the way")
    return data, info


@dataclass(frozen=True, slots=True)
class ConfigTable:
    """Holds one table of a TOML file, with what is needed to name a wrong value's line."""

    path: Path
    source: str
    values: dict[str, object]
    section: str | None = None

    def text(self, key: str) -> str | None:
        """Return a string, or None without the key. Raises ConfigError for another type."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "must be text in quotes")
        return value

    def number(self, key: str, most: int = _I64_MAX) -> int | None:
        """Return an integer from 0 to `most`, or None when absent; else raises ConfigError."""
        value = self.values.get(key)
        if value is None:
            return None
        # bool is an int to Python, not to TOML.
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.wrong(key, f"must be a whole number from 0 to {most}")
        return value

    def table(self, key: str) -> ConfigTable:
        """Return a table inside this one, an empty one when absent; else raises ConfigError."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return ConfigTable(self.path, self.source, value, key)

    def wrong(self, key: str, problem: str) -> ConfigError:
        """Form the error that names file, line and key of a value nobody can use."""
        name = f"{self.section}.{key}" if self.section else key
        line = _line_of(self.source, self.section, key)
        return _fault(self.path, line, f"{name} {problem}")


def parse_table(data: bytes, path: Path) -> ConfigTable:
    """Read TOML, with or without a byte order mark (grite takes both); `path` is for messages.

    Raises ConfigError naming file and line when it is not UTF-8 or not TOML.
    """
    try:
        source = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _fault(path, line, "is not UTF-8 text") from error
    return ConfigTable(path, source, _parse(source.removeprefix(_BOM), path))


def format_text(value: str) -> str:
    """Form a TOML basic string. Raises UsageError for text that is not Unicode (surrogates)."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError("this text is not valid Unicode", "use UTF-8") from error
    # JSON's escapes are all TOML's too; only DEL must be escaped in TOML and is not in JSON.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def format_with_text(table: ConfigTable, key: str, value: str) -> str:
    """Form the file's text with one root key set and every other byte as it was.

    Raises ConfigError when the key stands there in a form that cannot be edited safely.
    """
    bom = _BOM if table.source.startswith(_BOM) else ""
    source = table.source.removeprefix(_BOM)
    now = _parse(source, table.path)
    wanted = now | {key: value}
    for candidate in _candidate_edits(source, key, format_text(value), key in now):
        try:
            if _parse(candidate, table.path) == wanted:
                return bom + candidate
        except ConfigError:
            continue
    raise table.wrong(key, "has a form that cannot be edited: change it by hand")


def replace_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file beside `path` and renames it over: readers see the old one or the new one.

    A symlink stays and its target is replaced; an existing file's mode is kept, a new one gets
    `mode` less the umask. Raises ReadOnlyError when the place cannot be written to.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with open(fd, "wb") as file:
                if target.exists():
                    os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def replace_note(path: Path, data: bytes) -> None:
    """Replace a small file that the program can do without: whole, but not safe from a power cut.

    A symlink is replaced itself. Raises OSError.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def create_directory(path: Path) -> None:
    """Make a directory and its parents where missing. Raises ReadOnlyError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> ReadOnlyError:
    """Form the error for a place that refuses to be written to."""
    return ReadOnlyError(
        f"cannot write {path}: {_reason(error)}", "check its permissions and free space"
    )


@contextmanager
def config_lock(common_dir: Path) -> Iterator[None]:
    """Hold git-session's own lock on grite's configuration (an flock: a killed holder frees it).

    Not for use inside itself. Raises ContendedError after 10 s, ReadOnlyError.
    """
    create_directory(common_dir / names.SESSION_DIR)
    path = common_dir / names.SESSION_DIR / "config.lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        _wait_for_flock(fd, path)
        yield
    finally:
        os.close(fd)


def _wait_for_flock(fd: int, path: Path) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    backoff = Backoff(_PAUSE_S, _PAUSE_S)
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise ContendedError(
                    f"another process has held {path} for {_LOCK_SECONDS:.0f} s",
                    "look for a stopped git-session process",
                ) from error
        except OSError as error:
            raise cannot_write(path, error) from error
        backoff.wait()


_READ_HINT: Final = "check the permissions of the file and its directories"


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _fault(path: Path, line: int | None, problem: str) -> ConfigError:
    where = f"{path}, line {line}" if line else f"{path}"
    return ConfigError(f"{where}: {problem}", "fix the file by hand; it was not changed")


def _parse(source: str, path: Path) -> dict[str, object]:
    import tomllib  # costs 10 ms to import, and most commands meet no such file

    try:
        # Floats are kept as text in a tuple: nan would not be equal to itself after an edit, and
        # plain text would pass for a string.
        return tomllib.loads(source, parse_float=lambda text: ("float", text))
    except tomllib.TOMLDecodeError as error:
        found = _ERROR_LINE.search(str(error))
        line = int(found[1]) if found else source.count("\n") + 1
        raise _fault(path, line, f"is not TOML: {error}") from error
    except ValueError as error:  # an integer of more than 4300 digits
        raise _fault(path, None, "holds a number that is too long") from error
    except RecursionError as error:
        raise _fault(path, None, "is nested too deeply") from error


def _candidate_edits(source: str, key: str, value: str, present: bool) -> Iterator[str]:
    if not present:
        newline = "\r\n" if "\r\n" in source else "\n"
        yield f"{key} = {value}{newline}{source}"
        return
    name = re.escape(key)
    assignment = re.compile(
        rf"""^[ \t]*(?:{name}|"{name}"|'{name}')[ \t]*=[ \t]*"""
        r"""("(?:[^"\\\r\n]|\\.)*"|'[^'\r\n]*')""",
        re.MULTILINE,
    )
    # A hit may lie in a section or a multi-line string; the caller's comparison tells.
    for hit in itertools.islice(assignment.finditer(source), _MAX_CANDIDATES):
        yield source[: hit.start(1)] + value + source[hit.end(1) :]


def _line_of(source: str, section: str | None, key: str) -> int | None:
    # For a message only: a key spelt in an unusual way goes without a line.
    word = re.compile(rf"""["']?\b{re.escape(key)}\b["']?\s*=""")
    current: str | None = None
    nested: int | None = None
    for number, line in enumerate(source.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            current = header[1]
            if section is None and current == key:
                return number
        elif word.search(line):
            if current == section:
                return number
            if current is None and nested is None:
                nested = number  # `snapshot.max_events = ...` or an inline table
    return nested if section is not None else None
