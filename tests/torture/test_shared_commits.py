"""What shares a commit stands or falls by itself: a verb that is refused, or fails midway, leaves nothing of itself behind."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.errors import BoardUnavailable, DreamosError
from dreamos_tasks.model.task import Task, TaskDraft
from tests.torture.rig import Rig

pytestmark = pytest.mark.torture

SMALL = TaskDraft(title="small")
LARGE = TaskDraft(title="large", description="x" * 400_000)


async def asked(rig: Rig, *acts: Any) -> list[Any]:
    """What each call gives, result or error, when all of them wait for the desk together."""
    import asyncio

    opened = []

    def opener() -> Any:
        from dreamos_tasks.app.nexus import TaskNexus

        opened.append(TaskNexus.open(rig.board))
        return opened[0]

    desk = BoardDesk(opener)
    await desk.start()
    try:
        return list(await asyncio.gather(*(desk.write(act) for act in acts), return_exceptions=True))
    finally:
        await desk.stop()


async def test_a_file_of_tasks_that_is_refused_midway_adds_none_of_them(rig: Rig) -> None:
    good, bad = TaskDraft(title="good"), TaskDraft(title="bad", depends_on=("dt-nowhere",))
    taken = rig.add(TaskDraft(title="taken", task_id="taken"))

    answers = await asked(
        rig,
        lambda nexus: nexus.add_task(SMALL),
        lambda nexus: nexus.add_tasks((good, bad)),
        lambda nexus: nexus.add_tasks((good, TaskDraft(title="again", task_id=taken))),
        lambda nexus: nexus.add_task(SMALL),
    )

    assert [isinstance(answer, DreamosError) for answer in answers] == [False, True, True, False]
    assert sorted(task.title for task in rig.nexus.get_all_tasks()) == ["small", "small", "taken"]
    rig.assert_sound(all_final=False)


@pytest.mark.parametrize("pages", [2, 8, 40])
async def test_a_verb_for_which_there_is_no_room_leaves_nothing_of_itself_and_spoils_no_other(
    rig: Rig, pages: int
) -> None:
    """SQLite's own limit stands in for the disk's end: it fails the statement in the same way (SQLITE_FULL)."""

    def limited(nexus: Any) -> None:
        connection: apsw.Connection = nexus.store._session.open()
        count = connection.pragma("page_count")
        connection.pragma("max_page_count", count + pages)

    answers = await asked(
        rig,
        limited,
        lambda nexus: nexus.add_task(SMALL),
        lambda nexus: nexus.add_tasks((SMALL, LARGE)),
        lambda nexus: nexus.add_task(SMALL),
    )

    told = [answer for answer in answers[1:] if isinstance(answer, Task)]
    assert isinstance(answers[2], BoardUnavailable), answers
    assert "full" in answers[2].message
    assert {task.task_id for task in rig.nexus.get_all_tasks()} == {task.task_id for task in told if task.title}
    rig.assert_sound(all_final=False)
