"""Verbs by which tasks ask people and people decide: approvals, approve, reject, ask, answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from dreamos_tasks.errors import InvalidInput, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.given import text_given
from dreamos_tasks.interfaces.cli.ids import for_each
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, TASK_ID, agent_option, reason_option, token_option
from dreamos_tasks.interfaces.cli.request_view import deciding_commands, what_is_asked
from dreamos_tasks.interfaces.cli.text import duration, harmless, harmless_block, local_and_ago
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.interfaces.documents import request_document, request_meant, requests_on
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.request import Request, RequestKind, question, task_id_of
from dreamos_tasks.model.task import Task

by_option = option("--by", metavar="NAME", type=FILLED, help="Who decides. [default: your user name]")
request_argument = click.argument("requests", metavar="ID...", nargs=-1, required=True, type=TASK_ID)


@verb("approvals", examples=("dt approvals", "dt approvals --json", "dt approvals --all --limit 20"))
@option("--all", "decided_too", is_flag=True, help="Also what has been decided: the audit trail.")
@option("--limit", metavar="N", type=click.IntRange(1), default=50, show_default=True, help="At most so many tasks.")
def approvals(call: Call, decided_too: bool, limit: int) -> None:
    """What people are asked: leave for steps, and questions. Each with a preview, the risk, and how long it waits."""
    shown = requests_on(call.nexus, decided_too=decided_too)
    if call.out.as_json:
        call.out.document([request_document(*one) for one in shown[:limit]])
        return
    for task, request in shown[:limit]:
        _show(call, task, request)
    if not shown:
        call.out.note("nobody is asked anything")
    elif len(shown) > limit:
        call.out.hint(f"{len(shown) - limit} more; --limit shows them")


@verb(
    "approve",
    examples=(
        "dt approve dt-7k2m",
        'dt approve dt-7k2m.r1 --reason "backup is there"',
        """dt approve dt-7k2m --params '{"command": "rm -r build"}'""",
    ),
)
@request_argument
@option("--params", metavar="JSON", help="Run it with these parameters instead. @FILE reads them.")
@by_option
@reason_option
def approve(call: Call, requests: tuple[str, ...], params: str | None, by: str | None, reason: str) -> None:
    """Let a step run that asks first. Only people can: an agent cannot approve, and least of all its own work."""
    person = deciding_person(call, by, verb="approve")
    changed = None if params is None else _params(call, params)
    if changed is not None and len(requests) > 1:
        raise UsageError("--params goes with one id", fix="approve the others without --params")
    for_each(
        call,
        requests,
        lambda word: call.nexus.approve(_to_approve(call, word, changed), by=person, reason=reason, params=changed),
        say=lambda task: f"{task.task_id}  approved by {harmless(person)}",
    )


@verb("reject", examples=('dt reject dt-7k2m --reason "not on a Friday"',))
@request_argument
@by_option
@reason_option
def reject(call: Call, requests: tuple[str, ...], by: str | None, reason: str) -> None:
    """Do not let a step run. A critical step that may not run fails its task; without another the rest goes on."""
    person = deciding_person(call, by, verb="reject")
    for_each(
        call,
        requests,
        lambda word: call.nexus.reject(_open(call, word, RequestKind.APPROVAL).request_id, by=person, reason=reason),
        say=lambda task: f"{task.task_id}  rejected by {harmless(person)}",
    )


@verb(
    "ask",
    examples=(
        'dt ask dt-7k2m --agent ada "Which of the two schemas is meant?"',
        'dt ask dt-7k2m --agent ada "Go on?" --choice yes --choice no',
    ),
)
@click.argument("task_id", metavar="ID", type=TASK_ID)
@click.argument("text", metavar="QUESTION", type=FILLED)
@option("--choice", "choices", metavar="TEXT", type=FILLED, multiple=True, help="An answer to choose. Several.")
@agent_option
@token_option
def ask(call: Call, task_id: str, text: str, choices: tuple[str, ...], agent: str | None, token: int | None) -> None:
    """Ask people something, and let the task go until they answer. No lease is held meanwhile."""
    agent_id = call.agent(agent, verb="ask") if token is None else call.agent_or_none(agent)
    asked = question(text, choices=choices, asked_at=call.nexus.clock.now())
    for_each(
        call,
        (task_id,),
        lambda one: call.nexus.ask(one, (asked,), agent_id=agent_id, token=token, park=True),
        say=lambda task: f'{task.task_id}  asks people; dt answer {task.requests[-1].request_id} "..."',
    )


@verb("answer", examples=('dt answer dt-7k2m "the newer one"', 'dt answer dt-7k2m.r2 "run again"'))
@click.argument("request", metavar="ID", type=TASK_ID)
@click.argument("text", type=FILLED)
@by_option
def answer(call: Call, request: str, text: str, by: str | None) -> None:
    """Answer what a task asks. It goes back into the queue; whoever works on it sees the answer."""
    person = deciding_person(call, by, verb="answer")
    for_each(
        call,
        (request,),
        lambda word: call.nexus.answer(_open(call, word, RequestKind.QUESTION).request_id, text, by=person),
        say=lambda task: f"{task.task_id}  answered, {task.status.value.replace('_', ' ')}",
    )


def deciding_person(call: Call, by: str | None, *, verb: str) -> str:
    """Who decides: the one that was named, or the user. Raises NoPerson when that would be no person."""
    from dreamos_tasks.app.approver import require_person

    require_person(call.home, verb=verb)
    if by is not None:
        return by
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _open(call: Call, word: str, kind: RequestKind) -> Request:
    return request_meant(call.nexus, word, kind)[1]


def _to_approve(call: Call, word: str, params: Mapping[str, Any] | None) -> str:
    """The id of the request that a word means, of which the step can be called with these parameters."""
    request = _open(call, word, RequestKind.APPROVAL)
    if params is not None:
        from dreamos_tasks.app.approver import require_fit

        require_fit(call.home, call.nexus.get_task_by_id(task_id_of(request.request_id) or word), request, params)
    return request.request_id


def _params(call: Call, text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text_given(call, text, pointer="/params"))
    except ValueError as error:
        raise InvalidInput("--params is no JSON", pointer="/params", cause=str(error)) from None
    if not isinstance(value, dict):
        raise InvalidInput("--params is no object", pointer="/params", fix="""--params '{"command": "..."}'""")
    return value


def _show(call: Call, task: Task, request: Request) -> None:
    out, now = call.out, call.nexus.clock.now()
    out.line(out.painted(f"{request.request_id}  {harmless(task.title)}", "bold"))
    out.line(f"  {what_is_asked(request)}, {local_and_ago(request.asked_at, now)} by {harmless(request.asked_by)}")
    for line in harmless_block(request.text).splitlines():
        out.line(f"    {line}")
    for reason in request.reasons:
        out.line(f"  why: {harmless(reason)}")
    if not request.is_open:
        if request.decided_params is not None and request.decided_params != request.params:
            out.line(f"  changed to: {harmless(json.dumps(to_json(request.decided_params), ensure_ascii=False))}")
        said = f": {harmless(request.reason or request.answer or '')}" if request.reason or request.answer else ""
        out.line(f"  {request.state.value} by {harmless(request.decided_by or '-')}{said}")
        return
    if request.expires_at is not None:
        out.line(f"  as good as rejected in {duration((request.expires_at - now).total_seconds())}")
    out.line(f"  {deciding_commands(request)}")
