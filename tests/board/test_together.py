"""Verbs together, in programs in which more than one thing goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import Refused
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores.memory import MemoryStore
from tests.fakes import FakeClock
from tests.waiting import PATIENCE_SECONDS


def titles(nexus: TaskNexus) -> list[str]:
    return [task.title for task in nexus.get_all_tasks()]


async def test_a_verb_of_another_coroutine_is_refused_and_not_drawn_in(nexus: TaskNexus) -> None:
    begun, tried = asyncio.Event(), asyncio.Event()

    async def group() -> None:
        with suppress(ZeroDivisionError), nexus.together():
            nexus.add_task(TaskDraft(title="taken back"))
            begun.set()
            await tried.wait()
            nexus.add_task(TaskDraft(title="taken back too"))
            raise ZeroDivisionError

    async def other() -> None:
        await begun.wait()
        with pytest.raises(Refused, match="another coroutine"):
            nexus.add_task(TaskDraft(title="of another coroutine"))
        with pytest.raises(Refused, match="another coroutine"), nexus.together():
            pytest.fail("it is not let in")
        tried.set()

    await asyncio.gather(group(), other())
    nexus.add_task(TaskDraft(title="afterwards"))

    assert titles(nexus) == ["afterwards"]


async def test_a_thread_sent_out_from_a_group_is_refused_and_does_not_wait_for_it(nexus: TaskNexus) -> None:
    with nexus.together():
        nexus.add_task(TaskDraft(title="of the group"))
        with pytest.raises(Refused, match="another coroutine"):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.to_thread(nexus.add_task, TaskDraft(title="of the thread"))

    assert titles(nexus) == ["of the group"]


async def test_any_number_of_threads_may_be_sent_out_with_one_nexus(nexus: TaskNexus) -> None:
    drafts = [TaskDraft(title=str(number)) for number in range(20)]

    await asyncio.gather(*(asyncio.to_thread(nexus.add_task, draft) for draft in drafts))

    assert sorted(titles(nexus)) == sorted(draft.title for draft in drafts)


def test_groups_of_two_boards_may_lie_in_one_another(nexus: TaskNexus, clock: FakeClock) -> None:
    other = TaskNexus(MemoryStore(), clock)

    with nexus.together():
        with other.together():
            nexus.add_task(TaskDraft(title="here"))
            other.add_task(TaskDraft(title="there"))
        nexus.add_task(TaskDraft(title="here again"))

    assert (titles(nexus), titles(other)) == (["here", "here again"], ["there"])
