"""The tool `shell`: what it runs, in which surroundings, and what the end of a command means."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping

import jsonschema
import pytest

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.process_table import adopted_by_us
from dreamos_tasks.tools.shell import ShellTool
from tests.tools.conftest import ENVIRONMENT, Workshop

Params = Mapping[str, object]


@pytest.fixture
def tool() -> ToolAdapter:
    return ShellTool(Children(home_id="home", instance="instance"))


async def test_a_line_is_run_by_a_shell(workshop: Workshop) -> None:
    result = await workshop.run("echo $((6 * 7)) | cat")

    assert (result.category, result.exit_code, result.message) == (None, 0, "")
    assert result.output_head == "42\n"


async def test_a_list_is_run_without_a_shell(workshop: Workshop) -> None:
    result = await workshop.run(["echo", "$HOME", "; rm", "*"])

    assert result.output_head == "$HOME ; rm *\n"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of our own."""
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "1234")


@pytest.mark.usefixtures("secret")
async def test_nothing_of_our_own_environment_is_passed_on(workshop: Workshop) -> None:
    result = await workshop.run(["env"], env={"COLOUR": "green"})

    found = dict(line.split("=", 1) for line in result.output_head.splitlines())
    instance = found.pop("DREAMOS_TASKS_INSTANCE")
    assert instance.endswith(f":{workshop.folder}")
    assert f":{os.getpid()}." in instance
    assert found == {**ENVIRONMENT, "COLOUR": "green", "DREAMOS_TASKS_RUN": "dt-7k2m:1:build"}


async def test_a_step_cannot_take_its_tag_off(workshop: Workshop) -> None:
    result = await workshop.run("echo $DREAMOS_TASKS_RUN", env={"DREAMOS_TASKS_RUN": "another"})

    assert result.output_head == "dt-7k2m:1:build\n"


async def test_stdin_is_what_is_given(workshop: Workshop) -> None:
    text = "größer als ein Rohr\n" * 100_000

    result = await workshop.run("cat > copy; wc -c < copy", stdin=text)

    assert (workshop.folder / "copy").read_text(encoding="utf-8") == text
    assert int(result.output_head) == len(text.encode())


async def test_without_stdin_there_is_nothing_to_read(workshop: Workshop) -> None:
    result = await workshop.run("cat; echo end")

    assert result.output_head == "end\n"


async def test_a_step_that_does_not_read_its_stdin_ends_as_ever(workshop: Workshop) -> None:
    result = await workshop.run("exit 0", stdin="x" * 1_000_000)

    assert result.category is None


async def test_it_runs_in_the_folder_of_the_step_seen_from_the_tasks(workshop: Workshop) -> None:
    (workshop.folder / "below").mkdir()

    assert (await workshop.run("pwd")).output_head == f"{workshop.folder}\n"
    assert (await workshop.run("pwd", cwd="below")).output_head == f"{workshop.folder}/below\n"
    assert (await workshop.run("pwd", cwd="/")).output_head == "/\n"


async def test_a_missing_folder_is_a_mistake_of_the_step(workshop: Workshop) -> None:
    result = await workshop.run("true", cwd="nowhere")

    assert result.category is ErrorCategory.CONFIGURATION
    assert result.message == f"cannot run in {workshop.folder}/nowhere"
    assert result.cause == "No such file or directory"


@pytest.mark.parametrize(
    ("line", "category", "message"),
    [
        ("exit 3", ErrorCategory.LOGIC, "exit code 3"),
        ("no-such-program", ErrorCategory.CONFIGURATION, "command not found (exit code 127)"),
        (
            "./script",
            ErrorCategory.PERMISSION,
            "permission denied: found, but it may not be run (exit code 126)",
        ),
        ("kill -KILL $$", ErrorCategory.RESOURCE, "ended by SIGKILL"),
        ("sh -c 'kill -KILL $$'; exit $?", ErrorCategory.RESOURCE, "exit code 137 (ended by SIGKILL)"),
        ("kill -SEGV $$", ErrorCategory.LOGIC, "ended by SIGSEGV"),
        ("kill -TERM $$", ErrorCategory.TRANSIENT, "ended by SIGTERM"),
        ("kill -40 $$", ErrorCategory.LOGIC, "ended by signal 40"),
        ("exit 255", ErrorCategory.LOGIC, "exit code 255"),
    ],
)
async def test_the_end_of_a_command_says_why_it_failed(
    workshop: Workshop, line: str, category: ErrorCategory, message: str
) -> None:
    (workshop.folder / "script").write_text("#!/bin/sh\n")

    result = await workshop.run(line)

    assert (result.category, result.message) == (category, message)


async def test_what_a_command_printed_last_says_why_it_failed(workshop: Workshop) -> None:
    result = await workshop.run("echo copying; echo 'cp: write error: No space left on device' >&2; exit 1")

    assert (result.category, result.message) == (ErrorCategory.RESOURCE, "exit code 1")
    assert result.cause == "no space is left on the disk: cp: write error: No space left on device"
    assert "df -h" in result.suggestions[0]


async def test_what_a_command_printed_does_not_change_what_its_exit_code_says(workshop: Workshop) -> None:
    result = await workshop.run("echo connection refused; no-such-program")

    assert result.category is ErrorCategory.CONFIGURATION


async def test_memory_is_suspected_when_a_command_was_killed(workshop: Workshop) -> None:
    result = await workshop.run("kill -KILL $$")

    assert result.exit_code == 137
    assert "memory" in result.suggestions[0]


