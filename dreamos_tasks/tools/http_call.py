"""HttpCaller: a call of the tool `http`, from its parameters to its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from httpx2 import HTTPError

from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused
from dreamos_tasks.tools.capture import Capture
from dreamos_tasks.tools.captured_run import with_output
from dreamos_tasks.tools.http_body import BodyTooLarge, Excerpt, read_body, value_of
from dreamos_tasks.tools.http_exchange import HttpExchange, HttpRequest
from dreamos_tasks.tools.http_failure import result_of_error, result_of_status, result_of_timeout
from dreamos_tasks.tools.http_params import HttpParams
from dreamos_tasks.tools.http_request import credentials_in, request_of
from dreamos_tasks.tools.http_url import shown
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.saving import saved
from dreamos_tasks.tools.workspace.declined import Declined

if TYPE_CHECKING:
    from dreamos_tasks.tools.http import HttpOptions


class HttpCaller:
    """Makes the calls of one HttpTool."""

    def __init__(
        self, options: HttpOptions, guard: AddressGuard, *, now: Callable[[], datetime], closed: Sequence[Path]
    ) -> None:
        self._options = options
        self._now = now
        self._closed = closed
        self._exchange = HttpExchange(
            guard,
            connect_seconds=options.connect_seconds,
            idle_seconds=options.idle_seconds,
            ca_file=options.ca_file,
        )

    async def ready(self) -> None:
        """Load what calls need. Raises OSError when certificates cannot be read."""
        await self._exchange.trusted()

    async def call(self, values: HttpParams, context: ToolContext) -> ToolResult:
        """Make the call. Ending it, by cancellation too, closes its connection."""
        request = request_of(values, max_redirects=self._options.max_redirects)
        name = f"{request.method} {shown(request.url)}"
        redactor = Redactor((*context.secrets, *credentials_in(values)))
        capture = Capture(context.run_dir, context.step, limit_bytes=context.output_limit_bytes, redactor=redactor)
        limit = asyncio.timeout(context.timeout_seconds)
        try:
            async with limit:
                result = await self._exchanged(request, values, capture, context, name=name)
        except (CallRefused, BodyTooLarge, Declined, HTTPError, OSError) as error:
            seconds = context.timeout_seconds if limit.expired() else None
            result = result_of_error(error, name) if seconds is None else result_of_timeout(seconds, name)
        finally:
            captured = capture.finish()
        return redactor.result(with_output(result, captured))

    async def _exchanged(
        self, request: HttpRequest, values: HttpParams, capture: Capture, context: ToolContext, *, name: str
    ) -> ToolResult:
        limit_bytes = self._options.max_bytes if values.max_bytes is None else values.max_bytes
        value_bytes = min(self._options.value_bytes, context.output_limit_bytes // 2)
        excerpt = Excerpt(value_bytes)
        async with self._exchange.open(request) as answer:
            expected = values.expects(answer.response.status_code)
            path = values.save_to if expected else None
            with saved(context.cwd, path, closed=self._closed) if path else nullcontext(capture.feed) as keep:
                await read_body(answer, _both(excerpt.feed, keep), max_bytes=limit_bytes)
        value = value_of(answer, excerpt, limit_characters=value_bytes)
        if path:
            value["path"] = path
        if expected:
            return ToolResult(value=value)
        text = bytes(excerpt.content).decode("utf-8", "replace")
        return replace(result_of_status(answer, name, text=text, now=self._now()), value=value)


def _both(first: Callable[[bytes], object], second: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def take(piece: bytes) -> None:
        first(piece)
        second(piece)

    return take
