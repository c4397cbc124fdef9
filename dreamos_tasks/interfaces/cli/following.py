"""Verbs that follow what goes on: events, logs, wait."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import click

from dreamos_tasks.errors import WaitTimedOut
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.event_line import event_line
from dreamos_tasks.interfaces.cli.ids import STDIN, task_ids
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, SECONDS, TASK_ID, id_argument, ids_argument
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.cli.text import count, harmless
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.interfaces.cli.waiting import wait_until, watch_for_reader
from dreamos_tasks.model.json_form import event_to_json
from dreamos_tasks.model.task import Status, Task


@verb("events", examples=("dt events --after 0", "dt events --follow --jsonl", "dt events --task dt-7k2m"))
@option("--after", metavar="SEQ", type=click.IntRange(min=0), default=0, help="Only events with a greater number.")
@option("--follow", "-f", is_flag=True, help="And those to come, until Ctrl-C.")
@option("--jsonl", "as_lines", is_flag=True, help="One JSON document a line.")
@option("--task", "task_id", metavar="ID", type=TASK_ID, help="Only those of this task.")
@option("--limit", metavar="N", type=click.IntRange(min=1), help="At most N.")
def events(call: Call, after: int, follow: bool, as_lines: bool, task_id: str | None, limit: int | None) -> None:
    """What happened on the board, oldest first. The last number seen, given to --after, misses nothing."""
    from dreamos_tasks.board.feed import EventFeed

    nexus, out = call.nexus, call.out
    feed = EventFeed(nexus, after=after, task_id=nexus.get_task_by_id(task_id).task_id if task_id is not None else None)
    collected = []
    with watch_for_reader(call) if follow else nullcontext() as watch:
        for number, event in enumerate(feed.ready() if watch is None else feed.follow(watch), start=1):
            if as_lines or (out.as_json and follow):
                out.json_line(event_to_json(event))
            elif out.as_json:
                collected.append(event_to_json(event))
            else:
                out.line(event_line(event, nexus.clock.now()))
                if follow:
                    out.flush()
            if number == limit:
                break
    if out.as_json and not as_lines and not follow:
        out.document(collected)


@verb("logs", examples=("dt logs dt-7k2m", "dt logs dt-7k2m --follow", "dt logs dt-7k2m --step run-2"))
@id_argument
@option("--follow", "-f", is_flag=True, help="And what is still to be printed, until the task ends.")
@option("--step", metavar="NAME", type=FILLED, help="Only that of this step.")
def logs(call: Call, task_id: str, follow: bool, step: str | None) -> None:
    """What the steps of a task printed in its latest attempt. (--json: one object a step.)

    At a terminal in their colours, with everything else that could do it harm made visible; elsewhere as they are.
    """
    from dreamos_tasks.interfaces.cli.step_logs import as_printed, follow_logs, recorded_logs

    task = call.nexus.get_task_by_id(task_id)
    if call.out.as_json:
        call.out.document(
            [{"step": name, "output": output} for name, output in recorded_logs(call.home.runs, task, step=step)]
        )
    elif follow:
        follow_logs(call, task.task_id, step=step)
    else:
        printed = list(recorded_logs(call.home.runs, task, step=step))
        for name, output in printed:
            if len(printed) > 1:
                call.out.line(f"== {name}")
            call.out.line(as_printed(call.out, output))
        if not printed:
            call.out.note(f"{task.task_id} has printed nothing" + (" yet" if not task.is_final else ""))


@verb("wait", examples=("dt wait dt-7k2m", "dt wait dt-7k2m dt-9pq1 --timeout 10m && echo all done"))
@ids_argument
@option("--timeout", "timeout_seconds", metavar="SECONDS", type=SECONDS, help="Give up after so long (exit 124).")
def wait(call: Call, ids: tuple[str, ...], timeout_seconds: float | None) -> None:
    """Wait until tasks have ended, and what is to be taken back of failed ones is taken back.

    Exits 0 when all are completed, 1 when one failed or was cancelled, 124 after --timeout.
    """
    given = [call.nexus.get_task_by_id(task_id).task_id for task_id in task_ids(call, ids)]
    wait_for(call, given, timeout_seconds=timeout_seconds, as_array=len(ids) > 1 or ids[0] == STDIN)


def wait_for(call: Call, ids: Sequence[str], *, timeout_seconds: float | None, as_array: bool) -> None:
    """Wait, show what the tasks are then, and set the exit code to their result. Raises WaitTimedOut."""
    nexus, out = call.nexus, call.out

    is_told = False

    def ended() -> list[Task] | None:
        nonlocal is_told
        tasks = [nexus.get_task_by_id(task_id) for task_id in ids]
        left = [task for task in tasks if not task.is_over]
        if left and not is_told and all(task.is_final for task in left):
            is_told = True
            _say_who_takes_back(call, left[0])
        return None if left else tasks

    tasks = wait_until(call, ended, timeout_seconds=timeout_seconds)
    if tasks is None:
        left = [task for task in map(nexus.get_task_by_id, ids) if not task.is_over]
        open_ids = [task.task_id for task in left]
        why = "not all of its changes taken back" if left and all(task.is_final for task in left) else "not ended"
        raise WaitTimedOut(
            f"{count(len(open_ids), 'task')} {why} within {timeout_seconds:g} s: {', '.join(open_ids)}",
            fix=f"dt show {open_ids[0] if open_ids else ids[0]}",
        )
    if out.as_json:
        documents = [task_document(nexus, task) for task in tasks]
        out.document(documents if as_array else documents[0])
    else:
        for task in tasks:
            error = f"  {harmless(task.error.message)}" if task.error and task.status is Status.FAILED else ""
            out.line(f"{task.task_id}  {task.status.value}{error}")
    call.exit_code = 0 if all(task.status is Status.COMPLETED for task in tasks) else 1


def _say_who_takes_back(call: Call, task: Task) -> None:
    """Nobody does it where no daemon runs."""
    from dreamos_tasks.app.daemon_lock import running_daemon

    if running_daemon(call.home.daemon_file) is None:
        said = f"{task.task_id} is {task.status.value}; what it changed is to be taken back, and no daemon runs"
        call.out.note(f"{said}: dt undo {task.task_id}, or dt up")
