"""What a program slips into a draft is put right or refused at once: on the board it would stop every claim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.task import TaskDraft

EIGHT = datetime(2030, 1, 31, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        EIGHT,
        datetime(2030, 1, 31, 10, tzinfo=timezone(timedelta(hours=2))),
        "2030-01-31T08:00:00Z",
        "2030-01-31T10:00:00.0000000+02:00",
        "2030-01-31T08:00:00+00:00Z",
    ],
    ids=str,
)
def test_an_instant_is_kept_in_utc_however_it_is_given(given: Any) -> None:
    draft = TaskDraft(title="x", not_before=given, due_at=given)

    assert (draft.not_before, draft.due_at) == (EIGHT, EIGHT)
    assert draft.not_before is not None
    assert draft.not_before.tzinfo is UTC


@pytest.mark.parametrize("given", [EIGHT.replace(tzinfo=None), "soon", "", 5, True])
def test_what_says_no_instant_is_refused(given: Any) -> None:
    with pytest.raises(InvalidTask) as caught:
        TaskDraft(title="x", due_at=given)

    assert caught.value.pointer == "/due_at"
    assert "expected" in caught.value.cause


@pytest.mark.parametrize("field", ["tags", "depends_on", "requires"])
def test_a_text_is_not_taken_for_its_letters(field: str) -> None:
    with pytest.raises(InvalidTask) as caught:
        TaskDraft(title="x", **{field: "core"})  # type: ignore[arg-type]

    assert caught.value.pointer == f"/{field}"
    assert '("core",)' in caught.value.cause


@pytest.mark.parametrize(
    ("field", "value"),
    [("plan", {"steps": []}), ("verify", "make test"), ("verify", [{"name": "a"}]), ("retry", {"max_attempts": 2})],
)
def test_json_is_not_taken_for_the_value_it_stands_for(field: str, value: Any) -> None:
    with pytest.raises(InvalidTask) as caught:
        TaskDraft(title="x", **{field: value})

    assert caught.value.pointer == f"/{field}"


@pytest.mark.parametrize("name", ["", "a b", "-a", None])
def test_who_claims_has_a_name(name: Any) -> None:
    with pytest.raises(InvalidTask):
        ClaimRequest(agent_id=name)


@pytest.mark.parametrize(
    ("steps", "pointer", "words"),
    [
        ((Step(name="a"), Step(name="a")), "/plan/steps/1/name", "two steps are called 'a'"),
        ((Step(name="a", needs=("b",)),), "/plan/steps/0/needs", "no such step"),
        ((Step(name="a", needs=("b",)), Step(name="b", needs=("a",))), "/plan/steps", "in a ring"),
    ],
)
def test_steps_that_could_never_run_are_refused(steps: tuple[Step, ...], pointer: str, words: str) -> None:
    with pytest.raises(InvalidTask, match=words) as caught:
        TaskDraft(title="x", plan=Plan(steps=steps))

    assert caught.value.pointer == pointer
