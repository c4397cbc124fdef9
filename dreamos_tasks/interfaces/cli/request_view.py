"""How a request to people is shown: what is asked, and the commands that decide it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamos_tasks.interfaces.cli.text import harmless, harmless_block
from dreamos_tasks.model.asking import answering_command
from dreamos_tasks.model.request import Request, RequestKind
from dreamos_tasks.model.task import Task


def request_lines(task: Task) -> Iterator[str]:
    """What a task asks, for its page: each open request with the commands that decide it."""
    for request in task.requests:
        if not request.is_open:
            continue
        yield f"{request.request_id}  {what_is_asked(request)}"
        for line in harmless_block(request.text).splitlines():
            yield f"  {line}"
        yield f"  {deciding_commands(request)}"


def what_is_asked(request: Request) -> str:
    """`approval for step publish, risk high`."""
    step = f" for step {harmless(request.step)}" if request.step else ""
    risk = f", risk {request.risk.value}" if request.risk is not None else ""
    return f"{request.kind.value}{step}{risk}"


def deciding_commands(request: Request) -> str:
    """The commands that decide it, on one line."""
    if request.kind is RequestKind.APPROVAL:
        return f"dt approve {request.request_id}   or   dt reject {request.request_id}"
    choices: Sequence[str] = request.choices or ("...",)
    return "   or   ".join(answering_command(request.request_id, harmless(choice)) for choice in choices)
