"""The server that the conformance suite asks: the daemon's /mcp, with the tools, resources and prompts that the suite expects.

`python -m tests.interfaces.mcp.conformance.fixture_server FOLDER` prints its address and serves until stdin ends. The suite
shows no token; a layer in front adds the owner's. All else is what the daemon serves: the guard, the door, the board.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    SamplingCapability,
)
from starlette.applications import Starlette
from starlette.routing import Route

from dreamos_tasks.app.daemon import Daemon
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import ClaimSettings, Settings
from dreamos_tasks.interfaces.http.addresses import bind_tcp
from dreamos_tasks.interfaces.http.answers import PROBLEM_HANDLERS
from dreamos_tasks.interfaces.http.context import WebContext, context_of
from dreamos_tasks.interfaces.http.guard import AsgiApp, Guard, Receive, Scope, Send, rules_for
from dreamos_tasks.interfaces.mcp.access import BoardAccess
from dreamos_tasks.interfaces.mcp.door import MCP_PATH, McpDoor
from dreamos_tasks.interfaces.mcp.face import McpFace
from dreamos_tasks.interfaces.mcp.naming import RequestContext
from dreamos_tasks.interfaces.mcp.server import build_server
from dreamos_tasks.interfaces.mcp.tasks_extension import TaskTool
from dreamos_tasks.interfaces.mcp.waiting import wait_until
from dreamos_tasks.model.task import Task, TaskDraft
from tests.interfaces.mcp.conformance.worker import WORK, Worker

HOST = "127.0.0.1"
AnyContext = Context[Any, Any]
# Short, so that a task whose worker fell silent is soon known to be lost.
CLAIMS = ClaimSettings(lease_seconds=2.0, heartbeat_seconds=0.5, max_lost_leases=1)
TASK_TOOLS = (
    "slow_compute",
    "failing_job",
    "protocol_error_job",
    "confirm_delete",
    "multi_input",
    "test_tool_with_task",
)
REQUIRED = frozenset({"failing_job", "protocol_error_job", "confirm_delete", "multi_input", "test_tool_with_task"})


def test_simple_text() -> str:
    """Gives a text."""
    return "This is a simple text response for testing."


def test_error_handling() -> str:
    """Fails, always."""
    raise ToolError("This tool intentionally returns an error for testing")


async def test_tool_with_progress(ctx: AnyContext) -> str:
    """Reports its progress."""
    for percent in (0, 50, 100):
        await ctx.report_progress(percent, 100)
        await asyncio.sleep(0.05)
    return "done"


def test_missing_capability(ctx: AnyContext) -> str:
    """Needs a client that can sample."""
    capabilities = ctx.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        needed = ClientCapabilities(sampling=SamplingCapability()).model_dump(by_alias=True, exclude_none=True)
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY, message="it needs sampling", data={"requiredCapabilities": needed}
        )
    return "it can"


def greet(name: str) -> str:
    """Greets, at once."""
    return f"Hello, {name}!"


class TaskFixtures:
    """Tools that go on as tasks of the board, which a worker in this process does."""

    def __init__(self, access: BoardAccess) -> None:
        self._access = access

    def tools(self) -> Sequence[Tool]:
        """Those that the suite calls."""
        return [
            Tool.from_function(self.slow_compute, structured_output=False),
            *(
                Tool.from_function(_only_as_task, name=name, description="Goes on as a task.", structured_output=False)
                for name in TASK_TOOLS
                if name != "slow_compute"
            ),
        ]

    def task_tools(self) -> Mapping[str, TaskTool]:
        """How they begin."""
        return {name: TaskTool(start=self._starter(name), required=name in REQUIRED) for name in TASK_TOOLS}

    async def slow_compute(self, seconds: float = 0, label: str = "") -> str:
        """Takes its time."""
        task = await self._add("slow_compute", {"seconds": seconds, "label": label})

        async def look() -> Task | None:
            now = await self._access.desk.read(lambda nexus: nexus.get_task_by_id(task.task_id))
            return now if now.is_final else None

        done = await wait_until(self._access.desk, look, seconds=seconds + 20)
        return str(done.result if done is not None else None)

    def _starter(self, name: str) -> Any:
        async def start(arguments: Mapping[str, Any], context: RequestContext) -> Task | InputRequiredResult:
            if name != "test_tool_with_task":
                return await self._add(name, arguments)
            responses = (context.params or {}).get("inputResponses") or {}
            if "user_name" not in responses:
                return InputRequiredResult(input_requests={"user_name": _asks_for_a_name()})
            return await self._add(name, responses["user_name"]["content"])

        return start

    async def _add(self, name: str, arguments: Mapping[str, Any]) -> Task:
        draft = TaskDraft(title=name, tags=(WORK,), context={"arguments": dict(arguments)}, created_by="conformance")
        return await self._access.desk.write(lambda nexus: nexus.add_task(draft))


async def _only_as_task() -> str:
    raise AssertionError("it is called as a task, or refused")


def _asks_for_a_name() -> ElicitRequest:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return ElicitRequest(params=ElicitRequestFormParams(message="What is your name?", requested_schema=schema))


def build_fixture_server(access: BoardAccess) -> MCPServer[Any]:
    """Our server, and what the suite expects beside."""
    fixtures = TaskFixtures(access)
    plain = (test_simple_text, test_error_handling, test_tool_with_progress, test_missing_capability, greet)
    tools = [*(Tool.from_function(one, structured_output=False) for one in plain), *fixtures.tools()]
    server = build_server(access, more_tools=tools, more_task_tools=fixtures.task_tools())

    @server.resource("test://static-text", name="static-text", description="a text", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource(
        "test://template/{id}/data", name="template", description="a template", mime_type="application/json"
    )
    def template(id: str) -> str:
        return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'

    @server.prompt(name="test_simple_prompt", description="a prompt")
    def simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @server.prompt(name="test_prompt_with_arguments", description="a prompt with arguments")
    def prompt_with_arguments(arg1: str, arg2: str) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    return server


def build_fixture_application(context: WebContext, *, port: int) -> AsgiApp:
    """The guard and the door before it, as the daemon has them."""
    door = McpDoor(context, lambda context: McpFace(context, build_fixture_server))
    app = Starlette(routes=[Route(MCP_PATH, door)], exception_handlers=PROBLEM_HANDLERS)
    rules = rules_for(host=HOST, port=port, scheme="http", others=(), most_bytes=context.settings.inbox.max_bytes)
    guard = Guard(app, rules, require_known=context.sign_in.who)
    return WithToken(guard, context.sign_in.tokens.owner_token())


class WithToken:
    """The suite shows no token; this does, and leaves all else to the guard behind it."""

    def __init__(self, app: AsgiApp, token: str) -> None:
        self._app = app
        self._header = (b"authorization", f"Bearer {token}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        await self._app({**scope, "headers": [*scope["headers"], self._header]}, receive, send)


async def serve(folder: Path) -> None:
    """Serve until stdin ends."""
    settings = replace(Settings(claims=CLAIMS), daemon=replace(Settings().daemon, grace_seconds=0.0))
    daemon = Daemon(Home(path=folder, found_by="--home"), settings)
    context = context_of(daemon)
    listening = bind_tcp(HOST, 0, by_hand=True)
    try:
        daemon.take()
        await daemon.start()
        port: int = listening.getsockname()[1]
        app: Any = build_fixture_application(context, port=port)
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve([listening]))
        worker = asyncio.create_task(Worker(daemon.desk).run())
        print(f"http://{HOST}:{port}{MCP_PATH}", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)
        worker.cancel()
        context.closing.set()
        server.should_exit = True
        await serving
    finally:
        await daemon.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
