"""The JSON Schemas (2020-12) of what goes in and out, made of the same classes that are validated and stored.

What goes in (`draft`, `file`, `plan`, `step`, `retry`) is as lenient as the readers are: synonyms, shorthands, nulls. What
comes out (`task`, `step-result`, `tool-result`) is as strict as what is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from dreamos_tasks.errors import NotFound
from dreamos_tasks.intake.draft_forms import FILLED, INSTANT_FIELDS, INSTANT_PATTERN, WRITTEN_FIELDS
from dreamos_tasks.intake.problems import nearest
from dreamos_tasks.intake.schema_words import WORDS
from dreamos_tasks.intake.step_forms import MAX_STEPS, SHELL
from dreamos_tasks.intake.typed import JITTERS
from dreamos_tasks.model.mail import SUBJECT_MAX_LENGTH, VERSION, Message, MessageDraft
from dreamos_tasks.model.plan import Plan, Step, StepResult
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import NAME_PATTERN, PRIORITY_WORDS, TASK_FIELDS, TASK_ID_PATTERN, Task, TaskDraft
from dreamos_tasks.model.task_limits import MOST, SECONDS_LIMITS, WHOLE_LIMITS
from dreamos_tasks.model.tool import ToolResult

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID_PREFIX = "urn:dreamos-tasks:schema:"
_CLASSES: Mapping[str, Any] = {
    "task": Task,
    "draft": TaskDraft,
    "plan": Plan,
    "step": Step,
    "retry": RetryPolicy,
    "step-result": StepResult,
    "tool-result": ToolResult,
    "message": Message,
    "message-draft": MessageDraft,
}
_GOES_IN = ("draft", "plan", "step", "retry")
SCHEMA_NAMES = (*_CLASSES, "file")

_NULL: Schema = {"type": "null"}
_LINE: Schema = {"type": "string", "pattern": r"\S"}
_STEP_REF: Schema = {"$ref": "#/$defs/Step"}
_STEP_OR_LINE: Schema = {"anyOf": [_STEP_REF, _LINE]}


def schema_for(name: str) -> Schema:
    """The schema with this name (one of SCHEMA_NAMES), complete in itself. Raises NotFound."""
    if name == "file":
        return _file_schema()
    cls = _CLASSES.get(name)
    if cls is None:
        near = nearest(name, SCHEMA_NAMES)
        raise NotFound(
            f"there is no schema {name!r}",
            fix=f"did you mean {near}?" if near else f"the schemas are {', '.join(SCHEMA_NAMES)}",
        )
    schema: Schema = TypeAdapter(cls).json_schema()
    definitions = schema.pop("$defs", {})
    for title, one in {**definitions, cls.__name__: schema}.items():
        _describe(one, WORDS.get(title, {}))
        if name in _GOES_IN:
            _loosen(one, title)
    if name == "message-draft":
        schema["properties"].update(_message_rules())
        schema["additionalProperties"] = False
    if name == "task":
        schema["required"] = list(TASK_FIELDS)
        del definitions["Plan"]["properties"]["steps"]["minItems"]  # told of a task without a plan
    return _published(name, schema, definitions)


def _file_schema() -> Schema:
    draft = schema_for("draft")
    definitions = draft.pop("$defs")
    for key in ("$schema", "$id"):
        draft.pop(key)
    many = {"type": "array", "items": {"$ref": "#/$defs/TaskDraft"}, "minItems": 1}
    return _published(
        "file",
        {
            "title": "File",
            "description": "What a file in the inbox holds: a task, an array of tasks, or an object with tasks.",
            "anyOf": [
                {"allOf": [{"$ref": "#/$defs/TaskDraft"}, {"not": {"required": ["tasks"]}}]},
                many,
                {
                    "type": "object",
                    "required": ["tasks"],
                    "properties": {"tasks": many},
                    "not": {"anyOf": [{"required": [field]} for field in WRITTEN_FIELDS]},
                },
            ],
        },
        {**definitions, "TaskDraft": draft},
    )


def _published(name: str, schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    head = {"$schema": DIALECT, "$id": ID_PREFIX + name}
    return {**head, **schema, **({"$defs": dict(sorted(definitions.items()))} if definitions else {})}


def _describe(schema: Schema, words: Mapping[str, str]) -> None:
    if "description" in schema:
        schema["description"] = " ".join(str(schema["description"]).split())
    for field, one in schema.get("properties", {}).items():
        one.pop("title", None)
        if field in words:
            one["description"] = words[field]


def _loosen(schema: Schema, title: str) -> None:
    """Let in what the readers let in: the rules of a class's fields replaced where they are lenient, and null everywhere."""
    properties = schema.get("properties")
    if properties is None:
        return
    for field, rule in _input_rules(title).items():
        kept = {
            key: properties.get(field, {})[key]
            for key in ("description", "default")
            if key in properties.get(field, {})
        }
        properties[field] = {**rule, "description": WORDS[title].get(field, ""), **kept}
    for field, one in properties.items():
        if title != "Plan" or field != "steps":
            properties[field] = _nullable(one)
    match title:
        case "TaskDraft":
            schema["allOf"] = [_needs_a_title(), _one_of_both("run", "plan")]
        case "Step":
            schema.pop("required", None)
            not_shell: Schema = {"tool": {"not": {"enum": [SHELL, None]}}}
            schema["allOf"] = [
                _one_of_both("run", "params"),
                {"not": {"required": ["run", "tool"], "properties": _given("run") | not_shell}},
            ]
        case "RetryPolicy":
            schema["additionalProperties"] = False


