"""Verbs that look: list, ready, search, show, why, history, stats, events, logs, wait."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dreamos_tasks import TaskNexus
from dreamos_tasks.interfaces.cli.output import Output
from dreamos_tasks.interfaces.cli.step_logs import Followed
from dreamos_tasks.interfaces.cli.task_page import next_commands
from dreamos_tasks.model.task import Claim, ProcessIdentity, Status, TaskDraft, evolve, new_task

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt


def test_an_empty_list_is_a_success(dt: Dt) -> None:
    answer = dt("list", "--json")
    assert (answer.code, answer.json) == (0, [])
    assert "dt add" in dt("list").err


def test_list_filters_by_state_tag_priority_agent_and_text(dt: Dt) -> None:
    first = dt.add("Parser", "--tag", "core", "--priority", "high")
    second = dt.add("Lexer", "--depends-on", first, "--assign", "bob")
    dt("claim", first, "--agent", "ada")
    for options, expected in (
        (("--status", "in_progress"), [first]),
        (("--status", "blocked"), [second]),
        (("--status", "In-Progress", "--status", "blocked"), [second, first]),
        (("--tag", "core"), [first]),
        (("--priority", "1"), [first]),
        (("--agent", "bob"), [second]),
        (("--text", "LEX"), [second]),
        (("--status", "failed"), []),
    ):
        assert [task["task_id"] for task in dt("list", "--json", *options).json] == expected, options
    assert [task["task_id"] for task in dt("search", "pars", "--json").json] == [first]


@pytest.mark.parametrize(
    "args",
    [("list", "--tag", ""), ("next", "--agent", "ada", "--tag", ""), ("list", "--agent", " "), ("ready", "--tag", "")],
)
def test_an_empty_scope_is_an_error_and_never_all(dt: Dt, args: tuple[str, ...]) -> None:
    assert dt(*args).code == 2


def test_a_long_list_is_cut_and_says_so(dt: Dt) -> None:
    for number in range(4):
        dt.add(f"t{number}")
    answer = dt("list", "--limit", "3", "--json")
    assert len(answer.json) == 3
    assert f"truncated: 3 are shown; --after {answer.json[-1]['task_id']}" in answer.err
    assert [task["title"] for task in dt("list", "--after", answer.json[-1]["task_id"], "--json").json] == ["t0"]
    assert "truncated" not in dt("list", "--limit", "4").err
    assert len(dt("list", "--all", "--json").json) == 4


def test_a_tag_that_no_task_has_gets_the_nearest_one(dt: Dt) -> None:
    dt.add("x", "--tag", "core")
    assert "did you mean core?" in dt("list", "--tag", "cor").err


def test_ready_lists_in_the_order_of_claiming(dt: Dt) -> None:
    low, high = dt.add("low", "--priority", "low"), dt.add("high", "--priority", "high")
    dt.add("blocked", "--depends-on", low)
    assert [task["task_id"] for task in dt("ready", "--json").json] == [high, low]


def test_show_tells_the_state_why_it_waits_and_what_comes_next(dt: Dt) -> None:
    first = dt.add("first")
    second = dt.add("second", "--depends-on", first)
    page = dt("show", second).out
    assert "blocked" in page
    assert f"it depends on {first}, which is not completed" in page
    assert f"next: dt why {second}" in page
    assert f"dt claim {first} --agent NAME" in dt("show", first).out
    assert dt("show", second, "--json").json["waiting_for"] == [f"it depends on {first}, which is not completed"]


def test_an_unknown_id_gets_the_nearest_ones(dt: Dt) -> None:
    task_id = dt.add("x")
    wrong = task_id[:-1] + ("0" if task_id[-1] != "0" else "1")
    answer = dt("show", wrong, "--json")
    assert (answer.code, answer.error["code"]) == (3, "task_not_found")
    assert task_id in answer.error["fix"]


def test_an_ambiguous_prefix_lists_its_candidates(dt: Dt) -> None:
    ids = [dt.add("a"), dt.add("b")]
    answer = dt("show", "dt-", "--json")
    assert (answer.code, answer.error["code"]) == (4, "ambiguous_id")
    assert all(task_id in answer.error["cause"] for task_id in ids)


def test_why_explains_the_place_in_the_queue_line_by_line(dt: Dt) -> None:
    dt.add("urgent", "--priority", "critical")
    dt.add("older")
    task_id = dt.add("mine")
    why = dt("why", task_id, "--json").json
    assert (why["place"], why["queue_length"]) == (3, 3)
    text = dt("why", task_id).out
    assert "priority medium: 1 ready task of a higher one before it" in text
    assert "1 older ones like it before it" in text
    assert "number 3 of 3 ready tasks" in text


def test_why_names_what_blocks_a_task_and_how_that_stands(dt: Dt) -> None:
    first = dt.add("first")
    second = dt.add("second", "--depends-on", first)
    dt("pause", first)
    assert f"{first}  first: paused" in dt("why", second).out


def test_why_says_what_gets_a_blocker_going_that_does_not_go_on_by_itself(dt: Dt) -> None:
    first = dt.add("first")
    second = dt.add("second", "--depends-on", first)
    assert "next:" not in dt("why", second).out
    dt("cancel", first)
    assert f"    next: dt retry {first}" in dt("why", second).out


@pytest.mark.parametrize("verb", ["show", "why"])
def test_a_cancelled_task_says_who_cancelled_it_and_why(dt: Dt, verb: str) -> None:
    told, silent = dt.add("told"), dt.add("silent")
    dt("cancel", told, "--reason", "the client left", "--agent", "ada")
    dt("cancel", silent)
    assert " by ada: the client left\n" in dt(verb, told).out
    assert " by cli\n" in dt(verb, silent).out


def test_people_are_told_instants_in_their_own_time_and_programs_in_utc(dt: Dt) -> None:
    later = dt.add("later", "--not-before", "2031-05-06T07:08:09Z")
    behind = dt.add("behind", "--depends-on", later)
    here = f"{datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC).astimezone():%Y-%m-%d %H:%M} (in "
    for verb, task_id in (("show", later), ("why", later), ("why", behind)):
        text = dt(verb, task_id).out
        assert f"it starts not before {here}" in text
        assert "2031-05-06T" not in text
    assert dt("why", later, "--json").json["waiting_for"] == ["it starts not before 2031-05-06T07:08:09.000000Z"]


def test_what_only_looks_like_an_instant_is_left_as_it_is(dt: Dt) -> None:
    odd = dt.add("2031-99-99T99:99:99Z")
    assert dt("why", dt.add("behind", "--depends-on", odd)).out.count("2031-99-99T99:99:99Z") == 1


def test_history_tells_states_and_attempts(dt: Dt) -> None:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    dt("complete", task_id, "--agent", "ada")
    told = dt("history", task_id, "--json").json
    assert [state["after"] for state in told["states"]] == ["pending", "in_progress", "completed"]
    assert [(attempt["agent_id"], attempt["outcome"]) for attempt in told["attempts"]] == [("ada", "completed")]


def test_stats_count_by_state_priority_holder_and_tag(dt: Dt) -> None:
    dt.add("x", "--tag", "core")
    dt("next", "--agent", "ada")
    numbers = dt("stats", "--json").json
    assert numbers["status"]["in_progress"] == 1
    assert (numbers["agent"], numbers["tag"]) == ({"ada": 1}, {"core": 1})


def test_events_come_as_lines_after_a_number(dt: Dt) -> None:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    lines = [json.loads(line) for line in dt("events", "--after", "0", "--jsonl").out.splitlines()]
    assert [event["type"] for event in lines] == ["task_added", "task_claimed"]
    assert [event["type"] for event in dt("events", "--after", str(lines[0]["id"]), "--json").json] == ["task_claimed"]


def test_followed_events_show_what_another_process_writes(dt: Dt) -> None:
    task_id = dt.add("x")

    def claim_from_elsewhere() -> None:
        with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
            nexus.claim_task(task_id, "ada")

    timer = threading.Timer(0.3, claim_from_elsewhere)
    timer.start()
    answer = dt("events", "--follow", "--jsonl", "--limit", "2")
    timer.join()
    assert [json.loads(line)["type"] for line in answer.out.splitlines()] == ["task_added", "task_claimed"]


def test_wait_exits_with_the_result_of_the_tasks(dt: Dt) -> None:
    good, bad = dt.add("good"), dt.add("bad")
    dt("claim", good, "--agent", "ada")
    dt("complete", good, "--agent", "ada")
    dt("cancel", bad)
    assert dt("wait", good).code == 0
    assert dt("wait", good, bad).code == 1
    timed_out = dt("wait", dt.add("open"), "--timeout", "0.1", "--json")
    assert (timed_out.code, timed_out.error["code"]) == (124, "timed_out")


def test_wait_ends_when_another_process_ends_the_task(dt: Dt) -> None:
    task_id = dt.add("x")

    def cancel_from_elsewhere() -> None:
        with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
            nexus.cancel_task(task_id, by="bob")

    timer = threading.Timer(0.3, cancel_from_elsewhere)
    timer.start()
    answer = dt("wait", task_id, "--timeout", "30", "--json")
    timer.join()
    assert (answer.code, answer.json["status"]) == (1, "cancelled")


def test_logs_show_what_steps_printed(dt: Dt) -> None:
    from dreamos_tasks.model.plan import StepResult, StepStatus

    task_id = dt.add("x", "--run", "make")
    with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
        token = nexus.claim_task(task_id, "daemon").last_token
        folder = dt.home / "runtime" / "runs" / task_id / str(token)
        folder.mkdir(parents=True)
        (folder / "run.log").write_text("built it\n")
        path = f"{task_id}/{token}/run.log"
        done = StepResult(name="run", status=StepStatus.COMPLETED, token=token, output_head="bui", output_path=path)
        nexus.record_step(task_id, done, token=token)
    assert dt("logs", task_id).out == "built it\n"
    assert dt("logs", task_id, "--json").json == [{"step": "run", "output": "built it\n"}]
    assert dt("logs", task_id, "--step", "nope").code == 3
    assert "last lines of run" in dt("show", task_id).out


def test_followed_logs_end_with_the_attempt(dt: Dt) -> None:
    task_id = dt.add("x", "--run", "make")
    folder = dt.home / "runtime" / "runs" / task_id / "1"
    folder.mkdir(parents=True)
    with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
        nexus.claim_task(task_id, "daemon")

    def work_elsewhere() -> None:
        with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
            (folder / "run.log").write_text("built it\n")
            nexus.mark_task_completed(task_id, token=1)

    worker = threading.Timer(0.2, work_elsewhere)
    worker.start()
    answer = dt("logs", task_id, "--follow")
    worker.join()
    assert (answer.code, answer.out) == (0, "built it\n")


def test_followed_logs_lose_nothing_of_an_attempt_after_which_the_next_one_begins_at_once(
    dt: Dt, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = dt.add("x", "--run", "make")
    runs = dt.home / "runtime" / "runs" / task_id

    def write(token: int, words: str) -> None:
        (runs / str(token)).mkdir(parents=True, exist_ok=True)
        with (runs / str(token) / "run.log").open("a") as log:
            log.write(words)

    def go_on(*_: object, **__: object) -> None:
        """Between two looks."""
        write(1, "the reason\n")
        with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
            nexus.release_task(task_id, token=1)
            nexus.claim_task(task_id, "daemon")
            write(2, "once more\n")
            nexus.mark_task_completed(task_id, token=2)

    with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
        nexus.claim_task(task_id, "daemon")
    write(1, "built it\n")
    monkeypatch.setattr("dreamos_tasks.board.watch.BoardWatch.wait", go_on)

    assert dt("logs", task_id, "--follow").out == "built it\nthe reason\nonce more\n"


def test_a_character_that_comes_in_two_parts_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.log"
    followed = Followed(file)
    written = "ü".encode()
    for length in (1, 2):
        file.write_bytes(written[:length])
        followed.print_new(Output())
    assert capsys.readouterr().out == "ü"


def test_the_page_of_a_task_stays_short_whatever_was_printed(dt: Dt) -> None:
    dt("run", "--title", "long", "--", "sh", "-c", "head -c 50000 /dev/zero | tr '\\0' x")
    (task,) = dt("list", "--json").json

    page = dt("show", task["task_id"]).out

    assert "x" * 300 + "… (" in page
    assert len(page) < 5000


def test_a_call_of_another_tool_is_shown_with_what_it_is_about(dt: Dt) -> None:
    plan = {"steps": [{"name": "get", "tool": "http", "params": {"method": "GET", "url": "http://127.0.0.1:1/a"}}]}
    task_id = dt("add", "-", stdin=json.dumps({"title": "x", "plan": plan})).out.strip()

    assert "http GET http://127.0.0.1:1/a" in dt("show", task_id).out


def test_of_a_task_that_a_program_runs_nobody_is_told_to_complete_it() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    process = ProcessIdentity(pid=1, started_ticks=1, boot_id="b", instance="i")
    claim = Claim(agent_id="daemon", token=1, claimed_at=now, lease_until=now, heartbeat_at=now, process=process)
    task = new_task(TaskDraft(title="x"), task_id="dt-1", now=now)
    held = evolve(task, {"status": Status.IN_PROGRESS, "claim": claim})

    assert next_commands(held) == ["dt logs dt-1 -f", "dt wait dt-1", "dt pause dt-1"]
