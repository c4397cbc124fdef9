"""Verbs that show one task at length, or all in numbers: show, why, history, stats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.ids import STDIN, task_ids
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import SECONDS, id_argument, ids_argument, watch_option
from dreamos_tasks.interfaces.cli.output import STATUS_COLOURS
from dreamos_tasks.interfaces.cli.task_page import show_page
from dreamos_tasks.interfaces.cli.task_view import title_line
from dreamos_tasks.interfaces.cli.text import harmless, local_and_ago, with_local_instants
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.interfaces.documents import history_document, page_document, why_document, why_lines
from dreamos_tasks.model.history import Attempt, StateChange
from dreamos_tasks.model.task import Task

MOST_FREQUENT = 20  # tags and agents that stats shows as text


@verb("show", examples=("dt show dt-7k2m", "dt show 7k 9p --json"))
@ids_argument
@watch_option
def show(call: Call, ids: tuple[str, ...], watches: bool) -> None:
    """Everything about tasks: state, steps, the last lines of output, why they wait, and what can be done next."""
    if watches:
        from dreamos_tasks.interfaces.cli.watching import watch

        watch(call, lambda: _show(call, ids))
    else:
        _show(call, ids)


@verb("why", examples=("dt why dt-7k2m",))
@ids_argument
def why(call: Call, ids: tuple[str, ...]) -> None:
    """What a task waits for, down to the tasks that block it; or how its place in the queue comes about, line by line."""
    tasks = [call.nexus.get_task_by_id(task_id) for task_id in task_ids(call, ids)]
    if call.out.as_json:
        _documents(call, ids, [why_document(call.nexus, task) for task in tasks])
        return
    for number, task in enumerate(tasks):
        if number:
            call.out.line()
        call.out.line(call.out.painted(title_line(task), "bold"))
        for line in why_lines(call.nexus, task):
            call.out.line(f"  {with_local_instants(line, call.nexus.clock.now())}")


@verb("history", examples=("dt history dt-7k2m",))
@id_argument
def history(call: Call, task_id: str) -> None:
    """The states of a task, one after another, and its attempts: who, when, how it ended."""
    nexus, out = call.nexus, call.out
    task = nexus.get_task_by_id(task_id)
    if out.as_json:
        out.document(history_document(nexus, task.task_id))
        return
    states, attempts = nexus.status_history(task.task_id), nexus.attempts(task.task_id)
    out.line(out.painted(title_line(task), "bold"))
    out.table(("WHEN", "STATE", "BY", "WHY"), [_state_row(call, state) for state in states], colours=STATUS_COLOURS)
    if attempts:
        out.line()
        out.table(("ATTEMPT", "AGENT", "TOKEN", "BEGUN", "END"), [_attempt_row(call, attempt) for attempt in attempts])


@verb("stats", examples=("dt stats", "dt stats --tools --since 24h", "dt stats --eta --json"))
@option(
    "--tools", is_flag=True, help="How steps went, by tool and name: how many, how well, how long, how long queued."
)
@option("--eta", is_flag=True, help="How often steps took as long as was expected when they began.")
@option("--since", "since_seconds", type=SECONDS, help="With --tools or --eta: of the last 24h, 7d. [default: of all]")
def stats(call: Call, tools: bool, eta: bool, since_seconds: float | None) -> None:
    """How many tasks there are, by state, priority, holder and tag; or how their steps went."""
    if tools and eta:
        raise UsageError("--tools and --eta are two questions", fix="ask one after the other")
    if since_seconds is not None and not (tools or eta):
        raise UsageError("--since is for --tools and --eta", fix="dt stats --tools --since 24h")
    if tools or eta:
        from dreamos_tasks.interfaces.cli import step_stats

        show = step_stats.show_tools if tools else step_stats.show_calibration
        show(call, since_seconds=since_seconds)
        return
    numbers = call.nexus.stats()
    if call.out.as_json:
        call.out.document(numbers)
        return
    if not any(numbers["status"].values()):
        call.out.note('no task on this board yet: dt add "what is to be done" puts one on it')
    groups = (("state", "status"), ("priority", "priority"), ("who holds them", "agent"), ("tag", "tag"))
    for title, field in groups:
        rows = (
            sorted(numbers[field].items(), key=lambda row: -row[1])
            if field in ("agent", "tag")
            else numbers[field].items()
        )
        shown = [(number, harmless(word)) for word, number in rows if number]
        if shown:
            call.out.line(call.out.painted(f"by {title}:", "bold"))
        for number, word in shown[:MOST_FREQUENT]:
            call.out.line(f"  {number:>6}  {word}")
        if len(shown) > MOST_FREQUENT:
            call.out.hint(f"truncated: {len(shown) - MOST_FREQUENT} more with --json")


def _show(call: Call, ids: Sequence[str]) -> None:
    tasks = [call.nexus.get_task_by_id(task_id) for task_id in task_ids(call, ids)]
    if call.out.as_json:
        _documents(call, ids, [page_document(call.nexus, task, call.settings) for task in tasks])
        return
    for number, task in enumerate(tasks):
        if number:
            call.out.line()
        _show_one(call, task)


def _show_one(call: Call, task: Task) -> None:
    limits: list[tuple[str, str]] = []
    if task.limits:
        from dreamos_tasks.interfaces.cli.limit_lines import limit_lines

        limits = [("limits", line) for line in limit_lines(task, call.settings)]
    if task.plan is None:
        show_page(call.out, call.nexus, task, ahead=limits)
        return
    from dreamos_tasks.interfaces.cli.eta import eta_facts, forecast_of, hindsight, is_ready

    eta = forecast_of(call).eta(task, is_ready=is_ready(call.nexus, task))
    ahead = tuple(eta_facts(eta, task)) if eta is not None else ()
    past = hindsight(call.nexus, task)
    notes = {**past.early, **_running_notes(call, task)}
    show_page(call.out, call.nexus, task, ahead=(*ahead, *past.facts(task), *limits), step_notes=notes)


def _running_notes(call: Call, task: Task) -> dict[str, str]:
    from dreamos_tasks.interfaces.cli.eta import forecast_of, running_words
    from dreamos_tasks.model.progress import current_steps

    running, now, notes = current_steps(task), call.nexus.clock.now(), {}
    begun = {record.name: record.started_at for record in task.steps if record.name in running}
    for step in task.plan.steps if task.plan is not None and running else ():
        started_at = begun.get(step.name)
        if started_at is not None:
            notes[step.name] = running_words((now - started_at).total_seconds(), forecast_of(call).expected(step))
    return notes


def _documents(call: Call, ids: Sequence[str], documents: Sequence[Any]) -> None:
    is_one = len(ids) == 1 and ids[0] != STDIN
    call.out.document(documents[0] if is_one else list(documents))


def _state_row(call: Call, change: StateChange) -> tuple[str, ...]:
    when = local_and_ago(change.at, call.nexus.clock.now())
    return when, change.after, harmless(change.by), harmless(change.why)


def _attempt_row(call: Call, attempt: Attempt) -> tuple[str, ...]:
    now = call.nexus.clock.now()
    end = "under way"
    if attempt.outcome is not None and attempt.finished_at is not None:
        end = f"{attempt.outcome} {local_and_ago(attempt.finished_at, now)}"
    error = f": {harmless(attempt.error)}" if attempt.error else ""
    begun = local_and_ago(attempt.started_at, now)
    return str(attempt.number), harmless(attempt.agent_id), str(attempt.token), begun, end + error
