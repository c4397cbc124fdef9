"""The TaskNexus of the Python interface: the board's own, which can also open itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from dreamos_tasks.app.boards import open_store
from dreamos_tasks.board import nexus
from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.doorbell import Doorbell
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import ConfigError, InvalidTask
from dreamos_tasks.model.json_form import draft_to_sparse_json
from dreamos_tasks.model.task import DRAFT_FIELDS, Task, TaskDraft
from dreamos_tasks.stores import forking


class TaskNexus(nexus.TaskNexus):
    """The shared board. `TaskNexus.open("runtime/nexus.db")` opens or makes one."""

    @classmethod
    def open(cls, path: str | Path, *, durability: str = "full", rules: BoardRules | None = None) -> Self:
        """The board in the file: SQLite, or JSON when its name ends in .json. Raises BoardUnavailable kinds, ConfigError.

        Verbs ring the doorbell beside it, so a daemon that serves the board wakes at once.
        """
        if "://" in str(path):
            raise ConfigError(
                f"{str(path).partition('://')[0]}://... is no board that this release can open",
                cause="a board is a file",
                fix='TaskNexus.open("runtime/nexus.db"), or a path that ends in .json',
            )
        file = Path(path).expanduser().absolute()
        with forking.opening():
            store = open_store(file, durability=durability)
            store.survive_forks()
        clock = BoardClock(store)
        clock.follow_wall_clock()
        return cls(store, clock, rules=rules, ring=Doorbell(file.parent / "doorbell.sock").ring)

    def add_task(self, draft: TaskDraft) -> Task:
        """See the board's own. A draft made in Python came past no door: its values are held to their limits here."""
        return super().add_task(_checked(draft))

    def add_tasks(self, drafts: Sequence[TaskDraft]) -> Sequence[Task]:
        """See the board's own, and add_task."""
        return super().add_tasks([_checked(draft) for draft in drafts])

    def edit_task(self, task_id: str, fields: Mapping[str, Any], *, by: str = "api") -> Task:
        """See the board's own, and add_task."""
        _checked(TaskDraft(**{"title": "x", **{name: fields[name] for name in fields if name in DRAFT_FIELDS}}))
        return super().edit_task(task_id, fields, by=by)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked(draft: TaskDraft) -> TaskDraft:
    """The draft as any board will read it back. Raises InvalidTask, InvalidInput for what none could."""
    from dreamos_tasks.stores.typed_form import Misfit, reader_of

    if not isinstance(draft, TaskDraft):
        raise InvalidTask(f"{type(draft).__name__} is no TaskDraft", fix='TaskDraft(title="...")')
    try:
        form = draft_to_sparse_json(draft)
    except TypeError as error:
        raise InvalidTask(str(error), fix="give it as texts, numbers, lists and dictionaries") from error
    except RecursionError:
        raise InvalidTask("it is nested too deeply", fix="give a few levels of lists and dictionaries") from None
    try:
        read: TaskDraft = reader_of(TaskDraft)(form)
    except Misfit as misfit:
        raise InvalidTask(misfit.what, pointer=misfit.pointer, cause=misfit.cause, fix=misfit.fix) from misfit
    return read
