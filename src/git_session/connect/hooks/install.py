"""Put git's hooks in place, take them out, and report how they stand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from git_session.connect.hooks.files import HookFile
from git_session.connect.hooks.hook_files import read_hook, remove_hook, write_text
from git_session.connect.hooks.hook_places import (
    ConfigHook,
    HookLine,
    LefthookJob,
    Spot,
    list_spots,
)
from git_session.connect.hooks.hook_settings import HookSettings
from git_session.connect.hooks.lines import format_advice
from git_session.connect.hooks.shim import HOOKS
from git_session.connect.hooks.survey import survey_hooks
from git_session.core.fold.source import Row
from git_session.core.wire import names
from git_session.core.wire.plain_text import quote_word
from git_session.errors import ConflictError, GitSessionError, UsageError
from git_session.git.repository.objects import ObjectStore

_OURS: Final = ("installed", "pending", "gone", "disabled", "modified")
_PROGRAM: Final = "git-session"


class Hooks:
    """Holds git's hooks of one repository."""

    def __init__(self, store: ObjectStore, *, by_files: bool = False) -> None:
        """Check the repository; `by_files` keeps the hooks out of git's configuration."""
        self._settings = HookSettings(store.git_dir, store.worktree)
        self.survey = survey_hooks(store, self._settings)
        if by_files:
            self.survey = self.survey.with_config_hooks(False)

    def install(
        self, hooks: Sequence[str], program: Sequence[str], *, is_forced: bool
    ) -> tuple[list[Row], GitSessionError | None]:
        """Put hooks in place; return a HookRow of each and the first failure, if any.

        One that stands somewhere git comes to is brought up to date there. `program` is what
        they are to call.
        """
        rows, errors = [], []
        for hook in choose_hooks(hooks):
            reached, _ = self._list_spots(hook)
            spot = next((spot for spot in reached if spot.look() in _OURS), reached[0])
            try:
                _require_unchanged(spot, is_forced=is_forced)
                action = spot.install(program, is_forced=is_forced)
            except GitSessionError as error:
                errors.append(error)
                continue
            rows.append(self._make_row(hook, spot, spot.look(), action))
            self._note_wanted(hook, is_wanted=True)
        return rows, errors[0] if errors else None

    def uninstall(
        self, hooks: Sequence[str], *, is_forced: bool
    ) -> tuple[list[Row], GitSessionError | None]:
        """Take hooks out of every place where they can be, as install puts them in."""
        rows, errors = [], []
        for hook in choose_hooks(hooks):
            reached, others = self._list_spots(hook)
            for spot in (*reached, *others, HookFile(hook, self.survey.own_folder / hook)):
                try:
                    _require_unchanged(spot, is_forced=is_forced)
                    action = spot.uninstall()
                except GitSessionError as error:
                    errors.append(error)
                    continue
                if action != "none" and spot.path.parent != self.survey.own_folder:
                    rows.append(self._make_row(hook, spot, spot.look(), action))
            self._note_wanted(hook, is_wanted=False)
        with suppress(OSError):
            self.survey.own_folder.rmdir()
        return rows, errors[0] if errors else None

    def wanted(self) -> set[str]:
        """List the hooks that were installed and not taken out since, whatever is there now."""
        text = read_hook(self._wanted_path) or b""
        return {hook for hook in HOOKS if hook.encode() in text.split()}

    def _note_wanted(self, hook: str, *, is_wanted: bool) -> None:
        before = self.wanted()
        after = before | {hook} if is_wanted else before - {hook}
        if after and after != before:
            self._wanted_path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._wanted_path, "".join(f"{name}\n" for name in sorted(after)).encode())
        elif not after and before:
            remove_hook(self._wanted_path)

    @property
    def _wanted_path(self) -> Path:
        return self.survey.common_dir / names.SESSION_DIR / "hooks.wanted"

    def status(self, hooks: Sequence[str] = ()) -> list[Row]:
        """Return how hooks stand; git itself is not made to run them."""
        return [self._make_status(hook) for hook in choose_hooks(hooks)]

    def find_switch(self, hook: str) -> str | None:
        """Find the setting that keeps git from running a hook of its configuration, if any."""
        reached, _ = self._list_spots(hook)
        found = (spot.find_switch() for spot in reached if isinstance(spot, ConfigHook))
        return next(found, None)

    def advice(self, hooks: Sequence[str] = ()) -> list[Row]:
        """Return what to add by hand for hooks, and to which file; changes nothing."""
        rows = []
        for hook in choose_hooks(hooks):
            path = self._list_spots(hook)[0][0].path
            sentence, added = format_advice(self.survey.manager, hook, self._shorten(path))
            rows.append({"hook": hook, "sentence": sentence, "lines": added})
        return rows

    def _make_status(self, hook: str) -> Row:
        reached, others = self._list_spots(hook)
        looked = [(spot, spot.look()) for spot in reached]
        for spot, state in sorted(looked, key=lambda pair: pair[1] != "installed"):
            if state in _OURS:
                return self._make_row(hook, spot, state, "none")
        for spot in others:
            if spot.look() in _OURS:
                return self._make_row(hook, spot, "bypassed", "none")
        spot, state = looked[0]
        return self._make_row(hook, spot, state, "none")

    def _make_row(self, hook: str, spot: Spot, state: str, action: str) -> Row:
        kept = spot.kept if isinstance(spot, HookFile) and spot.has_kept() else None
        return {
            "hook": hook,
            "state": state,
            "action": action,
            "way": _name_way(spot),
            "path": str(spot.path),
            "kept": None if kept is None else str(kept),
            "program": spot.program(),
            "note": self._note(spot, state),
        }

    def _note(self, spot: Spot, state: str) -> str | None:
        """Return what else is to be known, or done."""
        if state == "bypassed":
            return f"git looks in {self._shorten(self.survey.folder)} and does not come to it"
        if state == "pending":
            manager = "lefthook install" if isinstance(spot, LefthookJob) else "npx husky"
            return f"the hook manager has yet to be set up for it: {manager}"
        if state == "disabled":
            return self._explain_disabled(spot)
        if state == "gone":
            return f"{spot.program()[0]} is gone: git session hook install"
        if state == "installed" and isinstance(spot, HookLine):
            return f"{self._shorten(spot.path)} is part of the checkout: commit it"
        if state == "installed" and isinstance(spot, HookFile) and self.survey.is_shared:
            return f"{spot.path.parent} serves every repository of yours"
        return None

    def _explain_disabled(self, spot: Spot) -> str:
        path = spot.path
        if isinstance(spot, ConfigHook):
            if key := spot.find_switch():
                return f"{key} is false: git config {key} true"
            path = spot.inner.path
        return f"it is not executable: chmod +x {quote_word(str(self._shorten(path)))}"

    def _list_spots(self, hook: str) -> tuple[list[Spot], list[Spot]]:
        return list_spots(self.survey, self._settings, hook)

    def _shorten(self, path: Path) -> str:
        top = self.survey.top or self.survey.common_dir
        return str(path.relative_to(top)) if path.is_relative_to(top) else str(path)


