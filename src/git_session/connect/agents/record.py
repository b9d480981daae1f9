"""Record what agents tell of themselves: `git session hook run agent`.

An agent must never notice: nothing is printed, and what cannot be done is kept for `doctor`. Any
event can be the first one that is seen, come twice, or be the last one. A tool call waits for
this, so what only beats imports next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from git_session.connect.agents.events import AgentEvent, parse_event
from git_session.core.agents import AGENTS
from git_session.core.wire import names
from git_session.core.wire.words import SESSION_VARIABLE
from git_session.errors import GitSessionError, NotFoundError, TransitionError
from git_session.git.place import LOCAL_VARIABLES, Place, UnclearError, find_place
from git_session.git.repository.ref_files import read_ref_file
from git_session.host.agent_sessions import AgentSessions, Known
from git_session.host.clock import read_clock
from git_session.log.beat import write_beat

if TYPE_CHECKING:
    from git_session.log.session_log import SessionLog

TIMEOUT_S: Final = 3.0
"""How long an agent's JSON is waited for."""

AGENT: Final = "agent"
AGENT_SESSION: Final = "agent_session"
MODEL: Final = "model"
"""Attributes that a session of an agent has."""


def run_agent_hook(args: list[str], environ: MutableMapping[str, str]) -> None:
    """Take one event of an agent from stdin, or as its last argument; never fails.

    `args` are the agent's name and, where its JSON does not tell it, the event's. What names
    another repository than the one that the agent works in is taken out of `environ`.
    """
    from git_session.connect.agents.document import read_document

    for name in LOCAL_VARIABLES:
        environ.pop(name, None)
    agent, *words = args or [""]
    told = words.pop() if words and words[-1].startswith("{") else None
    document = _parse(told) if told is not None else read_document(0, TIMEOUT_S)
    event = parse_event(agent, words[0] if words else None, document)
    if event is not None:
        record_event(event, environ)


def record_event(
    event: AgentEvent,
    environ: Mapping[str, str],
    clock: Callable[[], int] = read_clock,
) -> None:
    """Record one event in the repository that the agent works in; never fails."""
    path = _find_folder(event, environ)
    place = find_place(path, environ) if path is not None else None
    if path is None or place is None or not _is_ready(place):
        return
    sessions = AgentSessions(place.common_dir)
    try:
        recording = _Recording(event, path, place, sessions, environ, clock)
        recording.run()
        recording.follow_up()
        sessions.forget_failure()
    except Exception as error:  # noqa: BLE001 - an agent must not notice whatever goes wrong
        message = error.message if isinstance(error, GitSessionError) else repr(error)
        sessions.write_failure(event.agent, event.name, message, clock())


