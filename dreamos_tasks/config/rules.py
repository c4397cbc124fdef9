"""What the values of settings must be: constraints by name, with the words an error says them in.

Imported only where settings are validated or described; `settings` names these in its annotations, and finds them here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, MinLen, Predicate, doc

from dreamos_tasks.config import settings
from dreamos_tasks.model.constraints import YEAR_SECONDS
from dreamos_tasks.model.request import Risk
from dreamos_tasks.model.task import NAME_PATTERN

MOST_BYTES = 2**50  # a pebibyte
MOST = 1_000_000

_VARIABLE_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?|\*")


def _is_agent_name(text: str) -> bool:
    return NAME_PATTERN.fullmatch(text) is not None


def _is_variable_name(text: str) -> bool:
    return _VARIABLE_PATTERN.fullmatch(text) is not None


def _is_risk_pattern(text: str) -> bool:
    risk, colon, expression = text.partition(":")
    try:
        re.compile(expression)
    except re.error:
        return False
    return bool(colon) and bool(expression.strip()) and risk in tuple(Risk)


def _is_judged_place(text: str) -> bool:
    tool, dot, name = text.partition(".")
    return bool(tool.strip() and dot and name.strip()) and _is_plain(text)


def _is_escalation_target(text: str) -> bool:
    word, colon, name = text.partition(":")
    if not colon:
        return word in ("task", "command")
    return word in ("mailbox", "message") and NAME_PATTERN.fullmatch(name) is not None


def _are_quiet_hours(text: str) -> bool:
    return re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", text) is not None


def _is_plain(text: str) -> bool:
    return text.isprintable() and text.strip() == text


Seconds = Annotated[float, Gt(0), Le(YEAR_SECONDS)]
SecondsOrZero = Annotated[float, Ge(0), Le(YEAR_SECONDS)]
Bytes = Annotated[int, Ge(1), Le(MOST_BYTES)]
BytesOrZero = Annotated[int, Ge(0), Le(MOST_BYTES)]
Count = Annotated[int, Ge(1), Le(MOST)]
CountOrZero = Annotated[int, Ge(0), Le(MOST)]
Factor = Annotated[float, Ge(1), Le(100)]
Port = Annotated[int, Ge(0), Le(65_535)]
Text = Annotated[str, MinLen(1), Predicate(_is_plain), doc("text, not empty, without control characters")]
RiskPattern = Annotated[
    str, Predicate(_is_risk_pattern), doc("a risk and a regular expression, such as 'high: deploy --production'")
]
JudgedPlace = Annotated[
    str, Predicate(_is_judged_place), doc("a tool's parameter, such as 'message.text', or 'message.*' for all of them")
]
EscalationTarget = Annotated[
    str,
    Predicate(_is_escalation_target),
    doc("task, command, mailbox:NAME of an agent, or message:NAME of a target of the tool message"),
]
QuietHours = Annotated[str, Predicate(_are_quiet_hours), doc("two times of the day, such as 22:00-07:00")]
KeyLimits = Annotated[Mapping[str, Count], doc("an object of numbers by key, such as {deploy: 2}")]
Options = Annotated[Mapping[str, Any], doc("an object")]
AgentName = Annotated[
    str,
    Predicate(_is_agent_name),
    doc("a name of 1-100 letters, digits or . _ - : @ +, beginning with a letter or digit"),
]
VariableName = Annotated[
    str, Predicate(_is_variable_name), doc("names of environment variables, which may end in a star")
]

# Both pydantic and `get_type_hints` look names up in the module that a class was written in.
vars(settings).update({name: value for name, value in dict(vars()).items() if getattr(value, "__metadata__", None)})
