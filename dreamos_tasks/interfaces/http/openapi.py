"""The OpenAPI document: what FastAPI finds in the routes, with the forms of tasks and events made of the very model classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from dreamos_tasks.interfaces.http.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from fastapi import FastAPI

Responses = dict[int | str, dict[str, Any]]
COMPONENTS = "#/components/schemas/"
OBJECT: Mapping[str, Any] = {"type": "object"}
OBJECTS: Mapping[str, Any] = {"type": "array", "items": OBJECT}
PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457), with the code that the command line gives.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what happened, and to whom"},
        "code": {"type": "string", "description": "a stable word, the same on the command line"},
        "cause": {"type": "string"},
        "fix": {"type": "string", "description": "what to do next"},
        "pointer": {"type": "string", "description": "where in the body (JSON Pointer)"},
        "errors": {
            "type": "array",
            "items": {"type": "object"},
            "description": "everything that is wrong with the body",
        },
    },
    "required": ["type", "title", "status", "detail", "code", "cause", "fix"],
}
MEANINGS: Mapping[int, str] = {
    400: "The call is wrong: a parameter that is not known, or an agent that is not named.",
    401: "No token, or none that is known.",
    403: "The token may not do this, or the request comes from a page of another site.",
    404: "There is no such thing, or nothing is ready.",
    409: "The board refuses: another holds the task, the token is stale, the state does not allow it.",
    412: "The task is no longer as it was when its ETag was given.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    421: "The request names another host.",
    422: "What was handed in breaks a rule; `pointer` says where.",
    503: "The board can neither be read nor written just now.",
}


def ref(name: str) -> dict[str, str]:
    """A reference to one of the document's forms."""
    return {"$ref": COMPONENTS + name}


