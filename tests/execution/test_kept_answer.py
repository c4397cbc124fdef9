"""What a tool answers ends its step, whatever it is: never the executor, and never a board that cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.model.plan import ErrorCategory, Step
from dreamos_tasks.model.task import Status
from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.stores.json_file import JsonStore
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.registry import ToolRegistry
from dreamos_tasks.tools.shell import ShellTool
from tests.execution.workbench import Workbench


class Answering(ShellTool):
    """Somebody else's tool: it answers what it was made with."""

    name = "odd"

    def __init__(self, answer: Any) -> None:
        super().__init__(Children(home_id="x", instance="test"))
        self._answer = answer

    async def execute(self, params: Any, context: ToolContext) -> Any:
        return self._answer


def nested(levels: int) -> Any:
    inner: Any = "x"
    for _ in range(levels):
        inner = [inner]
    return inner


async def run(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Any) -> Workbench:
    bench = Workbench(folder)
    monkeypatch.setattr(bench.steps, "_tools", ToolRegistry((Answering(answer),)))
    monkeypatch.setattr(bench.nexus, "store", JsonStore.create(folder / "nexus.json"))
    bench.add(Step(name="s", tool="odd", params={"command": "true"}))
    await bench.attempt()
    return bench


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ToolResult(value=nested(101)), "nested more than 100 levels"),
        (ToolResult(value=nested(5000)), "nested more than 100 levels"),
        (ToolResult(value=float("nan")), "JSON has no nan"),
        (ToolResult(value={"when": Path()}), "has no JSON form"),
        (ToolResult(value="\ud800"), "half a character"),
        (ToolResult(undo={1, 2}), "set has no JSON form"),
        (None, "NoneType, not a ToolResult"),
        ({"value": 1}, "dict, not a ToolResult"),
    ],
)
async def test_an_answer_that_no_board_can_keep_fails_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, words: str
) -> None:
    bench = await run(tmp_path, monkeypatch, answer)

    assert bench.task.status is Status.FAILED
    assert bench.task.error is not None
    assert bench.task.error.category is ErrorCategory.LOGIC
    assert words in bench.task.error.message
    assert bench.task.error.suggestions


async def test_a_failure_that_tells_it_badly_is_still_that_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ToolResult(category=ErrorCategory.PERMISSION, message="no \ud800", output_tail="a\0b", value={1})
    said = replace(said, suggestions=("do \udfff",))
    bench = await run(tmp_path, monkeypatch, said)

    assert bench.task.error is not None
    assert bench.task.error.category is ErrorCategory.PERMISSION
    assert bench.task.error.message == "step 's': no \ufffd"
    assert bench.task.steps[0].output_tail == "a\ufffdb"
    assert bench.task.error.suggestions == ("do \ufffd",)


async def test_the_deepest_value_that_is_kept_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await run(tmp_path, monkeypatch, ToolResult(value=nested(100)))

    assert bench.task.status is Status.COMPLETED
    assert bench.task.steps[0].value == nested(100)
