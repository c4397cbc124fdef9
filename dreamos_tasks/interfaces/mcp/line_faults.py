"""AnsweredFaults: lines on stdin that are no message are answered with what is wrong; else their sender would wait in vain."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Protocol, Self

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.intake.json_text import parse


class Lines(Protocol):
    """What the stdio transport reads: messages, and what it made of lines that are none."""

    async def receive(self) -> SessionMessage | Exception:
        """The next."""
        ...

    async def aclose(self) -> None:
        """No more."""
        ...


class Answers(Protocol):
    """What it writes."""

    async def send(self, item: SessionMessage, /) -> None:
        """Write one."""
        ...


class AnsweredFaults:
    """The lines without those that are no message: these are answered."""

    def __init__(self, lines: Lines, answers: Answers) -> None:
        self._lines = lines
        self._answers = answers

    @property
    def last_context(self) -> Any:
        """See the library's streams."""
        return getattr(self._lines, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message."""
        while isinstance(item := await self._lines.receive(), Exception):
            fault = fault_of(item)
            if fault is not None:
                await self._answers.send(SessionMessage(fault))
        return item

    async def aclose(self) -> None:
        """No more."""
        await self._lines.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None


def fault_of(error: Exception) -> JSONRPCError | None:
    """The answer to a line that is no message; None for an empty line, and for a message that expects no answer."""
    line = _line_of(error)
    if line is not None and not line.strip():
        return None
    code, words = (
        INVALID_REQUEST,
        "no message of JSON-RPC 2.0: it has jsonrpc, method, params, and an id to be answered",
    )
    if line is not None:
        try:
            parse(line)
        except DreamosError as fault:
            code, words = PARSE_ERROR, f"{fault.message} ({fault.fix})" if fault.fix else fault.message
    return JSONRPCError(jsonrpc="2.0", id=_id_in(line), error=ErrorData(code=code, message=words))


def _line_of(error: Exception) -> str | None:
    if not isinstance(error, ValidationError):
        return None
    for one in error.errors(include_url=False, include_context=False):
        given = one.get("input")
        if one["type"] == "json_invalid" and isinstance(given, str):
            return given
        if isinstance(given, dict | list):
            return json.dumps(given)
    return None


def _id_in(line: str | None) -> str | int | None:
    """Which request it was meant to be, where that can be told: without it, whoever sent it waits in vain."""
    try:
        form = json.loads(line or "")
    except (ValueError, RecursionError):
        return None
    given = form.get("id") if isinstance(form, dict) else None
    return given if isinstance(given, str | int) and not isinstance(given, bool) and _is_text(given) else None


def _is_text(given: str | int) -> bool:
    """Whether it can be written back."""
    return not isinstance(given, str) or given.isprintable()
