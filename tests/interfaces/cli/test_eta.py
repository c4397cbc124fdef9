"""How far tasks are, how long they take, and how their steps went: show, list, status, stats, board prune."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.app.boards import open_board
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.cache import settings_for
from dreamos_tasks.config.home import find_home
from dreamos_tasks.interfaces.cli.eta import range_words
from dreamos_tasks.model.durations import DurationRange
from dreamos_tasks.model.outcome import Succeeded
from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.task import TaskDraft
from tests.interfaces.cli.conftest import Dt

STEPS = tuple(Step(name=name, params={"command": "true"}) for name in ("build", "test"))


@pytest.fixture
def dt(dt: Dt) -> Dt:
    dt("init")
    return dt


@pytest.fixture
def nexus(dt: Dt) -> Iterator[TaskNexus]:
    home = find_home(None)
    with closing(open_board(home, settings_for(home))) as opened:
        yield opened


def add(nexus: TaskNexus) -> str:
    return nexus.add_task(TaskDraft(title="Release", plan=Plan(steps=STEPS))).task_id


def begin(nexus: TaskNexus, task_id: str, step: str, *, seconds: float, now: datetime | None = None) -> dict[str, Any]:
    """The step, as begun so many seconds ago."""
    token = nexus.fetch(task_id).last_token
    started_at = (now or nexus.clock.now()) - timedelta(seconds=seconds)
    begun: dict[str, Any] = {"name": step, "token": token, "started_at": started_at}
    nexus.record_step(task_id, StepResult(**begun, status=StepStatus.RUNNING), token=token)
    return begun


def end(nexus: TaskNexus, task_id: str, begun: dict[str, Any], *, now: datetime) -> None:
    ended = StepResult(**begun, status=StepStatus.COMPLETED, finished_at=now)
    nexus.record_step(task_id, ended, token=begun["token"])


def run(nexus: TaskNexus, *, build: float = 300, test: float = 60) -> str:
    """A task that was run, its steps taking so long."""
    task_id = add(nexus)
    nexus.claim_task(task_id, "daemon")
    now = nexus.clock.now()  # to the second, however long the board takes to write it down
    end(nexus, task_id, begin(nexus, task_id, "build", seconds=build, now=now), now=now)
    end(nexus, task_id, begin(nexus, task_id, "test", seconds=test, now=now), now=now)
    nexus.settle(task_id, Succeeded(), token=1)
    return task_id


def run_often(nexus: TaskNexus) -> None:
    for number in range(12):
        run(nexus, build=300 + number, test=60 + number)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((480, 720, 1500), "~12 min (8-25)"),
        ((20, 45, 80), "~45 s (20-80)"),
        ((60, 120, 240), "~2 min (1-4)"),
        ((30, 150, 900), "~2.5 min (0.5-15)"),
        ((0.1, 0.4, 0.9), "~0.4 s (0.1-0.9)"),
        ((10_000, 20_000, 30_000), "~5.6 h (2.8-8.3)"),
        ((5, 5, 5), "~5 s"),
    ],
)
def test_a_range_is_told_in_one_unit(seconds: tuple[float, float, float], words: str) -> None:
    low, likely, high = seconds
    assert range_words(DurationRange(low_seconds=low, likely_seconds=likely, high_seconds=high)) == words


def test_a_task_that_runs_tells_how_far_it_is_and_how_long_it_will_take(dt: Dt, nexus: TaskNexus) -> None:
    run_often(nexus)
    task_id = add(nexus)
    nexus.claim_task(task_id, "daemon")
    begin(nexus, task_id, "build", seconds=150)
    shown = dt("show", task_id).out
    assert re.search(r"4\d\.?\d? % done, ~3\.\d min \(3\.\d-3\.\d\) left, from 12 earlier runs; now: build", shown)
    assert re.search(r"running \(\d\.?\d? min so far of ~5\.1 min \(5-5\.2\)\)", shown)
    eta = dt("show", task_id, "--json").json["eta"]
    assert 40 <= eta["percent"] < 50  # 41, and more on a machine that is slow to tell
    assert eta["current_steps"] == ["build"]
    assert 200 <= eta["remaining"]["low_seconds"] <= eta["remaining"]["high_seconds"] <= 250
    assert eta["remaining"]["samples"] == 12
    assert dt("show", task_id, "--json").json["progress"] is None  # what its holder says, and it has said nothing


def test_lists_and_status_tell_how_far_what_runs_is(dt: Dt, nexus: TaskNexus) -> None:
    run_often(nexus)
    task_id = add(nexus)
    waiting = add(nexus)
    nexus.claim_task(task_id, "daemon")
    begin(nexus, task_id, "build", seconds=150)
    (line,) = [line for line in dt("list").out.splitlines() if line.startswith(task_id)]
    assert "%, ~3." in line
    (idle,) = [line for line in dt("list").out.splitlines() if line.startswith(waiting)]
    assert "%" not in idle
    assert "%, ~3." in dt("status").out
    assert dt("status", "--json").json["in_progress"][0]["eta"]["current_steps"] == ["build"]


def test_a_line_tells_no_time_that_is_a_mere_guess(dt: Dt, nexus: TaskNexus) -> None:
    task_id = add(nexus)
    nexus.claim_task(task_id, "daemon")
    begin(nexus, task_id, "build", seconds=1500)
    (line,) = [line for line in dt("list").out.splitlines() if line.startswith(task_id)]
    assert "25 %" in line
    assert "left" not in line
    assert "a guess: some of its steps were never run before" in dt("show", task_id).out


def test_what_the_holder_says_goes_before_what_is_derived(dt: Dt, nexus: TaskNexus) -> None:
    task_id = add(nexus)
    nexus.claim_task(task_id, "ada")
    dt("progress", task_id, "--agent", "ada", "--percent", "77")
    assert "77 %" in dt("list").out


def test_a_task_in_the_queue_tells_when_its_turn_comes(dt: Dt, nexus: TaskNexus) -> None:
    run_often(nexus)
    ids = [add(nexus) for _ in range(9)]
    eta = dt("show", ids[-1], "--json").json["eta"]
    assert 700 <= eta["until_start"]["likely_seconds"] <= 800  # four at a time: two rounds of six minutes before it
    assert "it takes ~6.2 min (6-6.3), starts in ~12 min" in dt("show", ids[-1]).out
    assert "starts in" not in dt("show", ids[0]).out


def test_what_was_never_run_is_called_a_guess(dt: Dt, nexus: TaskNexus) -> None:
    assert "a guess: some of its steps were never run before" in dt("show", add(nexus)).out


def test_a_task_without_a_plan_has_no_eta(dt: Dt) -> None:
    dt("add", "by hand")
    (task,) = dt("list", "--json").json
    assert dt("show", task["task_id"], "--json").json["eta"] is None
    assert "eta" not in dt("show", task["task_id"]).out


def test_a_step_that_was_quicker_than_expected_is_noticed(dt: Dt, nexus: TaskNexus) -> None:
    run_often(nexus)
    quick = run(nexus, build=30, test=66)
    assert "finished early: ~5.1 min (5-5.2) was expected" in dt("show", quick).out
    assert dt("show", quick).out.count("was expected)") == 1


def test_a_task_tells_how_long_it_took_and_what_was_expected(dt: Dt, nexus: TaskNexus) -> None:
    run_often(nexus)
    usual, quick = run(nexus, build=370, test=66), run(nexus, build=30, test=66)  # its steps overlap in this test
    assert "took       6 min; ~6.2 min (6-6.3) was expected\n" in dt("show", usual).out
    assert "took       66 s; ~6.2 min (6-6.3) was expected: finished early\n" in dt("show", quick).out
    assert "took" not in dt("show", add(nexus)).out


def test_stats_tell_how_steps_went(dt: Dt, nexus: TaskNexus) -> None:
    run_often(nexus)
    slow = run(nexus, build=4000)
    document = dt("stats", "--tools", "--json").json
    (shell,) = document["tools"]
    assert (shell["tool"], shell["runs"], shell["success_rate"]) == ("shell", 26, 1.0)
    build = next(step for step in shell["steps"] if step["step"] == "build")
    assert build["slowest_task_id"] == slow
    assert 305 <= build["p50_seconds"] <= 307
    assert document["truncated"] is False
    assert slow in dt("stats", "--tools").out
    assert dt("stats", "--tools", "--since", "1h", "--json").json["steps"] == 26


def test_stats_tell_how_often_estimates_held(dt: Dt, nexus: TaskNexus) -> None:
    run_often(nexus)
    run(nexus, build=4000, test=65)
    document = dt("stats", "--eta", "--json").json["all"]
    assert document["finished"] + document["rough"] == 24
    assert document["late"] >= 1
    assert document["inside"] + document["early"] + document["late"] == document["finished"]
    assert dt("stats", "--eta").out.startswith("(all)")


def test_stats_of_a_board_where_nothing_was_run_say_so(dt: Dt) -> None:
    assert "no step has ended" in dt("stats", "--tools").err
    assert "it takes a few runs" in dt("stats", "--eta").err


@pytest.mark.parametrize("args", [("--tools", "--eta"), ("--since", "24h")])
def test_stats_refuse_questions_that_do_not_go_together(dt: Dt, args: tuple[str, ...]) -> None:
    assert dt("stats", *args).code == 2


def test_pruning_asks_first_and_needs_to_know_how_old(dt: Dt, nexus: TaskNexus) -> None:
    task_id = run(nexus)
    assert dt("board", "prune").code == 2
    assert dt("board", "prune", "--older-than", "0s").code == 2  # nobody is there to answer
    assert dt("board", "prune", "--older-than", "0s", "--dry-run", "--json").json["events"] == 5
    assert len(nexus.events(task_id=task_id)) == 7
    answer = dt("board", "prune", "--older-than", "0s", "--yes")
    assert answer.out == "removed 5 events of 1 history, and the run folders of 0 tasks (0 bytes)\n"
    assert len(nexus.events(task_id=task_id)) == 2
    assert dt("board", "check").code == 0


def test_pruning_goes_by_the_settings(dt: Dt, nexus: TaskNexus, home: Path) -> None:
    run(nexus)
    (home / "config.yaml").write_text("dreamos_tasks: 1\nretention: {runs_days: 1000000, events_days: 1000000}\n")
    assert dt("board", "prune", "--yes", "--json").json["events"] == 0
