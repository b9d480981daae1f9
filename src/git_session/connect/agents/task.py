"""Choose the task that an agent works on if none is named: at worst one for each branch."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from git_session.core.fold import plan
from git_session.core.fold.find import find_task, task_refs
from git_session.core.fold.replay import Replay
from git_session.core.wire import names
from git_session.core.wire.event import ISSUE_CREATED
from git_session.errors import AmbiguousError, NotFoundError
from git_session.host.files.regular_file import read_regular
from git_session.log.session_log import SessionLog

TASK_VARIABLE: Final = "GIT_SESSION_TASK"
TASK_KEY: Final = "session.task"
BRANCH_LABEL: Final = "branch:"
DETACHED: Final = "(detached)"

_TASK_ID: Final = re.compile(r"t-\d{8}-[0-9a-f]{4}")
_HEAD: Final = re.compile(r"ref: refs/heads/(\S+)")


def choose_task(log: SessionLog, git_dir: Path, environ: Mapping[str, str]) -> str:
    """Return the issue id of the task: `$GIT_SESSION_TASK`, `session.task`, the branch's, its own.

    A task that is named and not there is passed over: an agent cannot be told of it.
    """
    branch = read_branch(git_dir)
    told = [environ.get(TASK_VARIABLE, ""), log.store.settings.read_text(TASK_KEY, default="")]
    for ref in (*told, *_TASK_ID.findall(branch)):
        found = _find(log, ref) if ref else None
        if found is not None:
            return found
    return _make_branch_task(log, branch)


def read_branch(git_dir: Path) -> str:
    """Read the branch that a checkout is on, without asking git."""
    try:
        found = _HEAD.match(read_regular(git_dir / "HEAD").decode(errors="replace"))
    except OSError:
        return DETACHED
    return found[1] if found else DETACHED


def _find(log: SessionLog, ref: str) -> str | None:
    if log.head() is None:
        return None
    try:
        return find_task(log.replay(), ref).issue.hex
    except (NotFoundError, AmbiguousError):
        return None


def _make_branch_task(log: SessionLog, branch: str) -> str:
    """Find the task of a branch by its label, or make it; two that make it at once make one."""
    label = BRANCH_LABEL + branch
    issue_id = secrets.token_bytes(16)

    def make(replay: Replay, now: int) -> tuple[bytes, Sequence[plan.Draft], None]:
        for row in task_refs(replay):
            folded = replay.issue(row[0])
            if folded is not None and label in folded.issue.labels and folded.issue.state == "open":
                return folded.issue.issue_id, [], None
        task_id = names.format_task_id(now, secrets.token_hex(2))
        made = plan.plan_task(f"Work on {branch}", "", task_id, None)
        title, body, labels = made.payload
        draft = plan.Draft(ISSUE_CREATED, [title, body, sorted([*labels, label])])
        return issue_id, [draft], None

    return log.writer.append(make).issue_id.hex()
