"""A task in which every field says something, and the events that tell it."""

from __future__ import annotations

from dataclasses import fields

from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.history import differing_fields
from dreamos_tasks.model.hold import GateWait, WaitKind
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.limits import Usage
from dreamos_tasks.model.plan import (
    ApprovalMode,
    ErrorCategory,
    Evidence,
    Plan,
    Step,
    StepResult,
    StepStatus,
    TaskError,
)
from dreamos_tasks.model.request import Pause, PauseEnd, Request, RequestKind, RequestState, Risk
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Claim, Priority, ProcessIdentity, Progress, Status, Task, TaskDraft
from dreamos_tasks.model.undone import Rollback, RollbackCause, Undone
from tests.fakes import at

STEP = Step(
    name="build",
    tool="python",
    params={"function": "m:f", "args": {"n": [1, 2.5, None, True]}},
    critical=False,
    optional=True,
    needs=("prepare",),
    timeout_seconds=2.5,
    retry={"max_attempts": 2},
    approval=ApprovalMode.REQUIRED,
    idempotent=True,
    fallback="shell",
    undo={"tool": "shell", "params": {"command": "make clean"}},
    extra={"why": "because"},
)
ERROR = TaskError(
    category=ErrorCategory.RESOURCE, message="no room", cause="disk", suggestions=("df", "rm"), step="build"
)


def full_task(task_id: str = "dt-full") -> Task:
    """In progress, and nothing at its default (what a claim excludes aside)."""
    task = Task(
        task_id=task_id,
        title="Größe ✓",
        description="Two\nlines",
        priority=Priority.HIGH,
        tags=("core", "ui"),
        depends_on=(),
        related_task_id="dt-other",
        assigned_to="ada",
        requires=("gpu",),
        plan=Plan(steps=(Step(name="prepare"), STEP), max_concurrent_steps=3, rollback=True, extra={"by": "hand"}),
        verify=(Step(name="test", params={"command": ["make", "test"]}),),
        context={"cwd": ".", "deep": {"a": [{"b": None}]}},
        dedupe_key="once",
        not_before=at(-5),
        due_at=at(5000.000001),
        timeout_seconds=60,
        limits={"memory_bytes": 1 << 40},
        retry=RetryPolicy(
            max_attempts=7, jitter="none", categories=(ErrorCategory.LOGIC,), refresh="login", after_crash=True
        ),
        concurrency_key="db",
        created_by="cli",
        extra={"colour": "red", "events": 3, "nothing": None},
        created_at=at(-100),
        updated_at=at(10),
        status=Status.IN_PROGRESS,
        pending_since=at(-50),
        attempt=4,
        failures=1,
        deferrals=2,
        lost_leases=1,
        last_token=4,
        claim=Claim(
            agent_id="ada",
            token=4,
            claimed_at=at(0),
            lease_until=at(900),
            heartbeat_at=at(10),
            process=ProcessIdentity(pid=7, started_ticks=99, boot_id="boot-1", instance="abc"),
        ),
        progress=Progress(percent=40.5, note="half", step="build", at=at(9)),
        steps=(
            StepResult(name="prepare", status=StepStatus.COMPLETED, value={"n": 1}, exit_code=0, output_head="ok"),
            StepResult(
                name="build",
                status=StepStatus.FAILED,
                attempt=2,
                token=3,
                started_at=at(1),
                error=ERROR,
                failures=(ErrorCategory.TRANSIENT, ErrorCategory.RESOURCE),
                usage=Usage(peak_memory_bytes=1 << 30, peak_processes=3, cpu_seconds=1.25, written_bytes=4096),
                tool="shell",
                undo={"change": "put", "before": None},
                undone=Undone(at=at(6), by="eve", ok=False, message="changed since"),
            ),
        ),
        result={"partial": [1, "two"]},
        evidence=(
            Evidence(step="test", command="make test", exit_code=0, log_sha256="0" * 64, git_commit=None, at=at(3)),
        ),
        error=ERROR,
        stall_noted_at=at(8),
        started_at=at(-20),
        finished_at=at(-10),
        requests=(
            Request(
                request_id=f"{task_id}.r1",
                kind=RequestKind.APPROVAL,
                asked_by="ada",
                asked_at=at(1),
                step="build",
                text="make -j8",
                risk=Risk.HIGH,
                reasons=("it removes files",),
                params={"command": "make"},
                choices=("yes", "no"),
                expires_at=at(301),
                state=RequestState.APPROVED,
                decided_by="eve",
                decided_at=at(2),
                reason="it is fine",
                answer="yes",
                decided_params={"command": "make -n"},
            ),
        ),
        pause=Pause(by="eve", at=at(9), reason="lunch", until=at(3600), then=PauseEnd.CANCEL),
        rollback=Rollback(
            cause=RollbackCause.ASKED, since=at(5), steps=("build",), started_at=at(5.5), finished_at=at(7)
        ),
        gate_wait=GateWait(gate="http example.com", kind=WaitKind.RATE, step="build", reason="too many calls"),
    )
    left_out = {f.name for f in fields(Task) if getattr(task, f.name) == f.default} - {"depends_on", "parent_id"}
    assert not left_out, left_out
    return task


def full_events(task: Task, *, first_seq: int = 1) -> tuple[Event, ...]:
    """A log that tells the task."""
    added = lifecycle.add(TaskDraft(title="as it was"), task_id=task.task_id, now=task.created_at).events[0]
    told = lifecycle.fold(None, added)
    changes = {name: to_json(getattr(task, name)) for name in differing_fields(told, task) if name != "updated_at"}
    edited = Event(
        type=EventType.TASK_EDITED,
        task_id=task.task_id,
        at=task.updated_at,
        by="test",
        changes=changes,
        detail={"reason": "to say something everywhere"},
        seq=first_seq + 7,
    )
    return (
        Event(type=added.type, task_id=added.task_id, at=added.at, by=added.by, changes=added.changes, seq=first_seq),
        edited,
    )
