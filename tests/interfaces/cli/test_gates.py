"""What dt status, dt why and dt show say of what steps and tasks share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dreamos_tasks import TaskNexus
from dreamos_tasks.model.breaker import BreakerRule
from dreamos_tasks.model.gate import Gate
from dreamos_tasks.model.outcome import Failed, Snoozed
from dreamos_tasks.model.plan import ErrorCategory, StepResult, StepStatus, TaskError

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt

GATES = {"call": (Gate(key="http example.com:80", most=1, breaker=BreakerRule(failures=1)),)}
REFUSED = TaskError(category=ErrorCategory.TRANSIENT, message="connection refused")


def open_board(dt: Dt) -> TaskNexus:
    return TaskNexus.open(dt.home / "runtime" / "nexus.db")


def start(nexus: TaskNexus, task_id: str) -> int:
    """Claim the task and start its step, or put it off; gives the token."""
    claim = nexus.claim_task(task_id, "daemon").claim
    assert claim is not None
    record = StepResult(name="call", status=StepStatus.RUNNING, token=claim.token)
    _, held_back = nexus.start_steps(task_id, (), token=claim.token, starting=(record,), gates=GATES)
    for refusal in held_back.values():
        outcome = Snoozed(reason=refusal.reason, until=refusal.until, gate_wait=refusal.wait_of("call"))
        nexus.settle(task_id, outcome, token=claim.token, gates=GATES)
    return claim.token


def test_status_says_what_is_in_use_and_what_is_left_alone_and_why_says_the_place(dt: Dt) -> None:
    plan = json.dumps({"title": "x", "plan": {"steps": [{"name": "call", "run": "true"}]}})
    first, second, third = (dt("add", "-", stdin=plan).out.split()[0] for _ in range(3))
    with open_board(dt) as nexus:
        assert dt("status", "--json").json["gates"] == []
        token = start(nexus, first)
        start(nexus, second)
        start(nexus, third)
        assert f"gate     http example.com:80: 1 of 1 in use ({first}), 2 wait" in dt("status").out
        assert "http example.com:80 is in use by 1 of 1 steps at once, place 2 in line" in dt("why", third).out
        assert "place 1 in line" in dt("show", second).out

        failed = StepResult(name="call", status=StepStatus.FAILED, token=token, error=REFUSED)
        nexus.settle(first, Failed(error=REFUSED), token=token, last_steps=(failed,), gates=GATES)
        said = dt("status").out
        assert "breaker  http example.com:80: open until " in said
        assert said.splitlines()[-1].endswith("1 waits, connection refused")  # the other was woken
        (gate,) = dt("status", "--json").json["gates"]
        assert (gate["key"], gate["breaker"], gate["reason"]) == ("http example.com:80", "open", "connection refused")


def test_a_task_whose_key_is_in_use_is_blocked_and_why_says_by_whom(dt: Dt) -> None:
    task = json.dumps({"title": "x", "concurrency_key": "deploy"})
    first, second = (dt("add", "-", stdin=task).out.split()[0] for _ in range(2))
    dt("claim", first, "--agent", "ada")
    assert f"key deploy is in use by {first}, place 1 in line" in dt("why", second).out
    assert [task["task_id"] for task in dt("list", "--status", "blocked", "--json").json] == [second]
    refused = dt("claim", second, "--agent", "ben", "--json")
    assert (refused.code, f"in use by {first}" in refused.error["cause"]) == (4, True)
    assert dt("next", "--agent", "ben").code == 5

    dt("complete", first, "--agent", "ada")
    assert dt("next", "--agent", "ben", "--json").json["task_id"] == second
