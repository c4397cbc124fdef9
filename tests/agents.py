"""What agents do at a board in processes of their own, which the nursery forks; the result as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import DreamosError
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores.file_lock import FileLock
from tests.kinds import board_path, make_store, open_store
from tests.nursery import TIMEOUT_SECONDS, serve, start


def in_processes(deed: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What the deed gives for each of the arguments, each in a process of its own, all at once."""
    agents = [start(deed, given) for given in arguments]
    try:
        for agent in agents:
            agent.hear()
        for agent in agents:
            agent.say()
        return [json.loads(agent.hear()) for agent in agents]
    finally:
        for agent in agents:
            agent.end()


@contextmanager
def writing(kind: str, path: Path, number: int) -> Iterator[Callable[[], None]]:
    """Another process adds task after task meanwhile, until it is killed."""
    agent = start("add_many", (kind, str(path), number, 100_000))
    try:
        agent.hear()
        agent.say()
        yield agent.kill
    finally:
        agent.kill()
        agent.end()


@contextmanager
def racing(kind: str, path: Path, *, agents: int) -> Iterator[Callable[[], list[str | None]]]:
    """So many agents with the board open. Each call lets them all claim at once; gives what each of them got."""
    started = [start("claim_when_told", (kind, str(path), f"agent-{number}")) for number in range(agents)]

    def race() -> list[str | None]:
        for agent in started:
            agent.say()
        return [json.loads(agent.hear()) for agent in started]

    try:
        for agent in started:
            agent.hear()
            agent.say()
        yield race
    finally:
        for agent in started:
            agent.end()


@contextmanager
def lock_held_elsewhere(path: Path) -> Iterator[None]:
    """Another process holds the lock at the path meanwhile."""
    agent = start("hold", (str(path),))
    agent.hear()
    agent.say()
    try:
        assert agent.hear() == "held\n"
        yield
    finally:
        agent.end()


def _told() -> bool:
    """Wait for the word; False when there will be none."""
    return bool(sys.stdin.readline())


def _tell(result: Any) -> None:
    print(json.dumps(result), flush=True)  # noqa: T201


@contextmanager
def _board(kind: str, path: str) -> Iterator[TaskNexus]:
    with closing(open_store(kind, Path(path))) as store:
        yield TaskNexus(store, BoardClock(store))


def claim_until_empty(kind: str, path: str, agent_id: str) -> list[str]:
    """Claim and complete until nothing is left; the ids that this agent got."""
    got = []
    with _board(kind, path) as nexus:
        while (task := nexus.get_next_task(agent_id)) is not None:
            got.append(task.task_id)
            nexus.mark_task_completed(task.task_id, agent_id, token=task.last_token)
    return got


def claim_when_told(kind: str, path: str, agent_id: str) -> None:
    """Claim one task each time the word comes, and say which it was."""
    with _board(kind, path) as nexus:
        while _told():
            task = nexus.get_next_task(agent_id)
            _tell(task.task_id if task else None)


def add_many(kind: str, path: str, number: int, count: int) -> None:
    """Add so many tasks, each in a transaction of its own."""
    with _board(kind, path) as nexus:
        for index in range(count):
            nexus.add_task(TaskDraft(title=f"{number}-{index}", task_id=f"t{number}-{index}"))


def add_once(kind: str, path: str, number: int) -> str:
    """Add a task that others add too; the id that it has."""
    with _board(kind, path) as nexus:
        return nexus.add_task(TaskDraft(title=f"by {number}", dedupe_key="only once")).task_id


def make_and_add(kind: str, folder: str, number: int) -> None:
    """Make the board if nobody has yet, and add a task."""
    if kind != "json_array":
        make_store(kind, Path(folder)).close()
    with _board(kind, str(board_path(kind, Path(folder)))) as nexus:
        nexus.add_task(TaskDraft(title=f"by {number}"))


def open_as(kind: str, path: str, uid: int) -> str:
    """Open the board as another user; the code of the refusal."""
    os.setuid(uid)
    try:
        open_store(kind, Path(path)).close()
    except DreamosError as error:
        return error.code
    return "opened"


def hold(path: str) -> None:
    """Take the lock, say so, and keep it until told otherwise."""
    with FileLock(path, timeout_seconds=TIMEOUT_SECONDS):
        print("held", flush=True)  # noqa: T201
        _told()


DEEDS: dict[str, Callable[..., Any]] = {
    deed.__name__: deed
    for deed in (claim_until_empty, claim_when_told, add_many, add_once, make_and_add, open_as, hold)
}


def act(deed: str, arguments: Sequence[Any]) -> None:
    """What an agent does from its start to its end."""
    _tell("ready")
    _told()
    _tell(DEEDS[deed](*arguments))


if __name__ == "__main__":
    serve(act)
