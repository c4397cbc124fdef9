"""Documents: what is told of tasks as JSON, the same from the command line, HTTP and MCP. Reads the board, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import AmbiguousRequest, RequestNotFound
from dreamos_tasks.interfaces.cli.task_view import state_word, task_document
from dreamos_tasks.model.json_form import instant_to_text, to_json
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.request import Request, RequestKind, task_id_of
from dreamos_tasks.model.task import QUEUED, Status, Task

if TYPE_CHECKING:
    from dreamos_tasks.board.forecast import Forecast
    from dreamos_tasks.board.nexus import TaskNexus
    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings
    from dreamos_tasks.model.episode import Episode
    from dreamos_tasks.model.event import Event
    from dreamos_tasks.model.metrics import Calibration, StepMetrics

MOST_ENDS = 20_000  # the latest: so many are read in half a second
MAY_ASK = frozenset({"awaiting_approval", "in_progress", "paused"})


def page_document(nexus: TaskNexus, task: Task, settings: Settings) -> dict[str, Any]:
    """A task, with its ETA and the commands that can be said next."""
    from dreamos_tasks.interfaces.cli.task_page import next_commands

    document = task_document(nexus, task)
    commands = next_commands(task, waits=bool(document["waiting_for"]))
    return {**document, "eta": eta_document(nexus, task, settings), "next_commands": commands}


def episode_document(nexus: TaskNexus, episode: Episode, home: Home) -> dict[str, Any]:
    """An episode, with its tasks as they are now, and where its completion log lies once it is over."""
    from dreamos_tasks.app.episodes import log_of
    from dreamos_tasks.board.episodes import Episodes
    from dreamos_tasks.model.episode import EpisodeState, episode_to_form

    tasks = [task_document(nexus, task) for task in Episodes(nexus).tasks_of(episode)]
    log = str(log_of(episode, home)) if episode.state is not EpisodeState.RUNNING else None
    return {**episode_to_form(episode), "tasks": tasks, "completion_log": log}


def taken_back_document(
    nexus: TaskNexus, changes: Sequence[Event], tasks: Sequence[Task], episodes: Sequence[Episode], *, dry_run: bool
) -> dict[str, Any]:
    """What `dt undo` has taken back: the changes, and the tasks and episodes as they are since, or would be."""
    from dreamos_tasks.model.json_form import event_to_json

    return {
        "dry_run": dry_run,
        "changes": [event_to_json(event) for event in changes],
        "tasks": [task_document(nexus, task) for task in tasks],
        "episodes": [{"episode_id": episode.episode_id, "state": episode.state.value} for episode in episodes],
    }


def eta_document(nexus: TaskNexus, task: Task, settings: Settings) -> dict[str, Any] | None:
    """The block `eta`; None where nothing can be said: it has no plan, or it is over."""
    if task.plan is None:
        return None
    from dreamos_tasks.board.forecast import eta_form

    is_ready = task.status is Status.PENDING and not nexus.waiting_for(task)
    return eta_form(forecast(nexus, settings).eta(task, is_ready=is_ready))


def forecast(nexus: TaskNexus, settings: Settings, *, is_quick: bool = False) -> Forecast:
    """Looks ahead on this board, from now on. `is_quick`: at many tasks."""
    from dreamos_tasks.board.forecast import Forecast

    daemon = settings.daemon
    return Forecast(
        nexus,
        now=nexus.clock.now(),
        places=daemon.max_concurrent_tasks,
        most_steps=daemon.max_concurrent_steps,
        is_quick=is_quick,
    )


def why_document(nexus: TaskNexus, task: Task) -> dict[str, Any]:
    """What the task waits for, or how its place in the queue comes about."""
    from dreamos_tasks.interfaces.cli.queue_place import place_of

    is_queued = task.status in QUEUED
    reasons = list(nexus.waiting_for(task)) if is_queued else []
    place = place_of(nexus, task) if is_queued and not reasons else None
    blocked_by = [
        {"task_id": blocker.task_id, "title": blocker.title, "state": state_word(nexus, blocker)}
        for blocker in blockers_of(nexus, task)
    ]
    return {
        "task_id": task.task_id,
        "status": task.status.value,
        "state": state_word(nexus, task),
        "waiting_for": reasons,
        "blocked_by": blocked_by,
        "place": place.number if place else None,
        "queue_length": place.length if place else None,
        "lines": why_lines(nexus, task),
    }


def why_lines(nexus: TaskNexus, task: Task) -> list[str]:
    """The same for a person, line by line."""
    from dreamos_tasks.interfaces.cli.queue_place import place_of
    from dreamos_tasks.interfaces.cli.task_page import cancelled_words, next_commands, pause_words
    from dreamos_tasks.interfaces.cli.task_view import title_line

    if task.status not in QUEUED:
        pause = pause_words(task, nexus.clock.now())
        return [
            f"it is {task.status.value.replace('_', ' ')}{cancelled_words(nexus, task)}",
            *((f"pause: {pause}",) if pause else ()),
            *(f"next: {command}" for command in next_commands(task)[:1]),
        ]
    reasons = nexus.waiting_for(task)
    if not reasons:
        return list(place_of(nexus, task).lines)
    lines = [*reasons]
    for blocker in blockers_of(nexus, task):
        lines.append(f"  {title_line(blocker)}: {state_word(nexus, blocker)}")
        if blocker.status in QUEUED:
            lines.extend(f"    {reason}" for reason in nexus.waiting_for(blocker))
        elif blocker.status is not Status.IN_PROGRESS:  # it does not go on by itself
            lines.extend(f"    next: {command}" for command in next_commands(blocker)[:1])
    return lines


def blockers_of(nexus: TaskNexus, task: Task) -> list[Task]:
    """The unfinished tasks it depends on, as far as they are on the board."""
    found = (nexus.store.get(other) for other in nexus.store.unfinished_dependencies(task))
    return [blocker for blocker in found if blocker is not None]


def history_document(nexus: TaskNexus, task_id: str) -> dict[str, Any]:
    """The states of a task, one after another, and its attempts."""
    states, attempts = nexus.status_history(task_id), nexus.attempts(task_id)
    return {"task_id": task_id, "states": to_json(tuple(states)), "attempts": to_json(tuple(attempts))}


def requests_on(nexus: TaskNexus, *, decided_too: bool, newest: int | None = None) -> list[tuple[Task, Request]]:
    """What people are asked, the newest tasks first; `decided_too`: and what they were. Of the `newest` tasks, or all."""
    query = TaskQuery(statuses=frozenset() if decided_too else MAY_ASK, order=Order.NEWEST, limit=newest)
    found = [(task, request) for task in nexus.find_tasks(query) for request in task.requests]
    now = nexus.clock.now()
    return [one for one in found if decided_too or (one[1].is_open and not one[1].has_lapsed(now))]


def request_document(task: Task, request: Request) -> dict[str, Any]:
    """One of them."""
    form = {
        "request_id": request.request_id,
        "task_id": task.task_id,
        "title": task.title,
        "state": request.state.value,
    }
    return {**form, **to_json(request)}


def request_meant(nexus: TaskNexus, word: str, kind: RequestKind | None) -> tuple[Task, Request]:
    """The request that a word means: its own id, or the task that has one of this kind open.

    Raises TaskNotFound, RequestNotFound, AmbiguousRequest.
    """
    of_request = task_id_of(word)
    task = nexus.get_task_by_id(of_request if of_request is not None else word)
    if of_request is not None:
        number = word.rpartition(".r")[2]
        for request in task.requests:
            if request.request_id == f"{task.task_id}.r{number}":
                return task, request
        raise RequestNotFound(task.task_id, request_id=word)
    found = [request for request in task.requests if request.is_open and kind in (None, request.kind)]
    if not found:
        raise RequestNotFound(task.task_id, kind=kind.value if kind is not None else "request")
    if len(found) > 1:
        raise AmbiguousRequest(task.task_id, candidates=tuple(request.request_id for request in found))
    return task, found[0]


def step_ends(nexus: TaskNexus, since_seconds: float | None) -> Sequence[Event]:
    """How steps ended lately, newest first."""
    since = None if since_seconds is None else nexus.clock.now() - timedelta(seconds=since_seconds)
    return nexus.store.step_ends(since=since, limit=MOST_ENDS)


def tools_document(ends: Sequence[Event]) -> dict[str, Any]:
    """How steps went, by tool and name: how many, how well, how long, how long queued."""
    from dreamos_tasks.model.metrics import metrics_of

    return {"steps": len(ends), **_window(ends), "tools": _tools(metrics_of(ends))}


def estimates_document(ends: Sequence[Event]) -> dict[str, Any]:
    """How often steps took as long as was expected when they began."""
    from dreamos_tasks.model.metrics import calibration_of

    rows = calibration_of(ends)
    tools = {row.tool: _calibration(row) for row in rows[1:]}
    return {"steps": len(ends), **_window(ends), "all": _calibration(rows[0]), "tools": tools}


def inbox_files(found: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Dropped files, with what lies beside them."""
    for file in found:
        yield {"name": file.name, "path": str(file.path), "at": instant_to_text(file.at), "note": dict(file.note)}


