"""RunTool: `run_task` has the daemon run shell lines or a plan, and waits for the end, or gives a handle to come back with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from mcp_types import CallToolResult, InputRequiredResult
from pydantic import Field

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.mcp import forms
from dreamos_tasks.interfaces.mcp.access import BoardAccess, Document
from dreamos_tasks.interfaces.mcp.drafting import draft_from
from dreamos_tasks.interfaces.mcp.naming import RequestContext
from dreamos_tasks.interfaces.mcp.task_forms import result_of
from dreamos_tasks.interfaces.mcp.tasks_extension import TaskTool
from dreamos_tasks.interfaces.mcp.tool import AnyContext, BoardTool, Words
from dreamos_tasks.interfaces.mcp.waiting import wait_until
from dreamos_tasks.model.task import Status, Task

LONGEST_WAIT_SECONDS = 600.0
RESTS = frozenset({Status.AWAITING_APPROVAL, Status.PAUSED})  # nothing more happens until somebody does something


class RunTool:
    """The tool, for clients that wait and for those that can take a task in place of a result."""

    def __init__(self, access: BoardAccess) -> None:
        self._access = access
        self.tool = BoardTool.of(access, self.run_task, gives=forms.TASK)

    def as_task_tool(self) -> TaskTool:
        """How it starts as a task."""
        return TaskTool(start=self._start)

    async def run_task(
        self,
        ctx: AnyContext,
        run: Annotated[list[Words], Field(description="shell lines, one after another")] = [],  # noqa: B006
        title: str = "",
        task_id: Annotated[str | None, Field(description="or a task that is there and has a plan")] = None,
        more: Annotated[dict[str, Any], Field(description="other fields of a task: plan, verify, ...")] = {},  # noqa: B006
        wait_seconds: Annotated[float, Field(ge=0, le=LONGEST_WAIT_SECONDS)] = 30,
        agent: str | None = None,
    ) -> Document | CallToolResult:
        """Have the daemon run something long, and wait for its end. Still running after wait_seconds: get_task tells more."""
        task = await self._begun(ctx.request_context, run=run, title=title, task_id=task_id, more=more, agent=agent)

        async def look() -> Task | None:
            now = await self._access.desk.read(lambda nexus: nexus.get_task_by_id(task.task_id))
            return now if now.is_final or now.status in RESTS else None

        await wait_until(self._access.desk, look, seconds=wait_seconds)
        now, document = await self._access.desk.read(lambda nexus: _with_document(nexus, task.task_id))
        if now.is_final:
            return result_of(now, document)
        waits = self._access.why_not_run(now) or "; ".join(document["waiting_for"])
        return {**document, "note": f"{waits or 'it is not over yet'}; get_task tells how it goes on"}

    async def _start(self, arguments: Mapping[str, Any], context: RequestContext) -> Task | InputRequiredResult:
        asked = self.tool.validated(arguments)
        asked.pop("wait_seconds", None)
        self._access.require(context, self.tool.name)
        return await self._begun(context, **asked)

    async def _begun(
        self,
        context: RequestContext,
        *,
        run: list[str],
        title: str,
        task_id: str | None,
        more: Mapping[str, Any],
        agent: str | None,
    ) -> Task:
        by = self._access.actor(context, agent)
        if task_id is not None:
            return await self._planned(task_id, given=bool(run or title or more))
        if not run and "plan" not in more:
            raise InvalidInput(
                "there is nothing to run",
                pointer="/run",
                cause="neither `run`, nor `task_id`, nor a plan in `more` says what",
                fix='run_task {"run": ["make test"]}',
            )
        fields = {"title": title or (run[0] if run else "a plan"), "run": run}
        draft = await draft_from(self._access, fields, more, by=by)
        return await self._access.desk.write(lambda nexus: nexus.add_task(draft))

    async def _planned(self, task_id: str, *, given: bool) -> Task:
        if given:
            raise InvalidInput("task_id goes alone", pointer="/task_id", fix="leave run, title and more out")
        task = await self._access.desk.read(lambda nexus: nexus.get_task_by_id(task_id))
        if task.plan is None:
            raise InvalidInput(
                f"{task.task_id} has no plan, so the daemon does not run it",
                pointer="/task_id",
                cause="tasks without a plan are for agents",
                fix="claim_task, and do it yourself",
            )
        return task


def _with_document(nexus: TaskNexus, task_id: str) -> tuple[Task, Document]:
    task = nexus.get_task_by_id(task_id)
    return task, task_document(nexus, task)
