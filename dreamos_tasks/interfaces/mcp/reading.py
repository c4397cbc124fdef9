"""What clients can read besides calling tools: the resources board://..., and the prompt `work-on-next-task`."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from pydantic import Field

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.rows import rows_of_tasks
from dreamos_tasks.errors import DreamosError, NotFound
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.mcp.access import BoardAccess, Document
from dreamos_tasks.interfaces.mcp.answers import in_one_line
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import FINAL, Status

MOST_LISTED = 200
JSON = "application/json"
OPEN = frozenset(status.value for status in Status if status not in FINAL)
PROMPT = """\
Work on the next task of the shared board, with the tools of the MCP server dreamos-tasks.

1. get_next_task{claim}. If `task` is null, say why (`reason`) and stop.
2. Read its title, description, `requests` (what people answered) and `error` (why an earlier attempt failed). Work in the \
folder `context.cwd`, if it names one.
3. Do it. report_progress at each milestone. If you are told stale_token, stop at once: the task is no longer yours.
4. Finish it: complete_task with a short result; its `verify` checks are run, and when they are red, mend what they name and \
complete it again. If you cannot do it, fail_task with the reason (category transient when it may pass another time). If it \
is not for you, release_task. If a person must decide, ask_question.
5. Work that you found on the way and that is not part of it: add_task, with parent_id.

Say in two sentences what you did and what state the task is in now."""


def add_resources(server: MCPServer[Any], access: BoardAccess) -> None:
    """The board, one task, and the numbers, as JSON."""

    @server.resource(
        "board://tasks",
        name="tasks",
        description=f"the tasks that are not over, in the order of claiming, {MOST_LISTED} at most",
        mime_type=JSON,
    )
    async def tasks() -> str:
        query = TaskQuery(statuses=OPEN, order=Order.QUEUE, limit=MOST_LISTED + 1)

        def look(nexus: TaskNexus) -> Document:
            found = nexus.find_tasks(query)
            return {"tasks": rows_of_tasks(nexus, found[:MOST_LISTED]), "truncated": len(found) > MOST_LISTED}

        return in_one_line(await access.desk.read(look))

    @server.resource("board://tasks/{task_id}", name="task", description="everything about one task", mime_type=JSON)
    async def task(task_id: str) -> str:
        try:
            found = await access.desk.read(lambda nexus: task_document(nexus, nexus.get_task_by_id(task_id)))
        except NotFound as error:
            raise ResourceNotFoundError(_told(error)) from error
        except DreamosError as error:
            raise ResourceError(_told(error)) from error
        return in_one_line(found)

    @server.resource("board://stats", name="stats", description="how many tasks, by status", mime_type=JSON)
    async def stats() -> str:
        return in_one_line(await access.desk.read(lambda nexus: nexus.stats()))


def add_prompt(server: MCPServer[Any]) -> None:
    """The prompt that has an agent do one task of the board."""

    @server.prompt(
        name="work-on-next-task",
        title="Work on the next task",
        description="Claim the next task of the board and do it",
    )
    def work_on_next_task(
        tag: Annotated[str, Field(description="only a task with this tag")] = "",
    ) -> str:
        return PROMPT.format(claim=f" with tags [{in_one_line(tag)}]" if tag else "")


def _told(error: DreamosError) -> str:
    return f"{error.message} ({error.fix})" if error.fix else error.message
