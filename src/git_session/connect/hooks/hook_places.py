"""The ways to bring a hook to run where it is not a file of its own that git looks for.

Each of them leads to a hook in `<common git dir>/git-session/hooks/`, which is ours alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from git_session.connect.hooks import lines
from git_session.connect.hooks.files import Action, HookFile, State
from git_session.connect.hooks.hook_files import read_hook, remove_hook, write_hook, write_text
from git_session.connect.hooks.hook_settings import HookSettings
from git_session.connect.hooks.survey import Survey, is_lefthooks, is_pre_commits
from git_session.errors import ConflictError


class Spot(Protocol):
    """Is one way to bring one hook to run."""

    @property
    def hook(self) -> str:
        """Name the hook."""

    @property
    def path(self) -> Path:
        """Return the file that is changed."""

    def look(self) -> State:
        """Look what stands there now."""

    def program(self) -> list[str]:
        """Return the words of the program that the hook calls; none where it is not ours."""

    def install(self, program: Sequence[str], *, is_forced: bool) -> Action:
        """Bring the hook to run. Raises ConflictError or ReadOnlyError."""

    def uninstall(self) -> Action:
        """Undo it, to the byte. Raises ReadOnlyError."""


@dataclass(frozen=True, slots=True)
class HookLine:
    """Is a line in a hook that belongs to the project: husky's, or one in a tracked folder.

    `runner` is what git runs, which calls husky's hooks; elsewhere it is the hook itself.
    """

    hook: str
    path: Path
    inner: HookFile
    runner: Path

    def look(self) -> State:
        """Check whether the line stands there, and the hook that it calls."""
        text = read_hook(self.path)
        if text is None or not lines.has_line(text, self.hook):
            return "absent"
        if not self.runner.exists():
            return "pending"
        return self.inner.look() if os.access(self.runner, os.X_OK) else "disabled"

    def program(self) -> list[str]:
        """Return the words of the program that the hook calls."""
        return self.inner.program()

    def install(self, program: Sequence[str], *, is_forced: bool) -> Action:
        """Add the line. Raises ConflictError where the hook is not written in shell."""
        text = read_hook(self.path)
        if text is not None and not lines.is_shell(text):
            raise ConflictError(
                f"{self.path} is not a shell script, so no line can be added",
                f"add a call to it: git session hook run {self.hook}",
            )
        done = self.inner.install(program, is_forced=is_forced)
        if text is not None and lines.has_line(text, self.hook):
            return done
        write = write_hook if text is None else write_text
        write(self.path, lines.add_line(text, self.hook))
        return "installed"

    def uninstall(self) -> Action:
        """Take the line out, and the file away when it was made for it."""
        text = read_hook(self.path)
        if text is None or not lines.has_line(text, self.hook):
            return "none"
        rest = lines.remove_line(text, self.hook)
        if rest is not None:
            write_text(self.path, rest)
            return "restored"
        remove_hook(self.path)
        return "removed"


@dataclass(frozen=True, slots=True)
class ConfigHook:
    """Is a hook in the repository's configuration, as git runs it from 2.54 on.

    `has_event_switch` tells whether this git knows `hook.EVENT.enabled`.
    """

    hook: str
    path: Path
    inner: HookFile
    settings: HookSettings
    has_event_switch: bool

    @property
    def name(self) -> str:
        """Return the name that the configuration calls it by."""
        return f"git-session-{self.hook}"

    def look(self) -> State:
        """Look what the configuration says, and at the hook that it calls."""
        found = self.settings.config_hook(self.name)
        if found == ([], []):
            return "absent"
        if found != ([self._command()], [self.hook]):
            return "modified"
        state = self.inner.look()
        return "disabled" if state == "installed" and self.find_switch() else state

    def find_switch(self) -> str | None:
        """Find the setting that turns the hook off, if there is one."""
        names = [self.name, *([self.hook] if self.has_event_switch else [])]
        off = (name for name in names if self.settings.is_switched_off(name))
        return next((f"hook.{name}.enabled" for name in off), None)

    def program(self) -> list[str]:
        """Return the words of the program that the hook calls."""
        return self.inner.program()

    def install(self, program: Sequence[str], *, is_forced: bool) -> Action:
        """Write the configuration, and enable the hook; one that is off for its event stays off."""
        state = self.look()
        done = self.inner.install(program, is_forced=is_forced)
        if self.settings.is_switched_off(self.name):
            self.settings.switch_on(self.name)
            done = "updated"
        if state not in ("absent", "modified"):
            return done
        self.settings.write_config_hook(self.name, self._command(), self.hook)
        return "installed" if state == "absent" else "updated"

    def uninstall(self) -> Action:
        """Take it out of the configuration."""
        if self.look() == "absent":
            return "none"
        self.settings.remove_config_hook(self.name)
        return "removed"

    def _command(self) -> str:
        # git runs it by a shell, and adds the hook's arguments as "$@" to what stands here.
        return "f() { " + lines.format_call(self.hook, ' "$@"') + "; }; f"


@dataclass(frozen=True, slots=True)
class LefthookJob:
    """Is a job in lefthook's file for what is not shared, which is all ours."""

    hook: str
    path: Path
    inner: HookFile
    folder: Path

    def look(self) -> State:
        """Check the file, whether lefthook has taken it in, and at the hook that it calls."""
        if self.hook not in (self._read_hooks() or []):
            return "absent"
        if not is_lefthooks(read_hook(self.folder / self.hook)):
            return "pending"
        return self.inner.look()

    def program(self) -> list[str]:
        """Return the words of the program that the hook calls."""
        return self.inner.program()

    def install(self, program: Sequence[str], *, is_forced: bool) -> Action:
        """Add the job to the file. Raises ConflictError where the file is somebody's."""
        hooks = self._read_hooks()
        if hooks is None:
            raise ConflictError(
                f"{self.path} already exists and was not written by git-session",
                "git session hook install --manual prints what to add to it",
            )
        done = self.inner.install(program, is_forced=is_forced)
        if self.hook in hooks:
            return done
        self._write_hooks([*hooks, self.hook])
        return "installed"

    def uninstall(self) -> Action:
        """Take the job out, and the file away with the last one."""
        hooks = self._read_hooks()
        if hooks is None or self.hook not in hooks:
            return "none"
        self._write_hooks([hook for hook in hooks if hook != self.hook])
        return "removed"

    def _read_hooks(self) -> list[str] | None:
        text = read_hook(self.path)
        return [] if text is None else lines.parse_lefthook_file(text.decode(errors="replace"))

    def _write_hooks(self, hooks: Sequence[str]) -> None:
        if hooks:
            write_text(self.path, lines.format_lefthook_file(hooks).encode())
        else:
            remove_hook(self.path)


