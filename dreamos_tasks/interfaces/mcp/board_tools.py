"""BoardTools: the verbs that need no claim: add tasks, look at them, and steer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.rows import rows_of_tasks
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.documents import eta_document, why_document
from dreamos_tasks.interfaces.mcp import forms
from dreamos_tasks.interfaces.mcp.access import BoardAccess, Document
from dreamos_tasks.interfaces.mcp.drafting import draft_from
from dreamos_tasks.interfaces.mcp.tool import AnyContext, BoardTool, Words
from dreamos_tasks.interfaces.words import State
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Task, priority_from

WordList = list[Words]
Urgency = Literal["critical", "high", "medium", "low"]


class BoardTools:
    """Each method is a tool: its docstring is what a model reads, its annotations are the schema."""

    def __init__(self, access: BoardAccess) -> None:
        self._access = access

    def tools(self) -> Sequence[BoardTool]:
        """The tools, in the order in which an agent needs them."""
        access = self._access
        return (
            BoardTool.of(access, self.add_task, gives=forms.TASK),
            BoardTool.of(access, self.get_task, gives=forms.TASK, changes=False),
            BoardTool.of(access, self.list_tasks, gives=forms.TASKS, changes=False),
            BoardTool.of(access, self.why_task, gives=forms.WHY, changes=False),
            BoardTool.of(access, self.get_stats, gives=forms.STATS, changes=False),
            BoardTool.of(access, self.pause_task, gives=forms.TASK),
            BoardTool.of(access, self.resume_task, gives=forms.TASK),
            BoardTool.of(access, self.retry_task, gives=forms.TASK),
            BoardTool.of(access, self.cancel_task, gives=forms.TASK, ends=True),
        )

    async def add_task(
        self,
        ctx: AnyContext,
        title: str = "",
        description: str = "",
        priority: Urgency = "medium",
        tags: WordList = [],  # noqa: B006  the schema's default; nothing changes it
        depends_on: Annotated[WordList, Field(description="ids of tasks that come first")] = [],  # noqa: B006
        parent_id: str | None = None,
        assigned_to: Annotated[str | None, Field(description="the only agent who may take it")] = None,
        run: Annotated[WordList, Field(description="shell lines: the daemon runs it, no agent")] = [],  # noqa: B006
        verify: Annotated[WordList, Field(description="shell lines that must pass to complete it")] = [],  # noqa: B006
        more: Annotated[
            dict[str, Any], Field(description="other fields: requires, due_at, not_before, plan, dedupe_key, ...")
        ] = {},  # noqa: B006
        agent: str | None = None,
    ) -> Document:
        """Put a task on the board for any agent (or the daemon) to do."""
        by = self._access.actor(ctx.request_context, agent)
        fields = {
            "title": title,
            "description": description,
            "priority": priority if priority != "medium" else None,
            "tags": tags,
            "depends_on": depends_on,
            "parent_id": parent_id,
            "assigned_to": assigned_to,
            "run": run,
            "verify": verify,
        }
        draft = await draft_from(self._access, fields, more, by=by)
        return await self._access.desk.write(lambda nexus: task_document(nexus, nexus.add_task(draft)))

    async def get_task(self, ctx: AnyContext, task_id: Words) -> Document:
        """Everything about a task: its state, who holds it, steps, result or error, what it asks people and their answers."""

        def look(nexus: TaskNexus) -> Document:
            task = nexus.get_task_by_id(task_id)
            document = task_document(nexus, task)
            if task.plan is None or task.is_final:
                return document
            return {**document, "eta": eta_document(nexus, task, self._access.settings)}

        return await self._access.desk.read(look)

    async def list_tasks(
        self,
        ctx: AnyContext,
        status: Annotated[list[State], Field(description="in any of these; ready: can be claimed now")] = [],  # noqa: B006
        tags: Annotated[WordList, Field(description="with all of these")] = [],  # noqa: B006
        priority: Urgency | None = None,
        agent: Annotated[str | None, Field(description="held by or assigned to", min_length=1)] = None,
        parent_id: Words | None = None,
        text: Annotated[str | None, Field(description="in title or description", min_length=1)] = None,
        limit: Annotated[int, Field(ge=1, le=200)] = 20,
        after: Words | None = None,
    ) -> Document:
        """List tasks in a line each: newest first, or (status ready) in the order of claiming."""

        def look(nexus: TaskNexus) -> Document:
            query = TaskQuery(
                statuses=frozenset(status),
                tags=tuple(tags),
                priority=priority_from(priority) if priority is not None else None,
                agent=agent,
                parent_id=nexus.get_task_by_id(parent_id).task_id if parent_id is not None else None,
                text=text,
                order=Order.QUEUE if status == ["ready"] else Order.NEWEST,
                limit=limit + 1,
                after=nexus.get_task_by_id(after).task_id if after is not None else None,
            )
            found = nexus.find_tasks(query)
            more = found[limit - 1].task_id if len(found) > limit else None
            return {"tasks": rows_of_tasks(nexus, found[:limit]), "next_after": more}

        return await self._access.desk.read(look)

    async def why_task(self, ctx: AnyContext, task_id: Words) -> Document:
        """Why a task does not start: what it waits for and what blocks it, or its place in the queue."""

        return await self._access.desk.read(lambda nexus: why_document(nexus, nexus.get_task_by_id(task_id)))

    async def get_stats(self, ctx: AnyContext) -> Document:
        """How many tasks there are, by status, priority, holder and tag."""
        return await self._access.desk.read(lambda nexus: nexus.stats())

    async def pause_task(self, ctx: AnyContext, task_id: Words, reason: str = "", agent: str | None = None) -> Document:
        """Set a task aside until it is resumed, whoever holds it."""
        by = self._access.actor(ctx.request_context, agent)

        def act(nexus: TaskNexus, whole_id: str) -> Task:
            runs = nexus.get_task_by_id(whole_id).plan is not None
            return nexus.pause_task(whole_id, by=by, reason=reason, at_boundary=runs)

        return await self._steered(task_id, act)

    async def resume_task(self, ctx: AnyContext, task_id: Words, agent: str | None = None) -> Document:
        """Put a paused task back in the queue."""
        by = self._access.actor(ctx.request_context, agent)
        return await self._steered(task_id, lambda nexus, whole_id: nexus.resume_task(whole_id, by=by))

    async def retry_task(self, ctx: AnyContext, task_id: Words, agent: str | None = None) -> Document:
        """Give a failed or cancelled task a fresh start."""
        by = self._access.actor(ctx.request_context, agent)
        return await self._steered(task_id, lambda nexus, whole_id: nexus.retry_task(whole_id, by=by))

    async def cancel_task(
        self, ctx: AnyContext, task_id: Words, reason: str = "", agent: str | None = None
    ) -> Document:
        """End a task for good, whoever holds it."""
        by = self._access.actor(ctx.request_context, agent)
        return await self._steered(task_id, lambda nexus, whole_id: nexus.cancel_task(whole_id, by=by, reason=reason))

    async def _steered(self, task_id: str, act: Callable[[TaskNexus, str], Task]) -> Document:
        return await self._access.desk.write(
            lambda nexus: task_document(nexus, act(nexus, nexus.fetch(task_id).task_id))
        )
