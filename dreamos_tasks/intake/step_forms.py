"""Steps as people write them, made into the model's form: shorthands, default names, needs, parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dreamos_tasks.intake.findings import Findings
from dreamos_tasks.intake.problems import nearest, pointer_to, shown
from dreamos_tasks.intake.typed import refuse_retry, retry_form
from dreamos_tasks.intake.undo_forms import check_undo, undo_form
from dreamos_tasks.model.plan import Step, StepResult, line_name, steps_from_run
from dreamos_tasks.model.references import references_in, trouble_with
from dreamos_tasks.model.tool import NoSuchTool, ParamProblem

CheckCall = Callable[[str, Mapping[str, Any]], Sequence[ParamProblem]]

STEP_FIELDS = tuple(f.name for f in fields(Step))
WRITTEN_STEP_FIELDS = (*STEP_FIELDS, "run")
RESULT_FIELDS = frozenset(f.name for f in fields(StepResult)) - frozenset(STEP_FIELDS)
MAX_STEPS = 1000  # of one task; each is recorded on the board when it runs
SHELL = "shell"
VERIFY = "verify"
_FORMS: Mapping[str, Callable[[Any], Any]] = {"retry": retry_form, "undo": undo_form}
A_STEP = 'a step {"name": ..., "tool": ..., "params": {...}}, or a shell line'


@dataclass(slots=True)
class StepForm:
    """One step in the model's form, and where its parts were written."""

    pointer: str
    params_pointer: str
    form: dict[str, Any] = field(default_factory=dict)

    @property
    def tool(self) -> Any:
        """The tool it calls, whatever stands there."""
        return self.form.get("tool", SHELL)

    def pointer_of(self, below: tuple[int | str, ...]) -> str:
        """Where the part of the model's form was written that is `below` the step."""
        if below[:1] == ("params",):
            return self.param_pointer(pointer_to(*below[1:]))
        return self.pointer if self.params_pointer == self.pointer else self.pointer + pointer_to(*below)

    def param_pointer(self, below: str) -> str:
        """Where a parameter was written; the shorthands have one place for all of them."""
        return f"{self.params_pointer}{below}" if self.params_pointer.endswith("/params") else self.params_pointer


def run_forms(value: Any, pointer: str, findings: Findings) -> list[StepForm]:
    """The shorthand `run`: a shell line, or a list of them."""
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list) or not 1 <= len(lines) <= MAX_STEPS:
        findings.refuse_type(
            pointer, value, expected="a shell line, or a list of up to 1,000 of them", fix='"run": "make test"'
        )
        return []
    for index, line in enumerate(lines):
        if not isinstance(line, str) or not line.strip():
            findings.refuse_type(_line(pointer, value, index), line, expected="a shell line")
    if not all(isinstance(line, str) for line in lines):
        return []
    return [
        StepForm(_line(pointer, value, index), _line(pointer, value, index), _short(step))
        for index, step in enumerate(steps_from_run(lines))
    ]


def verify_forms(value: Any, pointer: str, findings: Findings) -> list[StepForm]:
    """The steps of `verify`: steps, shell lines, or one shell line."""
    if isinstance(value, str):
        return _forms([value], lambda _: pointer, findings, lines_called=VERIFY)
    steps = list_forms(value, pointer, findings, lines_called=VERIFY)
    for step in steps:
        if step.form.get("retry"):
            findings.note(
                f"{step.pointer}/retry", "a check is not tried again by itself; the task is, by its own retry"
            )
    return steps


def list_forms(value: Any, pointer: str, findings: Findings, *, lines_called: str = "run") -> list[StepForm]:
    """A list of steps, each an object or a shell line."""
    if not isinstance(value, list):
        findings.refuse_type(pointer, value, expected="a list of steps", fix="put it in brackets: [...]")
        return []
    if len(value) > MAX_STEPS:
        findings.refuse(
            pointer,
            f"{len(value):,} steps are too many",
            expected=f"at most {MAX_STEPS:,} steps",
            found=f"{len(value):,} steps",
            fix="make several tasks of it, joined by depends_on",
        )
        return []
    return _forms(value, lambda index: pointer + pointer_to(index), findings, lines_called=lines_called)


