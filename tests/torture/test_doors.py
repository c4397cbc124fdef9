"""Races as others fail them, by every interface: one winner of a claim, no add lost, each task done once; also mixed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from dreamos_tasks.app.race.contest import Contest
from tests.torture.rig import Rig

pytestmark = pytest.mark.torture

PROCESSES = 8
OF_ONE_DOOR = 4  # in the short run: each of the command and of MCP is an interpreter that starts, again and again
ROUNDS = 10
PATIENCE_SECONDS = 400.0  # for all of that on a machine that is busy besides
TASKS_EACH = 3  # a claim and a completion by the command is two processes
DOORS = {
    "python": ("python",),
    "cli": ("cli",),
    "mcp": ("mcp",),
    "http": ("http",),
    "all at once": ("mcp", "http", "cli", "python"),
}


@pytest.fixture(params=list(DOORS))
def contest(request: pytest.FixtureRequest, make_rig: Callable[..., Rig], long_run: bool) -> Iterator[Contest]:
    """So many processes at a board with a daemon."""
    rig = make_rig(claims={"lease_seconds": 60, "heartbeat_seconds": 10}, server={"enabled": True})
    rig.start_daemon()
    rig.http_address()
    contest = Contest(
        rig.board,
        processes=OF_ONE_DOOR if request.param in ("cli", "mcp") and not long_run else PROCESSES,
        rng=random.Random(1),
        doors=DOORS[request.param],
        home=rig.home.path,
        tasks_each=TASKS_EACH,
        patience_seconds=PATIENCE_SECONDS,
    )
    with closing(contest):
        yield contest


def test_races_have_one_winner_lose_nothing_and_do_each_task_once(contest: Contest) -> None:
    claims, adds = contest.claims(ROUNDS), contest.adds()
    work = contest.work(kill_seconds=0)
    once, audit = contest.audited()

    many = contest.processes
    assert claims.detail == f"{many} processes claimed one task: exactly one winner in 10 of 10 rounds"
    assert adds.detail == f"{many} x 5 tasks added at once: {5 * many} of {5 * many} kept"
    assert work.ok, work.detail
    assert once.ok, once.detail
    assert audit.ok, audit.detail
