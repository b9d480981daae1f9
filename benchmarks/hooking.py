"""The rows about git's hooks: what a commit and a push take more for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from benchmarks.measure import Bench, Budget, Result, Sample, Side, race
from git_session import SessionLog
from git_session.connect.hooks.install import Hooks
from git_session.git.repository.objects import ObjectStore

_COMMIT: Final = ("git", "commit", "--quiet", "--allow-empty", "--message=Work")
_PUSH: Final = ("git", "push", "--quiet", "origin", "main")
_SHIMS: Final = {
    "prepare-commit-msg": ("message", "message"),
    "post-commit": (),
    "pre-push": ("origin", "hub"),
}
_WITHOUT: Final = "the same without hooks"


def measure_commit(bench: Bench) -> list[Result]:
    """Row o: a commit with the hooks, without a session and in one."""
    runs = bench.runs * 3
    plain = _make_repository(bench, "plain")
    idle = _make_repository(bench, "idle", has_hooks=True)
    live = _make_repository(bench, "live", has_hooks=True)
    log = SessionLog.open(live)
    log.start(log.add_task("Row o").task.task_id, worktree=str(live))
    log.save()
    sides = [Side(bench.program(path, *_COMMIT).run) for path in (plain, idle, live)]
    without, with_hooks, in_session = race(sides, runs)
    assert "Agent-Session: " in bench.git(live, "log", "-1", "--format=%B")
    assert "Agent-Session: " not in bench.git(idle, "log", "-1", "--format=%B")
    return [
        _compare("`git commit`, hooks, no session", with_hooks, without, 0.010, runs),
        _compare("`git commit`, hooks, in a session", in_session, without, 0.060, runs),
    ]


def measure_shims(bench: Bench) -> list[Result]:
    """Row p: each hook's shell, with nothing to do."""
    runs = bench.runs * 3
    path = _make_repository(bench, "shims", has_hooks=True)
    sides = [
        Side(bench.program(path, f".git/hooks/{hook}", *words).run)
        for hook, words in _SHIMS.items()
    ]
    *ours, peer = race([*sides, Side(bench.program(path, "/bin/sh", "-c", ":").run)], runs)
    budget = Budget("+ 5 ms", factor=1.0, extra_s=0.005)
    return [
        Result(f"{hook}, nothing to do", sample, "`/bin/sh -c :`", peer, budget, runs)
        for hook, sample in zip(_SHIMS, ours, strict=True)
    ]


def measure_push(bench: Bench) -> list[Result]:
    """Row q: a push of one commit, with nothing new in the log."""
    runs = bench.runs
    plain = _make_repository(bench, "push-plain", has_hub=True)
    idle = _make_repository(bench, "push-idle", has_hooks=True, has_hub=True)
    SessionLog.open(idle).add_task("Row o")
    for path in (plain, idle):
        bench.program(path, *_PUSH).run()
    assert bench.git(idle, "ls-remote", "origin", "refs/grite/wal")
    without, with_hooks = race([_pushing(bench, path) for path in (plain, idle)], runs)
    return [_compare("`git push`, nothing new in the log", with_hooks, without, 0.1, runs)]


def _pushing(bench: Bench, path: Path) -> Side:
    """Makes a side that pushes one commit, which was made before."""

    def prepare() -> None:
        bench.git(path, *_COMMIT[1:])

    return Side(bench.program(path, *_PUSH).run, prepare)


def _compare(work: str, ours: Sample, peer: Sample, extra_s: float, runs: int) -> Result:
    budget = Budget(f"+ {extra_s * 1000:.0f} ms", factor=1.0, extra_s=extra_s)
    return Result(work, ours, _WITHOUT, peer, budget, runs)


def _make_repository(
    bench: Bench, name: str, *, has_hooks: bool = False, has_hub: bool = False
) -> Path:
    path = bench.directory / f"hooks-{name}"
    bench.git(bench.directory, "init", "--quiet", "--initial-branch=main", str(path))
    bench.git(path, *_COMMIT[1:])
    if has_hub:
        hub = bench.directory / f"hooks-{name}.git"
        bench.git(bench.directory, "init", "--quiet", "--bare", str(hub))
        bench.git(path, "remote", "add", "origin", str(hub))
    if has_hooks:
        program = [sys.executable, str(bench.launcher)]
        hooks = Hooks(ObjectStore.open(path), by_files=True)
        _, error = hooks.install((), program, is_forced=False)
        if error is not None:
            raise error
    return path
