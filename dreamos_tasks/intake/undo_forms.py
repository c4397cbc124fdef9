"""The undo of a step as people write it: a call of a tool, judged when the task comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dreamos_tasks.intake.findings import Findings
from dreamos_tasks.intake.problems import nearest, shown
from dreamos_tasks.model.references import references_in, trouble_with
from dreamos_tasks.model.tool import NoSuchTool, ParamProblem

UNDO_FIELDS = ("tool", "params")
SHELL = "shell"
A_CALL = 'a call {"tool": ..., "params": {...}}, or {"run": "a shell line"}'


def undo_form(value: Any) -> Any:
    """The undo in the model's form: `run` is short for a shell line."""
    if isinstance(value, dict) and isinstance(value.get("run"), str) and not value.keys() & set(UNDO_FIELDS):
        return {**{key: inner for key, inner in value.items() if key != "run"}, "params": {"command": value["run"]}}
    return value


def check_undo(
    undo: Any,
    pointer: str,
    findings: Findings,
    check_call: Callable[[str, Mapping[str, Any]], Sequence[ParamProblem]] | None,
    *,
    earlier: Sequence[str],
) -> None:
    """What is wrong with it. `earlier`: the steps whose values it may take, its own among them."""
    if not isinstance(undo, dict):
        findings.refuse_type(pointer, undo, expected=A_CALL)
        return
    for key in undo.keys() - set(UNDO_FIELDS):
        near = nearest(key, UNDO_FIELDS)
        findings.refuse(
            f"{pointer}/{key}",
            f"{shown(key)} is no part of an undo",
            expected=A_CALL,
            nearest_field=near,
            fix=f"write {near}" if near else "leave it out",
        )
    tool, params = undo.get("tool", SHELL), undo.get("params", {})
    if not isinstance(tool, str):
        findings.refuse_type(f"{pointer}/tool", tool, expected="the name of a tool")
        return
    if not isinstance(params, dict):
        findings.refuse_type(f"{pointer}/params", params, expected="an object {...}")
        return
    for reference in references_in(params):
        trouble = trouble_with(reference, earlier=earlier)
        if trouble:
            findings.refuse(f"{pointer}/params{reference.pointer}", trouble, fix="take values of steps that run before")
    for problem in check_call(tool, params) if check_call is not None else ():
        if isinstance(problem, NoSuchTool):
            findings.refuse(f"{pointer}/tool", problem.message, nearest_field=problem.nearest, fix=problem.fix)
            continue
        findings.refuse(f"{pointer}/params{problem.pointer}", problem.message, fix=problem.fix)
