"""How a step is undone is judged when its task comes in: a call that could never be made is refused at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import read_text
from dreamos_tasks.model.tool import NoSuchTool, ParamProblem


def check(tool: str, params: Mapping[str, Any]) -> Sequence[ParamProblem]:
    """Of a tool that takes a command."""
    if tool != "shell":
        return (NoSuchTool(pointer="", message=f"no tool {tool!r}", nearest="shell"),)
    return () if "command" in params else (ParamProblem(pointer="/command", message="command is missing"),)


DOOR = Door(created_by="test", check_call=check)


def with_undo(undo: Any) -> str:
    first = {"name": "first", "run": "true"}
    return json.dumps({"title": "x", "plan": {"steps": [first, {"name": "make", "run": "make", "undo": undo}]}})


def undo_of(text: str) -> Any:
    plan = read_text(text, DOOR).drafts[0].plan
    assert plan is not None
    return plan.steps[1].undo


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"tool": "shell", "params": {"command": "x"}}, {"tool": "shell", "params": {"command": "x"}}),
        ({"params": {"command": "x"}}, {"params": {"command": "x"}}),
        ({"run": "x"}, {"params": {"command": "x"}}),
    ],
)
def test_an_undo_is_a_call_of_a_tool_or_a_shell_line(written: Any, meant: Any) -> None:
    assert undo_of(with_undo(written)) == meant


def test_an_undo_may_take_what_its_step_gave_and_what_came_before() -> None:
    command = ["rm", "${steps.make.output.path}", "${steps.first.output}"]
    assert undo_of(with_undo({"params": {"command": command}})) == {"params": {"command": command}}


@pytest.mark.parametrize(
    ("undo", "pointer", "said"),
    [
        ("make clean", "/undo", "does not fit here"),
        ({"tool": "make", "params": {}}, "/undo/tool", "no tool 'make'"),
        ({"tool": 3}, "/undo/tool", "does not fit here"),
        ({"params": []}, "/undo/params", "does not fit here"),
        ({"params": {"cmd": "x"}}, "/undo/params/command", "command is missing"),
        ({"command": "x"}, "/undo/command", "is no part of an undo"),
        (
            {"params": {"command": ["echo", "${steps.later.output}"]}},
            "/undo/params/command/1",
            "does not run before",
        ),
    ],
)
def test_what_can_be_no_undo_is_refused_with_its_place(undo: Any, pointer: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_text(with_undo(undo), DOOR)

    assert caught.value.pointer == f"/plan/steps/1{pointer}"
    assert said in caught.value.message
