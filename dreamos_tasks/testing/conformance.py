"""ToolConformance: what every ToolAdapter owes, as tests. A tool's author says how to make it and how it is called."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.testing.hostile import hostile_params
from dreamos_tasks.testing.leftovers import Leftovers
from dreamos_tasks.testing.results import problems_of, secrets_in
from dreamos_tasks.testing.surroundings import context_in, what_is_in
from dreamos_tasks.testing.touching import touches

PROMPT_SECONDS = 20.0  # a cancelled call is over in far less; a busy machine may need it
UNDER_WAY_SECONDS = 55.0  # for a call to begin on a busy machine; shortly afterwards it would time out
SHORT_TIMEOUT_SECONDS = 0.5
MOST_AT_ONCE = 8
NAME = re.compile(r"[a-z][a-z0-9_-]*")

Params = Mapping[str, object]


class ToolConformance:
    """The suite. Derive a class whose name begins with Test, and give at least the first three methods:

        class TestWeather(ToolConformance):
            def make_tool(self): return WeatherTool()
            def good_params(self): return [{"city": "Oslo"}]
            def bad_params(self): return [{}, {"city": 5}]

    Fixtures of your own work as in any test class. Every call gets a workspace of its own, made ready by `prepare`.
    """

    def make_tool(self) -> ToolAdapter:
        """A new tool."""
        raise NotImplementedError("make_tool() gives the tool that is tested")

    def good_params(self) -> Sequence[Params]:
        """Calls that succeed."""
        raise NotImplementedError("good_params() gives parameters of calls that succeed")

    def bad_params(self) -> Sequence[Params]:
        """Parameters that are wrong, whatever the world is like."""
        raise NotImplementedError("bad_params() gives parameters that are wrong")

    def failing_params(self) -> Sequence[Params]:
        """Calls that are right and fail all the same: what they name is not there."""
        return ()

    def slow_params(self) -> Params | None:
        """A call that would take a minute or more, for being cancelled. None: the tool has none."""
        return None

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        """Whether the slow call has begun its work, so that cancelling it means something."""
        return True

    def secret_params(self, secret: str) -> Params | None:
        """A call that would show this text in its output, or fail with it. None: no parameter of the tool can."""
        return None

    def prepare(self, workspace: Path) -> None:
        """Put into the empty workspace what the calls need."""

    # What follows are the tests.

    def test_its_name_is_a_plain_word(self) -> None:
        name = self.make_tool().name
        assert isinstance(name, str), f"name is {type(name).__name__}, not text"
        assert NAME.fullmatch(name), f"a step names a tool by a word of a-z, 0-9, _ and -, not by {name!r}"

    def test_its_schema_is_json_schema_2020_12(self) -> None:
        schema = self.make_tool().params_schema()
        json.dumps(schema, allow_nan=False)
        assert schema.get("type") == "object", "the schema is of an object: {'type': 'object', ...}"
        _validator(schema)

    def test_good_params_are_accepted_by_the_schema_and_by_validate(self) -> None:
        tool = self.make_tool()
        accepts = _validator(tool.params_schema())
        for params in self.good_params():
            assert not tool.validate(params), f"validate refuses {params}: {tool.validate(params)}"
            assert accepts(params), f"the schema refuses {params}, which validate accepts"

    def test_bad_params_are_refused_by_validate(self) -> None:
        tool = self.make_tool()
        assert self.bad_params(), "bad_params() gives none"
        for params in self.bad_params():
            assert tool.validate(params), f"validate accepts {params}"

    def test_whatever_it_is_given_validate_answers_in_words(self) -> None:
        tool = self.make_tool()
        for good in (*self.good_params(), *self.bad_params()):
            for params in hostile_params(good, tool.params_schema()):
                problems = tool.validate(params)
                assert all(map(_is_a_problem, problems)), f"{_short(params)}: {problems}"

    def test_what_validate_accepts_the_schema_accepts(self) -> None:
        tool = self.make_tool()
        schema = tool.params_schema()
        accepts = _validator(schema)
        for good in self.good_params():
            for params in hostile_params(good, schema):
                if not tool.validate(params):
                    assert accepts(params), f"validate accepts {_short(params)}, the schema refuses it"

    def test_validate_and_estimate_touch_nothing(self, tmp_path: Path) -> None:
        tool = self.make_tool()
        tool.validate({})  # what it loads for the first call is no part of the next
        for params in (*self.good_params(), *self.bad_params()):
            with touches() as touched:
                problems = tool.validate(params)
                if not problems:
                    tool.estimate(params)
            assert not touched, f"validate and estimate do no I/O; {params} made it touch {touched}"

    def test_it_estimates_what_a_call_costs(self) -> None:
        tool = self.make_tool()
        for params in self.good_params():
            estimate = tool.estimate(params)
            assert isinstance(estimate, Estimate), f"estimate gave {estimate!r}"
            assert estimate.duration_seconds is None or estimate.duration_seconds >= 0, f"{estimate}"

    def test_it_says_how_it_is(self) -> None:
        async def look() -> Health:
            return await self.make_tool().health()

        health = asyncio.run(look())
        assert isinstance(health, Health), f"health gave {health!r}"
        assert health.ok or (health.detail and health.fix), f"it cannot be used, and says no detail or no fix: {health}"

    def test_good_calls_succeed_with_a_result_that_can_be_kept(self, tmp_path: Path) -> None:
        for number, params in enumerate(self.good_params()):
            result, context = self._run(params, tmp_path / str(number))
            assert result.category is None, f"{params} failed: {result.category}, {result.message} ({result.cause})"
            assert not problems_of(result, context), f"{params}: {problems_of(result, context)}"

    def test_wrong_params_end_a_call_as_configuration(self, tmp_path: Path) -> None:
        for number, params in enumerate(self.bad_params()):
            result, context = self._run(params, tmp_path / str(number))
            assert result.category is ErrorCategory.CONFIGURATION, f"{params} gave {result.category}"
            assert not problems_of(result, context), f"{params}: {problems_of(result, context)}"

    def test_a_call_that_fails_says_why_and_raises_nothing(self, tmp_path: Path) -> None:
        for number, params in enumerate(self.failing_params() or _skipped("failing_params")):
            result, context = self._run(params, tmp_path / str(number))
            assert result.category is not None, f"{params} succeeded"
            assert not problems_of(result, context), f"{params}: {problems_of(result, context)}"

    def test_calls_side_by_side_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        async def all_at_once() -> Sequence[ToolResult]:
            tool = self.make_tool()
            contexts = [self._context(tmp_path / str(number)) for number in range(len(calls))]
            return await asyncio.gather(*map(tool.execute, calls, contexts))

        calls = [*self.good_params(), *self.good_params()][:MOST_AT_ONCE]
        for params, result in zip(calls, asyncio.run(all_at_once()), strict=True):
            assert result.category is None, f"{params} failed beside others: {result.message} ({result.cause})"

    def test_nothing_is_left_running_after_a_call(self, tmp_path: Path) -> None:
        for number, params in enumerate((*self.good_params(), *self.failing_params())):
            leftovers = Leftovers(secrets.token_hex(8))
            self._run(params, tmp_path / str(number), leftovers)
            assert not leftovers.found(), f"{params} left running: {leftovers.found()}"

    def test_a_cancelled_call_ends_promptly_and_leaves_nothing_running(self, tmp_path: Path) -> None:
        params = self.slow_params() or _skipped("slow_params")
        leftovers = Leftovers(secrets.token_hex(8))
        context = self._context(tmp_path, leftovers)

        async def cancelled() -> float:
            call = asyncio.ensure_future(self.make_tool().execute(params, context))
            until = time.monotonic() + UNDER_WAY_SECONDS
            await asyncio.sleep(0)
            while not call.done() and not self.slow_call_is_under_way(context.cwd):
                assert time.monotonic() < until, "slow_call_is_under_way() did not become true"
                await asyncio.sleep(0.01)
            assert not call.done(), f"the slow call was over before it could be cancelled: {call}"
            call.cancel()
            begun = time.monotonic()
            await asyncio.wait([call])
            assert call.cancelled(), f"the call swallowed its cancellation: {call}"
            return begun

        begun = asyncio.run(cancelled())
        took = time.monotonic() - begun  # with the threads that asyncio.run waits for
        assert took < PROMPT_SECONDS, f"it took {took:.1f} s to end"
        assert not leftovers.found(), f"left running: {leftovers.found()}"

    def test_a_call_ends_at_its_timeout_and_leaves_nothing_running(self, tmp_path: Path) -> None:
        params = self.slow_params() or _skipped("slow_params")
        leftovers = Leftovers(secrets.token_hex(8))
        begun = time.monotonic()

        result, context = self._run(params, tmp_path, leftovers, timeout_seconds=SHORT_TIMEOUT_SECONDS)

        took = time.monotonic() - begun
        assert took < PROMPT_SECONDS, f"with timeout_seconds {SHORT_TIMEOUT_SECONDS} it took {took:.1f} s"
        assert result.category is not None, "it timed out, and succeeded"
        assert not problems_of(result, context), f"{problems_of(result, context)}"
        assert not leftovers.found(), f"left running: {leftovers.found()}"

    def test_secrets_stand_in_nothing_that_is_kept(self, tmp_path: Path) -> None:
        secret = "canary-" + secrets.token_hex(12)
        params = self.secret_params(secret) or _skipped("secret_params")

        result, context = self._run(params, tmp_path, secrets=(secret,))

        assert not problems_of(result, context), f"{problems_of(result, context)}"
        assert not secrets_in(result, context), f"the secret stands in {secrets_in(result, context)}"

    def test_what_it_says_can_be_undone_is_undone(self, tmp_path: Path) -> None:
        tool: Any = self.make_tool()
        if not hasattr(tool, "undo"):
            _skipped("undo of the tool")
        for number, params in enumerate(self.good_params()):
            context = self._context(tmp_path / str(number))
            before = what_is_in(context.cwd)
            result = asyncio.run(tool.execute(params, context))
            if result.undo is None:
                continue
            record = json.loads(json.dumps(result.undo))  # it has been on the board
            undone = asyncio.run(tool.undo(record, context))
            assert undone.category is None, f"undo of {params} failed: {undone.message} ({undone.cause})"
            assert what_is_in(context.cwd) == before, f"after undo of {params} the workspace is not as before"
            again = asyncio.run(tool.undo(record, context))
            assert not problems_of(again, context), f"undone twice: {problems_of(again, context)}"
            assert what_is_in(context.cwd) == before, f"undo of {params}, twice, changed the workspace"

    def _run(
        self, params: Params, folder: Path, leftovers: Leftovers | None = None, **changes: object
    ) -> tuple[ToolResult, ToolContext]:
        context = self._context(folder, leftovers, **changes)

        async def call() -> ToolResult:
            result = await self.make_tool().execute(params, context)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not others, f"the call left asyncio tasks behind: {others}"
            return result

        return asyncio.run(call()), context

    def _context(self, folder: Path, leftovers: Leftovers | None = None, **changes: object) -> ToolContext:
        context = context_in(folder, **changes)
        if leftovers is not None:
            context = replace(context, environment={**context.environment, **leftovers.environment})
        self.prepare(context.cwd)
        return context


def _validator(schema: Mapping[str, object]) -> Callable[[object], bool]:
    from jsonschema import Draft202012Validator  # with pytest it comes with the extra `testing`

    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid


def _is_a_problem(problem: object) -> bool:
    return (
        isinstance(problem, ParamProblem)
        and (problem.pointer == "" or problem.pointer.startswith("/"))
        and bool(problem.message)
    )


def _skipped(what: str) -> Any:
    import pytest

    pytest.skip(f"it has no {what}")


def _short(params: Params) -> str:
    return repr({name: repr(value)[:60] for name, value in params.items()})
