"""What failed for good: listed with the reason why, and tried again with one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt


@pytest.fixture
def failed(dt: Dt) -> dict[str, str]:
    """Tasks that failed for good, by their category; one of them is tagged. And one that is only pending."""
    ids = {}
    for category in ("configuration", "permission", "logic"):
        task_id = dt.add(f"a {category} task", *(("--tag", "core") if category == "logic" else ()))
        dt("claim", task_id, "--agent", "ada")
        assert dt("fail", task_id, "--agent", "ada", "--error", f"{category} it is", "--category", category).code == 0
        ids[category] = task_id
    dt.add("pending")
    return ids


def test_what_failed_is_listed_with_category_and_reason(dt: Dt, failed: dict[str, str]) -> None:
    answer = dt("list", "--status", "failed")
    rows = [line.split() for line in answer.out.splitlines()]
    assert [row[:3] for row in rows] == [
        [failed["logic"], "logic", "1"],
        [failed["permission"], "permission", "1"],
        [failed["configuration"], "configuration", "1"],
    ]
    assert "permission it is" in answer.out
    assert "dt retry --all-failed gives a fresh start" in answer.err


def test_the_command_that_is_named_tries_just_the_listed_again(dt: Dt, failed: dict[str, str]) -> None:
    assert f"dt retry {failed['logic']} gives" in dt("list", "--status", "failed", "--tag", "core").err
    other = dt.add("another", "--tag", "core")
    dt("claim", other, "--agent", "ada")
    dt("fail", other, "--agent", "ada", "--error", "no", "--category", "logic")
    answer = dt("list", "--status", "failed", "--tag", "core", "--category", "logic")
    assert "dt retry --all-failed --tag core --category logic gives" in answer.err
    assert "dt retry ID... gives" in dt("list", "--status", "failed", "--text", "a").err


def test_a_list_in_json_is_the_same_for_failed_tasks(dt: Dt, failed: dict[str, str]) -> None:
    answer = dt("list", "--status", "failed", "--category", "permission", "--json")
    assert [(task["task_id"], task["error"]["message"]) for task in answer.json] == [
        (failed["permission"], "permission it is")
    ]
    assert answer.err == ""


def test_all_that_failed_gets_a_fresh_start_with_one_command(dt: Dt, failed: dict[str, str]) -> None:
    answer = dt("retry", "--all-failed", "--json")
    assert {task["task_id"]: task["status"] for task in answer.json} == dict.fromkeys(failed.values(), "pending")
    assert dt("list", "--status", "failed", "--json").json == []


def test_one_category_or_tag_of_it_can_be_tried_again(dt: Dt, failed: dict[str, str]) -> None:
    answer = dt("retry", "--all-failed", "--category", "permission", "--json")
    assert [task["task_id"] for task in answer.json] == [failed["permission"]]
    assert dt("retry", "--all-failed", "--tag", "core").out.split() == [failed["logic"], "pending"]
    assert [task["task_id"] for task in dt("list", "--status", "failed", "--json").json] == [failed["configuration"]]


def test_a_dry_run_shows_what_would_be_tried_again_and_changes_nothing(dt: Dt, failed: dict[str, str]) -> None:
    before = dt("list", "--all", "--json").json
    answer = dt("retry", "--all-failed", "--dry-run")
    assert [line.split()[0] for line in answer.out.splitlines()] == list(reversed(failed.values()))
    assert "nothing was changed" in answer.err
    shown = dt("retry", "--all-failed", "--dry-run", "--category", "logic", "--json").json
    assert [(task["task_id"], task["status"]) for task in shown] == [(failed["logic"], "failed")]
    assert dt("list", "--all", "--json").json == before


def test_when_nothing_failed_there_is_nothing_to_try_again(dt: Dt) -> None:
    dt.add("x")
    answer = dt("retry", "--all-failed")
    assert (answer.code, answer.out) == (0, "")
    assert dt("retry", "--all-failed", "--json").json == []


@pytest.mark.parametrize(
    "arguments",
    [(), ("dt-x", "--all-failed"), ("--category", "logic"), ("dt-x", "--dry-run"), ("dt-x", "--tag", "core")],
)
def test_retry_takes_ids_or_all_that_failed(dt: Dt, arguments: tuple[str, ...]) -> None:
    answer = dt("retry", *arguments, "--json")
    assert (answer.code, answer.error["code"]) == (2, "usage")
    assert "--all-failed" in answer.error["message"]


def test_a_slip_in_a_category_names_the_nearest(dt: Dt) -> None:
    assert dt("list", "--category", "transent", "--json").error["fix"] == "did you mean transient?"
