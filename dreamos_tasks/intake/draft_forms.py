"""One task as people write it, made into a draft: synonyms, shorthands, unknown keys, and what only the board may say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from typing import Any

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.intake.findings import Findings
from dreamos_tasks.intake.problems import nearest, pointer_to, shown
from dreamos_tasks.intake.step_forms import CheckCall, StepForm, check_steps, list_forms, run_forms, verify_forms
from dreamos_tasks.intake.typed import refuse_retry, retry_form, typed_draft
from dreamos_tasks.model.instants import read_instant
from dreamos_tasks.model.plan import Plan
from dreamos_tasks.model.task import DRAFT_FIELDS, PRIORITY_WORDS, TASK_FIELDS, TaskDraft, check_name, priority_from
from dreamos_tasks.model.task_limits import TASK_LIMITS, check_limits
from dreamos_tasks.model.task_limits import expected as expected_of_limit

# Derived or decided by the board; a task that `dt show --json` printed has them, and can be dropped again all the same.
BOARD_FIELDS = frozenset(TASK_FIELDS) - frozenset(DRAFT_FIELDS) | {"waiting_for"}
PAGE_FIELDS = frozenset(
    {"eta", "next_commands", "waiting_for"}
)  # together they are a page of `dt show`, alone somebody's own
PLAN_FIELDS = tuple(f.name for f in fields(Plan))
PLAN_CHOICES = tuple(name for name in PLAN_FIELDS if name not in ("steps", "extra"))
NO_PLAN: Mapping[str, Any] = {"steps": []}  # what a task without a plan is told with
WRITTEN_FIELDS = (*DRAFT_FIELDS, "run")
# What holds a task back, or keeps it within bounds: without it, something would happen that its author ruled out.
NEVER_MISSPELT = (
    *("run", "plan", "verify", "depends_on", "requires", "not_before", "timeout_seconds", "limits", "retry"),
    "concurrency_key",
)
INSTANT_FIELDS = ("not_before", "due_at")
NAMES = {"tags": "a tag", "requires": "a capability"}
FILLED = ("parent_id", "related_task_id", "assigned_to", "dedupe_key", "concurrency_key", "created_by")
# RFC 3339, and what other programs make of it: any number of digits in the fraction, a comma, `+00:00Z`, a blank for the T.
INSTANT_PATTERN = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?([Zz]|[+-]\d\d:\d\d[Zz]?)"
_INSTANT = re.compile(INSTANT_PATTERN, re.ASCII)
_PLACEHOLDER = "?"  # in place of a title that is missing, so that everything else is checked too


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Which way a draft comes in: what it gets from there, and how its tools' parameters are checked."""

    created_by: str
    assigned_to: str | None = None
    check_call: CheckCall | None = None


@dataclass(slots=True)
class _Form:
    pointer: str
    value: Mapping[str, Any]
    findings: Findings
    known: dict[str, Any] = field(default_factory=dict)
    instants: dict[str, Any] = field(default_factory=dict)
    sources: dict[tuple[int | str, ...], StepForm] = field(default_factory=dict)

    def at(self, *tokens: str | int) -> str:
        return self.pointer + pointer_to(*tokens)

    def pointer_of(self, loc: tuple[int | str, ...]) -> str:
        """Where the part of the model's form at `loc` was written."""
        for length in (3, 2):
            step = self.sources.get(loc[:length])
            if step is not None:
                return step.pointer_of(loc[length:])
        return self.at(*loc)


def draft_of(value: Any, pointer: str, findings: Findings, door: Door) -> TaskDraft | None:
    """The draft that a value asks for; None when something is wrong with it, which `findings` then tells."""
    if not isinstance(value, dict):
        findings.refuse_type(pointer, value, expected='a task {"title": ...}', fix='{"title": "..."}')
        return None
    before = len(findings.problems)
    form = _Form(pointer, value, findings)
    _sort_keys(form)
    _check_title(form)
    _read_priority(form)
    _read_instants(form)
    _check_names(form)
    _read_mappings(form)
    _read_steps(form, door.check_call)
    _assign(form, door)
    draft = typed_draft(form.known, form.pointer_of, findings)
    if draft is None or len(findings.problems) > before:
        return None
    return replace(draft, **form.instants) if form.instants else draft