def check_steps(
    steps: Sequence[StepForm], findings: Findings, check_call: CheckCall | None, *, in_order: bool = True
) -> None:
    """What steps owe to one another, and to their tools. `in_order`: where no step names needs, they run as they are listed."""
    names = {step.form["name"]: step for step in reversed(steps) if isinstance(step.form.get("name"), str)}
    for number, step in enumerate(steps, start=1):
        name = step.form.get("name")
        if isinstance(name, str) and names[name] is not step:
            findings.refuse(
                f"{step.pointer}/name",
                f"there is another step {shown(name)}",
                expected="a name of its own for each step",
                found=shown(name),
                fix=f'call this one "{name[:80]}-{number}"',
            )
    _check_needs(names, steps, findings)
    _check_order(names, findings)
    _check_references(names, steps, findings, check_call, in_order=in_order)
    for step in steps:
        refuse_retry(step.form.get("retry"), f"{step.pointer}/retry", findings)
        params = step.form.get("params", {})
        if check_call is not None and isinstance(step.tool, str) and isinstance(params, dict):
            for problem in check_call(step.tool, params):
                _refuse_call(step, problem, findings)
            fallback = step.form.get("fallback")
            if isinstance(fallback, str) and fallback != step.tool:
                for problem in check_call(fallback, params):
                    message = (
                        f"its fallback {shown(fallback)} cannot be called with the same parameters: {problem.message}"
                    )
                    findings.refuse(f"{step.pointer}/fallback", message, fix=problem.fix)


def _refuse_call(step: StepForm, problem: ParamProblem, findings: Findings) -> None:
    if isinstance(problem, NoSuchTool):
        findings.refuse(
            f"{step.pointer}/tool",
            problem.message,
            expected="the name of a tool",
            found=shown(step.tool),
            nearest_field=problem.nearest,
            fix=problem.fix,
        )
    else:
        findings.refuse(step.param_pointer(problem.pointer), problem.message, fix=problem.fix)


def _forms(
    values: Sequence[Any], pointer_of: Callable[[int], str], findings: Findings, *, lines_called: str
) -> list[StepForm]:
    steps = []
    lines = sum(isinstance(value, str) for value in values)
    line_number = 0
    for index, value in enumerate(values):
        pointer = pointer_of(index)
        if isinstance(value, str) and value.strip():
            line_number += 1
            name = line_name(lines_called, line_number, of=lines)
            steps.append(StepForm(pointer, pointer, {"name": name, "params": {"command": value}}))
        elif isinstance(value, dict):
            steps.append(_object_form(value, pointer, findings))
        else:
            findings.refuse_type(pointer, value, expected=A_STEP)
    _give_names(steps)
    return steps


def _object_form(value: Mapping[str, Any], pointer: str, findings: Findings) -> StepForm:
    step = StepForm(pointer, f"{pointer}/params")
    extra: dict[str, Any] = {}
    for key, inner in value.items():
        at = pointer + pointer_to(key)
        if key == "run":
            if inner is None:
                continue
            _take_run(step, value, inner, findings)
        elif key in RESULT_FIELDS:
            findings.note(at, f"{key} is the board's to say; it was ignored")
        elif key not in STEP_FIELDS:
            findings.note_unknown(at, key, WRITTEN_STEP_FIELDS, of="a step", never_misspelt=WRITTEN_STEP_FIELDS)
            extra[key] = inner
        elif inner is not None:
            step.form[key] = _FORMS[key](inner) if key in _FORMS else inner
    if extra:
        given = step.form.get("extra")
        step.form["extra"] = {**(given if isinstance(given, dict) else {}), **extra}
    return step


