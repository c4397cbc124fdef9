"""TasksExtension: `io.modelcontextprotocol/tasks` over the board: a tool call that goes on as a task of the board.

The ids are the board's, and so is all that is known: a client polls on after this server, or the daemon, was started anew.
https://modelcontextprotocol.github.io/ext-tasks/specification/2026-07-28/tasks.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from mcp.server.context import CallNext, HandlerResult
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    CallToolRequestParams,
    InputRequiredResult,
    RequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import DreamosError, IllegalTransition, Refused, RequestClosed, TaskNotFound
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.mcp.access import BoardAccess, Document
from dreamos_tasks.interfaces.mcp.answers import error_form, refusal
from dreamos_tasks.interfaces.mcp.naming import RequestContext
from dreamos_tasks.interfaces.mcp.task_forms import answer_in, envelope, open_questions, payload
from dreamos_tasks.model.task import Task

IDENTIFIER = "io.modelcontextprotocol/tasks"
VERSIONS = frozenset(MODERN_PROTOCOL_VERSIONS)
COMPLETE: Mapping[str, str] = {"resultType": "complete"}

Answer = TypeVar("Answer")
Start = Callable[[Mapping[str, Any], RequestContext], Awaitable[Task | InputRequiredResult]]


class TaskIdParams(RequestParams):
    """Of tasks/get and tasks/cancel."""

    task_id: str


class UpdateParams(TaskIdParams):
    """Of tasks/update: the answers, by the request they answer."""

    input_responses: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTool:
    """A tool that may go on as a task. `start` adds it and gives it, or asks the client something before.

    `required`: it has no other way; a client that cannot take a task is refused.
    """

    start: Start
    required: bool = False


class TasksExtension(Extension):
    """Calls of some tools become tasks, for clients that declare the extension; and tasks/get, tasks/update, tasks/cancel."""

    identifier = IDENTIFIER

    def __init__(self, access: BoardAccess, tools: Mapping[str, TaskTool]) -> None:
        self._access = access
        self._tools = tools

    def methods(self) -> Sequence[MethodBinding]:
        """See Extension. Only on the wire that knows them: clients of older ones wait for the tool itself."""
        bindings = (
            ("tasks/get", TaskIdParams, self._get),
            ("tasks/update", UpdateParams, self._update),
            ("tasks/cancel", TaskIdParams, self._cancel),
        )
        return [MethodBinding(name, params, handler, VERSIONS) for name, params, handler in bindings]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: RequestContext, call_next: CallNext
    ) -> HandlerResult:
        """See Extension."""
        tool = self._tools.get(params.name)
        if tool is None:
            return await call_next(ctx)
        if not _declares(ctx):
            if tool.required:
                require_client_extension(ctx, IDENTIFIER)
            return await call_next(ctx)
        try:
            started = await tool.start(_arguments(params), ctx)
        except DreamosError as error:
            return refusal(error)
        if isinstance(started, InputRequiredResult):
            return started
        return {"resultType": "task", **envelope(started, waits=self._access.why_not_run(started))}

    async def _get(self, ctx: RequestContext, params: TaskIdParams) -> HandlerResult:
        self._admit(ctx, params, as_tool="get_task")
        task, document = await self._ask(lambda nexus: _seen(nexus, params.task_id))
        waits = self._access.why_not_run(task) or "; ".join(document["waiting_for"])
        form = envelope(task, waits=waits)
        return {**COMPLETE, **form, **payload(task, document, asks=_can_be_asked(ctx))}

    async def _update(self, ctx: RequestContext, params: UpdateParams) -> HandlerResult:
        self._admit(ctx, params, as_tool="run_task")
        task, _ = await self._ask(lambda nexus: _seen(nexus, params.task_id))
        answers = {
            one.request_id: answer_in(params.input_responses.get(one.request_id)) for one in open_questions(task)
        }
        by = f"{self._access.actor(ctx)}'s user"
        for request_id, answer in answers.items():
            if answer is not None:
                with suppress(RequestClosed):  # somebody else was faster
                    await self._ask(partial(_answered, request_id=request_id, answer=answer, by=by))
        return dict(COMPLETE)

    async def _cancel(self, ctx: RequestContext, params: TaskIdParams) -> HandlerResult:
        self._admit(ctx, params, as_tool="run_task")
        task, _ = await self._ask(lambda nexus: _seen(nexus, params.task_id))
        by = self._access.actor(ctx)
        if task.created_by != by:
            self._admit(ctx, params, as_tool="cancel_task")
        with suppress(IllegalTransition):  # it is over: there is nothing to cancel, and that is no error
            await self._ask(lambda nexus: nexus.cancel_task(task.task_id, by=by, reason="its client cancelled it"))
        return dict(COMPLETE)

    def _admit(self, ctx: RequestContext, params: TaskIdParams, *, as_tool: str) -> None:
        require_client_extension(ctx, IDENTIFIER)
        headers = getattr(ctx.request, "headers", None)
        if headers is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != params.task_id:
            raise MCPError(code=HEADER_MISMATCH, message=f"the header {MCP_NAME_HEADER} is not the taskId of the body")
        try:
            self._access.require(ctx, as_tool)
        except Refused as error:
            raise _as_protocol_error(error) from error

    async def _ask(self, act: Callable[[TaskNexus], Answer]) -> Answer:
        """What the board says. Raises IllegalTransition and RequestClosed as they are, MCPError for the rest."""
        try:
            return await self._access.desk.write(act)
        except (IllegalTransition, RequestClosed):
            raise
        except DreamosError as error:
            raise _as_protocol_error(error) from error


def _seen(nexus: TaskNexus, task_id: str) -> tuple[Task, Document]:
    """The task with exactly this id: a handle is no prefix."""
    if nexus.store.get(task_id) is None:
        raise TaskNotFound(task_id)
    task = nexus.get_task_by_id(task_id)
    return task, task_document(nexus, task)


def _answered(nexus: TaskNexus, *, request_id: str, answer: str, by: str) -> Task:
    return nexus.answer(request_id, answer, by=by)


def _arguments(params: CallToolRequestParams) -> Mapping[str, Any]:
    return params.arguments or {}


def _declares(ctx: RequestContext) -> bool:
    capabilities = ctx.session.client_capabilities
    declared = capabilities.extensions if capabilities is not None else None
    return ctx.protocol_version in VERSIONS and declared is not None and IDENTIFIER in declared


def _can_be_asked(ctx: RequestContext) -> bool:
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and capabilities.elicitation is not None


def _as_protocol_error(error: DreamosError) -> MCPError:
    form = error_form(error)
    return MCPError(code=INVALID_PARAMS, message=f"{form['message']} ({form['fix']})", data={"error": form})
