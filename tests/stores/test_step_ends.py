"""The ends of steps, and the histories of tasks that are over, are found and shortened alike by every kind of store."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.board.forecast import Forecast
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.metrics import metrics_of
from dreamos_tasks.model.outcome import Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepResult, StepStatus, TaskError, steps_from_run
from dreamos_tasks.model.pruning import shortened
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores.replay import replay_problems
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.fakes import FakeClock, at

BROKEN = TaskError(category=ErrorCategory.LOGIC, message="no")


def run(nexus: TaskNexus, clock: FakeClock, task_id: str, *, seconds: float = 2.0, fails: bool = False) -> None:
    """A task whose steps `build` (shell) and `fetch` (http) are run, each so long."""
    steps = (Step(name="build", params={"command": "make"}), Step(name="fetch", tool="http"))
    nexus.add_task(TaskDraft(task_id=task_id, title=task_id, plan=Plan(steps=steps)))
    clock.advance(1)
    claim = nexus.claim_task(task_id, "daemon").claim
    assert claim is not None
    for step in steps:
        begun: dict[str, Any] = {"name": step.name, "token": claim.token, "started_at": clock.now()}
        nexus.record_step(task_id, StepResult(**begun, status=StepStatus.RUNNING), token=claim.token)
        begun["finished_at"] = clock.advance(seconds)
        end = {"status": StepStatus.FAILED, "error": BROKEN} if fails else {"status": StepStatus.COMPLETED}
        nexus.record_step(task_id, StepResult(**begun, **end), token=claim.token)
    nexus.settle(task_id, Succeeded(), token=claim.token)


def told(events: Any) -> list[tuple[str, str]]:
    return [(event.task_id, event.detail["step"]) for event in events]


def test_the_newest_end_comes_first(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "a")
    run(nexus, clock, "b", fails=True)
    ends = nexus.store.step_ends()
    assert told(ends) == [("b", "fetch"), ("b", "build"), ("a", "fetch"), ("a", "build")]
    assert [event.type for event in ends] == [EventType.STEP_FAILED] * 2 + [EventType.STEP_COMPLETED] * 2
    assert told(nexus.store.step_ends(limit=1)) == [("b", "fetch")]


def test_ends_are_found_by_tool_by_name_and_since_when(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "a")
    between = clock.advance(1)
    run(nexus, clock, "b")
    find = nexus.store.step_ends
    assert told(find(tool="shell")) == [("b", "build"), ("a", "build")]
    assert told(find(step="fetch")) == [("b", "fetch"), ("a", "fetch")]
    assert told(find(tool="shell", step="fetch")) == []
    assert told(find(tool="http", step="fetch", limit=1)) == [("b", "fetch")]
    assert told(find(since=between)) == [("b", "fetch"), ("b", "build")]
    assert told(find(tool="shell", since=between)) == [("b", "build")]
    assert told(find(since=clock.advance(1))) == []


def test_an_end_tells_how_long_it_took_and_how_long_its_task_had_waited(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "a", seconds=3.5)
    (end,) = nexus.store.step_ends(tool="http")
    assert end.detail == {"tool": "http", "step": "fetch", "seconds": 3.5, "waited_seconds": 1.0}
    assert end.changes == {}


def test_what_was_expected_at_the_start_is_kept_with_the_end(nexus: TaskNexus, clock: FakeClock) -> None:
    for number in range(12):
        run(nexus, clock, f"t{number}", seconds=10 + number)
    run(nexus, clock, "quick", seconds=1)
    (end,) = nexus.store.step_ends(tool="http", limit=1)
    assert end.detail["finished_early"] is True
    expected = end.detail["estimate"]
    assert expected["samples"] >= 10
    assert 10 <= expected["low_seconds"] < expected["likely_seconds"] < expected["high_seconds"] <= 21
    (start,) = [
        event
        for event in nexus.events(task_id="quick")
        if event.type is EventType.STEP_STARTED and event.detail["step"] == "fetch"
    ]
    assert start.detail["estimate"] == expected


def test_another_process_expects_what_the_board_tells(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "a", seconds=4)
    run(nexus, clock, "b", seconds=4, fails=True)
    other = TaskNexus(nexus.store, clock)
    assert other.past_steps.samples_of("shell", "build") == (4.0,)
    assert other.past_steps.range_of("shell", "never seen") is None


def test_the_past_of_commands_without_a_name_is_told_apart_by_their_first_words(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    for number, (command, seconds) in enumerate([("make test", 60.0), ("make  deploy --now", 2.0)] * 3):
        task = nexus.add_task(TaskDraft(task_id=f"t{number}", title="x", plan=Plan(steps=steps_from_run(command))))
        claim = nexus.claim_task(task.task_id, "daemon").claim
        assert claim is not None
        begun: dict[str, Any] = {"name": "run", "token": claim.token, "started_at": clock.now()}
        nexus.record_step(task.task_id, StepResult(**begun, status=StepStatus.RUNNING), token=claim.token)
        end = StepResult(**begun, finished_at=clock.advance(seconds), status=StepStatus.COMPLETED)
        nexus.record_step(task.task_id, end, token=claim.token)
        nexus.settle(task.task_id, Succeeded(), token=claim.token)

    other = TaskNexus(nexus.store, clock)  # as another process sees it
    forecast = Forecast(other, now=clock.now(), places=1)
    (quick,), (slow,), (unknown,) = map(steps_from_run, ("make deploy --now or never", "make test", "make install"))
    assert forecast.expected(slow).likely_seconds == pytest.approx(60)
    assert forecast.expected(quick).likely_seconds == pytest.approx(2)
    assert forecast.expected(unknown).samples == 0
    rows = {row.step: row.runs for row in metrics_of(nexus.store.step_ends())}
    assert rows == {None: 6, "run: make test": 3, "run: make deploy --now": 3}


def prune(nexus: TaskNexus, task_id: str) -> int:
    task, events = nexus.fetch(task_id), nexus.events(task_id=task_id)
    with nexus.store.transaction():
        return nexus.store.shorten_history(shortened(task, events[0], events[-1], removed=len(events) - 2))


def everything(nexus: TaskNexus) -> list[Event]:
    return list(nexus.events(limit=10_000))


def test_a_shortened_history_folds_to_the_same_task(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "a")
    run(nexus, clock, "b", fails=True)
    before, last_seq = nexus.fetch("a"), nexus.store.last_seq()
    removed = prune(nexus, "a")
    kept = nexus.events(task_id="a")
    assert [event.type for event in kept] == [EventType.TASK_ADDED, EventType.HISTORY_PRUNED]
    assert removed == kept[-1].detail["removed"] == 5
    assert nexus.fetch("a") == before
    assert nexus.store.last_seq() == last_seq
    assert replay_problems([nexus.fetch("a"), nexus.fetch("b")], everything(nexus)) == ()
    assert nexus.store.integrity_problems() in ([], ())


def test_the_newest_task_of_the_board_keeps_the_newest_seq(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "a")
    last_seq = nexus.store.last_seq()
    prune(nexus, "a")
    assert nexus.store.last_seq() == last_seq
    run(nexus, clock, "b")
    assert nexus.events(after=last_seq)[0].seq == last_seq + 1


def test_a_pruned_task_goes_on_and_can_be_pruned_again(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "a")
    prune(nexus, "a")
    nexus.add_task(TaskDraft(task_id="b", title="b", depends_on=("a",)))
    assert nexus.waiting_for(nexus.fetch("b")) in ([], ())
    nexus.cancel_task("b", by="ada")
    nexus.retry_task("b", by="ada")
    nexus.cancel_task("b", by="ada")
    assert prune(nexus, "b") == 2
    nexus.retry_task("b", by="ada")
    nexus.cancel_task("b", by="ada")
    assert prune(nexus, "b") == 2
    assert nexus.events(task_id="b")[-1].detail["removed"] == 2
    assert replay_problems([nexus.fetch("a"), nexus.fetch("b")], everything(nexus)) == ()
    assert [change.after for change in nexus.status_history("b")] == ["pending", "cancelled"]


def test_a_shortening_that_breaks_off_has_not_happened(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "a")
    before = everything(nexus)
    task, events = nexus.fetch("a"), nexus.events(task_id="a")
    with suppress(InterruptedError), nexus.store.transaction():
        nexus.store.shorten_history(shortened(task, events[0], events[-1], removed=5))
        raise InterruptedError
    assert everything(nexus) == before


def test_only_what_is_over_for_long_enough_is_found_page_by_page(nexus: TaskNexus, clock: FakeClock) -> None:
    run(nexus, clock, "old")
    run(nexus, clock, "pruned")
    prune(nexus, "pruned")
    nexus.add_task(TaskDraft(task_id="open", title="x"))
    run(nexus, clock, "old-too")
    before = clock.advance(100)
    run(nexus, clock, "young")
    page = nexus.store.long_histories(ended_before=before)
    assert (page.task_ids, page.last) == (("old", "old-too"), None)
    page = nexus.store.long_histories(ended_before=before, limit=2)
    assert (page.task_ids, page.last) == (("old",), "pruned")
    page = nexus.store.long_histories(ended_before=before, after="pruned", limit=2)
    assert (page.task_ids, page.last) == (("old-too",), "old-too")
    assert nexus.store.long_histories(ended_before=at(0)).task_ids == ()


def test_asking_for_a_tool_and_a_step_uses_the_index(tmp_path: Path) -> None:
    from dreamos_tasks.stores.sqlite_log import BY_INDEX, BY_STEP, BY_TOOL, STEP_ENDS

    store = SqliteStore.create(tmp_path / "nexus.db")
    sql = STEP_ENDS.format(how="", conditions=BY_INDEX.format(conditions=BY_TOOL + BY_STEP))
    bindings = {"tool": "shell", "step": "build", "limit": 1}
    plan = store._session.rows(f"EXPLAIN QUERY PLAN {sql}", bindings)
    store.close()
    words = " / ".join(str(row[-1]) for row in plan)
    assert "USING INDEX event_step_end (<expr>=? AND <expr>=?)" in words
    assert "SCAN" not in words
