"""ShellTool: runs a shell line, or a program with its arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le, MinLen
from pydantic import Field, Strict, ValidationError

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.tools.captured_run import run_captured, with_output
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.exit_status import result_of_end, result_of_refusal
from dreamos_tasks.tools.params import Params
from dreamos_tasks.tools.process import Command
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.texts import AnyText, Line, Text, VariableName

SHELL = "/bin/sh"


ExitCode = Annotated[int, Strict(), Ge(0), Le(255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellParams:
    """What a step of the tool `shell` says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    command: Annotated[
        Line | Annotated[tuple[Text, ...], MinLen(1)],
        Field(description=f"a line for {SHELL}, or a list: a program and its arguments, run without a shell"),
    ]
    cwd: Annotated[
        Line | None,
        Field(description="the folder to run in, seen from the task's own; null: the task's own"),
    ] = None
    env: Annotated[
        Mapping[VariableName, Text],
        Field(description="variables to add to the environment, each as text"),
    ] = field(default_factory=dict)
    stdin: Annotated[
        AnyText,
        Field(description="text that the command reads from its standard input"),
    ] = ""
    success_codes: Annotated[
        tuple[ExitCode, ...],
        MinLen(1),
        Field(description="the exit codes, 0-255, that mean success"),
    ] = (0,)


class ShellTool:
    """The tool `shell`. A line is run by /bin/sh; a list is a program and its arguments.

    It ends when the command has ended and nothing of it is left: what it started in the background is ended with it.
    """

    name = "shell"
    texts = ("command", "env", "stdin")  # a value alone, such as a number, is written out there
    texts_without_references = ("command",)  # a value in a shell line would be read as part of it
    params_without_secrets = ("command", "cwd")  # the arguments of a process can be seen by all

    def __init__(self, children: Children) -> None:
        self._children = children
        self._params = Params(ShellParams)

    def params_schema(self) -> Mapping[str, object]:
        """See ToolAdapter."""
        return self._params.schema

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """See ToolAdapter."""
        return self._params.problems(params)

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """Nothing is known of a command before it has run."""
        return Estimate()

    async def health(self) -> Health:
        """Whether the kernel can watch processes, and there is a shell."""
        try:
            os.close(os.pidfd_open(os.getpid()))
        except (AttributeError, OSError) as error:
            fix = "Linux 5.3 or newer is needed"
            return Health(ok=False, detail=f"processes cannot be watched: {error}", fix=fix)
        if not os.access(SHELL, os.X_OK):
            fix = "install one, or write commands as lists"
            return Health(ok=False, detail=f"there is no {SHELL}", fix=fix)
        return Health(ok=True, detail=SHELL)

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """See ToolAdapter. `exit_code` is 128 + N when signal N ended the command; exit code 75 asks to be tried later."""
        redactor = Redactor(context.secrets)
        try:
            values = self._params.read(params)
        except ValidationError:
            problems = self.validate(params)
            message = "; ".join(f"{problem.pointer}: {problem.message}" for problem in problems)
            return redactor.result(ToolResult(category=ErrorCategory.CONFIGURATION, message=message))
        command = _command(values, context)
        try:
            end, captured = await run_captured(self._children, command, context=context, redactor=redactor)
        except (OSError, ValueError) as error:
            return redactor.result(result_of_refusal(error, command))
        result = result_of_end(
            end,
            success_codes=values.success_codes,
            timeout=context.timeout_seconds,
            printed=captured.tail or captured.head,
        )
        return redactor.result(with_output(result, captured))


def _command(values: ShellParams, context: ToolContext) -> Command:
    line = values.command
    return Command(
        arguments=(SHELL, "-c", line) if isinstance(line, str) else line,
        cwd=str(context.cwd / values.cwd) if values.cwd else str(context.cwd),
        environment={**context.environment, **values.env},
        stdin=values.stdin.encode("utf-8"),
    )