def _take_run(step: StepForm, value: Mapping[str, Any], line: Any, findings: Findings) -> None:
    at = f"{step.pointer}/run"
    if value.get("params") is not None or value.get("tool") not in (None, SHELL):
        findings.refuse(
            at,
            "a step has either run, or a tool with params",
            expected="one of them",
            fix='"run" is short for "tool": "shell", "params": {"command": ...}',
        )
    elif not isinstance(line, str) or not line.strip():
        findings.refuse_type(at, line, expected="a shell line")
    else:
        step.form["params"] = {"command": line}
        step.params_pointer = at


def _give_names(steps: Sequence[StepForm]) -> None:
    """A step without a name is called after its tool when it is the only one of it, and after its place otherwise."""
    taken = {step.form["name"] for step in steps if isinstance(step.form.get("name"), str)}
    tools = Counter(step.tool for step in steps if isinstance(step.tool, str))
    for number, step in enumerate(steps, start=1):
        if "name" in step.form:
            continue
        name = step.tool if isinstance(step.tool, str) and tools[step.tool] == 1 and step.tool else f"step-{number}"
        while name in taken:
            name = f"step-{number}" if name == step.tool else f"{name}-{number}"
        taken.add(name)
        step.form["name"] = name


def _check_needs(names: Mapping[str, StepForm], steps: Sequence[StepForm], findings: Findings) -> None:
    for step in steps:
        needs = step.form.get("needs")
        for index, need in enumerate(needs if isinstance(needs, list) else ()):
            if isinstance(need, str) and need not in names:
                near = nearest(need, names)
                findings.refuse(
                    f"{step.pointer}/needs/{index}",
                    f"there is no step {shown(need)}",
                    expected=f"one of {', '.join(sorted(names)[:8])}",
                    found=shown(need),
                    nearest_field=near,
                    fix=f"write {shown(near)}" if near else "name a step of the same list",
                )


def _check_order(names: Mapping[str, StepForm], findings: Findings) -> None:
    try:
        TopologicalSorter({name: _needs_of(names, name) for name in names}).prepare()
    except CycleError as error:
        ring = error.args[1][::-1]  # each needs the next
        findings.refuse(
            f"{names[ring[0]].pointer}/needs",
            f"these steps need each other in a ring: {' -> '.join(ring[:12])}",
            expected="an order in which they can run",
            fix="leave one of these needs out",
        )


def _check_references(
    names: Mapping[str, StepForm],
    steps: Sequence[StepForm],
    findings: Findings,
    check_call: CheckCall | None,
    *,
    in_order: bool,
) -> None:
    """Values can be taken only from steps that have ended before; without any needs these are all before it in the list.

    The undo of a step may take those of the step itself too.
    """
    is_graph = not in_order or any(_needs_of(names, name) for name in names)
    before: list[str] = []
    for step in steps:
        name = step.form.get("name")
        earlier = _upstream(names, name) if is_graph and isinstance(name, str) else tuple(before)
        for reference in references_in(step.form.get("params", {})):
            trouble = trouble_with(reference, earlier=earlier)
            if trouble:
                findings.refuse(
                    step.param_pointer(reference.pointer), trouble, fix="correct it, or add the step to needs"
                )
        if "undo" in step.form:
            known = (*earlier, name) if isinstance(name, str) else earlier
            check_undo(step.form["undo"], f"{step.pointer}/undo", findings, check_call, earlier=known)
        if isinstance(name, str):
            before.append(name)


def _upstream(names: Mapping[str, StepForm], name: str) -> Sequence[str]:
    """The steps that it needs, and those that these need in turn."""
    found = dict.fromkeys(_needs_of(names, name))
    pending = list(found)
    while pending:
        for need in _needs_of(names, pending.pop()):
            if need not in found:
                found[need] = None
                pending.append(need)
    return tuple(found)


def _needs_of(names: Mapping[str, StepForm], name: str) -> Sequence[str]:
    needs = names[name].form.get("needs")
    return [need for need in needs if isinstance(need, str) and need in names] if isinstance(needs, list) else ()


def _line(pointer: str, value: Any, index: int) -> str:
    return pointer if isinstance(value, str) else f"{pointer}/{index}"


def _short(step: Step) -> dict[str, Any]:
    return {"name": step.name, "params": dict(step.params)}