class _Recording:
    """Carries out one event."""

    def __init__(
        self,
        event: AgentEvent,
        path: Path,
        place: Place,
        sessions: AgentSessions,
        environ: Mapping[str, str],
        clock: Callable[[], int],
    ) -> None:
        self.event = event
        self.path = path
        self.place = place
        self.sessions = sessions
        self.environ = environ
        self.clock = clock
        self._recorded: SessionLog | None = None

    def run(self) -> None:
        event = self.event
        known = self.sessions.read(event.agent, event.session)
        if known is None and event.phase == "ends":
            return
        with self.sessions.lock():
            known = self.sessions.read(event.agent, event.session) or self._open()
            known = self._keep_up(known)
        if event.subagent is not None:
            self._run_child(known)
        if event.phase == "ends" and not known.is_adopted:
            self._end(known, event.reason or "completed")
        elif event.subagent is None or event.phase in ("child begins", "child ends"):
            self._beat(event.session, known)

    def follow_up(self) -> None:
        """Do what follows a transition, if there was one, for an agent that hears nothing."""
        if self._recorded is not None:
            from git_session.sync.follow_up import follow_up

            follow_up(self._recorded, is_heard=False)

    def _open(self) -> Known:
        """Find the session that this one is, or start it."""
        event = self.event
        log = self._open_log()
        known = self._adopt(log) or _find_recorded(log, event.agent, event.session)
        if known is None:
            from git_session.connect.agents.task import choose_task

            task = choose_task(log, self.place.git_dir, self.environ)
            row = log.start_row(
                task,
                engine=event.agent,
                worktree=str(self.place.worktree) if self.place.worktree else None,
                session_type="crew",
                pid=_find_pid(event.agent, self.environ),
                attributes=_attributes(event),
            )
            known = _known(row)
            log.advance_row(known.ref, "ready")
            self._recorded = log
        log.save()
        self.sessions.write(event.agent, event.session, known)
        return known

    def _adopt(self, log: SessionLog) -> Known | None:
        """Find the session that the agent was started in: it is that one, and not one more."""
        from git_session.log.heartbeats import is_presumption

        session_id = self.environ.get(SESSION_VARIABLE)
        if not session_id:
            return None
        try:
            row = log.session_row(session_id)
        except GitSessionError:
            return None
        if row["state"] == "exit" and not is_presumption("exit", row):
            return None
        ref = f"{row['grite_issue_id']}/{row['session_id']}"
        write_beat(
            self.path,
            ref,
            attributes=_attributes(self.event),
            clock=self.clock,
            environ=self.environ,
        )
        return _known({"session": row})._replace(is_adopted=True, is_running=True)

    def _keep_up(self, known: Known) -> Known:
        """Record that a session runs, once its agent is seen at work."""
        if known.is_running or self.event.activity != "working":
            return known
        log = self._open_log()
        row = log.session_row(known.ref)
        if row["state"] in ("spawned", "ready"):
            for state in ("ready", "running")[row["state"] == "ready" :]:
                log.advance_row(known.ref, state)
            self._recorded = log
        log.save()
        if row["state"] == "exit":
            return known  # the beat that follows revokes it, or begins it anew
        known = known._replace(is_running=True)
        self.sessions.write(self.event.agent, self.event.session, known)
        return known

    def _beat(self, key: str, known: Known, *, is_child: bool = False) -> None:
        """Note a sign of life, and what the agent is at; a session that ended goes on."""
        activity, is_work = self.event.activity, self.event.is_work

        def beat() -> None:
            beaten = write_beat(
                self.path,
                known.ref,
                activity=activity,
                is_work=is_work,
                clock=self.clock,
                environ=self.environ,
            )
            if beaten.commit is not None:
                self._recorded = self._open_log()

        try:
            beat()
        except TransitionError:
            if known.is_adopted or is_child:
                return
            self._reopen(known)
            beat()
        except NotFoundError:
            self.sessions.forget(self.event.agent, key)  # its log is another one now
            raise

    def _reopen(self, known: Known) -> None:
        log = self._open_log()
        note = f"resumed by {self.event.agent}"
        pid = _find_pid(self.event.agent, self.environ)
        log.advance_row(known.ref, "running", is_forced=True, note=note, pid=pid)
        row = log.session_row(known.ref)
        folded, life = log.find_session(known.ref)
        log.keeper.try_begin(row["grite_issue_id"], folded.issue.task_id, life.state)
        log.save()
        self._recorded = log

    def _run_child(self, parent: Known) -> None:
        """Record what a subagent does: a session of its own, on the same task."""
        event = self.event
        key = f"{event.session}/{event.subagent}"
        with self.sessions.lock():
            child = self.sessions.read(event.agent, key) or self._open_child(key, parent)
        if event.phase == "child ends":
            self._end(child, "completed")
        else:
            self._beat(key, child, is_child=True)

    def _open_child(self, key: str, parent: Known) -> Known:
        event = self.event
        log = self._open_log(SESSION_VARIABLE, parent.session_id)
        kind = {"agent_type": event.subagent_kind} if event.subagent_kind else {}
        row = log.start_row(
            parent.issue_id,
            engine=event.agent,
            session_type="crew",
            worktree=str(self.place.worktree) if self.place.worktree else None,
            pid=_find_pid(event.agent, self.environ),
            attributes={AGENT: event.agent, AGENT_SESSION: event.subagent or "", **kind},
        )
        child = _known(row)
        for state in ("ready", "running"):
            log.advance_row(child.ref, state)
        log.save()
        self._recorded = log
        self.sessions.write(event.agent, key, child)
        return child

    def _end(self, known: Known, reason: str) -> None:
        log = self._open_log()
        try:
            log.exit_row(known.ref, code=0, reason=reason)
        except TransitionError:
            return  # it was told already
        log.save()
        self._recorded = log

    def _open_log(self, *variable: str) -> SessionLog:
        from git_session.log.session_log import SessionLog

        environ = {**self.environ, **({variable[0]: variable[1]} if variable else {})}
        return SessionLog.open(self.path, clock=self.clock, environ=environ)


def _known(row: Mapping[str, Any]) -> Known:
    session = row["session"]
    return Known(session["grite_issue_id"], session["session_id"])


def _attributes(event: AgentEvent) -> dict[str, str | int]:
    model = {MODEL: event.model} if event.model else {}
    return {AGENT: event.agent, AGENT_SESSION: event.session, **model}


def _find_recorded(log: SessionLog, agent: str, session: str) -> Known | None:
    """Find a session in the log by the agent's own id, as a lost file would have named it."""
    if log.head() is None:
        return None
    for row in reversed(log.session_rows(include_exited=True)):
        told = row["attributes"]
        if (told.get(AGENT), told.get(AGENT_SESSION)) == (agent, session):
            return Known(row["grite_issue_id"], row["session_id"])
    return None


def _find_folder(event: AgentEvent, environ: Mapping[str, str]) -> Path | None:
    """Find the folder of the project: where the agent was started, not where it is just now."""
    # Some agents set a variable of another one, so all are tried.
    variables = (agent.project_variable for agent in AGENTS if agent.project_variable)
    for told in (*map(environ.get, variables), event.cwd):
        if told and Path(told).is_dir():
            return Path(told)
    try:
        return Path.cwd()
    except OSError:
        return None


def _is_ready(place: Place) -> bool:
    """Return whether sessions are wanted here: not in every repository that an agent opens."""
    if (place.common_dir / names.GRITE_DIR / "config.toml").exists():
        return True
    try:
        return read_ref_file(place.common_dir, names.WAL_REF) is not None
    except UnclearError:
        return True


def _find_pid(agent: str, environ: Mapping[str, str]) -> int | None:
    """Find the agent's own process: as it tells, else the nearest above us of its name."""
    from git_session.host.processes import find_ancestor

    for name in (known.pid_variable for known in AGENTS if known.pid_variable):
        told = environ.get(name, "")
        if told.isdigit():
            return int(told)
    return find_ancestor(agent)


def _parse(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
