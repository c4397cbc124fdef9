"""A loop beside everything else: started once, stopped for good, and never failing unheard."""

from __future__ import annotations

import asyncio

import pytest

from dreamos_tasks.background import Background
from tests.waiting import until


class Counting:
    """Counts its rounds, and notes when it is cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.rounds = 0
        self.cancelled = 0

    async def work(self) -> None:
        self.begun += 1
        try:
            while True:
                self.rounds += 1
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def test_it_goes_on_until_it_is_stopped() -> None:
    counting = Counting()
    background = Background(counting.work, name="counting")
    background.start()
    background.start()
    await until(lambda: counting.rounds > 3)

    await background.stop()
    await background.stop()

    assert (counting.begun, counting.cancelled) == (1, 1)


async def test_one_that_never_began_can_be_stopped_and_a_stopped_one_begins_anew() -> None:
    counting = Counting()
    background = Background(counting.work, name="counting")
    await background.stop()
    for _ in range(2):
        background.start()
        await until(lambda: counting.begun > counting.cancelled)
        await background.stop()
    assert (counting.begun, counting.cancelled) == (2, 2)


async def test_what_it_failed_with_is_told_to_whoever_stops_it() -> None:
    begun = asyncio.Event()

    async def failing() -> None:
        begun.set()
        raise ArithmeticError

    background = Background(failing, name="failing")
    background.start()
    await begun.wait()
    await asyncio.sleep(0)
    with pytest.raises(ArithmeticError):
        await background.stop()
    await background.stop()
