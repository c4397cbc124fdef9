"""What happened on the board, asked for: the same messages as the live feed, for those whom no WebSocket reaches."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.http.live import LARGEST_SEQ, known_task
from dreamos_tasks.interfaces.http.live_snapshot import snapshot
from dreamos_tasks.interfaces.http.routes.shared import Context, Reader
from dreamos_tasks.model.live_message import gap, live_message

router = APIRouter(tags=["board"])
LONGEST_WAIT_SECONDS = 60.0
MOST_EVENTS = 1000

After = Annotated[int, Query(ge=0, le=LARGEST_SEQ, description="The id of the last message seen.")]
Limit = Annotated[int, Query(ge=1, le=MOST_EVENTS, description="At most so many.")]
Wait = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait for one when there is none yet.")
]
TaskId = Annotated[str | None, Query(description="Of this task alone.")]


@router.get("/events", operation_id="events")
async def events(
    context: Context, _caller: Reader, after: After = 0, limit: Limit = 500, wait: Wait = 0.0, task: TaskId = None
) -> list[dict[str, Any]]:
    """The messages after an id, oldest first: `id`, `type`, `timestamp` and `data`, as `/api/v1/live` sends them.

    Ask again with the last id, and nothing is missed and nothing comes twice. An empty list: nothing has happened since.
    An id that the board has never given is answered with a `gap`: load what you show anew, and go on from its id.
    """
    task_id = await known_task(context, task)
    ends_at = time.monotonic() + wait
    if wait:
        await context.live.begin()

    def look(nexus: TaskNexus) -> tuple[int, list[dict[str, Any]]]:
        seq = nexus.store.last_seq()
        if after > seq:  # another board's, or this one's before a restore
            standing = snapshot(nexus, task_id)
            return seq, [gap(seq, datetime.now(UTC), after=after, reason="unknown_id", snapshot=standing)]
        return seq, [live_message(event) for event in nexus.events(after=after, task_id=task_id, limit=limit)]

    while True:
        seq, found = await context.desk.read(look)
        left = ends_at - time.monotonic()
        if found or left <= 0 or context.closing.is_set():
            return JSONResponse(found)  # type: ignore[return-value]  # as it is: there is nothing to validate
        await context.live.wait(seq, seconds=left)
