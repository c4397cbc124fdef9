"""A step's fallback gets the same parameters as its own tool, so both must be able to take them."""

from __future__ import annotations

from typing import Any

from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import read_drafts
from dreamos_tasks.intake.problems import InvalidDrafts
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.registry import ToolRegistry
from dreamos_tasks.tools.shell import ShellTool

TOOLS = ToolRegistry((ShellTool(Children(home_id="test", instance="test")),))
DOOR = Door(created_by="test", check_call=call_check(TOOLS))


def task(**step: Any) -> dict[str, Any]:
    return {"title": "x", "plan": {"steps": [{"name": "a", "run": "true"}, {"name": "call", **step}]}}


def refusals(form: dict[str, Any]) -> dict[str, str]:
    try:
        read_drafts(form, DOOR)
    except InvalidDrafts as error:
        return {problem.pointer: problem.message for problem in error.problems}
    return {}


def test_a_fallback_that_is_no_tool_is_refused_before_the_task_is_added() -> None:
    said = refusals(task(params={"command": "true"}, fallback="shel"))
    assert "'shel'" in said["/plan/steps/1/fallback"]


def test_a_fallback_that_cannot_take_the_parameters_is_refused() -> None:
    said = refusals(task(tool="http", params={"url": "http://example.com"}, fallback="shell"))
    assert said["/plan/steps/1/fallback"].startswith('its fallback "shell" cannot be called with the same parameters')


def test_what_a_shell_may_not_read_is_not_smuggled_in_by_a_fallback() -> None:
    said = refusals(task(tool="http", params={"command": "echo ${steps.a.output}"}, fallback="shell"))
    assert "cannot stand in a line that a shell reads" in said["/plan/steps/1/fallback"]


def test_a_fallback_that_can_be_called_is_taken() -> None:
    assert refusals(task(params={"command": "true"}, fallback="shell")) == {}
