"""PythonTool: calls a Python function in a process of its own, within the limits of the task."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from annotated_types import MinLen
from pydantic import AfterValidator, Field, ValidationError

from dreamos_tasks.model.failure import diagnose
from dreamos_tasks.model.keepable import keepable_text
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.tools import python_runner
from dreamos_tasks.tools.capture import Captured
from dreamos_tasks.tools.captured_run import run_captured, with_output
from dreamos_tasks.tools.children import Children, RunEnd
from dreamos_tasks.tools.exit_status import result_of_end, result_of_refusal
from dreamos_tasks.tools.params import Params
from dreamos_tasks.tools.process import Command
from dreamos_tasks.tools.python_error import name_of, symptom_of
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.texts import Line, Text, VariableName, is_json

_LARGEST_ERROR_BYTES = 1_048_576  # as JSON, with those behind it
LONGEST_MESSAGE = 1000  # characters of an error's text; all of it is in the output
# The program is read by the interpreter itself, which may be another one than ours and know nothing of our packages.
_BOOT = "import sys; sys.path[:] = filter(None, sys.path); exec(compile(open(sys.argv[1]).read(), sys.argv[1], 'exec'))"

_FUNCTION = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*$|^[A-Za-z0-9][A-Za-z0-9._-]*$"


FunctionName = Annotated[str, MinLen(1), Field(max_length=500, pattern=_FUNCTION)]
Args = Annotated[dict[str, Any] | list[Any], AfterValidator(is_json)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonOptions:
    """What config.yaml may say of the tool, below `tools.python.options`.

    `interpreter`: the Python that functions are called in, 3.8 or newer; "" is the daemon's own. It may be that of a virtual
    environment, seen from the task's workspace: `.venv/bin/python`.
    """

    interpreter: str = ""
    result_limit_bytes: int = 1_048_576  # of a function's value as JSON: it is kept on the board


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonParams:
    """What a step of the tool `python` says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    function: Annotated[
        FunctionName,
        Field(
            description="package.module:function, or the name of an entry point of the group dreamos_tasks.functions"
        ),
    ]
    args: Annotated[Args, Field(description="its arguments: an object by name, or a list by place")] = field(
        default_factory=dict
    )
    cwd: Annotated[
        Line | None,
        Field(
            description="the folder to run in, seen from the task's own; null: the task's own. Modules are looked for there"
        ),
    ] = None
    env: Annotated[
        Mapping[VariableName, Text],
        Field(description="variables to add to the environment, each as text"),
    ] = field(default_factory=dict)


class PythonTool:
    """The tool `python`. What the function returns is the step's value; what it prints is its output."""

    name = "python"
    texts = ("env",)

    def __init__(self, children: Children, *, options: PythonOptions | None = None) -> None:
        self._children = children
        self._options = options or PythonOptions()
        self._interpreter = self._options.interpreter or sys.executable
        self._params = Params(PythonParams)

    def params_schema(self) -> Mapping[str, object]:
        """See ToolAdapter."""
        return self._params.schema

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """See ToolAdapter. Whether there is such a function only the interpreter knows that calls it."""
        return self._params.problems(params)

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """Nothing is known of a function before it has run."""
        return Estimate()

    async def health(self) -> Health:
        """Whether there is the interpreter."""
        is_seen_from_workspace = "/" in self._interpreter and not self._interpreter.startswith("/")
        if is_seen_from_workspace:
            return Health(ok=True, detail=f"{self._interpreter}, seen from each workspace")
        if shutil.which(self._interpreter) is None:
            fix = "correct tools.python.options.interpreter in config.yaml"
            return Health(ok=False, detail=f"there is no {self._interpreter}", fix=fix)
        return Health(ok=True, detail=self._interpreter)

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """See ToolAdapter. A function that exits (sys.exit) ends as a command with that exit code does."""
        redactor = Redactor(context.secrets)
        try:
            values = self._params.read(params)
        except ValidationError:
            message = "; ".join(f"{problem.pointer}: {problem.message}" for problem in self.validate(params))
            return redactor.result(ToolResult(category=ErrorCategory.CONFIGURATION, message=message))
        answers = os.memfd_create("answers", os.MFD_CLOEXEC)
        try:
            return redactor.result(await self._called(values, answers, context, redactor))
        finally:
            os.close(answers)

    async def _called(self, values: PythonParams, answers: int, context: ToolContext, redactor: Redactor) -> ToolResult:
        command = self._command(values, answers, context)
        try:
            end, captured = await run_captured(self._children, command, context=context, redactor=redactor)
        except (OSError, ValueError) as error:
            return result_of_refusal(error, command)
        answer = _read(answers, self._options.result_limit_bytes)
        return with_output(self._result(values.function, end, answer, captured, context), captured)

    def _command(self, values: PythonParams, answers: int, context: ToolContext) -> Command:
        cwd = context.cwd / values.cwd if values.cwd else context.cwd
        interpreter = self._interpreter
        if "/" in interpreter:
            interpreter = str(context.cwd / interpreter)
        asked = {
            "function": values.function,
            "args": values.args,
            "result_limit_bytes": min(self._options.result_limit_bytes, context.output_limit_bytes),
        }
        return Command(
            arguments=(interpreter, "-u", "-c", _BOOT, str(Path(python_runner.__file__)), str(answers)),
            cwd=str(cwd),
            environment={**context.environment, **values.env},
            stdin=json.dumps(asked).encode("ascii"),
            passed=(answers,),
        )

    def _result(
        self, function: str, end: RunEnd, answer: Mapping[str, Any], captured: Captured, context: ToolContext
    ) -> ToolResult:
        result = result_of_end(
            end, success_codes=(0,), timeout=context.timeout_seconds, printed=captured.tail or captured.head
        )
        if result.category is not None:
            return result
        if "value" in answer:
            return replace(result, value=answer["value"])
        if "error" in answer:
            return _of_error(answer["error"], result)
        if "unfit" in answer:
            fix = "return what JSON has: texts, numbers, true, false, None, lists and dicts; write what is large into a file"
            return _failed(result, f"{function}: {answer['unfit']}", fix=fix)
        return _failed(result, f"{function} ended its process without a result", fix="let it return instead")


def _of_error(described: Mapping[str, Any], result: ToolResult) -> ToolResult:
    diagnosis = diagnose(symptom_of(described))
    text = keepable_text(described["text"])
    short = text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"
    return replace(
        result,
        category=diagnosis.category,
        message=f"{name_of(described)}: {short}" if short else name_of(described),
        cause=diagnosis.cause,
        suggestions=diagnosis.suggestions,
        try_later=diagnosis.try_later,
    )


def _failed(result: ToolResult, message: str, *, fix: str) -> ToolResult:
    return replace(result, category=ErrorCategory.LOGIC, message=message, suggestions=(fix,))


def _read(answers: int, limit_bytes: int) -> Mapping[str, Any]:
    """The answer; empty when there is none, or somebody else has written there too."""
    content = os.pread(answers, limit_bytes + _LARGEST_ERROR_BYTES, 0)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