def _message_rules() -> Mapping[str, Schema]:
    """What a message's readers hold that its class's annotations do not say."""
    name = {"type": "string", "pattern": _whole(NAME_PATTERN.pattern)}
    return {
        "to_agent_id": name,
        "from_agent_id": name,
        "subject": {"type": "string", "minLength": 1, "maxLength": SUBJECT_MAX_LENGTH, "pattern": r"\S"},
        "version": {"const": VERSION, "default": VERSION},
        "message_id": {"type": "string", "format": "uuid", "description": "left out, it is given one"},
        "body": {
            "description": "text where the type is text/...; a task for application/dreamos-task; any value otherwise"
        },
    }


def _input_rules(title: str) -> Mapping[str, Schema]:
    name = {"type": "string", "pattern": _whole(NAME_PATTERN.pattern)}
    instant = {"type": "string", "pattern": _whole(rf"\s*{INSTANT_PATTERN}\s*")}
    match title:
        case "TaskDraft":
            return {
                "task_id": {"type": "string", "pattern": _whole(f"({TASK_ID_PATTERN.pattern})?")},
                "priority": _priority(),
                "tags": {"type": "array", "items": name},
                "requires": {"type": "array", "items": name},
                **{field: {"type": "string", "minLength": 1} for field in FILLED},
                "assigned_to": name,
                **dict.fromkeys(INSTANT_FIELDS, instant),
                "run": {"anyOf": [_LINE, {"type": "array", "items": _LINE, "minItems": 1, "maxItems": MAX_STEPS}]},
                "verify": {"anyOf": [_LINE, {"type": "array", "items": _STEP_OR_LINE, "maxItems": MAX_STEPS}]},
                "context": {"type": "object", "properties": {"cwd": {"type": ["string", "null"]}}},
                "limits": {
                    "type": "object",
                    "properties": {
                        **{
                            limit: {"type": ["integer", "null"], "minimum": 1, "maximum": MOST}
                            for limit in WHOLE_LIMITS
                        },
                        **{limit: {**_nullable_number(), "maximum": MOST} for limit in SECONDS_LIMITS},
                    },
                    "additionalProperties": False,
                },
                "retry": {"$ref": "#/$defs/RetryPolicy"},
            }
        case "Plan":
            return {"steps": {"type": "array", "items": _STEP_OR_LINE, "maxItems": MAX_STEPS}}
        case "Step":
            return {"run": _LINE, "retry": _retry_rule()}
        case "RetryPolicy":
            return {"jitter": {"enum": list(JITTERS)}}
        case _:
            return {}


def _nullable_number() -> Schema:
    return {"type": ["number", "null"], "exclusiveMinimum": 0}


def _retry_rule() -> Schema:
    """The schema of a step's retry, which the model keeps as it was written."""
    schema = schema_for("retry")
    definitions = schema.get("$defs", {})
    categories = definitions.get("ErrorCategory", {}).get("enum", [])
    properties = dict(schema["properties"])
    properties["categories"] = {"type": ["array", "null"], "items": {"enum": categories}}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _priority() -> Schema:
    words = "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in PRIORITY_WORDS)
    return {
        "anyOf": [
            {"type": "string", "pattern": _whole(rf"\s*({words})\s*")},
            {"type": "integer", "minimum": 0, "maximum": 3},
        ]
    }


def _needs_a_title() -> Schema:
    filled = {"type": "string", "pattern": r"\S"}
    return {"anyOf": [{"required": [field], "properties": {field: filled}} for field in ("title", "description")]}


def _one_of_both(one: str, other: str) -> Schema:
    return {"not": {"required": [one, other], "properties": {**_given(one), **_given(other)}}}


def _given(field: str) -> Schema:
    return {field: {"not": _NULL}}


def _nullable(schema: Schema) -> Schema:
    kept = _words_of(schema)
    rule = {key: value for key, value in schema.items() if key not in kept}
    if _NULL in rule.get("anyOf", ()):
        return schema
    return {"anyOf": [*rule["anyOf"], _NULL] if set(rule) == {"anyOf"} else [rule, _NULL], **kept}


def _words_of(schema: Schema) -> Schema:
    return {key: schema[key] for key in ("description", "default") if key in schema}


def _whole(pattern: str) -> str:
    """A pattern for the whole text: in some engines `$` also stands before a line feed at the end."""
    return rf"^(?:{pattern})$(?!\n)"
