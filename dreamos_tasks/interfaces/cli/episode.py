"""Verbs about episodes: work for several agents, written in advance: start, status, stop, list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.given import unreadable
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, reason_option
from dreamos_tasks.interfaces.cli.task_view import state_word
from dreamos_tasks.interfaces.cli.text import count, harmless, local_and_ago
from dreamos_tasks.interfaces.cli.verb_group import verb_group
from dreamos_tasks.interfaces.documents import episode_document
from dreamos_tasks.model.task import Status

if TYPE_CHECKING:
    from dreamos_tasks.model.episode import Episode
    from dreamos_tasks.model.task import Task

STATE_COLOURS = {"running": "cyan", "completed": "green", "failed": "red", "stopped": "yellow"}
episode_id = click.argument("episode_id", metavar="EPISODE", type=FILLED)


@verb_group(
    "episode",
    examples=(
        "dt episode start parser.yaml --dry-run",
        "dt episode start parser.yaml",
        "dt episode status episode-fix-the-parser",
        'dt episode stop episode-fix-the-parser --reason "not now"',
    ),
)
def episode(call: Call) -> None:
    """Work for several agents, written in advance in a YAML file: its assignments become tasks, and it is over when they are.

    It has title, theme, north_star, core_objectives, definition_of_done (texts, or {check: COMMAND}) and agent_assignments:
    {Agent-1: {task_id, title, description, dependencies, estimated_duration, validation_criteria, verify, run, priority}}.
    """
    _list(call)


@episode.below("start", examples=("dt episode start parser.yaml", "dt episode start parser.yaml --dry-run --json"))
@click.argument("file", metavar="FILE.yaml", type=FILLED)
@option("--dry-run", is_flag=True, help="Check the file against the board and say what would be added; add nothing.")
def start(call: Call, file: str, dry_run: bool) -> None:
    """Put the tasks of an episode on the board, all or none. A daemon, or dt episode status, sees it end."""
    from dreamos_tasks.board.episodes import Episodes
    from dreamos_tasks.intake.episode_file import read_episode
    from dreamos_tasks.model.told_form import task_told

    try:
        plan = read_episode(Path(file))
    except OSError as error:
        raise unreadable(file, error) from error
    episodes = Episodes(call.nexus)
    if dry_run:
        tasks = episodes.rehearse(plan, by=call.actor(None))
        if call.out.as_json:
            call.out.document([task_told(task) for task in tasks])
            return
        for task in tasks:
            call.out.line(f"{task.task_id}  {task.assigned_to or '-'}  {harmless(task.title)}")
        call.out.note(f"{count(len(tasks), 'task')} would be added")
        return
    begun = episodes.start(plan, by=call.actor(None))
    if call.out.as_json:
        call.out.document(episode_document(call.nexus, begun, call.home))
        return
    call.out.line(begun.episode_id)
    call.out.note(f"{count(len(begun.task_ids), 'task')} added; dt episode status {begun.episode_id} shows how it goes")


@episode.below("status", examples=("dt episode status", "dt episode status episode-fix-the-parser --json"))
@click.argument("episode_id", metavar="[EPISODE]", required=False, type=FILLED)
def status(call: Call, episode_id: str | None) -> None:
    """How an episode goes: what each agent is at. Without a name, the one that was started last."""
    from dreamos_tasks.board.episodes import Episodes
    from dreamos_tasks.errors import EpisodeNotFound

    _settle(call)
    episodes = Episodes(call.nexus)
    if episode_id is None:
        known = episodes.all()
        if not known:
            raise EpisodeNotFound("(the last one)")
        found = known[0]
    else:
        found = episodes.get(episode_id)
    tasks = episodes.tasks_of(found)
    if call.out.as_json:
        call.out.document(episode_document(call.nexus, found, call.home))
        return
    _show(call, found, tasks)


@episode.below("stop", examples=('dt episode stop episode-fix-the-parser --reason "not now"',))
@episode_id
@reason_option
def stop(call: Call, episode_id: str, reason: str) -> None:
    """Cancel what is not over yet, and end the episode."""
    from dreamos_tasks.app.episodes import write_log
    from dreamos_tasks.board.episodes import Episodes

    _settle(call)
    episodes = Episodes(call.nexus)
    stopped = episodes.stop(episodes.get(episode_id).episode_id, by=call.actor(None), reason=reason)
    tasks = episodes.tasks_of(stopped)
    path = write_log(stopped, tasks, call.home)
    if call.out.as_json:
        call.out.document(episode_document(call.nexus, stopped, call.home))
        return
    call.out.line(f"{stopped.episode_id}  stopped")
    call.out.note(f"what became of it: {path}")


@episode.below("list", examples=("dt episode list", "dt episode list --json"))
def list_(call: Call) -> None:
    """Every episode of this board, the newest first."""
    _list(call)


def _list(call: Call) -> None:
    from dreamos_tasks.board.episodes import Episodes

    _settle(call)
    episodes = Episodes(call.nexus)
    found = [(each, episodes.tasks_of(each)) for each in episodes.all()]
    if call.out.as_json:
        call.out.document([episode_document(call.nexus, each, call.home) for each, _ in found])
        return
    now = call.nexus.clock.now()
    rows = [
        (
            each.episode_id,
            each.state.value,
            _progress(tasks),
            local_and_ago(each.started_at, now),
            harmless(each.plan.title),
        )
        for each, tasks in found
    ]
    if not rows:
        call.out.note("no episode was started on this board: dt episode start FILE.yaml")
    call.out.table(("EPISODE", "STATE", "DONE", "STARTED", "TITLE"), rows, colours=STATE_COLOURS)


def _settle(call: Call) -> None:
    """End what is over, as the daemon would."""
    from dreamos_tasks.app.episodes import log_of, settle_episodes

    for over in settle_episodes(call.nexus, call.home, by=call.actor(None)):
        call.out.note(f"{over.episode_id} is {over.state.value}: {log_of(over, call.home)}")


def _show(call: Call, found: Episode, tasks: Sequence[Task]) -> None:
    from dreamos_tasks.app.episodes import log_of
    from dreamos_tasks.model.episode import EpisodeState, stuck_on

    out, now = call.out, call.nexus.clock.now()
    out.line(out.painted(f"{found.episode_id}  {found.state.value}  {_progress(tasks)}", "bold"))
    out.line(
        f"  {harmless(found.plan.title)}, started {local_and_ago(found.started_at, now)} by {harmless(found.started_by)}"
    )
    if found.plan.north_star:
        out.line(f"  north star: {harmless(found.plan.north_star)}")
    rows = [
        (
            harmless(str(task.extra.get("episode_agent", "-"))),
            task.task_id,
            state_word(call.nexus, task),
            f"{task.progress.percent:g} %" if task.progress is not None and task.progress.percent is not None else "",
            harmless(task.title),
        )
        for task in tasks
    ]
    out.table(("AGENT", "TASK", "STATE", "", "TITLE"), rows)
    if found.state is not EpisodeState.RUNNING:
        out.note(f"what became of it: {log_of(found, call.home)}")
    for task in stuck_on(tasks):
        out.note(f"others wait for {task.task_id}, which is {task.status.value}: dt retry {task.task_id}")


def _progress(tasks: Sequence[Task]) -> str:
    return f"{sum(task.status is Status.COMPLETED for task in tasks)}/{len(tasks)}"
