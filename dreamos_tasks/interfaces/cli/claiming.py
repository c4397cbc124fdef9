"""Verbs of an agent at work: next, claim, heartbeat, progress, release."""

from __future__ import annotations

import click

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.ids import for_each
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import (
    FILLED,
    SECONDS,
    agent_option,
    ids_argument,
    reason_option,
    tag_option,
    token_option,
)
from dreamos_tasks.interfaces.cli.task_view import claim_line, progress_words, task_document
from dreamos_tasks.interfaces.cli.text import harmless, harmless_block
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.task import Progress, Task


@verb(
    "next",
    examples=(
        "dt next --agent ada",
        "dt next --agent ada --tag core --wait 30 --json",
        "DREAMOS_TASKS_AGENT=ada dt next --capability gpu",
    ),
)
@agent_option
@tag_option("Only tasks with this tag. Several: with all of them.")
@option("--capability", "-c", "capabilities", metavar="NAME", type=FILLED, multiple=True, help="What you can do.")
@option("--wait", "wait_seconds", metavar="SECONDS", type=SECONDS, help="Wait for one so long. [default: do not]")
def next_(
    call: Call, agent: str | None, tags: tuple[str, ...], capabilities: tuple[str, ...], wait_seconds: float | None
) -> None:
    """Claim the next ready task, by priority, due instant and age, and show it.

    You hold it until you complete, fail or release it, or your lease runs out: send heartbeats. Exits 5 when nothing is ready.
    """
    request = ClaimRequest(agent_id=call.agent(agent, verb="next"), tags=tags, capabilities=capabilities)

    def look() -> Task | None:
        return call.nexus.get_next_task(request.agent_id, tags=tags, capabilities=capabilities)

    if wait_seconds is None:
        task = look()
    else:
        from dreamos_tasks.interfaces.cli.waiting import wait_until

        task = wait_until(call, look, timeout_seconds=wait_seconds)
    if task is None:
        from dreamos_tasks.board.idle import nothing_ready

        raise nothing_ready(call.nexus, request)
    show_claimed(call, task)


@verb("claim", examples=("dt claim dt-7k2m --agent ada", "dt claim 7k --agent ada --json"))
@ids_argument
@agent_option
def claim(call: Call, ids: tuple[str, ...], agent: str | None) -> None:
    """Claim a task by its id. Claiming what you hold is a success, with the same token.

    Exits 4 when another agent holds it, and says who and until when.
    """
    agent_id = call.agent(agent, verb="claim")
    for_each(
        call,
        ids,
        lambda task_id: call.nexus.claim_task(task_id, agent_id),
        say=lambda task: f"{task.task_id}  {claim_line(task, call.nexus.clock.now())}",
    )


@verb("heartbeat", examples=("dt heartbeat dt-7k2m --agent ada", "dt hb dt-7k2m --agent ada --token 3"))
@ids_argument
@agent_option
@token_option
def heartbeat(call: Call, ids: tuple[str, ...], agent: str | None, token: int | None) -> None:
    """Say that you are still at it: your lease begins anew."""
    agent_id = call.agent(agent, verb="heartbeat") if token is None else call.agent_or_none(agent)
    for_each(
        call,
        ids,
        lambda task_id: call.nexus.heartbeat(task_id, agent_id, token=token),
        say=lambda task: f"{task.task_id}  {claim_line(task, call.nexus.clock.now())}",
    )


@verb("progress", examples=('dt progress dt-7k2m --agent ada --percent 40 --note "tests written"',))
@ids_argument
@agent_option
@token_option
@option("--percent", metavar="0-100", type=click.FloatRange(0, 100), help="How much is done.")
@option("--note", metavar="TEXT", default="", help="What was done, or what comes next.")
@option("--step", metavar="NAME", type=FILLED, help="Which part you are at.")
def progress(
    call: Call,
    ids: tuple[str, ...],
    agent: str | None,
    token: int | None,
    percent: float | None,
    note: str,
    step: str | None,
) -> None:
    """Say how far you are. Whoever looks at the task sees it."""
    agent_id = call.agent(agent, verb="progress") if token is None else call.agent_or_none(agent)
    if percent is None and not note and step is None:
        raise UsageError("nothing is said of the progress", fix="--percent 40, --note TEXT, or --step NAME")
    noted = Progress(percent=percent, note=note, step=step)
    for_each(
        call,
        ids,
        lambda task_id: call.nexus.record_progress(task_id, noted, agent_id=agent_id, token=token),
        say=lambda task: f"{task.task_id}  {progress_words(task)}",
    )


@verb("release", examples=('dt release dt-7k2m --agent ada --reason "needs a GPU"',))
@ids_argument
@agent_option
@token_option
@reason_option
def release(call: Call, ids: tuple[str, ...], agent: str | None, token: int | None, reason: str) -> None:
    """Give a task back unfinished. It is open to others at once."""
    agent_id = call.agent(agent, verb="release") if token is None else call.agent_or_none(agent)
    for_each(
        call,
        ids,
        lambda task_id: call.nexus.release_task(task_id, agent_id, token=token, reason=reason),
        say=lambda task: f"{task.task_id}  released, {task.status.value} again",
    )


def show_claimed(call: Call, task: Task) -> None:
    """A task that was just claimed: all there is to know to begin with it."""
    if call.out.as_json:
        call.out.document(task_document(call.nexus, task))
        return
    out, agent_id = call.out, task.claim.agent_id if task.claim else ""
    out.line(out.painted(f"{task.task_id}  {harmless(task.title)}", "bold"))
    out.line(f"  {task.priority.value}, {claim_line(task, call.nexus.clock.now())}")
    if task.description and task.description != task.title:
        out.line("  " + harmless_block(task.description).replace("\n", "\n  "))
    for step in task.verify:
        out.line(f"  must pass before it is completed: {harmless(str(step.params.get('command', step.tool)))}")
    out.note(f"next: dt complete {task.task_id} --agent {agent_id} --result '{{...}}', or dt fail, dt release")
