"""The verb that serves the board to an agent's program: mcp."""

from __future__ import annotations

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import SECONDS, agent_option
from dreamos_tasks.interfaces.cli.verb import verb


@verb(
    "mcp",
    examples=(
        "claude mcp add board -- dt mcp",
        "dt --home /srv/board mcp --agent ada",
        "npx @modelcontextprotocol/inspector --cli dt mcp --method tools/list",
    ),
)
@agent_option
@option(
    "--keep-alive",
    "keep_alive_seconds",
    metavar="SECONDS",
    type=SECONDS,
    default=0.0,
    help="Prolong what the client holds so long after its last call. [default: only with its calls]",
)
def mcp(call: Call, agent: str | None, keep_alive_seconds: float) -> None:
    """Serve the board as an MCP server over stdin and stdout: what Claude Code, Codex, Gemini CLI, Cursor and others start.

    Without --agent (or DREAMOS_TASKS_AGENT) each client acts under the name that it gives itself, and a mark of its session.
    Messages for people go to stderr. It ends when the client closes stdin. Needs the extra: pip install 'dreamos-tasks[mcp]'.
    """
    from dreamos_tasks.interfaces.mcp import require_mcp

    require_mcp("dt mcp")
    call.require_board()
    named, home, settings = call.agent_or_none(agent), call.home, call.settings
    import asyncio

    from loguru import logger

    from dreamos_tasks.interfaces.mcp.stdio import serve_stdio

    logger.remove()  # what there is to say of a step, its result says
    asyncio.run(
        serve_stdio(
            home, settings, agent=named, keep_alive_seconds=keep_alive_seconds, log=lambda words: call.out.hint(words)
        )
    )
