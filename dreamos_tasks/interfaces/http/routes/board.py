"""Questions about the board as a whole."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from dreamos_tasks.interfaces.http.routes.shared import Board, Reader

router = APIRouter(tags=["board"])


@router.get("/stats", operation_id="stats")
async def stats(desk: Board, _caller: Reader) -> JSONResponse:
    """How many tasks there are by status, priority, agent (who holds it) and tag."""
    return JSONResponse(dict(await desk.read(lambda nexus: nexus.stats())))
