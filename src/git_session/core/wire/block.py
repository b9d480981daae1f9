"""Session blocks: the `[session]` text inside a comment.

Plain values are laid out byte for byte as brat writes them, and read as brat reads them. A
value that brat's layout cannot hold makes the block carry `escape = "toml"` as its first
line, and its strings TOML basic strings. Source: the grite store format, section "Tasks and
session comments", and brat's reader (`parse_session_comment`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from git_session.core.wire.words import PRESUMED_REASONS, ROLES, SESSION_TYPES, STATES
from git_session.errors import NewerFormatError, WireError

OPEN_MARK: Final = "[session]"
CLOSE_MARK: Final = "[/session]"
ESCAPE_KEY: Final = "escape"

Extra = str | int

U32_MAX: Final = 2**32 - 1
I32_MIN, I32_MAX = -(2**31), 2**31 - 1
I64_MIN, I64_MAX = -(2**63), 2**63 - 1

_INT_RANGES: Final = {
    "pid": (0, U32_MAX),
    "started_ts": (I64_MIN, I64_MAX),
    "last_heartbeat_ts": (I64_MIN, I64_MAX),
    "exit_code": (I32_MIN, I32_MAX),
}
_CHOICES: Final = {
    "state": frozenset(STATES),
    "role": frozenset(ROLES),
    "session_type": frozenset(SESSION_TYPES),
}
BLOCK_KEYS: Final = (
    "state",
    "session_id",
    "role",
    "session_type",
    "engine",
    "worktree",
    "pid",
    "started_ts",
    "last_heartbeat_ts",
    "exit_code",
    "exit_reason",
    "last_output_ref",
)
_REQUIRED: Final = ("state", "session_id", "role", "session_type", "engine", "started_ts")
_NULLABLE_TEXT: Final = ("exit_reason", "last_output_ref")
_OPTIONAL: Final = ("pid", "last_heartbeat_ts", "exit_code", "exit_reason", "last_output_ref")
_NOTHING: Final[Mapping[str, Extra]] = {}
_KNOWN: Final = frozenset(BLOCK_KEYS)
_NO_EXTRAS: Final = _KNOWN | {ESCAPE_KEY}

# What Rust's trim() takes off, which is not quite what str.strip() does.
_WHITE: Final = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# A block as brat lays it out, with nothing in it that brat and this module could read in two ways:
# a bracket or a quote inside a value, a number out of range, a line between the known ones.
_TEXT: Final = r'"([^"\n\[]*)"'
_LAID_OUT: Final = re.compile(
    rf"""\[session\]
