"""Idle: why there is nothing for an agent to claim, as far as the board can say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dreamos_tasks.errors import NothingReady
from dreamos_tasks.model.lifecycle import offered_in_turn, refusals
from dreamos_tasks.model.query import ClaimRequest, Order, TaskQuery

if TYPE_CHECKING:
    from dreamos_tasks.board.nexus import TaskNexus

SHOWN_REFUSALS = 3
MOST_COUNTED = 100


def nothing_ready(nexus: TaskNexus, request: ClaimRequest) -> NothingReady:
    """What to tell an agent whose claim found nothing: which tasks are ready and not for it, or that none is."""
    hindrance = nexus.hindrance_of(request.agent_id)
    if hindrance is not None:
        return NothingReady(
            f"nothing for {request.agent_id} now: {hindrance.message}", cause=hindrance.cause, fix=hindrance.fix
        )
    request = nexus.completed(request)
    found = nexus.find_tasks(TaskQuery(statuses=frozenset({"ready"}), order=Order.QUEUE, limit=SHOWN_REFUSALS + 1))
    now = nexus.clock.now()
    reasons = []
    for task in found[:SHOWN_REFUSALS]:
        why = list(refusals(task, request, unfinished=(), now=now))
        if not why and not offered_in_turn(task, request):
            why = ["it has a plan, which the daemon runs (dt up)"]
        if why:
            reasons.append(f"{task.task_id}: {', '.join(why)}")
    if len(found) > SHOWN_REFUSALS:
        reasons.append("and so on (dt ready)")
    held_back = 0
    if not found:
        held_back = len(nexus.find_tasks(TaskQuery(statuses=frozenset({"blocked", "scheduled"}), limit=MOST_COUNTED)))
        tasks = "1 task" if held_back == 1 else f"{held_back} tasks"
        reasons.append(f"{tasks} blocked or scheduled, none ready" if held_back else "no task waits on this board")
    return NothingReady(
        f"nothing is ready for {request.agent_id}",
        cause="; ".join(reasons),
        fix="dt next --wait 60 waits for one" if found or held_back else 'dt add "..." puts one on the board',
    )
