"""The board and the daemon as a whole: numbers, agents, limits, the inbox, the monitor, the tools."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import JSONResponse

from dreamos_tasks.app.inbox_folder import read_inbox
from dreamos_tasks.app.schemas import schema_named, schema_names, tool_names, tool_schema
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.documents import estimates_document, inbox_files, step_ends, tools_document
from dreamos_tasks.interfaces.http.openapi import OBJECT, OBJECTS, gives, problems
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import Board, Context, Reader, answered, asked
from dreamos_tasks.model.constraints import YEAR_SECONDS
from dreamos_tasks.model.json_form import to_json

router = APIRouter(tags=["board"])
NAMES = {"type": "array", "items": {"type": "string"}}
SHOWN_ACCEPTED = 10
Word = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[\w-]+$")]


class SinceQuery(shared.Parameters):
    """Of which time."""

    since_seconds: float | None = Field(default=None, gt=0, le=YEAR_SECONDS, description="Of the last so many seconds.")


@router.get("/stats", operation_id="stats", responses=gives(OBJECT, "Counts by word, for each of these.") | problems())
async def stats(desk: Board, _caller: Reader) -> JSONResponse:
    """How many tasks there are by status, priority, agent (who holds it) and tag."""
    return await asked(desk, lambda nexus: dict(nexus.stats()))


@router.get(
    "/stats/tools", operation_id="tool_stats", responses=gives(OBJECT, "By tool, and step by step.") | problems()
)
async def tool_stats(context: Context, _caller: Reader, query: Annotated[SinceQuery, Query()]) -> JSONResponse:
    """How steps went, by tool and name: how many, how well, how long, how long queued."""
    return await asked(context.aside, lambda nexus: tools_document(step_ends(nexus, query.since_seconds)))


@router.get(
    "/stats/estimates", operation_id="estimate_stats", responses=gives(OBJECT, "Of all, and by tool.") | problems()
)
async def estimate_stats(context: Context, _caller: Reader, query: Annotated[SinceQuery, Query()]) -> JSONResponse:
    """How often steps took as long as was expected when they began."""
    return await asked(context.aside, lambda nexus: estimates_document(step_ends(nexus, query.since_seconds)))


@router.get(
    "/gates", operation_id="gates", responses=gives(OBJECTS, "Those of which there is something to say.") | problems()
)
async def gates(desk: Board, _caller: Reader) -> JSONResponse:
    """How what steps share stands: circuit breakers, rates, who is in and who waits."""
    return await asked(desk, lambda nexus: [to_json(gate) for gate in nexus.gates()])


@router.get(
    "/status",
    operation_id="status",
    responses=gives(OBJECT, "The daemon's report, and the board's newest seq.") | problems(),
)
async def status(desk: Board, context: Context, _caller: Reader) -> JSONResponse:
    """How the daemon stands: what runs, what is wrong, the monitor's last check."""

    def look(nexus: TaskNexus) -> dict[str, Any]:
        return {"last_seq": nexus.store.last_seq(), "tasks": dict(nexus.stats()["status"])}

    return answered({"daemon": dict(context.report()), "board": await desk.read(look)})


@router.get("/monitor", operation_id="monitor", responses=gives(OBJECT, "Its last check.") | problems())
async def monitor(context: Context, _caller: Reader) -> JSONResponse:
    """What the monitor found at its last check: tasks that nobody moves, leases that ran out, silent agents."""
    return answered(dict(context.report()["monitor"]))


@router.get(
    "/inbox", operation_id="inbox", responses=gives(OBJECT, "Waiting, rejected and accepted files.") | problems()
)
async def inbox(context: Context, _caller: Reader) -> JSONResponse:
    """The inbox: what waits, what was rejected and why, what was accepted of late."""
    folder = context.home.inbox(context.settings.inbox)
    found = await asyncio.to_thread(read_inbox, folder, newest=SHOWN_ACCEPTED)
    groups = {"waiting": found.waiting, "rejected": found.rejected, "accepted": found.accepted}
    return answered({"path": str(folder), **{name: list(inbox_files(files)) for name, files in groups.items()}})


@router.get("/schemas", operation_id="schemas", responses=gives(NAMES, "Their names.") | problems())
async def schemas(_caller: Reader) -> JSONResponse:
    """The JSON Schemas there are, beside those of tools."""
    return answered(list(schema_names()))


@router.get("/schemas/{name}", operation_id="schema", responses=gives(OBJECT, "A JSON Schema.") | problems(404))
async def schema(name: Word, _caller: Reader) -> JSONResponse:
    """The JSON Schema of what goes in and out."""
    return answered(await asyncio.to_thread(schema_named, name))


@router.get("/tools", operation_id="tools", responses=gives(NAMES, "Their names.") | problems())
async def tools(context: Context, _caller: Reader) -> JSONResponse:
    """The tools that steps can name."""
    return answered(list(await asyncio.to_thread(tool_names, context.home)))


@router.get("/tools/{name}", operation_id="tool", responses=gives(OBJECT, "A JSON Schema.") | problems(404))
async def tool(name: Word, context: Context, _caller: Reader) -> JSONResponse:
    """The JSON Schema of a tool's parameters."""
    return answered(await asyncio.to_thread(tool_schema, context.home, name))
