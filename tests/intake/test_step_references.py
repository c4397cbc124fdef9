"""References between steps are judged when a task comes in: what would never be there is refused at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import read_text

DOOR = Door(created_by="test")


def steps(*params: Any, needs: dict[int, list[str]] | None = None, **plan: Any) -> str:
    written = [
        {"name": f"s{number}", "params": {"command": ["echo", value]}, "needs": (needs or {}).get(number, [])}
        for number, value in enumerate(params)
    ]
    return json.dumps({"title": "x", "plan": {"steps": written, **plan}})


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        read_text(text, DOOR)
    return caught.value.pointer, caught.value.message


def test_in_a_list_a_step_may_take_values_of_all_before_it() -> None:
    read_text(steps("a", "b", "${steps.s0.output} ${steps.s1.exit_code}"), DOOR)

    pointer, message = refusal(steps("${steps.s1.output}", "b"))
    assert pointer == "/plan/steps/0/params/command/1"
    assert "does not run before this one" in message


def test_where_needs_are_named_a_step_may_take_values_of_those_it_needs_in_the_end() -> None:
    read_text(steps("a", "b", "${steps.s0.output}", needs={1: ["s0"], 2: ["s1"]}), DOOR)

    assert "does not run before" in refusal(steps("a", "b", "${steps.s0.output}", needs={1: ["s0"]}))[1]


def test_steps_that_may_run_side_by_side_have_nothing_of_one_another() -> None:
    assert "does not run before" in refusal(steps("a", "${steps.s0.output}", max_concurrent_steps=2))[1]


@pytest.mark.parametrize("text", ["${steps.s9.output}", "${steps.s0.stdout}", "${secret:no name}"])
def test_a_reference_that_can_never_be_kept_is_refused(text: str) -> None:
    pointer, message = refusal(steps("a", text))
    assert pointer == "/plan/steps/1/params/command/1"
    assert text in message


def test_the_number_of_steps_at_once_is_checked() -> None:
    assert refusal(steps("a", max_concurrent_steps=0))[0] == "/plan/max_concurrent_steps"
    assert refusal(steps("a", rollback="yes"))[0] == "/plan/rollback"
