"""What a tool has answered, made such as any board keeps: a tool of somebody else's may give anything."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.keepable import MAX_DEPTH, check_keepable, is_keepable_text, keepable_text
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult

_texts_of = attrgetter("message", "cause", "output_head", "output_tail")
_ADVICE = (
    f"give texts, numbers, lists and dictionaries, at most {MAX_DEPTH} levels deep",
    "of a tool of your own, dreamos_tasks.testing looks at all that it answers",
)


def kept_answer(tool: str, answer: object) -> ToolResult:
    """The answer itself, if it can be kept. A value that cannot fails the step: a later one may count on it."""
    if not isinstance(answer, ToolResult):
        return _faulty(ToolResult(), f"{tool} gave {type(answer).__name__}, not a ToolResult")
    if not all(map(is_keepable_text, (*_texts_of(answer), *answer.suggestions))):
        message, cause, output_head, output_tail = map(keepable_text, _texts_of(answer))
        suggestions = tuple(map(keepable_text, answer.suggestions))
        answer = replace(answer, message=message, cause=cause, suggestions=suggestions)
        answer = replace(answer, output_head=output_head, output_tail=output_tail)
    try:
        check_keepable(answer.value)
        check_keepable(answer.undo)
    except InvalidInput as error:
        return _faulty(answer, f"{tool} gave a value that no board can keep: {error.message}")
    return answer


def _faulty(answer: ToolResult, message: str) -> ToolResult:
    kept = replace(answer, value=None, undo=None)
    if kept.category is not None:
        return kept
    return replace(kept, category=ErrorCategory.LOGIC, message=message, suggestions=_ADVICE)
