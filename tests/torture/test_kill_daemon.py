"""Fault 2: the daemon is killed at random, again and again, while its tasks run and agents work beside it."""

from __future__ import annotations

import random
from itertools import count

import pytest

from dreamos_tasks.app.identity import is_alive
from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.rig import Rig, on_each_file
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

LONGEST_LIFE_SECONDS = 0.6  # of a daemon that is ready: long enough for several steps, short enough to hit each part
LONGEST_RECOVERY_SECONDS = 60.0  # on a busy machine; the leases of a dead daemon would run for ten times as long
# What steps leave behind: a child, and one that has left its session and its parent.
LEAVES_CHILDREN = "(setsid sleep 60 & sleep 60 &); sleep 0.05"


@on_each_file
def test_a_daemon_killed_at_random_loses_nothing_and_runs_nothing_twice(
    rig: Rig, rng: random.Random, long_run: bool
) -> None:
    kills = 200 if long_run else 6
    agents = [rig.start_agent(f"agent-{number}") for number in range(8 if long_run else 4)]
    names = count(len(agents))
    for _ in range(10):
        _add_some(rig, rng)
    slowest = 0.0
    for _ in range(kills):
        _add_some(rig, rng)
        daemon = rig.start_daemon()
        slowest = max(slowest, _seconds_until_nothing_is_held_by_the_dead(rig))
        daemon.live(rng.uniform(0.0, LONGEST_LIFE_SECONDS))  # chance decides where in its work it is hit
        daemon.kill()
        if rng.random() < 0.3:
            victim = agents.pop(rng.randrange(len(agents)))
            victim.kill()
            agents.append(rig.start_agent(f"agent-{next(names)}"))

    daemon = rig.start_daemon()
    rig.wait_for_all(timeout_seconds=120)
    for agent in agents:
        assert agent.stdin is not None
        agent.stdin.close()
        assert agent.wait(timeout=30) == 0
    assert daemon.stop() == 0

    states = {task.status for task in rig.nexus.get_all_tasks()}
    assert states == {Status.COMPLETED}
    assert slowest < LONGEST_RECOVERY_SECONDS
    rig.assert_sound()


def _add_some(rig: Rig, rng: random.Random) -> None:
    """A task of several steps for the daemon, and some for agents."""
    rig.add_journalled("planned", steps=rng.randint(2, 5), then=rng.choice(("sleep 0.1", "true", LEAVES_CHILDREN)))
    for _ in range(3):
        rig.add(TaskDraft(title="plain"))


def _seconds_until_nothing_is_held_by_the_dead(rig: Rig) -> float:
    """How long after the new daemon was ready a dead one still seemed to work."""
    begun = rig.nexus.clock.now()

    def dead() -> list[str]:
        held = rig.nexus.get_all_tasks(status="in_progress")
        return [t.task_id for t in held if t.claim and t.claim.process and not is_alive(t.claim.process)]

    until(lambda: not dead(), what=dead)
    return (rig.nexus.clock.now() - begun).total_seconds()
