"""Taking the steps of a task back: by their tools, by their plan's own calls, whatever ends the work midway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.errors import CannotUndo
from dreamos_tasks.execution.rollback import StepUndoer
from dreamos_tasks.execution.undo_lock import LOCK_NAME, open_lock
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.history import differing_fields
from dreamos_tasks.model.lifecycle import fold
from dreamos_tasks.model.plan import Step, StepStatus
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.undone import RollbackCause
from tests.execution.workbench import Workbench, shell
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("subreaper")
ROLLBACK = {"rollback": True}


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.fixture
def undoer(bench: Workbench) -> StepUndoer:
    return StepUndoer(bench, bench.steps)


def write(path: str, content: str = "new", *, name: str | None = None, **more: Any) -> Step:
    return Step(name=name or path, tool="files", params={"action": "write", "path": path, "content": content}, **more)


def own(command: str) -> Mapping[str, Any]:
    return {"tool": "shell", "params": {"command": command}}


def told(bench: Workbench, *types: EventType) -> list[Mapping[str, Any]]:
    return [event.detail for event in bench.nexus.events(task_id="a") if event.type in types]


def replayed(bench: Workbench) -> tuple[str, ...]:
    task: Task | None = None
    for event in bench.nexus.events(task_id="a"):
        task = fold(task, event)
    assert task is not None
    return differing_fields(task, bench.nexus.fetch("a"))


async def test_a_task_that_fails_for_good_is_settled_first_and_then_its_changes_are_taken_back(
    bench: Workbench, undoer: StepUndoer
) -> None:
    (bench.folder / "old").write_text("as it was")
    bench.add(write("old"), write("made/new"), shell("bad", "exit 3"), plan=ROLLBACK)

    failed = await bench.attempt()
    assert (failed.status, failed.rollback is not None and failed.rollback.cause) == (
        Status.FAILED,
        RollbackCause.FAILED,
    )
    assert (bench.folder / "old").read_text() == "new"
    task = await undoer.undo("a", by="daemon")

    assert (bench.folder / "old").read_text() == "as it was"
    assert not (bench.folder / "made").exists()
    assert task.status is Status.FAILED
    assert bench.statuses() == {"old": "pending", "made/new": "pending", "bad": "failed"}
    assert told(bench, EventType.STEP_UNDONE) == [
        {"step": "made/new", "reason": "made/new is as it was"},
        {"step": "old", "reason": "old is as it was"},
    ]
    assert told(bench, EventType.ROLLBACK_FINISHED) == [{"undone": ["old", "made/new"]}]
    assert replayed(bench) == ()


async def test_without_the_plans_word_nothing_is_taken_back(bench: Workbench) -> None:
    bench.add(write("old"), shell("bad", "exit 3"))

    assert (await bench.attempt()).rollback is None


async def test_while_a_retry_is_left_nothing_is_taken_back(bench: Workbench) -> None:
    bench.add(write("old"), shell("later", "exit 75"), plan=ROLLBACK)

    task = await bench.attempt()

    assert (task.status, task.rollback) == (Status.PENDING, None)


async def test_what_a_cancelled_task_has_done_is_taken_back(bench: Workbench, undoer: StepUndoer) -> None:
    bench.add(write("a.txt"), shell("later", "exit 75"), plan=ROLLBACK)
    await bench.attempt()

    bench.nexus.cancel_task("a", by="eve")
    assert [task.task_id for task in bench.due()] == ["a"]
    await undoer.undo("a", by="daemon")

    assert not (bench.folder / "a.txt").exists()
    assert bench.due() == []
    assert bench.task.status is Status.CANCELLED


async def test_a_plan_can_say_itself_how_a_step_is_undone_with_what_the_step_gave(
    bench: Workbench, undoer: StepUndoer
) -> None:
    undo = {"params": {"command": ["sh", "-c", 'echo "undo $0" >> log', "${steps.make.output.text}"]}}
    bench.add(shell("make", "echo made >> log; echo id-7", undo=undo), shell("bad", "exit 3"), plan=ROLLBACK)
    await bench.attempt()

    await undoer.undo("a", by="daemon")

    assert bench.log() == ["made", "undo id-7"]
    assert bench.statuses()["make"] == "pending"


async def test_an_undo_that_fails_is_said_and_holds_up_no_other(bench: Workbench, undoer: StepUndoer) -> None:
    bench.add(
        write("first"),
        shell("make", "true", undo=own("echo no way; exit 3")),
        write("theirs"),
        shell("plain", "true"),
        shell("bad", "exit 3"),
        plan=ROLLBACK,
    )
    await bench.attempt()
    (bench.folder / "theirs").write_text("changed since")

    await undoer.undo("a", by="daemon")

    assert (bench.folder / "theirs").read_text() == "changed since"
    assert not (bench.folder / "first").exists()
    (finished,) = told(bench, EventType.ROLLBACK_FINISHED)
    assert finished == {"undone": ["first"], "failed": ["make", "theirs"], "left": ["plain"]}
    reasons = {detail["step"]: detail["reason"] for detail in told(bench, EventType.STEP_UNDO_FAILED)}
    assert reasons == {
        "make": "exit code 3",
        "theirs": "theirs has been changed since, and is left as it is",
    }
    undone = {record.name: record.undone for record in bench.task.steps}
    assert undone["theirs"] is not None
    assert not undone["theirs"].ok


async def test_an_undo_call_that_can_destroy_something_is_a_persons_to_make(
    bench: Workbench, undoer: StepUndoer
) -> None:
    (bench.folder / "tree").mkdir()
    bench.add(shell("make", "true", undo=own("find tree -delete")), shell("bad", "exit 3"), plan=ROLLBACK)
    await bench.attempt()

    await undoer.undo("a", by="daemon")
    assert (bench.folder / "tree").exists()
    (detail,) = told(bench, EventType.STEP_UNDO_FAILED)
    assert detail["reason"].endswith("a person must say so: dt undo a --step make")

    assert list(undoer.dangers(bench.task, ("make",))) == ["make"]
    bench.clock.advance(60)
    await undoer.undo("a", by="eve", names=("make",), may_destroy=True)
    assert not (bench.folder / "tree").exists()
    assert bench.statuses()["make"] == "pending"


class Killed(BaseException):
    """What a process that is killed leaves: nothing after this is done."""


@pytest.mark.parametrize("at", range(6))
async def test_killed_anywhere_it_is_gone_on_with_and_nothing_is_lost(
    bench: Workbench, undoer: StepUndoer, at: int
) -> None:
    bench.add(write("one"), write("two"), write("three"), shell("bad", "exit 3"), plan=ROLLBACK)
    await bench.attempt()
    writes = 0

    class Mortal:
        """A desk that dies before its n-th write."""

        async def read(self, act: Callable[[Any], Any]) -> Any:
            return act(bench.nexus)

        async def write(self, act: Callable[[Any], Any]) -> Any:
            nonlocal writes
            writes += 1
            if writes == at + 1:
                raise Killed
            return act(bench.nexus)

    if at < 5:
        with pytest.raises(Killed):
            await StepUndoer(Mortal(), bench.steps).undo("a", by="daemon")
        assert [task.task_id for task in bench.due()] == ["a"]
    await undoer.undo("a", by="daemon")

    assert [path for path in ("one", "two", "three") if (bench.folder / path).exists()] == []
    assert bench.statuses() == {"one": "pending", "two": "pending", "three": "pending", "bad": "failed"}
    assert bench.due() == []
    assert len(told(bench, EventType.ROLLBACK_STARTED)) == 1
    assert replayed(bench) == ()


async def test_a_step_that_was_cut_off_in_the_middle_is_taken_back_by_what_its_tool_has_written_down(
    bench: Workbench, undoer: StepUndoer
) -> None:
    bench.add(write("one"), plan=ROLLBACK)
    task = bench.claim()
    await bench.executor.attempt(task)  # killed before its end could be recorded
    assert (bench.folder / "one").exists()
    bench.nexus.cancel_task("a", by="eve")
    assert bench.statuses() == {"one": "running"}

    await undoer.undo("a", by="daemon")

    assert not (bench.folder / "one").exists()
    assert bench.statuses() == {"one": "pending"}


async def test_a_task_that_is_tried_again_runs_what_was_undone_once_more(bench: Workbench, undoer: StepUndoer) -> None:
    bench.add(write("one"), shell("picky", "test -e gate"), plan=ROLLBACK)
    await bench.attempt()
    await undoer.undo("a", by="daemon")
    (bench.folder / "gate").touch()

    bench.nexus.retry_task("a", by="eve")
    task = await bench.attempt()

    assert (task.status, task.rollback) == (Status.COMPLETED, None)
    assert (bench.folder / "one").read_text() == "new"


async def test_nobody_tries_a_task_again_whose_changes_are_being_taken_back(bench: Workbench) -> None:
    bench.add(write("one"), shell("bad", "exit 3"), plan=ROLLBACK)
    await bench.attempt()
    bench.nexus.begin_undo("a", by="daemon")

    with pytest.raises(CannotUndo, match="being taken back"):
        bench.nexus.retry_task("a", by="eve")


async def test_a_task_that_is_tried_again_before_its_rollback_began_keeps_its_changes(bench: Workbench) -> None:
    bench.add(write("one"), shell("bad", "exit 3"), plan=ROLLBACK)
    await bench.attempt()

    bench.nexus.retry_task("a", by="eve")

    assert (bench.task.rollback, bench.due()) == (None, [])


async def test_only_one_process_takes_back_and_the_other_waits_for_it(bench: Workbench, undoer: StepUndoer) -> None:
    import fcntl
    import os

    bench.add(write("one"), shell("bad", "exit 3"), plan=ROLLBACK)
    await bench.attempt()
    handle = open_lock(bench.folder / "runs" / "a")
    fcntl.flock(handle, fcntl.LOCK_EX)

    other = asyncio.create_task(undoer.undo("a", by="daemon"))
    await asyncio.sleep(0)
    assert (bench.folder / "runs" / "a" / LOCK_NAME).exists()
    assert (bench.folder / "one").exists()
    os.close(handle)
    await other

    assert not (bench.folder / "one").exists()


async def test_nothing_is_taken_back_before_the_run_has_ended_what_it_started(
    bench: Workbench, undoer: StepUndoer
) -> None:
    bench.add(write("one"), shell("slow", "touch begun; until [ -e gate ]; do sleep 0.02; done"), plan=ROLLBACK)
    run = asyncio.create_task(bench.executor.attempt(bench.claim()))
    await until(lambda: (bench.folder / "begun").exists())
    bench.nexus.cancel_task("a", by="eve")

    undoing = asyncio.create_task(undoer.undo("a", by="eve"))
    await asyncio.sleep(0)
    assert (bench.folder / "one").exists()
    run.cancel()
    await asyncio.wait([run])
    await undoing

    assert not (bench.folder / "one").exists()


async def test_a_completed_step_is_undone_alone_and_the_task_stays_completed(
    bench: Workbench, undoer: StepUndoer
) -> None:
    bench.add(write("one"), write("two"))
    await bench.attempt()

    task = await undoer.undo("a", by="eve", names=("one",))

    assert [path for path in ("one", "two") if (bench.folder / path).exists()] == ["two"]
    assert (task.status, bench.statuses()) == (Status.COMPLETED, {"one": "pending", "two": "completed"})


async def test_an_undo_record_that_is_too_large_for_a_board_is_not_kept(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamos_tasks.execution.step_executor.UNDO_RECORD_CHARACTERS", 10)
    bench.add(write("one"))

    task = await bench.attempt()

    assert task.steps[0].status is StepStatus.COMPLETED
    assert task.steps[0].undo is None


async def test_waiting_for_the_lock_ends_when_it_is_given_back(bench: Workbench, undoer: StepUndoer) -> None:
    bench.add(write("one"), shell("bad", "exit 3"), plan=ROLLBACK)
    await bench.attempt()

    await asyncio.gather(undoer.undo("a", by="daemon"), undoer.undo("a", by="other"))
    await until(lambda: not bench.due())

    assert len(told(bench, EventType.STEP_UNDONE)) == 1
