"""Steps that fail and are tried again: real commands on a board in memory, where time passes only when it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.model.history import differing_fields
from dreamos_tasks.model.lifecycle import fold
from dreamos_tasks.model.plan import ErrorCategory, Step, StepResult
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.tools.orphans import become_subreaper
from tests.execution.workbench import Workbench
from tests.tools.listening import nobody_listening
from tests.tools.local_server import serving, text

# Fails as often as the file `left` has lines, each the exit code of one run.
COUNTED = 'code=$(head -n 1 left); [ -z "$code" ] || { sed -i 1d left; exit "$code"; }'


class RetryBench(Workbench):
    """A workbench whose time goes on to when the next attempt may be made."""

    async def attempt(self) -> Task:
        """The next attempt at the task, as soon as it may be made."""
        task = self.task
        if task.not_before is not None and task.not_before > self.clock.now():
            assert self.nexus.get_next_task("daemon", runs_plans=True) is None, "a waiting retry is offered to nobody"
            self.clock.advance((task.not_before - self.clock.now()).total_seconds())
        return await super().attempt()

    def leave(self, *codes: int) -> None:
        """How the next runs of `COUNTED` end."""
        (self.folder / "left").write_text("".join(f"{code}\n" for code in codes))

    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().split() if path.exists() else []

    def assert_replayed(self) -> None:
        """The events tell the task as it is."""
        told: Task | None = None
        for event in self.nexus.store.events_after(0, task_id="a"):
            told = fold(told, event)
        assert told is not None
        assert differing_fields(told, self.nexus.get_task_by_id("a")) == ()


@pytest.fixture
def bench(tmp_path: Path) -> RetryBench:
    become_subreaper()
    return RetryBench(tmp_path)


def said(name: str, command: str, **more: Any) -> Step:
    """A step that writes its name into the journal, and then does this."""
    return Step(name=name, params={"command": f"echo {name} >> journal; {command}"}, **more)


def record(task: Task, name: str) -> StepResult:
    return next(record for record in task.steps if record.name == name)


async def test_a_retry_is_a_row_with_an_instant_and_goes_on_at_the_step_that_failed(bench: RetryBench) -> None:
    bench.add(said("a", "true"), said("b", f"{COUNTED}", retry={"max_attempts": 4, "factor": 3}), said("c", "true"))
    bench.leave(69, 69)
    task = await bench.attempt()
    assert (task.status, task.claim) == (Status.PENDING, None)
    assert task.not_before is not None
    assert (task.not_before - bench.clock.now()).total_seconds() == 10
    assert record(task, "b").failures == (ErrorCategory.TRANSIENT,)
    task = await bench.attempt()
    assert task.not_before is not None
    assert (task.not_before - bench.clock.now()).total_seconds() == 30
    task = await bench.attempt()
    assert (task.status, task.failures) == (Status.COMPLETED, 0)
    assert bench.journal() == ["a", "b", "b", "b", "c"]
    assert (record(task, "b").attempt, len(record(task, "b").failures)) == (3, 2)
    bench.assert_replayed()


async def test_each_step_has_its_own_attempts(bench: RetryBench) -> None:
    twice = {"max_attempts": 2}
    once_each = "[ -e {0} ] || {{ touch {0}; exit 69; }}"
    bench.add(*(said(name, once_each.format(f"seen-{name}"), retry=twice) for name in ("a", "b", "c")))
    for failing in ("a", "b", "c"):
        task = await bench.attempt()
        assert (task.status, task.error and task.error.step, task.failures) == (Status.PENDING, failing, 0)
    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.journal() == ["a", "a", "b", "b", "c", "c"]
    bench.assert_replayed()


async def test_a_wrong_command_is_not_tried_again(bench: RetryBench) -> None:
    bench.add(said("a", "no-such-program", retry={"max_attempts": 9}))
    task = await bench.attempt()
    assert (task.status, task.error and task.error.category) == (Status.FAILED, ErrorCategory.CONFIGURATION)
    assert bench.journal() == ["a"]


async def test_what_a_command_prints_decides_whether_it_is_tried_again(bench: RetryBench) -> None:
    bench.add(said("a", "echo 'curl: (6) Could not resolve host: x' >&2; exit 6"))
    task = await bench.attempt()
    assert (task.status, task.failures) == (Status.PENDING, 1)
    assert task.error is not None
    assert task.error.category is ErrorCategory.TRANSIENT
    assert "Could not resolve host" in task.error.cause
    assert "name server" in task.error.suggestions[0]


async def test_exit_75_is_put_off_and_costs_no_attempt(bench: RetryBench) -> None:
    bench.add(said("a", COUNTED, retry={"max_attempts": 1}))
    bench.leave(75, 75)
    for deferrals in (1, 2):
        task = await bench.attempt()
        assert (task.status, task.deferrals, record(task, "a").failures) == (Status.PENDING, deferrals, ())
    assert (await bench.attempt()).status is Status.COMPLETED
    bench.assert_replayed()


async def test_credentials_are_renewed_once_before_a_step_is_tried_again(bench: RetryBench) -> None:
    refresh = "echo refresh >> journal; touch key"
    bench.add(said("a", "true"), said("b", "[ -e key ] || exit 77", retry={"refresh": refresh}))
    task = await bench.attempt()
    assert (task.status, task.error and task.error.category) == (Status.PENDING, ErrorCategory.PERMISSION)
    task = await bench.attempt()
    assert task.status is Status.COMPLETED
    assert bench.journal() == ["a", "b", "refresh", "b"]
    bench.assert_replayed()


async def test_credentials_that_do_not_help_are_renewed_no_second_time(bench: RetryBench) -> None:
    bench.add(said("b", "exit 77", retry={"refresh": "echo refresh >> journal"}))
    await bench.attempt()
    task = await bench.attempt()
    assert (task.status, bench.journal()) == (Status.FAILED, ["b", "refresh", "b"])


async def test_credentials_that_cannot_be_renewed_fail_the_step_without_running_it(bench: RetryBench) -> None:
    bench.add(said("b", "exit 77", retry={"refresh": "echo refresh >> journal; exit 3"}))
    await bench.attempt()
    task = await bench.attempt()
    assert (task.status, bench.journal()) == (Status.FAILED, ["b", "refresh"])
    assert task.error is not None
    assert task.error.message == "step 'b': its credentials could not be renewed: exit code 3"


async def test_without_a_way_to_renew_them_nobody_tries_again_what_is_not_allowed(bench: RetryBench) -> None:
    bench.add(said("b", "exit 77", retry={"max_attempts": 9}))
    assert (await bench.attempt()).status is Status.FAILED


async def test_a_step_that_ran_out_of_resources_is_told_to_use_less(bench: RetryBench) -> None:
    command = 'echo "$DREAMOS_TASKS_REDUCE" >> journal; [ "$DREAMOS_TASKS_REDUCE" = 2 ] || kill -KILL $$'
    bench.add(Step(name="a", params={"command": command}))
    for _ in range(2):
        assert (await bench.attempt()).status is Status.PENDING
    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.journal() == ["0", "1", "2"]


async def test_a_step_that_is_not_critical_is_tried_again_if_it_says_so_and_then_done_without(
    bench: RetryBench,
) -> None:
    bench.add(
        said("fetch", "exit 69", critical=False, retry={"max_attempts": 2}),
        said("note", "exit 69", critical=False),
        said("build", "true"),
    )
    task = await bench.attempt()
    assert (task.status, bench.journal()) == (Status.PENDING, ["fetch"])
    task = await bench.attempt()
    assert (task.status, task.failures) == (Status.COMPLETED, 0)
    assert bench.journal() == ["fetch", "fetch", "note", "build"]


async def test_a_fresh_start_gives_a_step_all_its_attempts_again(bench: RetryBench) -> None:
    bench.add(said("a", "true"), said("b", COUNTED, retry={"max_attempts": 2}))
    bench.leave(69, 69, 69)
    assert (await bench.attempt()).status is Status.PENDING
    assert (await bench.attempt()).status is Status.FAILED
    bench.nexus.retry_task("a", by="cli")
    assert (await bench.attempt()).status is Status.PENDING
    task = await bench.attempt()
    assert task.status is Status.COMPLETED
    assert bench.journal() == ["a", "b", "b", "b", "b"]
    bench.assert_replayed()


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_says_when_to_come_back_is_not_called_before(bench: RetryBench, status: int) -> None:
    with serving({"/": text("busy", status=status, retry_after="120")}) as server:
        bench.add(Step(name="fetch", tool="http", params={"url": server.url()}, retry={"max_attempts": 1}))
        for deferrals in (1, 2, 3):
            task = await bench.attempt()
            assert (task.status, task.deferrals, task.failures) == (Status.PENDING, deferrals, 0)
            assert task.not_before is not None
            assert (task.not_before - bench.clock.now()).total_seconds() == 120
        server.answers["/"] = text("here it is")
        assert (await bench.attempt()).status is Status.COMPLETED
    assert len(server.seen) == 4
    bench.assert_replayed()


async def test_a_server_in_trouble_is_called_three_times_and_then_left_alone(bench: RetryBench) -> None:
    with serving({"/": text("sorry", status=500)}) as server:
        bench.add(Step(name="fetch", tool="http", params={"url": server.url()}))
        assert [(await bench.attempt()).status for _ in range(3)] == [Status.PENDING, Status.PENDING, Status.FAILED]
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (401, ErrorCategory.PERMISSION),
        (404, ErrorCategory.CONFIGURATION),
        (409, ErrorCategory.LOGIC),
        (422, ErrorCategory.CONFIGURATION),
    ],
)
async def test_what_another_call_cannot_mend_is_called_once(
    bench: RetryBench, status: int, category: ErrorCategory
) -> None:
    with serving({"/": text("no", status=status)}) as server:
        bench.add(Step(name="fetch", tool="http", params={"url": server.url()}))
        task = await bench.attempt()
    assert (task.status, task.error and task.error.category) == (Status.FAILED, category)
    assert task.error is not None
    assert task.error.suggestions
    assert len(server.seen) == 1


async def test_a_server_that_is_not_there_may_be_there_later(bench: RetryBench) -> None:
    with nobody_listening() as port:
        bench.add(Step(name="fetch", tool="http", params={"url": f"http://127.0.0.1:{port}/"}))
        task = await bench.attempt()
    assert (task.status, task.error and task.error.category) == (Status.PENDING, ErrorCategory.TRANSIENT)
    assert task.error is not None
    assert task.error.cause == "nothing listens at that address"
