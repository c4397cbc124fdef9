"""Routes of the board as lists and charts show it: rows instead of whole tasks, a day in columns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.past_steps import range_form
from dreamos_tasks.board.rows import STATES, board_form, page_of, rows_of
from dreamos_tasks.board.series import BoardSeries
from dreamos_tasks.errors import NotFound
from dreamos_tasks.interfaces.documents import forecast
from dreamos_tasks.interfaces.http.dashboard.board_forms import AHEAD, BOARD, PAGE, SERIES, SOME
from dreamos_tasks.interfaces.http.openapi import gives, problems
from dreamos_tasks.interfaces.http.routes.shared import Board, Context, Reader, TaskId
from dreamos_tasks.model.choices import choices_of

MOST_ROWS = 1000  # of one answer: some ten milliseconds at the board
MOST_IDS = 200

router = APIRouter(tags=["board"])
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="how many tasks of one state at most")]
Id = Annotated[str, Field(min_length=1, max_length=200)]
Ids = Annotated[list[Id], Query(alias="id", min_length=1, max_length=MOST_IDS, description="ids of tasks, whole")]


@router.get("/board", operation_id="board", responses=gives(BOARD, "The board.") | problems())
async def board(desk: Board, _caller: Reader, limit: Limit = 60) -> JSONResponse:
    """Each state with its first tasks as rows, and the seq of the event behind which to follow."""
    return JSONResponse(await desk.read(lambda nexus: board_form(nexus, limit=limit)))


@router.get("/board/rows", operation_id="board_rows", responses=gives(SOME, "Those that are there.") | problems())
async def rows(desk: Board, _caller: Reader, ids: Ids) -> JSONResponse:
    """Some tasks as rows; those that are not there as `missing`."""
    found = await desk.read(lambda nexus: rows_of(nexus, ids))
    return JSONResponse(
        {
            "rows": [row for row in found.values() if row is not None],
            "missing": [task_id for task_id, row in found.items() if row is None],
        }
    )


@router.get("/board/{state}", operation_id="board_state", responses=gives(PAGE, "A page.") | problems(404, 409))
async def state_rows(
    desk: Board,
    _caller: Reader,
    state: Annotated[str, Path(min_length=1, max_length=40, examples=["ready"])],
    limit: Limit = 100,
    after: Annotated[Id | None, Query(description="the task behind which to go on: `next` of the page before")] = None,
) -> JSONResponse:
    """Tasks of one state as rows, page by page: in the order of claiming, those that are over newest first."""
    if state not in STATES:
        raise NotFound(f"{state!r} is no state", cause=f"the states are: {', '.join(STATES)}")
    return JSONResponse(await desk.read(lambda nexus: page_of(nexus, state, limit=limit, after=after)))


@router.get(
    "/tasks/{task_id}/ahead", operation_id="task_ahead", responses=gives(AHEAD, "What can come.") | problems(404, 409)
)
async def ahead(desk: Board, context: Context, _caller: Reader, task_id: TaskId) -> JSONResponse:
    """What can come next: the verbs that a person could say to the task now, and how long each of its steps takes."""

    def look(nexus: TaskNexus) -> dict[str, Any]:
        task = nexus.get_task_by_id(task_id)
        steps = task.plan.steps if task.plan is not None else ()
        looking = forecast(nexus, context.settings)
        expected = {step.name: range_form(looking.expected(step)) for step in steps}
        return {"task_id": task.task_id, "choices": list(choices_of(task)), "expected": expected}

    return JSONResponse(await desk.read(look))


@router.get("/series", operation_id="series", responses=gives(SERIES, "The columns.") | problems())
async def series(
    request: Request,
    desk: Board,
    _caller: Reader,
    window: Annotated[Literal["hour", "day"], Query(description="how far back")] = "hour",
) -> JSONResponse:
    """How the last hour went minute by minute, or the last day by quarters of an hour: columns of equal length."""
    window_seconds, bucket_seconds = (3600, 60) if window == "hour" else (86_400, 900)
    kept = _series_of(request)
    while await desk.read(kept.catch_up):
        pass
    return JSONResponse(
        await desk.read(
            lambda nexus: kept.document(nexus, window_seconds=window_seconds, bucket_seconds=bucket_seconds)
        )
    )


def _series_of(request: Request) -> BoardSeries:
    """One for all who ask, begun when first asked for; it is used at the desk alone."""
    state = request.app.state
    if not hasattr(state, "board_series"):
        state.board_series = BoardSeries()
    kept: BoardSeries = state.board_series
    return kept
