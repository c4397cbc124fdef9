"""The suite for tools finds what is wrong: each of these tools breaks one promise, and fails just there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.testing import ToolConformance
from dreamos_tasks.testing import conformance as suite

Params = Mapping[str, object]


class Echo:
    """Says a text, or sleeps."""

    name = "echo"

    def params_schema(self) -> Params:
        properties = {"text": {"type": "string", "minLength": 1}}
        return {"type": "object", "properties": properties, "required": ["text"], "additionalProperties": False}

    def validate(self, params: Params) -> Sequence[ParamProblem]:
        text = params.get("text")
        if not isinstance(text, str) or not text or set(params) != {"text"}:
            return (ParamProblem(pointer="/text", message="expected text"),)
        return ()

    def estimate(self, params: Params) -> Estimate:
        return Estimate(duration_seconds=0.0)

    async def health(self) -> Health:
        return Health(ok=True)

    async def execute(self, params: Params, context: ToolContext) -> ToolResult:
        if self.validate(params):
            return ToolResult(category=ErrorCategory.CONFIGURATION, message="wrong")
        text = str(params["text"])
        if text == "sleep":
            return await self.sleep(context)
        if text == "fail":
            return ToolResult(category=ErrorCategory.LOGIC, message="as asked")
        for secret in context.secrets:
            text = text.replace(secret, "[secret]")
        return ToolResult(value=text)

    async def sleep(self, context: ToolContext) -> ToolResult:
        try:
            async with asyncio.timeout(context.timeout_seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return ToolResult(category=ErrorCategory.RESOURCE, message="timed out")
        raise AssertionError("nobody sets the event")


class EchoSuite(ToolConformance):
    """The suite for an Echo of any kind."""

    kind: type[Echo] = Echo

    def make_tool(self) -> Echo:
        return self.kind()

    def good_params(self) -> Sequence[Params]:
        return [{"text": "hello"}]

    def bad_params(self) -> Sequence[Params]:
        return [{}, {"text": 5}]

    def failing_params(self) -> Sequence[Params]:
        return [{"text": "fail"}]

    def slow_params(self) -> Params:
        return {"text": "sleep"}

    def secret_params(self, secret: str) -> Params:
        return {"text": f"it is {secret}"}


class TestEcho(EchoSuite):
    """A tool that keeps its promises passes."""


class Shouting(Echo):
    name = "Shouting!"


class Unschooled(Echo):
    def params_schema(self) -> Params:
        return {"type": "obejct"}


class Strict(Echo):
    def params_schema(self) -> Params:
        return {**super().params_schema(), "properties": {"text": {"const": "hi"}}}


class Lenient(Echo):
    def validate(self, params: Params) -> Sequence[ParamProblem]:
        return ()


class Careless(Echo):
    def validate(self, params: Params) -> Sequence[ParamProblem]:
        return super().validate(params) if len(str(params["text"])) else ()


class Curious(Echo):
    def validate(self, params: Params) -> Sequence[ParamProblem]:
        Path("/etc/hostname").exists()
        return super().validate(params)


class Reading(Echo):
    def estimate(self, params: Params) -> Estimate:
        Path(__file__).read_bytes()
        return super().estimate(params)


class Ailing(Echo):
    async def health(self) -> Health:
        return Health(ok=False)


class Raising(Echo):
    async def execute(self, params: Params, context: ToolContext) -> ToolResult:
        result = await super().execute(params, context)
        if result.category is ErrorCategory.LOGIC:
            raise RuntimeError("as asked")
        return result


class Misnaming(Echo):
    async def execute(self, params: Params, context: ToolContext) -> ToolResult:
        result = await super().execute(params, context)
        return replace(result, category=result.category and ErrorCategory.LOGIC)


class Unkeepable(Echo):
    async def execute(self, params: Params, context: ToolContext) -> ToolResult:
        return replace(await super().execute(params, context), value={1, 2}, output_head="\0")


class Telling(Echo):
    async def execute(self, params: Params, context: ToolContext) -> ToolResult:
        return await super().execute(params, replace(context, secrets=()))


class Noting(Echo):
    async def execute(self, params: Params, context: ToolContext) -> ToolResult:
        context.run_dir.mkdir(parents=True)
        (context.run_dir / "notes").write_text(str(params))
        return await super().execute(params, context)


class Deaf(Echo):
    async def sleep(self, context: ToolContext) -> ToolResult:
        try:
            return await super().sleep(context)
        except asyncio.CancelledError:
            return ToolResult(category=ErrorCategory.LOGIC, message="no")


class Littering(Echo):
    async def execute(self, params: Params, context: ToolContext) -> ToolResult:
        STARTED.append(_a_process(context.environment))
        return await super().execute(params, context)


class Lasting(Echo):
    async def sleep(self, context: ToolContext) -> ToolResult:
        return await super().sleep(replace(context, timeout_seconds=5.0))


class Forgetful(Echo):
    async def execute(self, params: Params, context: ToolContext) -> ToolResult:
        result = await super().execute(params, context)
        (context.cwd / "said").touch()
        return replace(result, undo={"remove": "said"})

    async def undo(self, record: object, context: ToolContext) -> ToolResult:
        return ToolResult()


STARTED: list[subprocess.Popen[bytes]] = []
Test = Callable[..., None]


@pytest.mark.parametrize(
    ("kind", "test", "words"),
    [
        (Shouting, ToolConformance.test_its_name_is_a_plain_word, "plain|a step names a tool by a word"),
        (Unschooled, ToolConformance.test_its_schema_is_json_schema_2020_12, "the schema is of an object"),
        (Strict, ToolConformance.test_good_params_are_accepted_by_the_schema_and_by_validate, "the schema refuses"),
        (Lenient, ToolConformance.test_bad_params_are_refused_by_validate, "validate accepts"),
        (Lenient, ToolConformance.test_what_validate_accepts_the_schema_accepts, "the schema refuses it"),
        (Ailing, ToolConformance.test_it_says_how_it_is, "says no detail or no fix"),
    ],
)
def test_a_tool_that_describes_itself_wrongly_is_found(kind: type[Echo], test: Test, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        test(_suite_of(kind))


def test_a_validate_that_raises_is_found() -> None:
    with pytest.raises(KeyError, match="text"):
        _suite_of(Careless).test_whatever_it_is_given_validate_answers_in_words()


@pytest.mark.parametrize(
    ("kind", "test", "words"),
    [
        (Curious, ToolConformance.test_validate_and_estimate_touch_nothing, "os.stat /etc/hostname"),
        (Reading, ToolConformance.test_validate_and_estimate_touch_nothing, "open .*test_conformance.py"),
        (Misnaming, ToolConformance.test_wrong_params_end_a_call_as_configuration, "gave logic"),
        (
            Unkeepable,
            ToolConformance.test_good_calls_succeed_with_a_result_that_can_be_kept,
            "value can be kept on no board",
        ),
        (Unkeepable, ToolConformance.test_good_calls_succeed_with_a_result_that_can_be_kept, "output_head holds a NUL"),
        (Telling, ToolConformance.test_secrets_stand_in_nothing_that_is_kept, "the secret stands in .'value'"),
        (Noting, ToolConformance.test_secrets_stand_in_nothing_that_is_kept, "the secret stands in .*runs.*notes"),
        (Deaf, ToolConformance.test_a_cancelled_call_ends_promptly_and_leaves_nothing_running, "swallowed"),
        (Lasting, ToolConformance.test_a_call_ends_at_its_timeout_and_leaves_nothing_running, "it took"),
        (Littering, ToolConformance.test_nothing_is_left_running_after_a_call, "left running: .'process"),
        (Forgetful, ToolConformance.test_what_it_says_can_be_undone_is_undone, "is not as before"),
    ],
)
def test_a_tool_that_breaks_a_promise_in_a_call_is_found(
    kind: type[Echo], test: Test, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "PROMPT_SECONDS", 3.0)
    monkeypatch.setattr("dreamos_tasks.testing.leftovers.PATIENCE_SECONDS", 0.1)
    try:
        with pytest.raises(AssertionError, match=words):
            test(_suite_of(kind), tmp_path)
    finally:
        while STARTED:
            process = STARTED.pop()
            process.kill()
            process.wait()


def test_a_call_that_raises_is_found(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="as asked"):
        _suite_of(Raising).test_a_call_that_fails_says_why_and_raises_nothing(tmp_path)


def test_a_thread_that_goes_on_after_the_call_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy(Echo):
        async def sleep(self, context: ToolContext) -> ToolResult:
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, 3.0)
            return ToolResult(category=ErrorCategory.RESOURCE, message="too late")

    monkeypatch.setattr(suite, "PROMPT_SECONDS", 1.0)
    with pytest.raises(AssertionError, match="s to end"):
        _suite_of(Busy).test_a_cancelled_call_ends_promptly_and_leaves_nothing_running(tmp_path)


def test_importing_the_suite_does_not_import_pytest() -> None:
    script = "import sys, dreamos_tasks.testing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"pytest", "jsonschema"}.isdisjoint(done.stdout.split())


def _suite_of(kind: type[Echo]) -> EchoSuite:
    made = EchoSuite()
    made.kind = kind
    return made


def _a_process(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    script = "import time; time.sleep(30)"
    return subprocess.Popen([sys.executable, "-c", script], env=dict(environment), start_new_session=True)
