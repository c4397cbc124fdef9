"""The verb add."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dreamos_tasks import TaskNexus, TaskQuery

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt


def test_add_prints_the_id_alone_on_stdout_and_talks_on_stderr(dt: Dt) -> None:
    answer = dt("add", "Fix the parser")
    assert answer.code == 0
    assert answer.out.startswith("dt-")
    assert len(answer.out.split()) == 1
    assert "Fix the parser" in answer.err


def test_every_flag_of_add_ends_up_in_the_task(dt: Dt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = dt.add("first")
    task = dt(
        "add", "Fix the parser", "--json", "--description", "all of it", "--priority", "URGENT", "--tag", "core",
        "--tag", "c", "--depends-on", first, "--parent", first, "--assign", "ada", "--requires", "gpu", "--run", "make",
        "--run", "make test", "--verify", "make check", "--not-before", "2030-01-31T08:00:00+01:00", "--due", "+2h",
        "--timeout", "5m", "--dedupe-key", "k",
    ).json  # fmt: skip
    assert task["title"] == "Fix the parser"
    assert task["description"] == "all of it"
    assert task["priority"] == "critical"
    assert task["tags"] == ["core", "c"]
    assert task["depends_on"] == [first]
    assert task["parent_id"] == first
    assert task["task_id"] == f"{first}.1"
    assert task["assigned_to"] == "ada"
    assert task["requires"] == ["gpu"]
    assert [step["params"]["command"] for step in task["plan"]["steps"]] == ["make", "make test"]
    assert task["verify"][0]["params"] == {"command": "make check"}
    assert task["context"] == {"cwd": str(tmp_path)}
    assert task["not_before"] == "2030-01-31T07:00:00.000000Z"
    assert task["due_at"] is not None
    assert task["timeout_seconds"] == 300
    assert task["dedupe_key"] == "k"
    assert task["created_by"] == "cli"
    assert task["status"] == "pending"
    assert len(task["waiting_for"]) == 2


def test_a_dependency_may_be_named_by_a_prefix(dt: Dt) -> None:
    first = dt.add("first")
    assert dt("add", "second", "--depends-on", first[3:], "--json").json["depends_on"] == [first]


def test_an_unknown_dependency_is_invalid_input_with_a_pointer(dt: Dt) -> None:
    dt.add("first")
    answer = dt("add", "second", "--depends-on", "dt-nope", "--json")
    assert answer.code == 7
    assert answer.out == ""
    assert answer.error["pointer"] == "/depends_on/0"


def test_the_description_may_come_from_stdin_or_a_file(dt: Dt, tmp_path: Path) -> None:
    file = tmp_path / "body.md"
    file.write_text("from a file\n")
    assert dt("add", "x", "--stdin", "--json", stdin="from\nstdin\n").json["description"] == "from\nstdin\n"
    assert dt("add", "x", "--body-file", str(file), "--json").json["description"] == "from a file\n"


def test_a_file_that_is_not_there_is_invalid_input(dt: Dt) -> None:
    answer = dt("add", "x", "--body-file", "/nowhere", "--json")
    assert answer.code == 7
    assert "/nowhere" in answer.error["message"]


def test_a_title_taken_apart_by_the_shell_is_refused_with_the_quoted_command(dt: Dt) -> None:
    answer = dt("add", "Fix", "the", "parser")
    assert answer.code == 2
    assert 'dt add "Fix the parser"' in answer.err


def test_nothing_to_do_is_no_task(dt: Dt) -> None:
    answer = dt("add", "--json")
    assert answer.code == 7
    assert answer.error["code"] == "invalid_task"


def test_a_description_alone_makes_a_task(dt: Dt) -> None:
    assert dt("add", "--description", "first line\nsecond", "--json").json["title"] == "first line"


def test_a_dedupe_key_gives_the_task_that_is_there(dt: Dt) -> None:
    first = dt.add("x", "--dedupe-key", "k")
    again = dt("add", "y", "--dedupe-key", "k")

    assert again.out == f"{first}\n"
    assert f"duplicate of {first}, ready: x; no task was added" in again.err
    assert "added dt" not in again.err


def test_an_instant_that_is_none_is_a_usage_error(dt: Dt) -> None:
    answer = dt("add", "x", "--due", "soon")
    assert answer.code == 2
    assert "--due" in answer.err


def test_add_wait_exits_with_the_result(dt: Dt) -> None:
    dt.add("makes the board")

    def cancel_from_elsewhere() -> None:
        with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
            while not (found := nexus.find_tasks(TaskQuery(text="waited for"))):
                time.sleep(0.02)
            nexus.cancel_task(found[0].task_id, by="bob")

    canceller = threading.Thread(target=cancel_from_elsewhere)
    canceller.start()
    answer = dt("add", "waited for", "--wait", "--json")
    canceller.join()
    assert (answer.code, answer.json["status"]) == (1, "cancelled")


def test_a_json_task_on_stdin_is_added(dt: Dt) -> None:
    task = dt("add", "-", "--json", stdin='{"title": "Fix it", "priority": "high", "colour": "red"}').json
    assert task["title"] == "Fix it"
    assert task["extra"] == {"colour": "red"}


def test_all_tasks_of_a_file_are_added_or_none(dt: Dt, tmp_path: Path) -> None:
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps([{"title": "a", "task_id": "dt-a1"}, {"title": "b", "depends_on": ["dt-a1"]}]))
    assert [task["title"] for task in dt("add", "--file", str(file), "--json").json] == ["a", "b"]
    file.write_text(json.dumps([{"title": "c"}, {"title": 5}]))
    refused = dt("add", "--file", str(file), "--json")
    assert refused.code == 7
    assert refused.error["pointer"] == "/1/title"
    assert len(dt("list", "--json").json) == 2


def test_options_beside_a_file_are_refused(dt: Dt) -> None:
    beside = ("--priority", "high", "--tag", "core", "--body-file", "body.md", "--stdin")
    answer = dt("add", "--file", "x.json", *beside)
    assert answer.code == 2
    assert "--priority, --tag, --body-file, --stdin cannot go with tasks from a file" in answer.err


@pytest.mark.parametrize(
    ("step", "place", "hint"),
    [
        ({"tool": "shel", "params": {"command": "x"}}, "tool", "did you mean shell?"),
        ({"params": {"comand": "x"}}, "params", "command"),
    ],
)
def test_a_call_that_its_tool_would_refuse_is_refused_at_once(
    dt: Dt, step: dict[str, object], place: str, hint: str
) -> None:
    answer = dt("add", "-", "--json", stdin=json.dumps({"title": "x", "plan": {"steps": [{"name": "s", **step}]}}))
    assert answer.code == 7
    assert answer.error["pointer"].startswith(f"/plan/steps/0/{place}")
    assert hint in str(answer.error)


def test_a_key_that_is_no_field_is_kept_and_the_nearest_field_named(dt: Dt) -> None:
    answer = dt("add", "-", stdin='{"title": "x", "priorty": "high"}')
    assert answer.code == 0
    assert "priority" in answer.err


def test_no_time_at_all_is_refused_and_not_taken_for_no_limit(dt: Dt) -> None:
    task_id = dt.add("x", "--timeout", "5m")

    for call in (("add", "y", "--timeout", "0"), ("update", task_id, "--timeout", "0")):
        refused = dt(*call, "--json")
        assert (refused.code, refused.error["code"]) == (2, "usage")
    assert dt.task(task_id)["timeout_seconds"] == 300
    assert dt("update", task_id, "--timeout", "", "--json").json["timeout_seconds"] is None


def wide(timeout: dict[str, int]) -> str:
    """A task that asks for more than `config.yaml` allows by default, and for less than that."""
    limits = {"processes": 2000, "output_bytes": 10, "wall_seconds": 100_000}
    return json.dumps({"title": "wide", "plan": {"steps": [{"name": "x", "run": "true", **timeout}]}, "limits": limits})


def test_a_limit_that_is_not_granted_is_told_on_adding_and_on_the_page(dt: Dt) -> None:
    lines = [
        "processes is 1,024, not the 2,000 that it asks for: limits.processes of config.yaml allows no more",
        "wall_seconds is 86,400, not the 100,000 that it asks for: limits.wall_seconds of config.yaml allows no more",
    ]
    said = dt("add", "-", stdin=wide({}))
    assert [line for line in said.err.splitlines() if "asks for" in line] == [f"note: {line}" for line in lines]
    page = dt("show", said.out.strip()).out
    assert [line.strip() for line in page.splitlines() if "asks for" in line] == [
        f"limits     {line}" for line in lines
    ]


def test_the_time_limit_of_the_board_is_nothing_to_steps_that_name_their_own(dt: Dt) -> None:
    assert "wall_seconds" not in dt("add", "-", stdin=wide({"timeout_seconds": 90_000})).err
