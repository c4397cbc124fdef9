"""StrictRoute: a route whose body is read as strictly as a dropped file: what is ambiguous is refused with its place.

FastAPI's own reader takes the last of two equal keys, NaN, and half a character, and says of the rest only that it is broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from dreamos_tasks.intake.json_text import decode, parse

LONG_BYTES = 65_536  # what is longer is read beside the loop


class StrictRoute(APIRoute):
    """For `APIRouter(route_class=StrictRoute)`. Who is not known is told so before anything is said of the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        answer = super().get_route_handler()
        if self.body_field is None:
            return answer

        async def read_and_answer(request: Request) -> Response:
            request.app.state.context.sign_in.who(request.scope["headers"])
            content = await request.body()
            if content:
                text = decode(content)
                # where Starlette keeps what it has read
                request._json = parse(text) if len(content) < LONG_BYTES else await asyncio.to_thread(parse, text)
            return await answer(request)

        return read_and_answer
