"""An agent reports itself over MCP: the SDK's own client, against the real program on stdio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from git_session.core.answers.sessions import Recorded, SessionList
from git_session.core.answers.tasks import TaskList
from git_session.core.answers.watch import WaitReport
from git_session.log.session_log import SessionLog
from tests.conftest import Cli

mcp = pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install -e '.[dev]'")

PATIENCE_S: Final = 60.0


class Agent:
    """Calls the tools of a server."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def __call__(self, tool: str, **arguments: Any) -> Any:
        """Calls a tool and gives its result; a failure fails the test."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result
        return result.structured_content

    async def fail(self, tool: str, **arguments: Any) -> str:
        """Calls a tool that has to fail and gives what the agent is told."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, result
        text = result.content[0].text
        assert isinstance(text, str)
        return text


def _play(server: Any, story: Callable[[Agent], Awaitable[None]]) -> None:
    async def play() -> None:
        with anyio.fail_after(PATIENCE_S):
            async with mcp.Client(server) as client:
                await story(Agent(client))

    anyio.run(play)


def _program(repo: Path) -> Any:
    """Gives the real program, to be spoken to on stdio."""
    command = ["-m", "git_session", "-C", str(repo), "mcp"]
    return mcp.StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))


def _server(repo: Path) -> Any:
    """Gives the same server within this process, which starts faster."""
    from git_session.connect.mcp_server import Reporter, make_server

    return make_server(Reporter(repo, os.environ))


@pytest.fixture
def task(repo: Path) -> str:
    return SessionLog.open(repo).add_task("Fix the flaky test").task.task_id


def test_an_agent_tells_its_whole_life_without_a_shell(repo: Path, task: str, cli: Cli) -> None:
    async def story(agent: Agent) -> None:
        tasks = TaskList.model_validate(await agent("tasks"))
        assert [found.task_id for found in tasks.tasks] == [task]
        started = Recorded.model_validate(await agent("start", task=task, engine="claude"))
        assert started.session.pid == os.getpid()  # this test is the agent
        for state in ("ready", "running"):
            moved = await agent("advance", state=state, note=f"now {state}")
            assert moved["session"]["state"] == state
        beaten = await agent("beat", activity="waiting", attributes={"tokens": 7})
        assert (beaten["session_id"], beaten["activity"]) == (started.session.session_id, "waiting")
        listed = SessionList.model_validate(await agent("list"))
        assert [found.session_id for found in listed.sessions] == [started.session.session_id]
        await agent("advance", state="handoff")
        ended = await agent("exit", note="done")
        assert ended["session"]["exit_reason"] == "completed"
        assert (await agent("list"))["total"] == 0
        assert (await agent("list", include_exited=True))["total"] == 1
        assert "has already exited" in await agent.fail("advance", state="running")

    _play(_program(repo), story)
    (session,) = SessionLog.open(repo).sessions(include_exited=True)
    assert (session.engine, session.extras["attr_tokens"]) == ("claude", 7)
    steps = [step.to_state for step in SessionLog.open(repo).history(session.session_id)]
    assert steps == ["exit", "handoff", "running", "ready", "spawned"]
    assert cli(repo, "fsck").code == 0


def test_what_goes_wrong_is_told_with_what_to_do(repo: Path, task: str) -> None:
    async def story(agent: Agent) -> None:
        assert "call start first" in await agent.fail("exit")
        assert "no such task: t-nothing" in await agent.fail("start", task="t-nothing")
        await agent("start", task=task)
        refused = await agent.fail("advance", state="handoff")
        assert "spawned" in refused
        assert "\n" in refused  # the hint is there too
        for told in (await agent.fail("advance", state="asleep"), await agent.fail("start")):
            assert "wrong arguments: " in told
            assert "pydantic" not in told
        assert "state: input should be 'ready'" in await agent.fail("advance", state="asleep")

    _play(_server(repo), story)
    assert [step.to_state for step in SessionLog.open(repo).history()] == ["spawned"]


def test_a_start_beside_somebody_else_is_warned_of(repo: Path, task: str) -> None:
    other = SessionLog.open(repo).start(task).session.session_id

    async def story(agent: Agent) -> None:
        started = await agent("start", task=task)
        assert started["warnings"] == [f"the task has a live session already: {other}"]
        started = await agent("start", task=task, worktree="../nowhere")
        assert "no such directory" in started["warnings"][-1]

    _play(_server(repo), story)


def test_an_agent_waits_for_another_and_is_told_when_that_is_in_vain(repo: Path, task: str) -> None:
    log = SessionLog.open(repo)
    other = log.start(task).session.session_id

    async def story(agent: Agent) -> None:
        assert "still" in await agent.fail("wait", sessions=[other], timeout_s=0.1)

        async def wait() -> None:
            waited = WaitReport.model_validate(await agent("wait", task=task))
            assert [one.session.session_id for one in waited.sessions] == [other]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            assert (await agent("list"))["total"] == 1  # a wait keeps nobody else waiting
            log.exit(other)

    _play(_server(repo), story)


def test_tools_say_what_they_do_what_they_take_and_whether_they_write(repo: Path) -> None:
    async def story(agent: Agent) -> None:
        tools = {tool.name: tool for tool in (await agent.client.list_tools()).tools}
        assert {"list", "tasks", "start", "advance", "beat", "exit"} <= set(tools)
        for name, tool in tools.items():
            assert tool.description
            assert tool.output_schema
            fields = tool.input_schema["properties"].values()
            assert all("description" in field for field in fields), name
            assert tool.annotations.read_only_hint is (name in {"list", "tasks", "wait"})

    _play(_server(repo), story)


def test_request_with_a_lone_surrogate_gets_an_error(repo: Path, task: str) -> None:
    """Python writes one as JSON; the SDK's reader drops the line, and the agent would wait."""
    info = {"name": "a", "version": "1"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
    start = {"name": "start", "arguments": {"task": task, "engine": "\ud800"}}
    requests: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": start},
        {"id": 3, "method": "ping"},
    ]
    command = [sys.executable, "-m", "git_session", "-C", str(repo), "mcp"]
    answers: dict[int, dict[str, Any]] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for request in requests:
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **request}).encode() + b"\n")
        server.stdin.flush()
        # At the end of its input the server leaves what it has not answered yet.
        while len(answers) < 3 and (line := server.stdout.readline()):
            answer = json.loads(line)
            answers[answer["id"]] = answer
    assert set(answers) == {1, 2, 3}
    assert "half a surrogate pair" in answers[2]["error"]["message"]
    assert SessionLog.open(repo).sessions() == []


def test_without_the_extra_the_error_says_what_to_install(repo: Path, cli: Cli) -> None:
    hidden = repo.parent / "without" / "mcp"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('mcp', name='mcp')\n")
    ran = cli(repo, "mcp", env={"PYTHONPATH": str(hidden.parent)})
    assert (ran.code, ran.stdout) == (5, "")
    assert ran.stderr.splitlines() == [
        "error: the MCP SDK is not installed",
        "hint: pip install 'git-session[mcp]', or pip install '.[mcp]' in the clone it came from",
    ]