def _window(ends: Sequence[Event]) -> dict[str, Any]:
    return {
        "first_at": instant_to_text(ends[-1].at) if ends else None,
        "last_at": instant_to_text(ends[0].at) if ends else None,
        "truncated": len(ends) == MOST_ENDS,
    }


def _tools(rows: Sequence[StepMetrics]) -> list[dict[str, Any]]:
    """Each tool with its steps."""
    tools: list[dict[str, Any]] = []
    for row in rows:
        form = {
            "runs": row.runs,
            "completed": row.completed,
            "failed": row.failed,
            "success_rate": round(row.success_rate, 4),
            "p50_seconds": row.p50_seconds,
            "p95_seconds": row.p95_seconds,
            "slowest_seconds": row.slowest_seconds,
            "slowest_task_id": row.slowest_task_id,
            "waited_p50_seconds": row.waited_p50_seconds,
            "waited_p95_seconds": row.waited_p95_seconds,
        }
        if row.step is None:
            tools.append({"tool": row.tool, **form, "steps": []})
        else:
            tools[-1]["steps"].append({"step": row.step, **form})
    return tools


def _calibration(row: Calibration) -> dict[str, Any]:
    return {
        "finished": row.finished,
        "inside": row.inside,
        "early": row.early,
        "late": row.late,
        "rough": row.rough,
        "share_inside": None if row.share_inside is None else round(row.share_inside, 4),
        "expected_share": 0.8,
    }
