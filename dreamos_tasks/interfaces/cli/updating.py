"""The verb that changes a task: update."""

from __future__ import annotations

from typing import Any

import click

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.draft_options import draft_options, fields_of
from dreamos_tasks.interfaces.cli.ids import for_each
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, OneOf, agent_option, ids_argument, token_option
from dreamos_tasks.interfaces.cli.settling import complete_task, result_from
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.task import Status, Task

# Words that agents were taught elsewhere.
OTHER_STATE_WORDS = {"open": "pending", "closed": "completed", "done": "completed", "started": "in_progress"}


@verb(
    "update",
    examples=(
        "dt update dt-7k2m --claim --agent ada",
        "dt update dt-7k2m --status completed --agent ada",
        "dt update dt-7k2m --priority critical --due +2h",
        'dt update dt-7k2m --assign ""',
    ),
)
@ids_argument
@option("--claim", "claims", is_flag=True, help="Claim it, as `dt claim` does.")
@option(
    "--status",
    "-s",
    type=OneOf("status", (*Status, *OTHER_STATE_WORDS), shown=Status),
    help="Bring it into this state.",
)
@option("--title", metavar="TEXT", type=FILLED, help="A new title.")
@draft_options(click.STRING)
@option("--result", metavar="JSON|@FILE", help="With --status completed or failed: what came of it.")
@agent_option
@token_option
def update(
    call: Call,
    ids: tuple[str, ...],
    claims: bool,
    status: str | None,
    title: str | None,
    result: str | None,
    agent: str | None,
    token: int | None,
    **asked: Any,
) -> None:
    """Change what tasks ask for, claim them, or bring them into a state by the verb that leads there.

    An empty value empties the field: --assign "" opens the task to every agent. Options marked + may be given several times.
    """
    if claims and status is not None:
        raise UsageError("--claim and --status say two different things", fix="leave one out")
    fields = {**fields_of(call, asked), **({"title": title} if title is not None else {})}
    if not (fields or claims or status):
        raise UsageError("there is nothing to change", fix="dt update --help lists what can be changed")
    state = "in_progress" if claims else OTHER_STATE_WORDS.get(status or "", status)
    agent_id = call.agent(agent, verb="update") if state == "in_progress" else call.agent_or_none(agent)
    value = result_from(call, result)

    def act(task_id: str) -> Task:
        task = call.nexus.get_task_by_id(task_id)
        if fields:
            task = call.nexus.edit_task(task.task_id, fields, by=call.actor(agent))
        if state == "in_progress":
            return call.nexus.claim_task(task.task_id, call.agent(agent, verb="update"))
        if state == "completed":
            return complete_task(call, task.task_id, agent_id, token=token, result=value)
        if state is not None:
            return call.nexus.update_task_status(task.task_id, state, value, agent_id=agent_id, token=token)
        return task

    for_each(call, ids, act, say=lambda task: f"{task.task_id}  {task.status.value}")
