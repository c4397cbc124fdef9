"""The task: what somebody asked for (TaskDraft), and where it stands on the board (Task, Claim)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from datetime import datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.model.draft_shape import check_kind, check_steps, instant_in, listed
from dreamos_tasks.model.hold import GateWait
from dreamos_tasks.model.plan import Evidence, Plan, Step, StepResult, TaskError
from dreamos_tasks.model.request import Pause, Request
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.undone import Rollback
from dreamos_tasks.model.value import filler_of, frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.model.constraints import Percent, PositiveSeconds, Title

TITLE_MAX_LENGTH = 500
TASK_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# Names of agents and tags become folder names, options and log words: no blanks, no slashes, no dash in front.
NAME_PATTERN = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_.:@+-]{0,99}")


class Status(StrEnum):
    """Where a task stands. `ready`, `blocked` and `scheduled` are not kept: they follow from pending and its reasons."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    AWAITING_APPROVAL = "awaiting_approval"
    STALLED = "stalled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
QUEUED = frozenset({Status.PENDING, Status.STALLED})  # a claim may take these


class Priority(StrEnum):
    """How soon a task should be taken."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for critical up to 3 for low: the order of claiming."""
        return PRIORITY_RANKS[self]


PRIORITY_RANKS = {priority: rank for rank, priority in enumerate(Priority)}
PRIORITIES_BY_RANK = tuple(Priority)
PRIORITY_WORDS: dict[str, Priority] = {
    **{priority.value: priority for priority in Priority},
    **{str(rank): priority for priority, rank in PRIORITY_RANKS.items()},
    "urgent": Priority.CRITICAL,
    "normal": Priority.MEDIUM,
}


def priority_from(word: str | int) -> Priority:
    """The priority meant by a word or number: any case, `urgent` and `normal` too, 0 (critical) to 3 (low)."""
    priority = None if isinstance(word, bool) else PRIORITY_WORDS.get(str(word).strip().lower())
    if priority is None:
        raise InvalidTask(
            f"{word!r} is not a priority",
            pointer="/priority",
            cause="a priority is critical, high, medium or low (or 0-3, urgent, normal)",
            fix="leave it out for medium",
        )
    return priority


def check_name(name: str, *, what: str, pointer: str = "") -> str:
    """`name`, if it can serve as the name of an agent, a tag or a capability."""
    if NAME_PATTERN.fullmatch(name) is None:
        raise InvalidTask(
            f"{name!r} cannot be {what}" if name else f"{what} cannot be empty",
            pointer=pointer,
            cause="a name has 1-100 letters, digits or . _ - : @ + and starts with a letter, a digit, _ or @",
            fix="choose another name",
        )
    return name


@frozen_value
class ProcessIdentity:
    """Which process holds a claim: a pid alone is soon another process's."""

    pid: int
    started_ticks: int  # clock ticks after boot, /proc/PID/stat field 22
    boot_id: str
    instance: str  # random, one a daemon start


@frozen_value
class Claim:
    """A lease on a task. `token` grows with each claim of the task and fences late writers off."""

    agent_id: str
    token: int
    claimed_at: datetime
    lease_until: datetime
    heartbeat_at: datetime
    process: ProcessIdentity | None = None


@frozen_value
class Progress:
    """How far the holder says it is."""

    percent: Percent | None = None
    note: str = ""
    step: str | None = None
    at: datetime | None = None


