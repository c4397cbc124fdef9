"""Verbs that end an attempt: complete, fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import InvalidInput, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.ids import for_each, one_id
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import CATEGORY, FILLED, agent_option, ids_argument, tag_option, token_option
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.cli.text import ago, harmless
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.lifecycle import held
from dreamos_tasks.model.outcome import outcome_of_result
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.task import Task

if TYPE_CHECKING:
    from dreamos_tasks.model.plan import Evidence

LOOKS_LIKE_JSON = ("{", "[", '"')  # begun so, it was meant as JSON: a slip in it is an error and not a text


@verb(
    "complete",
    examples=(
        "dt complete dt-7k2m --agent ada --result '{\"files\": 3}'",
        "dt complete dt-7k2m --agent ada --token 3 --result @result.json",
        "dt complete dt-7k2m --agent ada --next --json",
    ),
)
@ids_argument
@agent_option
@token_option
@option("--result", metavar="JSON|@FILE", help="What came of it: JSON, or plain words; @- is stdin.")
@option("--next", "and_next", is_flag=True, help="And claim the next ready task, in the same commit.")
@tag_option("With --next: only tasks with this tag.")
def complete(
    call: Call,
    ids: tuple[str, ...],
    agent: str | None,
    token: int | None,
    result: str | None,
    and_next: bool,
    tags: tuple[str, ...],
) -> None:
    """Finish tasks you hold. What a task must pass to be completed (its `verify`) is run first; exits 4 when it does not pass.

    With --next --json the document is the completed task, and its `next` is the claimed one, or null.
    """
    agent_id = call.agent(agent, verb="complete") if token is None or and_next else call.agent_or_none(agent)
    value = result_from(call, result)
    if tags and not and_next:
        raise UsageError("--tag goes with --next", fix="add --next, or leave --tag out")
    if not and_next:
        for_each(
            call,
            ids,
            lambda task_id: complete_task(call, task_id, agent_id, token=token, result=value),
            say=_ended_line,
        )
        return
    assert agent_id is not None
    task_id = one_id(call, ids, because="--next")
    outcome = outcome_of_result(value, _evidence(call, task_id, agent_id, token=token))
    done, following = call.nexus.complete_and_claim_next(task_id, outcome, agent_id, token=token, tags=tags)
    if call.out.as_json:
        claimed = task_document(call.nexus, following) if following is not None else None
        call.out.document({**task_document(call.nexus, done), "next": claimed})
        return
    call.out.line(_ended_line(done))
    if following is not None:
        from dreamos_tasks.interfaces.cli.claiming import show_claimed  # all of its verbs come along

        show_claimed(call, following)
    else:
        call.out.note(f"nothing else is ready for {agent_id}")


@verb(
    "fail",
    examples=(
        'dt fail dt-7k2m --agent ada --error "the tests need a database"',
        'dt fail dt-7k2m --agent ada --error "connection reset" --category transient',
    ),
)
@ids_argument
@agent_option
@token_option
@option("--error", "-e", metavar="TEXT", type=FILLED, required=True, help="What went wrong.")
@option(
    "--category",
    type=CATEGORY,
    default="logic",
    show_default=True,
    help="transient, configuration, permission, resource or logic: says whether trying again can help.",
)
def fail(call: Call, ids: tuple[str, ...], agent: str | None, token: int | None, error: str, category: str) -> None:
    """Say that you could not do it. What may pass another time is tried again, after a while."""
    agent_id = call.agent(agent, verb="fail") if token is None else call.agent_or_none(agent)
    for_each(
        call,
        ids,
        lambda task_id: call.nexus.mark_task_failed(
            task_id, agent_id, error=error, category=ErrorCategory(category), token=token
        ),
        say=lambda task: _failed_line(call, task),
    )


def complete_task(call: Call, task_id: str, agent_id: str | None, *, token: int | None, result: Any) -> Task:
    """Complete a task; what it must pass is run first. Raises as TaskNexus.mark_task_completed."""
    evidence = _evidence(call, task_id, agent_id, token=token)
    return call.nexus.mark_task_completed(task_id, agent_id, result=result, token=token, evidence=evidence)


def result_from(call: Call, given: str | None) -> Any:
    """The value of `--result`. Raises InvalidInput for what was meant as JSON and is not."""
    if given is None:
        return None
    text = given
    if given.startswith("@"):
        from dreamos_tasks.interfaces.cli.given import text_given

        text = text_given(call, given, pointer="/result")
    try:
        return json.loads(text, parse_constant=_no_json_number)
    except ValueError as error:
        if text.lstrip().startswith(LOOKS_LIKE_JSON):
            raise InvalidInput(
                "the result is not JSON",
                pointer="/result",
                cause=str(error),
                fix="""--result '{"files": 3}', or plain words""",
            ) from error
        return text


def _no_json_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _evidence(call: Call, task_id: str, agent_id: str | None, *, token: int | None) -> Sequence[Evidence]:
    """What proves the task's verification green; nothing for a task without one. Raises VerificationFailed."""
    task = call.nexus.get_task_by_id(task_id)
    if not task.verify:
        return ()
    lease = held(task, "complete", agent_id=agent_id, token=token, now=call.nexus.clock.now())
    from loguru import logger

    from dreamos_tasks.app.verifying import verify_now

    logger.remove()  # what there is to say, the error says
    steps = ", ".join(step.name for step in task.verify)
    call.out.note(f"verifying {task.task_id}: {harmless(steps)}")
    return verify_now(call.nexus, task, token=lease.token, home=call.home, settings=call.settings)


def _ended_line(task: Task) -> str:
    return f"{task.task_id}  {task.status.value}"


def _failed_line(call: Call, task: Task) -> str:
    if task.is_final or task.not_before is None:
        return _ended_line(task)
    return f"{task.task_id}  {task.status.value}, tried again {ago(task.not_before, call.nexus.clock.now())}"
