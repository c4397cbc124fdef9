"""Importing: tasks of another board come onto this one, each once, with a report of what became of everything in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.app.tool_shop import tools_to_ask
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.errors import InvalidInput, Refused
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import read_drafts
from dreamos_tasks.intake.formats.found import Found, Note, NoteKind
from dreamos_tasks.intake.formats.listed import linked, without_rings
from dreamos_tasks.intake.formats.sources import Source
from dreamos_tasks.intake.problems import InvalidDrafts, shown
from dreamos_tasks.model.plan import ErrorCategory, TaskError
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import FINAL, Status, Task, TaskDraft

IMPORTER = "import"  # who did it, for the record
KEY = "import:{}"  # the dedupe key of a task that has none of its own: its id on the other board
UNSAID = "it failed on the board that it comes from, which does not say why"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of the tasks of another board, by their ids there; and line by line of what was said of them.

    `added` names them with their ids here; `here` were here before. `refused` has the reason.
    """

    added: Mapping[str, str]
    here: Mapping[str, str]
    refused: Mapping[str, str]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coming:
    found: Found
    draft: TaskDraft


def import_tasks(nexus: TaskNexus, source: Source, *, home: Home, dry_run: bool = False) -> ImportReport:
    """Put the tasks on the board, in one commit; those that are here already stay as they are.

    A task that cannot be taken is refused by itself, and what depends on it comes without it. With `dry_run` nothing is
    written. Raises BoardUnavailable kinds.
    """
    refused: dict[str, str] = {}
    notes = [*source.notes]
    twins = {found.source_id: known for found in source.tasks if (known := _known(nexus, found)) is not None}
    here = {source_id: known.task_id for source_id, known in twins.items()}
    notes += [note for found in source.tasks if (note := _of_another(found, twins.get(found.source_id))) is not None]
    door = Door(created_by=IMPORTER, check_call=call_check(tools_to_ask(home)))
    coming = [_typed(found, door) for found in source.tasks if found.source_id not in here]
    accepted: dict[str, Found] = {}  # by the id here
    for found, reason in coming:
        task_id = str(found.form["task_id"])
        taken = nexus.store.get(task_id)
        if reason is None and taken is not None:
            reason = f"{taken.task_id} is another task on this board: {taken.title}"
        if reason is None and task_id in accepted:
            reason = f"its id is {task_id} here, and so is that of {accepted[task_id].source_id!r}"
        if reason is None:
            accepted[task_id] = found
        else:
            refused[found.source_id] = reason
    linked_up = without_rings(linked(tuple(accepted.values()), known=_ids_needed(accepted.values(), nexus)))
    drafts = [_Coming(found=found, draft=_draft(found, door)) for found in linked_up]
    notes += [note for found in linked_up for note in found.notes]
    added = {each.found.source_id: each.draft.task_id for each in drafts}
    if not dry_run and drafts:
        _write(nexus, drafts)
    return ImportReport(added=added, here=here, refused=refused, notes=tuple(notes))


def _write(nexus: TaskNexus, coming: Sequence[_Coming]) -> None:
    with nexus.together():
        nexus.add_tasks([each.draft for each in coming])
        for each in coming:
            _bring_to_rest(nexus, each.draft.task_id, each.found)


def _bring_to_rest(nexus: TaskNexus, task_id: str, found: Found) -> None:
    """Have it where it was, if that is not the queue."""
    if found.status is Status.PAUSED:
        nexus.pause_task(task_id, by=IMPORTER, reason=found.reason)
    elif found.status in FINAL:
        error = None
        if found.status is Status.FAILED:
            error = TaskError(category=ErrorCategory.LOGIC, message=found.error or UNSAID)
        nexus.end_elsewhere(
            task_id, found.status, by=IMPORTER, result=found.result, error=error, ended_at=found.ended_at
        )


def _known(nexus: TaskNexus, found: Found) -> Task | None:
    """The task here, if it was imported before, or comes from this very board."""
    twins = nexus.find_tasks(TaskQuery(dedupe_key=_key_of(found), limit=1))
    if twins:
        return twins[0]
    same = nexus.store.get(str(found.form["task_id"]))
    return same if same is not None and same.title == found.form.get("title") else None


def _of_another(found: Found, known: Task | None) -> Note | None:
    """What is to be said when the one that is here has another title: two boards may count their tasks alike."""
    title = found.form.get("title")
    if known is None or title is None or known.title == str(title).strip():
        return None
    said = f"{shown(found.source_id)} came before, as {known.task_id}: {known.title}; {shown(title)} is left out"
    return Note(kind=NoteKind.REFUSED, where=found.where, said=said)


def _typed(found: Found, door: Door) -> tuple[Found, str | None]:
    """The task, and why it cannot be one here."""
    try:
        _draft(replace(found, form={**found.form, "depends_on": []}), door)
    except InvalidDrafts as error:
        return found, "; ".join(f"{problem.pointer}: {problem.message}" for problem in error.problems)
    except (InvalidInput, Refused) as error:
        return found, error.message
    return found, None


def _draft(found: Found, door: Door) -> TaskDraft:
    (draft,) = read_drafts([{"dedupe_key": _key_of(found), **found.form}], door).drafts
    return draft


def _key_of(found: Found) -> str:
    return KEY.format(found.source_id)


def _ids_needed(accepted: Collection[Found], nexus: TaskNexus) -> frozenset[str]:
    """Of the tasks that these link to, those that are on the board."""
    wanted = {str(other) for found in accepted for other in found.form.get("depends_on", ())}
    wanted |= {str(found.form["parent_id"]) for found in accepted if "parent_id" in found.form}
    return frozenset(task_id for task_id in wanted if nexus.store.get(task_id) is not None)