def list_spots(survey: Survey, settings: HookSettings, hook: str) -> tuple[list[Spot], list[Spot]]:
    """List where a hook of ours may stand: first the places that git comes to, then the others.

    The first of all is where it is put when it stands nowhere yet.
    """
    inner = HookFile(hook, survey.own_folder / hook)
    path, has_switch = survey.common_dir / "config", survey.has_event_switch
    config = ConfigHook(hook, path, inner, settings, has_switch)
    reached: list[Spot] = list(_list_reached(survey, hook, inner))
    others: list[Spot] = [] if survey.has_config_hooks else [config]
    if survey.has_config_hooks:
        reached.insert(0, config)
    if survey.top is not None:
        husky = survey.top / ".husky"
        others.append(HookLine(hook, husky / hook, inner, husky / "_" / hook))
        others.append(LefthookJob(hook, survey.top / lines.LEFTHOOK_FILE, inner, survey.folder))
    for folder in (survey.folder, survey.common_dir / "hooks"):
        others += [HookFile(hook, folder / hook), HookFile(hook, folder / f"{hook}.legacy")]
    seen = {(type(spot), spot.path) for spot in reached}
    return reached, [spot for spot in others if (type(spot), spot.path) not in seen]


def _list_reached(survey: Survey, hook: str, inner: HookFile) -> Iterator[Spot]:
    if survey.manager == "husky":
        # husky writes the folder git looks in anew; what it calls from there stands beside it.
        yield HookLine(hook, survey.folder.parent / hook, inner, survey.folder / hook)
    elif survey.manager == "lefthook" and survey.top is not None:
        yield LefthookJob(hook, survey.top / lines.LEFTHOOK_FILE, inner, survey.folder)
        yield HookFile(hook, survey.folder / hook)
    elif survey.is_in_checkout:
        yield HookLine(hook, survey.folder / hook, inner, survey.folder / hook)
        yield HookFile(hook, survey.folder / hook)
    else:
        if is_pre_commits(read_hook(survey.folder / hook)):
            # Under this name the framework keeps the hook it found, and runs it first.
            yield HookFile(hook, survey.folder / f"{hook}.legacy")
        yield HookFile(hook, survey.folder / hook)
