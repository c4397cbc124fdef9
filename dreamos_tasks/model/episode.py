"""Episode: work for several agents, written in advance: its assignments are tasks, and it is over when they are. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from dreamos_tasks.errors import IllegalTransition, InvalidInput, InvalidTask
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.json_form import instant_from_text, to_json
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.task import FINAL, Priority, Status, Task, TaskDraft, check_name
from dreamos_tasks.model.value import frozen_value

SHELF = "episode"  # where the board keeps episodes, by id
TAG = "episode"  # on every task of every episode; a second tag names the one
LONGEST_ID = 60
_UNFIT = re.compile(r"[^a-z0-9]+")


class EpisodeState(StrEnum):
    """Where an episode stands."""

    RUNNING = "running"
    COMPLETED = "completed"  # all of its tasks, and what its definition of done asks
    FAILED = "failed"  # all have ended, not all as they should
    STOPPED = "stopped"


@frozen_value
class Assignment:
    """What one agent is to do. `needs` are the ids of other assignments, or of tasks on the board."""

    agent_id: str
    task_id: str
    title: str
    description: str = ""
    needs: tuple[str, ...] = ()
    estimated_duration: str = ""
    validation_criteria: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()  # shell lines that must pass before it is completed
    run: tuple[str, ...] = ()  # shell lines: then the daemon does it, not the agent
    priority: Priority = Priority.MEDIUM
    extra: Mapping[str, Any] = field(default_factory=dict)


@frozen_value
class EpisodePlan:
    """What is written in advance. `checks` are the shell lines of the definition of done, `definition_of_done` its texts."""

    title: str
    theme: str = ""
    north_star: str = ""
    core_objectives: tuple[str, ...] = ()
    definition_of_done: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    assignments: tuple[Assignment, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)


@frozen_value
class Episode:
    """An episode as the board keeps it. `task_ids` are those of its assignments, then that of its definition of done."""

    episode_id: str
    plan: EpisodePlan
    task_ids: tuple[str, ...]
    state: EpisodeState = EpisodeState.RUNNING
    started_at: datetime
    started_by: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str = ""


def slug_of(title: str) -> str:
    """What a title becomes as part of an id: `episode-fix-the-bus`."""
    return _UNFIT.sub("-", title.lower()).strip("-")[:LONGEST_ID].strip("-") or "episode"


def check_plan(plan: EpisodePlan) -> None:
    """Hold the rules of a plan. Raises InvalidInput kinds."""
    if not plan.title.strip():
        raise InvalidInput("an episode needs a title", pointer="/title", fix="title: ...")
    if not plan.assignments:
        raise InvalidInput(
            "an episode needs assignments",
            pointer="/agent_assignments",
            fix="agent_assignments: {Agent-1: {task_id: a-1, title: ...}}",
        )
    seen: dict[str, str] = {}
    for assignment in plan.assignments:
        at = f"/agent_assignments/{assignment.agent_id}"
        check_name(assignment.agent_id, what="an agent's name", pointer=at)
        if assignment.task_id in seen:
            raise InvalidInput(
                f"{assignment.agent_id} and {seen[assignment.task_id]} have the same task_id {assignment.task_id!r}",
                pointer=f"{at}/task_id",
                fix="give one of them another",
            )
        seen[assignment.task_id] = assignment.agent_id


def drafts_of(plan: EpisodePlan, *, episode_id: str, by: str) -> Sequence[TaskDraft]:
    """The tasks of an episode: one an assignment; and one for its definition of done, which comes after all of them.

    Raises InvalidTask.
    """
    tags = (TAG, episode_id)
    drafts = []
    for assignment in plan.assignments:
        try:
            drafts.append(_draft_of(assignment, plan, tags=tags, by=by))
        except InvalidTask as error:
            raise at_assignment(error, assignment, plan) from error
    if plan.definition_of_done or plan.checks:
        drafts.append(_closing_draft(plan, episode_id=episode_id, tags=tags, by=by))
    return drafts


def at_assignment(error: InvalidTask, assignment: Assignment, plan: EpisodePlan) -> InvalidTask:
    """What is wrong with the task of an assignment, said of the assignment and in the words of its file."""
    own = [other for other in plan.assignments if other.agent_id == assignment.agent_id]
    place = f"/{own.index(assignment)}" if len(own) > 1 else ""
    pointer = f"/agent_assignments/{assignment.agent_id}{place}{error.pointer}"
    return InvalidTask(
        f"{assignment.task_id} of {assignment.agent_id}: {error.message}",
        pointer=pointer.replace("/depends_on", "/dependencies"),
        cause=error.cause,
        fix="give it another" if error.pointer == "/task_id" else error.fix.replace("depends_on", "dependencies"),
    )


def begun(plan: EpisodePlan, tasks: Sequence[Task], *, episode_id: str, by: str, now: datetime) -> Episode:
    """The episode whose tasks are on the board."""
    return Episode(
        episode_id=episode_id, plan=plan, task_ids=tuple(task.task_id for task in tasks), started_at=now, started_by=by
    )


def state_by(tasks: Sequence[Task]) -> EpisodeState:
    """Where an episode stands by its tasks."""
    if any(task.status not in FINAL for task in tasks):
        return EpisodeState.RUNNING
    return EpisodeState.COMPLETED if all(task.status is Status.COMPLETED for task in tasks) else EpisodeState.FAILED


def stuck_on(tasks: Sequence[Task]) -> Sequence[Task]:
    """Tasks that ended otherwise than completed, while others still wait for them."""
    lost = {task.task_id: task for task in tasks if task.status in (Status.FAILED, Status.CANCELLED)}
    waiting = {other for task in tasks if task.status not in FINAL for other in task.depends_on}
    return [task for task_id, task in lost.items() if task_id in waiting]


def ended(episode: Episode, state: EpisodeState, *, by: str, now: datetime, reason: str = "") -> Episode:
    """The episode once it is over. Raises IllegalTransition when it was."""
    if episode.state is not EpisodeState.RUNNING:
        fix = f"dt episode status {episode.episode_id}"
        raise IllegalTransition(episode.episode_id, state=episode.state.value, verb="stop", legal=(), fix=fix)
    return replace(episode, state=state, ended_at=now, ended_by=by, reason=reason)


def without(episode: Episode, changes: Sequence[Event], *, by: str, now: datetime) -> Episode:
    """The episode once these changes to tasks are taken back; itself where it neither began nor ended with them.

    One that ended with them runs again. One that began with them is stopped: nothing is ever deleted.
    """
    mine = [change for change in changes if change.task_id in episode.task_ids]
    if episode.state is EpisodeState.RUNNING:
        added = {change.task_id for change in mine if change.type is EventType.TASK_ADDED}
        if added != set(episode.task_ids):
            return episode
        return ended(episode, EpisodeState.STOPPED, by=by, now=now, reason="its start was taken back")
    if not any(_ended_with(episode, change) for change in mine):
        return episode
    return replace(episode, state=EpisodeState.RUNNING, ended_at=None, ended_by=None, reason="")


def _ended_with(episode: Episode, change: Event) -> bool:
    """Whether the change ended one of its tasks, and with it, or later, the episode."""
    if change.detail.get("episode") == episode.episode_id:
        return True
    return change.changes.get("status") in FINAL and episode.ended_at is not None and change.at <= episode.ended_at


def episode_to_form(episode: Episode) -> dict[str, Any]:
    """As the board keeps it, and as `dt episode --json` shows it."""
    form: dict[str, Any] = to_json(episode)
    return form


def episode_from_form(form: Mapping[str, Any]) -> Episode:
    """The episode that `episode_to_form` wrote."""
    plan = dict(form["plan"])
    plan["assignments"] = tuple(_assignment_from(each) for each in plan["assignments"])
    for name in ("core_objectives", "definition_of_done", "checks"):
        plan[name] = tuple(plan[name])
    return Episode(
        **{
            **form,
            "plan": EpisodePlan(**plan),
            "task_ids": tuple(form["task_ids"]),
            "state": EpisodeState(form["state"]),
            "started_at": instant_from_text(form["started_at"]),
            "ended_at": instant_from_text(form["ended_at"]) if form["ended_at"] is not None else None,
        }
    )


def _assignment_from(form: Mapping[str, Any]) -> Assignment:
    lists = {name: tuple(form[name]) for name in ("needs", "validation_criteria", "verify", "run")}
    return Assignment(**{**form, **lists, "priority": Priority(form["priority"])})


def _draft_of(assignment: Assignment, plan: EpisodePlan, *, tags: tuple[str, ...], by: str) -> TaskDraft:
    told = [assignment.description.strip()]
    told += _listed("It is done when", assignment.validation_criteria)
    told += [f"It belongs to the episode {plan.title!r}. North star: {plan.north_star}" if plan.north_star else ""]
    return TaskDraft(
        title=assignment.title,
        description="\n\n".join(filter(None, told)),
        task_id=assignment.task_id,
        priority=assignment.priority,
        tags=tags,
        depends_on=assignment.needs,
        assigned_to=None if assignment.run else assignment.agent_id,
        plan=_plan_of(assignment.run),
        verify=_checks("check", assignment.verify),
        created_by=by,
        extra={
            **assignment.extra,
            "episode_agent": assignment.agent_id,
            **({"estimated_duration": assignment.estimated_duration} if assignment.estimated_duration else {}),
        },
    )


def _closing_draft(plan: EpisodePlan, *, episode_id: str, tags: tuple[str, ...], by: str) -> TaskDraft:
    """Where there are commands alone, the daemon runs them; what only somebody can judge is left to whoever claims it."""
    commands_alone = not plan.definition_of_done
    return TaskDraft(
        title=f"Definition of done: {plan.title}"[:500],
        description="\n\n".join(_listed("See whether this holds, and say so in the result", plan.definition_of_done)),
        task_id=f"{episode_id}-done",
        tags=tags,
        depends_on=tuple(assignment.task_id for assignment in plan.assignments),
        plan=_plan_of(plan.checks) if commands_alone else None,
        verify=() if commands_alone else _checks("done", plan.checks),
        created_by=by,
    )


def _plan_of(lines: Sequence[str]) -> Plan | None:
    return Plan(steps=_checks("step", lines)) if lines else None


def _checks(name: str, lines: Sequence[str]) -> tuple[Step, ...]:
    return tuple(Step(name=f"{name}-{number}", params={"command": line}) for number, line in enumerate(lines, start=1))


def _listed(head: str, lines: Sequence[str]) -> list[str]:
    return ["\n".join([f"{head}:", *(f"- {line}" for line in lines)])] if lines else []