@frozen_value
class TaskDraft:
    """What somebody asks for: everything needed to add a task. Only a title (or a description) is required."""

    title: Title = ""
    description: str = ""
    task_id: str = ""  # "" is given a fresh id
    priority: Priority = Priority.MEDIUM
    tags: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    parent_id: str | None = None
    related_task_id: str | None = None
    assigned_to: str | None = None
    requires: tuple[str, ...] = ()  # capabilities an agent must have
    plan: Plan | None = None
    verify: tuple[Step, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    dedupe_key: str | None = None
    not_before: datetime | None = None
    due_at: datetime | None = None
    timeout_seconds: PositiveSeconds | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    retry: RetryPolicy | None = None  # None: the board's own
    concurrency_key: str | None = None
    created_by: str = "api"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Complete what may be left out, and hold the rules that every door shares."""
        put = object.__setattr__
        if self.priority.__class__ is not Priority:
            put(self, "priority", priority_from(self.priority))
        if not 1 <= len(self.title) <= TITLE_MAX_LENGTH or not self.title.strip():
            put(self, "title", _title_from(self.title, self.description))
        if self.tags or self.depends_on or self.requires or self.task_id or self.assigned_to is not None:
            for name in ("tags", "depends_on", "requires"):
                put(self, name, listed(getattr(self, name), field=name))
            _check_names(self)
        if self.not_before is not None or self.due_at is not None:
            for name in ("not_before", "due_at"):
                put(self, name, instant_in(getattr(self, name), field=name))
        if self.plan is not None or self.verify or self.retry is not None:
            _check_kinds(self)
            _check_retries(self)
        if self.limits:
            from dreamos_tasks.model.task_limits import check_limits

            check_limits(self.limits)


@frozen_value
class Task(TaskDraft):
    """A task as the board has it. Only `lifecycle` makes a changed one."""

    task_id: str
    created_at: datetime
    updated_at: datetime
    status: Status = Status.PENDING
    pending_since: datetime | None = None  # when it last became pending: the monitor's clock
    attempt: int = 0  # claims so far
    failures: int = 0  # attempts that failed; what retry.max_attempts counts
    deferrals: int = 0  # attempts that asked to be tried later (exit 75)
    lost_leases: int = 0  # claims whose lease ran out
    last_token: int = 0
    claim: Claim | None = None  # exactly while in progress
    progress: Progress | None = None
    steps: tuple[StepResult, ...] = ()  # the latest run of each step, in the order they first ran
    result: Any = None
    evidence: tuple[Evidence, ...] = ()
    error: TaskError | None = None
    stall_noted_at: datetime | None = None  # the monitor acts once a stall
    requests: tuple[Request, ...] = ()  # what people were asked, and what they said
    pause: Pause | None = None  # it rests, or is to rest at the next step's end
    gate_wait: GateWait | None = None  # what its next step waits for, since it was let go; until it is claimed
    rollback: Rollback | None = None  # its steps are to be taken back, are being, or were
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def __post_init__(self) -> None:
        """A task comes from a store or from `lifecycle`: its rules were held when it was drafted."""

    @property
    def is_final(self) -> bool:
        """It has ended. What it changed may still be taken back: see `is_over`."""
        return self.status in FINAL

    @property
    def is_over(self) -> bool:
        """Nothing more will happen by itself: it has ended, and nothing that it changed is still to be taken back."""
        return self.status in FINAL and (self.rollback is None or not self.rollback.is_due)


TASK_FIELDS = tuple(f.name for f in fields(Task))
DRAFT_FIELDS = tuple(f.name for f in fields(TaskDraft))
_INDEX = {name: index for index, name in enumerate(TASK_FIELDS)}
_values = attrgetter(*TASK_FIELDS)
_draft_values = attrgetter(*DRAFT_FIELDS)
_NEW_STATE = [None if f.default is MISSING else f.default for f in fields(Task)][len(DRAFT_FIELDS) :]
assert TASK_FIELDS[: len(DRAFT_FIELDS)] == DRAFT_FIELDS, "a task begins with what was asked for"


def new_task(draft: TaskDraft, *, task_id: str, now: datetime) -> Task:
    """The pending task that a draft asks for."""
    values = [*_draft_values(draft), *_NEW_STATE]
    values[_INDEX["task_id"]] = task_id
    values[_INDEX["created_at"]] = values[_INDEX["updated_at"]] = values[_INDEX["pending_since"]] = now
    return _filler()(values)


def evolve(task: Task, changes: Mapping[str, Any]) -> Task:
    """A copy of the task with some fields changed."""
    values = list(_values(task))
    for name, value in changes.items():
        values[_INDEX[name]] = value
    return _filler()(values)


@cache
def _filler() -> Callable[[list[Any]], Task]:
    return filler_of(Task)


def _title_from(title: str, description: str) -> str:
    if title.strip():
        raise InvalidTask(
            f"the title has {len(title)} characters; {TITLE_MAX_LENGTH} is the most",
            pointer="/title",
            fix="put the long text into description",
        )
    first_line = next((line.strip() for line in description.splitlines() if line.strip()), "")
    if not first_line:
        raise InvalidTask(
            "a task needs a title",
            pointer="/title",
            cause="neither title nor description says what to do",
            fix='add "title": "..."',
        )
    return first_line if len(first_line) <= TITLE_MAX_LENGTH else first_line[: TITLE_MAX_LENGTH - 1] + "…"


def _check_kinds(draft: TaskDraft) -> None:
    for name, kind in (("plan", Plan), ("retry", RetryPolicy)):
        if getattr(draft, name) is not None:
            check_kind(getattr(draft, name), kind, field=name)
    if draft.plan is not None:
        check_steps(draft.plan.steps, field="plan/steps")
    check_steps(draft.verify, field="verify")


def _check_retries(draft: TaskDraft) -> None:
    planned = draft.plan.steps if draft.plan is not None else ()
    for place, steps in (("/plan/steps", planned), ("/verify", draft.verify)):
        for index, step in enumerate(steps):
            if step.retry:
                from dreamos_tasks.model.step_retry import check_retry

                check_retry(step.retry, pointer=f"{place}/{index}/retry")


def _check_names(draft: TaskDraft) -> None:
    if draft.task_id and TASK_ID_PATTERN.fullmatch(draft.task_id) is None:
        raise InvalidTask(
            f"{draft.task_id!r} cannot be a task id",
            pointer="/task_id",
            cause="an id has 1-128 letters, digits, dots, dashes or underscores and starts with a letter or digit",
            fix="leave task_id out to get a fresh one",
        )
    for index, tag in enumerate(draft.tags):
        check_name(tag, what="a tag", pointer=f"/tags/{index}")
    for index, capability in enumerate(draft.requires):
        check_name(capability, what="a capability", pointer=f"/requires/{index}")
    if draft.assigned_to is not None:
        check_name(draft.assigned_to, what="an agent's name", pointer="/assigned_to")
    if draft.task_id and draft.task_id in draft.depends_on:
        raise InvalidTask(
            f"{draft.task_id} depends on itself",
            pointer="/depends_on",
            fix="leave its own id out of depends_on",
        )
