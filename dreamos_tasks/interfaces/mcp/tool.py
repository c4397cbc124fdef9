"""BoardTool: a tool whose wrong arguments and refusals are told so that an agent can mend its call; and its lean schemas."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Annotated, Any, Self

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import Field, PrivateAttr, ValidationError

from dreamos_tasks.errors import DreamosError, InvalidInput, InvalidTask
from dreamos_tasks.interfaces.mcp.access import BoardAccess
from dreamos_tasks.interfaces.mcp.answers import refusal, success
from dreamos_tasks.model.task import priority_from

Act = Callable[..., Awaitable[Mapping[str, Any] | CallToolResult]]
AnyContext = Context[Any, Any]
Words = Annotated[str, Field(min_length=1)]
Schema = dict[str, Any]
NULL = {"type": "null"}
# What tasks and messages call it on the board, where a tool calls it otherwise.
ON_THE_BOARD = {"to_agent_id": "to", "from_agent_id": "agent", "agent_id": "agent", "body_type": "type"}


class BoardTool(Tool):
    """A tool over the board. Its function gives a document, or raises a DreamosError; anything else is a fault of ours."""

    _access: BoardAccess = PrivateAttr()

    @classmethod
    def of(cls, access: BoardAccess, act: Act, *, gives: Schema, changes: bool = True, ends: bool = False) -> Self:
        """The tool with the function's name, arguments and docstring. `gives`: the schema of its document.

        `changes`: it writes. `ends`: what it does cannot simply be gone back on, so clients may want to ask first.
        """
        hints = ToolAnnotations(destructive_hint=ends) if changes else ToolAnnotations(read_only_hint=True)
        tool = cls.from_function(act, description=_words_of(act), annotations=hints, structured_output=False)
        assert isinstance(tool, cls), "it makes what it is called on"
        tool.parameters = lean(tool.parameters)
        tool.fn_metadata.output_schema = gives
        tool._access = access
        return tool

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """See Tool: but errors of ours are results, with code, cause and fix."""
        request = context.request_context
        try:
            self._access.require(request, self.name)
            document = await self.fn(context, **self.validated(arguments))
            await self._access.sign_of_life(request)
        except DreamosError as error:
            return refusal(error)
        return document if isinstance(document, CallToolResult) else success(document)

    def validated(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them. Raises InvalidInput, naming the place and the nearest name."""
        known = tuple(self.parameters["properties"])
        for name in arguments:
            if name not in known:
                near = _nearest(name, known)
                raise InvalidInput(
                    f"{self.name} takes no {name!r}",
                    pointer=f"/{name}",
                    cause=f"it takes {', '.join(known) or 'nothing'}",
                    fix=f"did you mean {near!r}?" if near else "leave it out",
                )
        given = {name: self._meant(name, value) for name, value in arguments.items() if value is not None}
        try:
            return self.fn_metadata.validate_arguments(given)
        except ValidationError as error:
            raise _invalid(self.name, error) from None

    def _meant(self, name: str, value: Any) -> Any:
        """What is written as a task may write it: one text for a list of one, a priority in any case or as a number."""
        if name == "priority" and isinstance(value, str | int):
            with suppress(InvalidTask):
                return priority_from(value).value
        if isinstance(value, str) and self.parameters["properties"][name].get("type") == "array":
            return _as_list(value)
        return value


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The argument that is meant: the one most like it, by its own name or by that on the board."""
    words = {**{there: own for there, own in ON_THE_BOARD.items() if own in known}, **{own: own for own in known}}
    near = get_close_matches(name, words, n=1)
    return words[near[0]] if near else next((own for own in known if name in own), None)


def _as_list(text: str) -> Any:
    """The list that a text holds as JSON, or the one that has this text alone."""
    with suppress(ValueError, RecursionError):
        if isinstance(value := json.loads(text), list):
            return value
    return [text]


def lean(schema: Schema) -> Schema:
    """A schema without what costs a model tokens and tells it nothing: titles, and that what is optional may be null."""
    properties = {name: _lean_property(one) for name, one in schema.get("properties", {}).items()}
    required = {"required": schema["required"]} if schema.get("required") else {}
    return {"type": "object", "properties": properties, **required}


def _lean_property(schema: Schema) -> Schema:
    kept = {key: value for key, value in schema.items() if key != "title" and not (key == "default" and not value)}
    choices = [one for one in kept.pop("anyOf", []) if one != NULL]
    if len(choices) == 1:
        return {**choices[0], **kept}
    if choices:
        kept["anyOf"] = choices
    if kept.get("additionalProperties") is True:
        del kept["additionalProperties"]
    return kept


def _invalid(tool: str, error: ValidationError) -> InvalidInput:
    problems = error.errors(include_url=False, include_context=False)
    places = ["/" + "/".join(str(part) for part in one["loc"] if not str(part).startswith("list[")) for one in problems]
    told = [f"{place}: {one['msg'].lower()}" for place, one in zip(places, problems, strict=True)]
    missing = [place[1:] for place, one in zip(places, problems, strict=True) if one["type"] == "missing"]
    return InvalidInput(
        f"{tool} cannot be called so: {told[0]}",
        pointer=places[0],
        cause="; ".join(told[1:]),
        fix=f"pass {', '.join(missing)}" if missing else "correct it; the tool's input schema tells what it takes",
    )


def _words_of(act: Act) -> str:
    return " ".join((act.__doc__ or "").split())
