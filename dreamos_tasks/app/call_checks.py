"""Checks the tool calls of tasks that come in, by the tools themselves: the same from every door."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import ToolNotFound
from dreamos_tasks.model.references import references_in
from dreamos_tasks.model.tool import NoSuchTool, ParamProblem

if TYPE_CHECKING:
    from dreamos_tasks.protocols import ToolAdapter
    from dreamos_tasks.tools.registry import ToolRegistry


def call_check(tools: ToolRegistry) -> Callable[[str, Mapping[str, Any]], Sequence[ParamProblem]]:
    """What says what is wrong with a call, from its tool's name and parameters; nothing when it could be made."""

    def check(name: str, params: Mapping[str, Any]) -> Sequence[ParamProblem]:
        try:
            tool = tools.get(name)
            return (*_misplaced(tool, params), *standing(tool.validate(params), params))
        except ToolNotFound as error:
            fix = f'"tool": "{error.nearest[0]}"' if error.nearest else error.fix
            nearest = error.nearest[0] if error.nearest else None
            return (NoSuchTool(pointer="", message=error.message, fix=fix, nearest=nearest),)

    return check


def standing(problems: Sequence[ParamProblem], params: Mapping[str, Any]) -> Iterator[ParamProblem]:
    """Those that do not come from a reference standing in for a value that only a run will give."""
    alone = [reference.pointer for reference in references_in(params) if reference.alone]
    for problem in problems:
        if not any(problem.pointer == pointer or problem.pointer.startswith(f"{pointer}/") for pointer in alone):
            yield problem


def _misplaced(tool: ToolAdapter, params: Mapping[str, Any]) -> Iterator[ParamProblem]:
    """References where the tool takes none: what a shell would read, or everybody can."""
    lines: Sequence[str] = getattr(tool, "texts_without_references", ())
    public: Sequence[str] = getattr(tool, "params_without_secrets", ())
    for reference in references_in(params):
        top = reference.pointer.split("/")[1] if reference.pointer else ""
        if top in lines and isinstance(params.get(top), str):
            yield ParamProblem(
                pointer=reference.pointer,
                message=f"{reference.text} cannot stand in a line that a shell reads",
                fix=f'"env": {{"VALUE": "{reference.text}"}} and "$VALUE" in the line, or write the command as a list',
            )
        elif top in public and reference.secret is not None:
            yield ParamProblem(
                pointer=reference.pointer,
                message=f"{reference.text} cannot stand in {top}: others can see it there",
                fix="give it by env, stdin, headers or body",
            )