state = "({"|".join(STATES)})"
session_id = {_TEXT}
role = "({"|".join(ROLES)})"
session_type = "({"|".join(SESSION_TYPES)})"
engine = {_TEXT}
worktree = {_TEXT}
pid = (?:null|([0-9]{{1,9}}))
started_ts = ([0-9]{{1,18}})
last_heartbeat_ts = (?:null|([0-9]{{1,18}}))
exit_code = (?:null|(-?[0-9]{{1,9}}))
exit_reason = (?:null|{_TEXT})
last_output_ref = (?:null|{_TEXT})
((?:[a-z][a-z0-9_]* = (?:-?[0-9]{{1,19}}|"[^"\n\[]*")\n)*)\[/session\]"""
)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_BARE_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_EXTRA_KEY: Final = re.compile(r"[a-z][a-z0-9_]*")
_CONTROL: Final = re.compile('["\\\\\x00-\x1f\x7f-\x9f]')
_TO_ESCAPE: Final = re.compile('["\\\\\\[\x00-\x1f\x7f-\x9f]')


@dataclass(slots=True)
class SessionState:
    """Holds what one block says of a session; treat it as immutable.

    Times are ms since the epoch. `extras` are further keys: text or integers.
    """

    state: str
    session_id: str
    role: str
    session_type: str
    engine: str
    worktree: str
    started_ts: int
    pid: int | None = None
    last_heartbeat_ts: int | None = None
    exit_code: int | None = None
    exit_reason: str | None = None
    last_output_ref: str | None = None
    extras: Mapping[str, Extra] = field(default_factory=dict)

    @property
    def is_exit(self) -> bool:
        """Return whether the session has ended."""
        return self.state == "exit"

    @property
    def is_presumed_exit(self) -> bool:
        """Return whether the end was concluded by somebody else, not reported by the session."""
        return (
            self.state == "exit" and self.exit_code == -1 and self.exit_reason in PRESUMED_REASONS
        )


def mentions_block(text: str) -> bool:
    """Return whether a comment speaks of session blocks at all."""
    return OPEN_MARK in text


def split_comment(text: str) -> tuple[str, str, str] | None:
    """Cut a comment into what is before its block, inside it and after it; None without one."""
    start, end = text.find(OPEN_MARK), text.find(CLOSE_MARK)
    if start < 0 or end <= start:
        return None
    return text[:start], text[start + len(OPEN_MARK) : end], text[end + len(CLOSE_MARK) :]


def parse_block(text: str, shared: dict[str, str] | None = None) -> SessionState:
    """Read the first block of a comment.

    Blocks that are read with the same `shared` share the texts that are equal: a session says
    the same again and again. Raises WireError when there is none or a required key is missing, and
    NewerFormatError when a state, role or type is not a known word.
    """
    return _read_laid_out(text, {} if shared is None else shared) or _read_lines(text)


def _read_laid_out(text: str, shared: dict[str, str]) -> SessionState | None:
    """Read a comment that begins with a block in brat's layout; None for _read_lines to judge.

    Nearly all do, and this takes a fifth of the time.
    """
    match = _LAID_OUT.match(text)
    if match is None:
        return None
    texts = [shared.setdefault(text, text) for text in match.group(1, 2, 3, 4, 5, 6)]
    state, session_id, role, kind, engine, worktree = texts
    pid, started, beat, code, reason, output, more = match.group(7, 8, 9, 10, 11, 12, 13)
    extras = _read_extras(more) if more else _NOTHING
    if extras is None:
        return None
    return SessionState(
        state,
        session_id,
        role,
        kind,
        engine,
        worktree,
        int(started),
        None if pid is None else int(pid),
        None if beat is None else int(beat),
        None if code is None else int(code),
        None if reason == "null" else reason,
        None if output == "null" else output,
        extras,
    )


def _read_extras(lines: str) -> dict[str, Extra] | None:
    """Read further keys, each on its line; None when one is known or comes twice."""
    pairs = [line.split(" = ", 1) for line in lines.split("\n")[:-1]]
    extras = {key: value[1:-1] if value[0] == '"' else int(value) for key, value in pairs}
    is_plain = len(extras) == len(pairs) and _NO_EXTRAS.isdisjoint(extras)
    return extras if is_plain else None


def _read_lines(text: str) -> SessionState:
    """Read a block line by line, as brat does."""
    parts = split_comment(text)
    if parts is None:
        raise WireError("comment has no [session] ... [/session] block")
    lines = parts[1].split("\n")
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    pairs = [[key.strip(_WHITE), value.strip(_WHITE)] for key, value in pairs]
    if pairs and pairs[0] == [ESCAPE_KEY, '"toml"']:
        texts = _unescape(pairs[1:])
    else:
        texts = _unquote(pairs)
    return _build(texts)


def format_block(state: SessionState) -> str:
    """Write a block: brat's layout and order, escaped only where that cannot hold a value.

    Raises WireError when a key of `extras` is no key.
    """
    fields: list[tuple[str, Extra | None]] = [(key, getattr(state, key)) for key in BLOCK_KEYS]
    for key, value in state.extras.items():
        if not _is_extra_key(key):
            raise WireError(f"'{key}' cannot be a key of a session block")
        fields.append((key, value))
    escaped = any(_needs_escape(key, value) for key, value in fields)
    quote = _quote_escaped if escaped else _quote_plain
    lines = [OPEN_MARK]
    if escaped:
        lines.append(f'{ESCAPE_KEY} = "toml"')
    lines.extend(
        f"{key} = {quote(value) if isinstance(value, str) else 'null' if value is None else value}"
        for key, value in fields
    )
    lines.append(CLOSE_MARK)
    return "\n".join(lines)


def _build(texts: Mapping[str, tuple[str, bool]]) -> SessionState:
    found: dict[str, str | int | None] = {}
    for key in BLOCK_KEYS:
        text, quoted = texts.get(key, ("null", False))
        if key in _INT_RANGES:
            found[key] = _parse_int(key, text)
        elif key in _NULLABLE_TEXT and text == "null" and not (quoted and _is_escaped(texts)):
            found[key] = None
        elif key in texts and (key not in _CHOICES or text in _CHOICES[key]):
            found[key] = text
    found.setdefault("worktree", "")
    for key in _REQUIRED:
        if found.get(key) is None:
            if key in _CHOICES and texts.keys() >= {*_REQUIRED}:
                word = key.replace("_", " ")
                raise NewerFormatError(f"session block has a {word} this version does not know")
            raise WireError(f"session block has no valid {key}")
    extras = {
        key: int(text) if not quoted and _BARE_INTEGER.fullmatch(text) else text
        for key, (text, quoted) in texts.items()
        if _is_extra_key(key) and (quoted or text != "null")
    }
    return SessionState(**found, extras=extras)  # type: ignore[arg-type]


def _is_escaped(texts: Mapping[str, tuple[str, bool]]) -> bool:
    return ESCAPE_KEY in texts


def _unquote(pairs: list[list[str]]) -> dict[str, tuple[str, bool]]:
    """Read plain values as brat does; the flag says that the value stood in quotes."""
    texts: dict[str, tuple[str, bool]] = {}
    for key, value in pairs:
        text = value.strip('"')
        # Later keys win, but brat lets no later null take an optional value away.
        if text != "null" or key not in texts or key not in _OPTIONAL:
            texts[key] = (text, value[:1] == '"')
    return texts


def _unescape(pairs: list[list[str]]) -> dict[str, tuple[str, bool]]:
    import tomllib  # only the rare escaped block pays for it

    texts = {ESCAPE_KEY: ("toml", True)}
    for key, value in pairs:
        if not value.startswith('"'):
            texts[key] = (value, False)
            continue
        try:
            text = tomllib.loads(f"v = {value}")["v"]
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise WireError(f"session block has an unreadable escaped {key}") from error
        texts[key] = (str(text), True)
    return texts


def _parse_int(key: str, text: str) -> int | None:
    if not _INTEGER.fullmatch(text):
        return None
    low, high = _INT_RANGES[key]
    if key == "pid" and text.startswith("-"):
        return None
    value = int(text)
    return value if low <= value <= high else None


def _is_extra_key(key: str) -> bool:
    return key not in _NO_EXTRAS and _EXTRA_KEY.fullmatch(key) is not None


def _needs_escape(key: str, value: Extra | None) -> bool:
    if not isinstance(value, str):
        return False
    if key in _NULLABLE_TEXT and value == "null":
        return True
    return bool(_CONTROL.search(value)) or OPEN_MARK in value or CLOSE_MARK in value


def _quote_plain(value: str) -> str:
    return f'"{value}"'


def _quote_escaped(value: str) -> str:
    # Every escape is \uXXXX: brat strips quotes and would be misled by \" at an end.
    return '"' + _TO_ESCAPE.sub(lambda match: f"\\u{ord(match[0]):04X}", value) + '"'
