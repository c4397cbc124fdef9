"""Asks the person at the terminal for leave, or for an answer, while an event loop goes on."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

from dreamos_tasks.app.foreground_asking import Decision
from dreamos_tasks.interfaces.cli.text import duration, harmless, harmless_block
from dreamos_tasks.model.request import Request, RequestKind

READ_BYTES = 4096
LATER = ("l", "later")


async def ask_person(
    request: Request, *, say: Callable[[str], None], prompt: Callable[[str], None], person: str, now: datetime
) -> Decision | None:
    """What the person says; None: later, or nothing more can be read. Say what is asked first, then ask until it fits."""
    for line in request_words(request, now=now):
        say(line)
    with suppress(termios.error, OSError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)  # what was typed before it was asked is no answer
    choices = choices_of(request)
    while True:
        prompt(choices)
        typed = await _line()
        if typed is None or typed.strip().lower() in LATER or (not typed.strip() and not request.choices):
            return None
        decision = decision_from(typed.strip(), request, person=person)
        if decision is not None:
            return decision


def request_words(request: Request, *, now: datetime) -> Iterator[str]:
    """What is asked, with the preview, the risk and why."""
    step = f"step {harmless(request.step)}" if request.step else "the task"
    if request.kind is RequestKind.APPROVAL:
        risk = f" (risk {request.risk.value})" if request.risk is not None else ""
        yield f"{step} asks for leave{risk}:"
    else:
        yield f"{step} asks:"
    for line in harmless_block(request.text).splitlines():
        yield f"    {line}"
    for reason in request.reasons:
        yield f"  why: {harmless_block(reason)}"
    if request.expires_at is not None:
        left = max(0.0, (request.expires_at - now).total_seconds())
        yield f"  as good as rejected in {duration(left)}"


def choices_of(request: Request) -> str:
    """What can be typed."""
    if request.kind is RequestKind.APPROVAL:
        return "[a]pprove, [r]eject or [l]ater? "
    numbered = "  ".join(f"[{number}] {harmless(choice)}" for number, choice in enumerate(request.choices, start=1))
    return f"{numbered}  [l]ater? " if numbered else "your answer (nothing: later): "


def decision_from(line: str, request: Request, *, person: str) -> Decision | None:
    """What a line means; None when it means nothing."""
    word = line.lower()
    if request.kind is RequestKind.APPROVAL:
        if word in ("a", "approve"):
            return Decision(by=person)
        return Decision(by=person, approves=False) if word in ("r", "reject") else None
    if not request.choices:
        return Decision(by=person, answer=line)
    numbers = {str(number): choice for number, choice in enumerate(request.choices, start=1)}
    answer = numbers.get(word) or next((choice for choice in request.choices if choice.lower() == word), None)
    return Decision(by=person, answer=answer) if answer is not None else None


async def _line() -> str | None:
    """The next line of the terminal; None when there is no more. The loop goes on meanwhile, and signals are heard."""
    loop, handle = asyncio.get_running_loop(), sys.stdin.fileno()
    read: asyncio.Future[bytes] = loop.create_future()

    def take() -> None:
        try:
            chunk = os.read(handle, READ_BYTES)
        except OSError:
            chunk = b""
        if not read.done():
            read.set_result(chunk)

    loop.add_reader(handle, take)
    try:
        chunk = await read
    finally:
        loop.remove_reader(handle)
    return chunk.decode("utf-8", "replace") if chunk else None