async def test_exit_code_75_asks_to_be_tried_later(workshop: Workshop) -> None:
    result = await workshop.run("echo the server is busy; exit 75")

    assert result.try_later
    assert result.category is ErrorCategory.TRANSIENT
    assert result.exit_code == 75
    assert result.output_head == "the server is busy\n"


async def test_success_is_what_the_step_calls_success(workshop: Workshop) -> None:
    assert (await workshop.run("exit 1", success_codes=[0, 1])).category is None
    assert (await workshop.run("exit 75", success_codes=[75])).category is None
    assert (await workshop.run("exit 0", success_codes=[1])).category is ErrorCategory.LOGIC


async def test_a_program_that_is_not_there_is_named(workshop: Workshop) -> None:
    result = await workshop.run(["no-such-program"])

    assert (result.category, result.exit_code) == (ErrorCategory.CONFIGURATION, 127)
    assert result.message == "command not found: no-such-program"
    assert ENVIRONMENT["PATH"] in result.cause


async def test_a_file_that_is_no_program_is_refused(workshop: Workshop) -> None:
    script = workshop.folder / "script"
    script.write_text("#!/bin/sh\n")

    denied = await workshop.run([str(script)])
    assert (denied.category, denied.exit_code) == (ErrorCategory.PERMISSION, 126)
    assert denied.suggestions == (f"make it executable: chmod +x {script}",)

    script.write_bytes(b"\0\1\2\3")
    script.chmod(0o700)
    strange = await workshop.run([str(script)])
    assert (strange.category, strange.cause) == (ErrorCategory.CONFIGURATION, "Exec format error")


async def test_a_thousand_quick_commands_leave_no_zombie_and_no_open_file(workshop: Workshop) -> None:
    await workshop.run("true")
    gc.collect()  # loops of other tests may still have theirs
    before = sorted(os.listdir("/proc/self/fd"))

    for _ in range(1000):
        assert (await workshop.run(["/bin/true"])).category is None

    assert sorted(os.listdir("/proc/self/fd")) == before
    assert adopted_by_us() == []


async def test_commands_that_cannot_start_leave_no_open_file(workshop: Workshop) -> None:
    await workshop.run(["/bin/true"], stdin="text")
    gc.collect()  # loops of other tests may still have theirs
    before = sorted(os.listdir("/proc/self/fd"))

    for _ in range(20):
        await workshop.run(["no-such-program"], stdin="text")
        await workshop.run("true", {"environment": {"BROKEN": "\0"}}, stdin="text")

    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "params",
    [
        {"command": "make test"},
        {"command": ["make", "test", ""]},
        {"command": "x", "cwd": None, "env": {"A": ""}, "stdin": "text\0", "success_codes": [0, 255]},
    ],
)
def test_what_can_be_run_is_valid_by_word_and_by_schema(tool: ToolAdapter, params: Params) -> None:
    assert tool.validate(params) == ()
    jsonschema.validate(params, tool.params_schema(), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("params", "pointer", "message"),
    [
        ({}, "/command", "command is missing"),
        (
            {"comand": "x", "command": "x"},
            "/comand",
            "there is no parameter 'comand'; did you mean 'command'?",
        ),
        ({"command": "x", "zzz": 1}, "/zzz", "there is no parameter 'zzz'"),
        ({"command": 5}, "/command", "expected text or a list, found 5"),
        ({"command": ["make", 5]}, "/command/1", "expected text, found 5"),
        ({"command": []}, "/command", "must not be empty"),
        ({"command": " "}, "/command", "must not be empty"),
        ({"command": "a\0b"}, "/command", "no program can be given a NUL character"),
        ({"command": "x", "env": {"A": 1}}, "/env/A", "expected text, found 1"),
        ({"command": "x", "env": {"A=B": "1"}}, "/env/A=B", "'A=B' cannot be the name of a variable"),
        ({"command": "x", "env": {"A/B": 1}}, "/env/A~1B", "expected text, found 1"),
        ({"command": "x", "env": ["A=1"]}, "/env", "expected an object, found ['A=1']"),
        (
            {"command": "x", "success_codes": [0, True]},
            "/success_codes/1",
            "expected a whole number, found True",
        ),
        (
            {"command": "x", "success_codes": [256]},
            "/success_codes/0",
            "should be less than or equal to 255, found 256",
        ),
        ({"command": "x", "success_codes": 1}, "/success_codes", "expected a list, found 1"),
        ({"command": "x", "stdin": "\ud800"}, "/stdin", "half a surrogate pair is no text"),
        ({"command": "x", "cwd": ""}, "/cwd", "must not be empty"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_expected(
    tool: ToolAdapter, params: Params, pointer: str, message: str
) -> None:
    problems = tool.validate(params)

    assert [(problem.pointer, problem.message) for problem in problems] == [(pointer, message)]
    assert problems[0].fix


def test_all_that_is_wrong_is_said_at_once(tool: ToolAdapter) -> None:
    problems = tool.validate({"comand": "x", "env": {"A": 1, "B": 2}})

    assert {problem.pointer for problem in problems} == {"/command", "/comand", "/env/A", "/env/B"}


async def test_wrong_parameters_are_a_failed_call_and_no_exception(workshop: Workshop) -> None:
    result = await workshop.tool.execute({"comand": "x"}, workshop.context)

    assert result.category is ErrorCategory.CONFIGURATION
    assert "did you mean 'command'?" in result.message


async def test_the_tool_is_in_good_health_here(tool: ToolAdapter) -> None:
    health = await tool.health()

    assert health.ok
    assert os.access(health.detail, os.X_OK)
