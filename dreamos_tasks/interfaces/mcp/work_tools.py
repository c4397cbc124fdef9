"""WorkTools: the verbs of an agent at work: get the next task, claim, keep, report, complete, fail, release, ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from dreamos_tasks.app.verifying import evidence_at_desk
from dreamos_tasks.board.idle import nothing_ready
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.mcp import forms
from dreamos_tasks.interfaces.mcp.access import BoardAccess, Document
from dreamos_tasks.interfaces.mcp.tool import AnyContext, BoardTool, Words
from dreamos_tasks.interfaces.mcp.waiting import wait_until
from dreamos_tasks.interfaces.words import Category
from dreamos_tasks.model.outcome import Outcome, outcome_of_result
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.request import question as question_of
from dreamos_tasks.model.task import Progress, Task

LONGEST_WAIT_SECONDS = 300.0  # clients give up on a call sooner or later

Tags = Annotated[list[Words], Field(description="only tasks with all of these")]
Agent = str | None
Token = int | None


class WorkTools:
    """Each method is a tool: its docstring is what a model reads, its annotations are the schema."""

    def __init__(self, access: BoardAccess) -> None:
        self._access = access

    def tools(self) -> Sequence[BoardTool]:
        """The tools, in the order in which an agent needs them."""
        return (
            BoardTool.of(self._access, self.get_next_task, gives=forms.NEXT_TASK),
            *(
                BoardTool.of(self._access, act, gives=forms.TASK)
                for act in (
                    self.claim_task,
                    self.heartbeat,
                    self.report_progress,
                    self.complete_task,
                    self.fail_task,
                    self.release_task,
                    self.ask_question,
                )
            ),
        )

    async def get_next_task(
        self,
        ctx: AnyContext,
        tags: Tags = [],  # noqa: B006  the schema's default; nothing changes it
        capabilities: Annotated[list[Words], Field(description="what you can do, as tasks require it")] = [],  # noqa: B006
        wait_seconds: Annotated[float, Field(ge=0, le=LONGEST_WAIT_SECONDS)] = 0,
        agent: Annotated[Agent, Field(description="your name; only when the server does not know it")] = None,
    ) -> Document:
        """Claim the next ready task: the most urgent one you may take. You hold it until you complete, fail or release it,
        or your lease runs out (claim.lease_until). `task` is null when nothing is ready."""
        agent_id = self._access.agent(ctx.request_context, agent)
        request = ClaimRequest(agent_id=agent_id, tags=tuple(tags), capabilities=tuple(capabilities))

        async def look() -> Document | None:
            return await self._access.claimed(
                lambda nexus: nexus.get_next_task(agent_id, tags=tags, capabilities=capabilities)
            )

        document = await wait_until(self._access.desk, look, seconds=wait_seconds)
        if document is not None:
            return {"task": document}
        why = await self._access.desk.read(lambda nexus: nothing_ready(nexus, request))
        return {"task": None, "reason": f"{why.message}: {why.cause}"}

    async def claim_task(self, ctx: AnyContext, task_id: Words, agent: Agent = None) -> Document:
        """Claim this very task. Refused when another agent holds it; claiming what you hold succeeds."""
        agent_id = self._access.agent(ctx.request_context, agent)
        document = await self._access.claimed(lambda nexus: nexus.claim_task(nexus.fetch(task_id).task_id, agent_id))
        assert document is not None, "claiming by id gives the task or raises"
        return document

    async def heartbeat(self, ctx: AnyContext, task_id: Words, token: Token = None, agent: Agent = None) -> Document:
        """Prolong your lease. Any other call does so too: only needed while you work long without one."""
        agent_id = self._access.agent(ctx.request_context, agent)
        return await self._access.under_claim(
            task_id, agent_id, token, lambda nexus, whole_id, mine: nexus.heartbeat(whole_id, agent_id, token=mine)
        )

    async def report_progress(
        self,
        ctx: AnyContext,
        task_id: Words,
        percent: Annotated[float | None, Field(ge=0, le=100)] = None,
        note: str = "",
        step: str | None = None,
        token: Token = None,
        agent: Agent = None,
    ) -> Document:
        """Tell those who watch how far you are with a task you hold."""
        agent_id = self._access.agent(ctx.request_context, agent)
        noted = Progress(percent=percent, note=note, step=step)

        def act(nexus: TaskNexus, whole_id: str, mine: int | None) -> Task:
            nexus.record_progress(whole_id, noted, agent_id=agent_id, token=mine)
            return nexus.heartbeat(whole_id, agent_id, token=mine)

        return await self._access.under_claim(task_id, agent_id, token, act)

    async def complete_task(
        self,
        ctx: AnyContext,
        task_id: Words,
        result: Annotated[Any, Field(description="what came of it: any JSON")] = None,
        next: Annotated[bool, Field(description="also claim the next task; it is in `next`")] = False,
        token: Token = None,
        agent: Agent = None,
    ) -> Document:
        """Finish a task you hold. The checks in its `verify` are run first: when they are red this is refused with their
        output, and you still hold it."""
        agent_id = self._access.agent(ctx.request_context, agent)
        access = self._access
        evidence = await evidence_at_desk(
            access.desk,
            task_id,
            agent_id,
            token_of=lambda whole_id: token if token is not None else access.held.token(agent_id, whole_id),
            home=access.home,
            settings=access.settings,
        )
        outcome = outcome_of_result(result, evidence)
        if not next:
            return await self._access.under_claim(
                task_id,
                agent_id,
                token,
                lambda nexus, whole_id, mine: nexus.settle(whole_id, outcome, agent_id=agent_id, token=mine),
                ends=True,
            )
        return await self._complete_and_claim(task_id, agent_id, token, outcome)

    async def fail_task(
        self,
        ctx: AnyContext,
        task_id: Words,
        error: Words,
        category: Annotated[Category, Field(description="transient: may pass another time")] = "logic",
        token: Token = None,
        agent: Agent = None,
    ) -> Document:
        """Say that you could not do it, and why. What may pass another time is tried again after a while."""
        agent_id = self._access.agent(ctx.request_context, agent)
        return await self._access.under_claim(
            task_id,
            agent_id,
            token,
            lambda nexus, whole_id, mine: nexus.mark_task_failed(
                whole_id, agent_id, error=error, category=ErrorCategory(category), token=mine
            ),
            ends=True,
        )

    async def release_task(
        self, ctx: AnyContext, task_id: Words, reason: str = "", token: Token = None, agent: Agent = None
    ) -> Document:
        """Give a task back unfinished. It is open to others at once."""
        agent_id = self._access.agent(ctx.request_context, agent)
        return await self._access.under_claim(
            task_id,
            agent_id,
            token,
            lambda nexus, whole_id, mine: nexus.release_task(whole_id, agent_id, token=mine, reason=reason),
            ends=True,
        )

    async def ask_question(
        self,
        ctx: AnyContext,
        task_id: Words,
        question: Words,
        choices: list[Words] = [],  # noqa: B006
        token: Token = None,
        agent: Agent = None,
    ) -> Document:
        """Ask people something about a task you hold. It is let go until they answer; then it can be claimed again, and the
        answer is in its `requests`."""
        agent_id = self._access.agent(ctx.request_context, agent)

        def act(nexus: TaskNexus, whole_id: str, mine: int | None) -> Task:
            asked = question_of(question, choices=choices, asked_at=nexus.clock.now())
            return nexus.ask(whole_id, (asked,), agent_id=agent_id, token=mine, park=True)

        return await self._access.under_claim(task_id, agent_id, token, act, ends=True)

    async def _complete_and_claim(self, task_id: str, agent_id: str, token: int | None, outcome: Outcome) -> Document:
        access = self._access

        def act(nexus: TaskNexus) -> tuple[Task, Task | None, Document, Document | None]:
            whole_id = nexus.fetch(task_id).task_id
            mine = token if token is not None else access.held.token(agent_id, whole_id)
            done, following = nexus.complete_and_claim_next(whole_id, outcome, agent_id, token=mine)
            claimed = task_document(nexus, following) if following is not None else None
            return done, following, task_document(nexus, done), claimed

        done, following, document, claimed = await access.desk.write(act)
        access.held.forget(agent_id, done.task_id)
        if following is not None:
            access.held.note(following)
        return {**document, "next": claimed}
