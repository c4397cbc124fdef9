"""`dt mcp` as an agent's program sees it: the official client over stdio, the server a process of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp_types import TextResourceContents

from dreamos_tasks import TaskDraft, TaskNexus
from dreamos_tasks.model.agent import AgentProfile
from dreamos_tasks.model.plan import Step
from tests.interfaces.mcp.clients import connected, text_of

# No tokenizer works offline. Those in use make 4 characters a token of English, and 3 to 4 of JSON: this is the dear end.
CHARACTERS_PER_TOKEN = 3.0
MOST_TOKENS = 5000
DOCS = Path(__file__).resolve().parents[3] / "docs"
WORDS = "A text of some length, as people write them when they describe what is to be done."


@pytest.fixture
def board(tmp_path: Path) -> TaskNexus:
    return TaskNexus.open(tmp_path / "runtime" / "nexus.db")


async def test_an_agent_takes_a_task_and_finishes_it(tmp_path: Path, board: TaskNexus) -> None:
    added = board.add_task(TaskDraft(title="Fix the parser", tags=("core",)))

    async with connected(tmp_path, "--agent", "ada") as call:
        task = (await call("get_next_task", tags=["core"]))["task"]
        await call("report_progress", task_id=task["task_id"], percent=40, note="half of it")
        done = await call("complete_task", task_id=task["task_id"], result={"files": 3})

    assert (task["task_id"], task["claim"]["agent_id"], task["claim"]["token"]) == (added.task_id, "ada", 1)
    assert (done["status"], done["result"]) == ("completed", {"files": 3})
    assert [one.agent_id for one in board.attempts(added.task_id)] == ["ada"]


async def test_nothing_to_do_is_no_error_and_says_why(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        found = await call("get_next_task")
        added = await call("add_task", title="Needs a GPU", more={"requires": ["gpu"]})
        still = await call("get_next_task")
        mine = await call("get_next_task", capabilities=["gpu"])

    assert found == {"task": None, "reason": "nothing is ready for ada: no task waits on this board"}
    assert still["task"] is None
    assert f"{added['task_id']}: " in still["reason"]
    assert mine["task"]["task_id"] == added["task_id"]


async def test_an_agent_adds_under_its_own_name_whatever_it_says(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        added = await call("add_task", title="Fix the parser", more={"created_by": "root"})
    assert added["created_by"] == "ada"


async def test_a_call_can_wait_for_a_task_to_come(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as waiting, connected(tmp_path, "--agent", "bob") as adding:
        found: list[str] = []

        async def wait() -> None:
            found.append((await waiting("get_next_task", wait_seconds=60))["task"]["title"])

        async with anyio.create_task_group() as both:
            both.start_soon(wait)
            await adding("add_task", title="Here it is")

    assert found == ["Here it is"]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("to_agent_id", "to"),
        ("to_agnt_id", "to"),
        ("body_type", "type"),
        ("from_agent_id", "agent"),
        ("subjct", "subject"),
    ],
)
async def test_an_argument_that_is_called_otherwise_on_the_board_is_named_as_the_tool_calls_it(
    tmp_path: Path, wrong: str, meant: str
) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        refused = await call.error("send_mail", subject="look at this", **{wrong: "bob"})
    assert refused["fix"] == f"did you mean {meant!r}?"


async def test_mail_to_a_name_that_nobody_has_and_another_nearly_has_says_so(tmp_path: Path, board: TaskNexus) -> None:
    board.register_agent(AgentProfile(agent_id="agent-7"))
    async with connected(tmp_path, "--agent", "bob") as bob:
        slip = await bob("send_mail", to="agent7", subject="look")
        right = await bob("send_mail", to="agent-7", subject="look")
        new = await bob("send_mail", to="somebody-else", subject="look")
    assert slip["hint"] == "nobody is known as agent7; did you mean agent-7?"
    assert len(slip["messages"]) == 1
    assert "hint" not in right
    assert "hint" not in new


async def test_agents_write_to_one_another(tmp_path: Path, board: TaskNexus) -> None:
    async with connected(tmp_path, "--agent", "ada") as ada, connected(tmp_path, "--agent", "bob") as bob:
        await bob("send_mail", to="ada", subject="look at this", body="src/parse.py", requires_ack=True)
        asked = await bob("send_mail", to="ada", subject="Fix the parser", type="task", body={"run": "make test"})
        found = (await ada("read_mail"))["messages"]
        again = (await ada("read_mail", acknowledge=[found[0]["message_id"]]))["messages"]

    assert [message["subject"] for message in found] == ["look at this", "Fix the parser"]
    assert {message["from_agent_id"] for message in found} == {"bob"}
    assert again == []
    assert board.message("ada", found[0]["message_id"]).acknowledged_at is not None
    assert board.get_task_by_id(asked["messages"][0]["task_id"]).assigned_to == "ada"


async def test_a_late_call_is_refused_and_told_what_to_do(tmp_path: Path, board: TaskNexus) -> None:
    added = board.add_task(TaskDraft(title="Fix the parser"))

    async with connected(tmp_path, "--agent", "ada") as call:
        await call("claim_task", task_id=added.task_id)
        board.pause_task(added.task_id, by="a person")
        board.resume_task(added.task_id, by="a person")
        again = board.claim_task(added.task_id, "ada")  # the same name, elsewhere
        late = await call.error("complete_task", task_id=added.task_id)
        later = await call.error("complete_task", task_id=added.task_id)

    assert (late["code"], later["code"]) == ("stale_token", "stale_token")
    assert late["fix"].startswith("stop working on it")
    assert "token 1" in late["message"]
    assert board.get_task_by_id(added.task_id).claim == again.claim


async def test_a_task_that_another_holds_is_refused_and_its_holder_named(tmp_path: Path, board: TaskNexus) -> None:
    added = board.add_task(TaskDraft(title="Fix the parser"))
    board.claim_task(added.task_id, "bob")

    async with connected(tmp_path, "--agent", "ada") as call:
        held = await call.error("claim_task", task_id=added.task_id)
        not_mine = await call.error("heartbeat", task_id=added.task_id)

    assert held["code"] == "claim_held"
    assert "held by bob" in held["message"]
    assert held["fix"] == "get_next_task claims another task"
    assert not_mine["code"] == "stale_token"


async def test_the_checks_of_a_task_are_run_before_it_is_completed(tmp_path: Path, board: TaskNexus) -> None:
    check = Step(name="verify", params={"command": "test -e done.txt || { echo there is no done.txt; exit 1; }"})
    added = board.add_task(TaskDraft(title="Write it", verify=(check,), context={"cwd": str(tmp_path)}))

    async with connected(tmp_path, "--agent", "ada") as call:
        await call("claim_task", task_id=added.task_id)
        red = await call.error("complete_task", task_id=added.task_id)
        (tmp_path / "done.txt").touch()
        done = await call("complete_task", task_id=added.task_id)

    assert red["code"] == "verification_failed"
    assert "there is no done.txt" in red["cause"]
    assert done["status"] == "completed"
    assert [one["exit_code"] for one in done["evidence"]] == [0]


async def test_completing_can_claim_the_next_task_at_once(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        first, second = [(await call("add_task", title=title))["task_id"] for title in ("first", "second")]
        await call("claim_task", task_id=first)
        done = await call("complete_task", task_id=first, next=True)
        last = await call("complete_task", task_id=second, next=True)

    assert (done["task_id"], done["status"]) == (first, "completed")
    assert (done["next"]["task_id"], done["next"]["claim"]["agent_id"]) == (second, "ada")
    assert last["next"] is None


async def test_what_failed_is_tried_again_or_not_by_its_category(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        ids = [(await call("add_task", title=title))["task_id"] for title in ("one", "two")]
        for task_id in ids:
            await call("claim_task", task_id=task_id)
        later = await call("fail_task", task_id=ids[0], error="connection reset", category="transient")
        never = await call("fail_task", task_id=ids[1], error="cannot be done")
        fresh = await call("retry_task", task_id=ids[1])

    assert (later["status"], later["failures"]) == ("pending", 1)
    assert (never["status"], never["error"]["message"]) == ("failed", "cannot be done")
    assert fresh["status"] == "pending"


async def test_a_question_lets_the_task_go_until_people_answer(tmp_path: Path, board: TaskNexus) -> None:
    added = board.add_task(TaskDraft(title="Choose"))

    async with connected(tmp_path, "--agent", "ada") as call:
        await call("claim_task", task_id=added.task_id)
        asked = await call("ask_question", task_id=added.task_id, question="Which?", choices=["red", "blue"])
        nothing = await call("get_next_task")
        board.answer(asked["requests"][-1]["request_id"], "red", by="a person")
        again = (await call("get_next_task"))["task"]

    assert (asked["status"], asked["claim"], nothing["task"]) == ("awaiting_approval", None, None)
    assert again["requests"][-1]["answer"] == "red"


async def test_tasks_are_released_paused_resumed_and_cancelled(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        task_id = (await call("add_task", title="Something"))["task_id"]
        await call("claim_task", task_id=task_id)
        states = [
            (await call(tool, task_id=task_id))["status"]
            for tool in ("release_task", "pause_task", "resume_task", "cancel_task")
        ]
        refused = await call.error("resume_task", task_id=task_id)

    assert states == ["pending", "paused", "pending", "cancelled"]
    assert refused["code"] == "illegal_transition"


async def test_the_board_is_listed_page_by_page_and_says_why_things_wait(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        ids = [(await call("add_task", title=f"number {n}", priority="low"))["task_id"] for n in range(3)]
        blocked = (await call("add_task", title="last", depends_on=ids, priority="high"))["task_id"]
        ready = await call("list_tasks", status=["ready"], limit=2)
        rest = await call("list_tasks", status=["ready"], limit=2, after=ready["next_after"])
        why = await call("why_task", task_id=blocked)
        place = await call("why_task", task_id=ids[0])
        stats = await call("get_stats")

    assert [task["task_id"] for task in ready["tasks"]] == ids[:2]
    assert ([task["task_id"] for task in rest["tasks"]], rest["next_after"]) == (ids[2:], None)
    assert (why["state"], sum(line.endswith(": ready") for line in why["lines"])) == ("blocked", 3)
    assert place["lines"][-1] == "so it is the next of 3 ready tasks"
    assert stats["priority"] == {"low": 3, "high": 1}


WRONG_CALLS: tuple[tuple[str, dict[str, Any], str, str | None, str], ...] = (
    ("claim_task", {}, "invalid_input", "/task_id", "pass task_id"),
    ("claim_task", {"id": "dt-1"}, "invalid_input", "/id", "did you mean 'task_id'?"),
    ("list_tasks", {"tag": ["x"]}, "invalid_input", "/tag", "did you mean 'tags'?"),
    ("list_tasks", {"tags": [""]}, "invalid_input", "/tags/0", "at least 1 character"),
    ("list_tasks", {"agent": ""}, "invalid_input", "/agent", "at least 1 character"),
    ("report_progress", {"task_id": "x", "percent": 400}, "invalid_input", "/percent", "less than or equal to 100"),
    ("get_next_task", {"agent": "-x"}, "invalid_task", "/agent", "cannot be an agent's name"),
    ("get_task", {"task_id": "dt-none"}, "task_not_found", None, "list_tasks"),
    ("add_task", {}, "invalid_input", "/title", "a task needs a title"),
    ("add_task", {"title": "x", "more": {"title": "y"}}, "invalid_input", "/more/title", "given twice"),
    ("add_task", {"title": "x", "more": {"due_at": "soon"}}, "invalid_input", "/due_at", "due_at"),
    ("add_task", {"title": "x", "depends_on": ["dt-none"]}, "invalid_task", "/depends_on/0", "not on this board"),
    ("run_task", {}, "invalid_input", "/run", "nothing to run"),
)


async def test_a_wrong_call_is_told_what_is_wrong_and_changes_nothing(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        answers = [await call.result(tool, **arguments) for tool, arguments, *_ in WRONG_CALLS]
        stats = await call("get_stats")

    for (tool, arguments, code, pointer, told), answer in zip(WRONG_CALLS, answers, strict=True):
        error = (answer.meta or {}).get("dreamos-tasks/error", {})
        assert (tool, arguments, error.get("code"), error.get("pointer")) == (tool, arguments, code, pointer)
        assert told in text_of(answer)
    assert stats["status"] == {}


async def test_all_tools_together_cost_an_agent_less_than_5000_tokens(tmp_path: Path) -> None:
    async with connected(tmp_path) as call:
        tools = await call.client.list_tools()
        listed = tools.model_dump_json(by_alias=True, exclude_none=True)
        instructions = call.client.instructions or ""

    tokens = (len(listed) + len(instructions)) / CHARACTERS_PER_TOKEN
    assert tokens < MOST_TOKENS
    assert all(tool.description and tool.output_schema for tool in tools.tools)
    assert not {"approve", "reject", "answer"} & {word for tool in tools.tools for word in tool.name.split("_")}


@pytest.mark.parametrize("page", ["reference.md", "guides/agents.md"])
async def test_the_documentation_names_every_tool(tmp_path: Path, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    async with connected(tmp_path) as call:
        names = [tool.name for tool in (await call.client.list_tools()).tools]

    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


async def test_what_tools_give_fits_their_schemas(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        schemas = {tool.name: tool.output_schema for tool in (await call.client.list_tools()).tools}
        given = {}
        task_id = (await call("add_task", title=WORDS))["task_id"]
        given["get_next_task"] = await call("get_next_task")
        for tool in ("get_task", "why_task", "heartbeat", "report_progress", "release_task", "pause_task"):
            given[tool] = await call(tool, task_id=task_id)
        given["list_tasks"] = await call("list_tasks")
        given["get_stats"] = await call("get_stats")

    for tool, document in given.items():
        Draft202012Validator(schemas[tool] or {}).validate(document)


async def test_a_model_reads_no_empty_fields(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        result = await call.result("add_task", title="Short")

    read = json.loads(text_of(result))
    assert result.structured_content is not None
    assert {name: result.structured_content[name] for name in read} == read
    assert "depends_on" not in read
    assert result.structured_content["depends_on"] == []


async def test_of_a_step_a_model_reads_what_does_not_go_without_saying(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        result = await call.result("add_task", title="Short", run=["make test"])

    assert result.structured_content is not None
    assert result.structured_content["plan"]["steps"][0]["approval"] == "none"
    (step,) = json.loads(text_of(result))["plan"]["steps"]
    assert step == {"name": "run", "tool": "shell", "params": {"command": "make test"}}


async def test_the_board_can_be_read_as_resources(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        task_id = (await call("add_task", title="Readable"))["task_id"]
        texts = []
        for uri in ("board://tasks", f"board://tasks/{task_id}", "board://stats"):
            (content,) = (await call.client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            texts.append(json.loads(content.text))
        with pytest.raises(Exception, match="dt-none"):
            await call.client.read_resource("board://tasks/dt-none")

    tasks, task, stats = texts
    assert [one["task_id"] for one in tasks["tasks"]] == [task_id]
    assert (task["title"], stats["status"]) == ("Readable", {"pending": 1})


async def test_the_prompt_leads_through_one_task(tmp_path: Path) -> None:
    async with connected(tmp_path) as call:
        prompts = await call.client.list_prompts()
        prompt = await call.client.get_prompt("work-on-next-task", {"tag": "core"})

    assert [one.name for one in prompts.prompts] == ["work-on-next-task"]
    words = str(prompt.messages[0].content)
    for tool in ("get_next_task", "report_progress", "complete_task", "fail_task", "release_task", "ask_question"):
        assert tool in words
    assert "core" in words
