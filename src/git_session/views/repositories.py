"""One view over several repositories; one that cannot be read does not hide the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from git_session.errors import GitSessionError, NotARepositoryError, NotFoundError, UsageError
from git_session.git.repository.objects import ObjectStore
from git_session.git.settings import read_paths_here
from git_session.log.session_log import SessionLog

Row = dict[str, Any]


class Gathered(NamedTuple):
    """Holds the sessions of several repositories, each with the path of its own.

    `logs` are those that were read; `failed` tells of the others, with the path, the error's code
    and its sentence.
    """

    rows: list[Row]
    logs: dict[str, SessionLog]
    failed: list[Row]


def choose_paths(here: Path, given: Sequence[str], *, is_everywhere: bool) -> list[Path]:
    """Return where to look: the paths given, and everywhere also here and where session.repo says.

    Relative paths count from `here`. Raises UsageError when there is none.
    """
    paths = [here / path for path in given]
    if is_everywhere:
        paths += [here] if _is_in_repository(here) else []
        paths += [here / path for path in read_paths_here("session.repo")]
    if not paths:
        raise UsageError(
            "session.repo is not set, and this is not a repository",
            "git config --global --add session.repo PATH, once per repository",
        )
    return paths


def gather_sessions(
    paths: Iterable[Path],
    open_log: Callable[[Path], SessionLog],
    *,
    task: str | None = None,
    **filters: Any,
) -> Gathered:
    """List the sessions of the repositories that `paths` lie in, each of these once.

    The filters are those of session_rows; a task that a repository does not know has no sessions
    there. Raises the first error when no repository could be read, NotFoundError when none knows
    the task.
    """
    gathered = Gathered([], {}, [])
    errors: list[GitSessionError] = []
    unknown: list[NotFoundError] = []
    for path in paths:
        try:
            log = open_log(path)
            name = name_repository(log)
            if name not in gathered.logs:
                _read(gathered, name, log, task, filters)
        except NotFoundError as error:
            unknown.append(error)
        except GitSessionError as error:
            errors.append(error)
            told = {"repository": str(path), "code": error.code, "message": error.message}
            gathered.failed.append(told)
    if not gathered.logs:
        raise (*errors, *unknown)[0]
    return gathered


def name_repository(log: SessionLog) -> str:
    """Return the path of a repository: of its main checkout, or of itself where it has none."""
    return os.path.realpath(log.top or log.common_dir)


def shorten_names(names: Sequence[str]) -> dict[str, str]:
    """Return each path the name of its folder, and as many above it as tell it from the others."""
    parts = {name: name.strip("/").split("/") for name in names}
    short: dict[str, str] = {}
    for name, own in parts.items():
        length = 1
        while length < len(own) and any(
            other[-length:] == own[-length:] for key, other in parts.items() if key != name
        ):
            length += 1
        short[name] = "/".join(own[-length:])
    return short


def _is_in_repository(path: Path) -> bool:
    try:
        ObjectStore.open(path)
    except NotARepositoryError:
        return False
    except GitSessionError:
        pass  # there is one, and what is wrong with it is said when it is read
    return True


def _read(
    gathered: Gathered, name: str, log: SessionLog, task: str | None, filters: dict[str, Any]
) -> None:
    rows = log.session_rows(task=task, **filters)
    gathered.logs[name] = log
    gathered.rows.extend({**row, "repository": name} for row in rows)