def _sort_keys(form: _Form) -> None:
    """Each key is a field, the board's to say, or kept in extra; null stands for the default."""
    extra: dict[str, Any] = {}
    ignored = []
    for key, inner in form.value.items():
        if key in DRAFT_FIELDS:
            if inner is not None:
                form.known[key] = inner
        elif key in BOARD_FIELDS or (key in PAGE_FIELDS and form.value.keys() >= PAGE_FIELDS):
            ignored.append(key)
        elif key != "run":
            form.findings.note_unknown(form.at(key), key, WRITTEN_FIELDS, of="a task", never_misspelt=NEVER_MISSPELT)
            extra[key] = inner
    if ignored:
        form.findings.note(form.pointer, f"{', '.join(ignored)}: the board's to say; ignored")
    if extra:
        given = form.known.get("extra", {})
        form.known["extra"] = {**given, **extra} if isinstance(given, dict) else given


def _check_title(form: _Form) -> None:
    texts = [form.known.get(name, "") for name in ("title", "description")]
    if any(not isinstance(text, str) or text.strip() for text in texts):
        return
    form.known["title"] = _PLACEHOLDER
    for key in form.value:
        near = nearest(key, ("title", "description")) if key not in WRITTEN_FIELDS else None
        if near:
            form.findings.refuse(
                form.at(key),
                f"a task needs a title, and {shown(key)} is no field of it; did you mean {near!r}?",
                expected=near,
                found=shown(key),
                nearest_field=near,
                fix=f"rename {shown(key)} to {shown(near)}",
            )
            return
    form.findings.refuse(
        form.at("title"),
        "a task needs a title",
        expected="a title of 1-500 characters, or a description",
        found="neither",
        nearest_field="title",
        fix='add "title": "..."',
    )


def _read_priority(form: _Form) -> None:
    if "priority" not in form.known:
        return
    word = form.known.pop("priority")
    word = int(word) if isinstance(word, float) and word.is_integer() else word  # 1.0 is a whole number in JSON Schema
    try:
        form.known["priority"] = priority_from(word if isinstance(word, str | int) else shown(word)).value
    except InvalidTask as error:
        near = nearest(word, PRIORITY_WORDS)
        form.findings.refuse(
            form.at("priority"),
            f"{shown(word)} is not a priority",
            expected="critical, high, medium or low (or 0-3, urgent, normal)",
            found=shown(word),
            nearest_field=near,
            fix=f'write "{near}"' if near else error.fix,
        )


def _read_instants(form: _Form) -> None:
    for name in INSTANT_FIELDS:
        if name in form.known:
            instant = _instant(form, name, form.known.pop(name))
            if instant is not None:
                form.instants[name] = instant


def _instant(form: _Form, name: str, word: Any) -> datetime | None:
    text = word.strip() if isinstance(word, str) else ""
    try:
        if _INSTANT.fullmatch(text) is not None:
            return read_instant(text.upper())
        naive = _INSTANT.fullmatch(f"{text}Z") is not None or _INSTANT.fullmatch(f"{text}T00:00:00Z") is not None
    except (ValueError, OverflowError):
        naive = False
    zoned = f"{text}Z" if ":" in text else f"{text}T00:00:00Z"
    form.findings.refuse(
        form.at(name),
        f"{shown(word)} does not say in which time zone it is" if naive else f"{shown(word)} is no instant",
        expected="an instant with its offset (RFC 3339)",
        found=shown(word),
        fix=f'write "{zoned}" if it is UTC, or end it with an offset like +02:00'
        if naive
        else 'write it like "2030-01-31T09:30:00Z"',
    )
    return None


def _check_names(form: _Form) -> None:
    for name, what in NAMES.items():
        words = form.known.get(name)
        for index, word in enumerate(words if isinstance(words, list) else ()):
            if isinstance(word, str):
                _check(form, form.at(name, index), partial(check_name, word, what=what))
    agent = form.known.get("assigned_to")
    if isinstance(agent, str) and agent:
        _check(form, form.at("assigned_to"), partial(check_name, agent, what="an agent's name"))
    for name in FILLED:
        if form.known.get(name) == "":
            form.findings.refuse(
                form.at(name), f"{name} is empty", expected="a text", found='""', fix="leave it out, or fill it"
            )
            del form.known[name]
    task_id, depends_on = form.known.get("task_id"), form.known.get("depends_on")
    if isinstance(task_id, str):
        needs = tuple(other for other in depends_on if isinstance(other, str)) if isinstance(depends_on, list) else ()
        _check(form, form.pointer, partial(TaskDraft, title=_PLACEHOLDER, task_id=task_id, depends_on=needs))


def _check(form: _Form, pointer: str, rule: Callable[[], object]) -> None:
    try:
        rule()
    except InvalidTask as error:
        form.findings.refuse(pointer + error.pointer, error.message, expected=error.cause, fix=error.fix)


