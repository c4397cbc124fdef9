"""The tool `python`: a function is called in a process of its own; its value, or its error, comes back."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from dreamos_tasks.model.limits import Limits
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.testing.surroundings import context_in
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.python_call import PythonOptions, PythonParams, PythonTool
from tests.command import ROOT
from tests.tools.adapter_suite import AdapterSuite
from tests.tools.conftest import is_running
from tests.waiting import until

Params = Mapping[str, object]

FUNCTIONS = """
import asyncio, os, socket, subprocess, sys, time

def add(a, b=0):
    print("adding")
    return a + b

def nothing():
    pass

async def later(seconds):
    await asyncio.sleep(seconds)
    return {"slept": seconds}

class Door:
    @staticmethod
    def knock(*names):
        return list(names)

number = 5

def fail(kind="ValueError", *args):
    raise __builtins__[kind](*args)

class Refused(ConnectionRefusedError):
    pass

def wrapped():
    try:
        raise Refused(111, "refused")
    except OSError as error:
        raise RuntimeError("could not reach it") from error

def answered():
    class Response:
        status_code = 429
    class TooMany(Exception):
        response = Response()
    raise TooMany("slow down")

def leave(code):
    sys.exit(code)

def vanish():
    os._exit(0)

def a_set():
    return {1, 2}

def infinite():
    return float("inf")

def a_lot(size):
    return "x" * size

def show(name):
    return [os.environ.get(name), os.getcwd(), sys.stdin.read(), sys.argv, sys.executable]

def hold(size):
    held = bytearray(b"x") * size
    time.sleep(600)

def start_and_sleep():
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    open("child", "w").write(str(child.pid))
    open("begun", "w").close()
    time.sleep(600)

def tell(secret):
    print("told", secret)
    raise ValueError("it is " + secret)

def give(secret):
    return {"it": [secret]}

def rude():
    class Rude(Exception):
        def __str__(self):
            raise KeyError("no")
    raise Rude
