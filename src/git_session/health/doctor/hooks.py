"""Check git's hooks where git would, run ours and see them act, and check agents' settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from git_session import __version__
from git_session.connect.agents.install import list_files
from git_session.connect.hooks.install import Hooks
from git_session.errors import GitSessionError
from git_session.health.doctor.check import Check, fail, fine
from git_session.health.doctor.scratch import Scratch, fire_commit, open_scratch
from git_session.host.agent_sessions import AgentSessions
from git_session.log.session_log import SessionLog

Row = dict[str, Any]

_INSTALL: Final = "git session hook install"
_WORDS: Final = {
    "absent": "it is gone",
    "foreign": "another hook is there and does not call it",
    "modified": "it was changed by hand",
    "disabled": "git does not run it",
    "gone": "the program that it calls is gone",
    "pending": "the hook manager has not installed it yet",
    "bypassed": "git uses another hooks directory",
}
_FORCED: Final = ("modified",)


def check_hooks(log: SessionLog, program: list[str], *, is_fired: bool) -> Iterator[Check]:
    """Check git's hooks; those that stand well are run in a repository of the doctor's own."""
    try:
        hooks = Hooks(log.store)
        rows = hooks.status()
    except GitSessionError as error:
        yield fail("hooks", error)
        return
    wanted = hooks.wanted()
    sound = [row for row in rows if row["state"] == "installed"]
    for row in rows:
        if row not in sound:
            yield _judge(row, hooks, program, is_wanted=row["hook"] in wanted)
    if sound:
        with open_scratch() as scratch:
            for row in sound:
                yield _probe(row, scratch)
    if is_fired:
        yield _fire(log, has_hooks=bool(sound))


def check_agents(log: SessionLog, program: list[str]) -> Iterator[Check]:
    """Check our entries in agents' settings, and at what could not be done for an agent."""
    for file in list_files(log.store.worktree, os.environ):
        row = file.row()
        if row["state"] == "absent":
            continue
        name = f"agent {file.agent}"
        command = f"{_INSTALL} --agent {file.agent}"
        if row["state"] == "installed":
            yield fine(name, f"{row['path']}{': ' + row['note'] if row['note'] else ''}")
        elif row["state"] == "broken":
            yield Check(name, "warning", row["note"], f"fix {row['path']} by hand")
        else:
            yield Check(name, "failing", row["note"], command, partial(file.install, program))
    failure = AgentSessions(log.common_dir).read_failure()
    if failure is not None:
        message = f"{failure.get('agent')}: {failure.get('event')} was not recorded"
        yield Check("agents", "warning", f"{message}: {failure.get('error')}", "git session doctor")


def _judge(row: Row, hooks: Hooks, program: list[str], *, is_wanted: bool) -> Check:
    name = f"hook {row['hook']}"
    is_ours = row["state"] not in ("absent", "foreign")
    command = f"{_INSTALL} --hook {row['hook']}"
    if not is_wanted and not is_ours:
        return fine(name, "not installed", command)
    if row["state"] == "disabled" and (switch := hooks.find_switch(row["hook"])):
        # Somebody said so, and takes it back.
        message = f"{_WORDS['disabled']}: {switch} is false"
        return Check(name, "failing", message, f"git config {switch} true")
    message = f"{_WORDS[row['state']]}: {row['note'] or row['path']}"
    is_forced = row["state"] in _FORCED
    # What somebody changed by hand is theirs to give up.
    mend = None if is_forced else lambda: _reinstall(hooks, row["hook"], program)
    return Check(name, "failing", message, command + (" --force" if is_forced else ""), mend)


def _reinstall(hooks: Hooks, hook: str, program: list[str]) -> None:
    _, error = hooks.install([hook], program, is_forced=False)
    if error is not None:
        raise error


def _probe(row: Row, scratch: Scratch) -> Check:
    name = f"hook {row['hook']}"
    fault = scratch.find_fault(row["hook"], row["program"])
    command = f"{_INSTALL} --hook {row['hook']}"
    if fault is not None:
        return Check(name, "failing", f"{row['path']}: {fault}", command)
    version = scratch.read_version(row["program"])
    if version != f"git-session {__version__}":
        message = f"it calls {version or 'something'} in {row['program'][0]}, not {__version__}"
        return Check(name, "warning", message, command)
    return fine(name, f"{row['path']}, tested, {version}")


def _fire(log: SessionLog, *, has_hooks: bool) -> Check:
    top = log.store.worktree
    if top is None or not has_hooks:
        return fine("commit", "no checkout, or no hook of ours, for a test commit")
    fault = fire_commit(top)
    if fault is not None:
        return Check("commit", "failing", f"through all hooks: {fault}", "git session hook status")
    return fine("commit", "a test commit through all hooks got its trailer")
