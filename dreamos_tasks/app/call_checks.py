"""Checks the tool calls of tasks that come in, by the tools themselves: the same from every door."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import ToolNotFound
from dreamos_tasks.model.tool import ParamProblem

if TYPE_CHECKING:
    from dreamos_tasks.tools.registry import ToolRegistry


def call_check(tools: ToolRegistry) -> Callable[[str, Mapping[str, Any]], Sequence[ParamProblem]]:
    """What says what is wrong with a call, from its tool's name and parameters; nothing when it could be made."""

    def check(name: str, params: Mapping[str, Any]) -> Sequence[ParamProblem]:
        try:
            return tools.get(name).validate(params)
        except ToolNotFound as error:
            fix = f'"tool": "{error.nearest[0]}"' if error.nearest else error.fix
            return (ParamProblem(pointer="", message=error.message, fix=fix),)

    return check
