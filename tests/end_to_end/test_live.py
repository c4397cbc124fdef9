"""Following a real daemon: killed, without it, and with the next one, nothing is missed and nothing is told twice."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from functools import partial
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from dreamos_tasks.app.daemon_lock import read_card
from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.model.live_message import live_message
from dreamos_tasks.model.task import TaskDraft
from tests.command import until
from tests.end_to_end.project import Project


def follow(project: Project, after: int) -> ClientConnection:
    """A connection to the daemon, by its port and the owner's token as its home has them."""
    base: str = until(lambda: address(project))
    return connect(
        f"{base.replace('http', 'ws', 1)}/api/v1/live?after={after}",
        origin=Origin(base),
        additional_headers={"Authorization": f"Bearer {(project.runtime / 'token').read_text().strip()}"},
        proxy=None,
    )


def address(project: Project) -> str | None:
    """Where the daemon is reached, once it has said so."""
    card = read_card(project.runtime / "daemon.json")
    return card.endpoints.get("http") if card is not None else None


def keep(connection: ClientConnection, seen: list[dict[str, Any]], *, count: int | None = None) -> None:
    """Take messages until there are so many, or the connection is gone."""
    try:
        while count is None or len(seen) < count:
            message = json.loads(connection.recv(timeout=60))
            assert message["type"] != "gap"
            if message["type"] != "heartbeat":
                seen.append(message)
    except ConnectionClosed:
        return


def has(seen: list[dict[str, Any]], count: int) -> bool:
    return len(seen) >= count


def test_a_daemon_that_is_killed_and_started_again_leaves_no_gap(project: Project) -> None:
    chance = random.Random(7)
    seen: list[dict[str, Any]] = []
    added = 0

    def write(count: int) -> None:
        nonlocal added
        with TaskNexus.open(project.runtime / "nexus.db") as nexus:
            for _ in range(count):
                nexus.add_task(TaskDraft(title=f"task {added}"))
                added += 1

    for _ in range(3):
        pid = project.up()
        with follow(project, seen[-1]["id"] if seen else 0) as connection:
            reading = threading.Thread(target=keep, args=(connection, seen))
            reading.start()
            writing = threading.Thread(target=write, args=(40,))
            writing.start()
            enough = added + chance.randrange(1, 40)
            until(partial(has, seen, enough))
            os.kill(pid, signal.SIGKILL)
            writing.join()
            reading.join()
        write(5)  # with no daemon there
    project.up()
    with follow(project, seen[-1]["id"]) as connection:
        keep(connection, seen, count=added)
    with TaskNexus.open(project.runtime / "nexus.db") as nexus:
        assert seen == [live_message(event) for event in nexus.events(limit=10_000)]


def test_a_task_that_the_daemon_runs_is_followed_step_by_step(project: Project) -> None:
    project.up()
    seen: list[dict[str, Any]] = []
    with follow(project, 0) as connection:
        task_id = project.dt("add", "two steps", "--run", "true", "--run", "false", "--json").form["task_id"]
        while not seen or seen[-1]["type"] != "error":
            keep(connection, seen, count=len(seen) + 1)
    assert {message["data"]["task_id"] for message in seen} == {task_id}
    assert [message["type"] for message in seen] == [
        "queue_update",
        "status_change",
        "step_start",
        "step_complete",
        "step_start",
        "step_complete",
        "error",
    ]
    assert [message["data"]["step"]["status"] for message in seen if message["type"] == "step_complete"] == [
        "completed",
        "failed",
    ]
