"""The page of one task: what `dt show` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.output import STATUS_COLOURS, Output
from dreamos_tasks.interfaces.cli.task_view import claim_line, progress_words, state_word, title_line, waiting_for
from dreamos_tasks.interfaces.cli.text import (
    COLUMN_GAP,
    columns_of,
    duration,
    harmless,
    harmless_block,
    local_and_ago,
    with_local_instants,
)
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.plan import Step, StepResult, StepStatus
from dreamos_tasks.model.request import PauseEnd
from dreamos_tasks.model.ruling import was_cut
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.undone import Rollback

LAST_LINES = 10  # of output: a glance; dt logs shows all
LONGEST_LINE = 300  # of output, of a call: likewise
LONGEST_RESULT = 4000
TELLING = ("action", "method", "function", "url", "path", "pattern", "query", "subject")  # of a call: what it is about
LABEL_WIDTH = 11
CUT_OFF = "cut off"
_NO_REASON = EventType.TASK_CANCELLED.value.replace("_", " ")  # what a history says then
_PAUSE_ENDS = {PauseEnd.RESUME: "goes on", PauseEnd.CANCEL: "is cancelled"}


def show_page(
    out: Output,
    nexus: TaskNexus,
    task: Task,
    *,
    ahead: Iterable[tuple[str, str]] = (),
    step_notes: Mapping[str, str] | None = None,
) -> None:
    """State, facts, steps, the end of the output, the error, and what can be done next.

    `ahead`: more facts, of what is to come; `step_notes`: what is to be said of steps beside how they ended, by name.
    """
    now = nexus.clock.now()
    state = state_word(nexus, task)
    out.line(out.painted(title_line(task), "bold"))
    out.line(f"  {'state':<{LABEL_WIDTH}}{out.painted(state, STATUS_COLOURS.get(state, ''))}")
    reasons = waiting_for(nexus, task)
    for reason in reasons:
        out.line(f"  {'':<{LABEL_WIDTH}}{with_local_instants(reason, now)}")
    for label, words in (*ahead, *_facts(nexus, task, now)):
        out.line(f"  {label:<{LABEL_WIDTH}}{words}")
    if task.description and task.description != task.title:
        out.line()
        out.line(_indented(task.description))
    _show_steps(out, task, step_notes or {})
    if any(request.is_open for request in task.requests):
        from dreamos_tasks.interfaces.cli.request_view import request_lines  # few tasks ask anything

        out.line("\n  asks:")
        for line in request_lines(task):
            out.line(f"    {line}")
    if task.error is not None:
        _show_error(out, task)
    if task.result is not None:
        result = harmless(json.dumps(to_json(task.result), ensure_ascii=False))
        out.line(f"\n  result: {_cut(result, LONGEST_RESULT)}")
        if len(result) > LONGEST_RESULT:
            out.line(f"  (dt show {task.task_id} --json shows all of it)")
    commands = next_commands(task, waits=bool(reasons))
    if commands:
        out.line()
        for label, command in zip(("next:", *([""] * len(commands))), commands, strict=False):
            out.line(f"  {label:<6}{command}")


def next_commands(task: Task, *, waits: bool = False) -> list[str]:
    """What can be said about the task now, the likeliest first. `waits`: it is queued and cannot start yet."""
    task_id, holder = task.task_id, task.claim.agent_id if task.claim else ""
    match task.status:
        case Status.PENDING | Status.STALLED if waits:
            return [f"dt why {task_id}", f"dt wait {task_id}"]
        case Status.PENDING | Status.STALLED if task.plan is not None:
            return [f"dt run {task_id}", f"dt why {task_id}"]
        case Status.PENDING | Status.STALLED:
            return [f"dt claim {task_id} --agent {task.assigned_to or 'NAME'}", f"dt why {task_id}"]
        case Status.IN_PROGRESS if (
            task.claim is not None and task.claim.process is not None
        ):  # a program runs its steps
            steer = "dt pause" if task.pause is None else "dt resume"
            return [f"dt logs {task_id} -f", f"dt wait {task_id}", f"{steer} {task_id}"]
        case Status.IN_PROGRESS:
            return [
                f"dt complete {task_id} --agent {holder}",
                f"dt logs {task_id} -f" if task.plan else f"dt wait {task_id}",
            ]
        case Status.PAUSED:
            return [f"dt resume {task_id}"]
        case Status.AWAITING_APPROVAL:
            return ["dt approvals"]
        case Status.FAILED | Status.CANCELLED if task.rollback is not None and task.rollback.is_due:
            return [f"dt undo {task_id}", f"dt history {task_id}"]
        case Status.FAILED | Status.CANCELLED:
            return [f"dt retry {task_id}", f"dt history {task_id}"]
        case _:
            return []


def rollback_words(rollback: Rollback, now: datetime) -> str:
    """What is being taken back, and how far that is."""
    what = ", ".join(map(harmless, rollback.steps)) or "all that can be"
    if rollback.finished_at is not None:
        end = f"taken back {local_and_ago(rollback.finished_at, now)}"
        return f"{what} {end}" if rollback.steps else f"all that could be was {end}"
    return f"{what} is being taken back" if rollback.is_under_way else f"{what} is to be taken back"


def pause_words(task: Task, now: datetime) -> str:
    """Who has paused a task, why, and how that ends by itself; one at work pauses when its step has ended. Empty: nobody."""
    pause = task.pause
    if pause is None or task.is_final:
        return ""
    begins = "when what runs has ended; " if task.status is Status.IN_PROGRESS else ""
    why = f": {harmless(pause.reason)}" if pause.reason else ""
    end = "" if pause.until is None else f"; {_PAUSE_ENDS[pause.then]} {local_and_ago(pause.until, now)}"
    return f"{begins}{local_and_ago(pause.at, now)} by {harmless(pause.by)}{why}{end}"


def cancelled_words(nexus: TaskNexus, task: Task) -> str:
    """` by ada: not now`: who has cancelled a task, and why, where a reason was given. Empty: nobody has."""
    if task.status is not Status.CANCELLED:
        return ""
    last = next(reversed(nexus.status_history(task.task_id)), None)
    if last is None or last.after != task.status:  # a board that somebody has written by hand
        return ""
    return f" by {harmless(last.by)}" + (f": {harmless(last.why)}" if last.why != _NO_REASON else "")


def _facts(nexus: TaskNexus, task: Task, now: datetime) -> Iterator[tuple[str, str]]:
    yield "priority", task.priority.value
    if task.claim is not None:
        yield "claim", claim_line(task, now)
    if task.progress is not None:
        yield "progress", progress_words(task)
    for label, words in (
        ("tags", " ".join(task.tags)),
        ("assigned", task.assigned_to or ""),
        ("requires", " ".join(task.requires)),
        ("depends on", " ".join(task.depends_on)),
        ("part of", task.parent_id or ""),
    ):
        if words:
            yield label, harmless(words)
    yield "added", f"{local_and_ago(task.created_at, now)} by {harmless(task.created_by)}"
    if task.rollback is not None:
        yield "rollback", rollback_words(task.rollback, now)
    if pause := pause_words(task, now):
        yield "pause", pause
    later = task.not_before if task.finished_at is None else None
    for label, instant in (("not before", later), ("due", task.due_at)):
        if instant is not None:
            yield label, local_and_ago(instant, now)
    if task.finished_at is not None:
        yield "ended", local_and_ago(task.finished_at, now) + cancelled_words(nexus, task)
    if task.attempt > 1 or task.failures:
        yield "attempts", f"{task.attempt}, of which {task.failures} failed"
    folder = task.context.get("cwd")
    if folder:
        yield "folder", harmless(str(folder))


def _show_steps(out: Output, task: Task, notes: Mapping[str, str]) -> None:
    records = {record.name: record for record in task.steps}
    planned = task.plan.steps if task.plan is not None else ()
    if not planned and not task.verify:
        return
    out.line("\n  steps:")
    rows = []
    for step in planned:
        record = records.get(step.name)
        rows.append(
            (
                harmless(step.name),
                _standing(task, record) + _end_of(record, notes.get(step.name)),
                _call_of(step),
            )
        )
    proven = {evidence.step: evidence for evidence in task.evidence}
    for step in task.verify:
        evidence = proven.get(step.name)
        commit = f" at {evidence.git_commit[:12]}" if evidence is not None and evidence.git_commit else ""
        rows.append((harmless(step.name), f"passed{commit}" if evidence else "must pass", _call_of(step)))
    for name, state, call in columns_of(rows):
        colour = "yellow" if state.startswith(CUT_OFF) else STATUS_COLOURS.get(state.split()[0], "")
        out.line(f"    {name}{COLUMN_GAP}{out.painted(state, colour)}{COLUMN_GAP}{call}".rstrip())
    for record in task.steps:
        if record.undone is not None and not record.undone.ok:
            out.line(f"    {harmless(record.name)} could not be undone: {harmless(record.undone.message)}")
    printed = next((record for record in reversed(task.steps) if record.output_head or record.output_tail), None)
    if printed is not None:
        lines = harmless_block(printed.output_tail or printed.output_head).rstrip("\n").split("\n")
        out.line(f"\n  last lines of {printed.name} (dt logs {task.task_id} shows all):")
        for line in lines[-LAST_LINES:]:
            out.line(f"    {_cut(line, LONGEST_LINE)}")


def _standing(task: Task, record: StepResult | None) -> str:
    if record is None:
        return "pending"
    if was_cut(task, record):
        return CUT_OFF
    is_undone = record.status is StepStatus.PENDING and record.undone is not None and record.undone.ok
    return "undone" if is_undone else record.status.value


def _end_of(record: StepResult | None, note: str | None) -> str:
    if record is None:
        return f" ({note})" if note else ""
    parts = [f"exit {record.exit_code}"] if record.exit_code is not None else []
    if record.started_at is not None and record.finished_at is not None:
        parts.append(duration((record.finished_at - record.started_at).total_seconds()))
    if record.attempt > 1:
        parts.append(f"attempt {record.attempt}")
    if note:
        parts.append(note)
    if record.tool is not None:
        parts.append(f"through {harmless(record.tool)}")
    return f" ({', '.join(parts)})" if parts else ""


def _call_of(step: Step) -> str:
    command = step.params.get("command")
    if command is not None:
        return _cut(harmless(str(command)), LONGEST_LINE)
    about = [value for key in TELLING if isinstance(value := step.params.get(key), str)]
    return _cut(harmless(" ".join((step.tool, *about))), LONGEST_LINE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


def _show_error(out: Output, task: Task) -> None:
    assert task.error is not None
    out.line(f"\n  {out.painted('error:', 'red')} {harmless(task.error.message)} ({task.error.category.value})")
    if task.error.cause:
        out.line(_indented(f"cause: {task.error.cause}"))
    for suggestion in task.error.suggestions:
        out.line(f"  try: {harmless(suggestion)}")


def _indented(text: str) -> str:
    return "  " + harmless_block(text).rstrip("\n").replace("\n", "\n  ")
