"""Taking the calls of a task back."""

from __future__ import annotations

from pathlib import Path

from dreamos_tasks.execution.rollback import roll_back
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.rollback import UndoCall
from dreamos_tasks.model.tool import ToolContext
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.registry import ToolRegistry
from dreamos_tasks.tools.shell import ShellTool
from tests.tools.filing import Filing


def call_of(step: str, record: object, *, tool: str = "files") -> UndoCall:
    return UndoCall(step=step, tool=tool, token=1, record=record)


async def test_calls_are_taken_back_and_one_that_cannot_be_holds_up_no_other(tmp_path: Path) -> None:
    files = Filing.in_folder(tmp_path)
    files.file("a", "old")
    first = await files.do("write", path="a", content="new")
    second = await files.do("write", path="b", content="new")
    (files.root / "b").write_text("theirs")
    tools = ToolRegistry([files.tool, ShellTool(Children(home_id="home", instance="instance"))])

    def context_for(call: UndoCall) -> ToolContext:
        return files.with_context(step=call.step, token=call.token).context

    calls = [call_of("build", {}, tool="shell"), call_of("b", second.undo), call_of("a", first.undo)]
    undone = await roll_back(calls, tools=tools, context_for=context_for)

    assert [(one.call.step, one.result.category) for one in undone] == [
        ("build", ErrorCategory.CONFIGURATION),
        ("b", ErrorCategory.LOGIC),
        ("a", None),
    ]
    assert undone[0].result.message == "shell cannot undo what it did"
    assert ((files.root / "a").read_text(), (files.root / "b").read_text()) == ("old", "theirs")