def gives(
    schema: Mapping[str, Any] | str, what: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Responses:
    """An answer: its form (or the form's name), and in words."""
    form = ref(schema) if isinstance(schema, str) else dict(schema)
    answer: dict[str, Any] = {"description": what, "content": {"application/json": {"schema": form}}}
    if headers:
        answer["headers"] = {
            name: {"description": said, "schema": {"type": "string"}} for name, said in headers.items()
        }
    return {status: answer}


def problems(*statuses: int) -> Responses:
    """The refusals of a route, and those that any route may give."""
    content = {MEDIA_TYPE: {"schema": ref("Problem")}}
    every = sorted({400, 401, 403, 422, 503, *statuses})
    named: Responses = {status: {"description": MEANINGS[status], "content": content} for status in every}
    return {**named, "default": {"description": "Anything else that went wrong.", "content": content}}


def list_of(name: str) -> dict[str, Any]:
    """An array of forms."""
    return {"type": "array", "items": ref(name)}


def json_body(schema: Mapping[str, Any] | str, what: str) -> dict[str, Any]:
    """For `openapi_extra`: a body whose reading is the route's own."""
    form = ref(schema) if isinstance(schema, str) else dict(schema)
    content = {"application/json": {"schema": form}}
    return {"requestBody": {"required": True, "description": what, "content": content}}


def complete(api: FastAPI, *, prefix: str) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(
        title=api.title,
        version=api.version,
        summary="Tasks, claims, approvals: the board of dreamos-tasks, as the command line has it.",
        description="Errors are `application/problem+json` with the codes of the command line. "
        "Scopes of tokens: read < agent < operator (`dt token create`). Tasks have an ETag: `If-None-Match` on reading one "
        "gives 304 while it is the same, `If-Match` on changing one gives 412 when it no longer is.",
        routes=api.routes,
        servers=[{"url": prefix}],
        tags=[
            {"name": "tasks", "description": "List, add, read, change."},
            {"name": "work", "description": "What an agent does: claim, and finish its own."},
            {"name": "steering", "description": "What people do: pause, resume, cancel, retry, undo."},
            {"name": "approvals", "description": "What people are asked, and what they say."},
            {"name": "mail", "description": "What agents write to one another."},
            {"name": "board", "description": "The board and the daemon as a whole."},
        ],
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(_forms())
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "Made by `dt token create`."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": api.state.context.sign_in.cookie,
            "description": "Of a browser that followed a link of `dt dashboard`.",
        },
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            given = operation["responses"]
            if "Validation" in json.dumps(given.get("422", {})):
                del given["422"]
            operation["responses"] = {**_texts(problems()), **given}
    _link(document["paths"])
    document["security"] = [{"token": []}, {"session": []}]
    return document


def _link(paths: Mapping[str, Any]) -> None:
    """Say which calls take the id that a call gives: of a task that was added, of a request that was put."""
    links: dict[str, dict[str, Any]] = {"add_task": {}, "ask": {}}
    for path, operations in paths.items():
        for operation in operations.values():
            name = operation["operationId"]
            if "{task_id}" in path and name != "ask":
                links["add_task"][name] = {"operationId": name, "parameters": {"task_id": "$response.body#/task_id"}}
            if "{request_id}" in path:
                place = "$response.body#/requests/0/request_id"
                links["ask"][name] = {"operationId": name, "parameters": {"request_id": place}}
    paths["/tasks"]["post"]["responses"]["201"]["links"] = links["add_task"]
    paths["/tasks/{task_id}/ask"]["post"]["responses"]["200"]["links"] = links["ask"]


def _texts(responses: Responses) -> dict[str, Any]:
    return {str(status): answer for status, answer in responses.items()}


def _forms() -> dict[str, Any]:
    """The forms that routes refer to, each with those that it refers to itself."""
    from dreamos_tasks.app.schemas import schema_named

    forms: dict[str, Any] = {"Problem": dict(PROBLEM)}
    forms |= _taken_in(schema_named("task"), "Task", prefix="")
    forms |= _taken_in(schema_named("file"), "Drafts", prefix="Draft")
    forms |= _taken_in(schema_named("event"), "Event", prefix="Event")
    forms |= _taken_in(schema_named("message"), "Message", prefix="Message")
    forms |= _taken_in(schema_named("message-draft"), "MessageDraft", prefix="MessageDraft")
    forms["Task"]["properties"] |= {
        "waiting_for": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Why a queued task cannot start; empty when it can.",
        },
        "eta": {"type": ["object", "null"]},
        "next_commands": {"type": "array", "items": {"type": "string"}},
    }
    return {**forms, "TaskEdit": _task_edit(forms["DraftTaskDraft"]), "LiveMessage": _live_message()}


def _task_edit(draft: Mapping[str, Any]) -> dict[str, Any]:
    """What may be changed of a task, of all that a draft has."""
    from dreamos_tasks.model.steering import EDITABLE
    from dreamos_tasks.model.task import TITLE_MAX_LENGTH

    fields = {name: draft["properties"][name] for name in sorted(EDITABLE) if name in draft["properties"]}
    fields["title"] = {"type": "string", "minLength": 1, "maxLength": TITLE_MAX_LENGTH, "pattern": r"\S"}
    return {
        "type": "object",
        "description": "The fields to change, as they are written when a task is added.",
        "properties": fields,
        "additionalProperties": False,
        "minProperties": 1,
    }


def _live_message() -> dict[str, Any]:
    from dreamos_tasks.model.live_message import LiveType

    return {
        "type": "object",
        "description": "What happened, as the live feed tells it too.",
        "properties": {
            "id": {"type": "integer", "description": "the seq; ask for what comes after the last one seen"},
            "type": {"enum": [kind.value for kind in LiveType]},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "properties": {"task_id": {"type": ["string", "null"]}}},
        },
        "required": ["id", "type", "timestamp", "data"],
    }


def _taken_in(schema: Mapping[str, Any], name: str, *, prefix: str) -> dict[str, Any]:
    """A schema of its own, and what it defines, as components."""
    inner = schema.get("$defs", {})
    text = json.dumps({key: value for key, value in schema.items() if key not in ("$defs", "$schema", "$id")})
    forms = {name: text, **{prefix + key: json.dumps(value) for key, value in inner.items()}}
    return {key: json.loads(value.replace('"#/$defs/', f'"{COMPONENTS}{prefix}')) for key, value in forms.items()}
