"""Live messages: one an event, with its id, short, and with a type that the contract names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Change, Event, EventType
from dreamos_tasks.model.live_message import LONGEST_FIELD, LiveType, encoded, gap, heartbeat, live_message, live_type
from dreamos_tasks.model.outcome import Failed, RetryLater, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.request import Request, RequestKind
from dreamos_tasks.model.task import Progress, Task, TaskDraft
from tests.fakes import START, at
from tests.full_task import full_events, full_task

CONTRACT_TYPES = {
    "status_change",
    "step_start",
    "step_progress",
    "step_complete",
    "error",
    "approval_request",
    "completed",
    "cancelled",
    "queue_update",
    "heartbeat",
    "gap",
}
ERROR = TaskError(category=ErrorCategory.LOGIC, message="two tests are red")


def added(draft: TaskDraft | None = None) -> Change:
    return lifecycle.add(draft or TaskDraft(title="Fix the parser"), task_id="dt-1", now=START)


def claimed(task: Task | None = None) -> Change:
    request = ClaimRequest(agent_id="ada")
    return lifecycle.claim(task or added().task, request, unfinished=(), now=at(1), lease_seconds=900)


def recorded(result: StepResult) -> Change:
    return lifecycle.record_step(claimed().task, result, agent_id="ada", token=None, now=at(2))


def told(change: Change) -> dict[str, Any]:
    """The message of the change's last event."""
    return live_message(change.events[-1])


def test_the_types_are_those_of_the_contract() -> None:
    assert {type_.value for type_ in LiveType} == CONTRACT_TYPES


def test_a_message_has_the_seq_of_its_event_as_id_and_says_what_happened_to_which_task() -> None:
    event = Event(
        type=EventType.TASK_PAUSED, task_id="dt-1", at=START, by="eve", changes={"status": "paused"}, detail={}, seq=17
    )
    assert live_message(event) == {
        "id": 17,
        "type": "status_change",
        "timestamp": "2026-03-01T09:00:00.000000Z",
        "data": {
            "task_id": "dt-1",
            "event": "task_paused",
            "by": "eve",
            "changes": {"status": "paused"},
            "detail": {},
        },
    }


@pytest.mark.parametrize(
    ("change", "type_"),
    [
        (added(), "queue_update"),
        (claimed(), "status_change"),
        (recorded(StepResult(name="a", status=StepStatus.RUNNING)), "step_start"),
        (recorded(StepResult(name="a", status=StepStatus.COMPLETED)), "step_complete"),
        (recorded(StepResult(name="a", status=StepStatus.FAILED, error=ERROR)), "step_complete"),
        (recorded(StepResult(name="a", status=StepStatus.SKIPPED)), "step_complete"),
        (
            lifecycle.record_progress(claimed().task, Progress(percent=4.0), agent_id="ada", token=None, now=at(2)),
            "step_progress",
        ),
        (lifecycle.settle(claimed().task, Succeeded(), agent_id="ada", token=None, now=at(2)), "completed"),
        (lifecycle.settle(claimed().task, Failed(error=ERROR), agent_id="ada", token=None, now=at(2)), "error"),
        (lifecycle.settle(claimed().task, RetryLater(error=ERROR), agent_id="ada", token=None, now=at(2)), "error"),
        (lifecycle.cancel(added().task, by="eve", now=at(2)), "cancelled"),
        (lifecycle.release(claimed().task, agent_id="ada", token=None, now=at(2)), "status_change"),
        (lifecycle.edit(added().task, {"title": "other"}, by="eve", now=at(2)), "queue_update"),
        (lifecycle.stall(added().task, by="monitor", now=at(2), reason="long"), "status_change"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_happens_has_its_type(change: Change, type_: str) -> None:
    assert told(change)["type"] == type_


def test_a_new_task_is_told_with_what_was_asked_for_and_its_plan_is_left_to_be_asked_for() -> None:
    draft = TaskDraft(title="Build", priority="high", tags=("core",), plan=Plan(steps=(Step(name="run"),)))  # type: ignore[arg-type]
    data = told(added(draft))["data"]
    assert data["changes"]["title"] == "Build"
    assert data["changes"]["priority"] == "high"
    assert data["changes"]["tags"] == ["core"]
    assert data["left_out"] == ["plan"]


def test_of_the_steps_only_the_one_that_it_is_about_is_told_and_not_its_output() -> None:
    first = recorded(StepResult(name="first", status=StepStatus.COMPLETED, output_head="x" * 500))
    second = StepResult(
        name="second", status=StepStatus.FAILED, exit_code=2, error=ERROR, output_head="y" * 500, output_tail="z"
    )
    data = told(lifecycle.record_step(first.task, second, agent_id="ada", token=None, now=at(3)))["data"]
    assert data["step"]["name"] == "second"
    assert data["step"]["status"] == "failed"
    assert data["step"]["exit_code"] == 2
    assert data["step"]["error"]["message"] == "two tests are red"
    assert data["left_out"] == ["step.output_head", "step.output_tail"]
    assert "steps" not in data["changes"]


def test_a_request_is_told_when_it_is_asked_and_when_it_is_decided() -> None:
    request = Request(
        request_id="", kind=RequestKind.APPROVAL, asked_by="", asked_at=START, step="wipe", text="rm -r build"
    )
    asked = lifecycle.ask(claimed().task, request, agent_id="ada", token=None, now=at(2))
    data = told(asked)["data"]
    assert told(asked)["type"] == "approval_request"
    assert data["request"]["text"] == "rm -r build"
    assert "requests" not in data["changes"]
    decided = told(lifecycle.approve(asked.task, "dt-1.r1", by="eve", now=at(3)))
    assert decided["type"] == "approval_request"
    assert decided["data"]["request"]["state"] == "approved"


@pytest.mark.parametrize("value", ["x" * (LONGEST_FIELD + 1), {"files": ["a.py"] * LONGEST_FIELD}])
def test_what_is_long_is_left_out_and_named(value: Any) -> None:
    data = told(lifecycle.settle(claimed().task, Succeeded(result=value), agent_id="ada", token=None, now=at(2)))[
        "data"
    ]
    assert "result" not in data["changes"]
    assert data["left_out"] == ["result"]


def test_a_message_of_everything_that_a_task_can_hold_is_one_line_of_ascii() -> None:
    for event in full_events(full_task("dt-ü")):
        line = encoded(live_message(event))
        assert line.isascii()
        assert "\n" not in line
        assert json.loads(line)["data"]["task_id"] == "dt-ü"


def test_an_event_of_a_kind_that_is_not_in_the_table_is_told_by_whether_the_state_changed() -> None:
    plain = {EventType.TASK_ESCALATED, EventType.TASK_STALLED}
    for type_ in plain:
        quiet = Event(type=type_, task_id="dt-1", at=START, by="monitor")
        assert live_type(quiet) is LiveType.QUEUE_UPDATE
        assert live_type(Event(type=type_, task_id="dt-1", at=START, by="m", changes={"status": "stalled"})) is (
            LiveType.STATUS_CHANGE
        )


def test_a_heartbeat_and_a_gap_carry_the_id_from_which_to_go_on() -> None:
    assert heartbeat(9, START) == {
        "id": 9,
        "type": "heartbeat",
        "timestamp": "2026-03-01T09:00:00.000000Z",
        "data": {},
    }
    message = gap(40, START, after=9, reason="slow", snapshot={"status": {"pending": 2}})
    assert (message["id"], message["type"]) == (40, "gap")
    assert message["data"] == {"after": 9, "reason": "slow", "snapshot": {"status": {"pending": 2}}}
