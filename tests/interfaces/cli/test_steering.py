"""Verbs that steer and change tasks, several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt


def test_a_task_is_paused_resumed_cancelled_and_retried(dt: Dt) -> None:
    task_id = dt.add("x")
    for verb, state in (("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled"), ("retry", "pending")):
        assert dt(verb, task_id, "--json").json["status"] == state


def test_a_paused_task_says_who_paused_it_and_why_and_how_that_ends(dt: Dt) -> None:
    task_id = dt.add("x")
    dt("pause", task_id, "--reason", "waits for the release", "--for", "2h", "--then", "cancel")

    page, why = dt("show", task_id).out, dt("why", task_id).out

    (line,) = [line for line in page.splitlines() if line.startswith("  pause ")]
    assert "by cli: waits for the release; is cancelled" in line
    assert "it is paused\n  pause: " in why
    assert "by cli: waits for the release; is cancelled" in why
    dt("resume", task_id)
    assert "waits for the release" not in dt("show", task_id).out + dt("why", task_id).out


def test_a_task_that_is_to_pause_says_so(dt: Dt) -> None:
    from dreamos_tasks import TaskNexus

    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
        nexus.pause_task(task_id, by="eve", reason="lunch", at_boundary=True)

    for said in (dt("show", task_id).out, dt("why", task_id).out):
        assert "when what runs has ended; " in said
        assert "by eve: lunch" in said


def test_several_ids_give_an_array_and_one_refusal_does_not_hold_up_the_others(dt: Dt) -> None:
    first, second = dt.add("a"), dt.add("b")
    answer = dt("cancel", first, "dt-nope", second, "--json")
    assert answer.code == 3
    assert [task["status"] for task in answer.json] == ["cancelled", "cancelled"]
    assert answer.error["code"] == "task_not_found"


def test_ids_come_from_stdin_for_a_dash(dt: Dt) -> None:
    ids = {dt.add("a"), dt.add("b")}
    listed = dt("list").out
    answer = dt("pause", "-", "--json", stdin=listed)
    assert {task["task_id"] for task in answer.json} == ids


def test_a_resume_of_what_is_not_paused_names_the_legal_verbs(dt: Dt) -> None:
    answer = dt("resume", dt.add("x"), "--json")
    assert (answer.code, answer.error["code"]) == (4, "illegal_transition")
    assert "claim" in answer.error["cause"]


def test_update_claims_and_brings_into_a_state(dt: Dt) -> None:
    task_id = dt.add("x")
    assert dt("update", task_id, "--claim", "--agent", "ada", "--json").json["claim"]["agent_id"] == "ada"
    assert dt("update", task_id, "--status", "done", "--agent", "ada", "--json").json["status"] == "completed"
    other = dt.add("y")
    assert dt("update", other, "--status", "in_progress", "--agent", "ada", "--json").json["status"] == "in_progress"
    assert dt("update", other, "--status", "open", "--agent", "ada", "--json").json["status"] == "pending"


def test_update_changes_what_was_asked_for(dt: Dt) -> None:
    first, task_id = dt.add("first"), dt.add("x")
    task = dt(
        "update", task_id, "--priority", "critical", "--title", "y", "--depends-on", first, "--assign", "ada", "--json"
    ).json
    assert (task["priority"], task["title"], task["depends_on"], task["assigned_to"]) == (
        "critical",
        "y",
        [first],
        "ada",
    )


def test_update_without_a_change_is_a_usage_error(dt: Dt) -> None:
    assert dt("update", dt.add("x")).code == 2


def test_update_empties_a_field_with_an_empty_value(dt: Dt) -> None:
    task_id = dt.add("x", "--assign", "ada", "--tag", "core", "--due", "+2h")
    task = dt("update", task_id, "--assign", "", "--tag", "", "--due", "", "--json").json
    assert (task["assigned_to"], task["tags"], task["due_at"]) == (None, [], None)


def test_what_a_foreground_run_has_left_is_anybodys_after_a_retry(dt: Dt) -> None:
    assert dt("run", "--", "false").code == 1
    (failed,) = dt("list", "--status", "failed", "--json").json
    assert failed["assigned_to"].startswith("run-")

    assert dt("retry", failed["task_id"]).code == 0

    assert dt.task(failed["task_id"])["assigned_to"] is None


def test_a_retry_leaves_a_task_to_whom_it_is_assigned(dt: Dt) -> None:
    task_id = dt.add("x", "--assign", "ada")
    dt("claim", task_id, "--agent", "ada")
    dt("fail", task_id, "--agent", "ada", "--error", "no")

    dt("retry", task_id)

    assert dt.task(task_id)["assigned_to"] == "ada"