"""


@dataclass(frozen=True)
class Bench:
    """A workspace with a module of functions in it."""

    folder: Path
    tool: PythonTool

    async def call(self, function: str, args: object = None, /, **context: object) -> ToolResult:
        params: dict[str, object] = {"function": function}
        if args is not None:
            params["args"] = args
        return await self.tool.execute(params, context_in(self.folder, **context))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    workspace = context_in(tmp_path).cwd
    (workspace / "functions.py").write_text(FUNCTIONS)
    return Bench(tmp_path, PythonTool(Children(home_id=str(tmp_path), instance=secrets.token_hex(8))))


@pytest.mark.parametrize(
    ("function", "args", "value"),
    [
        ("functions:add", {"a": 1, "b": 2}, 3),
        ("functions:add", [1, 2.5], 3.5),
        ("functions:nothing", None, None),
        ("functions:later", [0.01], {"slept": 0.01}),
        ("functions:Door.knock", ["ada", "größer ✓"], ["ada", "größer ✓"]),
        ("os.path:basename", ["/a/b"], "b"),
        ("math:hypot", [3, 4], 5.0),
    ],
)
async def test_what_a_function_returns_is_the_value(bench: Bench, function: str, args: object, value: object) -> None:
    result = await bench.call(function, args)

    assert (result.category, result.message, result.exit_code) == (None, "", 0)
    assert result.value == value


async def test_what_it_prints_is_its_output(bench: Bench) -> None:
    result = await bench.call("functions:add", [1])

    assert result.output_head == "adding\n"
    assert result.usage is not None
    assert result.usage.cpu_seconds > 0


@pytest.mark.parametrize(
    ("function", "args", "category", "message"),
    [
        ("functions:fail", ["ValueError", "no such colour"], ErrorCategory.LOGIC, "ValueError: no such colour"),
        (
            "functions:fail",
            ["PermissionError", 13, "denied"],
            ErrorCategory.PERMISSION,
            "PermissionError: [Errno 13] denied",
        ),
        ("functions:fail", ["OSError", 28, "full"], ErrorCategory.RESOURCE, "OSError: [Errno 28] full"),
        ("functions:fail", ["MemoryError"], ErrorCategory.RESOURCE, "MemoryError"),
        ("functions:fail", ["TimeoutError", "slow"], ErrorCategory.TRANSIENT, "TimeoutError: slow"),
        ("functions:wrapped", None, ErrorCategory.TRANSIENT, "RuntimeError: could not reach it"),
        ("functions:answered", None, ErrorCategory.RESOURCE, "functions.answered.<locals>.TooMany: slow down"),
        (
            "functions:rude",
            None,
            ErrorCategory.LOGIC,
            "functions.rude.<locals>.Rude: (its text cannot be had: KeyError)",
        ),
        (
            "no_such_module:f",
            None,
            ErrorCategory.CONFIGURATION,
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("functions:add", {"c": 1}, ErrorCategory.LOGIC, "TypeError: add() got an unexpected keyword argument 'c'"),
        ("functions:number", None, ErrorCategory.LOGIC, "TypeError: functions:number is int, which cannot be called"),
    ],
)
async def test_what_it_raises_says_what_kind_of_failure_it_is(
    bench: Bench, function: str, args: object, category: ErrorCategory, message: str
) -> None:
    result = await bench.call(function, args)

    assert (result.category, result.message) == (category, message)
    assert message.partition(":")[0] in result.output_head


async def test_what_is_shown_of_an_error_begins_with_the_function(bench: Bench) -> None:
    result = await bench.call("functions:fail", ["ValueError", "no such colour"])

    lines = result.output_head.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert 'functions.py", line' in lines[1]
    assert lines[-1] == "ValueError: no such colour"


async def test_a_function_may_be_named_by_an_entry_point(bench: Bench, tmp_path: Path) -> None:
    metadata = context_in(tmp_path).cwd / "offer-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: offer\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dreamos_tasks.functions]\nsum-up = functions:add\n")

    assert (await bench.call("sum-up", [20, 22])).value == 42

    unknown = await bench.call("sum-down")
    assert unknown.category is ErrorCategory.CONFIGURATION
    assert "no package offers a function 'sum-down'" in unknown.message
    assert "(sum-up)" in unknown.message


@pytest.mark.parametrize(
    ("args", "category", "exit_code", "try_later"),
    [([0], None, 0, False), ([3], ErrorCategory.LOGIC, 3, False), ([75], ErrorCategory.TRANSIENT, 75, True)],
)
async def test_a_function_that_exits_ends_as_a_command_does(
    bench: Bench, args: object, category: ErrorCategory | None, exit_code: int, try_later: bool
) -> None:
    result = await bench.call("functions:leave", args)

    assert (result.category, result.exit_code, result.try_later) == (category, exit_code, try_later)


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        ("functions:vanish", None, "functions:vanish ended its process without a result"),
        ("functions:a_set", None, "functions:a_set: it returned set, which is no JSON"),
        ("functions:a_lot", [100_000], "functions:a_lot: it returned 100013 bytes of JSON; it may return 65536"),
        ("functions:infinite", None, "functions:infinite: it returned float, which is no JSON"),
    ],
)
async def test_a_value_that_cannot_be_kept_is_refused(bench: Bench, function: str, args: object, message: str) -> None:
    result = await bench.call(function, args)

    assert result.category is ErrorCategory.LOGIC
    assert result.message.startswith(message)
    assert result.suggestions


async def test_it_runs_where_and_in_which_surroundings_the_step_says(bench: Bench, tmp_path: Path) -> None:
    workspace = context_in(tmp_path).cwd
    (workspace / "below").mkdir()
    (workspace / "below" / "functions.py").write_text(FUNCTIONS)
    params = {"function": "functions:show", "args": ["COLOUR"], "cwd": "below", "env": {"COLOUR": "green"}}

    result = await bench.tool.execute(params, context_in(tmp_path))

    assert result.value == ["green", str(workspace / "below"), "", ["functions:show"], sys.executable]


async def test_a_module_of_the_workspace_may_be_named_like_one_of_pythons_own(bench: Bench, tmp_path: Path) -> None:
    for name in ("json", "importlib", "traceback"):
        (context_in(tmp_path).cwd / f"{name}.py").write_text("raise RuntimeError('not meant')")

    assert (await bench.call("math:hypot", [3, 4])).value == 5.0
    assert (await bench.call("math:hypot", ["x"])).message == "TypeError: must be real number, not str"


async def test_the_interpreter_may_be_one_of_the_workspace(bench: Bench, tmp_path: Path) -> None:
    folder = context_in(tmp_path).cwd / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text(f'#!/bin/sh\necho from the workspace\nexec {sys.executable} "$@"\n')
    (folder / "python").chmod(0o755)
    options = PythonOptions(interpreter=".venv/bin/python")
    tool = PythonTool(Children(home_id="home", instance=secrets.token_hex(8)), options=options)

    result = await tool.execute({"function": "functions:add", "args": [1]}, context_in(tmp_path))

    assert result.value == 1
    assert result.output_head == "from the workspace\nadding\n"
    assert (await tool.health()).ok


async def test_an_interpreter_that_is_not_there_is_said(tmp_path: Path) -> None:
    options = PythonOptions(interpreter="/no/such/python")
    tool = PythonTool(Children(home_id="home", instance=secrets.token_hex(8)), options=options)

    health = await tool.health()
    result = await tool.execute({"function": "math:hypot"}, context_in(tmp_path))

    assert not health.ok
    assert "tools.python.options.interpreter" in health.fix
    assert result.category is ErrorCategory.CONFIGURATION
    assert result.message == "command not found: /no/such/python"


async def test_it_keeps_to_the_limits_of_the_task(bench: Bench) -> None:
    result = await bench.call("functions:hold", [300 << 20], limits=Limits(memory_bytes=100 << 20))

    assert result.category is ErrorCategory.RESOURCE
    assert "it may hold 100 MiB of memory" in result.message


async def test_a_cancelled_call_ends_with_all_it_started(bench: Bench, tmp_path: Path) -> None:
    workspace = context_in(tmp_path).cwd
    run = asyncio.create_task(bench.call("functions:start_and_sleep"))
    await until((workspace / "begun").exists)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert not is_running(int((workspace / "child").read_text()))


async def test_secrets_are_blanked_in_values_and_errors(bench: Bench) -> None:
    secret = "hunter2-and-more"

    given = await bench.call("functions:give", [secret], secrets=(secret,))
    raised = await bench.call("functions:tell", [secret], secrets=(secret,))

    assert given.value == {"it": ["[secret]"]}
    assert raised.message == "ValueError: it is [secret]"
    assert secret not in raised.output_head


def test_what_the_guide_shows_of_it_is_right() -> None:
    guide = (ROOT / "docs" / "guides" / "tools.md").read_text(encoding="utf-8")
    section = guide.partition("\n## python\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```json\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    tool = PythonTool(Children(home_id="home", instance="instance"))

    assert [tool.validate(step["params"]) for step in json.loads(block)["plan"]["steps"]] == [()] * 4
    assert all(f"`{field.name}`" in section for kind in (PythonParams, PythonOptions) for field in fields(kind))


class TestPython(AdapterSuite):
    def make_tool(self) -> ToolAdapter:
        return PythonTool(Children(home_id="home", instance=secrets.token_hex(8)))

    def prepare(self, workspace: Path) -> None:
        (workspace / "functions.py").write_text(textwrap.dedent(FUNCTIONS))

    def good_params(self) -> Sequence[Params]:
        return [
            {"function": "functions:add", "args": {"a": 1}, "env": {"A": "b"}, "cwd": "."},
            {"function": "functions:later", "args": [0.0]},
            {"function": "functions:leave", "args": [0]},
        ]

    def bad_params(self) -> Sequence[Params]:
        return [
            {},
            {"function": ""},
            {"function": "functions:"},
            {"function": "no way"},
            {"function": "functions:add", "args": "text"},
            {"function": "functions:add", "arguments": {}},
            {"function": "functions:add", "args": {"a": float("nan")}},
        ]

    def failing_params(self) -> Sequence[Params]:
        return [
            {"function": "functions:fail"},
            {"function": "functions:vanish"},
            {"function": "nowhere:f"},
            {"function": "functions:leave", "args": [75]},
        ]

    def slow_params(self) -> Params | None:
        return {"function": "functions:start_and_sleep"}

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        return (workspace / "begun").exists()

    def secret_params(self, secret: str) -> Params | None:
        return {"function": "functions:tell", "args": [secret]}