def _read_mappings(form: _Form) -> None:
    cwd = form.known["context"].get("cwd") if isinstance(form.known.get("context"), dict) else None
    if cwd is not None and not isinstance(cwd, str):
        form.findings.refuse_type(form.at("context", "cwd"), cwd, expected="a folder", fix='"cwd": "."')
    limits = form.known.get("limits")
    if isinstance(limits, dict):
        said = {key: inner for key, inner in limits.items() if inner is not None}
        form.known["limits"] = {key: inner for key, inner in said.items() if _check_limit(form, key, inner)}
    retry = form.known.pop("retry", None)
    if retry is not None:
        refuse_retry(retry, form.at("retry"), form.findings)
        if isinstance(retry, dict) and retry:
            form.known["retry"] = retry_form(retry)


def _check_limit(form: _Form, key: str, value: Any) -> bool:
    """Whether the limit can be kept; what is wrong with it is told."""
    pointer = form.at("limits", key)
    if key not in TASK_LIMITS:
        near = nearest(key, TASK_LIMITS)
        form.findings.refuse(
            pointer,
            f"{shown(key)} is no limit of a task",
            expected=f"one of {', '.join(TASK_LIMITS)}",
            found=shown(key),
            nearest_field=near,
            fix=f'write "{near}"' if near else "correct it, or leave it out",
        )
        return False
    try:
        check_limits({key: value})
    except InvalidTask:
        form.findings.refuse_type(pointer, value, expected=expected_of_limit(key), fix="correct it, or leave it out")
        return False
    return True


def _read_steps(form: _Form, check_call: CheckCall | None) -> None:
    findings = form.findings
    run, plan, verify = form.value.get("run"), form.known.pop("plan", None), form.known.pop("verify", None)
    if run is not None and plan is not None:
        findings.refuse(
            form.at("run"),
            "a task has either run or a plan",
            expected="one of them",
            fix="make the lines of run steps of the plan, or leave the plan out",
        )
    elif run is not None:
        _take_plan(form, {}, run_forms(run, form.at("run"), findings), check_call)
    elif plan == NO_PLAN:
        pass
    elif isinstance(plan, dict) and "steps" in plan:
        _take_plan(form, plan, list_forms(plan["steps"], form.at("plan", "steps"), findings), check_call)
    elif plan is not None:
        findings.refuse_type(form.at("plan"), plan, expected='{"steps": [...]}', fix='"plan": {"steps": [...]}')
    if verify is not None:
        steps = verify_forms(verify, form.at("verify"), findings)
        check_steps(steps, findings, check_call)
        form.known["verify"] = [step.form for step in steps]
        form.sources.update({("verify", index): step for index, step in enumerate(steps)})


def _take_plan(form: _Form, plan: Mapping[str, Any], steps: list[StepForm], check_call: CheckCall | None) -> None:
    before = len(form.findings.problems)
    in_order = plan.get("max_concurrent_steps") is None
    check_steps(steps, form.findings, check_call, in_order=in_order)
    extra = {key: inner for key, inner in plan.items() if key not in PLAN_FIELDS}
    for key in extra:
        form.findings.note_unknown(form.at("plan", key), key, PLAN_FIELDS, of="a plan", never_misspelt=PLAN_FIELDS)
    given = plan.get("extra")
    if given is not None and not isinstance(given, dict):
        form.findings.refuse_type(form.at("plan", "extra"), given, expected="an object {...}")
    if not steps and before == len(form.findings.problems) and not plan.get("steps", [None]):
        form.findings.refuse(
            form.at("plan", "steps"), "a plan needs a step", expected="at least one step", found="an empty list"
        )
    if steps:
        kept = {**(given if isinstance(given, dict) else {}), **extra}
        chosen = {key: plan[key] for key in PLAN_CHOICES if plan.get(key) is not None}
        form.known["plan"] = {"steps": [step.form for step in steps], **chosen, **({"extra": kept} if kept else {})}
        form.sources.update({("plan", "steps", index): step for index, step in enumerate(steps)})


def _assign(form: _Form, door: Door) -> None:
    form.known.setdefault("created_by", door.created_by)
    if door.assigned_to is None:
        return
    given = form.known.get("assigned_to")
    if given not in (None, door.assigned_to):
        form.findings.note(
            form.at("assigned_to"), f"the folder decides: it is assigned to {door.assigned_to}, not to {shown(given)}"
        )
    form.known["assigned_to"] = door.assigned_to
