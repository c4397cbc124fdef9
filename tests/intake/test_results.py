"""Results: how the tasks of a file ended, told when the last one has, across restarts too."""

from __future__ import annotations

from dreamos_tasks.model.task import Task
from tests.intake.dropping import Box
from tests.waiting import until


def named(box: Box, title: str) -> Task:
    return next(task for task in box.tasks() if task.title == title)


async def test_a_result_appears_when_the_last_task_is_final(watched: Box) -> None:
    watched.drop("a.json", [{"title": "one"}, {"title": "two"}])
    await until(watched.accepted)
    one = watched.finish(named(watched, "one"))
    watched.watcher.on_settled(one.task_id)
    await watched.watcher.finish()
    assert watched.results() == {}

    two = watched.nexus.cancel_task(named(watched, "two").task_id, by="ada")
    watched.watcher.on_settled(two.task_id)

    await until(watched.results)
    result = watched.results()["a.json.result.json"]
    assert result["status"] == "cancelled"
    assert [(task["task_id"], task["status"], task["result"]) for task in result["tasks"]] == [
        (one.task_id, "completed", {"n": 1}),
        (two.task_id, "cancelled", None),
    ]
    assert result["receipt"].endswith("/a.json.receipt.json")
    assert result["finished_at"] is not None
    await until(lambda: not list((watched.inbox / ".open").iterdir()))


async def test_a_word_that_was_missed_is_made_good_by_the_events(box: Box) -> None:
    box.watcher = box.new_watcher(rescan_seconds=0.01)
    await box.watcher.start()
    box.drop("a.json", {"title": "one"})
    await until(box.accepted)

    box.finish(box.tasks()[0])  # nobody tells the watcher

    await until(box.results)


async def test_what_ended_while_no_daemon_ran_is_told_by_the_next(box: Box) -> None:
    box.drop("a.json", {"title": "one"})
    box.drop("b.json", {"title": "two"})
    await box.watcher.scan_once()
    await box.restart()
    box.finish(named(box, "one"))

    await box.watcher.start()
    await until(box.results)
    box.watcher.on_settled(box.finish(named(box, "two")).task_id)
    await until(lambda: len(box.results()) == 2)

    assert sorted(box.results()) == ["a.json.result.json", "b.json.result.json"]


async def test_a_result_is_written_once_and_not_again_when_it_was_taken_away(box: Box) -> None:
    box.drop("a.json", {"title": "one"})
    await box.watcher.start()
    await until(box.accepted)
    box.watcher.on_settled(box.finish(box.tasks()[0]).task_id)
    await until(box.results)
    await box.restart()
    (box.outbox / "a.json.result.json").unlink()

    await box.watcher.start()
    box.drop("b.json", {"title": "two"})
    await until(lambda: len(box.accepted()) == 2)
    box.watcher.on_settled(box.finish(named(box, "two")).task_id)
    await until(box.results)

    assert list(box.results()) == ["b.json.result.json"]


async def test_the_newest_result_has_the_files_name_and_older_ones_are_kept(box: Box) -> None:
    for title in ("one", "two", "three"):
        box.drop("a.json", {"title": title})
        await box.watcher.scan_once()
        box.watcher.on_settled(box.finish(named(box, title)).task_id)
        await box.watcher.finish()

    assert {name: result["tasks"][0]["title"] for name, result in box.results().items()} == {
        "a-2.json.result.json": "one",
        "a-3.json.result.json": "two",
        "a.json.result.json": "three",
    }


async def test_a_duplicate_of_a_final_task_has_its_result_at_once(watched: Box) -> None:
    watched.drop("a.json", {"title": "one", "task_id": "dt-one"})
    await until(watched.accepted)
    watched.watcher.on_settled(watched.finish(watched.tasks()[0]).task_id)
    await until(watched.results)

    watched.drop("b.json", {"title": "one", "task_id": "dt-one"})

    await until(lambda: "b.json.result.json" in watched.results())
    assert watched.results()["b.json.result.json"]["tasks"][0]["result"] == {"n": 1}


async def test_a_task_that_was_retried_before_its_result_is_waited_for_again(box: Box) -> None:
    box.drop("a.json", {"title": "one"})
    await box.watcher.scan_once()
    task = box.nexus.cancel_task(box.tasks()[0].task_id, by="ada")
    box.watcher.on_settled(task.task_id)
    box.nexus.retry_task(task.task_id, by="ada")

    await box.watcher.finish()
    assert box.results() == {}
    box.watcher.on_settled(box.finish(task).task_id)
    await box.watcher.finish()

    assert box.results()["a.json.result.json"]["status"] == "completed"


async def test_a_receipt_that_was_taken_away_holds_up_no_other_result(box: Box) -> None:
    box.drop("a.json", {"title": "one"})
    box.drop("b.json", {"title": "two"})
    await box.watcher.scan_once()
    next((box.inbox / "accepted").glob("*/a.json.receipt.json")).unlink()

    for task in box.tasks():
        box.watcher.on_settled(box.finish(task).task_id)
    await box.watcher.finish()

    assert list(box.results()) == ["b.json.result.json"]
