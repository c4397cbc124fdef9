"""Fault 25, and limits that are shared: a host that fails is left alone by all, and no limit is exceeded by many processes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.app.race.appended import whole_lines
from dreamos_tasks.board.gate_view import GateView
from dreamos_tasks.model.breaker import Position
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.rate import WINDOW
from dreamos_tasks.model.task import TaskDraft
from tests.tools.local_server import LocalServer, serving
from tests.torture.rig import COMMAND, PROJECT, Daemon, Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

PROCESSES = 8
OPEN_SECONDS = 4.0
CALL_SECONDS = 100.0  # that a slow host lets a call wait, and the caller lets the host


@dataclass
class Host:
    """What a host answers: it is out of order, it lets a call wait, or it is well."""

    state: str = "broken"
    go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One call."""
        state = self.state
        if state == "slow":
            self.go_on.wait(CALL_SECONDS)
        handler.send_response(503 if state == "broken" else 200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


def test_a_host_on_which_all_fail_is_left_alone_and_tried_by_one_also_after_a_restart(
    make_rig: Callable[..., Rig], long_run: bool
) -> None:
    """Fault 25."""
    rig = make_rig(
        tools={
            "http": {
                "breaker": {"failures": 5, "window_seconds": 60, "open_seconds": OPEN_SECONDS},
                "options": {"idle_seconds": CALL_SECONDS},
            }
        },
        retry={"max_attempts": 50},
    )
    host = Host()
    with serving({"/": host.answer}) as server:
        tasks = [call(rig, server) for _ in range(1000 if long_run else 60)]
        daemon = rig.start_daemon()
        until(lambda: breaker_of(rig, server).breaker is Position.OPEN, what="the breaker opens")
        until(
            lambda: breaker_of(rig, server).waiting == len(tasks),
            what=lambda: rig.dt("status").out,
            timeout_seconds=120,
        )
        until(lambda: not daemon.report()["running"], what="who waits holds no place")
        assert f"breaker  http 127.0.0.1:{server.port}: " in rig.dt("status").out

        until(lambda: killed_between_two_calls(rig, daemon), what="killed between two calls")
        host.state = "slow"
        before = len(server.seen)
        kept = breaker_of(rig, server)
        assert kept.breaker is not Position.CLOSED, "it is on the board"
        daemon = rig.start_daemon()
        until(lambda: len(server.seen) > before, what="a probe")
        assert kept.open_until is not None
        started = [event.at for event in rig.nexus.events(limit=100_000) if event.type == "step_started"]
        assert max(started) >= kept.open_until
        call(rig, server)
        until(lambda: breaker_of(rig, server).waiting == len(tasks), what="all others are put off")
        until(lambda: has_come_in_vain(rig), what="another that was put off has come again")
        assert len(server.seen) == before + 1, "exactly one probe"

        host.state = "well"
        host.go_on.set()
        rig.wait_for_all(timeout_seconds=240)
        daemon.stop()
    assert rig.nexus.stats()["status"]["completed"] == len(tasks) + 1
    assert rig.nexus.gates() == []
    rig.assert_sound()


@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_many_processes_never_exceed_a_limit_of_two(make_rig: Callable[..., Rig], store: str, long_run: bool) -> None:
    rig = make_rig(board={"store": store})
    most = 400 if store == "sqlite" else 60  # each writing of a JSON board writes all of it
    ids = [plan(rig) for _ in range(most if long_run else 24)]
    with users(rig, {"key": "call", "most": 2}, work_seconds=0.15) as journal:
        until(lambda: all_completed(rig, ids), timeout_seconds=120, what=lambda: rig.nexus.stats()["status"])
    notes = read(journal)
    assert sorted(note["task"] for note in notes if note["word"] == "in") == sorted(ids)
    inside = list(accumulate(1 if note["word"] == "in" else -1 for note in notes))
    assert max(inside) <= 2
    assert rig.nexus.gates() == []


def test_who_is_killed_inside_gives_its_place_back(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    ids = [plan(rig) for _ in range(6)]
    gate = {"key": "call", "most": 1}
    with users(rig, gate, names=("doomed",), work_seconds=3600, lease_seconds=5.0) as journal:
        until(lambda: read(journal), what="it is in")
        assert rig.nexus.gates()[0].in_use == (read(journal)[0]["task"],)
    with users(rig, gate, names=("ada", "ben")):
        until(lambda: all_completed(rig, ids), what=lambda: rig.nexus.stats()["status"])


def test_a_daemon_that_is_killed_again_and_again_leaves_no_place_taken(
    make_rig: Callable[..., Rig], rng: random.Random, long_run: bool
) -> None:
    rig = make_rig(
        tools={"shell": {"max_concurrent": 2, "rate_per_minute": 100_000}},
        claims={"lease_seconds": 60},  # a lease that runs out on a busy machine frees its key before any event says so
    )
    for _ in range(200 if long_run else 30):
        rig.add_journalled("x", steps=2, then="sleep 0.05", concurrency_key=f"k{rng.randrange(5)}")
    for _ in range(20 if long_run else 4):
        daemon = rig.start_daemon()
        daemon.live(rng.uniform(0.2, 1.0))
        daemon.kill()
    daemon = rig.start_daemon()
    rig.wait_for_all(timeout_seconds=180)
    daemon.stop()
    assert rig.nexus.stats()["status"] == {"completed": 200 if long_run else 30}
    assert [gate.in_use for gate in rig.nexus.gates()] == [()]
    assert at_once_of_each_key(rig) == 1
    rig.assert_sound()


def test_many_processes_together_keep_to_one_rate(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    ids = [plan(rig) for _ in range(30)]
    with users(rig, {"key": "call", "per_minute": 20}) as journal:
        until(lambda: rig.nexus.gates() and rig.nexus.gates()[0].waiting == 10, what=lambda: rig.nexus.gates())
        until(lambda: len(read(journal)) >= 20, what=lambda: read(journal))  # what has begun is noted a moment later
    begun = {note["task"] for note in read(journal) if note["word"] == "in"}
    assert len(begun) == 20
    waiting = [rig.task(task_id) for task_id in ids if task_id not in begun]
    starts = sorted(event.at for event in rig.nexus.events(limit=10_000) if event.type == "step_started")
    instants = sorted(task.not_before for task in waiting if task.not_before is not None)
    assert [later - earlier for earlier, later in zip(starts, instants, strict=False)] == [WINDOW] * 10


def killed_between_two_calls(rig: Rig, daemon: Daemon) -> bool:
    """Kill it at a moment at which none of its calls is under way. False when there is one, and it lives on."""
    with daemon.frozen():
        if rig.nexus.get_all_tasks(status="in_progress"):
            return False
        daemon.kill()
    return True


def call(rig: Rig, server: LocalServer) -> str:
    step = Step(name="call", tool="http", params={"url": server.url("/")})
    return rig.add(TaskDraft(title="call", plan=Plan(steps=(step,))))


def plan(rig: Rig) -> str:
    return rig.add(TaskDraft(title="call", plan=Plan(steps=(Step(name="call"),))))


def breaker_of(rig: Rig, server: LocalServer) -> GateView:
    key = f"http 127.0.0.1:{server.port}"
    return next((gate for gate in rig.nexus.gates() if gate.key == key), GateView(key=key))


def has_come_in_vain(rig: Rig) -> bool:
    """Whether a task was put off because somebody else tries whether the host is back."""
    return any(
        task.gate_wait is not None and "is trying whether it is back" in task.gate_wait.reason
        for task in rig.nexus.get_all_tasks(status="pending")
    )


def at_once_of_each_key(rig: Rig) -> int:
    """How many tasks of one key were claimed at the same time, at most."""
    keys = {task.task_id: task.concurrency_key for task in rig.nexus.get_all_tasks()}
    held: dict[str | None, set[str]] = {}
    most = 0
    for event in rig.nexus.events(limit=100_000):
        holders = held.setdefault(keys[event.task_id], set())
        if event.type == "task_claimed":
            holders.add(event.task_id)
            most = max(most, len(holders))
        elif "status" in event.changes:
            holders.discard(event.task_id)
    return most


def all_completed(rig: Rig, ids: Sequence[str]) -> bool:
    return rig.nexus.stats()["status"].get("completed") == len(ids)


def read(journal: Path) -> list[Mapping[str, Any]]:
    """What was noted, in the order in which it happened."""
    return sorted(map(json.loads, whole_lines(journal)), key=lambda note: int(note["at"]))


@contextmanager
def users(
    rig: Rig,
    gate: Mapping[str, Any],
    *,
    names: Sequence[str] = tuple(f"user-{number}" for number in range(PROCESSES)),
    work_seconds: float = 0.01,
    lease_seconds: float = 120.0,
) -> Iterator[Path]:
    """Processes that run steps behind the gate, until the block ends: then they are killed. Gives their journal."""
    journal = rig.home.path / f"{names[0]}.notes"
    started = [
        rig.start(
            [
                *(sys.executable, "-m", "tests.torture.gate_user", str(rig.board), name, str(journal)),
                *(json.dumps(gate), str(work_seconds), str(lease_seconds)),
            ],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
        )
        for name in names
    ]
    try:
        yield journal
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_many_processes_never_work_on_more_tasks_of_a_key_than_the_settings_say(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(claims={"concurrency_keys": {"deploy": 3}, "lease_seconds": 60})
    rig.nexus.add_tasks([TaskDraft(title="x", concurrency_key="deploy") for _ in range(12)])
    for turn in range(2):
        agents = [
            rig.start(
                [*COMMAND, "--home", str(rig.home.path), "next", "--agent", f"a{turn}-{number}", "--json"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for number in range(8)
        ]
        taken = [json.loads(out)["task_id"] for agent in agents if (out := agent.communicate()[0])]
        assert sorted(agent.returncode for agent in agents) == [0] * 3 + [5] * 5
        assert len(set(taken)) == 3
        for task_id in taken:
            rig.nexus.mark_task_completed(task_id, token=rig.task(task_id).last_token)