def choose_hooks(hooks: Sequence[str]) -> list[str]:
    """Return the hooks that were named, all of ours when none was. Raises UsageError."""
    for hook in hooks:
        if hook not in HOOKS:
            raise UsageError(f"no such hook: {hook}", f"known: {', '.join(HOOKS)}")
    return [hook for hook in HOOKS if hook in hooks or not hooks]


def find_program(called: str, executable: str, environ: Mapping[str, str]) -> list[str]:
    """Find by which words, an absolute path first, a hook can call this program.

    `called` is how it was called now, and `executable` the Python that runs it.
    """
    candidates = [Path(executable).with_name(_PROGRAM)]
    if Path(called).name == _PROGRAM:
        found = called if os.sep in called else shutil.which(called, path=environ.get("PATH"))
        candidates.insert(0, Path(found or called).absolute())
    for path in candidates:
        if os.access(path, os.X_OK):
            return [str(path)]
    # -P: the directory that it runs in is no place to import from.
    return [executable, "-P", "-m", "git_session"]


def _require_unchanged(spot: Spot, *, is_forced: bool) -> None:
    if spot.look() == "modified" and not is_forced:
        raise ConflictError(
            f"the hook {spot.hook} in {spot.path} was changed by hand",
            "--force replaces or removes it, with its changes",
        )


def _name_way(spot: Spot) -> str:
    return {ConfigHook: "config", HookLine: "line", LefthookJob: "lefthook"}.get(type(spot), "file")
