"""LivePage: what the live view shows of a board at one instant: counts, who works, who is asked, what is next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dreamos_tasks.interfaces.cli.eta import MOST_ETAS, forecast_of, range_words
from dreamos_tasks.interfaces.cli.request_view import deciding_commands, what_is_asked
from dreamos_tasks.interfaces.cli.text import ago, count, duration, harmless
from dreamos_tasks.model.progress import current_steps
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Status, Task

if TYPE_CHECKING:
    from dreamos_tasks.board.forecast import Forecast
    from dreamos_tasks.interfaces.cli.call import Call

MOST_ROWS = 50  # of anything: more does not fit any screen
STATES = ("ready", *(status.value for status in Status))
ASKING = frozenset({Status.AWAITING_APPROVAL.value, Status.IN_PROGRESS.value, Status.PAUSED.value})


@dataclass(frozen=True, kw_only=True)
class Work:
    """A task that somebody works on."""

    task_id: str
    title: str
    agent_id: str
    step: str
    percent: float | None
    left: str
    since: str


@dataclass(frozen=True, kw_only=True)
class LivePage:
    """One instant of the board. All text in it is harmless."""

    now: datetime
    board: str
    daemon: str
    counts: Mapping[str, int]
    work: Sequence[Work]
    asks: Sequence[tuple[str, str, str]]  # the request, what it asks, how it is decided
    queue: Sequence[tuple[str, str, str]]  # task, priority, title
    agents: Sequence[tuple[str, str, str]]  # who, what it holds, when it was last heard of


def page_of(call: Call, *, daemon: str) -> LivePage:
    """The board as it is now."""
    nexus = call.nexus
    now = nexus.clock.now()
    held = nexus.find_tasks(TaskQuery(statuses=frozenset({"in_progress"}), limit=MOST_ROWS))
    ready = nexus.find_tasks(TaskQuery(statuses=frozenset({"ready"}), order=Order.QUEUE, limit=MOST_ROWS))
    asking = nexus.find_tasks(TaskQuery(statuses=ASKING, limit=MOST_ROWS * 4))
    return LivePage(
        now=now,
        board=str(call.home.board(call.settings.board)),
        daemon=daemon,
        counts=nexus.stats()["status"],
        work=_work(call, held, now),
        asks=list(_asks(asking, now))[:MOST_ROWS],
        queue=[(task.task_id, task.priority.value, harmless(task.title)) for task in ready],
        agents=list(_agents(held, now)),
    )


def count_words(counts: Mapping[str, int]) -> str:
    """`3 in progress, 12 pending`; what there is none of is left out."""
    words = [f"{number} {word.replace('_', ' ')}" for word, number in counts.items() if number]
    return ", ".join(words) or "no tasks yet"


def _work(call: Call, held: Sequence[Task], now: datetime) -> list[Work]:
    forecast: Forecast | None = None
    rows = []
    for number, task in enumerate(held):
        percent, left = _reported(task), ""
        if task.plan is not None and number < MOST_ETAS:
            forecast = forecast or forecast_of(call, is_quick=True)
            eta = forecast.eta(task)
            if eta is not None:
                percent = eta.percent if percent is None else percent
                remaining = eta.remaining
                left = f"{range_words(remaining)} left" if remaining is not None and remaining.samples else ""
        claim = task.claim
        assert claim is not None, "it is in progress"
        rows.append(
            Work(
                task_id=task.task_id,
                title=harmless(task.title),
                agent_id=harmless(claim.agent_id),
                step=harmless(_step(task)),
                percent=percent,
                left=left,
                since=duration((now - claim.claimed_at).total_seconds()),
            )
        )
    return rows


def _reported(task: Task) -> float | None:
    return task.progress.percent if task.progress is not None else None


def _step(task: Task) -> str:
    running = list(current_steps(task))
    if running:
        return ", ".join(running)
    return task.progress.note or task.progress.step or "" if task.progress is not None else ""


def _asks(tasks: Iterable[Task], now: datetime) -> Iterable[tuple[str, str, str]]:
    for task in tasks:
        for request in task.requests:
            if request.is_open and not request.has_lapsed(now):
                first_line = harmless((request.text.splitlines() or [""])[0])
                asked = f"{what_is_asked(request)}: {first_line}" if first_line else what_is_asked(request)
                yield request.request_id, asked, deciding_commands(request)


def _agents(held: Iterable[Task], now: datetime) -> Iterable[tuple[str, str, str]]:
    holding: dict[str, list[Task]] = {}
    for task in held:
        if task.claim is not None:
            holding.setdefault(task.claim.agent_id, []).append(task)
    for agent_id, tasks in sorted(holding.items()):
        heard = max(task.claim.heartbeat_at for task in tasks if task.claim is not None)
        ids = ", ".join(task.task_id for task in tasks[:3]) + (", ..." if len(tasks) > 3 else "")
        yield harmless(agent_id), f"{count(len(tasks), 'task')}: {ids}", ago(heard, now)
