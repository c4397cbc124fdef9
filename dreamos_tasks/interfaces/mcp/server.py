"""The MCP server over a board: its tools, resources and prompt, put together for whichever transport serves it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, GetPromptResult, InputRequiredResult

from dreamos_tasks import __version__
from dreamos_tasks.interfaces.mcp.access import BoardAccess
from dreamos_tasks.interfaces.mcp.board_tools import BoardTools
from dreamos_tasks.interfaces.mcp.line_faults import AnsweredFaults
from dreamos_tasks.interfaces.mcp.mail_tools import MailTools
from dreamos_tasks.interfaces.mcp.reading import add_prompt, add_resources
from dreamos_tasks.interfaces.mcp.running import RunTool
from dreamos_tasks.interfaces.mcp.tasks_extension import TasksExtension, TaskTool
from dreamos_tasks.interfaces.mcp.work_tools import WorkTools

NAME = "dreamos-tasks"
INSTRUCTIONS = """\
A task board that several agents share. Work from it so: get_next_task claims a task for you; do it in its folder \
(context.cwd); report_progress now and then; then complete_task with what came of it, or fail_task, or release_task. You hold \
a task only while your lease lasts: any call prolongs it. When you are told stale_token, stop: somebody else may be at it. \
Found more work: add_task. Need a person: ask_question, then take another task."""


class BoardServer(MCPServer[Any]):
    """The library's server, which answers what is no message, and tells of a wrong prompt that it is the caller's error."""

    async def run_stdio_async(self) -> None:
        """Serve on stdin and stdout."""
        async with stdio_server() as (lines, answers):
            await self._lowlevel_server.run(
                AnsweredFaults(lines, answers), answers, self._lowlevel_server.create_initialization_options()
            )

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """See MCPServer. Raises MCPError."""
        known = {prompt.name: {one.name for one in prompt.arguments or ()} for prompt in await self.list_prompts()}
        if name not in known:
            raise MCPError(code=INVALID_PARAMS, message=f"there is no prompt {name!r} (known: {', '.join(known)})")
        for argument in arguments or {}:
            if argument not in known[name]:
                words = f"{name} takes no {argument!r} (known: {', '.join(sorted(known[name])) or 'none'})"
                raise MCPError(code=INVALID_PARAMS, message=words)
        return await super().get_prompt(name, arguments, context)


def build_server(
    access: BoardAccess, *, more_tools: Sequence[Tool] = (), more_task_tools: Mapping[str, TaskTool] | None = None
) -> MCPServer[Any]:
    """The server. `more_tools`, and those of them that may go on as tasks, are for whoever builds upon it."""
    run_tool = RunTool(access)
    tools = [
        *WorkTools(access).tools(),
        *BoardTools(access).tools(),
        *MailTools(access).tools(),
        run_tool.tool,
        *more_tools,
    ]
    task_tools = {run_tool.tool.name: run_tool.as_task_tool(), **(more_task_tools or {})}
    server = BoardServer(
        NAME,
        title="dreamos-tasks: a task board for agents",
        instructions=INSTRUCTIONS,
        version=__version__,
        tools=tools,
        extensions=[TasksExtension(access, task_tools)],
        log_level="WARNING",
    )
    logging.getLogger("mcp").setLevel(logging.WARNING)  # each refused call would be a line; clients are told anyway
    add_resources(server, access)
    add_prompt(server)
    return server
