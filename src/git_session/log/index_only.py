"""Answer what a fresh index can answer, and load nothing that reads a log.

Whoever asks several times a second, a prompt or a status line, asks here first. At the first
sign of anything but the plain case the answer is None, and the log itself is asked. Inside, paths
are text: pathlib takes 2 ms to load, a twentieth of what a prompt may take.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

from git_session.core.wire import names
from git_session.core.wire.json_text import format_json
from git_session.git.place import UnclearError, find_directories
from git_session.git.repository.kept import may_be_pruned
from git_session.git.repository.ref_files import read_ref_file
from git_session.host.clock import read_clock
from git_session.host.files.regular_file import StrPath, read_regular
from git_session.log.index.format import Row, order_of
from git_session.log.index.log_index import IndexLostError, LogIndex

_LARGEST_CONFIG: Final = 1 << 16
_PLAIN_CONFIG: Final = rb'(default_actor = "[0-9a-f]{32}"\n?|\n)*'
_TRUSTING: Final = "off"


def list_quickly(
    path: StrPath,
    environ: Mapping[str, str],
    *,
    states: Collection[str] = (),
    engine: str | None = None,
    role: str | None = None,
    include_exited: bool = False,
) -> tuple[list[bytes], int] | None:
    """List sessions as SessionLog.session_rows does, in JSON, with the number of exited ones.

    None when there is no index of the log as it is now, or reading the log left something out.
    """
    found = _open_fresh(path, environ)
    if found is None:
        return None
    common_dir, index = found
    try:
        if index.leaves_out():
            return None
        live = index.session_rows(states=states, without_exited=True, engine=engine, role=role)
        ended = []
        if "exit" in states or (include_exited and not states):
            ended = index.ended_sessions(engine=engine, role=role)
        exited = index.count_sessions(states=("exit",), engine=engine, role=role)
    except IndexLostError:
        return None
    finally:
        index.close()
    if live:
        from git_session.log.row_liveness import Vitals

        vitals, now = Vitals(common_dir), read_clock()
        for row in live:
            vitals.complete(row, now)
    # Those that exited are most of a long list, and stay as the index holds them.
    listed = sorted([*ended, *((order_of(row), format_json(row)) for row in live)])
    return [text for _, text in listed], exited


def count_quickly(
    path: StrPath,
    environ: Mapping[str, str],
    *,
    states: Collection[str] = (),
    engine: str | None = None,
    role: str | None = None,
    include_exited: bool = False,
) -> int | None:
    """Count the sessions that list_quickly would list."""
    found = _open_fresh(path, environ)
    if found is None:
        return None
    _, index = found
    try:
        if index.leaves_out():
            return None
        return index.count_sessions(
            states=states, without_exited=not (include_exited or states), engine=engine, role=role
        )
    except IndexLostError:
        return None
    finally:
        index.close()


def find_quickly(common_dir: str, ref: str) -> list[Row] | None:
    """Find the sessions whose id begins with `ref`, as the log tells them; None as list_quickly."""
    index = _open_fresh_at(common_dir)
    if index is None:
        return None
    try:
        if index.leaves_out():
            return None
        issues = {issue for issue, name in index.session_refs() if name.startswith(ref)}
        rows = [row for issue in issues for row in index.session_rows(issue_id=issue)]
    except IndexLostError:
        return None
    finally:
        index.close()
    return [row for row in rows if row["session_id"].startswith(ref)]


def sessions_at_hand(path: StrPath, environ: Mapping[str, str]) -> list[Row]:
    """List the sessions that the index knows, fresh or not; none without an index.

    Good enough to choose a name from: whoever uses the name asks the log. Rows have
    `session_id`, `state`, `engine`, `role`, `task_id` and `task_title`.
    """
    return _ask_stale(path, environ, lambda index: index.session_briefs())


def tasks_at_hand(path: StrPath, environ: Mapping[str, str]) -> list[Row]:
    """List the tasks that the index knows, fresh or not; none without an index."""
    return _ask_stale(path, environ, lambda index: index.task_rows())


def _ask_stale(
    path: StrPath, environ: Mapping[str, str], question: Callable[[LogIndex], list[Row]]
) -> list[Row]:
    found = find_directories(path, environ)
    if found is None:
        return []
    _, common_dir, _ = found
    index = LogIndex.open(_index_path(common_dir), trust=None)
    try:
        return question(index)
    except IndexLostError:
        return []
    finally:
        index.close()


def _open_fresh(path: StrPath, environ: Mapping[str, str]) -> tuple[str, LogIndex] | None:
    """Open the index if it tells of the log's head as it is on disk at this moment.

    Gives the common git directory as well.
    """
    found = find_directories(path, environ)
    if found is None:
        return None
    _, common_dir, _ = found
    index = _open_fresh_at(common_dir)
    return None if index is None else (common_dir, index)


def _open_fresh_at(common_dir: str) -> LogIndex | None:
    if _may_distrust(common_dir) or may_be_pruned(f"{common_dir}/objects", common_dir):
        return None
    try:
        head = read_ref_file(common_dir, names.WAL_REF)
    except UnclearError:
        return None
    if head is None:
        return None
    index = LogIndex.open(_index_path(common_dir), trust=_TRUSTING)
    if index.head == head:
        return index
    index.close()
    return None


def _index_path(common_dir: str) -> str:
    return os.path.join(common_dir, names.SESSION_DIR, "index.db")


def _may_distrust(common_dir: str) -> bool:
    """Return whether grite's settings may say more about signatures than nothing."""
    try:
        path = os.path.join(common_dir, names.GRITE_DIR, "config.toml")
        content = read_regular(path, _LARGEST_CONFIG + 1)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    # A file that does not parse is an error, which the slow way tells of: only what grite
    # writes by itself is known to be no more than it seems.
    return len(content) > _LARGEST_CONFIG or not re.fullmatch(_PLAIN_CONFIG, content)
