"""A draft made in Python is held to what every board can read back: a wrong value is refused, and never written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks import InvalidInput, Plan, RetryPolicy, Step, TaskDraft, TaskNexus
from dreamos_tasks.model.task import DRAFT_FIELDS
from tests.full_task import full_task

WRONG: dict[str, Any] = {
    "/timeout_seconds": {"timeout_seconds": 0},
    "/context": {"context": "docs"},
    "/extra": {"extra": [1]},
    "/dedupe_key": {"dedupe_key": 5},
    "/description": {"description": 5},
    "/retry/max_attempts": {"retry": RetryPolicy(max_attempts=0)},
    "/plan/steps/0/name": {"plan": Plan(steps=(Step(name=""),))},
    "/plan/steps/0/timeout_seconds": {"plan": Plan(steps=(Step(name="a", timeout_seconds=-1),))},
    "": {"context": {"of": object()}},
}


@pytest.fixture(params=["nexus.db", "nexus.json"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.mark.parametrize("pointer", WRONG)
def test_a_wrong_value_is_refused_and_the_board_goes_on(path: Path, pointer: str) -> None:
    with TaskNexus.open(path) as nexus:
        good = nexus.add_task(TaskDraft(title="good"))

        with pytest.raises(InvalidInput) as caught:
            nexus.add_task(TaskDraft(title="x", **WRONG[pointer]))
        with pytest.raises(InvalidInput):
            nexus.add_tasks([TaskDraft(title="first"), TaskDraft(title="x", **WRONG[pointer])])
        with pytest.raises(InvalidInput):
            nexus.edit_task(good.task_id, WRONG[pointer])

    assert caught.value.pointer == pointer
    with TaskNexus.open(path) as again:
        assert [task.title for task in again.get_all_tasks()] == ["good"]
        assert again.get_next_task("ada") is not None


def test_what_is_nested_too_deeply_is_refused(path: Path) -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with TaskNexus.open(path) as nexus:
        with pytest.raises(InvalidInput, match="nested too deeply"):
            nexus.add_task(TaskDraft(title="x", extra={"deep": deep}))
        assert nexus.get_all_tasks() == []


def test_what_is_right_is_kept_as_it_was(path: Path) -> None:
    asked = {name: getattr(full_task(), name) for name in DRAFT_FIELDS}
    draft = TaskDraft(**{**asked, "depends_on": (), "parent_id": None})

    with TaskNexus.open(path) as nexus:
        task = nexus.add_task(draft)
        edited = nexus.edit_task(task.task_id, {"title": "New", "timeout_seconds": 5})

    assert {name: getattr(task, name) for name in DRAFT_FIELDS} == {name: getattr(draft, name) for name in DRAFT_FIELDS}
    assert (edited.title, edited.timeout_seconds) == ("New", 5)


def test_what_is_no_draft_is_refused(path: Path) -> None:
    with TaskNexus.open(path) as nexus, pytest.raises(InvalidInput, match="dict is no TaskDraft"):
        nexus.add_task({"title": "x"})  # type: ignore[arg-type]
