"""The verb undo: steps of a task taken back, or the last change to the board."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from dreamos_tasks.errors import DreamosError, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, TASK_ID, agent_option
from dreamos_tasks.interfaces.cli.task_view import state_word, task_document
from dreamos_tasks.interfaces.cli.text import harmless, harmless_block, local_and_ago
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.interfaces.documents import taken_back_document
from dreamos_tasks.model.plan import StepStatus
from dreamos_tasks.model.task import Task

if TYPE_CHECKING:
    from dreamos_tasks.model.risk import Assessment
    from dreamos_tasks.model.undone import Undone


@verb(
    "undo",
    examples=(
        "dt undo                            (takes back the last change: an add, edit, cancel, pause, ...)",
        "dt undo --dry-run",
        "dt undo dt-7k2m --step config      (puts back what a step has changed)",
        "dt undo dt-7k2m --dry-run          (what could be put back, newest first)",
    ),
)
@click.argument("task_id", metavar="[ID]", required=False, type=TASK_ID)
@option("--step", "names", metavar="NAME", type=FILLED, multiple=True, help="Only this step. Several. [default: all]")
@option("--dry-run", is_flag=True, help="Only show what would be taken back.")
@option("--yes", is_flag=True, help="Do not ask, also where an undo call of the plan can destroy something.")
@agent_option
def undo(call: Call, task_id: str | None, names: tuple[str, ...], dry_run: bool, yes: bool, agent: str | None) -> None:
    """Take something back: what steps of a task have changed, or, without an ID, the last change to the board.

    Steps are undone by their tool (files), or as their plan says ("undo"), newest first, within undo.window_seconds. The task
    stays in its state; tried again, it runs them once more. The board's last change is taken back by a new entry in its
    history, unless something has happened to the task since.
    """
    if task_id is not None:
        _undo_steps(call, call.nexus.get_task_by_id(task_id), names, dry_run=dry_run, yes=yes, agent=agent)
    elif names:
        raise UsageError("--step goes with the id of a task", fix="dt undo ID --step NAME")
    else:
        _take_back(call, dry_run=dry_run, agent=agent)


def _take_back(call: Call, *, dry_run: bool, agent: str | None) -> None:
    nexus, out = call.nexus, call.out
    actor = call.actor(agent)
    changes = nexus.last_change(machines=(call.settings.daemon.agent_id,))
    episodes = nexus.episodes_without(changes, by=actor)
    tasks = nexus.take_back(changes, by=actor, dry_run=dry_run)
    if episodes and not dry_run:
        from dreamos_tasks.app.episodes import settle_episodes

        settle_episodes(nexus, call.home, by=actor)  # and their logs: no daemon may be there to do it
    if out.as_json:
        out.document(taken_back_document(nexus, changes, tasks, episodes, dry_run=dry_run))
        return
    from dreamos_tasks.model.taking_back import SPOKEN

    for event, task in zip(changes, tasks, strict=True):
        said = f"{SPOKEN[event.type]} by {harmless(event.by)}, {local_and_ago(event.at, nexus.clock.now())}"
        would = "would be " if dry_run else ""
        out.line(f"{task.task_id}  {state_word(nexus, task)}: {would}taken back: {said}")
    for episode in episodes:
        out.line(f"{episode.episode_id}  {'would be ' if dry_run else ''}{episode.state.value}")
    if dry_run:
        out.note("nothing was changed")


def _undo_steps(call: Call, task: Task, names: tuple[str, ...], *, dry_run: bool, yes: bool, agent: str | None) -> None:
    from dreamos_tasks.app.undoing import Undoing
    from dreamos_tasks.model.undoing import require_undoable

    window = call.settings.undo.window_seconds
    meant = require_undoable(task, names, window_seconds=window, now=call.nexus.clock.now())
    undoing = Undoing(call.nexus, call.home, call.settings)
    dangers = undoing.dangers(task, meant)
    if dry_run:
        _would_undo(call, task, meant, dangers)
        return
    if dangers:
        _ask(call, task, dangers, yes=yes)
    since = call.nexus.clock.now()
    done = undoing.undo(task, meant, by=call.actor(agent), may_destroy=bool(dangers))
    tried = {one.name: one.undone for one in done.steps if one.undone is not None and one.undone.at >= since}
    failed = {name: undone for name, undone in tried.items() if not undone.ok}
    if call.out.as_json:
        call.out.document(task_document(call.nexus, done))
    else:
        _tell_undone(call, done, {name: tried[name] for name in meant if name in tried})
    if failed:
        call.out.error(
            DreamosError(
                f"{len(failed)} of {len(tried)} steps could not be undone",
                cause="; ".join(f"{name}: {_first_line(undone.message)}" for name, undone in failed.items()),
                fix=f"dt show {done.task_id}",
            )
        )
        call.exit_code = 1


def _tell_undone(call: Call, task: Task, tried: Mapping[str, Undone]) -> None:
    for name, undone in tried.items():
        word = "undone" if undone.ok else "not undone"
        why = f": {_first_line(undone.message)}" if undone.message else ""
        call.out.line(f"{task.task_id}  {harmless(name)}: {word}{why}")
    waits = any(record.status is StepStatus.PENDING for record in task.steps if record.name in tried)
    if waits and all(undone.ok for undone in tried.values()):
        call.out.note(f"the task stays {task.status.value}; tried again, it runs these steps once more")


def _would_undo(call: Call, task: Task, meant: Sequence[str], dangers: Mapping[str, Assessment]) -> None:
    from dreamos_tasks.model.risk import preview_of
    from dreamos_tasks.model.rollback import undo_order

    calls = {one.step: one for one in undo_order(task, meant)}
    if call.out.as_json:
        call.out.document(
            [
                {
                    "step": name,
                    "tool": calls[name].tool,
                    "undo": calls[name].own or calls[name].record,
                    "risk": dangers[name].risk.value if name in dangers else None,
                }
                for name in meant
            ]
        )
        return
    for name in meant:
        own = calls[name].own
        how = preview_of(str(own.get("tool", "shell")), own.get("params", {})) if own else f"by {calls[name].tool}"
        danger = f"  ({'; '.join(dangers[name].reasons)})" if name in dangers else ""
        call.out.line(f"{task.task_id}  {harmless(name)}: would be undone: {harmless(how)}{harmless(danger)}")
    call.out.note("nothing was changed")


def _ask(call: Call, task: Task, dangers: Mapping[str, Assessment], *, yes: bool) -> None:
    """Whoever lets an undo call destroy something is a person, and says so. Raises NoPerson, UsageError."""
    from dreamos_tasks.app.approver import require_person

    require_person(call.home, verb="undo")
    if yes:
        return
    for name, danger in dangers.items():
        call.out.hint(f"{task.task_id}  {harmless(name)}: {'; '.join(danger.reasons)} (risk {danger.risk.value})")
    if call.out.as_json or not sys.stdin.isatty():
        raise UsageError(
            "the undo calls of these steps can destroy something: " + ", ".join(dangers),
            cause="nobody can be asked here",
            fix=f"look with dt undo {task.task_id} --dry-run, then add --yes",
        )
    click.confirm("Undo all the same?", abort=True, err=True)


def _first_line(text: str) -> str:
    return harmless_block(text).partition("\n")[0]
